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

/* Runners that note how often they are asked, and for how many threads at least and at most. */
static struct {
    int calls;
    unsigned least, most, flags;
} asked;

static void note(unsigned n_threads, unsigned flags) {
    asked.least = !asked.calls || n_threads < asked.least ? n_threads : asked.least;
    asked.most = n_threads > asked.most ? n_threads : asked.most;
    asked.flags |= flags;
    asked.calls++;
}

static void run_alone(void (*task)(void *), void *data, unsigned n_threads, unsigned flags) {
    note(n_threads, flags);
    task(data);
}

typedef struct {
    void (*task)(void *);
    void *data;
} errand;

static void *run_errand(void *argument) {
    const errand *e = argument;
    e->task(e->data);
    return NULL;
}

static void run_in_pair(void (*task)(void *), void *data, unsigned n_threads, unsigned flags) {
    errand e = {task, data};
    pthread_t other;
    note(n_threads, flags);
    CHECK(pthread_create(&other, NULL, run_errand, &e) == 0);
    task(data);
    CHECK(pthread_join(other, NULL) == 0);
}

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
