/*
 * cpab_jacobian_vjp(): laws for both number types, in jacobian_vjp.inc; central differences of
 * cpab_jacobian(); and float32 against float64 where the Jacobian is next to singular. Jacobians jump and
 * their determinants have kinks where trajectories graze a face or begin or end on one; the points here are
 * in general position, and the seeds such that no difference steps over one.
 */
#include "real.h"
#include "space.h"

#define REAL float
#define SUFFIX f32
#include "jacobian_vjp.inc"
#undef REAL
#undef SUFFIX

#define REAL double
#define SUFFIX f64
#include "jacobian_vjp.inc"
#undef REAL
#undef SUFFIX

/* Of each point: what the cotangents make of its Jacobian and log det. */
static double *losses(problem_f64 *p) {
    const int D = p->s->ndim;
    CHECK(jacobian_f64(p) == CPAB_OK);
    double *loss = room(n_log_det_f64(p), sizeof *loss);
    for (int64_t i = 0; i < n_log_det_f64(p); i++) {
        if (p->grad_log_det) loss[i] += p->grad_log_det[i] * p->log_det[i];
        for (int e = 0; p->grad_jacobian && e < D * D; e++)
            loss[i] += p->grad_jacobian[i * D * D + e] * p->jacobian[i * D * D + e];
    }
    return loss;
}

static double *difference(problem_f64 *p, double *number, int64_t stride, int64_t n, double h) {
    for (int64_t i = 0; i < n; i += stride) number[i] += h;
    double *high = losses(p);
    for (int64_t i = 0; i < n; i += stride) number[i] -= 2 * h;
    double *low = losses(p);
    for (int64_t i = 0; i < n; i += stride) number[i] += h;
    for (int64_t i = 0; i < n_log_det_f64(p); i++) high[i] = (high[i] - low[i]) / (2 * h);
    free(low);
    return high;
}

/* `which` cotangents are there: 1 the Jacobian's, 2 the logarithm's, 3 both. */
static void against_differences(const space *s, rng *r, double rate, double time, int64_t points_batch,
                                int which) {
    const double h = 1e-6;
    const int D = s->ndim;
    problem_f64 p = problem_make_f64(s, r, rate, time, 2, 24, points_batch);
    problem_f64 q = with_f64(&p, which & 1, which & 2);
    const double size = largest_f64(q.volume_velocity, n_field_f64(&p));
    const double size_p = fmax(largest_f64(q.volume_points, n_cloud_f64(&p)), 1e-3);
    CHECK(rate == 0 || size > 1e-2);
    for (int64_t i = 0; i < n_field_f64(&p); i++) {
        double *change = difference(&q, q.velocity + i, 1, 1, h), sum = 0;
        for (int64_t e = 0; e < n_log_det_f64(&p); e++) sum += change[e];
        CHECK_NEAR(q.volume_velocity[i], sum, 1e-6 * size);
        free(change);
    }
    for (int d = 0; d < D; d++) {
        double *change = difference(&q, q.points + d, D, n_given_f64(&p) - d, h);
        for (int64_t e = 0; e < n_log_det_f64(&p); e++)
            CHECK_NEAR(q.volume_points[e * D + d], change[e], 1e-6 * size_p);
        free(change);
    }
    without_f64(&q);
    problem_free_f64(&p);
}

/* A field that stretches one way and squeezes the other, and something else: det J is about 1, while J is as
   good as singular for float32. */
static void nearly_singular(const space *s, rng *r, double rate) {
    problem_f32 p = problem_make_f32(s, r, 0.05, 1, 1, 20, 1);
    problem_f64 q = problem_make_f64(s, r, 0.05, 1, 1, 20, 1);
    for (int64_t v = 0; v < s->n_vertices; v++) {
        const double x = s->vertices[2 * v] - (s->lower[0] + s->upper[0]) / 2;
        const double y = s->vertices[2 * v + 1] - (s->lower[1] + s->upper[1]) / 2;
        p.velocity[2 * v] += (float)(rate * (0.3 * x + y)),
            p.velocity[2 * v + 1] += (float)(rate * (x - 0.3 * y));
    }
    for (int64_t i = 0; i < n_field_f32(&p); i++) q.velocity[i] = (double)p.velocity[i];
    for (int64_t i = 0; i < n_given_f32(&p); i++) {
        p.points[i] = (float)((s->lower[i % 2] + s->upper[i % 2]) / 2 + rng_uniform(r, -0.02, 0.02));
        q.points[i] = (double)p.points[i];
    }
    for (int64_t i = 0; i < n_log_det_f32(&p); i++) q.grad_log_det[i] = (double)p.grad_log_det[i];
    problem_f32 rough = with_f32(&p, 0, 1);
    problem_f64 exact = with_f64(&q, 0, 1);
    const double tolerance = 1e-3 * largest_f64(exact.volume_velocity, n_field_f64(&q));
    for (int64_t i = 0; i < n_field_f32(&p); i++)
        CHECK_NEAR((double)rough.volume_velocity[i], exact.volume_velocity[i], tolerance);
    const double tolerance_p = 1e-3 * largest_f64(exact.volume_points, n_cloud_f64(&q));
    for (int64_t i = 0; i < n_cloud_f32(&p); i++)
        CHECK_NEAR((double)rough.volume_points[i], exact.volume_points[i], tolerance_p);
    without_f32(&rough), without_f64(&exact);
    problem_free_f32(&p);
    problem_free_f64(&q);
}

int main(void) {
    for (int outside = CPAB_OUTSIDE_LINEAR; outside <= CPAB_OUTSIDE_NEAREST; outside++) {
        cpab_tessellation_options wide = options_of(2, 2, 3, outside); /* units differ by axis */
        wide.lower[0] = 0, wide.upper[0] = 4;
        space spaces[] = {space_make(1, 1, 1, outside), space_make(1, 6, 1, outside),
                          space_make(2, 1, 1, outside), space_make(2, 4, 3, outside), space_from(wide)};
        rng r = {9};
        for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++) {
            const space *s = &spaces[i];
            jacobian_gradients_f32(s);
            jacobian_gradients_f64(s);
            for (int which = 1; which <= 3; which++) {
                against_differences(s, &r, 1, 1, 2, which);
                against_differences(s, &r, 2, -0.75, 1, which);
            }
            against_differences(s, &r, 0, 1, 2, 2); /* all points are at rest */
            space_free(&spaces[i]);
        }
    }
    space square = space_make(2, 4, 4, CPAB_OUTSIDE_NEAREST);
    rng r = {10};
    for (double rate = 1; rate <= 10; rate += 3) nearly_singular(&square, &r, rate);
    space_free(&square);
    return check_result();
}
