/* A tessellation together with what the tests need to know about it, all through the public ABI. */
#ifndef SPACE_H
#define SPACE_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "check.h"
#include "cpab.h"
#include "rng.h"

typedef struct {
    int ndim, outside;
    int64_t size[3]; /* cells along each axis; 1 along those that are not there */
    double lower[3], upper[3];
    int64_t n_vertices, n_cells;
    cpab_tessellation *tess;
    double *vertices;
    int64_t *cells;
} space;

/* calloc that a test need not check, and that never answers NULL for 0 elements. */
static inline void *room(int64_t n, size_t size) {
    void *memory = calloc(n > 0 ? (size_t)n : 1, size);
    if (!memory) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    return memory;
}

static inline cpab_tessellation_options options_of(int ndim, int64_t nx, int64_t ny, int outside) {
    cpab_tessellation_options o;
    memset(&o, 0, sizeof o);
    o.struct_size = sizeof o;
    o.ndim = ndim;
    o.outside = outside;
    o.cells[0] = nx;
    o.cells[1] = ny;
    for (int d = 0; d < 2; d++) {
        o.lower[d] = -1;
        o.upper[d] = 1;
    }
    return o;
}

static inline cpab_library library_now(void) {
    cpab_library library;
    memset(&library, 0, sizeof library);
    library.struct_size = sizeof library;
    CHECK(cpab_library_describe(&library) == CPAB_OK);
    return library;
}

static inline cpab_tessellation_sizes sizes_of(const cpab_tessellation *tess) {
    cpab_tessellation_sizes sizes;
    memset(&sizes, 0, sizeof sizes);
    sizes.struct_size = sizeof sizes;
    CHECK(cpab_tessellation_describe(tess, &sizes) == CPAB_OK);
    return sizes;
}

static inline space space_from(cpab_tessellation_options o) {
    space s;
    memset(&s, 0, sizeof s);
    s.ndim = o.ndim;
    s.outside = o.outside;
    for (int d = 0; d < 3; d++) {
        s.size[d] = d < o.ndim ? o.cells[d] : 1;
        s.lower[d] = o.lower[d];
        s.upper[d] = o.upper[d];
    }
    if (cpab_tessellation_create(&o, &s.tess) != CPAB_OK) {
        fprintf(stderr, "no tessellation\n");
        exit(1);
    }
    const cpab_tessellation_sizes sizes = sizes_of(s.tess);
    s.n_vertices = sizes.n_vertices;
    s.n_cells = sizes.n_cells;
    s.vertices = room(s.n_vertices * s.ndim, sizeof *s.vertices);
    s.cells = room(s.n_cells * (s.ndim + 1), sizeof *s.cells);
    CHECK(cpab_tessellation_geometry(s.tess, s.vertices, s.cells) == CPAB_OK);
    return s;
}

/* The domain is [-1, 1]^ndim; ny is ignored in 1D. */
static inline space space_make(int ndim, int64_t nx, int64_t ny, int outside) {
    return space_from(options_of(ndim, nx, ny, outside));
}

static inline void space_free(space *s) {
    cpab_tessellation_destroy(s->tess);
    free(s->vertices);
    free(s->cells);
}

/* Moves n points by one field. */
static inline cpab_status move_points(const space *s, int32_t dtype, const void *points, const void *velocity,
                                      void *out, int64_t n, double time) {
    cpab_call call = call_make(s->tess, dtype, 1, n, 1, time);
    const cpab_status status = cpab_transform(&call, points, velocity, out);
    CHECK(call.failed_item == (status == CPAB_OK ? -1 : 0));
    return status;
}

static inline int64_t field_size(const space *s) { return s->n_vertices * s->ndim; }

static inline double cell_width(const space *s, int d) {
    return (s->upper[d] - s->lower[d]) / (double)s->size[d];
}

