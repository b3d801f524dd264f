/*
 * A worker in lanes: included by one source file per instruction set, which defines CPAB_ISA, the name of
 * its namespace, and CPAB_LANE_BYTES, the width of its vectors (0: plain numbers).
 */
#ifndef CPAB_CPU_KERNEL_H
#define CPAB_CPU_KERNEL_H

#include <limits>
#include <new>

#include "../adjoint.h"
#include "../locate.h"
#include "../walk.h"
#include "line_worker.h"
#include "point_arrays.h"
#include "worker.h"

namespace cpab {
namespace CPAB_ISA {

template <typename T>
constexpr int lane_count = CPAB_HAS_VECTORS && CPAB_LANE_BYTES > 0 ? CPAB_LANE_BYTES / sizeof(T) : 1;

/* W points that are moved together; where fewer are left, the last one fills the other lanes. */
template <typename V, int D>
struct Group {
    V x[D]; /* as given */
    V u[D]; /* in cells; somewhere harmless if x is not finite */
    typename V::Bits bad;
    int count;
};

template <typename V, int D>
class LaneWorker final : public Worker<typename V::Scalar> {
    using T = typename V::Scalar;
    using Index = typename V::Index;
    using Bits = typename V::Bits;
    using Layout = RecordLayout<D>;
    static constexpr int W = V::width;

public:
    explicit LaneWorker(const cpab_tessellation &tess)
        : tess_(tess), grid_(tess.cells), field_(tess), tangent_(tess) {
        for (int d = 0; d < D; d++) {
            most_steps_ += 64 * tess.cells[d];
            lower_[d] = T(tess.lower[d]);
            scale_[d] = T(tess.scale[d]);
            size_[d] = T(1 / tess.scale[d]);
        }
        for (int r = 0; r < W; r++) lane_[r] = T(r);
    }

    bool allocate(const Needs &needs) {
        has_tangent_ = needs.tangent;
        return field_.allocate(true) && (!needs.tangent || tangent_.allocate(true)) &&
               (!needs.gradient ||
                (gradient_.allocate(tess_.n_cells * Layout::reverse) && nodes_.allocate(tess_.n_nodes * D)));
    }

    void release() override { delete this; }

    void prepare(const T *velocity, const T *tangent, double time) override {
        time_ = time;
        field_.prepare(velocity, time);
        if (tangent) tangent_.prepare(tangent, time); /* or it stays the field of zeros */
    }

    bool in_range() const override { return field_.in_range(); }

    void velocities(const T *points, int64_t n, T *out) override {
        const Flow<V, D> flow = flow_of<V>();
        for_groups(points, n, [&](const Group<V, D> &group, int64_t first) {
            V x[D];
            const Trajectory<V, D> at = begin<V>(flow, group, nullptr, first, x);
            V node[D + 1][D], linear[D][D], v[D];
            flow.load_reverse(at.cell, node, linear);
            for (int d = 0; d < D; d++) {
                v[d] = at.l[0] * node[0][d];
                for (int k = 1; k <= D; k++) v[d] = v[d] + at.l[k] * node[k][d];
                v[d] = spoil(group, v[d] * V(size_[d]));
            }
            store(v, group.count, out + first * D);
        });
    }

    Trouble move(const T *points, int64_t n, T *out) override {
        return for_walks<V>(
            points, nullptr, n,
            [&](const Group<V, D> &group, const V *moved, Bits, int64_t first) {
                store(moved, group.count, out + first * D);
                return true;
            },
            false);
    }

    Trouble move_tangent(const T *points, const T *tangent_points, int64_t n, T *out_tangent) override {
        using N = Dual<V>;
        return for_walks<N>(
            points, tangent_points, n,
            [&](const Group<V, D> &group, const N *moved, Bits, int64_t first) {
                V tangent[D];
                for (int d = 0; d < D; d++)
                    tangent[d] = moved[d].b + (moved[d].a - moved[d].a); /* NaN if that is */
                store(tangent, group.count, out_tangent + first * D);
                return true;
            },
            false);
    }

