/*
 * The worker that walks: moves points, and takes gradients and derivatives back along their trajectories. In
 * 1D most of that has a closed form, see line_worker.h.
 */
#ifndef CPAB_CPU_WALK_WORKER_H
#define CPAB_CPU_WALK_WORKER_H

#include <limits>

#include "../divergence.h"
#include "../field.h"
#include "block_walk.h"
#include "gradient_sum.h"
#include "worker.h"

namespace cpab {
namespace CPAB_ISA {

template <typename V, int D>
class WalkWorker final : public Worker<typename V::Scalar> {
    using T = typename V::Scalar;
    using Index = typename V::Index;
    using Bits = typename V::Bits;
    using Arrays = PointArrays<V, D>;
    static constexpr int W = V::width;

public:
    explicit WalkWorker(const cpab_tessellation &tess)
        : tess_(tess),
          domain_(tess.cells, tess.lower, tess.scale),
          field_(tess),
          tangent_(tess),
          walk_(domain_, tess.n_cells, tess.n_inner_cells),
          dual_walk_(domain_, tess.n_cells, tess.n_inner_cells),
          gradient_(tess) {}

    bool allocate(const Needs &needs) {
        has_tangent_ = needs.tangent;
        return field_.allocate() && slots_.allocate(block_points * D) &&
               (needs.tangent ? tangent_.allocate() && dual_walk_.allocate() : walk_.allocate()) &&
               (!needs.log_det || (walk_.allocate() && ahead_.allocate())) &&
               (!needs.gradient || (gradient_.allocate() && ends_.allocate(block_points * D)));
    }

    void release() override { delete this; }

    void prepare(const T *velocity, const T *tangent, double time) override {
        time_ = time;
        prepare(field_, velocity);
        if (tangent) prepare(tangent_, tangent); /* or it stays the field of zeros */
        const Records<T> &records = records_of<T>(tess_);
        flow_ = {records.start.data(), records.crossing.data(), field_.flow(), nullptr};
        dual_flow_ = {flow_.start, flow_.crossing, flow_.flow, tangent_.flow()};
    }

    bool in_range() const override { return field_.in_range(); }

    void velocities(const T *points, int64_t n, T *out) override {
        const Flow<V, D> flow = flow_;
        for (int64_t first = 0; first < n; first += W) {
            const Group<V, D> group = load_group<V, D>(domain_, points, n, first);
            Walker<V, D> walker;
            const Cell<V, D> cell = begin_walk<V, D>(flow, domain_, group, nullptr, walker);
            V v[D];
            for (int d = 0; d < D; d++) {
                v[d] = cell.velocity_at(walker.at.l, d) * V(domain_.size[d]);
                v[d] = field_.finite() ? select(group.not_finite, V(nan()), v[d]) : V(nan());
            }
            Arrays::store(v, group.count, out + first * D);
        }
    }

    Outcome move(const T *points, int64_t n, T *out, const TapeBlocks &tape) override {
        return for_blocks<V>(points, nullptr, n, Keeps::on_tape, tape, [&](const Block<V, D> &block) {
            T *to = block.sorted ? slots_.data() : out + block.first * D;
            const bool diverged =
                walk_.each_group(block, [&](const Group<V, D> &group, const V *ends, Bits, int at) {
                    Arrays::store(ends, group.count, to + at * D);
                });
            if (block.sorted) block.sorted->to_points(to, out + block.first * D);
            return diverged;
        });
    }

    Outcome move_tangent(const T *points, const T *tangent_points, int64_t n, T *out_tangent) override {
        using N = Dual<V>;
        return for_blocks<N>(points, tangent_points, n, Keeps::nothing, {}, [&](const Block<V, D> &block) {
            T *to = out_tangent + block.first * D;
            return dual_walk_.each_group(block, [&](const Group<V, D> &group, const N *ends, Bits, int at) {
                V tangent[D];
                for (int d = 0; d < D; d++) tangent[d] = nan_where_end_is(ends[d].a, ends[d].b);
                Arrays::store(tangent, group.count, to + at * D);
            });
        });
    }

    /* Row i of a Jacobian is what the backward pass makes of axis i, as a cotangent. The first pass also adds
       up the logarithm of the determinant. */
    Outcome jacobian(const T *points, int64_t n, T *jacobian, T *log_det) override {
        Outcome outcome;
        outcome.no_memory = !log_det_.allocate();
        if (outcome.no_memory) return outcome;
        return for_blocks<V>(points, nullptr, n, Keeps::segments, {}, [&](const Block<V, D> &block) {
            bool diverged = false;
            for (int row = 0; row < (jacobian ? D : 1); row++) {
                seed_with_axis(row, block.n);
                if (block.walked) backward_of_row(row);
                diverged |=
                    walk_.each_group(block, [&](const Group<V, D> &group, const V *ends, Bits, int at) {
                        const int64_t first = block.first + at;
                        if (jacobian) store_row(row, at, group.count, ends, jacobian + first * D * D);
                        if (log_det && row == 0) store_log_det(at, group.count, ends, log_det + first);
                    });
            }
            return diverged;
        });
    }

