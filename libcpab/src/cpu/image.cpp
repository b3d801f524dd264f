/* What callers say about images. */
#include <cstddef>
#include <limits>

#include "sampler.h"

namespace {

/* Arrays must be smaller than this, in elements. */
constexpr int64_t most_elements = std::numeric_limits<ptrdiff_t>::max() / int64_t(sizeof(double));

cpab_status check_fields(const cpab_image *image) {
    if (!image) return CPAB_E_NULL;
    if (image->struct_size != sizeof *image) return CPAB_E_ABI;
    if (image->ndim < 1 || image->ndim > CPAB_MAX_NDIM) return CPAB_E_NDIM;
    if (image->padding < CPAB_PADDING_ZEROS || image->padding > CPAB_PADDING_REFLECTION) return CPAB_E_OPTION;
    if (image->interpolation < CPAB_INTERPOLATION_LINEAR || image->interpolation > CPAB_INTERPOLATION_NEAREST)
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

bool multiply(std::initializer_list<int64_t> factors, int64_t &product) {
    product = 1;
    for (const int64_t factor : factors)
        if (factor == 0) {
            product = 0;
            return true;
        }
    for (const int64_t factor : factors) {
        if (product > most_elements / factor) return false;
        product *= factor;
    }
    return true;
}

cpab_status describe(const cpab_image *image, const double *lower, const double *extent, int64_t n_batch,
                     int64_t n_points, Raster &raster) {
    const cpab_status status = check_fields(image);
    if (status != CPAB_OK) return status;
    if (n_batch < 0 || n_points < 0) return CPAB_E_SHAPE;
    const int64_t channels = image->channels;
    int64_t pixels = 1, all;
    for (int d = 0; d < image->ndim; d++)
        if (!multiply({pixels, image->size[d]}, pixels)) return CPAB_E_IMAGE;
    if (!multiply({pixels, channels}, raster.item_size)) return CPAB_E_IMAGE;
    if (!multiply({n_points, channels}, raster.out_item_size)) return CPAB_E_SHAPE;
    if (!multiply({n_batch, raster.item_size}, all) || !multiply({n_batch, raster.out_item_size}, all) ||
        !multiply({n_batch, n_points, image->ndim}, all))
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
