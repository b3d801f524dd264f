/* cpab_jacobian(): laws for both number types, in jacobian.inc, and central differences of the
 * transformation. */
#include "real.h"
#include "space.h"

#define REAL float
#define SUFFIX f32
#include "jacobian.inc"
#undef REAL
#undef SUFFIX

#define REAL double
#define SUFFIX f64
#include "jacobian.inc"
#undef REAL
#undef SUFFIX

static void against_differences(const space *s, rng *r, double rate, double time, int64_t points_batch) {
    const double h = 1e-6, tolerance = 1e-8 * growth(s, rate, time);
    const int D = s->ndim;
    problem_f64 p = problem_make_f64(s, r, rate, time, 3, 100, points_batch);
    const int64_t n = n_cloud_f64(&p);
    double *high = room(n, sizeof *high), *low = p.out;
    CHECK(jacobian_f64(&p) == CPAB_OK);
    for (int col = 0; col < D; col++) {
        for (int64_t i = col; i < n_given_f64(&p); i += D) p.points[i] += h;
        p.out = high;
        CHECK(forward_f64(&p) == CPAB_OK);
        for (int64_t i = col; i < n_given_f64(&p); i += D) p.points[i] -= 2 * h;
        p.out = low;
        CHECK(forward_f64(&p) == CPAB_OK);
        for (int64_t i = col; i < n_given_f64(&p); i += D) p.points[i] += h;
        for (int64_t i = 0; i < n; i++)
            CHECK_NEAR(p.jacobian[i * D + col], (high[i] - low[i]) / (2 * h), tolerance);
    }
    free(high);
    problem_free_f64(&p);
}

int main(void) {
    for (int outside = CPAB_OUTSIDE_LINEAR; outside <= CPAB_OUTSIDE_NEAREST; outside++) {
        cpab_tessellation_options wide = options_of(2, 2, 3, outside); /* units differ by axis */
        wide.lower[0] = 0, wide.upper[0] = 4;
        space spaces[] = {space_make(1, 1, 1, outside), space_make(1, 6, 1, outside),
                          space_make(2, 1, 1, outside), space_make(2, 4, 3, outside), space_from(wide)};
        rng r = {6};
        for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++) {
            jacobians_f32(&spaces[i]);
            jacobians_f64(&spaces[i]);
            against_differences(&spaces[i], &r, 1, 1, 3);
            against_differences(&spaces[i], &r, 3, -1, 1);
            space_free(&spaces[i]);
        }
    }
    return check_result();
}
