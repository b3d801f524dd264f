/* cpab_sample() and its gradients: cases by hand, central differences, and for both number types sample.inc.
 */
#include "image.h"
#include "real.h"

#define REAL float
#define SUFFIX f32
#include "sample.inc"
#undef REAL
#undef SUFFIX

#define REAL double
#define SUFFIX f64
#include "sample.inc"
#undef REAL
#undef SUFFIX

/* Three pixels 1, 2, 4 and one point, worked out by hand. */
static void one_value(int padding, int interpolation, int align_corners, double x, double value,
                      double slope) {
    cpab_image image = image_make(1, 3, 1, 1, 1);
    image.padding = padding, image.interpolation = interpolation, image.align_corners = align_corners;
    const double pixels[3] = {1, 2, 4}, grad_out = 1;
    double out, grad_pixels[3], grad_x;
    cpab_call call = call_make(NULL, CPAB_FLOAT64, 1, 1, 1, 1);
    call.image = &image;
    CHECK(cpab_sample(&call, pixels, &x, &out) == CPAB_OK);
    CHECK_NEAR(out, value, 1e-15);
    CHECK(cpab_sample_vjp(&call, pixels, &x, &grad_out, grad_pixels, &grad_x) == CPAB_OK);
    CHECK_NEAR(grad_x, slope, 1e-15);
}

static void by_hand(void) {
    enum { Z = CPAB_PADDING_ZEROS, B = CPAB_PADDING_BORDER, R_ = CPAB_PADDING_REFLECTION };
    enum { LINEAR = CPAB_INTERPOLATION_LINEAR, NEAREST = CPAB_INTERPOLATION_NEAREST };
    enum { W = CPAB_PADDING_WRAP, CUBIC = CPAB_INTERPOLATION_CUBIC };
    for (int padding = Z; padding <= R_; padding++) { /* centres at -1, 0, 1: inside, padding says nothing */
        one_value(padding, LINEAR, 1, -0.75, 1.25, 1);
        one_value(padding, LINEAR, 1, 0.25, 2.5, 2);
        one_value(padding, LINEAR, 1, 0, 2, 2);     /* at a centre, the higher side */
        one_value(padding, NEAREST, 1, -0.5, 1, 0); /* between 0 and 1, and between 1 and 2: the even pixel */
        one_value(padding, NEAREST, 1, 0.5, 4, 0);
        one_value(padding, NEAREST, 1, 0.49, 2, 0);
    }
    one_value(Z, LINEAR, 1, 1.5, 2, -4); /* half a pixel outside */
    one_value(Z, LINEAR, 1, -1.5, 0.5, 1);
    one_value(Z, LINEAR, 1, -1, 1, 1);
    one_value(Z, LINEAR, 1, 1, 4, -4);
    one_value(Z, LINEAR, 1, 2, 0, 0);
    one_value(Z, NEAREST, 1, 1.5, 4, 0);
    one_value(Z, NEAREST, 1, 1.51, 0, 0);
    one_value(B, LINEAR, 1, -1, 1, 0); /* no derivative on the border and beyond */
    one_value(B, LINEAR, 1, 1, 4, 0);
    one_value(B, LINEAR, 1, 7, 4, 0);
    one_value(R_, LINEAR, 1, 1.25, 3.5, -2);
    one_value(R_, LINEAR, 1, -1.25, 1.25, -1);
    one_value(R_, LINEAR, 1, 3.25, 1.25, 1); /* twice reflected */
    one_value(R_, NEAREST, 1, 1.75, 2, 0);
    /* centres at -2/3, 0, 2/3, edges at -1 and 1 */
    one_value(Z, LINEAR, 0, 1, 2, -6);
    one_value(Z, LINEAR, 0, -1, 0.5, 1.5);
    one_value(B, LINEAR, 0, -1, 1, 0);
    one_value(B, LINEAR, 0, 0.5, 3.5, 3);
    one_value(R_, LINEAR, 0, 1.5, 3.5, -3);
    one_value(R_, LINEAR, 0, 0.75, 4, 0); /* between the last centre and its edge */
    one_value(R_, NEAREST, 0, 2, 2, 0);
    /* three pixels are a period: 2 of the line without align_corners, 3 with it */
    one_value(W, LINEAR, 0, 1, 2.5, -4.5);
    one_value(W, LINEAR, 0, -1, 2.5, -4.5);
    one_value(W, LINEAR, 0, -4.5, 1.25, 1.5);
    one_value(W, LINEAR, 1, 1.25, 3.25, -3);
    one_value(W, LINEAR, 1, -31, 1, 1);
    one_value(W, NEAREST, 1, 1.6, 1, 0);
    one_value(W, NEAREST, 0, -1.1, 4, 0);
    for (int padding = Z; padding <= W; padding++)
        one_value(padding, CUBIC, 1, 0, 2, 2.25); /* (4 - 1) * 3 / 4 */
    /* in the middle of two: -3/32 and 19/32 of what is around, from the left */
    one_value(Z, CUBIC, 1, 0.5, (-3 * 1 + 19 * 2 + 19 * 4) / 32.0, (3 * 1 - 21 * 2 + 21 * 4) / 16.0);
    one_value(B, CUBIC, 1, 0.5, (-3 * 1 + 19 * 2 + 19 * 4 - 3 * 4) / 32.0,
              (3 * 1 - 21 * 2 + 21 * 4 - 3 * 4) / 16.0);
    one_value(R_, CUBIC, 1, 0.5, (-3 * 1 + 19 * 2 + 19 * 4 - 3 * 2) / 32.0,
              (3 * 1 - 21 * 2 + 21 * 4 - 3 * 2) / 16.0);
    one_value(W, CUBIC, 1, 0.5, (-3 * 1 + 19 * 2 + 19 * 4 - 3 * 1) / 32.0,
              (3 * 1 - 21 * 2 + 21 * 4 - 3 * 1) / 16.0);
}

