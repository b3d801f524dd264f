/* CHECK counts failures instead of stopping at the first: one run shows all that is wrong.
   End main with `return check_result();`. Not for use from several threads at once. */
#ifndef CHECK_H
#define CHECK_H

#include <math.h>
#include <stdio.h>

static int check_failures = 0;

static inline void check_report(const char *file, int line, const char *expression) {
    const int shown = 20; /* a broken kernel fails for every point */
    if (check_failures++ < shown) fprintf(stderr, "%s:%d: failed: %s\n", file, line, expression);
}

static inline void check_near(double actual, double expected, double tolerance, const char *file, int line,
                              const char *expression) {
    if (fabs(actual - expected) <= tolerance) return; /* false for NaN */
    const int before = check_failures;
    check_report(file, line, expression);
    if (before < 20)
        fprintf(stderr, "    is %.17g, not %.17g: off by %.3g, allowed %.3g\n", actual, expected,
                fabs(actual - expected), tolerance);
}

static inline int check_result(void) {
    if (check_failures) fprintf(stderr, "%d checks failed\n", check_failures);
    return check_failures != 0;
}

#define CHECK(expression) ((expression) ? (void)0 : check_report(__FILE__, __LINE__, #expression))

/* |actual - expected| <= tolerance; a NaN anywhere fails. */
#define CHECK_NEAR(actual, expected, tolerance) \
    check_near((actual), (expected), (tolerance), __FILE__, __LINE__, #actual " ~ " #expected)

#endif
