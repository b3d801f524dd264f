/* An image as a call describes it, and how it lies in memory and in space. */
#ifndef CPAB_RASTER_H
#define CPAB_RASTER_H

#include <cstdint>

#include "../include/cpab.h"

namespace cpab {

struct Raster {
    int32_t ndim, padding, interpolation;
    bool align_corners, channels_last;
    double lower[3], extent[3]; /* of the box that it covers */
    int64_t size[3], stride[3];
    int64_t channels, channel_stride, item_size;
    int64_t out_channel_stride, out_point_stride, out_item_size; /* of what there is for each point */
};

/* Checks an image and sizes that belong to it, and that the library can count the elements of such arrays.
   The image covers the box from `lower`, of that extent. */
cpab_status describe(const cpab_image *image, const double *lower, const double *extent, int64_t n_batch,
                     int64_t n_points, Raster &raster);

}  // namespace cpab

#endif
