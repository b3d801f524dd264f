/* cpab_set_interrupt(): who is asked, what a call that is interrupted leaves, and that others go on. */
#define _POSIX_C_SOURCE 199309L /* nanosleep */

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "image.h"
#include "space.h"

/* Calls grow until they are long for the clock between two questions, 50 ms, on a machine of any speed. */
enum { fewest = 1 << 12, most = 1 << 23, channels = 16 };

static int asked, answer;
static int wanted(void) {
    asked++;
    return answer;
}

/* Points that go around in circles, many hundred steps each, and an image to sample. */
typedef struct {
    space s;
    cpab_image image;
    float *velocity, *points, *out, *grad, *grad_velocity, *jacobian, *log_det, *images, *grad_images,
        *pixels;
    cpab_call call;
} job;

static job job_make(void) {
    job j;
    memset(&j, 0, sizeof j);
    j.s = space_make(2, 4, 4, CPAB_OUTSIDE_NEAREST);
    j.call = call_make(j.s.tess, CPAB_FLOAT32, 1, fewest, 1, 1);
    j.image = image_make(2, 16, 16, 1, channels);
    j.image.output_size[0] = 64;
    j.velocity = room(field_size(&j.s), sizeof(float));
    j.grad_velocity = room(field_size(&j.s), sizeof(float));
    for (int64_t v = 0; v < j.s.n_vertices; v++) {
        j.velocity[2 * v] = -40 * (float)j.s.vertices[2 * v + 1];
        j.velocity[2 * v + 1] = 40 * (float)j.s.vertices[2 * v];
    }
    rng r = {5};
    float **clouds[] = {&j.points, &j.out, &j.grad};
    for (int i = 0; i < 3; i++) *clouds[i] = room(2 * most, sizeof(float));
    for (int64_t i = 0; i < 2 * most; i++) {
        j.points[i] = (float)rng_uniform(&r, -0.6, 0.6);
        j.grad[i] = 1;
    }
    j.jacobian = room(4 * most, sizeof(float));
    j.log_det = room(most, sizeof(float));
    j.images = room(16 * 16 * channels, sizeof(float));
    j.grad_images = room(16 * 16 * channels, sizeof(float));
    j.pixels = room((size_t)channels * most, sizeof(float));
    return j;
}

static void job_free(job *j) {
    free(j->velocity), free(j->points), free(j->out), free(j->grad), free(j->grad_velocity),
        free(j->jacobian);
    free(j->log_det), free(j->images), free(j->grad_images), free(j->pixels);
    space_free(&j->s);
}

static cpab_status transform(job *j) { return cpab_transform(&j->call, j->points, j->velocity, j->out); }
static cpab_status vjp(job *j) {
    return cpab_transform_vjp(&j->call, j->points, j->velocity, j->grad, j->out, j->grad_velocity);
}
static cpab_status jvp(job *j) {
    return cpab_transform_jvp(&j->call, j->points, j->velocity, j->grad, j->velocity, j->out);
}
static cpab_status vjp_jvp(job *j) {
    return cpab_transform_vjp_jvp(&j->call, j->points, j->velocity, j->grad, NULL, j->velocity, j->out,
                                  j->grad_velocity);
}
static cpab_status jacobian(job *j) {
    return cpab_jacobian(&j->call, j->points, j->velocity, j->jacobian, j->log_det);
}
static cpab_status jacobian_vjp(job *j) {
    return cpab_jacobian_vjp(&j->call, j->points, j->velocity, NULL, j->grad, j->out, j->grad_velocity);
}
static cpab_status warp(job *j) { return cpab_warp(&j->call, j->images, j->velocity, j->pixels); }
static cpab_status warp_vjp(job *j) {
    return cpab_warp_vjp(&j->call, j->images, j->velocity, j->pixels, j->grad_images, j->grad_velocity);
}
static cpab_status sample(job *j) { return cpab_sample(&j->call, j->images, j->points, j->pixels); }
static cpab_status sample_vjp(job *j) {
    return cpab_sample_vjp(&j->call, j->images, j->points, j->pixels, j->grad_images, j->out);
}

