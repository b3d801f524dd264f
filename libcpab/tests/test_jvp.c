/* cpab_transform_jvp(): laws for both number types, in jvp.inc, and central differences of the
 * transformation. */
#include "real.h"
#include "space.h"

#define REAL float
#define SUFFIX f32
#include "jvp.inc"
#undef REAL
#undef SUFFIX

#define REAL double
#define SUFFIX f64
#include "jvp.inc"
#undef REAL
#undef SUFFIX

/* Moves fields and points by `step` along their tangents. */
static void shift(problem_f64 *p, double step) {
    for (int64_t i = 0; i < n_field_f64(p); i++) p->velocity[i] += step * p->tangent_velocity[i];
    for (int64_t i = 0; i < n_given_f64(p); i++) p->points[i] += step * p->tangent_points[i];
}

static void against_differences(const space *s, rng *r, double rate, double time, int64_t points_batch) {
    const double h = 1e-6;
    problem_f64 p = problem_make_f64(s, r, rate, time, 3, 100, points_batch);
    const int64_t n = n_cloud_f64(&p);
    double *high = room(n, sizeof *high), *low = p.out;
    CHECK(jvp_f64(&p) == CPAB_OK);
    shift(&p, h);
    p.out = high;
    CHECK(forward_f64(&p) == CPAB_OK);
    shift(&p, -2 * h);
    p.out = low;
    CHECK(forward_f64(&p) == CPAB_OK);
    /* a position's roundings over h, and h^2 of the third derivative */
    const double tolerance = 1e-8 * growth(s, rate, time);
    for (int64_t i = 0; i < n; i++) CHECK_NEAR(p.tangent[i], (high[i] - low[i]) / (2 * h), tolerance);
    free(high);
    problem_free_f64(&p);
}

/* float32 agrees with float64 on the same numbers. */
static void f32_agrees_with_f64(const space *s, rng *r) {
    const double rate = 1;
    problem_f32 p = problem_make_f32(s, r, rate, 1, 3, 100, 3);
    problem_f64 q = problem_make_f64(s, r, rate, 1, 3, 100, 3);
    for (int64_t i = 0; i < n_field_f32(&p); i++) {
        q.velocity[i] = (double)p.velocity[i];
        q.tangent_velocity[i] = (double)p.tangent_velocity[i];
    }
    for (int64_t i = 0; i < n_cloud_f32(&p); i++) {
        q.points[i] = (double)p.points[i];
        q.tangent_points[i] = (double)p.tangent_points[i];
    }
    CHECK(jvp_f32(&p) == CPAB_OK);
    CHECK(jvp_f64(&q) == CPAB_OK);
    const double tolerance = 32 * (double)FLT_EPSILON * growth(s, rate, 1);
    for (int64_t i = 0; i < n_cloud_f32(&p); i++) CHECK_NEAR((double)p.tangent[i], q.tangent[i], tolerance);
    problem_free_f32(&p);
    problem_free_f64(&q);
}

int main(void) {
    for (int outside = CPAB_OUTSIDE_LINEAR; outside <= CPAB_OUTSIDE_NEAREST; outside++) {
        cpab_tessellation_options wide = options_of(2, 2, 3, outside); /* units differ by axis */
        wide.lower[0] = 0, wide.upper[0] = 4;
        space spaces[] = {space_make(1, 1, 1, outside), space_make(1, 6, 1, outside),
                          space_make(2, 1, 1, outside), space_make(2, 4, 3, outside), space_from(wide)};
        rng r = {5};
        for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++) {
            const space *s = &spaces[i];
            first_derivatives_f32(s);
            first_derivatives_f64(s);
            against_differences(s, &r, 1, 1, 3);
            against_differences(s, &r, 3, -1, 1);
            f32_agrees_with_f64(s, &r);
            space_free(&spaces[i]);
        }
    }
    return check_result();
}
