/* Transformations in 3D: laws for both number types, in three_axes.inc, and central differences of each
 * function. */
#include "real.h"
#include "space.h"

#define REAL float
#define SUFFIX f32
#include "three_axes.inc"
#undef REAL
#undef SUFFIX

#define REAL double
#define SUFFIX f64
#include "three_axes.inc"
#undef REAL
#undef SUFFIX

static space space_3d(int outside) {
    cpab_tessellation_options options = options_of(3, 4, 3, outside);
    options.cells[2] = 2, options.lower[2] = -1, options.upper[2] = 2;
    return space_from(options);
}

static double largest(const double *a, int64_t n) {
    double most = 0;
    for (int64_t i = 0; i < n; i++) most = fmax(most, fabs(a[i]));
    return most;
}

/* The sum of the sizes of what dot() adds up, to which its roundings belong. */
static double size_of_dot(const double *a, const double *b, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += fabs(a[i] * b[i]);
    return sum;
}

static double dot(const double *a, const double *b, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* What a function of fields and points gives at the ends of a step along the tangents. */
static void step(problem_f64 *p, double h) {
    for (int64_t i = 0; i < n_field_f64(p); i++) p->velocity[i] += h * p->tangent_velocity[i];
    for (int64_t i = 0; i < n_given_f64(p); i++) p->points[i] += h * p->tangent_points[i];
}

/* The derivative along a direction, and that of its gradient. */
static void test_tangents(const space *s, rng *r) {
    const double h = 1e-6, tolerance = 1e-7;
    problem_f64 p = problem_3d_f64(s, r, 1, 2);
    const int64_t cloud = n_cloud_f64(&p), field = n_field_f64(&p);
    double *out[2], *grad_points[2], *grad_velocity[2];
    for (int side = 0; side < 2; side++) {
        step(&p, side ? h : -h);
        CHECK(forward_f64(&p) == CPAB_OK && vjp_f64(&p) == CPAB_OK);
        step(&p, side ? -h : h);
        out[side] = p.out, grad_points[side] = p.grad_points, grad_velocity[side] = p.grad_velocity;
        p.out = room(cloud, sizeof(double)), p.grad_points = room(cloud, sizeof(double));
        p.grad_velocity = room(field, sizeof(double));
    }
    CHECK(jvp_f64(&p) == CPAB_OK && vjp_jvp_f64(&p) == CPAB_OK);
    const double of_points = tolerance * largest(p.second_points, cloud);
    const double of_velocity = tolerance * largest(p.second_velocity, field);
    for (int64_t i = 0; i < cloud; i++) {
        CHECK_NEAR(p.tangent[i], (out[1][i] - out[0][i]) / (2 * h), tolerance);
        CHECK_NEAR(p.second_points[i], (grad_points[1][i] - grad_points[0][i]) / (2 * h), of_points);
    }
    for (int64_t i = 0; i < field; i++)
        CHECK_NEAR(p.second_velocity[i], (grad_velocity[1][i] - grad_velocity[0][i]) / (2 * h), of_velocity);
    for (int side = 0; side < 2; side++) free(out[side]), free(grad_points[side]), free(grad_velocity[side]);
    problem_free_f64(&p);
}

/* The gradient of Jacobians and determinants, along a direction. */
static void test_volumes(const space *s, rng *r) {
    const double h = 1e-6;
    problem_f64 p = problem_3d_f64(s, r, 1, 2);
    double sum[2];
    for (int side = 0; side < 2; side++) {
        step(&p, side ? h : -h);
        CHECK(jacobian_f64(&p) == CPAB_OK);
        sum[side] = dot(p.grad_jacobian, p.jacobian, n_jacobian_f64(&p)) +
                    dot(p.grad_log_det, p.log_det, n_log_det_f64(&p));
        step(&p, side ? -h : h);
    }
    CHECK(jacobian_vjp_f64(&p) == CPAB_OK);
    const double gradient = dot(p.volume_points, p.tangent_points, n_cloud_f64(&p)) +
                            dot(p.volume_velocity, p.tangent_velocity, n_field_f64(&p));
    const double size = size_of_dot(p.volume_points, p.tangent_points, n_cloud_f64(&p)) +
                        size_of_dot(p.volume_velocity, p.tangent_velocity, n_field_f64(&p));
    CHECK(fabs(gradient) > 1);
    CHECK_NEAR(gradient, (sum[1] - sum[0]) / (2 * h), 1e-7 * size);
    problem_free_f64(&p);
}

/* The velocity is the derivative by time, at the start. */
static void test_velocity(const space *s, rng *r) {
    const double h = 1e-6;
    problem_f64 p = problem_3d_f64(s, r, h, 2);
    CHECK(speed_f64(&p) == CPAB_OK && forward_f64(&p) == CPAB_OK);
    double *ahead = p.out;
    p.out = room(n_cloud_f64(&p), sizeof(double));
    p.call.time = -h;
    CHECK(forward_f64(&p) == CPAB_OK);
    for (int64_t i = 0; i < n_cloud_f64(&p); i++)
        CHECK_NEAR(p.speed[i], (ahead[i] - p.out[i]) / (2 * h), 1e-8);
    free(ahead);
    problem_free_f64(&p);
}

static void compare(const float *low, const double *high, int64_t n) {
    const double most = largest(high, n);
    CHECK(most > 0.1);
    for (int64_t i = 0; i < n; i++) CHECK_NEAR(low[i], high[i], 1e-4 * most);
}

/* What float32 says of derivatives is what float64 says of the same numbers. */
static void test_float32(const space *s, rng *r) {
    problem_f32 low = problem_3d_f32(s, r, 1, 2);
    problem_f64 high = problem_3d_f64(s, r, 1, 2);
    const int64_t cloud = n_cloud_f32(&low), field = n_field_f32(&low);
    for (int64_t i = 0; i < field; i++) {
        high.velocity[i] = low.velocity[i];
        high.tangent_velocity[i] = low.tangent_velocity[i];
    }
    for (int64_t i = 0; i < cloud; i++) {
        high.points[i] = low.points[i];
        high.tangent_points[i] = low.tangent_points[i];
        high.grad_out[i] = low.grad_out[i];
    }
    call_all_f32(&low);
    call_all_f64(&high);
    compare(low.speed, high.speed, cloud);
    compare(low.second_points, high.second_points, cloud);
    compare(low.second_velocity, high.second_velocity, field);
    compare(low.volume_points, high.volume_points, cloud);
    compare(low.volume_velocity, high.volume_velocity, field);
    problem_free_f32(&low);
    problem_free_f64(&high);
}

int main(void) {
    for (int outside = 0; outside < 2; outside++) {
        space s = space_3d(outside);
        rng r = {(uint64_t)(11 + outside)};
        inverse_f32(&s, &r), inverse_f64(&s, &r);
        for (int64_t points_batch = 1; points_batch <= 2; points_batch++) {
            columns_f32(&s, &r, points_batch), columns_f64(&s, &r, points_batch);
            transposed_f32(&s, &r, points_batch), transposed_f64(&s, &r, points_batch);
        }
        test_tangents(&s, &r);
        test_volumes(&s, &r);
        test_velocity(&s, &r);
        test_float32(&s, &r);
        space_free(&s);
    }
    return check_result();
}
