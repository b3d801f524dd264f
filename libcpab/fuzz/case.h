/* One call's arguments as the bytes describe them, in double precision; the calls round them. */
#ifndef CASE_H
#define CASE_H

#include "options.h"

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
    WRONG_THREADS,
    UNCOUNTABLE_SIZES,
    NO_CALL,
    WRONG_STRUCT_SIZE,
    WRONG_DTYPE,
    WRONG_DEVICE
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
    int64_t beyond[2];  /* UNCOUNTABLE_SIZES: the n_batch and n_points that calls are given */
    uint64_t odd;       /* for what is wrong with members of the call */
    int garbage;        /* in the members that these calls ignore */
    int skipped_result; /* optional pointers */
    int crowded;        /* to be repeated with so many points that threads share them */
    int general;        /* no point is likely to lie on a face, nor a path along one */
    int comparable;     /* velocities and points are floats */
    double *velocity, *points, *tangent_velocity, *tangent_points, *grad_out;
    double *unit; /* points in cells, from the low corner of the domain */
} test_case;

static inline int64_t n_field(const test_case *c) { return c->n_batch * c->n_vertices * c->ndim; }
static inline int64_t n_cloud(const test_case *c) { return c->n_batch * c->n_points * c->ndim; }
static inline int64_t n_given(const test_case *c) { return c->points_batch * c->n_points * c->ndim; }

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

/* One, two, or those of the environment: few points are for one thread in any case. In some cases they are to
   be repeated until there are enough for three. */
static inline void take_threads(bytes *b, int32_t *n_threads, int *crowded) {
    static const int32_t numbers[] = {1, 2, 1, 0};
    const uint8_t byte = take(b);
    *n_threads = numbers[byte % 4];
    *crowded = byte >= 224 && *n_threads == 2;
}

/* How often n points must be repeated for that. */
enum { CROWD = 3 * 2048 };
static inline int64_t copies_of(int64_t n) { return 1 + CROWD / n; }

static inline void to_float(double *x, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (isfinite(x[i])) x[i] = (double)(float)fmin(fmax(x[i], -FLT_MAX), FLT_MAX);
}

/* n_batch and n_points, at least 2^60 in their product, which may be beyond any type. */
static inline void take_uncountable(bytes *b, int64_t sizes[2]) {
    const int64_t power = take_below(b, 63), least = power < 60 ? INT64_C(1) << (60 - power) : 1;
    sizes[0] = (INT64_C(1) << power) + take_below(b, 256) % (INT64_C(1) << power);
    sizes[1] = take_below(b, 2) ? least + take_below(b, 256)
                                : least + (int64_t)(take_word(b) % (uint64_t)(INT64_MAX - least));
    if (take_below(b, 2)) {
        const int64_t kept = sizes[0];
        sizes[0] = sizes[1], sizes[1] = kept;
    }
}

/* 0 if the bytes describe no tessellation. */
static inline int case_make(bytes *b, test_case *c) {
    memset(c, 0, sizeof *c);
    const cpab_tessellation_options o = take_options(b);
    if (cpab_tessellation_create(&o, &c->tess) != CPAB_OK) return 0;
    c->ndim = o.ndim;
    c->n_vertices = sizes_of(c->tess).n_vertices;
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
    take_threads(b, &c->n_threads, &c->crowded);
    c->time = take_time(b);
    const uint8_t flags = take(b);
    c->garbage = flags & 1;
    c->skipped_result = flags >> 1 & 3;
    if (flags >> 3 == 31) c->wrong = (defect)take_below(b, WRONG_DEVICE + 1);
    if (!isfinite(c->time)) c->wrong = WRONG_TIME;
    if (c->wrong == UNCOUNTABLE_SIZES) take_uncountable(b, c->beyond);
    if (c->wrong >= WRONG_STRUCT_SIZE) c->odd = take_word(b);
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
