/*
 * The walk: trajectories from face to face of the coloured complex, one in each lane.
 *
 *     +-------------------------+-------------------------+
 *     | ..                   .. | ..                   .. |
 *     |   ...             ...   |   ...             ...   |
 *     |      ...       2********3*******4**      ...      |
 *     |         ..******        |         *****..         |
 *     |        ***1..           |           ..5***        |
 *     |    *****..   ..         |         ..   ..****     |
 *     |   S* ...       ...      |      ...       ...**E   |
 *     |   ...             ...   |   ...             ...   |
 *     | ..                   .. | ..                   .. |
 *     +-------------------------+-------------------------+
 *
 *     S  the start, in the left triangle of the first rectangle
 *     1  to 5: crossings of faces; between two of them lies one segment, within one cell
 *     E  the end, where the unit of time is over
 *
 * A trajectory is a cell and barycentric coordinates l in it. One step expands the displacement into a Taylor
 * series, looks for the first face that the trajectory leaves its cell through (some l_k = l_k(0) +
 * gradient_k . displacement reaches zero), and advances to that crossing, or as far as the series is trusted.
 * Crossing face k renames the cell and exchanges node k for the neighbour's; since the field is continuous
 * and the exchange is exact also when l_k is not quite zero, a crossing that is off by dt costs O(dt^2).
 *
 * The velocity is computed anew from l at every step. Carried along, its rounding would move a point through
 * a border that nothing crosses.
 *
 * The result is the sum of the displacements: they are small where the points are not, which saves digits.
 *
 * Within a step, |A| h <= 1, so l_k(t) has at most one extremum (in 2D: its derivative is a sum of
 * two exponentials, or a sine of less than half a turn). Hence a face is left in one of two ways:
 * l_k(h) < 0, or a dip: l_k falls at first, rises at the end, and is negative in between.
 *
 * What a lane computes never depends on the other lanes, or results would depend on how points are
 * grouped.
 */
#ifndef CPAB_WALK_H
#define CPAB_WALK_H

#include "exit.h"
#include "flow.h"
#include "series.h"
#include "single_turn.h"

namespace cpab {
namespace CPAB_ISA {

template <typename N, int D>
struct Trajectory {
    typename LaneOf<N>::Index cell;
    N l[D + 1];
};

/* A step that was taken, as the backward pass needs it: where it began, and how long it took. */
template <typename N, int D>
struct Segment {
    Trajectory<N, D> from;
    N duration;
};

/* A lane's progress: where it is, how far it came, and the time left. `stalls` counts steps of no duration,
   which occur at vertices, where a trajectory changes through several cells at once. */
template <typename N, int D>
struct Walker {
    using V = LaneOf<N>;
    Trajectory<N, D> at;
    N moved[D];
    N left;
    V stalls;

    Walker() = default;
    CPAB_HD explicit Walker(const Trajectory<N, D> &start) : at(start), left(V(1)), stalls(0) {
        for (int d = 0; d < D; d++) moved[d] = N(V(0));
    }
    CPAB_HD typename V::Bits active() const { return value_of(left) > V(0); }

