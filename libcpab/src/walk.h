/*
 * The walk: trajectories from face to face of the coloured complex, one in each lane.
 *
 * A trajectory is a cell and barycentric coordinates l in it. One step expands l(t) into a Taylor
 * series, looks for the first face that the trajectory leaves its cell through (some l_k reaches
 * zero), and advances to that crossing, or as far as the series is trusted. Crossing face k renames
 * the cell and exchanges node k for the neighbour's; since the field is continuous and the exchange
 * is exact also when l_k is not quite zero, a crossing that is off by dt costs O(dt^2).
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

#include "dual.h"
#include "field.h"
#include "lanes.h"
#include "precision.h"

namespace cpab {
namespace CPAB_ISA {

template <typename N, int D>
struct Trajectory {
    typename LaneOf<N>::Index cell;
    N l[D + 1];
};

/* What the way back needs to know about a step: where it began, and how long it took. */
template <typename N, int D>
struct Segment {
    Trajectory<N, D> from;
    N duration;
};

/* l_k over one step, in units of the step: l_k(s h) = sum_i c[i] s^i for s in [0, 1]. */
template <typename N>
struct Series {
    using V = LaneOf<N>;
    static constexpr int order = Precision<ScalarOf<N>>::order;
    N c[order + 1];

    CPAB_HD N value(V s) const {
        N sum = c[order];
        for (int i = order - 1; i >= 0; i--) sum = sum * s + c[i];
        return sum;
    }
    CPAB_HD V slope(V s) const {
        V sum = value_of(c[order]) * V(order);
        for (int i = order - 1; i >= 1; i--) sum = sum * s + value_of(c[i]) * V(i);
        return sum;
    }
    CPAB_HD V curvature(V s) const {
        V sum = value_of(c[order]) * V(order * (order - 1));
        for (int i = order - 1; i >= 2; i--) sum = sum * s + value_of(c[i]) * V(i * (i - 1));
        return sum;
    }
    CPAB_HD N last_value() const {
        N sum = c[order];
        for (int i = order - 1; i >= 0; i--) sum = sum + c[i];
        return sum;
    }
};

/* The series of l' = M l, given M h: c_i = (M h)^i l / i!, with the factorials kept out of the chain. */
template <typename N, int D>
CPAB_INLINE void expand(const N rate[D + 1][D + 1], const N *start, Series<N> *series) {
    using T = ScalarOf<N>;
    N derivative[D + 1];
    for (int k = 0; k <= D; k++) series[k].c[0] = derivative[k] = start[k];
    double factorial = 1;
    for (int i = 1; i <= Series<N>::order; i++) {
        factorial *= i;
        N next[D + 1];
        for (int k = 0; k <= D; k++) {
            N sum = rate[k][0] * derivative[0];
            for (int j = 1; j <= D; j++) sum = sum + rate[k][j] * derivative[j];
            next[k] = sum;
            series[k].c[i] = sum * LaneOf<N>(T(1 / factorial));
        }
        for (int k = 0; k <= D; k++) derivative[k] = next[k];
    }
}

template <typename V>
CPAB_INLINE V within_step(V s) {
    return select(s > V(0), smaller(s, V(1)), V(0)); /* NaN becomes 0 */
}

/*
 * The root of e + a s + c s^2 where it falls below zero; 0 if it never does, and the minimum if rounding
 * has lifted that above zero. The formula is stable for both signs of a.
 */
template <typename V>
CPAB_INLINE V falling_root(V e, V a, V c) {
    const V discriminant = a * a - V(4) * c * e;
    const V root = sqrt(larger(discriminant, V(0)));
    const auto rising = a > V(0);
    const V numerator = select(rising, -a - root, e + e);
    const V denominator = select(rising, c + c, root - a);
    const auto exists = select(rising, magnitude(denominator), denominator) > V(0);
    return select(exists, numerator / select(exists, denominator, V(1)), V(0));
}

/* l_k of one face, and what is known of it at the end of the step. */
template <typename V>
struct Face {
    Series<V> l;
    V last, last_slope, slack;
};

