/* A tape changes no bit of any result, and no call reads or writes beyond it. */
#include "image.h"
#include "real.h"

#define REAL float
#define SUFFIX f32
#include "tape.inc"
#undef REAL
#undef SUFFIX

#define REAL double
#define SUFFIX f64
#include "tape.inc"

int main(void) {
    test_f32();
    test_f64();
    CHECK(cpab_tape_bytes(NULL, 1, 1, 4) == 0);
    space s = space_make(2, 3, 3, CPAB_OUTSIDE_LINEAR);
    CHECK(cpab_tape_bytes(s.tess, 1, 0, 4) == 0);
    CHECK(cpab_tape_bytes(s.tess, 0, 1, 4) == 0);
    CHECK(cpab_tape_bytes(s.tess, 1, -1, 4) == 0);
    CHECK(cpab_tape_bytes(s.tess, 1, 1, -4) == 0);
    CHECK(cpab_tape_bytes(s.tess, 8, 250 * 250, 4) == 7 << 20);
    CHECK(cpab_tape_bytes(s.tess, INT64_MAX, INT64_MAX, 8) == 7 << 20);
    space_free(&s);
    return check_result();
}
