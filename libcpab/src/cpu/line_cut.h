/*
 * The map of one field in 1D, cut into pieces on which it is a polynomial, beside a rounding of points of
 * type T.
 *
 * Between the knots, and the points that reach a knot in just a unit of time, the map is analytic: these are
 * the first cuts. Where points stay in their cells it is affine. Elsewhere it is interpolated at Chebyshev's
 * nodes, where line.h says in double precision what it is; between the nodes both are compared, and pieces on
 * which they differ are halved.
 *
 * Lengths are in cells, as in line.h.
 */
#ifndef CPAB_CPU_LINE_CUT_H
#define CPAB_CPU_LINE_CUT_H

#include <limits>

#include "../line_gradient.h"
#include "line_nodes.h"

namespace cpab {
namespace CPAB_ISA {

/* What a point does at u: polynomials of s = (u - origin) * inverse, of numbers that T has. Where the map is
   affine, s is counted from the knot of this half of a cell, in cells. Elsewhere nodes are around the centre.
 */
struct LinePiece {
    static constexpr int order = LineNodes::count;
    double low, high; /* it ends there; points on ends belong to what is below */
    double centre, radius;
    double origin, inverse;
    bool affine;
    double displacement[order], factor[order]; /* factor: the derivative of where it ends */

    /* Powers of places off the centre, in units of the radius, by those of s. */
    LineNodes::Powers powers() const {
        return LineNodes::Powers(1 / inverse / radius, (origin - centre) / radius);
    }
};

/* D: lanes of doubles. */
template <typename T, typename D>
class LineCut {
    static constexpr int K = LineNodes::count;
    static constexpr double rounding = std::numeric_limits<T>::epsilon();

public:
    static constexpr int64_t most_pieces = 512; /* tables stay in a cache */

    explicit LineCut(const cpab_tessellation &tess) : n_(tess.cells[0]), there_(tess), back_(tess) {}

    bool allocate() {
        return there_.allocate() && back_.allocate() && velocity_.allocate(n_ + 1) &&
               starts_.allocate(n_ + 1 + D::width) && pieces_.allocate(most_pieces);
    }

    /* Answers false if the field needs too many pieces. */
    bool prepare(const T *velocity, double time) {
        for (int64_t v = 0; v <= n_; v++) velocity_[v] = double(velocity[v]);
        if (!there_.prepare(velocity_.data(), time) || !back_.prepare(velocity_.data(), -time)) return false;
        find_starts();
        const double low = std::floor(std::min(starts_[0], 0.0)),
                     high = std::ceil(std::max(starts_[n_], double(n_)));
        if (!(high - low <= double(most_pieces))) return false;
        low_ = int64_t(low), high_ = int64_t(high);
        return cut();
    }

    int64_t low() const { return low_; } /* from there on down, points stay in the ghost */
    int64_t high() const { return high_; }
    int64_t size() const { return size_; }
    const LinePiece &operator[](int64_t piece) const { return pieces_[piece]; }
    const LineField<double, D> &field() const { return there_; }
    const LineNodes &nodes() const { return nodes_; }

private:
    /* The points that reach the knots. */
    void find_starts() {
        const Line<D> line = back_.template line<D>();
        for (int64_t k = 0; k <= n_; k++) starts_[k] = double(k);
        for (int64_t k = 0; k <= n_; k += D::width) {
            Way<D> way;
            const D knot = D::load(&starts_[k]);
            set_out<false>(line, knot, way);
            follow<false>(line, way);
            (knot + way.displacement).store(&starts_[k]);
        }
        for (int64_t k = 1; k <= n_; k++) starts_[k] = std::max(starts_[k - 1], starts_[k]);
    }

    /* At those points, and at all halves of cells: affine pieces are counted from the nearest knot. */
    bool cut() {
        size_ = 0;
        double from = double(low_) - 1;
        int64_t next = 0;
        const auto cut_at = [&](double end) {
            for (; next <= n_ && starts_[next] <= end; next++) {
                if (!(starts_[next] > from && starts_[next] < end)) continue;
                if (!add(from, starts_[next])) return false;
                from = starts_[next];
            }
            const bool enough = !(end > from) || add(from, end);
            from = end;
            return enough;
        };
        if (!cut_at(double(low_))) return false;
        for (int64_t half = 0; half <= 2 * n_; half++)
            if (!cut_at(0.5 * double(half))) return false;
        return cut_at(double(high_)) && cut_at(double(high_) + 1);
    }

