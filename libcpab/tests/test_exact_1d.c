/*
 * In 1D the flow is known exactly: where v = v0 + a (x - x0), the time to get from x to y is
 * log(v(y) / v(x)) / a. Written independently of the library's series.
 */
#include "space.h"

typedef struct {
    const space *s;
    const double *velocity;
} field_1d;

/* The piece of the field that a point at x moving in `direction` is in or about to enter: its ends
   (infinite outside), velocity and slope at x. */
typedef struct {
    double low, high, speed, slope;
} piece;

static piece piece_at(field_1d f, double x, double direction) {
    const space *s = f.s;
    const double *knots = s->vertices, *v = f.velocity;
    const int64_t n = s->size[0];
    const int linear = s->outside == CPAB_OUTSIDE_LINEAR;
    piece p;
    if (x < knots[0] || (x == knots[0] && direction < 0)) {
        p.low = -INFINITY, p.high = knots[0];
        p.slope = linear ? (v[1] - v[0]) / (knots[1] - knots[0]) : 0;
        p.speed = v[0] + p.slope * (x - knots[0]);
    } else if (x > knots[n] || (x == knots[n] && direction > 0)) {
        p.low = knots[n], p.high = INFINITY;
        p.slope = linear ? (v[n] - v[n - 1]) / (knots[n] - knots[n - 1]) : 0;
        p.speed = v[n] + p.slope * (x - knots[n]);
    } else {
        int64_t i = (int64_t)((x - knots[0]) / (knots[n] - knots[0]) * (double)n); /* about */
        i = i < 0 ? 0 : i >= n ? n - 1 : i;
        while (i > 0 && (x < knots[i] || (x == knots[i] && direction < 0))) i--;
        while (i + 1 < n && (x > knots[i + 1] || (x == knots[i + 1] && direction > 0))) i++;
        p.low = knots[i], p.high = knots[i + 1];
        p.slope = (v[i + 1] - v[i]) / (p.high - p.low);
        /* from the nearer end: exact at knots */
        p.speed = x - p.low < p.high - x ? v[i] + p.slope * (x - p.low) : v[i + 1] + p.slope * (x - p.high);
    }
    return p;
}

static double exact(field_1d f, double x, double time) {
    double left = fabs(time);
    const double sign = time < 0 ? -1 : 1;
    double direction = 1;
    direction = sign * piece_at(f, x, 1).speed; /* v is continuous: either side will do */
    if (direction == 0) return x;
    for (;;) {
        const piece p = piece_at(f, x, direction);
        const double v = sign * p.speed, a = sign * p.slope;
        if (v == 0 || (v > 0) != (direction > 0)) return x; /* a fixed point at the knot */
        const double end = v > 0 ? p.high : p.low;
        const double ratio = a * ((end - x) / v); /* v(end) / v(x) - 1 */
        double needed = INFINITY;
        if (isfinite(end) && ratio > -1) needed = a == 0 ? (end - x) / v : log1p(ratio) / a;
        if (!(needed < left)) return x + (a == 0 ? v * left : v * (expm1(a * left) / a));
        left -= needed;
        x = end;
    }
}

static void compare(int64_t n, int outside, double rate, double time, double tolerance, rng *r) {
    enum { n_points = 300 };
    space s = space_make(1, n, 1, outside);
    double *velocity = room(n + 1, sizeof *velocity);
    random_field(&s, r, rate, velocity);
    double points[n_points], out[n_points];
    for (int i = 0; i < n_points; i++) random_point(&s, r, &points[i]);
    CHECK(move_points(&s, CPAB_FLOAT64, points, velocity, out, n_points, time) == CPAB_OK);
    const field_1d f = {&s, velocity};
    for (int i = 0; i < n_points; i++) CHECK_NEAR(out[i], exact(f, points[i], time), tolerance);
    free(velocity);
    space_free(&s);
}

/* Smooth fields that carry points across a large part of the domain, whatever the number of cells: in single
   precision too, where times to cross a cell that were merely added up would be off by far more. */
static void far_across(int64_t n, int outside, rng *r) {
    enum { n_points = 60 };
    space s = space_make(1, n, 1, outside);
    double *velocity = room(n + 1, sizeof *velocity), wave[4];
    float *velocity_f32 = room(n + 1, sizeof *velocity_f32), points_f32[n_points], out_f32[n_points];
    for (int i = 0; i < 4; i++) wave[i] = rng_uniform(r, -1, 1);
    for (int64_t v = 0; v <= n; v++) {
        const double x = s.vertices[v];
        velocity_f32[v] =
            (float)(0.7 * wave[0] + 0.4 * cos(5 * wave[1] + 4 * x) + 0.2 * wave[2] * sin(9 * x));
        velocity[v] = (double)velocity_f32[v];
    }
    double points[n_points], out[n_points], farthest = 0;
    for (int i = 0; i < n_points; i++) points[i] = (double)(points_f32[i] = (float)rng_uniform(r, -1.1, 1.1));
    CHECK(move_points(&s, CPAB_FLOAT64, points, velocity, out, n_points, 1) == CPAB_OK);
    CHECK(move_points(&s, CPAB_FLOAT32, points_f32, velocity_f32, out_f32, n_points, 1) == CPAB_OK);
    const field_1d f = {&s, velocity};
    for (int i = 0; i < n_points; i++) {
        const double expected = exact(f, points[i], 1);
        CHECK_NEAR(out[i], expected, 1e-12);
        CHECK_NEAR((double)out_f32[i], expected, 1e-5);
        farthest = fmax(farthest, fabs(expected - points[i]));
    }
    CHECK(farthest > 0.2);
    free(velocity), free(velocity_f32);
    space_free(&s);
}

/* The oracle itself: one interval with v = a x, and a constant. */
static void oracle_is_right(void) {
    space s = space_make(1, 2, 1, CPAB_OUTSIDE_LINEAR);
    const double linear[3] = {-1.5, 0, 1.5}, constant[3] = {0.25, 0.25, 0.25};
    for (double x = -1.5; x <= 1.5; x += 0.25) {
        CHECK_NEAR(exact((field_1d){&s, linear}, x, 0.5), x * exp(0.75), 1e-15 * 4);
        CHECK_NEAR(exact((field_1d){&s, constant}, x, -2), x - 0.5, 1e-15 * 4);
    }
    space_free(&s);
}

int main(void) {
    rng r = {2024};
    oracle_is_right();
    for (int outside = CPAB_OUTSIDE_LINEAR; outside <= CPAB_OUTSIDE_NEAREST; outside++)
        for (int repeat = 0; repeat < 10; repeat++) {
            compare(1, outside, 1, 1, 1e-12, &r);
            compare(2, outside, 2, -1, 1e-12, &r);
            compare(7, outside, 2, 1, 1e-12, &r);
            compare(64, outside, 2, 1, 1e-12, &r);
            /* Far across a fine grid, and so stiff that most points end in a fixed point. Errors in
               x near a repelling fixed point grow like e^rate: 1e-16 * e^8 = 3e-13, times
               the number of knots passed; e^30 leaves only what attracts, hence NEAREST below. */
            compare(1000, outside, 8, 1, 1e-11, &r);
            far_across(50, outside, &r);
            far_across(3000, outside, &r);
            if (repeat < 2) far_across(100000, outside, &r);
        }
    return check_result();
}
