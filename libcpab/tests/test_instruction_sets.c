/* All instruction sets of this machine give the same numbers, but for roundings. */
#define _POSIX_C_SOURCE 200112L /* setenv */

#include <stdlib.h>

#include "real.h"
#include "space.h"

#define REAL float
#define SUFFIX f32
#include "instruction_sets.inc"
#undef REAL
#undef SUFFIX

#define REAL double
#define SUFFIX f64
#include "instruction_sets.inc"
#undef REAL
#undef SUFFIX

int main(void) {
    unsetenv("CPAB_ISA");
    for (int outside = CPAB_OUTSIDE_LINEAR; outside <= CPAB_OUTSIDE_NEAREST; outside++) {
        space spaces[] = {space_make(1, 7, 1, outside), space_make(2, 1, 1, outside),
                          space_make(2, 4, 3, outside)};
        for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++) {
            agree_f32(&spaces[i], 1);
            agree_f64(&spaces[i], 1);
            agree_f64(&spaces[i], 3);
            space_free(&spaces[i]);
        }
    }
    return check_result();
}
