/* What a tessellation says about itself, and which options it refuses. */
#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "space.h"

static void counts_and_places_1d(void) {
    space s = space_make(1, 5, 99, CPAB_OUTSIDE_LINEAR);
    CHECK(sizes_of(s.tess).ndim == 1);
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
    CHECK(sizes_of(s.tess).ndim == 2);
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
    cpab_tessellation_sizes sizes = {sizeof sizes, 5, 6, 7};
    CHECK(cpab_tessellation_describe(NULL, &sizes) == CPAB_OK);
    CHECK(sizes.ndim == 0 && sizes.n_vertices == 0 && sizes.n_cells == 0);
    CHECK(cpab_tessellation_describe(NULL, NULL) == CPAB_E_NULL);
    double x[4] = {9, 9, 9, 9};
    int64_t c[6] = {9, 9, 9, 9, 9, 9};
    CHECK(cpab_tessellation_geometry(NULL, x, c) == CPAB_E_NULL);
    CHECK(cpab_tessellation_geometry(NULL, NULL, NULL) == CPAB_E_NULL);
    CHECK(x[0] == 9 && c[0] == 9);
    CHECK(cpab_tessellation_create(&o, &tess) == CPAB_OK);
    CHECK(cpab_tessellation_describe(tess, NULL) == CPAB_E_NULL);
    CHECK(cpab_tessellation_geometry(tess, NULL, NULL) == CPAB_OK);
    CHECK(cpab_tessellation_geometry(tess, x, NULL) == CPAB_OK); /* one alone is as good as both */
    CHECK(x[0] == -1 && x[3] == 1 && c[0] == 9);
    x[0] = 9;
    CHECK(cpab_tessellation_geometry(tess, NULL, c) == CPAB_OK);
    CHECK(x[0] == 9 && c[0] + c[1] == 1 && c[4] + c[5] == 5);
    cpab_tessellation_destroy(tess);
}

/* A struct of another size is left as it is. */
static void sizes_of_another_size(void) {
    space s = space_make(1, 3, 1, CPAB_OUTSIDE_LINEAR);
    const size_t sizes[] = {0, sizeof(cpab_tessellation_sizes) - 1, sizeof(cpab_tessellation_sizes) + 1,
                            SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        cpab_tessellation_sizes answer = {sizes[i], 5, 6, 7};
        CHECK(cpab_tessellation_describe(s.tess, &answer) == CPAB_E_ABI);
        CHECK(cpab_tessellation_describe(NULL, &answer) == CPAB_E_ABI);
        CHECK(answer.struct_size == sizes[i] && answer.ndim == 5 && answer.n_vertices == 6 &&
              answer.n_cells == 7);
    }
    space_free(&s);
}

/* The library and the header it was built with agree. */
static void about_the_library(void) {
    const cpab_library library = library_now();
    CHECK(library.struct_size == sizeof library);
    CHECK(library.abi_version == CPAB_ABI_VERSION);
    CHECK(library.device == TESTED_DEVICE);
    CHECK(library.version && strchr(library.version, '.'));
    CHECK(library.build_info && library.build_info[0]);
    CHECK(library.isa_names && strstr(library.isa_names, "best"));
    CHECK(cpab_library_describe(NULL) == CPAB_E_NULL);
    /* a caller with another header learns at least which */
    const size_t sizes[] = {0, offsetof(cpab_library, device), sizeof library - 1, sizeof library + 1};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        cpab_library other;
        memset(&other, 0, sizeof other);
        other.struct_size = sizes[i], other.device = 77;
        CHECK(cpab_library_describe(&other) == CPAB_E_ABI);
        CHECK(other.struct_size == sizes[i] && other.abi_version == CPAB_ABI_VERSION);
        CHECK(other.device == 77 && !other.version && !other.build_info && !other.isa_names);
    }
}

/* Every status says in words of its own what must be, and has something to say of all three; so has one that
   does not exist. */
static void statuses_in_words(void) {
    enum { last = CPAB_E_LAUNCH };
    const cpab_message *unknown = cpab_explain((cpab_status)(last + 1));
    CHECK(cpab_explain((cpab_status)(1 << 27)) == unknown); /* beyond the bits of an enumerator */
    CHECK(cpab_explain((cpab_status)-1) == unknown);
    CHECK(unknown->required && unknown->required[0] && unknown->received && unknown->remedy &&
          unknown->remedy[0]);
    for (int i = CPAB_OK; i <= last; i++) {
        const cpab_message *message = cpab_explain((cpab_status)i);
        CHECK(message && message != unknown);
        CHECK(message->required && message->required[0]);
        CHECK(message->received);
        CHECK(message->remedy && message->remedy[0] && message->remedy[strlen(message->remedy) - 1] == '.');
        CHECK(strcmp(message->required, unknown->required) != 0);
        for (int j = CPAB_OK; j < i; j++)
            CHECK(strcmp(message->required, cpab_explain((cpab_status)j)->required) != 0);
        CHECK(cpab_explain((cpab_status)i) == message);
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
    sizes_of_another_size();
    about_the_library();
    statuses_in_words();
    return check_result();
}
