/*
 * The worker for 1D: moves points and takes gradients back by the closed forms of line.h, whose cost per
 * point is O(log cells). Derivatives of these are left to the walk, and so are fields that LineField refuses.
 */
#ifndef CPAB_CPU_LINE_WORKER_H
#define CPAB_CPU_LINE_WORKER_H

#include <limits>

#include "../line_gradient.h"
#include "point_arrays.h"
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
          n_(tess.cells[0]),
          lower_(T(tess.lower[0])),
          scale_(T(tess.scale[0])),
          size_(T(1 / tess.scale[0])) {
        for (int r = 0; r < W; r++) lane_[r] = T(r);
    }

    bool allocate(const Needs &needs) {
        walks_only_ = needs.tangent || needs.log_det;
        return walker_.allocate(needs) && field_.allocate() && (!needs.gradient || sum_.allocate(n_));
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

    Trouble move_tangent(const T *points, const T *tangent_points, int64_t n, T *out_tangent) override {
        return walker().move_tangent(points, tangent_points, n, out_tangent);
    }

    Trouble jacobian(const T *points, int64_t n, T *jacobian, T *log_det) override {
        return walker().jacobian(points, n, jacobian, log_det);
    }

    Trouble pull_back_log_det(const T *points, const T *grad_log_det, int64_t n, T *grad_points) override {
        return walker().pull_back_log_det(points, grad_log_det, n, grad_points);
    }

    /* A closed form has no steps: tapes stay as they are. */
    Trouble move(const T *points, int64_t n, T *out, const TapeBlocks &) override {
        if (walks()) return walker().move(points, n, out, TapeBlocks{});
        return for_ways<false>(points, n, [&](const Way<V> &, V moved, Bits, int64_t first, int count) {
            store(moved, count, out + first);
        });
    }

    void start_slice() override {
        if (walks()) return walker().start_slice();
        sum_.start();
        poisoned_ = false;
    }

    Trouble pull_back(const T *points, const T *tangent_points, const T *grad_out, int64_t n, T *grad_points,
                      Ends<T> *ends, const TapeBlocks &) override {
        if (walks())
            return walker().pull_back(points, tangent_points, grad_out, n, grad_points, ends, TapeBlocks{});
        return for_ways<true>(
            points, n, [&](const Way<V> &way, V moved, Bits failed, int64_t first, int count) {
                if (ends) report(*ends, moved, first, count);
                const Bits silent = failed | ~(V::load(lane_) < V(T(count)));
                const V lam = select(silent, V(0), load(grad_out + first, count) * V(size_));
                const LineGradient<V> gradient = cpab::CPAB_ISA::pull_back(way, lam);
                sum_.add(way, gradient);
                poisoned_ |= any(failed);
                if (grad_points)
                    store(select(failed, V(nan()), gradient.point * V(scale_)), count, grad_points + first);
            });
    }

    void add_gradient(T *grad_velocity) override {
        if (walks()) return walker().add_gradient(grad_velocity);
        const double *gradient = sum_.finish(field_);
        for (int64_t v = 0; v <= n_; v++) grad_velocity[v] += poisoned_ ? nan() : T(gradient[v]);
    }

private:
    static T nan() { return std::numeric_limits<T>::quiet_NaN(); }

    /* Both are prepared where they are needed first. */
    Walker &walker() {
        if (!walker_ready_) walker_.prepare(velocity_, tangent_, time_);
        walker_ready_ = true;
        return walker_;
    }

    bool walks() {
        if (walks_only_) return true;
        if (!line_ready_) line_usable_ = field_.prepare(velocity_, time_);
        line_ready_ = true;
        return !line_usable_;
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
        Bits bad; /* which are no numbers */
        int count;
    };

    static Start start_at(const T *points, int64_t n, int64_t first) {
        const int count = n - first < W ? int(n - first) : W;
        const V x = load(points + first, count);
        return {x, ~(x * V(0) == V(0)), count};
    }

    static void report(Ends<T> &ends, const V &moved, int64_t first, int count) {
        T all[W];
        moved.store(all);
        ends.reached(first, all, count);
    }

    /* Moves all points, vector by vector: body(ways, end points, those that are no numbers, first, count). */
    template <bool back, typename Body>
    Trouble for_ways(const T *points, int64_t n, Body body) {
        Trouble trouble;
        const Line<V> line = field_.template line<V>();
        Way<V> ways[ways_together];
        for (int64_t first = 0; first < n; first += ways_together * W) {
            int n_ways = 0;
            for (; n_ways < ways_together && first + n_ways * W < n; n_ways++) {
                const Start start = start_at(points, n, first + n_ways * W);
                set_out<back>(line, select(start.bad, V(0), (start.x - V(lower_)) * V(scale_)), ways[n_ways]);
            }
            follow<back>(line, ways, n_ways);
            for (int i = 0; i < n_ways; i++) {
                const Start start = start_at(points, n, first + i * W);
                /* A point at rest stays where it is to the last bit, -0.0 included. */
                const V step = ways[i].displacement * V(size_);
                V moved = select(step == V(0), start.x, start.x + step);
                const Bits failed = start.bad | ~(moved * V(0) == V(0));
                moved = select(failed, V(nan()), moved);
                trouble.diverged |= any(failed & ~start.bad);
                body(ways[i], moved, failed, first + i * W, start.count);
            }
        }
        return trouble;
    }

    Walker walker_;
    LineField<T, D> field_;
    LineGradientSum<V, D> sum_;
    const int64_t n_;
    const T lower_, scale_, size_; /* of the domain: its low end, cells per unit, units per cell */
    T lane_[W];
    const T *velocity_ = nullptr, *tangent_ = nullptr;
    double time_ = 0;
    bool walks_only_ = false, walker_ready_ = false, line_ready_ = false, line_usable_ = false;
    bool poisoned_ = false; /* a point of this slice has no gradient */
};

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
