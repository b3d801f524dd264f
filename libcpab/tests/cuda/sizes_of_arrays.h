/* How large the arrays of a call are, in bytes, as cpab.h has it. */
#ifndef CPAB_TESTS_SIZES_OF_ARRAYS_H
#define CPAB_TESTS_SIZES_OF_ARRAYS_H

#include <initializer_list>

#include "cpab.h"

namespace adapter {

/* No test has larger arrays; one has an image of ten gibibytes. */
constexpr int64_t most_bytes = int64_t(1) << 34;

/* A product, or -1 if a factor is negative, or if it is more than any test has. */
inline int64_t product(std::initializer_list<int64_t> factors) {
    int64_t all = 1;
    for (const int64_t factor : factors)
        if (factor <= 0) return factor == 0 && all >= 0 ? 0 : -1;
    for (const int64_t factor : factors) {
        if (factor > most_bytes / all) return -1;
        all *= factor;
    }
    return all;
}

/* What a call does not have is 0. */
struct Sizes {
    bool known; /* if not, a library must refuse the call */
    int64_t fields, given, clouds, matrices, log_dets, images, values;
};

constexpr Sizes unknown = {false, 0, 0, 0, 0, 0, 0, 0};

inline Sizes known_if_counted(Sizes sizes) {
    for (const int64_t bytes : {sizes.fields, sizes.given, sizes.clouds, sizes.matrices, sizes.log_dets,
                                sizes.images, sizes.values})
        if (bytes < 0) return unknown;
    sizes.known = true;
    return sizes;
}

inline int64_t bytes_per_number(const cpab_call &call) {
    return call.dtype == CPAB_FLOAT32 ? 4 : call.dtype == CPAB_FLOAT64 ? 8 : -1;
}

inline bool has_points(const cpab_call &call) {
    return call.points_batch == call.n_batch || call.points_batch == 1;
}

/* Pixels of an image and, if it is what a warp takes, of the result; false if one of these sizes is none. */
inline bool count_pixels(const cpab_image *image, bool warps, int64_t &pixels, int64_t &output_pixels) {
    if (!image || image->struct_size != sizeof *image || image->ndim < 1 || image->ndim > CPAB_MAX_NDIM)
        return false;
    pixels = output_pixels = 1;
    for (int d = 0; d < image->ndim; d++) {
        if (image->size[d] < 1 || image->size[d] > CPAB_MAX_SIZE) return false;
        if (warps && image->output_size[d] > CPAB_MAX_SIZE) return false;
        pixels = product({pixels, image->size[d]});
        if (warps) output_pixels = product({output_pixels, image->output_size[d]});
        if (pixels < 0 || output_pixels < 0) return false;
    }
    return true;
}

inline cpab_tessellation_sizes describe(const cpab_tessellation *tess) {
    cpab_tessellation_sizes sizes = {sizeof sizes, 0, 0, 0};
    cpab_tessellation_describe(tess, &sizes);
    return sizes;
}

/* Of functions that take fields and points. */
inline Sizes flow_sizes(const cpab_call &call) {
    if (!call.tess || !has_points(call)) return unknown;
    const cpab_tessellation_sizes tess = describe(call.tess);
    const int64_t number = bytes_per_number(call), n = tess.ndim, items = call.n_batch,
                  points = call.n_points;
    Sizes sizes = unknown;
    sizes.fields = product({items, tess.n_vertices, n, number});
    sizes.given = product({call.points_batch, points, n, number});
    sizes.clouds = product({items, points, n, number});
    sizes.matrices = product({items, points, n, n, number});
    sizes.log_dets = product({items, points, number});
    return known_if_counted(sizes);
}

/* Of functions that take images and points. */
inline Sizes sample_sizes(const cpab_call &call) {
    int64_t pixels, ignored;
    if (!count_pixels(call.image, false, pixels, ignored) || !has_points(call)) return unknown;
    const int64_t number = bytes_per_number(call), n = call.image->ndim, items = call.n_batch;
    Sizes sizes = unknown;
    sizes.images = product({items, pixels, call.image->channels, number});
    sizes.values = product({items, call.n_points, call.image->channels, number});
    sizes.given = product({call.points_batch, call.n_points, n, number});
    sizes.clouds = product({items, call.n_points, n, number});
    return known_if_counted(sizes);
}

/* Of functions that take images and fields. */
inline Sizes warp_sizes(const cpab_call &call) {
    int64_t pixels, output_pixels;
    if (!call.tess || !count_pixels(call.image, true, pixels, output_pixels)) return unknown;
    const cpab_tessellation_sizes tess = describe(call.tess);
    if (tess.ndim != call.image->ndim) return unknown;
    const int64_t number = bytes_per_number(call), items = call.n_batch;
    Sizes sizes = unknown;
    sizes.images = product({items, pixels, call.image->channels, number});
    sizes.values = product({items, output_pixels, call.image->channels, number});
    sizes.fields = product({items, tess.n_vertices, tess.ndim, number});
    return known_if_counted(sizes);
}

}  // namespace adapter

#endif
