/*
 * The walk: trajectories from face to face of the coloured complex, one in each lane.
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

/* a . b, of a vector of the tessellation and any other. */
template <int D, typename V, typename N>
CPAB_INLINE N dot(const V *a, const N *b) {
    N sum = b[0] * a[0];
    for (int d = 1; d < D; d++) sum = sum + b[d] * a[d];
    return sum;
}

/* sum_i c[i] s^i for i < n, in pairs of pairs: Horner's chain would wait for every term. */
template <int n, typename C, typename V>
CPAB_INLINE C polynomial(const C *c, V s) {
    if constexpr (n == 1) {
        return c[0];
    } else {
        C pairs[(n + 1) / 2];
        for (int i = 0; i < n / 2; i++) pairs[i] = c[2 * i + 1] * s + c[2 * i];
        if constexpr (n % 2 == 1) pairs[n / 2] = c[n - 1];
        return polynomial<(n + 1) / 2>(pairs, s * s);
    }
}

/* The displacement over one step of time h: x(s h) - x(0) = sum_i w[d][i] s^(i + 1) for s in [0, 1]. */
template <typename N, int D>
struct Motion {
    using V = LaneOf<N>;
    static constexpr int order = Precision<ScalarOf<N>>::order;
    N w[D][order];

    CPAB_INLINE N whole(int d) const {
        N sum[order];
        for (int i = 0; i < order; i++) sum[i] = w[d][i];
        for (int n = order; n > 1; n = (n + 1) / 2)
            for (int i = 0; i < n / 2; i++) sum[i] = sum[i] + sum[n - 1 - i];
        return sum[0];
    }
    CPAB_INLINE N at(V s, int d) const { return polynomial<order>(w[d], s) * s; }
    CPAB_INLINE V slope(V s, int d) const {
        V c[order];
        for (int i = 0; i < order; i++) c[i] = value_of(w[d][i]) * V(i + 1);
        return polynomial<order>(c, s);
    }
};

/* x' = A x + v: w_i = (A h)^i v h / (i + 1)!, two powers of A h at a time, and with the factorials kept out
   of the chain. */
template <typename N, int D>
CPAB_INLINE Motion<N, D> expand(const N linear[D][D], const N *v, const N &h) {
    using T = ScalarOf<N>;
    constexpr int order = Motion<N, D>::order;
    Motion<N, D> motion;
    N rate[D][D], square[D][D], derivative[order][D];
    for (int i = 0; i < D; i++)
        for (int j = 0; j < D; j++) rate[i][j] = linear[i][j] * h;
    for (int i = 0; i < D; i++)
        for (int j = 0; j < D; j++) {
            square[i][j] = rate[i][0] * rate[0][j];
            for (int k = 1; k < D; k++) square[i][j] = square[i][j] + rate[i][k] * rate[k][j];
        }
    for (int d = 0; d < D; d++) derivative[0][d] = v[d] * h;
    double factorial = 1;
    for (int k = 0; k < order; k++) {
        factorial *= k + 1;
        for (int i = 0; i < D; i++) {
            if (k > 0) {
                const N *row = k == 1 ? rate[i] : square[i], *from = derivative[k == 1 ? 0 : k - 2];
                derivative[k][i] = row[0] * from[0];
                for (int j = 1; j < D; j++) derivative[k][i] = derivative[k][i] + row[j] * from[j];
            }
            motion.w[i][k] = derivative[k][i] * LaneOf<N>(T(1 / factorial));
        }
    }
    return motion;
}

/* One barycentric coordinate over a step: l_k(s h) = sum_i c[i] s^i for s in [0, 1]. */
template <typename V>
struct Series {
    static constexpr int order = Precision<typename V::Scalar>::order;
    V c[order + 1];

    CPAB_INLINE V value(V s) const { return polynomial<order + 1>(c, s); }
    CPAB_INLINE V slope(V s) const {
        V d[order];
        for (int i = 0; i < order; i++) d[i] = c[i + 1] * V(i + 1);
        return polynomial<order>(d, s);
    }
    CPAB_INLINE V curvature(V s) const {
        V d[order - 1];
        for (int i = 0; i < order - 1; i++) d[i] = c[i + 2] * V((i + 1) * (i + 2));
        return polynomial<order - 1>(d, s);
    }
};

