/* Arrays of points, read and written in lanes; their last points may fill a part of the lanes only. */
#ifndef CPAB_CPU_POINT_ARRAYS_H
#define CPAB_CPU_POINT_ARRAYS_H

#include "../lane.h"

namespace cpab {
namespace CPAB_ISA {

/* out[d] lane r = from[r * D + d]. */
template <int D, typename T, int W>
CPAB_INLINE void deinterleave(const T *from, Lanes<T, W> *out) {
    if constexpr (D == 1) {
        out[0] = Lanes<T, W>::load(from);
        return;
    }
#if CPAB_HAS_VECTORS
    if constexpr (D == 2 && W > 1) {
        const auto a = Lanes<T, W>::load(from).v, b = Lanes<T, W>::load(from + W).v;
        out[0].v = every_second<0, W>(a, b);
        out[1].v = every_second<1, W>(a, b);
        return;
    }
#endif
    T lanes[D][W];
    for (int r = 0; r < W; r++)
        for (int d = 0; d < D; d++) lanes[d][r] = from[r * D + d];
    for (int d = 0; d < D; d++) out[d] = Lanes<T, W>::load(lanes[d]);
}

/* to[r * D + d] = in[d] lane r. */
template <int D, typename T, int W>
CPAB_INLINE void interleave(const Lanes<T, W> *in, T *to) {
    if constexpr (D == 1) {
        in[0].store(to);
        return;
    }
#if CPAB_HAS_VECTORS
    if constexpr (D == 2 && W > 1) {
        Lanes<T, W>::from(alternate<0, W>(in[0].v, in[1].v)).store(to);
        Lanes<T, W>::from(alternate<W / 2, W>(in[0].v, in[1].v)).store(to + W);
        return;
    }
#endif
    T lanes[D][W];
    for (int d = 0; d < D; d++) in[d].store(lanes[d]);
    for (int r = 0; r < W; r++)
        for (int d = 0; d < D; d++) to[r * D + d] = lanes[d][r];
}

template <typename V, int D>
struct PointArrays {
    using T = typename V::Scalar;
    static constexpr int W = V::width;

    /* `count` vectors of D numbers, the last one also in the lanes that are left. */
    CPAB_INLINE static void load(const T *from, int count, V *out) {
        if (count == W) {
            deinterleave<D>(from, out);
            return;
        }
        T all[W * D];
        for (int r = 0; r < W; r++)
            for (int d = 0; d < D; d++) all[r * D + d] = from[(r < count ? r : count - 1) * D + d];
        deinterleave<D>(all, out);
    }

    CPAB_INLINE static void store(const V *values, int count, T *out) {
        if (count == W) {
            interleave<D>(values, out);
            return;
        }
        T all[W * D];
        interleave<D>(values, all);
        for (int e = 0; e < count * D; e++) out[e] = all[e];
    }
};

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
