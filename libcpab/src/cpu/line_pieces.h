/*
 * The map of one field in 1D by the polynomials of line_cut.h: for fields that move so many points that these
 * cost nothing beside them.
 *
 * A point finds its piece by its bin, one of equal intervals in which mostly no more than three pieces end.
 * The gradient of the field is linear in the cotangents and as smooth as the map: those of the points of a
 * piece, times powers of their places, are added up, and shared out to the nodes at the end. line.h takes
 * back these alone.
 */
#ifndef CPAB_CPU_LINE_PIECES_H
#define CPAB_CPU_LINE_PIECES_H

#include "line_cut.h"
#include "tiles.h"

namespace cpab {
namespace CPAB_ISA {

/* Where a point is among the pieces, and where it goes. */
template <typename V>
struct PiecePlace {
    typename V::Index piece;
    V place; /* s of the piece, see LinePiece */
    V displacement, factor;
};

/* V: lanes of points; D: lanes of doubles. */
template <typename V, typename D>
class LinePieces {
    using T = typename V::Scalar;
    using Index = typename V::Index;
    using Integer = typename Index::Integer;
    static constexpr int K = LinePiece::order;

public:
    explicit LinePieces(const cpab_tessellation &tess)
        : n_(tess.cells[0]), size_(1 / tess.scale[0]), cut_(tess) {}

    /* Whether they pay, for so many points of an item. Double precision takes more of them than pay. */
    bool worth(int64_t n_points) const {
        return sizeof(T) == 4 && n_ <= most_bins / 16 && n_points >= 4096 * (8 + n_);
    }

    bool allocate() {
        const int64_t most = LineCut<T, D>::most_pieces + most_ends, room = K * most + D::width;
        return cut_.allocate() && sum_.allocate(n_) && bins_.allocate(bin_stride * most_bins) &&
               ends_.allocate(most + look_up_room) && displacements_.allocate(stride * most) &&
               factors_.allocate(stride * most) && moments_.allocate(stride * most) &&
               totals_.allocate(K * most) && places_.allocate(room) && cotangents_.allocate(room);
    }

    /* Answers false if the field is not for pieces. */
    bool prepare(const T *velocity, double time) {
        if (!(size_ > 1e-20 && size_ < 1e20) || !cut_.prepare(velocity, time)) return false;
        for (int64_t p = 0; p < cut_.size(); p++) {
            write(cut_[p], cut_[p].displacement, &displacements_[p * stride]);
            write(cut_[p], cut_[p].factor, &factors_[p * stride]);
        }
        set_ends();
        int64_t per_cell = 2; /* knots are the ends of bins */
        if (bins_for(per_cell) > most_bins) return false;
        while (!sort(per_cell) && bins_for(2 * per_cell) <= most_bins) per_cell *= 2;
        return true;
    }

    /* Nearer to the domain than this, in cells, no displacement overflows. */
    static constexpr double near = 1e6;

    CPAB_INLINE PiecePlace<V> find(V u) const {
        const V bin = smaller(larger(u * V(bins_per_cell_) + V(first_bin_), V(0)), V(last_bin_));
        V record[bin_stride];
        load_records<bin_stride>(bins_.data(), bin_stride, truncated(bin), record);
        PiecePlace<V> at;
        at.piece = bits_of(record[most_ends]);
        for (int i = 0; i < most_ends; i++) at.piece = at.piece + select(record[i] < u, Index(1), Index(0));
        for (auto beyond = record[most_ends - 1] < u; any(beyond);) {
            beyond = from_bits(look_up(ends_.data(), cut_.size(), at.piece)) < u;
            at.piece = at.piece + select(beyond, Index(1), Index(0));
        }
        return at;
    }

    CPAB_INLINE void displace(V u, PiecePlace<V> &at) const {
        at.displacement = evaluated(displacements_.data(), u, at);
    }

    CPAB_INLINE void differentiate(V u, PiecePlace<V> &at) const {
        at.factor = evaluated(factors_.data(), u, at);
    }

    void start() {
        totals_.zero();
        moments_.zero();
        added_ = 0;
    }

    /* Cotangents of a vector of points. */
    CPAB_INLINE void add(const PiecePlace<V> &at, V cotangent) {
        V moments[K];
        moments[0] = cotangent;
        for (int k = 1; k < K; k++) moments[k] = moments[k - 1] * at.place;
        if (any(~(at.piece == Index(at.piece[0])))) {
            add_records<K>(moments_.data(), stride, at.piece, moments);
        } else { /* as points in order mostly are: sums in memory would wait for each other */
            T sums[stride];
            sum_lanes<K>(moments, sums);
            T *row = &moments_[int64_t(at.piece[0]) * stride];
            for (int k = 0; k < K; k++) row[k] += sums[k];
        }
        added_ += V::width;
        if (added_ >= most_added) total();
    }

    /* dL / d velocity [n + 1] of the knots, in units of the domain. */
    const double *finish() {
        total();
        const int64_t n = share_out();
        const Line<D> line = cut_.field().template line<D>();
        sum_.start();
        for (int64_t first = 0; first < n; first += D::width) {
            Way<D> way;
            set_out<true>(line, D::load(&places_[first]), way);
            follow<true>(line, way);
            sum_.add(way, pull_back(way, D::load(&cotangents_[first])));
        }
        return sum_.finish(cut_.field());
    }

private:
    static constexpr int stride = 8; /* of records: origin, inverse, coefficients; and of moments */
    static constexpr int most_ends = 3, bin_stride = 4;
    static constexpr int64_t most_bins = 1024;
    static constexpr int64_t most_added = 1024; /* points, in single precision */

