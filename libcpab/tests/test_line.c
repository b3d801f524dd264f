/* In 1D, transformations and their gradients are closed forms; other derivatives come from the walk. Both
 * agree. */
#include "real.h"
#include "space.h"

enum { many = 100003, few = 4001 }; /* points of a call; few are for closed forms in any case */

#define REAL float
#define SUFFIX f32
#include "crowd.inc"
#undef REAL
#undef SUFFIX

#define REAL double
#define SUFFIX f64
#include "crowd.inc"
#undef REAL
#undef SUFFIX

int main(void) {
    for (int outside = CPAB_OUTSIDE_LINEAR; outside <= CPAB_OUTSIDE_NEAREST; outside++) {
        line_f32(outside);
        line_f64(outside);
        crowd_tests_f32(outside);
        crowd_tests_f64(outside);
    }
    return check_result();
}
