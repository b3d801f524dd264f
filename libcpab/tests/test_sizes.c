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
