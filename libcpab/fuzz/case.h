/* One call's arguments as the bytes describe them, in double precision; the calls round them. */
#ifndef CASE_H
#define CASE_H

#include <stdio.h>
#include <stdlib.h>

#include "bytes.h"
#include "cpab.h"

/* A broken promise of cpab.h ends the program, as a crash does. */
#define REQUIRE(promise)                                                          \
    do {                                                                          \
        if (!(promise)) {                                                         \
            fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #promise); \
            abort();                                                              \
        }                                                                         \
    } while (0)

/* At most one thing that is wrong with the arguments. */
typedef enum {
    NOTHING_WRONG,
    NO_TESSELLATION,
    NO_VELOCITY,
    NO_POINTS,
    NO_RESULT,
    NEGATIVE_BATCH,
    NEGATIVE_POINTS,
    WRONG_POINTS_BATCH,
    WRONG_TIME,
    WRONG_THREADS
} defect;

typedef struct {
    cpab_tessellation *tess;
    int ndim, standard; /* standard: the domain is [-1, 1]^n */
    int64_t cells[3], n_vertices;
    double lower[3], width[3]; /* of the domain; of a cell */
    int64_t n_batch, n_points, points_batch;
    double time;
    int32_t n_threads;
    defect wrong;
    int with_failed_item, skipped_result; /* optional pointers */
    int general;                          /* no point is likely to lie on a face, nor a path along one */
    int comparable;                       /* velocities and points are floats */
    double *velocity, *points, *tangent_velocity, *tangent_points, *grad_out;
    double *unit; /* points in cells, from the low corner of the domain */
} test_case;

static inline int64_t n_field(const test_case *c) { return c->n_batch * c->n_vertices * c->ndim; }
static inline int64_t n_cloud(const test_case *c) { return c->n_batch * c->n_points * c->ndim; }
static inline int64_t n_given(const test_case *c) { return c->points_batch * c->n_points * c->ndim; }

/* malloc, of exactly this size: the sanitizer then sees the first byte beyond. */
static inline void *room(int64_t n, size_t size) {
    void *memory = malloc((size_t)n * size + (n == 0));
    if (!memory) exit(1);
    return memory;
}

static inline cpab_tessellation_options take_options(bytes *b) {
    cpab_tessellation_options o;
    memset(&o, 0, sizeof o);
    o.struct_size = sizeof o;
    o.ndim = 1 + (int32_t)take_below(b, 3);
    o.outside = (int32_t)take_below(b, 2);
    static const int64_t most[] = {20, 8, 3};
    const int64_t more = o.ndim == 1 && take_below(b, 8) == 1 ? 10 : 1; /* many intervals now and then */
    for (int d = 0; d < 3; d++) o.cells[d] = 1 + take_below(b, most[o.ndim - 1]) * more;
    const int64_t domain = take_below(b, 4);
    for (int d = 0; d < 3; d++) {
        o.lower[d] = domain == 0 ? -1 : domain == 1 ? 0 : take_number(b);
        o.upper[d] = domain < 2 ? 1 : domain == 2 ? o.lower[d] + fabs(take_number(b)) : take_number(b);
    }
    return o;
}

/* Whatever the options are, the answer is a tessellation or a status that says what is wrong with them. */
static inline void try_options(bytes *b) {
    static const int64_t cells[] = {0,    -1, INT64_MIN, INT64_MAX, CPAB_MAX_CELLS + 1, INT64_C(1) << 40,
                                    2000, 1};
    cpab_tessellation_options o = take_options(b);
    const int64_t which = take_below(b, 6);
    cpab_status expected = CPAB_OK;
    int valid = 1;
    for (int d = 0; d < o.ndim; d++)
        valid &= isfinite(o.lower[d]) && isfinite(o.upper[d]) && o.lower[d] < o.upper[d] &&
                 isfinite(o.upper[d] - o.lower[d]) &&
                 isfinite((double)o.cells[d] / (o.upper[d] - o.lower[d]));
    if (!valid) expected = CPAB_E_DOMAIN;
    if (which == 1) {
        const int64_t d = take_below(b, o.ndim);
        o.cells[d] = cells[take_below(b, 6)];
        for (int e = 0; e < d; e++) expected = valid ? CPAB_E_CELLS : expected;
        if (valid || d == 0) expected = CPAB_E_CELLS;
    }
    if (which == 2) o.outside = (int32_t)take_word(b) | 2, expected = CPAB_E_OPTION;
    if (which == 3) o.ndim = (int32_t)(take_word(b) | 4), expected = CPAB_E_NDIM;
    if (which == 4) o.struct_size = (size_t)take(b), expected = CPAB_E_ABI;
    if (which == 4 && o.struct_size == sizeof o) expected = valid ? CPAB_OK : CPAB_E_DOMAIN;
    cpab_tessellation *tess = (cpab_tessellation *)&o;
    const cpab_status status = cpab_tessellation_create(which == 5 ? NULL : &o, &tess);
    if (which == 5) expected = CPAB_E_NULL;
    if (which == 1 && !valid)
        REQUIRE(status == CPAB_E_CELLS || status == CPAB_E_DOMAIN);
    else
        REQUIRE(status == expected);
    REQUIRE((status == CPAB_OK) == (tess != NULL));
    REQUIRE(cpab_tessellation_create(&o, NULL) == CPAB_E_NULL);
    REQUIRE(cpab_tessellation_vertices(tess, NULL) == CPAB_E_NULL);
    REQUIRE(cpab_tessellation_cells(tess, NULL) == CPAB_E_NULL);
    REQUIRE(cpab_tessellation_ndim(tess) == (tess ? o.ndim : 0));
    REQUIRE(cpab_status_text((cpab_status)take_word(b)) != NULL);
    cpab_tessellation_destroy(tess);
}

