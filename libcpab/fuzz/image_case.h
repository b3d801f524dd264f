/* Images, and what is sampled from them, as the bytes describe them; double precision, rounded by the calls.
 */
#ifndef IMAGE_CASE_H
#define IMAGE_CASE_H

#include "case.h"

typedef struct {
    cpab_image image;
    cpab_status expected; /* what is wrong with the image, or CPAB_OK */
    int64_t n_pixels, n_out, output_size[3];
    int64_t n_batch, n_points, points_batch;
    int32_t n_threads;
    double *data, *points, *grad_out; /* of the image, and for n_points; */
    double *grad_pixels;              /* for the n_out pixels of the output */
    int moderate;                     /* no product of a few numbers leaves the range of any type */
} image_case;

static inline int64_t n_data(const image_case *c) { return c->n_batch * c->image.channels * c->n_pixels; }
static inline int64_t n_places(const image_case *c) { return c->points_batch * c->n_points * c->image.ndim; }
static inline int64_t n_values(const image_case *c, int64_t n) { return c->n_batch * c->image.channels * n; }

/* One option may not exist. */
static inline cpab_image take_image(bytes *b, int ndim, cpab_status *expected) {
    cpab_image image;
    memset(&image, 0, sizeof image);
    image.struct_size = sizeof image;
    image.ndim = ndim;
    image.padding = (int32_t)take_below(b, 4);
    const uint8_t flags = take(b);
    image.interpolation = flags & 1, image.align_corners = flags >> 1 & 1,
    image.channels_last = flags >> 2 & 1;
    if (flags >> 3 & 1) image.interpolation = 2 * image.interpolation; /* cubic for nearest */
    image.channels = take_below(b, 4);
    for (int d = 0; d < 3; d++) image.size[d] = 1 + take_below(b, 6);
    *expected = CPAB_OK;
    if (flags >> 3 != 31) return image;
    const int64_t sizes[] = {0, -1, INT64_MIN, INT64_MAX, (int64_t)CPAB_MAX_SIZE + 1};
    const int32_t option = take_below(b, 2) ? -1 : INT32_MAX;
    const int64_t which = take_below(b, 8);
    if (which == 0) image.struct_size = take(b) + sizeof image + 1;
    if (which == 1) image.ndim = option;
    if (which == 2) image.padding = option;
    if (which == 3) image.interpolation = option;
    if (which == 4) image.align_corners = option;
    if (which == 5) image.channels_last = option;
    if (which == 6) image.channels = -1 - take(b);
    if (which == 7) image.size[take_below(b, ndim)] = sizes[take_below(b, 5)];
    *expected = which == 0 ? CPAB_E_ABI : which == 1 ? CPAB_E_NDIM : which < 6 ? CPAB_E_OPTION : CPAB_E_IMAGE;
    return image;
}

static inline int moderate_numbers(const double *x, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (!(fabs(x[i]) <= 1e6)) return 0;
    return 1;
}

/* For fields of a case's tessellation, or without one. */
static inline image_case image_case_make(bytes *b, int ndim, int64_t n_batch) {
    image_case c;
    memset(&c, 0, sizeof c);
    c.image = take_image(b, ndim, &c.expected);
    c.n_batch = n_batch;
    c.n_points = take_below(b, 20);
    c.points_batch = take_below(b, 2) ? 1 : n_batch;
    c.n_threads = take_below(b, 4) == 1 ? 2 : 1;
    c.n_pixels = c.n_out = 1;
    for (int d = 0; d < ndim; d++) {
        c.output_size[d] = take_below(b, 6);
        c.n_out *= c.output_size[d];
    }
    if (c.expected != CPAB_OK) { /* no array is read */
        c.image.channels = c.image.channels < 0 ? c.image.channels : 0;
        return c;
    }
    for (int d = 0; d < ndim; d++) c.n_pixels *= c.image.size[d];
    c.data = room(n_data(&c), sizeof(double));
    c.points = room(n_places(&c), sizeof(double));
    c.grad_out = room(n_values(&c, c.n_points), sizeof(double));
    c.grad_pixels = room(n_values(&c, c.n_out), sizeof(double));
    take_numbers(b, c.data, n_data(&c));
    take_numbers(b, c.points, n_places(&c));
    take_numbers(b, c.grad_out, n_values(&c, c.n_points));
    take_numbers(b, c.grad_pixels, n_values(&c, c.n_out));
    to_float(c.data, n_data(&c)), to_float(c.points, n_places(&c));
    c.moderate = moderate_numbers(c.data, n_data(&c)) && moderate_numbers(c.points, n_places(&c)) &&
                 moderate_numbers(c.grad_out, n_values(&c, c.n_points)) &&
                 moderate_numbers(c.grad_pixels, n_values(&c, c.n_out));
    return c;
}

static inline void image_case_free(image_case *c) {
    free(c->data), free(c->points), free(c->grad_out), free(c->grad_pixels);
}

#endif
