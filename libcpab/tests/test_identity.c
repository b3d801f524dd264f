/*
 * "A field of zeros returns the points bit for bit", for the numbers where arithmetic does not: zeros
 * with a sign, and what leaves the range of the type when it is measured in cells.
 */
#include <float.h>
#include <math.h>

#include "space.h"

static const char *space_name(const space *s) {
    return s->outside == CPAB_OUTSIDE_LINEAR ? (s->ndim == 1 ? "1D linear" : "2D linear")
                                             : (s->ndim == 1 ? "1D nearest" : "2D nearest");
}

/* `max` is the largest number of the type: in cells, which are smaller than 1, it is infinite. */
static void check_point(const space *s, const char *type, double x, double y, double max, cpab_status status,
                        int same) {
    const int before = check_failures;
    const int overflows = fabs(x) == max || (s->ndim == 2 && fabs(y) == max);
    CHECK(status == (overflows ? CPAB_E_DIVERGED : CPAB_OK));
    CHECK(same == !overflows);
    if (before < check_failures && before < 20)
        fprintf(stderr, "    ... %s %s at (%g, %g), status %d\n", space_name(s), type, x, y, (int)status);
}

static void check_f32(const space *s, float x, float y) {
    const float point[2] = {x, y};
    float out[2] = {9, 9};
    float *velocity = room(field_size(s), sizeof *velocity);
    const cpab_status status = move_points(s, CPAB_FLOAT32, point, velocity, out, 1, 1);
    check_point(s, "f32", (double)x, (double)y, (double)FLT_MAX, status,
                !memcmp(point, out, (size_t)s->ndim * sizeof *out));
    free(velocity);
}

static void check_f64(const space *s, double x, double y) {
    const double point[2] = {x, y};
    double out[2] = {9, 9};
    double *velocity = room(field_size(s), sizeof *velocity);
    const cpab_status status = move_points(s, CPAB_FLOAT64, point, velocity, out, 1, 1);
    check_point(s, "f64", x, y, DBL_MAX, status, !memcmp(point, out, (size_t)s->ndim * sizeof *out));
    free(velocity);
}

int main(void) {
    const float f32[] = {0.0f,   -0.0f, 1e-45f, -1e-45f, FLT_MIN, 0.3f,
                         -1.25f, 1e7f,  -1e30f, FLT_MAX, -FLT_MAX};
    const double f64[] = {0.0, -0.0, 5e-324, -5e-324, DBL_MIN, 0.3, -1.25, 1e15, -1e300, DBL_MAX, -DBL_MAX};
    const int n = sizeof f32 / sizeof f32[0];
    for (int outside = CPAB_OUTSIDE_LINEAR; outside <= CPAB_OUTSIDE_NEAREST; outside++)
        for (int ndim = 1; ndim <= 2; ndim++) {
            space s = space_make(ndim, 3, 8, outside); /* both kinds of rounding: thirds, powers of 2 */
            for (int i = 0; i < n; i++)
                for (int j = 0; j < (ndim == 1 ? 1 : n); j++) {
                    check_f32(&s, f32[i], f32[j]);
                    check_f64(&s, f64[i], f64[j]);
                }
            space_free(&s);
        }
    return check_result();
}