/* On the face or behind it, and going out: at once. On it and going in: the later root. */
template <typename V>
CPAB_INLINE typename V::Bits leaves_at_once(V l0, V slope0) {
    return (l0 <= V(0)) & (slope0 < V(0));
}

/* First guess of when l_k, negative at the end, becomes so: by the parabola through what is known. */
template <typename V>
CPAB_INLINE V first_guess(V l0, V slope0, V last) {
    const V e = larger(l0, V(0));
    return within_step(falling_root(e, slope0, last - e - slope0));
}

/*
 * Not by Newton's method: where a trajectory grazes the face, value and slope vanish together, and a
 * guess may lie beyond the minimum. The falling root of the local parabola is right there too.
 */
template <typename V>
CPAB_INLINE V refine(const Series<V> &l, V s) {
    for (int i = 0; i < Precision<typename V::Scalar>::root_steps; i++)
        s = within_step(s + falling_root(l.value(s), l.slope(s), l.curvature(s) * V(0.5f)));
    return select(leaves_at_once(l.c[0], l.c[1]), V(0), s);
}

/* Where l_k is least, given that it falls at the start of the step and rises at its end. */
template <typename V>
CPAB_INLINE V lowest_point(const Face<V> &face) {
    const V slope0 = face.l.c[1];
    V s = within_step(slope0 / (slope0 - face.last_slope));
    for (int i = 0; i < Precision<typename V::Scalar>::root_steps; i++) {
        const V curvature = face.l.curvature(s);
        const auto convex = curvature > V(0);
        s = select(convex, within_step(s - face.l.slope(s) / select(convex, curvature, V(1))), s);
    }
    return s;
}

/* Whether a dip is possible: falling at the start, rising at the end, and not too far from the face. A
   derivative that changes its sign within |A| h <= 1 does not get much steeper before it does. */
template <typename V>
CPAB_INLINE typename V::Bits may_dip(V l0, V slope0, V last_slope, V slack) {
    return (slope0 < V(0)) & (last_slope > V(0)) & (l0 + V(2) * slope0 < -slack);
}

/* When, as a part of the step, a trajectory leaves through a face; 2 if it does not. */
template <typename V>
CPAB_INLINE V leaving_time(const Face<V> &face) {
    const V l0 = face.l.c[0], slope0 = face.l.c[1];
    const auto out = face.last < -face.slack;
    const V lowest = lowest_point(face);
    const auto dips =
        may_dip(l0, slope0, face.last_slope, face.slack) & (face.l.value(lowest) < -face.slack) & ~out;
    const V s = refine(face.l, select(out, first_guess(l0, slope0, face.last), lowest));
    return select(out | dips, s, V(2));
}

/* Lane by lane the series of another face. */
template <typename N, int D>
CPAB_INLINE Series<LaneOf<N>> series_of(const Series<N> *series, const typename LaneOf<N>::Index &face) {
    using V = LaneOf<N>;
    Series<V> own;
    for (int i = 0; i <= Series<N>::order; i++) {
        own.c[i] = value_of(series[0].c[i]);
        for (int k = 1; k <= D; k++)
            own.c[i] = select(face == typename V::Index(k), value_of(series[k].c[i]), own.c[i]);
    }
    return own;
}

/* Brings a series to size 1, and answers the factor: roots do not depend on it, but their discriminants
   could overflow. */
template <typename V>
CPAB_INLINE V normalize(Series<V> &l) {
    const V size = larger(larger(magnitude(l.c[0]), magnitude(l.c[1])), magnitude(l.c[2]));
    const V factor = V(1) / select(size > V(0), size, V(1));
    for (int i = 0; i <= Series<V>::order; i++) l.c[i] = l.c[i] * factor;
    return factor;
}

/*
 * In 3D, l_k' is a sum of three exponentials and may vanish twice within a step: l_k may fall below zero,
 * rise above it, and fall again. Steps for which that cannot be ruled out are halved until it can: by bounds
 * from the first terms of the series (of a cubic, those of Bernstein's form) and the sum of the rest.
 */
