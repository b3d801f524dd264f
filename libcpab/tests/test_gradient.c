/*
 * The vector-Jacobian product against central differences of the transformation, against a closed
 * form at the zero field, and against the laws that a gradient of a flow obeys.
 */
#include <float.h>

#include "space.h"

enum { n_batch = 2, n_points = 24 };

/* A problem, and its gradient. */
typedef struct {
    const space *s;
    cpab_call call;
    double *velocity, *points, *grad_out, *grad_velocity, *grad_points;
} problem;

static int64_t cloud(const space *s) { return n_points * s->ndim; }

static void fill(double *x, int64_t n, double value) {
    for (int64_t i = 0; i < n; i++) x[i] = value;
}

static problem problem_make(const space *s, rng *r, double rate, double time, int64_t points_batch) {
    problem p = {
        s,   call_make(s->tess, CPAB_FLOAT64, n_batch, n_points, points_batch, time), NULL, NULL, NULL, NULL,
        NULL};
    p.velocity = room(n_batch * field_size(s), sizeof *p.velocity);
    p.points = room(n_batch * cloud(s), sizeof *p.points);
    p.grad_out = room(n_batch * cloud(s), sizeof *p.grad_out);
    p.grad_velocity = room(n_batch * field_size(s), sizeof *p.grad_velocity);
    p.grad_points = room(n_batch * cloud(s), sizeof *p.grad_points);
    for (int b = 0; rate > 0 && b < n_batch; b++) random_field(s, r, rate, p.velocity + b * field_size(s));
    for (int64_t i = 0; i < points_batch * n_points; i++) random_point(s, r, p.points + i * s->ndim);
    for (int64_t i = 0; i < n_batch * cloud(s); i++) p.grad_out[i] = rng_uniform(r, -1, 1);
    return p;
}

static void problem_free(problem *p) {
    free(p->velocity), free(p->points), free(p->grad_out), free(p->grad_velocity), free(p->grad_points);
}

static void vjp(problem *p) {
    fill(p->grad_velocity, n_batch * field_size(p->s), 1e9); /* to be overwritten, not added to */
    fill(p->grad_points, n_batch * cloud(p->s), 1e9);
    p->call.failed_item = NO_ANSWER;
    CHECK(cpab_transform_vjp(&p->call, p->points, p->velocity, p->grad_out, p->grad_points,
                             p->grad_velocity) == CPAB_OK);
    CHECK(p->call.failed_item == -1);
}

static void forward(problem *p, double *out) {
    CHECK(cpab_transform(&p->call, p->points, p->velocity, out) == CPAB_OK);
}

/* Central difference of sum grad_out * out by *x. The terms are subtracted one by one: most are equal
   to the bit, and the sums' roundings would drown the rest. */
static double difference(problem *p, double *x, double h, int64_t first, int64_t last) {
    double *high = room(n_batch * cloud(p->s), sizeof *high), *low = room(n_batch * cloud(p->s), sizeof *low);
    const double before = *x;
    double sum = 0;
    *x = before + h;
    forward(p, high);
    *x = before - h;
    forward(p, low);
    *x = before;
    for (int64_t i = first * cloud(p->s); i < last * cloud(p->s); i++)
        sum += p->grad_out[i] * (high[i] - low[i]);
    free(high), free(low);
    return sum / (2 * h);
}

/* The derivative by *x of the items from first on, before last. Many points start on faces, and some
   trajectories only graze one: there second derivatives jump, and a difference is off by (jump) h,
   which two steps remove. What remains are roundings, some 1e-16 / 1e-8 for each output. */
static double slope(problem *p, double *x, int64_t first, int64_t last) {
    const double coarse = difference(p, x, 1e-7, first, last), fine = difference(p, x, 1e-8, first, last);
    return (10 * fine - coarse) / 9;
}

static double largest(const double *x, int64_t n) {
    double most = 0;
    for (int64_t i = 0; i < n; i++) most = fmax(most, fabs(x[i]));
    return most;
}

