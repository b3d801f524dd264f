/* Sizes that are beyond counting, in every function and 1D to 3D; sizes.inc has it for each number type. */
#include <string.h>

#include "call.h"
#include "check.h"
#include "real.h"
#include "uncountable.h"

#define REAL float
#define SUFFIX f32
#include "sizes.inc"
#undef REAL
#undef SUFFIX

#define REAL double
#define SUFFIX f64
#include "sizes.inc"
#undef REAL
#undef SUFFIX

/* A tape is as large as is said for each point, and not more than a few of these beside; or there is none. */
static void tapes_of(const cpab_tessellation *tess, int32_t dtype, int walks) {
    for (int b = 0; b < 63; b++)
        for (int n = 0; n < 63; n++) {
            const int64_t batch = (INT64_C(1) << b) - (b > 3), points = INT64_C(1) << n;
            const cpab_call call = call_make(tess, dtype, batch, points, 1, 1);
            const int64_t bytes = cpab_tape_bytes(&call);
            const int64_t per_item = bytes / CPAB_TAPE_PER_POINT / batch;
            CHECK(bytes == 0 || (per_item >= points && per_item <= points + 8));
            if (b + n < 50) CHECK((bytes > 0) == walks);
        }
}

int main(void) {
    for (int ndim = 1; ndim <= CPAB_MAX_NDIM; ndim++) {
        cpab_tessellation_options options;
        memset(&options, 0, sizeof options);
        options.struct_size = sizeof options;
        options.ndim = ndim;
        for (int d = 0; d < ndim; d++) options.cells[d] = 2, options.upper[d] = 1;
        cpab_tessellation *tess;
        CHECK(cpab_tessellation_create(&options, &tess) == CPAB_OK);
        sizes_f32(tess, ndim);
        sizes_f64(tess, ndim);
        const int walks = ndim > 1 && TESTED_DEVICE == CPAB_CPU; /* others walk again */
        tapes_of(tess, CPAB_FLOAT32, walks), tapes_of(tess, CPAB_FLOAT64, walks);
        for (int32_t dtype = -1; dtype < 3; dtype++) /* and a tape has a size whatever it is asked for */
            for (int i = 0; i < n_uncountable; i++) {
                const cpab_call call = call_make(tess, dtype, uncountable[i][0], uncountable[i][1], 1, 1);
                const int64_t bytes = cpab_tape_bytes(&call);
                CHECK(bytes >= 0);
                if (dtype < CPAB_FLOAT32 || dtype > CPAB_FLOAT64) CHECK(bytes == 0);
            }
        cpab_tessellation_destroy(tess);
    }
    return check_result();
}
