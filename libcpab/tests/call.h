/* What a test passes to a call, where it does not say otherwise. */
#ifndef CALL_H
#define CALL_H

#include <string.h>

#include "cpab.h"

/* Where the library works that is tested. */
#ifndef TESTED_DEVICE
#    define TESTED_DEVICE CPAB_CPU
#endif

/* An answer that a call must overwrite. */
enum { NO_ANSWER = 77 };

/* On one thread, without an image or a tape. */
static inline cpab_call call_make(const cpab_tessellation *tess, int32_t dtype, int64_t n_batch,
                                  int64_t n_points, int64_t points_batch, double time) {
    cpab_call call;
    memset(&call, 0, sizeof call);
    call.struct_size = sizeof call;
    call.tess = tess;
    call.dtype = dtype;
    call.device = CPAB_CPU;
    call.n_batch = n_batch;
    call.n_points = n_points;
    call.points_batch = points_batch;
    call.time = time;
    call.n_threads = 1;
    call.failed_item = NO_ANSWER;
    return call;
}

#endif