    Trouble jacobian(const T *points, int64_t n, T *jacobian, T *log_det) override {
        const Flow<V, D> flow = flow_of<V>();
        return for_walks<V>(
            points, nullptr, n,
            [&](const Group<V, D> &group, const V *moved, Bits, int64_t first) {
                V rows[D * D], trace(0);
                for (int i = 0; i < D; i++) {
                    V lam[D];
                    for (int j = 0; j < D; j++) lam[j] = V(T(i == j));
                    for (int64_t s = stack<V>().size() - 1; s >= 0; s--) {
                        const Segment<V, D> &segment = stack<V>()[s];
                        pull_back_segment<V>(flow, segment, lam);
                        if (i == 0) trace = trace + divergence(flow, segment);
                    }
                    for (int j = 0; j < D; j++)
                        rows[i * D + j] =
                            lam[j] * V(T(tess_.scale[j] / tess_.scale[i])) + (moved[i] - moved[i]);
                }
                trace = trace + (moved[0] - moved[0]);
                for (int r = 0; r < group.count; r++) {
                    for (int e = 0; jacobian && e < D * D; e++)
                        jacobian[(first + r) * D * D + e] = rows[e][r];
                    if (log_det) log_det[first + r] = trace[r];
                }
                return true;
            },
            true);
    }

    void start_slice() override {
        gradient_.zero();
        poisoned_ = false;
    }

    Trouble pull_back(const T *points, const T *tangent_points, const T *grad_out, int64_t n, T *grad_points,
                      Ends<T> *ends) override {
        return has_tangent_ ? pull_back_all<Dual<V>>(points, tangent_points, grad_out, n, grad_points, ends)
                            : pull_back_all<V>(points, nullptr, grad_out, n, grad_points, ends);
    }

    /* Adds a slice's gradient to the batch item's, or NaN where it has none. */
    void add_gradient(T *grad_velocity) override {
        nodes_.zero();
        cells_to_vertices<T, D>(tess_, gradient_.data(), nodes_.data());
        for (int64_t v = 0; v < tess_.n_vertices; v++)
            for (int d = 0; d < D; d++) {
                const double sum = nodes_[v * D + d] * tess_.scale[d] * time_;
                grad_velocity[v * D + d] += poisoned_ ? nan() : T(sum);
            }
    }

private:
    static T nan() { return std::numeric_limits<T>::quiet_NaN(); }

    template <typename N>
    Flow<N, D> flow_of() const {
        const Records<T> &records = records_of<T>(tess_);
        return {records.place.data(),
                records.crossing.data(),
                field_.rates(),
                field_.reverse(),
                has_tangent_ ? tangent_.rates() : nullptr,
                has_tangent_ ? tangent_.reverse() : nullptr};
    }

    template <typename N>
    Stack<Segment<N, D>> &stack() {
        if constexpr (Number<N>::is_dual)
            return dual_segments_;
        else
            return segments_;
    }

    /* -- groups of points */

    Group<V, D> gather(const T *points, int64_t n, int64_t first) const {
        Group<V, D> group;
        group.count = n - first < W ? int(n - first) : W;
        group.bad = Bits::none();
        load(points + first * D, group.count, group.x);
        for (int d = 0; d < D; d++) group.bad = group.bad | ~(group.x[d] * V(0) == V(0));
        for (int d = 0; d < D; d++)
            group.u[d] = select(group.bad, V(0), (group.x[d] - V(lower_[d])) * V(scale_[d]));
        return group;
    }

    static constexpr auto load = PointArrays<V, D>::load;
    static constexpr auto store = PointArrays<V, D>::store;

    Bits first_lanes(int count) const { return V::load(lane_) < V(T(count)); }

    V spoil(const Group<V, D> &group, V value) const {
        return field_.finite() ? select(group.bad, V(nan()), value) : V(nan());
    }

    template <typename Body>
    void for_groups(const T *points, int64_t n, Body body) const {
        for (int64_t first = 0; first < n; first += W) body(gather(points, n, first), first);
    }