/* That of the coordinate which is l0 at first, and has this gradient. */
template <typename N, int D>
CPAB_INLINE Series<LaneOf<N>> series_of(const LaneOf<N> &l0, const LaneOf<N> *gradient,
                                        const Motion<N, D> &motion) {
    Series<LaneOf<N>> l;
    l.c[0] = l0;
    for (int i = 0; i < Motion<N, D>::order; i++) {
        l.c[i + 1] = gradient[0] * value_of(motion.w[0][i]);
        for (int d = 1; d < D; d++) l.c[i + 1] = l.c[i + 1] + gradient[d] * value_of(motion.w[d][i]);
    }
    return l;
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

/* Lanes for which the first terms of a coordinate, and a bound on the others, leave that open. A quicker and
   coarser test than may_turn_twice(): `rest` bounds the components of the terms from the fourth power on. */
template <typename N, int D>
CPAB_INLINE typename LaneOf<N>::Bits comes_near(const LaneOf<N> &l0, const LaneOf<N> *gradient,
                                                const Motion<N, D> &motion, const LaneOf<N> &rest,
                                                const LaneOf<N> &slack) {
    using V = LaneOf<N>;
    V term[3], steepness = magnitude(gradient[0]);
    for (int d = 1; d < D; d++) steepness = steepness + magnitude(gradient[d]);
    for (int i = 0; i < 3; i++) {
        term[i] = gradient[0] * value_of(motion.w[0][i]);
        for (int d = 1; d < D; d++) term[i] = term[i] + gradient[d] * value_of(motion.w[d][i]);
    }
    const V third = V(1.0 / 3), first = l0 + term[0] * third, second = first + (term[0] + term[1]) * third;
    const V end = l0 + term[0] + term[1] + term[2];
    return smaller(smaller(l0, first), smaller(second, end)) - rest * steepness < -slack;
}

/* Answers the lanes whose step was shortened; motion and h are for the new one. */
template <typename N, int D>
CPAB_INLINE typename LaneOf<N>::Bits shorten(const Cell<N, D> &cell, const N *l, Motion<N, D> &motion, N &h,
                                             typename LaneOf<N>::Bits active, LaneOf<N> slack) {
    using V = LaneOf<N>;
    constexpr int most_halvings = 8; /* beyond that a second turn is below what precision can see */
    auto shortened = V::Bits::none();
    for (int n = 0; n < most_halvings; n++) {
        V rest(0);
        for (int i = 3; i < Motion<N, D>::order; i++) {
            V size = magnitude(value_of(motion.w[0][i]));
            for (int d = 1; d < D; d++) size = larger(size, magnitude(value_of(motion.w[d][i])));
            rest = rest + size;
        }
        auto doubtful = V::Bits::none();
        for (int k = 0; k <= D; k++) {
            const V l0 = value_of(l[k]);
            const auto near = active & comes_near<N, D>(l0, cell.gradient[k], motion, rest, slack);
            if (any(near))
                doubtful =
                    doubtful | (near & may_turn_twice(series_of<N, D>(l0, cell.gradient[k], motion), slack));
        }
        if (!any(doubtful)) break;
        shortened = shortened | doubtful;
        const V factor = select(doubtful, V(0.5f), V(1));
        V power = factor;
        for (int i = 0; i < Motion<N, D>::order; i++) {
            for (int d = 0; d < D; d++) motion.w[d][i] = motion.w[d][i] * power;
            power = power * factor;
        }
        h = h * factor;
    }
    return shortened;
}

/* How a step begins and ends, seen from the faces. */
template <typename V, int D>
struct StepEnds {
    V first[D + 1], first_slope[D + 1], last[D + 1], last_slope[D + 1]; /* slopes per step, not per time */

    CPAB_INLINE typename V::Bits may_dip(int k, V slack) const {
        return cpab::CPAB_ISA::may_dip(first[k], first_slope[k], last_slope[k], slack);
    }
    /* Whether a face might be crossed. */
    CPAB_INLINE typename V::Bits may_leave(V slack) const {
        auto found = V::Bits::none();
        for (int k = 0; k <= D; k++) found = found | (last[k] < -slack) | may_dip(k, slack);
        return found;
    }
};

/* Where and when lanes leave their cells. */
template <typename V>
struct Exit {
    typename V::Bits leaves;
    typename V::Index face;
    V time; /* as a part of the step, 1 where nothing is left */
};

/* The face that has the earliest guess, where several are crossed. */
template <typename V, int D>
CPAB_INLINE typename V::Index earliest_face(const StepEnds<V, D> &ends, const typename V::Bits *out) {
    V earliest(2);
    typename V::Index face(0);
    for (int k = 0; k <= D; k++) {
        const V l0 = ends.first[k], slope0 = ends.first_slope[k];
        const V guess = select(leaves_at_once(l0, slope0), V(0), first_guess(l0, slope0, ends.last[k]));
        const auto better = out[k] & (guess < earliest);
        earliest = select(better, guess, earliest);
        face = select(better, typename V::Index(k), face);
    }
    return face;
}

/*
 * The first face that is left. Usually one face has the earliest guess by far, and only its crossing is
 * computed; where another face turns out to be crossed before, or might be dipped through, each face is
 * looked at for itself.
 */
template <typename N, int D>
CPAB_INLINE Exit<LaneOf<N>> find_exit(const Cell<N, D> &cell, const Motion<N, D> &motion,
                                      const StepEnds<LaneOf<N>, D> &ends, LaneOf<N> slack,
                                      typename LaneOf<N>::Bits active) {
    using V = LaneOf<N>;
    using Index = typename V::Index;
    using Bits = typename V::Bits;
    Exit<V> exit{Bits::none(), Index(0), V(1)};
    Bits out[D + 1], unclear = Bits::none(), several = Bits::none();
    for (int k = 0; k <= D; k++) {
        out[k] = active & (ends.last[k] < -slack);
        several = several | (exit.leaves & out[k]);
        exit.leaves = exit.leaves | out[k];
        exit.face = select(out[k], Index(k), exit.face);
        unclear = unclear | (active & ~out[k] & ends.may_dip(k, slack));
    }

    if (any(several)) exit.face = select(several, earliest_face<V, D>(ends, out), exit.face);
    V l0 = ends.first[0], last = ends.last[0], gradient[D];
    for (int d = 0; d < D; d++) gradient[d] = cell.gradient[0][d];
    for (int k = 1; k <= D; k++) {
        const Bits chosen = exit.face == Index(k);
        l0 = select(chosen, ends.first[k], l0);
        last = select(chosen, ends.last[k], last);
        for (int d = 0; d < D; d++) gradient[d] = select(chosen, cell.gradient[k][d], gradient[d]);
    }
    Series<V> own = series_of<N, D>(l0, gradient, motion);
    const V guess = first_guess(l0, own.c[1], last);
    normalize(own);
    exit.time = select(exit.leaves, refine(own, guess), V(1));
    V x[D];
    for (int d = 0; d < D; d++) x[d] = value_of(motion.at(exit.time, d));
    for (int k = 0; k <= D; k++) {
        const V then = ends.first[k] + dot<D>(cell.gradient[k], x);
        unclear = unclear | (exit.leaves & ~(exit.face == Index(k)) & (then < -slack));
    }
    if (!any(unclear)) return exit;

    V first(2);
    Index face(0);
    for (int k = 0; k <= D; k++) {
        own = series_of<N, D>(ends.first[k], cell.gradient[k], motion);
        const V factor = normalize(own);
        const V time =
            leaving_time(Face<V>{own, ends.last[k] * factor, ends.last_slope[k] * factor, slack * factor});
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

/* Whether l_k, which falls with this slope, passes a face such that the time of that has a derivative. */
template <typename V>
CPAB_INLINE typename V::Bits crosses_properly(V slope) {
    return slope < V(0);
}

/* In dual numbers, what a change of the crossing time adds to the displacement x: l_face + slope ds must
   stay 0. Where a face is grazed, crossing times have no derivative. Returns ds. */
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

/* Moves by x within the cells. */
template <typename N, int D>
CPAB_INLINE void move_by(const Cell<N, D> &cell, const N *x, Walker<N, D> &walker) {
    for (int k = 0; k <= D; k++) walker.at.l[k] = walker.at.l[k] + dot<D>(cell.gradient[k], x);
    for (int d = 0; d < D; d++) walker.moved[d] = walker.moved[d] + x[d];
}

/* The whole step, for walkers that meet no face. */
template <typename N, int D>
CPAB_INLINE void stay(const Cell<N, D> &cell, const Plan<N, D> &plan, Walker<N, D> &walker) {
    move_by<N, D>(cell, plan.whole, walker);
    walker.left = select(plan.finishes, N(LaneOf<N>(0)), walker.left - plan.h);
}

/* The step up to the first face, and into the cell behind it. Returns its time. */
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
