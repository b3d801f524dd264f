/* What a tessellation says about itself, and which options it refuses. */
#include <float.h>
#include <math.h>
#include <stdint.h>

#include "space.h"

static void counts_and_places_1d(void) {
    space s = space_make(1, 5, 99, CPAB_OUTSIDE_LINEAR);
    CHECK(cpab_tessellation_ndim(s.tess) == 1);
    CHECK(s.n_vertices == 6);
    CHECK(s.n_cells == 5);
    for (int64_t i = 0; i < s.n_vertices; i++) CHECK_NEAR(s.vertices[i], -1 + 0.4 * (double)i, 1e-15);
    for (int64_t c = 0; c < s.n_cells; c++) {
        const int64_t a = s.cells[2 * c], b = s.cells[2 * c + 1];
        CHECK((a == c && b == c + 1) || (a == c + 1 && b == c));
    }
    space_free(&s);
}

/* The domain is not the default one, not square, and has no coordinate in common between axes. */
static void counts_and_places_2d(void) {
    cpab_tessellation_options o = options_of(2, 3, 2, CPAB_OUTSIDE_NEAREST);
    o.lower[0] = 10, o.upper[0] = 16;
    o.lower[1] = -7, o.upper[1] = -3;
    space s = space_from(o);
    CHECK(cpab_tessellation_ndim(s.tess) == 2);
    CHECK(s.n_vertices == 4 * 3 + 3 * 2);
    CHECK(s.n_cells == 4 * 3 * 2);
    const int64_t n_corners = 12;
    for (int64_t j = 0; j <= 2; j++)
        for (int64_t i = 0; i <= 3; i++) {
            CHECK_NEAR(s.vertices[2 * (i + 4 * j)], 10 + 2 * (double)i, 1e-14);
            CHECK_NEAR(s.vertices[2 * (i + 4 * j) + 1], -7 + 2 * (double)j, 1e-14);
        }
    for (int64_t j = 0; j < 2; j++)
        for (int64_t i = 0; i < 3; i++) {
            CHECK_NEAR(s.vertices[2 * (n_corners + i + 3 * j)], 11 + 2 * (double)i, 1e-14);
            CHECK_NEAR(s.vertices[2 * (n_corners + i + 3 * j) + 1], -6 + 2 * (double)j, 1e-14);
        }
    space_free(&s);
}

static int has(const int64_t *cell, int64_t vertex) {
    return (cell[0] == vertex) + (cell[1] == vertex) + (cell[2] == vertex);
}

/* Triangle k of a rectangle: its centre and the two corners of side low y, high x, high y, low x. */
static void triangles_in_documented_order(void) {
    const int64_t nx = 4, ny = 3;
    space s = space_make(2, nx, ny, CPAB_OUTSIDE_LINEAR);
    const int64_t side[4][2][2] = {{{0, 0}, {1, 0}}, {{1, 0}, {1, 1}}, {{0, 1}, {1, 1}}, {{0, 0}, {0, 1}}};
    for (int64_t j = 0; j < ny; j++)
        for (int64_t i = 0; i < nx; i++)
            for (int k = 0; k < 4; k++) {
                const int64_t *cell = s.cells + 3 * (4 * (i + nx * j) + k);
                CHECK(has(cell, (nx + 1) * (ny + 1) + i + nx * j) == 1);
                for (int e = 0; e < 2; e++)
                    CHECK(has(cell, i + side[k][e][0] + (nx + 1) * (j + side[k][e][1])) == 1);
            }
    space_free(&s);
}

static void refuses(cpab_tessellation_options o, cpab_status expected, int line) {
    cpab_tessellation *tess = (cpab_tessellation *)&o; /* anything but NULL */
    const cpab_status status = cpab_tessellation_create(&o, &tess);
    if (status != expected) {
        fprintf(stderr, "options of line %d: status %d, not %d\n", line, (int)status, (int)expected);
        check_report(__FILE__, __LINE__, "status == expected");
    }
    CHECK(tess == NULL);
    if (status == CPAB_OK) cpab_tessellation_destroy(tess);
}

#define REFUSES(expected, change)                                               \
    do {                                                                        \
        cpab_tessellation_options o = options_of(2, 3, 4, CPAB_OUTSIDE_LINEAR); \
        change;                                                                 \
        refuses(o, (expected), __LINE__);                                       \
    } while (0)