static void against_differences(const space *s, double rate, double time, int64_t points_batch, rng *r) {
    problem p = problem_make(s, r, rate, time, points_batch);
    vjp(&p);
    const int64_t n_velocity = n_batch * field_size(s), n_clouds = n_batch * cloud(s);
    const double scale_v = largest(p.grad_velocity, n_velocity);
    CHECK(scale_v > 1e-3); /* a gradient of nothing would be easy to confirm */
    for (int64_t i = 0; i < n_velocity; i++)
        CHECK_NEAR(p.grad_velocity[i], slope(&p, &p.velocity[i], 0, n_batch), 1e-6 * scale_v);
    const double scale_p = largest(p.grad_points, n_clouds);
    CHECK(scale_p > 1e-3);
    for (int64_t i = 0; i < n_clouds; i++) {
        const int64_t item = i / cloud(s), point = points_batch == 1 ? i % cloud(s) : i;
        CHECK_NEAR(p.grad_points[i], slope(&p, &p.points[point], item, item + 1), 1e-6 * scale_p);
    }
    problem_free(&p);
}

/* Either result alone has the same bits; none at all is fine. */
static void one_result_only(const space *s, rng *r) {
    problem p = problem_make(s, r, 2, 1, n_batch);
    vjp(&p);
    const int64_t n_velocity = n_batch * field_size(s), n_clouds = n_batch * cloud(s);
    double *alone = room(n_velocity + n_clouds, sizeof *alone);
    fill(alone, n_velocity, 1e9);
    CHECK(cpab_transform_vjp(&p.call, p.points, p.velocity, p.grad_out, NULL, alone) == CPAB_OK);
    CHECK(memcmp(alone, p.grad_velocity, (size_t)n_velocity * sizeof *alone) == 0);
    fill(alone, n_clouds, 1e9);
    CHECK(cpab_transform_vjp(&p.call, p.points, p.velocity, p.grad_out, alone, NULL) == CPAB_OK);
    CHECK(memcmp(alone, p.grad_points, (size_t)n_clouds * sizeof *alone) == 0);
    CHECK(cpab_transform_vjp(&p.call, p.points, p.velocity, p.grad_out, NULL, NULL) == CPAB_OK);
    free(alone);
    problem_free(&p);
}

/* Shared points are points repeated for every item, to the bit. */
static void shared_points(const space *s, rng *r) {
    problem shared = problem_make(s, r, 2, 1, 1);
    vjp(&shared);
    problem p = problem_make(s, r, 0, 1, n_batch);
    memcpy(p.velocity, shared.velocity, (size_t)(n_batch * field_size(s)) * sizeof(double));
    memcpy(p.grad_out, shared.grad_out, (size_t)(n_batch * cloud(s)) * sizeof(double));
    for (int b = 0; b < n_batch; b++)
        memcpy(p.points + b * cloud(s), shared.points, (size_t)cloud(s) * sizeof(double));
    vjp(&p);
    CHECK(!memcmp(p.grad_velocity, shared.grad_velocity, (size_t)(n_batch * field_size(s)) * sizeof(double)));
    CHECK(!memcmp(p.grad_points, shared.grad_points, (size_t)(n_batch * cloud(s)) * sizeof(double)));
    problem_free(&p);
    problem_free(&shared);
}

/* phi(-t) of v is phi(t) of -v, hence the same dL/dx, and dL/dv of the other sign. */
static void sign_of_time(const space *s, rng *r) {
    problem p = problem_make(s, r, 2, 0.75, n_batch), q = problem_make(s, r, 0, -0.75, n_batch);
    for (int64_t i = 0; i < n_batch * field_size(s); i++) q.velocity[i] = -p.velocity[i];
    memcpy(q.points, p.points, (size_t)(n_batch * cloud(s)) * sizeof(double));
    memcpy(q.grad_out, p.grad_out, (size_t)(n_batch * cloud(s)) * sizeof(double));
    vjp(&p);
    vjp(&q);
    for (int64_t i = 0; i < n_batch * field_size(s); i++) CHECK(p.grad_velocity[i] == -q.grad_velocity[i]);
    for (int64_t i = 0; i < n_batch * cloud(s); i++) CHECK(p.grad_points[i] == q.grad_points[i]);
    problem_free(&p);
    problem_free(&q);
}

