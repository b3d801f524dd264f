/* cpab_warp() and its gradients: central differences, a divergence, and for both number types warp.inc. */
#include "image.h"
#include "real.h"

typedef struct {
    cpab_tessellation_options options;
    cpab_tessellation *tess;
} domain;

enum { n_domains = 4 };

/* In 1D, 2D and 3D, and one that is not [-1, 1]^n. */
static domain domain_make(size_t which) {
    const struct {
        int ndim, outside;
        int64_t cells[3];
        double lower[3], upper[3];
    } all[n_domains] = {{1, CPAB_OUTSIDE_LINEAR, {5, 1, 1}, {-1, 0, 0}, {1, 0, 0}},
                        {2, CPAB_OUTSIDE_LINEAR, {3, 2, 1}, {-1, -1, 0}, {1, 1, 0}},
                        {2, CPAB_OUTSIDE_NEAREST, {2, 3, 1}, {0, -2, 0}, {1, 3, 0}},
                        {3, CPAB_OUTSIDE_LINEAR, {2, 1, 2}, {-1, -1, -1}, {1, 1, 1}}};
    domain d;
    memset(&d, 0, sizeof d);
    d.options.struct_size = sizeof d.options;
    d.options.ndim = all[which].ndim, d.options.outside = all[which].outside;
    memcpy(d.options.cells, all[which].cells, sizeof d.options.cells);
    memcpy(d.options.lower, all[which].lower, sizeof d.options.lower);
    memcpy(d.options.upper, all[which].upper, sizeof d.options.upper);
    CHECK(cpab_tessellation_create(&d.options, &d.tess) == CPAB_OK);
    return d;
}

static void domain_free(domain *d) { cpab_tessellation_destroy(d->tess); }

static const int64_t image_sizes[3][3] = {{17, 1, 1}, {8, 7, 1}, {5, 4, 3}};
static const int64_t output_sizes[3][3] = {{40, 1, 1}, {9, 11, 1}, {4, 5, 6}};
static const int64_t shared_outputs[3][3] = {
    {1366, 1, 1}, {37, 37, 1}, {11, 12, 11}}; /* three are work for two threads */
static const int64_t large_outputs[3][3] = {{9001, 1, 1}, {103, 91, 1}, {21, 20, 22}}; /* above 4096 pixels */

#define REAL float
#define SUFFIX f32
#include "warp.inc"
#undef REAL
#undef SUFFIX

#define REAL double
#define SUFFIX f64
#include "warp.inc"
#undef REAL
#undef SUFFIX

static double loss(job_f64 *j) {
    CHECK(warp_f64(j) == CPAB_OK);
    double sum = 0;
    for (int64_t i = 0; i < n_values_f64(&j->s); i++) sum += j->s.out[i] * j->s.grad_out[i];
    return sum;
}

/* The gradient along a direction, in velocities and images at once. A smooth image, for which kinks are too
   small to matter: it bends by less than 0.01 at a pixel, and few pixels cross one within h. */
static void differences(const domain *d, cpab_image image, const int64_t *output_size, rng *r) {
    const double h = 1e-6;
    job_f64 j = job_make_f64(d, image, output_size, 2, 0.05, r);
    const int64_t n_field = 2 * j.field, n_images = n_images_f64(&j.s), pixels = pixels_of(&image);
    double *to_field = room(n_field, sizeof(double)), *to_images = room(n_images, sizeof(double));
    for (int64_t i = 0; i < n_field; i++) to_field[i] = rng_uniform(r, -1, 1);
    for (int64_t i = 0; i < n_images; i++) to_images[i] = rng_uniform(r, -1, 1);
    for (int64_t b = 0; b < 2; b++)
        for (int64_t c = 0; c < image.channels; c++)
            for (int64_t i = 0; i < pixels; i++)
                j.s.images[at_f64(&j.s, pixels, b, c, i)] =
                    sin(0.05 * (double)(i % image.size[0]) + (double)c) + 0.02 * (double)(i / image.size[0]);
    CHECK(warp_vjp_f64(&j) == CPAB_OK);
    double expected = 0, got = 0, size = 0;
    for (int64_t i = 0; i < n_field; i++) {
        got += j.grad_velocity[i] * to_field[i], size += fabs(j.grad_velocity[i] * to_field[i]);
        j.velocity[i] += h * to_field[i];
    }
    for (int64_t i = 0; i < n_images; i++) {
        got += j.s.grad_images[i] * to_images[i], size += fabs(j.s.grad_images[i] * to_images[i]);
        j.s.images[i] += h * to_images[i];
    }
    expected = loss(&j);
    for (int64_t i = 0; i < n_field; i++) j.velocity[i] -= 2 * h * to_field[i];
    for (int64_t i = 0; i < n_images; i++) j.s.images[i] -= 2 * h * to_images[i];
    expected = (expected - loss(&j)) / (2 * h);
    CHECK(size > 1);
    CHECK_NEAR(got, expected, 1e-6 * size);
    free(to_field), free(to_images);
    job_free_f64(&j);
}

/* A trajectory that overflows: the item is named, its pixels are NaN where that happens, and others are fine.
 */
static void diverged(rng *r) {
    domain d = domain_make(0);
    const int64_t n = 1400, size[3] = {n, 1, 1}; /* enough for two threads */
    job_f32 good = job_make_f32(&d, image_make(1, 17, 1, 1, 1), size, 3, 0.1, r), bad = job_copy_f32(&good);
    double vertices[6];
    CHECK(cpab_tessellation_geometry(d.tess, vertices, NULL) == CPAB_OK);
    for (int64_t v = 0; v < bad.field; v++) bad.velocity[bad.field + v] = (float)(200 * vertices[v]);
    warp_both_f32(&good);
    for (bad.call.n_threads = 1; bad.call.n_threads <= 2; bad.call.n_threads++) {
        CHECK(warp_f32(&bad) == CPAB_E_DIVERGED && bad.call.failed_item == 1);
        CHECK(warp_vjp_f32(&bad) == CPAB_E_DIVERGED && bad.call.failed_item == 1);
        for (int64_t i = 0; i < 3 * n; i++)
            CHECK(i / n == 1 ? isnan(bad.s.out[i]) : bad.s.out[i] == good.s.out[i]);
        for (int64_t i = 0; i < 3 * bad.field; i++)
            CHECK(i / bad.field == 1 ? isnan(bad.grad_velocity[i])
                                     : bad.grad_velocity[i] == good.grad_velocity[i]);
    }
    job_free_f32(&good);
    job_free_f32(&bad);
    domain_free(&d);
}

int main(void) {
    warping_f32();
    warping_f64();
    rng r = {82};
    for (size_t i = 0; i < n_domains; i++) {
        domain d = domain_make(i);
        const int ndim = d.options.ndim;
        cpab_image image = image_make(ndim, 40, ndim > 1 ? 30 : 1, ndim > 2 ? 20 : 1, 2);
        for (int variant = 0; variant < n_variants; variant++) {
            set_variant(&image, variant);
            if (image.interpolation == CPAB_INTERPOLATION_NEAREST) continue; /* derivatives are zero */
            if (image.padding == CPAB_PADDING_ZEROS) continue;               /* edges are steep */
            differences(&d, image, output_sizes[ndim - 1], &r);
        }
        domain_free(&d);
    }
    diverged(&r);
    return check_result();
}
