/*
 * cpab_transform_vjp_jvp(): the derivative of the gradient along a direction. Jacobians of a transformation
 * have kinks where trajectories graze a face or begin or end on one; the points here are in general position,
 * and the seeds such that no difference steps over a kink.
 */
#include "real.h"
#include "space.h"

#define REAL float
#define SUFFIX f32
#include "problem.inc"
#undef REAL
#undef SUFFIX

#define REAL double
#define SUFFIX f64
#include "problem.inc"
#undef REAL
#undef SUFFIX

enum { n_batch = 2, n_points = 24 };

static void shift(problem_f64 *p, double step) {
    for (int64_t i = 0; p->tangent_velocity && i < n_field_f64(p); i++)
        p->velocity[i] += step * p->tangent_velocity[i];
    for (int64_t i = 0; p->tangent_points && i < n_given_f64(p); i++)
        p->points[i] += step * p->tangent_points[i];
}

/* `which` tangents are there: 1 the field's, 2 the points', 3 both. */
static void against_differences(const space *s, rng *r, double rate, double time, int64_t points_batch,
                                int which) {
    const double h = 1e-6;
    problem_f64 p = problem_make_f64(s, r, rate, time, n_batch, n_points, points_batch), q = p;
    if (!(which & 1)) q.tangent_velocity = NULL;
    if (!(which & 2)) q.tangent_points = NULL;
    CHECK(vjp_jvp_f64(&q) == CPAB_OK);
    const int64_t n_velocity = n_field_f64(&p), n_clouds = n_cloud_f64(&p);
    double *low_velocity = room(n_velocity, sizeof *low_velocity),
           *low_points = room(n_clouds, sizeof *low_points);
    shift(&q, -h);
    q.grad_velocity = low_velocity, q.grad_points = low_points;
    CHECK(vjp_f64(&q) == CPAB_OK);
    shift(&q, 2 * h);
    q.grad_velocity = p.grad_velocity, q.grad_points = p.grad_points;
    CHECK(vjp_f64(&q) == CPAB_OK);
    const double scale_v = largest_f64(p.second_velocity, n_velocity);
    const double scale_p = largest_f64(p.second_points, n_clouds);
    CHECK(scale_v > 1e-3);
    for (int64_t i = 0; i < n_velocity; i++)
        CHECK_NEAR(p.second_velocity[i], (p.grad_velocity[i] - low_velocity[i]) / (2 * h), 1e-6 * scale_v);
    CHECK(scale_p > 1e-3 || (s->n_cells == 1 && s->ndim == 1 && which == 2)); /* a flow that is affine */
    for (int64_t i = 0; i < n_clouds; i++)
        CHECK_NEAR(p.second_points[i], (p.grad_points[i] - low_points[i]) / (2 * h),
                   1e-6 * fmax(scale_p, 1e-3));
    free(low_velocity), free(low_points);
    problem_free_f64(&p);
}

/* Second derivatives do not depend on the order: <H a, b> = <H b, a> for two directions a and b, where H is
   the Hessian of sum(grad_out * out). */
static void symmetric(const space *s, rng *r, double time) {
    problem_f64 a = problem_make_f64(s, r, 2, time, n_batch, n_points, n_batch);
    problem_f64 b = problem_make_f64(s, r, 2, time, n_batch, n_points, n_batch);
    const int64_t n_velocity = n_field_f64(&a), n_clouds = n_cloud_f64(&a);
    memcpy(b.velocity, a.velocity, (size_t)n_velocity * sizeof(double));
    memcpy(b.points, a.points, (size_t)n_clouds * sizeof(double));
    memcpy(b.grad_out, a.grad_out, (size_t)n_clouds * sizeof(double));
    CHECK(vjp_jvp_f64(&a) == CPAB_OK);
    CHECK(vjp_jvp_f64(&b) == CPAB_OK);
    double ab = 0, ba = 0, size = 0;
    for (int64_t i = 0; i < n_velocity; i++) {
        ab += a.second_velocity[i] * b.tangent_velocity[i];
        ba += b.second_velocity[i] * a.tangent_velocity[i];
        size += fabs(a.second_velocity[i]);
    }
    for (int64_t i = 0; i < n_clouds; i++) {
        ab += a.second_points[i] * b.tangent_points[i];
        ba += b.second_points[i] * a.tangent_points[i];
        size += fabs(a.second_points[i]);
    }
    CHECK(size > 1);
    CHECK_NEAR(ab, ba, 1e-12 * size * growth(s, 2, time));
    problem_free_f64(&a);
    problem_free_f64(&b);
}

/* Without a direction nothing changes; NULL is a direction of zeros, to the bit; and either result alone has
   the same bits. */
