/* What every part of the fuzzer needs. */
#ifndef PROMISE_H
#define PROMISE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* A broken promise of cpab.h ends the program, as a crash does. */
#define REQUIRE(promise)                                                          \
    do {                                                                          \
        if (!(promise)) {                                                         \
            fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #promise); \
            abort();                                                              \
        }                                                                         \
    } while (0)

/* malloc, of exactly this size: the sanitizer then sees the first byte beyond. */
static inline void *room(int64_t n, size_t size) {
    void *memory = malloc((size_t)n * size + (n == 0));
    if (!memory) exit(1);
    return memory;
}

#endif
