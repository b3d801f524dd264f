/*
 * The worker for 1D: moves points and takes gradients back by the closed forms of line.h, whose cost per
 * point is O(log cells), or by the polynomials that line_pieces.h makes of these for very many points.
 * Derivatives of these are left to the walk, and so are fields that LineField refuses.
 */
#ifndef CPAB_CPU_LINE_WORKER_H
#define CPAB_CPU_LINE_WORKER_H

#include <limits>

#include "../line_gradient.h"
#include "line_pieces.h"
#include "packing.h"
#include "point_arrays.h"
#include "tiles.h"
#include "worker.h"

namespace cpab {
namespace CPAB_ISA {

/* V: lanes of points; D: lanes of doubles; Walker: the worker that walks. */
template <typename V, typename D, typename Walker>
class LineWorker final : public Worker<typename V::Scalar> {
    using T = typename V::Scalar;
    using Bits = typename V::Bits;
    static constexpr int W = V::width;

public:
    explicit LineWorker(const cpab_tessellation &tess)
        : walker_(tess),
          field_(tess),
          pieces_(tess),
          n_(tess.cells[0]),
          lower_(T(tess.lower[0])),
          scale_(T(tess.scale[0])),
          size_(T(1 / tess.scale[0])) {}

    bool allocate(const Needs &needs) {
        walks_only_ = needs.tangent || needs.log_det;
        many_points_ = !walks_only_ && pieces_.worth(needs.n_points);
        return walker_.allocate(needs) && field_.allocate() && (!needs.gradient || sum_.allocate(n_)) &&
               (!many_points_ || pieces_.allocate());
    }

    void release() override { delete this; }

    void prepare(const T *velocity, const T *tangent, double time) override {
        velocity_ = velocity, tangent_ = tangent, time_ = time;
        walker_ready_ = line_ready_ = false;
    }

    bool in_range() const override {
        const_cast<LineWorker *>(this)->walker();
        return walker_.in_range();
    }

    void velocities(const T *points, int64_t n, T *out) override { walker().velocities(points, n, out); }

    Outcome move_tangent(const T *points, const T *tangent_points, int64_t n, T *out_tangent) override {
        return walker().move_tangent(points, tangent_points, n, out_tangent);
    }

    Outcome jacobian(const T *points, int64_t n, T *jacobian, T *log_det) override {
        return walker().jacobian(points, n, jacobian, log_det);
    }

    Outcome pull_back_log_det(const T *points, const T *grad_log_det, int64_t n, T *grad_points) override {
        return walker().pull_back_log_det(points, grad_log_det, n, grad_points);
    }

    /* A closed form has no segments: tapes stay as they are. */
    Outcome move(const T *points, int64_t n, T *out, const TapeBlocks &) override {
        if (walks()) return walker().move(points, n, out, TapeBlocks{});
        const auto keep = [&](const auto &, V moved, Bits, int64_t first, int count) {
            store(moved, count, out + first);
        };
        if (!in_pieces_) return for_points<Way<V>>(points, n, by_ways<false>(), keep);
        return for_points<PiecePlace<V>>(
            points, n, [&](const V *u, PiecePlace<V> *at, int n_vectors) { find(u, at, n_vectors, true); },
            keep);
    }

    void start_slice() override {
        if (walks()) return walker().start_slice();
        if (in_pieces_)
            pieces_.start();
        else
            sum_.start();
        gradient_not_finite_ = false;
    }

    Outcome pull_back(const T *points, const T *tangent_points, const T *grad_out, int64_t n, T *grad_points,
                      Ends<T> *ends, const TapeBlocks &) override {
        if (walks())
            return walker().pull_back(points, tangent_points, grad_out, n, grad_points, ends, TapeBlocks{});
        if (in_pieces_) return pull_back_pieces(points, grad_out, n, grad_points, ends);
        return for_points<Way<V>>(points, n, by_ways<true>(),
                                  [&](const Way<V> &way, V moved, Bits not_finite, int64_t first, int count) {
                                      if (ends) report(*ends, moved, first, count);
                                      const Bits left_out = not_finite | ~first_lanes_(count);
                                      const V lam =
                                          select(left_out, V(0), load(grad_out + first, count) * V(size_));
                                      const LineGradient<V> gradient = cpab::CPAB_ISA::pull_back(way, lam);
                                      sum_.add(way, gradient);
                                      gradient_not_finite_ |= any(not_finite);
                                      if (grad_points)
                                          store(select(not_finite, V(nan()), gradient.point * V(scale_)),
                                                count, grad_points + first);
                                  });
    }

    void add_gradient(T *grad_velocity) override {
        if (walks()) return walker().add_gradient(grad_velocity);
        const double *gradient = in_pieces_ ? pieces_.finish() : sum_.finish(field_);
        for (int64_t v = 0; v <= n_; v++) grad_velocity[v] += gradient_not_finite_ ? nan() : T(gradient[v]);
    }

private:
    static T nan() { return std::numeric_limits<T>::quiet_NaN(); }

    /* Both are prepared where they are needed first, apart from the many functions that may be first. */
    Walker &walker() {
        if (!walker_ready_) prepare_walker();
        return walker_;
    }

