/*
 * In 2D the oracle is a general ODE solver: classical Runge-Kutta with small steps over a field that
 * is evaluated from the header's description alone. It knows no walk, faces or ghost cells.
 */
#include "space.h"

/* The outward derivative of a side, averaged over its boundary triangles: LINEAR's promise. Axis of
   the normal, and whether it is the high side. */
static void side_derivative(const space *s, const double *velocity, int axis, int high, double *out) {
    const int64_t nx = s->size[0], ny = s->size[1], n = s->size[1 - axis];
    const int k = axis == 0 ? (high ? 1 : 3) : (high ? 2 : 0);
    out[0] = out[1] = 0;
    for (int64_t m = 0; m < n; m++) {
        const int64_t i = axis == 0 ? (high ? nx - 1 : 0) : m, j = axis == 1 ? (high ? ny - 1 : 0) : m;
        double a[2][2];
        cell_linear(s, velocity, 4 * (i + nx * j) + k, a);
        for (int d = 0; d < 2; d++) out[d] += (high ? 1 : -1) * a[d][axis] / (double)n;
    }
}

typedef struct {
    const space *s;
    const double *velocity;
    double side[2][2][2]; /* [axis][high] */
} field_2d;

static field_2d field_of(const space *s, const double *velocity) {
    field_2d f = {s, velocity, {{{0, 0}, {0, 0}}, {{0, 0}, {0, 0}}}};
    if (s->outside == CPAB_OUTSIDE_LINEAR)
        for (int axis = 0; axis < 2; axis++)
            for (int high = 0; high < 2; high++) side_derivative(s, velocity, axis, high, f.side[axis][high]);
    return f;
}

/* Inside a rectangle, with p and q from -1 to 1 from its centre, |p| or |q| picks the triangle. There
   v is the centre's velocity, plus the corners' mean on that side, plus the change along it. */
static void velocity_at(const field_2d *f, const double *x, double *v) {
    const space *s = f->s;
    const int64_t nx = s->size[0], ny = s->size[1];
    double u[2], beyond[2];
    int64_t cell[2];
    for (int d = 0; d < 2; d++) {
        u[d] = (x[d] - s->lower[d]) / cell_width(s, d);
        const double inside = fmin(fmax(u[d], 0), (double)s->size[d]);
        beyond[d] = (u[d] - inside) * cell_width(s, d);
        u[d] = inside;
        cell[d] = (int64_t)u[d];
        if (cell[d] == s->size[d]) cell[d]--;
    }
    const double p = 2 * (u[0] - (double)cell[0]) - 1, q = 2 * (u[1] - (double)cell[1]) - 1;
    const double *at = f->velocity;
    const int64_t low = cell[0] + (nx + 1) * cell[1], centre = (nx + 1) * (ny + 1) + cell[0] + nx * cell[1];
    const int along_x = fabs(q) >= fabs(p); /* the side is a low or high y one */
    const int64_t step_side = along_x ? nx + 1 : 1, step_along = along_x ? 1 : nx + 1;
    const double towards = along_x ? q : p, along = along_x ? p : q;
    const int64_t first = low + (towards > 0 ? step_side : 0), second = first + step_along;
    for (int d = 0; d < 2; d++) {
        v[d] = (1 - fabs(towards)) * at[2 * centre + d] +
               fabs(towards) * (at[2 * first + d] + at[2 * second + d]) / 2 +
               along * (at[2 * second + d] - at[2 * first + d]) / 2;
        for (int axis = 0; axis < 2; axis++) v[d] += fabs(beyond[axis]) * f->side[axis][beyond[axis] > 0][d];
    }
}

static void integrate(const field_2d *f, const double *x, double time, int n_steps, double *out) {
    const double h = time / n_steps;
    double y[2] = {x[0], x[1]};
    for (int i = 0; i < n_steps; i++) {
        double k[4][2], z[2];
        velocity_at(f, y, k[0]);
        for (int stage = 1; stage < 4; stage++) {
            const double part = stage == 3 ? h : h / 2;
            for (int d = 0; d < 2; d++) z[d] = y[d] + part * k[stage - 1][d];
            velocity_at(f, z, k[stage]);
        }
        for (int d = 0; d < 2; d++) y[d] += h / 6 * (k[0][d] + 2 * k[1][d] + 2 * k[2][d] + k[3][d]);
    }
    out[0] = y[0], out[1] = y[1];
}

static void compare(int64_t nx, int64_t ny, int outside, double rate, double time, rng *r) {
    enum { n_points = 60, n_steps = 2000 };
    cpab_tessellation_options o = options_of(2, nx, ny, outside);
    o.lower[0] = -2, o.upper[0] = 1;
    space s = space_from(o);
    double *velocity = room(field_size(&s), sizeof *velocity);
    random_field(&s, r, rate, velocity);
    double points[2 * n_points], out[2 * n_points];
    for (int i = 0; i < n_points; i++) random_point(&s, r, points + 2 * i);
    CHECK(move_points(&s, CPAB_FLOAT64, points, velocity, out, n_points, time) == CPAB_OK);
    const field_2d f = field_of(&s, velocity);
    /* Where dv / dx jumps, a step of h is off by about (jump) |v| h^2 / 8: h^2 = 2.5e-7, some ten
       such steps, velocities around rate * width of a cell. */
    const double tolerance = 10 * rate * rate * 2.5e-7 * growth(&s, rate, time);
    for (int i = 0; i < n_points; i++) {
        double expected[2];
        integrate(&f, points + 2 * i, time, n_steps, expected);
        for (int d = 0; d < 2; d++) CHECK_NEAR(out[2 * i + d], expected[d], tolerance);
    }
    free(velocity);
    space_free(&s);
}

int main(void) {
    rng r = {99};
    for (int outside = CPAB_OUTSIDE_LINEAR; outside <= CPAB_OUTSIDE_NEAREST; outside++)
        for (int repeat = 0; repeat < 3; repeat++) {
            compare(1, 1, outside, 1, 1, &r);
            compare(4, 3, outside, 1, 1, &r);
            compare(4, 3, outside, 2, -1, &r);
            compare(9, 8, outside, 2, 0.75, &r);
        }
    return check_result();
}
