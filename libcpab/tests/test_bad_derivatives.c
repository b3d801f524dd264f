/* What the calls that differentiate do with input that is not good; bad_derivatives.inc has it for each type.
 */
#include "real.h"
#include "space.h"

#define REAL float
#define SUFFIX f32
#include "bad_derivatives.inc"
#undef REAL
#undef SUFFIX

#define REAL double
#define SUFFIX f64
#include "bad_derivatives.inc"
#undef REAL
#undef SUFFIX

int main(void) {
    for (int outside = CPAB_OUTSIDE_LINEAR; outside <= CPAB_OUTSIDE_NEAREST; outside++)
        for (int ndim = 1; ndim <= 2; ndim++) {
            space s = space_make(ndim, 4, 4, outside);
            bad_derivatives_f32(&s);
            bad_derivatives_f64(&s);
            space_free(&s);
        }
    return check_result();
}
