/* The C ABI on whatever libFuzzer thinks of: it must not crash, hang, or break a promise of cpab.h. */
#define _POSIX_C_SOURCE 200112L /* setenv */

#include "../tests/real.h"
#include "case.h"
#include "image_case.h"

#define REAL float
#define SUFFIX f32
#include "run_case.inc"
#undef REAL
#undef SUFFIX

#define REAL double
#define SUFFIX f64
#include "run_case.inc"

/* Both types go the same way, from the same numbers. */
static void check_precisions(const run_f32 *rough, const run_f64 *exact) {
    const test_case *c = exact->c;
    const double rate = rate_f64(exact);
    if (!c->comparable || !(rate <= 3)) return;
    for (int64_t i = 0; i < n_cloud(c); i += c->ndim) {
        double out[3];
        for (int d = 0; d < c->ndim; d++) out[d] = (double)rough->out[i + d];
        if (isnan(out[0]) || isnan(exact->out[i])) continue;
        const int64_t item = i / (c->n_points * c->ndim), p = i / c->ndim % c->n_points;
        const double tolerance = tolerance_f64(exact, point_of_f64(exact, item, p), exact->out + i, rate);
        REQUIRE(distance_f64(exact, out, exact->out + i) <= tolerance * (FLT_EPSILON / DBL_EPSILON));
    }
}
#undef REAL
#undef SUFFIX

static void choose_instruction_set(bytes *b) {
    static const char *const sets[] = {"best", "best", "avx2", "baseline"};
    setenv("CPAB_ISA", sets[take_below(b, 4)], 1);
}

static void try_case(bytes *b, int with_images) {
    test_case c;
    if (!case_make(b, &c)) return;
    check_tables(c.tess);
    run_f32 rough = run_make_f32(&c);
    run_f64 exact = run_make_f64(&c);
    if (with_images && !c.wrong) {
        image_case images = image_case_make(b, c.ndim, c.n_batch);
        run_warps_f32(&rough, &images);
        run_warps_f64(&exact, &images);
        image_case_free(&images);
    } else {
        const cpab_status rough_status = run_case_f32(&rough), exact_status = run_case_f64(&exact);
        if (rough_status == CPAB_OK && exact_status == CPAB_OK) check_precisions(&rough, &exact);
    }
    run_free_f32(&rough);
    run_free_f64(&exact);
    case_free(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bytes b = {data, size};
    choose_instruction_set(&b);
    const int64_t about = take_below(&b, 16);
    if (about == 15) {
        try_options(&b);
    } else if (about > 11) {
        const int ndim = 1 + (int)take_below(&b, 3);
        image_case images = image_case_make(&b, ndim, take_below(&b, 4));
        run_samples_f32(&images);
        run_samples_f64(&images);
        image_case_free(&images);
    } else {
        try_case(&b, about > 8);
    }
    return 0;
}
