/* cpab_velocity(): the field between and beyond its vertices; the tests themselves are in velocity.inc. */
#include "real.h"
#include "space.h"

#define REAL float
#define SUFFIX f32
#include "velocity.inc"
#undef REAL
#undef SUFFIX

#define REAL double
#define SUFFIX f64
#include "velocity.inc"
#undef REAL
#undef SUFFIX

int main(void) {
    for (int outside = CPAB_OUTSIDE_LINEAR; outside <= CPAB_OUTSIDE_NEAREST; outside++) {
        cpab_tessellation_options wide = options_of(2, 2, 3, outside); /* units differ by axis */
        wide.lower[0] = 0, wide.upper[0] = 4;
        space spaces[] = {space_make(1, 1, 1, outside), space_make(1, 6, 1, outside),
                          space_make(2, 1, 1, outside), space_make(2, 4, 3, outside), space_from(wide)};
        for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++) {
            velocity_f32(&spaces[i]);
            velocity_f64(&spaces[i]);
            space_free(&spaces[i]);
        }
    }
    return check_result();
}