    /* Should rounding ever make two cells hand a trajectory back and forth, growing slack ends that. */
    CPAB_HD V slack() const {
        constexpr int patience = 64; /* up to 32 cells meet at a vertex */
        V slack(Precision<ScalarOf<N>>::slack);
        for (V n = smaller(stalls, V(2 * patience)); any(n > V(patience)); n = n - V(1))
            slack = select(n > V(patience), slack * V(4), slack);
        return slack;
    }
};

/* Moves coordinates to other slots, as crossings outside of a 3D domain may ask for; see records.h. */
template <typename V>
CPAB_HD inline void reorder(const typename V::Index &order, const typename V::Bits &lanes, V *l) {
    if constexpr (V::width == 1) { /* by selects, so that nothing is indexed by data */
        V moved[4];
        for (int k = 0; k < 4; k++) {
            const auto from = order[0] >> 2 * k & 3;
            moved[k] = from == 0 ? l[0] : from == 1 ? l[1] : from == 2 ? l[2] : l[3];
        }
        for (int k = 0; k < 4; k++) l[k] = select(lanes, moved[k], l[k]);
    } else {
        typename V::Scalar moved[4][V::width];
        for (int r = 0; r < V::width; r++)
            for (int k = 0; k < 4; k++) moved[k][r] = l[lanes[r] ? order[r] >> 2 * k & 3 : k][r];
        for (int k = 0; k < 4; k++) l[k] = V::load(moved[k]);
    }
}

template <typename V>
CPAB_HD inline void reorder(const typename V::Index &order, const typename V::Bits &lanes, Dual<V> *l) {
    V a[4], b[4];
    for (int k = 0; k < 4; k++) a[k] = l[k].a, b[k] = l[k].b;
    reorder(order, lanes, a);
    reorder(order, lanes, b);
    for (int k = 0; k < 4; k++) l[k] = Dual<V>(a[k], b[k]);
}

/* Enters the neighbour behind a face: the old node is a combination of the neighbour's nodes. */
template <typename N, int D>
CPAB_INLINE void cross(const Flow<N, D> &flow, const Exit<LaneOf<N>> &exit, Trajectory<N, D> &at) {
    using V = LaneOf<N>;
    using Index = typename V::Index;
    using Layout = typename Flow<N, D>::Layout;
    V row[Layout::crossing_used]; /* the combination, the number of the neighbour, the order of its nodes */
    load_records<Layout::crossing_used>(flow.crossing, Layout::crossing, at.cell * Index(D + 1) + exit.face,
                                        row);
    N residual = at.l[0];
    for (int k = 1; k <= D; k++) residual = select(exit.face == Index(k), at.l[k], residual);
    N kept[D + 1];
    for (int k = 0; k <= D; k++) kept[k] = select(exit.face == Index(k), N(V(0)), at.l[k]);
    if constexpr (D == 3) {
        const Index order = bits_of(row[D + 2]);
        const auto moved = exit.leaves & ~(order == Index(0));
        if (any(moved)) reorder(order, moved, kept);
    }
    for (int k = 0; k <= D; k++) at.l[k] = select(exit.leaves, kept[k] + residual * row[k], at.l[k]);
    at.cell = select(exit.leaves, bits_of(row[D + 1]), at.cell);
}

/* Whether l_k, which falls with this slope, passes a face such that the time of that has a derivative. */
template <typename V>
CPAB_INLINE typename V::Bits crosses_properly(V slope) {
    return slope < V(0);
}

/* Adds to the displacement x, in dual numbers, what a change of the crossing time does: l_face + slope ds
   must stay 0. Where a face is grazed, crossing times have no derivative. Returns ds. */
template <typename V, int D>
CPAB_INLINE V shift_crossing(const Cell<Dual<V>, D> &cell, const Motion<Dual<V>, D> &motion, const Dual<V> *l,
                             const Exit<V> &exit, Dual<V> *x) {
    V slope[D], tangent(0), steepness(0);
    for (int d = 0; d < D; d++) slope[d] = motion.slope(exit.time, d);
    for (int k = 0; k <= D; k++) {
        const auto chosen = exit.face == typename V::Index(k);
        tangent = select(chosen, l[k].b + dot<D>(cell.gradient[k], x).b, tangent);
        steepness = select(chosen, dot<D>(cell.gradient[k], slope), steepness);
    }
    const auto proper = exit.leaves & crosses_properly(steepness);
    const V shift = select(proper, -tangent / select(proper, steepness, V(-1)), V(0));
    for (int d = 0; d < D; d++) x[d].b = x[d].b + slope[d] * shift;
    return shift;
}

/* A step as far as the series is trusted, before it is known whether a face comes first. */
template <typename N, int D>
struct Plan {
    using V = LaneOf<N>;
    N h;
    typename V::Bits finishes; /* no time is left after it */
    Motion<N, D> motion;
    N whole[D];
    StepEnds<V, D> ends;
    V slack;
};

template <typename N, int D>
CPAB_INLINE Plan<N, D> plan_step(const Cell<N, D> &cell, const Walker<N, D> &walker) {
    using V = LaneOf<N>;
    const Trajectory<N, D> &at = walker.at;
    Plan<N, D> plan;
    plan.slack = walker.slack();
    plan.finishes = value_of(walker.left) <= cell.longest;
    plan.h = select(plan.finishes, walker.left, N(cell.longest));
    N v[D];
    for (int d = 0; d < D; d++) v[d] = cell.velocity_at(at.l, d);
    plan.motion = expand<N, D>(cell.linear, v, plan.h);
    if constexpr (D == 3)
        plan.finishes =
            plan.finishes & ~shorten(cell, at.l, plan.motion, plan.h, walker.active(), plan.slack);

    V whole[D], first_move[D], last_move[D]; /* what the first and the last velocity would move in a step */
    for (int d = 0; d < D; d++) {
        plan.whole[d] = plan.motion.whole(d);
        whole[d] = value_of(plan.whole[d]);
        first_move[d] = value_of(plan.motion.w[d][0]);
    }
    for (int i = 0; i < D; i++) {
        last_move[i] = value_of(v[i]);
        for (int j = 0; j < D; j++) last_move[i] = last_move[i] + value_of(cell.linear[i][j]) * whole[j];
        last_move[i] = last_move[i] * value_of(plan.h);
    }
    StepEnds<V, D> &ends = plan.ends;
    for (int k = 0; k <= D; k++) {
        ends.first[k] = value_of(at.l[k]);
        ends.first_slope[k] = dot<D>(cell.gradient[k], first_move);
        ends.last[k] = ends.first[k] + dot<D>(cell.gradient[k], whole);
        ends.last_slope[k] = dot<D>(cell.gradient[k], last_move);
    }
    return plan;
}

/* Moves walkers by x within their cells. */
template <typename N, int D>
CPAB_INLINE void move_by(const Cell<N, D> &cell, const N *x, Walker<N, D> &walker) {
    for (int k = 0; k <= D; k++) walker.at.l[k] = walker.at.l[k] + dot<D>(cell.gradient[k], x);
    for (int d = 0; d < D; d++) walker.moved[d] = walker.moved[d] + x[d];
}

/* Takes the whole step, for walkers that meet no face. */
template <typename N, int D>
CPAB_INLINE void stay(const Cell<N, D> &cell, const Plan<N, D> &plan, Walker<N, D> &walker) {
    move_by<N, D>(cell, plan.whole, walker);
    walker.left = select(plan.finishes, N(LaneOf<N>(0)), walker.left - plan.h);
}

/* Takes the step up to the first face, and into the cell behind it. Returns its duration. */
template <typename N, int D>
CPAB_INLINE N leave(const Flow<N, D> &flow, const Cell<N, D> &cell, const Plan<N, D> &plan,
                    Walker<N, D> &walker) {
    using V = LaneOf<N>;
    const Exit<V> exit = find_exit<N, D>(cell, plan.motion, plan.ends, plan.slack, walker.active());
    N x[D], part(exit.time);
    for (int d = 0; d < D; d++) x[d] = select(exit.leaves, plan.motion.at(exit.time, d), plan.whole[d]);
    if constexpr (Number<N>::is_dual) part.b = shift_crossing<V, D>(cell, plan.motion, walker.at.l, exit, x);
    const N duration = plan.h * part;
    move_by<N, D>(cell, x, walker);
    walker.left = select(plan.finishes & ~exit.leaves, N(V(0)), walker.left - duration);
    cross<N, D>(flow, exit, walker.at);
    const auto stalled = exit.leaves & (value_of(duration) <= V(0));
    walker.stalls = select(stalled, walker.stalls + V(1), V(0));
    return duration;
}

/* The trajectory that starts in a cell, `offset` being measured from the low corner of the nearest box. */
template <typename N, int D>
CPAB_INLINE Trajectory<N, D> start(const Flow<N, D> &flow, const Cell<N, D> &cell,
                                   const typename LaneOf<N>::Index &index, const N *offset) {
    Trajectory<N, D> at;
    LaneOf<N> constant[D + 1];
    at.cell = index;
    flow.load_constants(index, constant);
    for (int k = 0; k <= D; k++) at.l[k] = dot<D>(cell.gradient[k], offset) + N(constant[k]);
    return at;
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
