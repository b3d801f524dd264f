/* Through which face a step leaves its cell first, and when. */
#ifndef CPAB_EXIT_H
#define CPAB_EXIT_H

#include "face_crossing.h"
#include "flow.h"

namespace cpab {
namespace CPAB_ISA {

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
    exit.time = select(exit.leaves, refine(own, guess, exit.leaves), V(1));
    V x[D];
    for (int d = 0; d < D; d++) x[d] = value_of(motion.at(exit.time, d));
    for (int k = 0; k <= D; k++) {
        const V then = ends.first[k] + dot<D>(cell.gradient[k], x);
        unclear = unclear | (exit.leaves & ~(exit.face == Index(k)) & (then < -slack));
    }
    if (!any(unclear)) return exit;

    V first(2);
    Index face(0);
    CPAB_UNROLL
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

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
