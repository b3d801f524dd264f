/* In 1D, transformations and their gradients are closed forms; other derivatives come from the walk. Both
 * agree. */
#include "real.h"
#include "space.h"

#define REAL float
#define SUFFIX f32
#include "line.inc"
#undef REAL
#undef SUFFIX

#define REAL double
#define SUFFIX f64
#include "line.inc"
#undef REAL
#undef SUFFIX

int main(void) {
    for (int outside = CPAB_OUTSIDE_LINEAR; outside <= CPAB_OUTSIDE_NEAREST; outside++) {
        line_f32(outside);
        line_f64(outside);
    }
    return check_result();
}