template <typename V>
CPAB_INLINE typename V::Bits may_turn_twice(const Series<V> &l, V slack) {
    V rest(0);
    for (int i = 4; i <= Series<V>::order; i++) rest = rest + magnitude(l.c[i]);
    const V third = V(1.0 / 3), first = l.c[0] + l.c[1] * third, second = first + (l.c[1] + l.c[2]) * third;
    const V end = l.c[0] + l.c[1] + l.c[2] + l.c[3];
    const auto near = smaller(smaller(l.c[0], first), smaller(second, end)) - rest < -slack;
    if (!any(near)) return near;

    V slope_rest(0), bend_rest(0);
    for (int i = 4; i <= Series<V>::order; i++) {
        slope_rest = slope_rest + magnitude(l.c[i]) * V(i);
        bend_rest = bend_rest + magnitude(l.c[i]) * V(i * (i - 1));
    }
    const V middle = l.c[1] + l.c[2], slope_end = middle + l.c[2] + V(3) * l.c[3];
    const V bend = V(2) * l.c[2], bend_end = bend + V(6) * l.c[3];
    const auto turns = (smaller(smaller(l.c[1], middle), slope_end) < slope_rest) &
                       (larger(larger(l.c[1], middle), slope_end) > -slope_rest);
    const auto bends = (smaller(bend, bend_end) < bend_rest) & (larger(bend, bend_end) > -bend_rest);
    return near & turns & bends;
}

/* Answers the lanes whose step was shortened; series and rates are for the new one. */
template <typename N>
CPAB_INLINE typename LaneOf<N>::Bits shorten(Series<N> *series, N rate[4][4], N &h,
                                             typename LaneOf<N>::Bits active, LaneOf<N> slack) {
    using V = LaneOf<N>;
    constexpr int most_halvings = 8; /* beyond that a second turn is below what precision can see */
    auto shortened = V::Bits::none();
    for (int n = 0; n < most_halvings; n++) {
        auto doubtful = V::Bits::none();
        for (int k = 0; k < 4; k++) {
            Series<V> l;
            for (int i = 0; i <= Series<V>::order; i++) l.c[i] = value_of(series[k].c[i]);
            doubtful = doubtful | may_turn_twice(l, slack);
        }
        doubtful = doubtful & active;
        if (!any(doubtful)) break;
        shortened = shortened | doubtful;
        const V factor = select(doubtful, V(0.5f), V(1));
        V power(1);
        for (int i = 0; i <= Series<V>::order; i++) {
            for (int k = 0; k < 4; k++) series[k].c[i] = series[k].c[i] * power;
            power = power * factor;
        }
        for (int i = 0; i < 4; i++)
            for (int j = 0; j < 4; j++) rate[i][j] = rate[i][j] * factor;
        h = h * factor;
    }
    return shortened;
}

/* Where and when lanes leave their cells. */
template <typename V>
struct Exit {
    typename V::Bits leaves;
    typename V::Index face;
    V time; /* as a part of the step, 1 where nothing is left */
};

/*
 * The first face that is left. Usually one face has the earliest guess by far, and only its crossing is
 * computed; where another face turns out to be crossed before, or might be dipped through, each face is
 * looked at for itself.
 */
