/*
 * When a trajectory leaves its cell through one given face: the root of l_k over a step.
 *
 *     l_k |                             l_k |
 *         |`.                               |`.
 *         |  `.                             |  `.          .'
 *         |    `.                           |    `.      .'
 *       0 +------`.------- s              0 +------`.--.'---- s
 *         |        `.                       |        `'
 *
 *     negative at the end                 a dip: negative in between
 *
 * A step is short enough for l_k to have one extremum at most (see walk.h), so there is no third way.
 */
#ifndef CPAB_FACE_CROSSING_H
#define CPAB_FACE_CROSSING_H

#include "series.h"

namespace cpab {
namespace CPAB_ISA {

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
 *
 * Each step cubes the error, so a guess that hardly moved is done; other lanes may need one more, which
 * changes none that is done. `wanted` says whose root is asked for.
 */
template <typename V>
CPAB_INLINE V refine(const Series<V> &l, V s, typename V::Bits wanted) {
    using P = Precision<typename V::Scalar>;
    [[maybe_unused]] auto moving = wanted;
    for (int i = 0; i < P::root_steps; i++) {
        if constexpr (V::width > 1)
            if (!any(moving)) break;
        const V better = within_step(s + falling_root(l.value(s), l.slope(s), l.curvature(s) * V(0.5f)));
        if constexpr (V::width == 1) {
            s = better; /* a thread of a GPU would only wait for its neighbours */
        } else {
            const V way = magnitude(better - s);
            s = select(moving, better, s);
            moving = moving & (way > V(P::settled));
        }
    }
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
    const V s = refine(face.l, select(out, first_guess(l0, slope0, face.last), lowest), out | dips);
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

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