/* dv / dx of a cell, [ndim][ndim], from the differences along two of its edges. */
static inline void cell_linear(const space *s, const double *velocity, int64_t cell, double a[2][2]) {
    const int64_t *c = s->cells + cell * (s->ndim + 1);
    const double *x = s->vertices, *v = velocity;
    if (s->ndim == 1) {
        a[0][0] = (v[c[1]] - v[c[0]]) / (x[c[1]] - x[c[0]]);
        return;
    }
    double e[2][2], f[2][2]; /* [axis][edge] */
    for (int d = 0; d < 2; d++)
        for (int k = 0; k < 2; k++) {
            e[d][k] = x[2 * c[k + 1] + d] - x[2 * c[0] + d];
            f[d][k] = v[2 * c[k + 1] + d] - v[2 * c[0] + d];
        }
    const double det = e[0][0] * e[1][1] - e[0][1] * e[1][0];
    for (int d = 0; d < 2; d++) {
        a[d][0] = (f[d][0] * e[1][1] - f[d][1] * e[1][0]) / det;
        a[d][1] = (f[d][1] * e[0][0] - f[d][0] * e[0][1]) / det;
    }
}

/* Largest row-sum norm of A over the cells, in units of cells: what CPAB_MAX_RATE is about. In 1D and 2D. */
static inline double field_rate(const space *s, const double *velocity) {
    double most = 0;
    for (int64_t c = 0; c < s->n_cells; c++) {
        double a[2][2] = {{0, 0}, {0, 0}};
        cell_linear(s, velocity, c, a);
        for (int i = 0; i < s->ndim; i++) {
            double sum = 0;
            for (int j = 0; j < s->ndim; j++) sum += fabs(a[i][j]) * cell_width(s, j) / cell_width(s, i);
            if (sum > most) most = sum;
        }
    }
    return most;
}

/* Gronwall: how far the flow of a field with this rate can part two points per unit of distance.
   Outside, LINEAR adds up two sides' derivatives. */
static inline double growth(const space *s, double rate, double time) {
    return exp(rate * fabs(time) * (s->outside == CPAB_OUTSIDE_LINEAR ? 2 : 1));
}

/* Uniform velocities, scaled to the given rate; in 3D, that must be 0. */
static inline void random_field(const space *s, rng *r, double rate, double *velocity) {
    for (int64_t i = 0; i < field_size(s); i++) velocity[i] = rng_uniform(r, -1, 1);
    const double factor = rate == 0 ? 0 : rate / field_rate(s, velocity);
    for (int64_t i = 0; i < field_size(s); i++) velocity[i] *= factor;
}

/* No velocity across the border. */
static inline void close_border(const space *s, double *velocity) {
    for (int64_t v = 0; v < s->n_vertices; v++)
        for (int d = 0; d < s->ndim; d++) {
            const double x = s->vertices[v * s->ndim + d], tiny = 1e-9 * cell_width(s, d);
            if (x < s->lower[d] + tiny || x > s->upper[d] - tiny) velocity[v * s->ndim + d] = 0;
        }
}

/* One of the places where a walk can go wrong: anywhere, a vertex, on a side of a rectangle, on a
   diagonal, or outside (in a strip or a corner; up to half a cell away). */
static inline void random_point(const space *s, rng *r, double *x) {
    double u[2]; /* in cells */
    const int kind = (int)rng_below(r, 6);
    for (int d = 0; d < s->ndim; d++) {
        u[d] = rng_uniform(r, 0, (double)s->size[d]);
        if (kind == 1 || (kind == 2 && d == 0)) u[d] = (double)rng_below(r, s->size[d] + 1);
        if (kind == 5 && rng_below(r, 2))
            u[d] = rng_below(r, 2) ? -rng_uniform(r, 0, 0.5) : (double)s->size[d] + rng_uniform(r, 0, 0.5);
    }
    if (s->ndim == 2 && kind == 2 && rng_below(r, 2)) { /* a side along x instead of y */
        u[1] = (double)rng_below(r, s->size[1] + 1);
        u[0] = rng_uniform(r, 0, (double)s->size[0]);
    }
    if (s->ndim == 2 && kind == 3) {
        const double part = u[0] - floor(u[0]);
        u[1] = (double)rng_below(r, s->size[1]) + (rng_below(r, 2) ? part : 1 - part);
    }
    for (int d = 0; d < s->ndim; d++) x[d] = s->lower[d] + u[d] * cell_width(s, d);
}

#endif
