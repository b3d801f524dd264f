/* One thread walks one point. */
#ifndef CPAB_CUDA_ARRIVE_H
#define CPAB_CUDA_ARRIVE_H

#include "batch.h"

namespace cpab {
namespace CPAB_ISA {

/* The fields of an item, as numbers of type N read them. */
template <typename N, int D>
CPAB_DEVICE Flow<N, D> flow_of(const Batch<ScalarOf<N>, D> &batch, int64_t item) {
    const int64_t at = item * batch.n_cells * RecordLayout<D>::flow;
    return {batch.tables.start, batch.tables.crossing, batch.records + at,
            Number<N>::is_dual ? batch.tangent_records + at : nullptr};
}

/* A point, and where its trajectory ends. */
template <typename N, int D>
struct Arrival {
    using V = LaneOf<N>;
    Points<V, D> start;
    V tangent[D]; /* of the start */
    N end[D];     /* NaN where that is not finite, */
    bool nowhere; /* which this tells */

    CPAB_DEVICE void load(const Batch<ScalarOf<N>, D> &batch, int64_t item, int64_t p) {
        load_point(batch, item, p, start.x);
        set_points<V, D>(batch.domain, start);
        if constexpr (Number<N>::is_dual) load_tangent(batch, item, p, tangent);
    }

    CPAB_DEVICE Walker<N, D> set_out(const Batch<ScalarOf<N>, D> &batch, const Flow<N, D> &flow) const {
        Walker<N, D> walker;
        begin_walk<N, D>(flow, batch.domain, start, Number<N>::is_dual ? tangent : nullptr, walker);
        return walker;
    }

    /* Takes over how far it has moved, if it has arrived. */
    CPAB_DEVICE void finish(const Batch<ScalarOf<N>, D> &batch, bool arrived, const N (&moved)[D]) {
        const V nan = not_a_number<ScalarOf<N>>();
        nowhere = !arrived || any(start.not_finite);
        for (int d = 0; d < D; d++) {
            if constexpr (Number<N>::is_dual)
                end[d] = end_point(batch.domain, start, moved[d], tangent[d], d);
            else
                end[d] = end_point(batch.domain, start, moved[d], d);
            nowhere = nowhere || any(~is_finite(value_of(end[d])));
        }
        for (int d = 0; d < D; d++) end[d] = select(typename V::Bits{nowhere}, N(nan), end[d]);
    }

    /* Whether one that has set out ends nowhere. */
    CPAB_DEVICE bool diverged() const { return nowhere && !any(start.not_finite); }
};

/* Takes the next step of a walker, as a block of trajectories does: whole, or else to the face that ends it.
   Returns its duration. */
template <typename N, int D>
CPAB_DEVICE N take_step(const Flow<N, D> &flow, Walker<N, D> &walker) {
    const Cell<N, D> cell = flow.cell(walker.at.cell);
    const Plan<N, D> plan = plan_step(cell, walker);
    if (any(plan.ends.may_leave(plan.slack))) return leave(flow, cell, plan, walker);
    stay(cell, plan, walker);
    return plan.h;
}

/* Walks to the end, and calls keep(number, segment) for every step; false if there are too many. */
template <typename N, int D, typename Keep>
CPAB_DEVICE bool walk(const Flow<N, D> &flow, Walker<N, D> &walker, int64_t most_steps, Keep &keep) {
    for (int64_t n = 0; any(walker.active()); n++) {
        if (n == most_steps) return false;
        Segment<N, D> segment;
        segment.from = walker.at;
        segment.duration = take_step(flow, walker);
        keep(n, segment);
    }
    return true;
}

/* Walks point number p of an item, where that is possible. */
template <typename N, int D, typename Keep>
CPAB_DEVICE void arrive(const Batch<ScalarOf<N>, D> &batch, const Flow<N, D> &flow, int64_t item, int64_t p,
                        Keep &keep, Arrival<N, D> &arrival) {
    arrival.load(batch, item, p);
    Walker<N, D> walker{Trajectory<N, D>{}};
    bool arrived = can_walk(batch, item);
    const bool walks = arrived;
    if (walks) {
        walker = arrival.set_out(batch, flow);
        arrived = walk(flow, walker, batch.most_steps, keep);
    }
    arrival.finish(batch, arrived, walker.moved);
    if (walks && arrival.diverged()) report(batch, &cpab_report::diverged_item, item);
}

/* Of walks that nothing has to be kept of. */
struct KeepNothing {
    template <typename Segment>
    CPAB_DEVICE void operator()(int64_t, const Segment &) const {}
};

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