static void bad_options(void) {
    REFUSES(CPAB_E_ABI, o.struct_size = 0);
    REFUSES(CPAB_E_ABI, o.struct_size -= 8);
    REFUSES(CPAB_E_ABI, o.struct_size += 8);
    REFUSES(CPAB_E_NDIM, o.ndim = 0);
    REFUSES(CPAB_E_NDIM, o.ndim = -1);
    REFUSES(CPAB_E_NDIM, o.ndim = 7);
    REFUSES(CPAB_E_NDIM, o.ndim = 4);
    REFUSES(CPAB_E_CELLS, (o.ndim = 3, o.cells[2] = 0, o.lower[2] = -1, o.upper[2] = 1));
    REFUSES(CPAB_E_CELLS, (o.ndim = 3, o.cells[0] = o.cells[1] = o.cells[2] = CPAB_MAX_CELLS, o.lower[2] = -1,
                           o.upper[2] = 1));
    REFUSES(CPAB_E_OPTION, o.outside = 2);
    REFUSES(CPAB_E_OPTION, o.outside = -1);
    for (int d = 0; d < 2; d++) {
        REFUSES(CPAB_E_CELLS, o.cells[d] = 0);
        REFUSES(CPAB_E_CELLS, o.cells[d] = -1);
        REFUSES(CPAB_E_CELLS, o.cells[d] = INT64_MIN);
        REFUSES(CPAB_E_CELLS, o.cells[d] = INT64_MAX);
        REFUSES(CPAB_E_CELLS, o.cells[d] = CPAB_MAX_CELLS);
        REFUSES(CPAB_E_DOMAIN, o.lower[d] = o.upper[d]);
        REFUSES(CPAB_E_DOMAIN, o.lower[d] = 2);
        REFUSES(CPAB_E_DOMAIN, o.lower[d] = NAN);
        REFUSES(CPAB_E_DOMAIN, o.upper[d] = NAN);
        REFUSES(CPAB_E_DOMAIN, o.lower[d] = -INFINITY);
        REFUSES(CPAB_E_DOMAIN, o.upper[d] = INFINITY);
    }
    /* Products: 2^64 wraps to 0, 2^62 to a number with the sign of a count; the last is one too many. */
    REFUSES(CPAB_E_CELLS, o.cells[0] = o.cells[1] = INT64_C(1) << 32);
    REFUSES(CPAB_E_CELLS, o.cells[0] = o.cells[1] = INT64_C(1) << 31);
    REFUSES(CPAB_E_CELLS, (o.cells[0] = 1024, o.cells[1] = 1025));
    REFUSES(CPAB_E_CELLS, (o.ndim = 1, o.cells[0] = (int64_t)CPAB_MAX_CELLS + 1));
}

/* Entries from ndim on are ignored, whatever they hold. */
static void ignored_entries(void) {
    cpab_tessellation_options o = options_of(1, 3, -5, CPAB_OUTSIDE_LINEAR);
    o.lower[1] = NAN, o.upper[2] = -INFINITY;
    space s = space_from(o);
    CHECK(s.n_vertices == 4);
    space_free(&s);
}

/* The vertices at the ends are the bounds themselves; a domain may be as wide as numbers are. */
static void ends_are_exact(void) {
    const double bounds[][2] = {{0, 0.3}, {-0.7, 0.1}, {1e15, 1e15 + 3}, {0, DBL_MAX}, {-0.9e308, 0.8e308}};
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++)
        for (int64_t cells = 1; cells <= 300; cells++) {
            cpab_tessellation_options o = options_of(1, cells, 1, CPAB_OUTSIDE_LINEAR);
            o.lower[0] = bounds[i][0], o.upper[0] = bounds[i][1];
            space s = space_from(o);
            CHECK(s.vertices[0] == o.lower[0] && s.vertices[cells] == o.upper[0]);
            space_free(&s);
        }
}

static void null_arguments(void) {
    cpab_tessellation_options o = options_of(1, 3, 1, CPAB_OUTSIDE_LINEAR);
    cpab_tessellation *tess = (cpab_tessellation *)&o;
    CHECK(cpab_tessellation_create(NULL, &tess) == CPAB_E_NULL);
    CHECK(tess == NULL);
    CHECK(cpab_tessellation_create(&o, NULL) == CPAB_E_NULL);
    cpab_tessellation_destroy(NULL);
    CHECK(cpab_tessellation_ndim(NULL) == 0);
    CHECK(cpab_tessellation_n_vertices(NULL) == 0);
    CHECK(cpab_tessellation_n_cells(NULL) == 0);
    double x[4];
    int64_t c[6];
    CHECK(cpab_tessellation_vertices(NULL, x) == CPAB_E_NULL);
    CHECK(cpab_tessellation_cells(NULL, c) == CPAB_E_NULL);
    CHECK(cpab_tessellation_create(&o, &tess) == CPAB_OK);
    CHECK(cpab_tessellation_vertices(tess, NULL) == CPAB_E_NULL);
    CHECK(cpab_tessellation_cells(tess, NULL) == CPAB_E_NULL);
    cpab_tessellation_destroy(tess);
}

/* The library and the header it was built with agree, and every status has a text of its own. */
static void about_the_library(void) {
    CHECK(cpab_abi_version() == CPAB_ABI_VERSION);
    CHECK(cpab_version() && strchr(cpab_version(), '.'));
    CHECK(cpab_build_info() && cpab_build_info()[0]);
    const char *unknown = cpab_status_text((cpab_status)(CPAB_E_INTERRUPTED + 1));
    CHECK(unknown && unknown[0]);
    CHECK(strcmp(unknown, cpab_status_text((cpab_status)(1 << 27))) ==
          0); /* beyond the bits of an enumerator */
    for (int i = CPAB_OK; i <= CPAB_E_INTERRUPTED; i++) {
        const char *text = cpab_status_text((cpab_status)i);
        CHECK(text && text[0] && strcmp(text, unknown) != 0);
        for (int j = CPAB_OK; j < i; j++) CHECK(strcmp(text, cpab_status_text((cpab_status)j)) != 0);
    }
}

int main(void) {
    counts_and_places_1d();
    counts_and_places_2d();
    triangles_in_documented_order();
    bad_options();
    ignored_entries();
    ends_are_exact();
    null_arguments();
    about_the_library();
    return check_result();
}
