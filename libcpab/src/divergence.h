/*
 * The backward pass of log det dT/dx, which is the integral of the divergence: of tr A_c along the
 * trajectory. No Jacobian and no inverse of one enters, so it is as good as the trajectory itself.
 *
 * With the cotangent g, a segment of duration h in cell c adds
 *     g h d tr A_c / dv_k = g h gradient_k     for each node k,  as tr A_c = sum_k gradient_k . v_k.
 * Its end is a cotangent's source where it is the crossing of face k, l_k = 0, into cell c'. If the place
 * there changes by dx, the crossing comes later by dt = -(gradient_k . dx) / (gradient_k . v), and tr A_c
 * holds for as much longer as tr A_c' for less. From there on, the cotangent that this gives is taken back as
 * any other is (adjoint.h).
 *
 * As in second derivatives (shift_crossing() in walk.h), a face that is grazed has no crossing time to
 * differentiate.
 */
#ifndef CPAB_DIVERGENCE_H
#define CPAB_DIVERGENCE_H

#include "adjoint.h"

namespace cpab {
namespace CPAB_ISA {

/* What the backward pass knows of a point: the cotangent, and of the segment behind the one it comes to, if
   there is one, the cell, its divergence, and the velocity at the start. In numbers, so that it can be kept
   in columns. */
template <typename V, int D>
struct Divergence {
    static constexpr int size = D + 3;
    V values[size];

    CPAB_INLINE V &cotangent() { return values[0]; }
    CPAB_INLINE V &rate() { return values[1]; }
    CPAB_INLINE V &cell() { return values[2]; } /* as bits; -1: none */
    CPAB_INLINE V *velocity() { return values + 3; }
};

template <typename V, int D>
CPAB_INLINE V trace(const Cell<V, D> &cell) {
    V sum = cell.linear[0][0];
    for (int d = 1; d < D; d++) sum = sum + cell.linear[d][d];
    return sum;
}

/* Adds to lam what the crossing at the end of a segment is the source of, and goes on to the segment's start.
 */
template <typename V, int D>
CPAB_INLINE void cross_back(const Flow<V, D> &flow, const Cell<V, D> &cell, const Segment<V, D> &segment,
                            Divergence<V, D> &ahead, V *lam) {
    using Index = typename V::Index;
    using Bits = typename V::Bits;
    using Layout = typename Flow<V, D>::Layout;
    const V rate = trace<V, D>(cell);
    const Index next = bits_of(ahead.cell());
    const Bits crosses = ~(next == Index(-1)) & ~(next == segment.from.cell);
    if (any(crosses)) {
        V gradient[D];
        for (int d = 0; d < D; d++) gradient[d] = V(0);
        for (int k = 0; k <= D; k++) {
            V row[Layout::crossing_used];
            load_records<Layout::crossing_used>(flow.crossing, Layout::crossing,
                                                segment.from.cell * Index(D + 1) + Index(k), row);
            const Bits chosen = crosses & (bits_of(row[D + 1]) == next);
            for (int d = 0; d < D; d++) gradient[d] = select(chosen, cell.gradient[k][d], gradient[d]);
        }
        const V steepness = dot<D>(gradient, ahead.velocity());
        const Bits proper = crosses & crosses_properly(steepness);
        const V later = select(
            proper, ahead.cotangent() * (ahead.rate() - rate) / select(proper, steepness, V(-1)), V(0));
        for (int d = 0; d < D; d++) lam[d] = lam[d] + gradient[d] * later;
    }
    ahead.rate() = rate;
    ahead.cell() = from_bits(segment.from.cell);
    for (int d = 0; d < D; d++) ahead.velocity()[d] = cell.velocity_at(segment.from.l, d);
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
