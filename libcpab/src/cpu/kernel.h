/*
 * A worker in lanes: included by one source file per instruction set, which defines CPAB_ISA, the name of
 * its namespace, and CPAB_LANE_BYTES, the width of its vectors (0: plain numbers).
 */
#ifndef CPAB_CPU_KERNEL_H
#define CPAB_CPU_KERNEL_H

#include <limits>
#include <new>

#include "../divergence.h"
#include "../locate.h"
#include "herd.h"
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
        return field_.allocate() &&
               (needs.tangent ? tangent_.allocate() && dual_herd_.allocate() : herd_.allocate()) &&
               (!needs.log_det || (herd_.allocate() && ahead_.allocate())) &&
               (!needs.gradient || (gradient_.allocate(tess_.n_cells * Layout::gradient) &&
                                    ends_.allocate(block_points * D) && nodes_.allocate(tess_.n_nodes * D)));
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
        for (int64_t first = 0; first < n; first += W) {
            const Group<V, D> group = gather(points, n, first);
            Walker<V, D> walker;
            const Cell<V, D> cell = begin<V>(flow, group, nullptr, first, walker);
            V v[D];
            for (int d = 0; d < D; d++) v[d] = spoil(group, cell.velocity_at(walker.at.l, d) * V(size_[d]));
            store(v, group.count, out + first * D);
        }
    }

    Trouble move(const T *points, int64_t n, T *out, const TapeBlocks &tape) override {
        return for_blocks<V>(points, nullptr, n, Keeps::on_tape, tape, [&](const Block<V> &block) {
            return each_group(block, [&](const Group<V, D> &group, const V *moved, Bits, int64_t first) {
                store(moved, group.count, out + first * D);
            });
        });
    }

    Trouble move_tangent(const T *points, const T *tangent_points, int64_t n, T *out_tangent) override {
        using N = Dual<V>;
        return for_blocks<N>(points, tangent_points, n, Keeps::nothing, {}, [&](const Block<N> &block) {
            return each_group(block, [&](const Group<V, D> &group, const N *moved, Bits, int64_t first) {
                V tangent[D];
                for (int d = 0; d < D; d++)
                    tangent[d] = moved[d].b + (moved[d].a - moved[d].a); /* NaN if that is */
                store(tangent, group.count, out_tangent + first * D);
            });
        });
    }

    Trouble jacobian(const T *points, int64_t n, T *jacobian, T *log_det) override {
        const Flow<V, D> flow = flow_of<V>();
        Columns<V, 1, Herd<V, D>::capacity> traces;
        Trouble trouble;
        if (!traces.allocate()) {
            trouble.no_memory = true;
            return trouble;
        }
        trouble.add(for_blocks<V>(points, nullptr, n, Keeps::steps, {}, [&](const Block<V> &block) {
            bool diverged = false;
            for (int i = 0; i < (jacobian ? D : 1); i++) {
                V seed[D];
                const V zero(0);
                for (int j = 0; j < D; j++) seed[j] = V(T(i == j));
                for (int at = 0; at < block.n; at += W) {
                    herd_.cotangents().store(at, seed);
                    if (i == 0) traces.store(at, &zero);
                }
                auto add_trace = [&](const Strides<V, D> &stride, const Cell<V, D> &cell, const auto &) {
                    if (i > 0) return;
                    V trace;
                    traces.load(stride.point, &trace);
                    trace = trace + cpab::CPAB_ISA::trace<V, D>(cell) * stride.segment.duration;
                    traces.store(stride.point, &trace);
                };
                if (!block.lost) herd_.go_back(flow, keep_cotangents, add_trace);
                diverged |=
                    each_group(block, [&](const Group<V, D> &group, const V *moved, Bits, int64_t first) {
                        V row[D], trace;
                        herd_.cotangents().load(int(first - block.first), row);
                        for (int j = 0; j < D; j++)
                            row[j] = row[j] * V(T(tess_.scale[j] / tess_.scale[i])) + (moved[i] - moved[i]);
                        traces.load(int(first - block.first), &trace);
                        trace = trace + (moved[0] - moved[0]);
                        T rows[D][W], traced[W];
                        for (int j = 0; j < D; j++) row[j].store(rows[j]);
                        trace.store(traced);
                        for (int r = 0; r < group.count; r++) {
                            for (int j = 0; jacobian && j < D; j++)
                                jacobian[((first + r) * D + i) * D + j] = rows[j][r];
                            if (log_det) log_det[first + r] = traced[r];
                        }
                    });
            }
            return diverged;
        }));
        return trouble;
    }

    void start_slice() override {
        gradient_.zero();
        poisoned_ = false;
    }

    Trouble pull_back(const T *points, const T *tangent_points, const T *grad_out, int64_t n, T *grad_points,
                      Ends<T> *ends, const TapeBlocks &tape) override {
        return has_tangent_
                   ? pull_back_all<Dual<V>>(points, tangent_points, grad_out, n, grad_points, ends, {})
                   : pull_back_all<V>(points, nullptr, grad_out, n, grad_points, ends, tape);
    }

    Trouble pull_back_log_det(const T *points, const T *grad_log_det, int64_t n, T *grad_points) override {
        const Flow<V, D> flow = flow_of<V>();
        return for_blocks<V>(points, nullptr, n, Keeps::steps, {}, [&](const Block<V> &block) {
            auto &cotangents = herd_.cotangents();
            const bool diverged =
                each_group(block, [&](const Group<V, D> &group, const V *, Bits failed, int64_t first) {
                    V seed, lam[D];
                    PointArrays<V, 1>::load(grad_log_det + first, group.count, &seed);
                    Divergence<V, D> ahead{};
                    ahead.cotangent() = select(failed | ~first_lanes(group.count), V(0), seed);
                    ahead.cell() = from_bits(Index(-1));
                    for (int d = 0; d < D; d++) lam[d] = V(0);
                    cotangents.store(int(first - block.first), lam);
                    ahead_.store(int(first - block.first), ahead.values);
                    poisoned_ |= any(failed);
                });
            Divergence<V, D> ahead;
            auto arrive = [&](const Strides<V, D> &stride, const Cell<V, D> &cell, Bits there, V *lam) {
                ahead_.load(stride.point, ahead.values);
                cross_back(flow, cell, stride.segment, ahead, lam);
                for (V &value : ahead.values) value = select(there, value, V(0));
                ahead_.store(stride.point, ahead.values);
            };
            auto collect = [&](const Strides<V, D> &stride, const Cell<V, D> &cell, const auto &gradient) {
                const V share = ahead.cotangent() * stride.segment.duration;
                add_gradient(stride, gradient, [&](int k, int d) { return share * cell.gradient[k][d]; });
            };
            if (!block.lost) herd_.go_back(flow, arrive, collect);
            give_cotangents(block, grad_points);
            return diverged;
        });
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
        return {records.start.data(), records.crossing.data(), field_.flow(),
                has_tangent_ ? tangent_.flow() : nullptr};
    }

    template <typename N>
    Herd<N, D> &herd() {
        if constexpr (Number<N>::is_dual)
            return dual_herd_;
        else
            return herd_;
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

    /* Sends out the walkers of a group; `tangent_points` is NULL where points have no tangent. */
    template <typename N>
    Cell<N, D> begin(const Flow<N, D> &flow, const Group<V, D> &group, const T *tangent_points, int64_t first,
                     Walker<N, D> &walker) const {
        V offset[D];
        const Index index = locate<V, D>(grid_, tess_.cells, group.u, offset);
        N from[D];
        V tangent[D];
        if (Number<N>::is_dual && tangent_points) load(tangent_points + first * D, group.count, tangent);
        for (int d = 0; d < D; d++) {
            from[d] = N(offset[d]);
            if constexpr (Number<N>::is_dual) {
                if (tangent_points) from[d].b = tangent[d] * V(scale_[d]);
            }
        }
        const Cell<N, D> cell = flow.cell(index);
        walker = Walker<N, D>(start<N, D>(flow, cell, index, from));
        return cell;
    }

    /* -- blocks of points, which are walked together */

    template <typename N>
    struct Block {
        const T *points, *tangent_points;
        int64_t first;
        int n;
        bool lost; /* the field is not finite: nothing was walked */
    };

    /* What a walk leaves for the way back. */
    enum class Keeps { nothing, steps, on_tape };

    /* Walks all points. `body(block)` finds the results in herd<N>(), and answers what each_group() does.
       Where steps are kept, those on the tape need no walk. */
    template <typename N, typename Body>
    Trouble for_blocks(const T *points, const T *tangent_points, int64_t n, Keeps keeps, TapeBlocks tape,
                       Body body) {
        Trouble trouble;
        const Flow<N, D> flow = flow_of<N>();
        const bool lost = !field_.finite() || (has_tangent_ && !tangent_.finite());
        constexpr int64_t most = Herd<N, D>::capacity;
        for (int64_t first = 0; first < n; first += most, tape.first++) {
            const Block<N> block{points, tangent_points, first, int(n - first < most ? n - first : most),
                                 lost};
            const bool records = keeps == Keeps::on_tape && tape.tape && tape.tape->records() && !lost;
            const bool known = keeps == Keeps::steps && tape.tape && !lost &&
                               herd<N>().restore(tape, block.n, tess_.n_cells);
            auto send_out = [&](int at, Walker<N, D> &walker) {
                const Group<V, D> group = gather(points, first + block.n, first + at);
                return begin<N>(flow, group, tangent_points, first + at, walker);
            };
            if (!lost && !known &&
                !herd<N>().walk(flow, block.n, most_steps_, keeps == Keeps::steps || records, send_out)) {
                trouble.no_memory = true;
                break;
            }
            if (records) herd<N>().save(tape, block.n, tess_.n_cells);
            trouble.diverged |= body(block) && !lost;
        }
        return trouble;
    }

    /* Calls body(group, end points, those that are no numbers, first) for all groups of a block. Returns
       whether a trajectory diverged. */
    template <typename N, typename Body>
    bool each_group(const Block<N> &block, Body body) {
        Bits diverged = Bits::none();
        for (int at = 0; at < block.n; at += W) {
            const int64_t first = block.first + at;
            const Group<V, D> group = gather(block.points, block.first + block.n, first);
            N moved[D];
            for (int d = 0; d < D; d++) moved[d] = N(V(nan()));
            if (!block.lost) end_points(block, group, at, moved);
            Bits failed = group.bad;
            for (int d = 0; d < D; d++) failed = failed | ~(value_of(moved[d]) * V(0) == V(0));
            for (int d = 0; d < D; d++) moved[d] = select(failed, N(V(nan())), moved[d]);
            diverged = diverged | (failed & ~group.bad);
            body(group, moved, failed, first);
        }
        return any(diverged);
    }

    template <typename N>
    void end_points(const Block<N> &block, const Group<V, D> &group, int at, N *moved) {
        V tangent[D];
        for (int d = 0; d < D; d++) tangent[d] = V(0);
        if (Number<N>::is_dual && block.tangent_points)
            load(block.tangent_points + (block.first + at) * D, group.count, tangent);
        herd<N>().moved().load(at, moved);
        for (int d = 0; d < D; d++) {
            /* A point at rest stays where it is to the last bit, -0.0 included. */
            const V step = value_of(moved[d]) * V(size_[d]);
            const V end = select(step == V(0), group.x[d], group.x[d] + step);
            if constexpr (Number<N>::is_dual)
                moved[d] = N(end, moved[d].b * V(size_[d]) + tangent[d]);
            else
                moved[d] = end;
        }
    }

    /* -- the way back */

    /* Numbers: the gradient itself, or its derivative along the tangent. */
    static V wanted(const V &x) { return x; }
    static V wanted(const Dual<V> &x) { return x.b; }

    template <typename N>
    void report(const Block<N> &block, Ends<T> &ends) {
        each_group(block, [&](const Group<V, D> &group, const N *moved, Bits, int64_t first) {
            V values[D];
            for (int d = 0; d < D; d++) values[d] = value_of(moved[d]);
            store(values, group.count, &ends_[(first - block.first) * D]);
        });
        ends.reached(block.first, ends_.data(), block.n);
    }

    template <typename N>
    Trouble pull_back_all(const T *points, const T *tangent_points, const T *grad_out, int64_t n,
                          T *grad_points, Ends<T> *ends, const TapeBlocks &tape) {
        const Flow<N, D> flow = flow_of<N>();
        return for_blocks<N>(points, tangent_points, n, Keeps::steps, tape, [&](const Block<N> &block) {
            auto &cotangents = herd<N>().cotangents();
            if (ends) report(block, *ends);
            const bool diverged =
                each_group(block, [&](const Group<V, D> &group, const N *, Bits failed, int64_t first) {
                    V seed[D];
                    load(grad_out + first * D, group.count, seed);
                    N lam[D];
                    for (int d = 0; d < D; d++)
                        lam[d] = N(select(failed | ~first_lanes(group.count), V(0), seed[d] * V(size_[d])));
                    cotangents.store(int(first - block.first), lam);
                    poisoned_ |= any(failed);
                });
            if (!block.lost)
                herd<N>().go_back(flow, keep_cotangents,
                                  [&](const Strides<N, D> &stride, const auto &, const auto &gradient) {
                                      add_gradient(stride, gradient, [](int, int) { return V(0); });
                                  });
            give_cotangents(block, grad_points);
            return diverged;
        });
    }

    /* For ways back without a source on the way. */
    static constexpr auto keep_cotangents = [](const auto &...) {};

    /* Adds what a step says about the nodes of its cell, and `more(node, axis)`. */
    template <typename N, typename More>
    CPAB_INLINE void add_gradient(const Strides<N, D> &stride, const NodeGradient<N, D> &gradient,
                                  More more) {
        V record[Layout::gradient_used];
        for (int k = 0; k <= D; k++)
            for (int d = 0; d < D; d++) record[k * D + d] = wanted(gradient.velocity[k][d]) + more(k, d);
        add_records<Layout::gradient_used>(gradient_.data(), Layout::gradient, stride.segment.from.cell,
                                           record);
    }

    /* Writes what arrived at the points of a block, in units of the domain. */
    template <typename N>
    void give_cotangents(const Block<N> &block, T *grad_points) {
        if (!grad_points) return;
        each_group(block, [&](const Group<V, D> &group, const N *, Bits failed, int64_t first) {
            N lam[D];
            herd<N>().cotangents().load(int(first - block.first), lam);
            V grad[D];
            for (int d = 0; d < D; d++) grad[d] = select(failed, V(nan()), wanted(lam[d]) * V(scale_[d]));
            store(grad, group.count, grad_points + first * D);
        });
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
    Herd<V, D> herd_;
    Herd<Dual<V>, D> dual_herd_;
    Columns<V, Divergence<V, D>::size, Herd<V, D>::capacity> ahead_;
    Array<T> gradient_; /* [n_cells], as records of dL/dv at the nodes */
    Array<double> nodes_;
    Array<T> ends_;         /* of a block's points */
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