    bool walks() {
        if (walks_only_) return true;
        if (!line_ready_) prepare_line();
        return !line_usable_;
    }

    CPAB_APART void prepare_walker() {
        walker_.prepare(velocity_, tangent_, time_);
        walker_ready_ = true;
    }

    CPAB_APART void prepare_line() {
        line_usable_ = field_.prepare(velocity_, time_);
        in_pieces_ = line_usable_ && many_points_ && pieces_.prepare(velocity_, time_);
        line_ready_ = true;
    }

    Outcome pull_back_pieces(const T *points, const T *grad_out, int64_t n, T *grad_points, Ends<T> *ends) {
        const auto turn = [&](const V *u, PiecePlace<V> *at, int n_vectors) {
            bool all_near = !ends;
            for (int i = 0; i < n_vectors; i++) all_near &= !any(~(magnitude(u[i]) < V(T(pieces_.near))));
            find(u, at, n_vectors, !all_near);
            for (int i = 0; i < n_vectors; i++) pieces_.differentiate(u[i], at[i]);
        };
        return for_points<PiecePlace<V>>(
            points, n, turn,
            [&](const PiecePlace<V> &at, V moved, Bits not_finite, int64_t first, int count) {
                if (ends) report(*ends, moved, first, count);
                const Bits left_out = not_finite | ~first_lanes_(count);
                const V lam = select(left_out, V(0), load(grad_out + first, count));
                pieces_.add(at, lam);
                gradient_not_finite_ |= any(not_finite);
                if (grad_points)
                    store(select(not_finite, V(nan()), lam * at.factor), count, grad_points + first);
            });
    }

    /* Where points are among the pieces; and where they go, if that is wanted, or else 0. */
    CPAB_INLINE void find(const V *u, PiecePlace<V> *at, int n_vectors, bool wanted) const {
        for (int i = 0; i < n_vectors; i++) {
            at[i] = pieces_.find(u[i]);
            at[i].displacement = V(0);
        }
        for (int i = 0; wanted && i < n_vectors; i++) pieces_.displace(u[i], at[i]);
    }

    /* Follows vectors of points by closed forms. */
    template <bool back>
    auto by_ways() const {
        return [line = field_.template line<V>()](const V *u, Way<V> *ways, int n_vectors) {
            for (int i = 0; i < n_vectors; i++) set_out<back>(line, u[i], ways[i]);
            follow<back>(line, ways, n_vectors);
        };
    }

    static V load(const T *from, int count) {
        V values;
        PointArrays<V, 1>::load(from, count, &values);
        return values;
    }

    static void store(const V &values, int count, T *out) { PointArrays<V, 1>::store(&values, count, out); }

    /* A vector of points. */
    struct Start {
        V x;
        Bits not_finite;
        int count;
    };

    static Start start_at(const T *points, int64_t n, int64_t first) {
        const int count = n - first < W ? int(n - first) : W;
        const V x = load(points + first, count);
        return {x, ~is_finite(x), count};
    }

    static void report(Ends<T> &ends, const V &moved, int64_t first, int count) {
        T all[W];
        moved.store(all);
        ends.reached(first, all, count);
    }

    /* Moves all points, some vectors at a time: displace(points, in cells, ways, n) sets
       ways[i].displacement; body(way, end points, lanes where they are not finite, number of the first point,
       count). */
    template <typename Found, typename Displace, typename Body>
    Outcome for_points(const T *points, int64_t n, Displace displace, Body body) {
        Outcome outcome;
        Found ways[ways_together];
        V u[ways_together];
        for (int64_t first = 0; first < n; first += ways_together * W) {
            int n_ways = 0;
            for (; n_ways < ways_together && first + n_ways * W < n; n_ways++) {
                const Start start = start_at(points, n, first + n_ways * W);
                u[n_ways] = select(start.not_finite, V(0), (start.x - V(lower_)) * V(scale_));
            }
            displace(u, ways, n_ways);
            for (int i = 0; i < n_ways; i++) {
                const Start start = start_at(points, n, first + i * W);
                /* A point at rest stays where it is to the last bit, -0.0 included. */
                const V step = ways[i].displacement * V(size_);
                V moved = select(step == V(0), start.x, start.x + step);
                const Bits not_finite = start.not_finite | ~is_finite(moved);
                moved = select(not_finite, V(nan()), moved);
                outcome.diverged |= any(not_finite & ~start.not_finite);
                body(ways[i], moved, not_finite, first + i * W, start.count);
            }
        }
        return outcome;
    }

    Walker walker_;
    LineField<T, D> field_;
    LineGradientSum<V, D> sum_;
    LinePieces<V, D> pieces_;
    const int64_t n_;
    const T lower_, scale_, size_; /* of the domain: its low end, cells per unit, units per cell */
    const FirstLanes<V> first_lanes_;
    const T *velocity_ = nullptr, *tangent_ = nullptr;
    double time_ = 0;
    bool walks_only_ = false, walker_ready_ = false, line_ready_ = false, line_usable_ = false;
    bool many_points_ = false, in_pieces_ = false; /* many_points_: for pieces, if the field is */
    bool gradient_not_finite_ = false;             /* a point of this slice has no gradient */
};

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
