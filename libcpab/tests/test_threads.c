/* The number of threads changes no bit, and calls may run side by side and in a forked child. */
#define _POSIX_C_SOURCE 200112L /* setenv */

#include <pthread.h>
#include <stdlib.h>
#if !defined(_WIN32) /* which has no fork */
#    include <sys/wait.h>
#    include <unistd.h>
#endif

#include "environment.h"
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

/* Teams of one and of three threads, which count their errands. */
static int n_errands;

typedef struct {
    void (*task)(void *);
    void *data;
} errand;

static void *run_errand(void *argument) {
    const errand *e = argument;
    e->task(e->data);
    return NULL;
}

static void run_team(int size, void (*task)(void *), void *data) {
    errand e = {task, data};
    pthread_t others[2];
    n_errands++;
    for (int i = 0; i + 1 < size; i++) CHECK(pthread_create(&others[i], NULL, run_errand, &e) == 0);
    task(data);
    for (int i = 0; i + 1 < size; i++) CHECK(pthread_join(others[i], NULL) == 0);
}

static void run_one(void (*task)(void *), void *data, unsigned n_threads, unsigned flags) {
    CHECK(n_threads == 0 && flags == 0);
    run_team(1, task, data);
}

static void run_three(void (*task)(void *), void *data, unsigned n_threads, unsigned flags) {
    CHECK(n_threads == 0 && flags == 0);
    run_team(3, task, data);
}

/* One thread that comes back to its task, as those of a queue of tasks do. */
static void run_again(void (*task)(void *), void *data, unsigned n_threads, unsigned flags) {
    (void)n_threads, (void)flags;
    for (int i = 0; i < 5; i++, n_errands++) task(data);
}

static void run_none(void (*task)(void *), void *data, unsigned n_threads, unsigned flags) {
    (void)task, (void)data, (void)n_threads, (void)flags;
    n_errands++;
}

static int three(void) { return 3; }

/* What calls with 0 threads use. */
static int library_threads(void) {
    const cpab_library library = library_now();
    CHECK(library.isa_status == CPAB_OK);
    return library.n_threads;
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
    unsetenv("CPABX_NUM_THREADS");
    for (int ndim = 1; ndim <= 2; ndim++) {
        space s = space_make(ndim, 5, 4, CPAB_OUTSIDE_LINEAR);
        all_f32(&s);
        all_f64(&s);
        space_free(&s);
    }
    CHECK(cpab_set_team(run_one, NULL) == CPAB_E_NULL && cpab_set_team(NULL, three) == CPAB_E_NULL);
    CHECK(cpab_set_thread_team(run_one, NULL) == CPAB_E_NULL);
    CHECK(cpab_set_thread_team(NULL, three) == CPAB_E_NULL);
    return check_result();
}