/* Chain rule over phi(s + t) = phi(t) after phi(s): dL/dx goes back through both, and dL/dv adds up.
   s + t with t < 0 goes back over the same way. */
static void additive_in_time(const space *s, double first, double second, rng *r) {
    const double rate = 2;
    problem whole = problem_make(s, r, rate, first + second, n_batch);
    problem a = problem_make(s, r, 0, first, n_batch), b = problem_make(s, r, 0, second, n_batch);
    const int64_t n_velocity = n_batch * field_size(s), n_clouds = n_batch * cloud(s);
    vjp(&whole);
    memcpy(a.velocity, whole.velocity, (size_t)n_velocity * sizeof(double));
    memcpy(b.velocity, whole.velocity, (size_t)n_velocity * sizeof(double));
    memcpy(a.points, whole.points, (size_t)n_clouds * sizeof(double));
    forward(&a, b.points);
    memcpy(b.grad_out, whole.grad_out, (size_t)n_clouds * sizeof(double));
    vjp(&b);
    memcpy(a.grad_out, b.grad_points, (size_t)n_clouds * sizeof(double));
    vjp(&a);
    /* b's start has a's rounding errors, and derivatives change at most by rate * growth with it */
    const double spread = growth(s, rate, fabs(first) + fabs(second)),
                 tolerance = 64 * DBL_EPSILON * n_points * spread;
    for (int64_t i = 0; i < n_velocity; i++)
        CHECK_NEAR(a.grad_velocity[i] + b.grad_velocity[i], whole.grad_velocity[i], tolerance);
    for (int64_t i = 0; i < n_clouds; i++) CHECK_NEAR(a.grad_points[i], whole.grad_points[i], tolerance);
    problem_free(&whole);
    problem_free(&a);
    problem_free(&b);
}

/* Barycentric coordinates of the point of the domain nearest to x in some cell that has it; in 1D as
   in 2D from the cells and vertices that the library names. Answers the cell. */
static int64_t find_by_search(const space *s, const double *x, double *l) {
    double y[2] = {0, 0};
    for (int d = 0; d < s->ndim; d++) y[d] = fmin(fmax(x[d], s->lower[d]), s->upper[d]);
    for (int64_t c = 0; c < s->n_cells; c++) {
        const int64_t *v = s->cells + c * (s->ndim + 1);
        const double *p = s->vertices;
        if (s->ndim == 1) {
            l[1] = (y[0] - p[v[0]]) / (p[v[1]] - p[v[0]]);
            l[0] = 1 - l[1];
            if (l[0] >= -1e-12 && l[1] >= -1e-12) return c;
            continue;
        }
        const double ax = p[2 * v[1]] - p[2 * v[0]], ay = p[2 * v[1] + 1] - p[2 * v[0] + 1];
        const double bx = p[2 * v[2]] - p[2 * v[0]], by = p[2 * v[2] + 1] - p[2 * v[0] + 1];
        const double dx = y[0] - p[2 * v[0]], dy = y[1] - p[2 * v[0] + 1], det = ax * by - ay * bx;
        l[1] = (dx * by - dy * bx) / det;
        l[2] = (ax * dy - ay * dx) / det;
        l[0] = 1 - l[1] - l[2];
        if (l[0] >= -1e-12 && l[1] >= -1e-12 && l[2] >= -1e-12) return c;
    }
    return -1;
}

/* Around the zero field phi(x) = x + time * v(x) to first order: dL/dv of a vertex is its hat function
   at the points, times dL/d out. NEAREST, so that outside the same holds at the nearest point. */