/* Gradients of points against central differences, away from kinks. */
static void differences(cpab_image image, rng *r, int64_t points_batch) {
    const double h = 1e-6;
    samples_f64 s = samples_make_f64(image, r, 2, 60, points_batch);
    away_from_kinks_f64(&s);
    sample_both_f64(&s);
    double *ahead = room(n_values_f64(&s), sizeof *ahead), *out = s.out;
    for (int d = 0; d < image.ndim; d++) {
        for (int64_t p = 0; p < points_batch * 60; p++) s.points[p * image.ndim + d] += h;
        s.out = ahead;
        CHECK(values_f64(&s) == CPAB_OK);
        for (int64_t p = 0; p < points_batch * 60; p++) s.points[p * image.ndim + d] -= 2 * h;
        s.out = out;
        CHECK(values_f64(&s) == CPAB_OK);
        for (int64_t p = 0; p < points_batch * 60; p++) s.points[p * image.ndim + d] += h;
        for (int64_t b = 0; b < 2; b++)
            for (int64_t p = 0; p < 60; p++) {
                double expected = 0;
                for (int64_t c = 0; c < image.channels; c++) {
                    const int64_t at = at_f64(&s, 60, b, c, p);
                    expected += s.grad_out[at] * (ahead[at] - out[at]) / (2 * h);
                }
                CHECK_NEAR(s.grad_points[(b * 60 + p) * image.ndim + d], expected, 1e-8);
            }
    }
    free(ahead);
    samples_free_f64(&s);
}

/* Beyond what 32 bits count, in elements: the pages that no point touches are never used. */
static void large_image(void) {
    cpab_image image = image_make(2, 65536, 40000, 1, 1);
    float *data = calloc((size_t)pixels_of(&image), sizeof *data);
    if (!data) return; /* a machine that does not lend what is not used */
    const int64_t at = INT64_C(39990) * 65536 + 65000;
    const float points[] = {(float)coordinate_of(&image, 0, 65000), (float)coordinate_of(&image, 1, 39990)};
    float out = 0;
    cpab_call call = call_make(NULL, CPAB_FLOAT32, 1, 1, 1, 1);
    call.image = &image;
    data[at] = 3;
    image.interpolation = CPAB_INTERPOLATION_NEAREST;
    CHECK(cpab_sample(&call, data, points, &out) == CPAB_OK);
    CHECK(out == 3);
    image.interpolation = CPAB_INTERPOLATION_LINEAR;
    CHECK(cpab_sample(&call, data, points, &out) == CPAB_OK);
    CHECK_NEAR((double)out, 3, 0.1);
    free(data);
}

int main(void) {
    by_hand();
    sampling_f32();
    sampling_f64();
    rng r = {72};
    for (int variant = 0; variant < n_variants; variant++) {
        cpab_image images[] = {image_make(1, 6, 1, 1, 2), image_make(2, 5, 4, 1, 3),
                               image_make(3, 3, 4, 5, 2)};
        for (int i = 0; i < 3; i++) {
            set_variant(&images[i], variant);
            differences(images[i], &r, 1 + variant % 2);
        }
    }
    large_image();
    return check_result();
}