    /* The trajectories of a group's points; `tangent_points` is NULL where points have no tangent. */
    template <typename N>
    Trajectory<N, D> begin(const Flow<N, D> &flow, const Group<V, D> &group, const T *tangent_points,
                           int64_t first, N *x) const {
        V offset[D];
        const Index cell = locate<V, D>(grid_, tess_.cells, group.u, offset);
        N from[D];
        V tangent[D];
        if (Number<N>::is_dual && tangent_points) load(tangent_points + first * D, group.count, tangent);
        for (int d = 0; d < D; d++) {
            from[d] = N(offset[d]);
            if constexpr (Number<N>::is_dual) {
                if (tangent_points) from[d].b = tangent[d] * V(scale_[d]);
            }
        }
        return start<N, D>(flow, cell, from, x);
    }

    /* Walks all points, group by group. `body(group, end points, failed lanes, first)` answers false to
       report that there is no memory. With `recording`, stack<N>() holds the group's segments. */
    template <typename N, typename Body>
    Trouble for_walks(const T *points, const T *tangent_points, int64_t n, Body body, bool recording) {
        Trouble trouble;
        if (!field_.finite() || (has_tangent_ && !tangent_.finite())) {
            N moved[D];
            for (int d = 0; d < D; d++) moved[d] = N(V(nan()));
            stack<N>().clear();
            for_groups(points, n, [&](const Group<V, D> &group, int64_t first) {
                body(group, moved, ~Bits::none(), first);
            });
            return trouble;
        }
        const Flow<N, D> flow = flow_of<N>();
        for_groups(points, n, [&](const Group<V, D> &group, int64_t first) {
            N from[D], to[D], moved[D];
            Trajectory<N, D> at = begin<N>(flow, group, tangent_points, first, from);
            const Trajectory<N, D> begun = at;
            stack<N>().clear();
            bool no_memory = false;
            const Bits lost = walk<N, D>(flow, most_steps_, at, [&](const Segment<N, D> &segment) {
                if (recording) no_memory = !stack<N>().push(segment);
                return !no_memory;
            });
            position<N, D>(flow, at, to);
            Bits failed = lost, rests = at.cell == begun.cell;
            for (int k = 0; k <= D; k++) rests = rests & (value_of(at.l[k]) == value_of(begun.l[k]));
            for (int d = 0; d < D; d++) {
                /* Positions are changed by the displacement, not recomputed: a point at rest stays where
                   it is to the last bit, -0.0 included. */
                const V step = (value_of(to[d]) - value_of(from[d])) * V(size_[d]);
                moved[d] = N(select(rests, group.x[d], group.x[d] + step));
                failed = failed | ~(value_of(moved[d]) * V(0) == V(0));
                if constexpr (Number<N>::is_dual) moved[d].b = to[d].b * V(size_[d]);
            }
            for (int d = 0; d < D; d++) moved[d] = select(failed | group.bad, N(V(nan())), moved[d]);
            trouble.diverged |= !no_memory && any(failed & ~group.bad);
            trouble.no_memory |= no_memory || !body(group, moved, failed | group.bad, first);
        });
        return trouble;
    }

    /* -- the way back */

    template <typename N>
    CellGradient<N, D> pull_back_segment(const Flow<N, D> &flow, const Segment<N, D> &segment, N *lam) const {
        return cpab::CPAB_ISA::pull_back<N, D>(flow, segment, lam);
    }

    static V divergence(const Flow<V, D> &flow, const Segment<V, D> &segment) {
        V node[D + 1][D], linear[D][D], trace(0);
        flow.load_reverse(segment.from.cell, node, linear);
        for (int d = 0; d < D; d++) trace = trace + linear[d][d];
        return trace * segment.duration;
    }

    /* Numbers: the gradient itself, or its derivative along the tangent. */
    static V wanted(const V &x) { return x; }
    static V wanted(const Dual<V> &x) { return x.b; }

