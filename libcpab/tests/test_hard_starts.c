/* Starts and trajectories where a walk from face to face can go wrong; see hard_starts.inc. */
#include "real.h"
#include "space.h"

#define REAL float
#define SUFFIX f32
#include "hard_starts.inc"
#undef REAL
#undef SUFFIX

#define REAL double
#define SUFFIX f64
#include "hard_starts.inc"
#undef REAL
#undef SUFFIX

int main(void) {
    hard_starts_f32();
    hard_starts_f64();
    return check_result();
}
