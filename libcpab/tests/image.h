/* Images to test with, and what sampling means, written down as it is defined. */
#ifndef IMAGE_H
#define IMAGE_H

#include "space.h"

static inline cpab_image image_make(int ndim, int64_t nx, int64_t ny, int64_t nz, int64_t channels) {
    cpab_image image;
    memset(&image, 0, sizeof image);
    image.struct_size = sizeof image;
    image.ndim = ndim;
    image.channels = channels;
    image.size[0] = nx, image.size[1] = ny, image.size[2] = nz;
    return image;
}

static inline int64_t pixels_of(const cpab_image *image) {
    int64_t n = 1;
    for (int d = 0; d < image->ndim; d++) n *= image->size[d];
    return n;
}

/* Sets options by a number below 24. */
enum { n_variants = 24 };
static inline void set_variant(cpab_image *image, int variant) {
    image->padding = variant % 3;
    image->interpolation = variant / 3 % 2;
    image->align_corners = variant / 6 % 2;
    image->channels_last = variant / 12;
}

/* Position in pixels of coordinate x along an axis of n pixels. */
static inline double pixel_at(const cpab_image *image, int d, double x) {
    const double n = (double)image->size[d];
    return image->align_corners ? (x + 1) / 2 * (n - 1) : ((x + 1) * n - 1) / 2;
}

static inline double coordinate_of(const cpab_image *image, int d, double pixel) {
    const double n = (double)image->size[d];
    if (!image->align_corners) return (2 * pixel + 1) / n - 1;
    return n > 1 ? 2 * pixel / (n - 1) - 1 : 0;
}

/* The same after padding: where in the image the value comes from. */
static inline double padded_pixel(const cpab_image *image, int d, double x) {
    const double end = (double)image->size[d] - 1;
    double u = pixel_at(image, d, x);
    if (image->padding == CPAB_PADDING_REFLECTION) {
        const double low = image->align_corners ? 0 : -0.5, span = image->align_corners ? end : end + 1;
        const double distance = span > 0 ? fmod(fabs(u - low), 2 * span) : 0;
        u = low + (distance > span ? 2 * span - distance : distance);
    }
    return image->padding == CPAB_PADDING_ZEROS ? u : fmin(fmax(u, 0), end);
}

/* The weight of each pixel at a point: dense, from the definitions. */
static inline double pixel_weight(const cpab_image *image, const double *x, int64_t pixel) {
    double weight = 1;
    for (int d = 0; d < image->ndim; d++) {
        const double u = padded_pixel(image, d, x[d]), i = (double)(pixel % image->size[d]);
        const double near = fmax(0, 1 - fabs(u - i));
        weight *= image->interpolation == CPAB_INTERPOLATION_NEAREST ? (nearbyint(u) == i) : near;
        pixel /= image->size[d];
    }
    return weight;
}

#endif
