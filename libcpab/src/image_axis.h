/* The axes of an image, as sampling reads them. */
#ifndef CPAB_IMAGE_AXIS_H
#define CPAB_IMAGE_AXIS_H

#include "raster.h"
#include "sample.h"

namespace cpab {
namespace CPAB_ISA {

/* The pixels from `first` to `last` along axis d of an image; its other pixels count as outside. */
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