    void start_slice() override { gradient_.start(); }

    Outcome pull_back(const T *points, const T *tangent_points, const T *grad_out, int64_t n, T *grad_points,
                      Ends<T> *ends, const TapeBlocks &tape) override {
        return has_tangent_
                   ? pull_back_all<Dual<V>>(points, tangent_points, grad_out, n, grad_points, ends, {})
                   : pull_back_all<V>(points, nullptr, grad_out, n, grad_points, ends, tape);
    }

    Outcome pull_back_log_det(const T *points, const T *grad_log_det, int64_t n, T *grad_points) override {
        return for_blocks<V>(points, nullptr, n, Keeps::segments, {}, [&](const Block<V, D> &block) {
            const bool diverged = seed_log_det(block, grad_log_det);
            if (block.walked) backward_of_log_det();
            store_cotangents<V>(block, grad_points);
            return diverged;
        });
    }

    void add_gradient(T *grad_velocity) override { gradient_.add_to(grad_velocity, time_); }

private:
    CPAB_APART void prepare(Field<T, D> &field, const T *velocity) { field.prepare(velocity, time_); }

    static T nan() { return std::numeric_limits<T>::quiet_NaN(); }

    /* What belongs to an end point is NaN if that is. */
    static V nan_where_end_is(const V &end, const V &value) { return value + (end - end); }

    /* -- walks in plain and in dual numbers */

    template <typename N>
    BlockWalk<N, D> &walk() {
        if constexpr (Number<N>::is_dual)
            return dual_walk_;
        else
            return walk_;
    }

    template <typename N>
    const Flow<N, D> &flow() const {
        if constexpr (Number<N>::is_dual)
            return dual_flow_;
        else
            return flow_;
    }

    template <typename N, typename Body>
    Outcome for_blocks(const T *points, const T *tangents, int64_t n, Keeps keeps, const TapeBlocks &tape,
                       Body body) {
        const bool finite = field_.finite() && (!has_tangent_ || tangent_.finite());
        return walk<N>().for_blocks(finite ? &flow<N>() : nullptr, points, tangents, n, keeps, tape, body);
    }

    /* -- Jacobians */

    void seed_with_axis(int axis, int n) {
        V seed[D];
        for (int d = 0; d < D; d++) seed[d] = V(T(axis == d));
        for (int at = 0; at < n; at += W) walk_.batch().cotangents().store(at, seed);
    }

    /* The logarithm of a determinant is the integral of the divergence along the trajectory. */
    void backward_of_row(int row) {
        if (row == 0) log_det_.zero();
        auto add_divergence = [&](const RecordedSegments<V, D> &recorded, const Cell<V, D> &cell,
                                  const auto &) {
            if (row > 0) return;
            V sum;
            log_det_.load(recorded.point, &sum);
            sum = sum + trace<V, D>(cell) * recorded.segment.duration;
            log_det_.store(recorded.point, &sum);
        };
        walk_.batch().backward(flow_, false, keep_cotangents, add_divergence);
    }

    /* Row i of the Jacobians of a group, whose points are the block's from number `at` on. */
    void store_row(int i, int at, int count, const V *ends, T *jacobians) {
        V row[D];
        T lanes[D][W];
        walk_.batch().cotangents().load(at, row);
        for (int j = 0; j < D; j++)
            nan_where_end_is(ends[i], row[j] * V(T(tess_.scale[j] / tess_.scale[i]))).store(lanes[j]);
        for (int r = 0; r < count; r++)
            for (int j = 0; j < D; j++) jacobians[(r * D + i) * D + j] = lanes[j][r];
    }

    void store_log_det(int at, int count, const V *ends, T *log_det) {
        V sum;
        log_det_.load(at, &sum);
        sum = nan_where_end_is(ends[0], sum);
        PointArrays<V, 1>::store(&sum, count, log_det);
    }

    /* -- the backward pass of a gradient */

    template <typename N>
    Outcome pull_back_all(const T *points, const T *tangent_points, const T *grad_out, int64_t n,
                          T *grad_points, Ends<T> *ends, const TapeBlocks &tape) {
        return for_blocks<N>(points, tangent_points, n, Keeps::segments, tape, [&](const Block<V, D> &block) {
            if (ends) report<N>(block, *ends); /* before grad_out is read */
            const bool diverged = seed<N>(block, grad_out);
            if (block.walked)
                walk<N>().batch().backward(
                    flow<N>(), block.sorted != nullptr, keep_cotangents,
                    [&](const RecordedSegments<N, D> &recorded, const auto &, const auto &gradient) {
                        gradient_.add(recorded, gradient, [](int, int) { return V(0); });
                    });
            if constexpr (!Number<N>::is_dual)
                if (block.walked && block.sorted) backward_of_stays(*block.sorted);
            store_cotangents<N>(block, grad_points);
            return diverged;
        });
    }