    bool add(double low, double high) {
        if (size_ == most_pieces) return false;
        LinePiece piece;
        place(piece, low, high);
        double moved[2 * K], factors[2 * K];
        piece.affine = !follow_nodes(piece, moved, factors);
        if (piece.affine) {
            set_affine(piece);
        } else {
            double displacement[K], factor[K];
            nodes_.interpolate(moved, displacement);
            nodes_.interpolate(factors, factor);
            /* points of T are hardly inside of a narrow one, and it may be anything that is near */
            const bool narrow = high - low < 4 * rounding * std::max(1.0, std::fabs(low));
            if (!narrow && !(agrees(displacement, moved + K) && agrees(factor, factors + K)))
                return add_parts(low, high);
            rebase(displacement, piece, piece.displacement);
            rebase(factor, piece, piece.factor);
        }
        pieces_[size_++] = piece;
        return true;
    }

    /* Cut about in the middle, at the multiple of a large power of 2: bins begin there, too. */
    bool add_parts(double low, double high) {
        const double step = std::ldexp(1.0, std::ilogb((high - low) / 2));
        const double middle = std::nearbyint((low + high) / 2 / step) * step;
        return add(low, middle) && add(middle, high);
    }

    static void place(LinePiece &piece, double low, double high) {
        piece.low = low, piece.high = high;
        piece.centre = (low + high) / 2;
        piece.radius = std::max((high - low) / 2, 1e-30); /* of which T has the inverse */
        piece.origin = double(T(piece.centre));
        piece.inverse = double(T(1 / piece.radius));
    }

    /* From powers of places to those of s. */
    static void rebase(const double *of_places, const LinePiece &piece, double *out) {
        const auto powers = piece.powers();
        for (int j = 0; j < K; j++) {
            out[j] = 0;
            for (int k = j; k < K; k++) out[j] += of_places[k] * powers.of[k][j];
        }
    }

    /* Displacements and derivatives at the nodes, then between them; answers whether any point leaves its
       cell. */
    bool follow_nodes(const LinePiece &piece, double *moved, double *factors) const {
        const Line<D> line = there_.template line<D>();
        double places[2 * K + D::width], displacements[2 * K + D::width], ends[2 * K + D::width];
        for (int i = 0; i < 2 * K + D::width; i++) {
            const double s = i < K ? nodes_.node[i] : i < 2 * K ? nodes_.between[i - K] : 0;
            places[i] = piece.centre + piece.radius * s;
        }
        auto leaves = D::Bits::none();
        for (int i = 0; i < 2 * K; i += D::width) {
            Way<D> way;
            set_out<true>(line, D::load(places + i), way);
            follow<true>(line, way);
            leaves = leaves | way.leaves;
            way.displacement.store(displacements + i);
            pull_back(way, D(1)).point.store(ends + i);
        }
        std::copy(displacements, displacements + 2 * K, moved);
        std::copy(ends, ends + 2 * K, factors);
        return any(leaves);
    }

    /* Whether it is as good as closed forms in T. */
    bool agrees(const double *coefficients, const double *between) const {
        for (int q = 0; q < K; q++) {
            const double error = nodes_.value(coefficients, nodes_.between[q]) - between[q];
            if (!(std::fabs(error) <= rounding * std::fabs(between[q]))) return false;
        }
        return true;
    }

    void set_affine(LinePiece &piece) const {
        const double middle = (piece.low + piece.high) / 2;
        const double low_knot = std::min(std::max(std::floor(middle), -1.0), double(n_));
        const bool at_high = low_knot < 0 || (low_knot < double(n_) && middle > low_knot + 0.5);
        const double *cell = there_.template line<D>().cells + (int64_t(low_knot) + 1) * LineRecord::stride;
        const double path = cell[LineRecord::path];
        piece.origin = at_high ? low_knot + 1 : low_knot;
        piece.inverse = 1;
        std::fill(piece.displacement, piece.displacement + K, 0.0);
        std::fill(piece.factor, piece.factor + K, 0.0);
        piece.displacement[0] = cell[at_high ? LineRecord::high : LineRecord::low] * path;
        piece.displacement[1] = cell[LineRecord::slope] * path;
        piece.factor[0] = cell[LineRecord::factor];
    }

    const int64_t n_;
    const LineNodes nodes_;
    LineField<double, D> there_, back_;
    Array<double> velocity_;
    Array<double> starts_; /* [n + 1] */
    int64_t low_ = 0, high_ = 0, size_ = 0;
    Array<LinePiece> pieces_;
};

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