static void absent_arrays(const space *s, rng *r) {
    problem_f64 p = problem_make_f64(s, r, 2, 1, n_batch, n_points, 1), q = p;
    const int64_t n_velocity = n_field_f64(&p), n_clouds = n_cloud_f64(&p);
    double *velocity = room(n_velocity, sizeof *velocity), *points = room(n_clouds, sizeof *points);
    double *zeros = room(n_velocity + n_clouds, sizeof *zeros);
    for (int which = 0; which < 3; which++) {
        p.tangent_velocity = which & 1 ? q.tangent_velocity : NULL;
        p.tangent_points = which & 2 ? q.tangent_points : NULL;
        CHECK(vjp_jvp_f64(&p) == CPAB_OK);
        if (which == 0)
            CHECK(largest_f64(p.second_velocity, n_velocity) == 0 &&
                  largest_f64(p.second_points, n_clouds) == 0);
        if (!p.tangent_velocity) p.tangent_velocity = zeros;
        if (!p.tangent_points) p.tangent_points = zeros;
        p.second_velocity = velocity, p.second_points = points;
        CHECK(vjp_jvp_f64(&p) == CPAB_OK);
        p.second_velocity = q.second_velocity, p.second_points = q.second_points;
        for (int64_t i = 0; i < n_velocity; i++) CHECK(velocity[i] == p.second_velocity[i]);
        for (int64_t i = 0; i < n_clouds; i++) CHECK(points[i] == p.second_points[i]);
    }
    p = q;
    CHECK(vjp_jvp_f64(&p) == CPAB_OK);
    p.second_velocity = velocity, p.second_points = NULL;
    CHECK(vjp_jvp_f64(&p) == CPAB_OK);
    CHECK(memcmp(velocity, q.second_velocity, (size_t)n_velocity * sizeof *velocity) == 0);
    p.second_velocity = NULL, p.second_points = points;
    CHECK(vjp_jvp_f64(&p) == CPAB_OK);
    CHECK(memcmp(points, q.second_points, (size_t)n_clouds * sizeof *points) == 0);
    p.second_points = NULL;
    CHECK(vjp_jvp_f64(&p) == CPAB_OK);
    free(velocity), free(points), free(zeros);
    problem_free_f64(&q);
}

/* Around the field of zeros the gradient of points is grad_out + t (Dw)^T grad_out, w being the tangent: in
   1D the slope of w in the point's cell. */
static void at_rest_1d(const space *s, rng *r) {
    const double time = 0.5;
    problem_f64 p = problem_make_f64(s, r, 1, time, 1, 200, 1);
    fill_f64(p.velocity, n_field_f64(&p), 0);
    p.points[0] = s->lower[0] + 0.5 * cell_width(s, 0);
    for (int64_t i = 1; i < p.call.n_points; i++) p.points[i] = rng_uniform(r, s->lower[0], s->upper[0]);
    CHECK(vjp_jvp_f64(&p) == CPAB_OK);
    for (int64_t i = 0; i < p.call.n_points; i++) {
        const int64_t cell = (int64_t)floor((p.points[i] - s->lower[0]) / cell_width(s, 0));
        double a[2][2];
        cell_linear(s, p.tangent_velocity, cell, a);
        CHECK_NEAR(p.second_points[i], time * a[0][0] * p.grad_out[i], 1e-13 * (1 + fabs(a[0][0])));
    }
    problem_free_f64(&p);
}

/* float32 agrees with float64 on the same numbers. What a direction does to crossing times is its part across
   the face over the speed, so slow crossings multiply roundings; all but a few numbers are good to some. */
static void f32_agrees_with_f64(const space *s, rng *r) {
    const double rate = 1;
    problem_f32 p = problem_make_f32(s, r, rate, 1, 3, 200, 3);
    problem_f64 q = problem_make_f64(s, r, rate, 1, 3, 200, 3);
    for (int64_t i = 0; i < n_field_f32(&p); i++) {
        q.velocity[i] = (double)p.velocity[i];
        q.tangent_velocity[i] = (double)p.tangent_velocity[i];
    }
    for (int64_t i = 0; i < n_cloud_f32(&p); i++) {
        q.points[i] = (double)p.points[i];
        q.tangent_points[i] = (double)p.tangent_points[i];
        q.grad_out[i] = (double)p.grad_out[i];
    }
    CHECK(vjp_jvp_f32(&p) == CPAB_OK);
    CHECK(vjp_jvp_f64(&q) == CPAB_OK);
    const double tolerance =
        64 * (double)FLT_EPSILON * growth(s, rate, 1) * largest_f64(q.second_points, n_cloud_f64(&q));
    int64_t off = 0;
    for (int64_t i = 0; i < n_cloud_f32(&p); i++)
        off += !(fabs((double)p.second_points[i] - q.second_points[i]) <= tolerance);
    CHECK(off <= n_cloud_f32(&p) / 100);
    problem_free_f32(&p);
    problem_free_f64(&q);
}

int main(void) {
    for (int outside = CPAB_OUTSIDE_LINEAR; outside <= CPAB_OUTSIDE_NEAREST; outside++) {
        cpab_tessellation_options wide = options_of(2, 2, 3, outside); /* units differ by axis */
        wide.lower[0] = 0, wide.upper[0] = 4;
        space spaces[] = {space_make(1, 1, 1, outside), space_make(1, 6, 1, outside),
                          space_make(2, 1, 1, outside), space_make(2, 4, 3, outside), space_from(wide)};
        rng r = {8};
        for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++) {
            const space *s = &spaces[i];
            for (int which = 1; which <= 3; which++) {
                against_differences(s, &r, 1, 1, n_batch, which);
                against_differences(s, &r, 2, -0.75, 1, which);
            }
            symmetric(s, &r, 1);
            symmetric(s, &r, -0.5);
            absent_arrays(s, &r);
            if (s->ndim == 1) at_rest_1d(s, &r);
            f32_agrees_with_f64(s, &r);
            space_free(&spaces[i]);
        }
    }
    return check_result();
}
