/* The C ABI on whatever libFuzzer thinks of: it must not crash, hang, or break a promise of cpab.h. */
#define _POSIX_C_SOURCE 200112L /* setenv */

#include "../tests/real.h"
#include "case.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bytes b = {data, size};
    choose_instruction_set(&b);
    if (take_below(&b, 16) == 15) {
        try_options(&b);
        return 0;
    }
    test_case c;
    if (!case_make(&b, &c)) return 0;
    check_tables(&c);
    run_f32 rough = run_make_f32(&c);
    run_f64 exact = run_make_f64(&c);
    const cpab_status rough_status = run_case_f32(&rough), exact_status = run_case_f64(&exact);
    if (rough_status == CPAB_OK && exact_status == CPAB_OK) check_precisions(&rough, &exact);
    run_free_f32(&rough);
    run_free_f64(&exact);
    case_free(&c);
    return 0;
}