static cpab_status (*const calls[])(job *) = {transform,    vjp,  jvp,      vjp_jvp, jacobian,
                                              jacobian_vjp, warp, warp_vjp, sample,  sample_vjp};
enum { n_calls = sizeof calls / sizeof calls[0] };

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* With as many points as it takes until the call asks; none is long and does not. */
static cpab_status call_until_asked(cpab_status (*call)(job *), job *j) {
    asked = 0;
    j->call.image = &j->image;
    for (j->call.n_points = fewest;; j->call.n_points *= 2) {
        j->image.output_size[1] = j->call.n_points / 64;
        const double start = seconds();
        const cpab_status status = call(j);
        if (asked || 2 * j->call.n_points > most) return status;
        CHECK(status == CPAB_OK && seconds() - start < 1);
    }
}

/* The first question ends a call, and the next call works. */
static void every_call_ends(job *j) {
    for (int c = 0; c < n_calls; c++)
        for (j->call.n_threads = 1; j->call.n_threads <= 3; j->call.n_threads += 2) {
            answer = 1;
            cpab_set_interrupt(wanted);
            const cpab_status status = call_until_asked(calls[c], j);
            cpab_set_interrupt(NULL);
            CHECK(status == CPAB_E_INTERRUPTED);
            CHECK(asked == 1);
            if (check_failures) fprintf(stderr, "    ... call %d, %d threads\n", c, (int)j->call.n_threads);
        }
    j->call.n_threads = 1;
}

/* Who is asked and says no gets what others get; short calls ask nobody, nor do those of other threads. */
static void *call_transform(void *j) {
    CHECK(transform(j) == CPAB_OK);
    return NULL;
}

static void others_go_on(job *j) {
    answer = 0;
    cpab_set_interrupt(wanted);
    CHECK(call_until_asked(transform, j) == CPAB_OK);
    CHECK(asked >= 1);
    const size_t size = 2 * (size_t)j->call.n_points * sizeof(float);
    float *expected = room(2 * (size_t)j->call.n_points, sizeof *expected);
    cpab_set_interrupt(NULL);
    memcpy(expected, j->out, size);
    memset(j->out, 0, size);
    CHECK(transform(j) == CPAB_OK);
    CHECK(memcmp(j->out, expected, size) == 0);
    asked = 0, answer = 1;
    cpab_set_interrupt(wanted);
    const int64_t n_points = j->call.n_points;
    j->call.n_points = 5;
    CHECK(transform(j) == CPAB_OK);
    CHECK(asked == 0);
    j->call.n_points = n_points;
    pthread_t thread;
    memset(j->out, 0, size);
    CHECK(pthread_create(&thread, NULL, call_transform, j) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(asked == 0 && memcmp(j->out, expected, size) == 0);
    cpab_set_interrupt(NULL);
    free(expected);
}

/* A team whose caller comes last is asked, too. */
typedef struct {
    void (*task)(void *);
    void *data;
} errand;

static void *do_errand(void *argument) {
    errand *e = argument;
    e->task(e->data);
    return NULL;
}

static void run_caller_last(void (*task)(void *data), void *data, unsigned n_threads, unsigned flags) {
    (void)n_threads, (void)flags;
    pthread_t threads[3];
    errand e = {task, data};
    for (int i = 0; i < 3; i++) CHECK(pthread_create(&threads[i], NULL, do_errand, &e) == 0);
    struct timespec pause = {0, 20000000};
    nanosleep(&pause, NULL);
    task(data);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
}

static int team_of_four(void) { return 4; }

static void teams_are_asked(job *j) {
    CHECK(cpab_set_team(run_caller_last, team_of_four) == CPAB_OK);
    j->call.n_threads = 2;
    answer = 1;
    cpab_set_interrupt(wanted);
    CHECK(call_until_asked(transform, j) == CPAB_E_INTERRUPTED);
    CHECK(asked == 1);
    cpab_set_interrupt(NULL);
    CHECK(transform(j) == CPAB_OK);
    CHECK(cpab_set_team(NULL, NULL) == CPAB_OK);
}

int main(void) {
    job j = job_make();
    every_call_ends(&j);
    others_go_on(&j);
    teams_are_asked(&j);
    job_free(&j);
    return check_result();
}
