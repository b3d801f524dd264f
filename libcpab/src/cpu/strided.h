/* One number for each point of a group: in memory, with a stride between points, and in lanes. */
#ifndef CPAB_CPU_STRIDED_H
#define CPAB_CPU_STRIDED_H

#include "../sample.h"

namespace cpab {
namespace CPAB_ISA {

/* `count` numbers; the last one also in the lanes that are left. */
template <typename V>
CPAB_INLINE V load_strided(const typename V::Scalar *from, int count, int64_t stride) {
    constexpr int W = V::width;
    if (count == W && stride == 1) return V::load(from);
    int64_t offset[W];
    for (int r = 0; r < W; r++) offset[r] = (r < count ? r : count - 1) * stride;
    return gather<V>(from, offset);
}

template <typename V>
CPAB_INLINE void store_strided(const V &value, int count, typename V::Scalar *to, int64_t stride) {
    constexpr int W = V::width;
    if (count == W && stride == 1) {
        value.store(to);
        return;
    }
    typename V::Scalar all[W];
    value.store(all);
    for (int r = 0; r < count; r++) to[r * stride] = all[r];
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
