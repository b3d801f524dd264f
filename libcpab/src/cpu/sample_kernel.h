/* The samplers of one instruction set. The build defines CPAB_ISA and CPAB_LANE_BYTES, as for cpu/kernel.h.
 */
#ifndef CPAB_CPU_SAMPLE_KERNEL_H
#define CPAB_CPU_SAMPLE_KERNEL_H

#include "lane_count.h"
#include "lane_sampler.h"
#include "sampler.h"

namespace cpab {
namespace CPAB_ISA {

template <typename V, int D>
Sampler<typename V::Scalar> *make_lane_sampler(const Raster &raster) {
    constexpr bool can_pair = V::width > 1 && sizeof(typename V::Scalar) == 4;
    if (raster.interpolation == CPAB_INTERPOLATION_CUBIC)
        return new (or_null) LaneSampler<FreeTaps<V, D, 4>>(raster);
    if (raster.padding == CPAB_PADDING_WRAP && raster.interpolation == CPAB_INTERPOLATION_NEAREST)
        return new (or_null) LaneSampler<FreeTaps<V, D, 1>>(raster);
    if (raster.padding == CPAB_PADDING_WRAP) return new (or_null) LaneSampler<FreeTaps<V, D, 2>>(raster);
    if (raster.interpolation == CPAB_INTERPOLATION_NEAREST)
        return new (or_null) LaneSampler<PairedTaps<V, D, 1, false>>(raster);
    if (can_pair && raster.stride[0] == 1 && raster.size[0] > 1)
        return new (or_null) LaneSampler<PairedTaps<V, D, 2, can_pair>>(raster);
    return new (or_null) LaneSampler<PairedTaps<V, D, 2, false>>(raster);
}

template <typename T>
Sampler<T> *make_sampler(const Raster &raster) {
    using V = Lanes<T, lane_count<T>>;
    switch (raster.ndim) {
        case 1: return make_lane_sampler<V, 1>(raster);
        case 2: return make_lane_sampler<V, 2>(raster);
        default: return make_lane_sampler<V, 3>(raster);
    }
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