    template <typename N>
    static void report(Ends<T> *ends, const N *moved, int64_t first, int count) {
        V values[D];
        T all[W * D];
        for (int d = 0; d < D; d++) values[d] = value_of(moved[d]);
        store(values, count, all);
        ends->reached(first, all, count);
    }

    template <typename N>
    Trouble pull_back_all(const T *points, const T *tangent_points, const T *grad_out, int64_t n,
                          T *grad_points, Ends<T> *ends) {
        const Flow<N, D> flow = flow_of<N>();
        constexpr int columns = (D + 1) * D + D * D;
        return for_walks<N>(
            points, tangent_points, n,
            [&](const Group<V, D> &group, const N *moved, Bits failed, int64_t first) {
                if (ends) report(ends, moved, first, group.count);
                V seed[D];
                load(grad_out + first * D, group.count, seed);
                N lam[D];
                for (int d = 0; d < D; d++)
                    lam[d] = N(select(failed | ~first_lanes(group.count), V(0), seed[d] * V(size_[d])));
                for (int64_t s = stack<N>().size() - 1; s >= 0; s--) {
                    const Segment<N, D> &segment = stack<N>()[s];
                    const CellGradient<N, D> part = pull_back_segment<N>(flow, segment, lam);
                    V record[columns];
                    for (int k = 0; k <= D; k++)
                        for (int d = 0; d < D; d++) record[k * D + d] = wanted(part.velocity[k][d]);
                    for (int i = 0; i < D; i++)
                        for (int j = 0; j < D; j++)
                            record[(D + 1) * D + i * D + j] = wanted(part.linear[i][j]);
                    add_records<columns>(gradient_.data(), Layout::reverse, segment.from.cell, record);
                }
                poisoned_ |= any(failed);
                if (grad_points) {
                    V grad[D];
                    for (int d = 0; d < D; d++)
                        grad[d] = select(failed, V(nan()), wanted(lam[d]) * V(scale_[d]));
                    store(grad, group.count, grad_points + first * D);
                }
                return true;
            },
            true);
    }

    const cpab_tessellation &tess_;
    CellGrid<D> grid_;
    T lower_[D], scale_[D], size_[D]; /* of the domain: its low corner, cells per unit, units per cell */
    T lane_[W];
    Field<T, D> field_, tangent_;
    bool has_tangent_ = false;
    double time_ = 0;
    /* Most steps of a trajectory. Taylor steps number CPAB_MAX_RATE / reach, and a trajectory that turns
       around a vertex meets a handful of faces per unit of |A| t; straight ahead it passes every cell of
       a row or column at most a few times. With room to spare: a bound against hanging, which no test
       has ever reached. */
    int64_t most_steps_ = 64 * CPAB_MAX_RATE;
    Stack<Segment<V, D>> segments_;
    Stack<Segment<Dual<V>, D>> dual_segments_;
    Array<T> gradient_; /* [n_cells], as records of dL/dv at the nodes and dL/dA */
    Array<double> nodes_;
    bool poisoned_ = false; /* a point of this slice has no gradient */
};

template <typename T, typename LanesWorker>
Worker<T> *make(const cpab_tessellation &tess, const Needs &needs) {
    auto *worker = new (std::nothrow) LanesWorker(tess);
    if (worker && !worker->allocate(needs)) {
        worker->release();
        return nullptr;
    }
    return worker;
}

template <typename T>
Worker<T> *make_worker(const cpab_tessellation &tess, const Needs &needs) {
    using V = Lanes<T, lane_count<T>>;
    using Wide = Lanes<double, lane_count<double>>;
    switch (tess.ndim) {
        case 1: return make<T, LineWorker<V, Wide, LaneWorker<V, 1>>>(tess, needs);
        case 2: return make<T, LaneWorker<V, 2>>(tess, needs);
        default: return make<T, LaneWorker<V, 3>>(tess, needs);
    }
}

template Worker<float> *make_worker<float>(const cpab_tessellation &, const Needs &);
template Worker<double> *make_worker<double>(const cpab_tessellation &, const Needs &);

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
