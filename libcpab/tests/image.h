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

/* Sets options by a number below 48. */
enum { n_variants = 48 };
static inline void set_variant(cpab_image *image, int variant) {
    image->padding = variant % 4;
    image->interpolation = variant / 4 % 3;
    image->align_corners = variant / 12 % 2;
    image->channels_last = variant / 24;
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

/* Where in the image padding puts a place on the line of pixels that goes on, also between two of them. */
static inline double padded_pixel(const cpab_image *image, int d, double u) {
    const double end = (double)image->size[d] - 1;
    if (image->padding == CPAB_PADDING_WRAP) return u - floor(u / (end + 1)) * (end + 1);
    if (image->padding == CPAB_PADDING_REFLECTION) {
        const double low = image->align_corners ? 0 : -0.5, span = image->align_corners ? end : end + 1;
        const double distance = span > 0 ? fmod(fabs(u - low), 2 * span) : 0;
        u = low + (distance > span ? 2 * span - distance : distance);
    }
    return image->padding == CPAB_PADDING_ZEROS ? u : fmin(fmax(u, 0), end);
}

/* What a pixel at this distance counts: by the hat function, or Keys' cubic one with a = -3/4. */
static inline double interpolating(int interpolation, double distance) {
    const double s = fabs(distance), a = -0.75;
    if (interpolation == CPAB_INTERPOLATION_LINEAR) return fmax(0, 1 - s);
    if (s < 1) return ((a + 2) * s - (a + 3)) * s * s + 1;
    return s < 2 ? ((a * s - 5 * a) * s + 8 * a) * s - 4 * a : 0;
}

/* The weight of each pixel at a point: dense, from the definitions. */
static inline double pixel_weight(const cpab_image *image, const double *x, int64_t pixel) {
    double weight = 1;
    for (int d = 0; d < image->ndim; d++) {
        const double u = pixel_at(image, d, x[d]), i = (double)(pixel % image->size[d]);
        double along = 0;
        if (image->interpolation == CPAB_INTERPOLATION_NEAREST)
            along = padded_pixel(image, d, nearbyint(padded_pixel(image, d, u))) == i;
        else /* the pixels around it on the line that goes on */
            for (double place = floor(u) - 1; place <= floor(u) + 2; place++)
                if (padded_pixel(image, d, place) == i)
                    along += interpolating(image->interpolation, u - place);
        weight *= along;
        pixel /= image->size[d];
    }
    return weight;
}

#endif