template <typename N, int D>
CPAB_INLINE Exit<LaneOf<N>> find_exit(const Series<N> *series, const LaneOf<N> *last,
                                      const LaneOf<N> *last_slope, LaneOf<N> slack,
                                      typename LaneOf<N>::Bits active) {
    using V = LaneOf<N>;
    using Index = typename V::Index;
    using Bits = typename V::Bits;
    Exit<V> exit{Bits::none(), Index(0), V(1)};
    Bits out[D + 1], unclear = Bits::none(), some = Bits::none();
    for (int k = 0; k <= D; k++) {
        out[k] = active & (last[k] < -slack);
        some = some | out[k];
        unclear =
            unclear | (active & ~out[k] &
                       may_dip(value_of(series[k].c[0]), value_of(series[k].c[1]), last_slope[k], slack));
    }
    if (!any(some | unclear)) return exit;

    V earliest(2);
    for (int k = 0; k <= D; k++) {
        const V l0 = value_of(series[k].c[0]), slope0 = value_of(series[k].c[1]);
        const V guess = select(leaves_at_once(l0, slope0), V(0), first_guess(l0, slope0, last[k]));
        const Bits better = out[k] & (guess < earliest);
        earliest = select(better, guess, earliest);
        exit.face = select(better, Index(k), exit.face);
        exit.leaves = exit.leaves | better;
    }
    Series<V> own = series_of<N, D>(series, exit.face);
    normalize(own);
    exit.time = select(exit.leaves, refine(own, earliest), V(1));
    for (int j = 0; j <= D; j++)
        unclear = unclear |
                  (exit.leaves & ~(exit.face == Index(j)) & (value_of(series[j].value(exit.time)) < -slack));
    if (!any(unclear)) return exit;

    V first(2);
    Index face(0);
    for (int k = 0; k <= D; k++) {
        own = series_of<N, D>(series, Index(k));
        const V factor = normalize(own);
        const V time = leaving_time(Face<V>{own, last[k] * factor, last_slope[k] * factor, slack * factor});
        const Bits better = time < first;
        first = select(better, time, first);
        face = select(better, Index(k), face);
    }
    const Bits leaves = first < V(2);
    exit.leaves = select(unclear, leaves, exit.leaves);
    exit.face = select(unclear, face, exit.face);
    exit.time = select(unclear, select(leaves, first, V(1)), exit.time);
    return exit;
}

/* A lane's progress: where it is, the time left, and its patience. */
template <typename N, int D>
struct Walker {
    using V = LaneOf<N>;
    Trajectory<N, D> at;
    N left;
    V slack, stalls;

    CPAB_HD explicit Walker(const Trajectory<N, D> &start)
        : at(start), left(V(1)), slack(Precision<ScalarOf<N>>::slack), stalls(0) {}
    CPAB_HD typename V::Bits active() const { return value_of(left) > V(0); }
};

