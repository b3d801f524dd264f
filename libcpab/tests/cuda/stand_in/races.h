/*
 * What ThreadSanitizer is told; nothing, where it does not watch. The build compiles the stand-in itself
 * without it: what happens between threads of kernels matters, not what carries them.
 */
#ifndef CPAB_TESTS_STAND_IN_RACES_H
#define CPAB_TESTS_STAND_IN_RACES_H

#include "../sanitizers.h"

#if CPAB_WATCHES_RACES

#    include <sanitizer/tsan_interface.h>

extern "C" {
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
void AnnotateIgnoreWritesBegin(const char *file, int line);
void AnnotateIgnoreWritesEnd(const char *file, int line);
}

namespace stand_in {

constexpr bool watches_races = true;

/* What a thread does before it gives a token comes before what another does after it has taken it. */
inline void give(void *token) { __tsan_release(token); }
inline void take(void *token) { __tsan_acquire(token); }

/* As long as it lives, what the calling thread reads and writes is not watched. */
struct Unwatched {
    Unwatched() {
        AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
        AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
    }
    ~Unwatched() {
        AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
        AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
    }
};

}  // namespace stand_in

#else

namespace stand_in {

constexpr bool watches_races = false;

inline void give(void *) {}
inline void take(void *) {}

struct Unwatched {
    Unwatched() {}
    ~Unwatched() {}
};

}  // namespace stand_in

#endif

#endif
