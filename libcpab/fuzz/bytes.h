/* Decisions of a test, read from the fuzzer's bytes. Where these end, zeros follow. */
#ifndef BYTES_H
#define BYTES_H

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "../tests/rng.h"

typedef struct {
    const uint8_t *at;
    size_t left;
} bytes;

static inline uint8_t take(bytes *b) {
    if (b->left == 0) return 0;
    b->left--;
    return *b->at++;
}

static inline int64_t take_below(bytes *b, int64_t n) { return take(b) % n; }

static inline uint64_t take_word(bytes *b) {
    uint64_t word = 0;
    for (int i = 0; i < 8; i++) word = word << 8 | take(b);
    return word;
}

static inline rng take_rng(bytes *b) {
    const uint64_t high = take(b), low = take(b);
    return (rng){(high << 8 | low) * UINT64_C(0x9E3779B97F4A7C15) + 1};
}

/* Mostly multiples of 1/32, with which trajectories meet faces and vertices; else something special. */
static inline double take_number(bytes *b) {
    static const double special[] = {NAN,   INFINITY, DBL_MAX, 1e300, FLT_MAX, 1e30, 1e12,           1e6,
                                     1e3,   100,      10,      5,     1e-3,    1e-6, 1e-9,           1e-13,
                                     1e-40, 1e-300,   5e-324,  0.1,   1 / 3.0, 0.7,  1 + DBL_EPSILON};
    const int n_special = sizeof special / sizeof special[0], most = 96;
    const int code = (int8_t)take(b), rest = (code < 0 ? -code : code) - most - 1;
    if (rest < 0) return code / 32.0;
    if (rest < n_special) return code < 0 ? -special[rest] : special[rest];
    const uint64_t word = take_word(b);
    double value;
    memcpy(&value, &word, sizeof value);
    return value;
}

/* n numbers: given one by one, all alike, drawn from a few, or uniform. Answers whether they are the last,
   and not next to zero. */
static inline int take_numbers(bytes *b, double *x, int64_t n) {
    const int64_t way = take_below(b, 6);
    double few[4] = {0, 0, 0, 0};
    rng r = {1};
    if (way > 0)
        for (int i = 0; i < 4; i++) few[i] = way == 2 || i == 0 ? take_number(b) : 0;
    if (way > 1) r = take_rng(b);
    for (int64_t i = 0; i < n; i++) {
        if (way == 0) x[i] = take_number(b);
        if (way == 1) x[i] = few[0];
        if (way == 2) x[i] = few[rng_below(&r, 4)];
        if (way == 3) x[i] = (double)(rng_below(&r, 17) - 8) / 4 * few[0];
        if (way > 3) x[i] = rng_uniform(&r, -1, 1) * few[0];
    }
    if (way == 5 && n > 0) x[rng_below(&r, n)] = take_number(b);
    return way == 4 && fabs(few[0]) > 1e-3;
}

#endif