/* Moves coordinates to other slots, as crossings outside of a 3D domain may ask for; see records.h. */
template <typename V>
CPAB_HD inline void reorder(const typename V::Index &order, const typename V::Bits &lanes, V *l) {
    typename V::Scalar moved[4][V::width];
    for (int r = 0; r < V::width; r++)
        for (int k = 0; k < 4; k++) moved[k][r] = l[lanes[r] ? order[r] >> 2 * k & 3 : k][r];
    for (int k = 0; k < 4; k++) l[k] = V::load(moved[k]);
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

/* In dual numbers, what a change of the crossing time adds: l_face + slope ds must stay 0. Where a face
   is grazed, crossing times have no derivative. */
template <typename V, int D>
CPAB_INLINE V time_tangent(const Dual<V> *at, const V *slope, const Exit<V> &exit) {
    V tangent(0), steepness(0);
    for (int k = 0; k <= D; k++) {
        tangent = select(exit.face == typename V::Index(k), at[k].b, tangent);
        steepness = select(exit.face == typename V::Index(k), slope[k], steepness);
    }
    const auto proper = exit.leaves & (steepness < V(0));
    return select(proper, -tangent / select(proper, steepness, V(-1)), V(0));
}

/* Advances every active lane to its next face, or as far as its series is trusted. Returns the time. */
template <typename N, int D>
CPAB_INLINE N step(const Flow<N, D> &flow, Walker<N, D> &walker) {
    using V = LaneOf<N>;
    const auto active = walker.active();
    N rate[D + 1][D + 1];
    V longest;
    flow.load_rates(walker.at.cell, rate, longest);
    auto finishes = value_of(walker.left) <= longest;
    N h = select(finishes, walker.left, N(longest));
    for (int i = 0; i <= D; i++)
        for (int j = 0; j <= D; j++) rate[i][j] = rate[i][j] * h;
    Series<N> series[D + 1];
    expand<N, D>(rate, walker.at.l, series);
    if constexpr (D == 3) finishes = finishes & ~shorten(series, rate, h, active, walker.slack);

    V last[D + 1], last_slope[D + 1];
    for (int k = 0; k <= D; k++) {
        walker.at.l[k] = series[k].last_value();
        last[k] = value_of(walker.at.l[k]);
    }
    for (int k = 0; k <= D; k++) {
        last_slope[k] = value_of(rate[k][0]) * last[0];
        for (int j = 1; j <= D; j++) last_slope[k] = last_slope[k] + value_of(rate[k][j]) * last[j];
    }
    const Exit<V> exit = find_exit<N, D>(series, last, last_slope, walker.slack, active);
    if (!any(exit.leaves)) {
        walker.left = select(finishes, N(V(0)), walker.left - h);
        return h;
    }

    N part(exit.time);
    for (int k = 0; k <= D; k++)
        walker.at.l[k] = select(exit.leaves, series[k].value(exit.time), walker.at.l[k]);
    if constexpr (Number<N>::is_dual) {
        V slope[D + 1];
        for (int k = 0; k <= D; k++) slope[k] = series[k].slope(exit.time);
        part.b = time_tangent<V, D>(walker.at.l, slope, exit);
        for (int k = 0; k <= D; k++) walker.at.l[k].b = walker.at.l[k].b + slope[k] * part.b;
    }
    const N duration = h * part;
    cross<N, D>(flow, exit, walker.at);
    walker.left = select(finishes & ~exit.leaves, N(V(0)), walker.left - duration);

    /* Steps of no duration occur at vertices, where a trajectory changes through several cells at once.
       Should rounding ever make two cells hand it back and forth, the growing slack ends that. */
    constexpr int patience = 64; /* up to 32 cells meet at a vertex */
    const auto stalled = exit.leaves & (value_of(duration) <= V(0));
    const V base(Precision<ScalarOf<N>>::slack);
    walker.stalls = select(stalled, walker.stalls + V(1), V(0));
    walker.slack = select(walker.stalls > V(patience), walker.slack * V(4), base);
    return duration;
}

/*
 * Follows the trajectories for unit time. `record(segment)` is told of every segment once it is walked,
 * and answers false to stop. Returns the lanes that did not arrive: it was stopped, or they met the bound
 * on steps.
 */
template <typename N, int D, typename Record>
CPAB_INLINE typename LaneOf<N>::Bits walk(const Flow<N, D> &flow, int64_t most, Trajectory<N, D> &at,
                                          Record record) {
    Walker<N, D> walker(at);
    for (int64_t n = 0; n < most && any(walker.active()); n++) {
        Segment<N, D> segment;
        segment.from = walker.at;
        segment.duration = step<N, D>(flow, walker);
        if (!record(segment)) break;
    }
    at = walker.at;
    return walker.active();
}

/* -- where a trajectory begins and ends -------------------------------------------------------- */

/* Position of barycentric coordinates, in cells; `node` is the first part of a place record. */
template <typename N, int D>
CPAB_INLINE void position(const LaneOf<N> *node, const N *l, N *x) {
    for (int d = 0; d < D; d++) {
        x[d] = l[0] * node[d];
        for (int k = 1; k <= D; k++) x[d] = x[d] + l[k] * node[k * D + d];
    }
}

template <typename N, int D>
CPAB_INLINE void position(const Flow<N, D> &flow, const Trajectory<N, D> &at, N *x) {
    LaneOf<N> node[D * (D + 1)];
    load_records<D *(D + 1)>(flow.place, RecordLayout<D>::place, at.cell, node);
    position<N, D>(node, at.l, x);
}

/* The trajectory that starts in a cell, `offset` being measured from the low corner of the nearest box,
   and the position x that its coordinates stand for, which differs from the point's by roundings. */
template <typename N, int D>
CPAB_INLINE Trajectory<N, D> start(const Flow<N, D> &flow, const typename LaneOf<N>::Index &cell,
                                   const N *offset, N *x) {
    using V = LaneOf<N>;
    using Layout = RecordLayout<D>;
    constexpr int columns = Layout::row + (D + 1) * (D + 1);
    Trajectory<N, D> at;
    at.cell = cell;
    V record[columns];
    load_records<columns>(flow.place, Layout::place, cell, record);
    for (int k = 0; k <= D; k++) {
        const V *row = &record[Layout::row + k * (D + 1)];
        at.l[k] = N(row[D]);
        for (int d = 0; d < D; d++) at.l[k] = at.l[k] + offset[d] * row[d];
    }
    position<N, D>(record, at.l, x);
    return at;
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