    void backward_of_stays(const SortedPoints<V, D> &points) {
        walk_.batch().collect_stays(
            flow_, points, walk_.maps(),
            [&](const Index &cells, const NodeGradient<V, D> &gradient) { gradient_.add(cells, gradient); });
    }

    template <typename N>
    void report(const Block<V, D> &block, Ends<T> &ends) {
        T *to = block.sorted ? slots_.data() : ends_.data();
        walk<N>().each_group(block, [&](const Group<V, D> &group, const N *reached, Bits, int at) {
            V values[D];
            for (int d = 0; d < D; d++) values[d] = value_of(reached[d]);
            Arrays::store(values, group.count, to + at * D);
        });
        if (block.sorted) block.sorted->to_points(to, ends_.data());
        ends.reached(block.first, ends_.data(), block.n);
    }

    /* Makes grad_out the cotangents of the block's trajectories. Returns whether one of these diverged. */
    template <typename N>
    bool seed(const Block<V, D> &block, const T *grad_out) {
        const T *from = grad_out + block.first * D;
        if (block.sorted) block.sorted->to_slots(from, slots_.data());
        if (block.sorted) from = slots_.data();
        return walk<N>().each_group(block, [&](const Group<V, D> &group, const N *, Bits not_finite, int at) {
            V grad[D];
            N lam[D];
            Arrays::load(from + at * D, group.count, grad);
            for (int d = 0; d < D; d++)
                lam[d] = N(end_cotangent<V, D>(domain_, grad[d], not_finite | ~first_lanes_(group.count), d));
            walk<N>().batch().cotangents().store(at, lam);
            gradient_.set_not_finite(any(not_finite));
        });
    }

    /* For backward passes without a source on the way. */
    static constexpr auto keep_cotangents = [](const auto &...) {};

    /* Writes what arrived at the points of a block. */
    template <typename N>
    void store_cotangents(const Block<V, D> &block, T *grad_points) {
        if (!grad_points) return;
        T *to = grad_points + block.first * D;
        walk<N>().each_group(block, [&](const Group<V, D> &group, const N *, Bits not_finite, int at) {
            N lam[D];
            V grad[D];
            walk<N>().batch().cotangents().load(at, lam);
            for (int d = 0; d < D; d++)
                grad[d] = select(not_finite, V(nan()),
                                 point_cotangent<V, D>(domain_, GradientSum<V, D>::last_part(lam[d]), d));
            Arrays::store(grad, group.count, to + at * D);
        });
    }

    /* -- the backward pass of the logarithm of a determinant, see divergence.h */

    bool seed_log_det(const Block<V, D> &block, const T *grad_log_det) {
        return walk_.each_group(block, [&](const Group<V, D> &group, const V *, Bits not_finite, int at) {
            V grad, lam[D];
            PointArrays<V, 1>::load(grad_log_det + block.first + at, group.count, &grad);
            Divergence<V, D> ahead{};
            ahead.cotangent() = select(not_finite | ~first_lanes_(group.count), V(0), grad);
            ahead.cell() = from_bits(Index(-1));
            for (int d = 0; d < D; d++) lam[d] = V(0);
            walk_.batch().cotangents().store(at, lam);
            ahead_.store(at, ahead.values);
            gradient_.set_not_finite(any(not_finite));
        });
    }

    void backward_of_log_det() {
        const Flow<V, D> flow = flow_;
        Divergence<V, D> ahead;
        auto arrive = [&](const RecordedSegments<V, D> &recorded, const Cell<V, D> &cell, Bits there,
                          V *lam) {
            ahead_.load(recorded.point, ahead.values);
            cross_back(flow, cell, recorded.segment, ahead, lam);
            for (V &value : ahead.values) value = select(there, value, V(0));
            ahead_.store(recorded.point, ahead.values);
        };
        auto add = [&](const RecordedSegments<V, D> &recorded, const Cell<V, D> &cell, const auto &gradient) {
            const V share = ahead.cotangent() * recorded.segment.duration;
            gradient_.add(recorded, gradient, [&](int k, int d) { return share * cell.gradient[k][d]; });
        };
        walk_.batch().backward(flow, false, arrive, add);
    }

    const cpab_tessellation &tess_;
    const Domain<T, D> domain_;
    Field<T, D> field_, tangent_;
    bool has_tangent_ = false;
    double time_ = 0;
    Flow<V, D> flow_{};            /* the field as walks in plain numbers read it, */
    Flow<Dual<V>, D> dual_flow_{}; /* and with its tangent in dual numbers */
    BlockWalk<V, D> walk_;
    BlockWalk<Dual<V>, D> dual_walk_;
    const FirstLanes<V> first_lanes_;
    PointColumns<V, 1, block_points> log_det_;
    PointColumns<V, Divergence<V, D>::size, block_points> ahead_;
    GradientSum<V, D> gradient_;
    Array<T> ends_, slots_; /* of a block's points; what belongs to sorted ones, by slot */
};

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
