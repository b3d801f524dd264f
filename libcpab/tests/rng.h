/* xorshift64*: the same numbers on every platform, so that a failure can be repeated. */
#ifndef RNG_H
#define RNG_H

#include <stdint.h>

typedef struct {
    uint64_t state; /* any seed but 0 */
} rng;

static inline uint64_t rng_next(rng *r) {
    r->state ^= r->state >> 12;
    r->state ^= r->state << 25;
    r->state ^= r->state >> 27;
    return r->state * UINT64_C(2685821657736338717);
}

static inline double rng_uniform(rng *r, double low, double high) {
    return low + (high - low) * ((double)(rng_next(r) >> 11) / 9007199254740992.0); /* 2^53 */
}

static inline int64_t rng_below(rng *r, int64_t n) { return (int64_t)(rng_next(r) % (uint64_t)n); }

#endif
