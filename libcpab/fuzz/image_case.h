/* Images, and what is sampled from them, as the bytes describe them; double precision, rounded by the calls.
 */
#ifndef IMAGE_CASE_H
#define IMAGE_CASE_H

#include "case.h"

typedef struct {
    cpab_image image;
    cpab_status expected; /* what is wrong with the image or the call, or CPAB_OK */
    int no_image;         /* it is NULL; otherwise of what a call says itself these are wrong, or 0: */
    int32_t wrong_dtype, wrong_device;
    size_t wrong_struct_size;
    cpab_status warped; /* what is wrong with the size of a warp, or CPAB_OK */
    int64_t n_pixels, n_out;
    int64_t n_batch, n_points, points_batch;
    int32_t n_threads;
    int crowded;                        /* see take_threads() */
    double *images, *points, *grad_out; /* of the image, and for n_points; */
    double *grad_pixels;                /* for the n_out pixels of the output */
    int moderate;                       /* no product of a few numbers leaves the range of any type */
} image_case;

static inline int64_t n_images(const image_case *c) { return c->n_batch * c->image.channels * c->n_pixels; }
static inline int64_t n_places(const image_case *c) { return c->points_batch * c->n_points * c->image.ndim; }
static inline int64_t n_values(const image_case *c, int64_t n) { return c->n_batch * c->image.channels * n; }

/* One option may not exist. */
static inline void take_image(bytes *b, int ndim, image_case *c) {
    cpab_image *image = &c->image;
    image->struct_size = sizeof *image;
    image->ndim = ndim;
    image->padding = (int32_t)take_below(b, 4);
    const uint8_t flags = take(b);
    image->interpolation = flags & 1, image->align_corners = flags >> 1 & 1,
    image->channels_last = flags >> 2 & 1;
    if (flags >> 3 & 1) image->interpolation = 2 * image->interpolation; /* cubic for nearest */
    image->channels = take_below(b, 4);
    for (int d = 0; d < 3; d++) image->size[d] = 1 + take_below(b, 6);
    if (flags >> 3 != 31) return;
    const int64_t sizes[] = {0, -1, INT64_MIN, INT64_MAX, (int64_t)CPAB_MAX_SIZE + 1};
    const int32_t option = take_below(b, 2) ? -1 : INT32_MAX;
    const int64_t which = take_below(b, 13);
    if (which == 0) image->struct_size = take(b) + sizeof *image + 1;
    if (which == 1) image->ndim = option;
    if (which == 2) image->padding = option;
    if (which == 3) image->interpolation = option;
    if (which == 4) image->align_corners = option;
    if (which == 5) image->channels_last = option;
    if (which == 6) image->channels = -1 - take(b);
    if (which == 7) image->size[take_below(b, ndim)] = sizes[take_below(b, 5)];
    if (which == 8) c->no_image = 1;
    if (which == 9) c->wrong_dtype = option;
    if (which == 10) c->wrong_device = option < 0 ? option : CPAB_CUDA;
    if (which == 11) c->wrong_struct_size = sizeof(cpab_call) + 1 + take(b);
    if (which == 12) c->warped = CPAB_E_SHAPE;
    const cpab_status expected[] = {CPAB_E_ABI,    CPAB_E_NDIM,  CPAB_E_OPTION, CPAB_E_OPTION, CPAB_E_OPTION,
                                    CPAB_E_OPTION, CPAB_E_IMAGE, CPAB_E_IMAGE,  CPAB_E_NULL,   CPAB_E_OPTION,
                                    CPAB_E_OPTION, CPAB_E_ABI,   CPAB_OK};
    c->expected = c->wrong_device == CPAB_CUDA ? CPAB_E_DEVICE : expected[which];
}

/* A size that no warp has. */
static inline void spoil_output(bytes *b, image_case *c) {
    const int64_t sizes[] = {-1, INT64_MIN, INT64_MAX, (int64_t)CPAB_MAX_SIZE + 1};
    c->image.output_size[take_below(b, c->image.ndim)] = sizes[take_below(b, 4)];
}

/* A call on these; `dtype` unless that is what is wrong. */
static inline cpab_call image_call(const image_case *c, int32_t dtype, const cpab_tessellation *tess,
                                   double time) {
    cpab_call call = call_make(tess, dtype, c->n_batch, c->n_points, c->points_batch, time);
    call.image = c->no_image ? NULL : &c->image;
    call.n_threads = c->n_threads;
    if (c->wrong_dtype) call.dtype = c->wrong_dtype;
    if (c->wrong_device) call.device = c->wrong_device;
    if (c->wrong_struct_size) call.struct_size = c->wrong_struct_size;
    return call;
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
    take_image(b, ndim, &c);
    c.n_batch = n_batch;
    c.n_points = take_below(b, 20);
    c.points_batch = take_below(b, 2) ? 1 : n_batch;
    take_threads(b, &c.n_threads, &c.crowded);
    c.n_pixels = c.n_out = 1;
    for (int d = 0; d < ndim; d++) {
        c.image.output_size[d] = take_below(b, 6);
        c.n_out *= c.image.output_size[d];
    }
    if (c.warped != CPAB_OK) spoil_output(b, &c);
    if (c.expected != CPAB_OK) { /* no array is read */
        c.image.channels = c.image.channels < 0 ? c.image.channels : 0;
        return c;
    }
    for (int d = 0; d < ndim; d++) c.n_pixels *= c.image.size[d];
    c.images = room(n_images(&c), sizeof(double));
    c.points = room(n_places(&c), sizeof(double));
    c.grad_out = room(n_values(&c, c.n_points), sizeof(double));
    c.grad_pixels = room(n_values(&c, c.n_out), sizeof(double));
    take_numbers(b, c.images, n_images(&c));
    take_numbers(b, c.points, n_places(&c));
    take_numbers(b, c.grad_out, n_values(&c, c.n_points));
    take_numbers(b, c.grad_pixels, n_values(&c, c.n_out));
    to_float(c.images, n_images(&c)), to_float(c.points, n_places(&c));
    c.moderate = moderate_numbers(c.images, n_images(&c)) && moderate_numbers(c.points, n_places(&c)) &&
                 moderate_numbers(c.grad_out, n_values(&c, c.n_points)) &&
                 moderate_numbers(c.grad_pixels, n_values(&c, c.n_out));
    return c;
}

static inline void image_case_free(image_case *c) {
    free(c->images), free(c->points), free(c->grad_out), free(c->grad_pixels);
}

#endif