static inline void check_tables(const test_case *c) {
    const int64_t n_cells = cpab_tessellation_n_cells(c->tess), slots = c->ndim + 1;
    double *vertices = room(c->n_vertices * c->ndim, sizeof *vertices);
    int64_t *cells = room(n_cells * slots, sizeof *cells);
    REQUIRE(cpab_tessellation_vertices(c->tess, vertices) == CPAB_OK);
    REQUIRE(cpab_tessellation_cells(c->tess, cells) == CPAB_OK);
    for (int64_t i = 0; i < c->n_vertices * c->ndim; i++) REQUIRE(isfinite(vertices[i]));
    for (int64_t i = 0; i < n_cells * slots; i++) REQUIRE(cells[i] >= 0 && cells[i] < c->n_vertices);
    free(vertices), free(cells);
}

/* Points in units of cells first; a lattice of quarters holds all vertices. */
static inline void take_points(bytes *b, test_case *c) {
    const int uniform = take_numbers(b, c->unit, n_given(c));
    const int64_t way = take_below(b, 4);
    c->general = uniform && way != 2;
    for (int64_t i = 0; i < n_given(c); i++) {
        const int d = (int)(i % c->ndim);
        if (way == 0) c->unit[i] *= 4;                                              /* on the lattice */
        if (way == 1) c->unit[i] = (c->unit[i] + 1) / 2 * (double)c->cells[d];      /* within the domain */
        if (way == 2) c->unit[i] = floor(c->unit[i] * 4) / 4 + (double)c->cells[d]; /* at the far end */
        c->points[i] = c->lower[d] + c->unit[i] * c->width[d];
    }
}

static inline double take_time(bytes *b) {
    static const double times[] = {1, -1, 0, 0.5, -0.25, 2, 1e-6, 1e-300};
    const int64_t way = take_below(b, 10);
    return way < 8 ? times[way] : take_number(b);
}

static inline void to_float(double *x, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (isfinite(x[i])) x[i] = (double)(float)fmin(fmax(x[i], -FLT_MAX), FLT_MAX);
}

/* 0 if the bytes describe no tessellation. */
static inline int case_make(bytes *b, test_case *c) {
    memset(c, 0, sizeof *c);
    const cpab_tessellation_options o = take_options(b);
    if (cpab_tessellation_create(&o, &c->tess) != CPAB_OK) return 0;
    c->ndim = o.ndim;
    c->n_vertices = cpab_tessellation_n_vertices(c->tess);
    c->standard = 1;
    for (int d = 0; d < c->ndim; d++) {
        c->standard &= o.lower[d] == -1 && o.upper[d] == 1;
        c->cells[d] = o.cells[d];
        c->lower[d] = o.lower[d];
        c->width[d] = (o.upper[d] - o.lower[d]) / (double)o.cells[d];
    }
    c->n_batch = take_below(b, 4);
    c->n_points = take_below(b, 20);
    c->points_batch = take_below(b, 2) ? 1 : c->n_batch;
    c->n_threads = take_below(b, 4) == 1 ? 2 : 1;
    c->time = take_time(b);
    const uint8_t flags = take(b);
    c->with_failed_item = flags & 1;
    c->skipped_result = flags >> 1 & 3;
    if (flags >> 3 == 31) c->wrong = (defect)take_below(b, WRONG_THREADS + 1);
    if (!isfinite(c->time)) c->wrong = WRONG_TIME;
    c->velocity = room(n_field(c), sizeof(double));
    c->tangent_velocity = room(n_field(c), sizeof(double));
    c->grad_out = room(n_cloud(c), sizeof(double));
    c->points = room(n_given(c), sizeof(double));
    c->unit = room(n_given(c), sizeof(double));
    c->tangent_points = room(n_given(c), sizeof(double));
    const int uniform = take_numbers(b, c->velocity, n_field(c));
    take_points(b, c);
    c->general &= uniform;
    take_numbers(b, c->grad_out, n_cloud(c));
    take_numbers(b, c->tangent_velocity, n_field(c));
    take_numbers(b, c->tangent_points, n_given(c));
    for (int64_t i = 0; i < n_field(c); i++) {
        c->velocity[i] *= c->width[i % c->ndim];
        c->tangent_velocity[i] *= c->width[i % c->ndim];
    }
    if (take_below(b, 4) > 0) { /* the same numbers for both types */
        to_float(c->velocity, n_field(c)), to_float(c->points, n_given(c));
        c->comparable = 1;
    }
    return 1;
}

static inline void case_free(test_case *c) {
    cpab_tessellation_destroy(c->tess);
    free(c->velocity), free(c->points), free(c->tangent_velocity), free(c->tangent_points);
    free(c->grad_out), free(c->unit);
}

#endif
