/*
 * Steps in 3D, shortened until no barycentric coordinate can turn twice within one.
 *
 * In 3D, l_k' is a sum of three exponentials and may vanish twice within a step: l_k may fall below zero,
 * rise above it, and fall again. Steps for which that cannot be ruled out are halved until it can: by bounds
 * from the first terms of the series (of a cubic, those of Bernstein's form) and the sum of the rest.
 */
#ifndef CPAB_SINGLE_TURN_H
#define CPAB_SINGLE_TURN_H

#include "flow.h"
#include "series.h"

namespace cpab {
namespace CPAB_ISA {

/* Lanes for which a coordinate may come to a face, and may turn twice. */
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

/* Lanes for which a coordinate may come to a face at all, by its first terms and a bound on the others: a
   quicker and coarser test than may_turn_twice(). `rest` bounds the components of the terms from the fourth
   power on. */
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

/* Shortens the steps of active lanes where that is needed, and makes motion and h those of the shorter steps.
   Returns the lanes where it was needed. */
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

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