static void zero_field(const space *s, rng *r) {
    problem p = problem_make(s, r, 0, 0.5, n_batch);
    vjp(&p);
    double *expected = room(n_batch * field_size(s), sizeof *expected);
    for (int64_t i = 0; i < n_batch * n_points; i++) {
        double l[3];
        const int64_t cell = find_by_search(s, p.points + i * s->ndim, l);
        CHECK(cell >= 0);
        if (cell < 0) continue;
        for (int k = 0; k <= s->ndim; k++)
            for (int d = 0; d < s->ndim; d++)
                expected[i / n_points * field_size(s) + s->cells[cell * (s->ndim + 1) + k] * s->ndim + d] +=
                    p.call.time * l[k] * p.grad_out[i * s->ndim + d];
    }
    for (int64_t i = 0; i < n_batch * cloud(s); i++)
        CHECK_NEAR(p.grad_points[i], p.grad_out[i], 4 * DBL_EPSILON);
    for (int64_t i = 0; i < n_batch * field_size(s); i++)
        CHECK_NEAR(p.grad_velocity[i], expected[i], 1e-12); /* 24 terms below 1, at 1e-12 of a face */
    free(expected);
    problem_free(&p);
}

/* float32 agrees with float64 on the same numbers. */
static void f32_agrees_with_f64(const space *s, rng *r) {
    const double rate = 1;
    problem p = problem_make(s, r, rate, 1, n_batch);
    const int64_t n_velocity = n_batch * field_size(s), n_clouds = n_batch * cloud(s);
    float *f = room(2 * n_velocity + 3 * n_clouds, sizeof *f);
    float *velocity = f, *points = velocity + n_velocity, *grad_out = points + n_clouds;
    float *grad_velocity = grad_out + n_clouds, *grad_points = grad_velocity + n_velocity;
    for (int64_t i = 0; i < n_velocity; i++) p.velocity[i] = (double)(velocity[i] = (float)p.velocity[i]);
    for (int64_t i = 0; i < n_clouds; i++) {
        p.points[i] = (double)(points[i] = (float)p.points[i]);
        p.grad_out[i] = (double)(grad_out[i] = (float)p.grad_out[i]);
    }
    vjp(&p);
    p.call.dtype = CPAB_FLOAT32;
    CHECK(cpab_transform_vjp(&p.call, points, velocity, grad_out, grad_points, grad_velocity) == CPAB_OK);
    const double tolerance = 16 * (double)FLT_EPSILON * growth(s, rate, 1);
    for (int64_t i = 0; i < n_velocity; i++)
        CHECK_NEAR((double)grad_velocity[i], p.grad_velocity[i],
                   tolerance * fmax(1, largest(p.grad_velocity, n_velocity)));
    for (int64_t i = 0; i < n_clouds; i++)
        CHECK_NEAR((double)grad_points[i], p.grad_points[i], 2 * tolerance);
    free(f);
    problem_free(&p);
}

int main(void) {
    rng r = {7};
    for (int outside = CPAB_OUTSIDE_LINEAR; outside <= CPAB_OUTSIDE_NEAREST; outside++) {
        cpab_tessellation_options wide = options_of(2, 2, 3, outside); /* units differ by axis */
        wide.lower[0] = 0, wide.upper[0] = 4;
        space spaces[] = {space_make(1, 1, 1, outside), space_make(1, 6, 1, outside),
                          space_make(2, 1, 1, outside), space_make(2, 3, 2, outside), space_from(wide)};
        for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++) {
            const space *s = &spaces[i];
            against_differences(s, 1, 1, n_batch, &r);
            against_differences(s, 2, -1, n_batch, &r);
            against_differences(s, 2, 0.5, 1, &r);
            one_result_only(s, &r);
            shared_points(s, &r);
            sign_of_time(s, &r);
            additive_in_time(s, 0.375, 0.625, &r);
            additive_in_time(s, 1, -0.25, &r);
            if (outside == CPAB_OUTSIDE_NEAREST) zero_field(s, &r);
            f32_agrees_with_f64(s, &r);
            space_free(&spaces[i]);
        }
    }
    return check_result();
}
