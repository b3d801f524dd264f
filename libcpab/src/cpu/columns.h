/* What is there for each of a group of points, in memory and in lanes; and the axes of images that points are
 * in. */
#ifndef CPAB_CPU_COLUMNS_H
#define CPAB_CPU_COLUMNS_H

#include "../sample.h"
#include "sampler.h"

namespace cpab {
namespace CPAB_ISA {

/* `count` numbers; the last one also in the lanes that are left. */
template <typename V>
CPAB_INLINE V get_column(const typename V::Scalar *from, int count, int64_t stride) {
    constexpr int W = V::width;
    if (count == W && stride == 1) return V::load(from);
    int64_t offset[W];
    for (int r = 0; r < W; r++) offset[r] = (r < count ? r : count - 1) * stride;
    return gather<V>(from, offset);
}

template <typename V>
CPAB_INLINE void put_column(const V &value, int count, typename V::Scalar *to, int64_t stride) {
    constexpr int W = V::width;
    if (count == W && stride == 1) {
        value.store(to);
        return;
    }
    typename V::Scalar all[W];
    value.store(all);
    for (int r = 0; r < count; r++) to[r * stride] = all[r];
}

/* The pixels from `first` to `last` along an axis; of all, where the others count as outside. */
template <typename T, int n_taps>
ImageAxis<T> image_axis(const Raster &raster, int d, int64_t first, int64_t last) {
    const double size = double(raster.size[d]), pixels = raster.align_corners ? size - 1 : size;
    const bool pairs = n_taps == 2 && first < last;
    ImageAxis<T> axis;
    axis.lower = T(raster.lower[d]);
    axis.scale = T(pixels / raster.extent[d]);
    axis.shift = axis.mirror = raster.align_corners ? T(0) : T(-0.5);
    axis.span = T(pixels);
    axis.end = T(size - 1);
    axis.first_base = T(first);
    axis.last_base = T(pairs ? last - 1 : last);
    axis.has_next = T(pairs);
    axis.stride = raster.stride[d];
    axis.step = pairs ? axis.stride : 0;
    return axis;
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
