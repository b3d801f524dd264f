/* Tessellations as the bytes describe them, and what must hold of each. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "../tests/call.h"
#include "bytes.h"
#include "promise.h"

static inline cpab_tessellation_sizes sizes_of(const cpab_tessellation *tess) {
    cpab_tessellation_sizes sizes;
    memset(&sizes, 0, sizeof sizes);
    sizes.struct_size = sizeof sizes;
    REQUIRE(cpab_tessellation_describe(tess, &sizes) == CPAB_OK);
    return sizes;
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

static inline int has_domain(const cpab_tessellation_options *o) {
    for (int d = 0; d < o->ndim; d++) {
        const double width = o->upper[d] - o->lower[d];
        if (!isfinite(o->lower[d]) || !isfinite(width) || !(width > 0) ||
            !isfinite((double)o->cells[d] / width))
            return 0;
    }
    return 1;
}

/* Breaks one of the options, and answers what that is called. */
static inline cpab_status break_option(bytes *b, cpab_tessellation_options *o) {
    static const int64_t cells[] = {0, -1, INT64_MIN, INT64_MAX, CPAB_MAX_CELLS + 1, INT64_C(1) << 40};
    switch (take_below(b, 4)) {
        case 0: o->struct_size = take(b) + sizeof *o + 1; return CPAB_E_ABI;
        case 1: o->ndim = (int32_t)(take_word(b) | 4); return CPAB_E_NDIM;
        case 2: o->outside = (int32_t)(take_word(b) | 2); return CPAB_E_OPTION;
        default: o->cells[take_below(b, o->ndim)] = cells[take_below(b, 6)]; return CPAB_E_CELLS;
    }
}

/* An answer in a struct of another size is only that it has another size. */
static inline void try_struct_sizes(bytes *b) {
    cpab_tessellation_sizes sizes = {(size_t)take_word(b), -7, -8, -9};
    if (sizes.struct_size == sizeof sizes) return;
    REQUIRE(cpab_tessellation_describe(NULL, &sizes) == CPAB_E_ABI);
    REQUIRE(sizes.ndim == -7 && sizes.n_vertices == -8 && sizes.n_cells == -9);
    cpab_library library;
    memset(&library, 0, sizeof library);
    library.struct_size = (size_t)take_word(b);
    if (library.struct_size == sizeof library) return;
    REQUIRE(cpab_library_describe(&library) == CPAB_E_ABI);
    REQUIRE(library.abi_version == CPAB_ABI_VERSION && !library.version && !library.isa_names);
}

/* The answer is a tessellation, or a status that says what is wrong with the options. */
static inline void try_options(bytes *b) {
    cpab_tessellation_options o = take_options(b);
    cpab_status expected = has_domain(&o) ? CPAB_OK : CPAB_E_DOMAIN;
    const int two_faults = expected != CPAB_OK;
    if (take_below(b, 2)) expected = break_option(b, &o);
    cpab_tessellation *tess = (cpab_tessellation *)&o;
    const cpab_status status = cpab_tessellation_create(&o, &tess);
    REQUIRE(status == expected || (two_faults && status == CPAB_E_DOMAIN));
    REQUIRE((status == CPAB_OK) == (tess != NULL));
    REQUIRE(cpab_tessellation_create(&o, NULL) == CPAB_E_NULL);
    REQUIRE(cpab_tessellation_geometry(tess, NULL, NULL) == (tess ? CPAB_OK : CPAB_E_NULL));
    REQUIRE(cpab_tessellation_describe(tess, NULL) == CPAB_E_NULL);
    REQUIRE(sizes_of(tess).ndim == (tess ? o.ndim : 0));
    cpab_tessellation_destroy(tess);
    REQUIRE(cpab_tessellation_create(NULL, &tess) == CPAB_E_NULL);
    REQUIRE(tess == NULL);
    const cpab_message *message = cpab_explain((cpab_status)take_word(b));
    REQUIRE(message && message->required && message->received && message->remedy);
    try_struct_sizes(b);
}

static inline void check_tables(const cpab_tessellation *tess) {
    const cpab_tessellation_sizes sizes = sizes_of(tess);
    const int64_t ndim = sizes.ndim, slots = ndim + 1, n_vertices = sizes.n_vertices, n_cells = sizes.n_cells;
    double *vertices = room(n_vertices * ndim, sizeof *vertices);
    int64_t *cells = room(n_cells * slots, sizeof *cells);
    REQUIRE(cpab_tessellation_geometry(tess, vertices, cells) == CPAB_OK);
    for (int64_t i = 0; i < n_vertices * ndim; i++) REQUIRE(isfinite(vertices[i]));
    for (int64_t i = 0; i < n_cells * slots; i++) REQUIRE(cells[i] >= 0 && cells[i] < n_vertices);
    free(vertices), free(cells);
}

#endif
