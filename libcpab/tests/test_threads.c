/* The number of threads changes no bit, and calls may run side by side and in a forked child. */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "real.h"
#include "space.h"

/* fork() is fine for the library: no thread of its own is alive between two calls. ThreadSanitizer's
   own runtime refuses new threads in such a child. */
#if defined(__SANITIZE_THREAD__)
#    define CHILD_THREADS 1
#elif defined(__has_feature)
#    if __has_feature(thread_sanitizer)
#        define CHILD_THREADS 1
#    endif
#endif
#ifndef CHILD_THREADS
#    define CHILD_THREADS 3
#endif

#define REAL float
#define SUFFIX f32
#include "threads.inc"
#undef REAL
#undef SUFFIX

#define REAL double
#define SUFFIX f64
#include "threads.inc"
#undef REAL
#undef SUFFIX

int main(void) {
    for (int ndim = 1; ndim <= 2; ndim++) {
        space s = space_make(ndim, 5, 4, CPAB_OUTSIDE_LINEAR);
        all_f32(&s);
        all_f64(&s);
        space_free(&s);
    }
    return check_result();
}
