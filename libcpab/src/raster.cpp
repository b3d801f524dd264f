#include "raster.h"

#include <initializer_list>

#include "sizes.h"

namespace {

cpab_status check_fields(const cpab_image *image) {
    if (!image) return CPAB_E_NULL;
    if (image->struct_size != sizeof *image) return CPAB_E_ABI;
    if (image->ndim < 1 || image->ndim > CPAB_MAX_NDIM) return CPAB_E_NDIM;
    if (image->padding < CPAB_PADDING_ZEROS || image->padding > CPAB_PADDING_WRAP) return CPAB_E_OPTION;
    if (image->interpolation < CPAB_INTERPOLATION_LINEAR || image->interpolation > CPAB_INTERPOLATION_CUBIC)
        return CPAB_E_OPTION;
    for (const int32_t flag : {image->align_corners, image->channels_last})
        if (flag != 0 && flag != 1) return CPAB_E_OPTION;
    if (image->channels < 0) return CPAB_E_IMAGE;
    for (int d = 0; d < image->ndim; d++)
        if (image->size[d] < 1 || image->size[d] > CPAB_MAX_SIZE) return CPAB_E_IMAGE;
    return CPAB_OK;
}

}  // namespace

namespace cpab {

cpab_status describe(const cpab_image *image, const double *lower, const double *extent, int64_t n_batch,
                     int64_t n_points, Raster &raster) {
    const cpab_status status = check_fields(image);
    if (status != CPAB_OK) return status;
    if (n_batch < 0 || n_points < 0) return CPAB_E_SHAPE;
    const int64_t channels = image->channels;
    int64_t pixels = 1;
    for (int d = 0; d < image->ndim; d++)
        if (!multiply({pixels, image->size[d]}, pixels)) return CPAB_E_IMAGE;
    if (!multiply({pixels, channels}, raster.item_size)) return CPAB_E_IMAGE;
    if (!multiply({n_points, channels}, raster.out_item_size)) return CPAB_E_SHAPE;
    if (!countable({n_batch, raster.item_size}) || !countable({n_batch, raster.out_item_size}) ||
        !countable({n_batch, n_points, image->ndim}))
        return CPAB_E_SHAPE;

    raster.ndim = image->ndim;
    raster.padding = image->padding;
    raster.interpolation = image->interpolation;
    raster.align_corners = image->align_corners != 0;
    raster.channels_last = image->channels_last != 0;
    raster.channels = channels;
    raster.channel_stride = image->channels_last ? 1 : pixels;
    raster.out_channel_stride = image->channels_last ? 1 : n_points;
    raster.out_point_stride = image->channels_last ? channels : 1;
    int64_t stride = image->channels_last ? channels : 1;
    for (int d = 0; d < image->ndim; d++) {
        raster.lower[d] = lower[d];
        raster.extent[d] = extent[d];
        raster.size[d] = image->size[d];
        raster.stride[d] = stride;
        stride *= image->size[d];
    }
    return CPAB_OK;
}

}  // namespace cpab