    CPAB_INLINE static V evaluated(const T *table, V u, PiecePlace<V> &at) {
        V record[stride];
        load_records<stride>(table, stride, at.piece, record);
        at.place = (u - record[0]) * record[1];
        V sum = record[2 + K - 1];
        for (int k = K - 2; k >= 0; k--) sum = sum * at.place + record[2 + k];
        return sum;
    }

    static void write(const LinePiece &piece, const double *coefficients, T *record) {
        record[0] = T(piece.origin), record[1] = T(piece.inverse);
        for (int k = 0; k < K; k++) record[2 + k] = T(coefficients[k]);
    }

    /* Where pieces end. NaN stands for what nothing is beyond. */
    void set_ends() {
        for (int64_t p = 0; p < cut_.size(); p++) {
            const T end = p + 1 < cut_.size() ? end_of(p) : std::numeric_limits<T>::quiet_NaN();
            std::memcpy(&ends_[p], &end, sizeof end);
        }
    }

    /* Rounded down: the same points are above it. */
    T end_of(int64_t piece) const {
        const double high = cut_[piece].high;
        const T nearest = T(high);
        return double(nearest) > high ? std::nextafter(nearest, -std::numeric_limits<T>::infinity())
                                      : nearest;
    }

    int64_t bins_for(int64_t per_cell) const { return (cut_.high() - cut_.low()) * per_cell + 2; }

    /* Fills the bins: the number of the piece that a bin begins at the end of or in, and where the first
       three pieces end, its beginning included, or NaN. Points on ends belong to what is below, as in line.h;
       and so do those that rounding sends to the bin above. The bins at both ends go on for ever. Answers
       false if in some of them more pieces end. */
    bool sort(int64_t per_cell) {
        const int64_t n_bins = bins_for(per_cell), first = 1 - cut_.low() * per_cell;
        bins_per_cell_ = T(per_cell), first_bin_ = T(first), last_bin_ = T(n_bins - 1);
        bool no_more = true;
        int64_t piece = 0;
        for (int64_t bin = 0; bin < n_bins; bin++) {
            const double high = double(bin + 1 - first) / double(per_cell);
            const auto ends = [&]() { return piece + 1 < cut_.size() && cut_[piece].high < high; };
            const Integer number = static_cast<Integer>(piece);
            T *record = &bins_[bin * bin_stride];
            std::memcpy(&record[most_ends], &number, sizeof number);
            for (int i = 0; i < most_ends; i++) {
                const bool one_more = ends();
                record[i] = one_more ? end_of(piece) : std::numeric_limits<T>::quiet_NaN();
                piece += one_more;
            }
            no_more &= !ends();
            while (ends()) piece++;
        }
        return no_more;
    }

    void total() {
        for (int64_t p = 0; p < cut_.size(); p++)
            for (int k = 0; k < K; k++) totals_[p * K + k] += double(moments_[p * stride + k]);
        moments_.zero();
        added_ = 0;
    }

    /* Cotangents of places where line.h takes them back, in the place of the points'; answers how many. */
    int64_t share_out() {
        int64_t n = 0;
        for (int64_t p = 0; p < cut_.size(); p++) {
            const double *moments = &totals_[p * K];
            bool none = true;
            for (int k = 0; k < K; k++) none &= moments[k] == 0;
            if (!none) n += share_out(cut_[p], moments, &places_[n], &cotangents_[n]);
        }
        for (int64_t i = 0; i < n; i++) cotangents_[i] *= size_;
        for (int64_t i = n; i < n + D::width; i++) places_[i] = cotangents_[i] = 0;
        return n;
    }

    /* Where the map is affine, points may be far away: powers of their places say nothing. */
    int64_t share_out(const LinePiece &piece, const double *moments, double *places,
                      double *cotangents) const {
        if (piece.affine) {
            const double half = (piece.high - piece.low) / 2;
            places[0] = piece.low + half / 2, places[1] = piece.high - half / 2;
            cotangents[1] = (moments[1] - (places[0] - piece.origin) * moments[0]) / half;
            cotangents[0] = moments[0] - cotangents[1];
            return 2;
        }
        for (int q = 0; q < K; q++) places[q] = piece.centre + piece.radius * cut_.nodes().node[q];
        const auto powers = piece.powers();
        double of_places[K] = {};
        for (int k = 0; k < K; k++)
            for (int j = 0; j <= k; j++) of_places[k] += powers.of[k][j] * moments[j];
        cut_.nodes().share_out(of_places, cotangents);
        return K;
    }

    const int64_t n_;
    const double size_; /* of a cell */
    LineCut<T, D> cut_;
    LineGradientSum<D, D> sum_;
    T bins_per_cell_ = 0, first_bin_ = 0, last_bin_ = 0;
    Array<T> bins_, displacements_, factors_, moments_; /* records */
    Array<Integer> ends_;                               /* the bits of numbers, for look_up() */
    Array<double> totals_;                              /* [pieces, K] of the moments that came before */
    Array<double> places_, cotangents_;
    int64_t added_ = 0;
};

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
