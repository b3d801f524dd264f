/* Arrays of points, read and written in lanes; their last points may fill a part of the lanes only. */
#ifndef CPAB_CPU_POINT_ARRAYS_H
#define CPAB_CPU_POINT_ARRAYS_H

#include "../lanes.h"

namespace cpab {
namespace CPAB_ISA {

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
