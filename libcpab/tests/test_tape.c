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

static int64_t tape_bytes(const cpab_tessellation *tess, int32_t dtype, int64_t n_batch, int64_t n_points) {
    const cpab_call call = call_make(tess, dtype, n_batch, n_points, 1, 1);
    return cpab_tape_bytes(&call);
}

static void sizes_of_tapes(void) {
    space s = space_make(2, 3, 3, CPAB_OUTSIDE_LINEAR), line = space_make(1, 3, 1, CPAB_OUTSIDE_LINEAR);
    CHECK(cpab_tape_bytes(NULL) == 0);
    CHECK(tape_bytes(NULL, CPAB_FLOAT32, 1, 1) == 0);
    CHECK(tape_bytes(line.tess, CPAB_FLOAT32, 1, 1) == 0);
    CHECK(tape_bytes(s.tess, CPAB_FLOAT32, 1, 0) == 0);
    CHECK(tape_bytes(s.tess, CPAB_FLOAT32, 0, 1) == 0);
    CHECK(tape_bytes(s.tess, CPAB_FLOAT32, 1, -1) == 0);
    CHECK(tape_bytes(s.tess, -1, 1, 1) == 0);
    CHECK(tape_bytes(s.tess, 2, 1, 1) == 0);
    CHECK(tape_bytes(s.tess, CPAB_FLOAT32, 1, 1) > 0);
    const int64_t many = 8 * 250 * 250 * CPAB_TAPE_PER_POINT,
                  bytes = tape_bytes(s.tess, CPAB_FLOAT32, 8, 250 * 250);
    CHECK(bytes >= many && bytes < many + many / 1000);
    CHECK(tape_bytes(s.tess, CPAB_FLOAT64, INT64_MAX, INT64_MAX) == 0);
    cpab_call call = call_make(s.tess, CPAB_FLOAT32, 1, 1, 1, 1);
    for (call.struct_size = sizeof call - 1; call.struct_size <= sizeof call + 1; call.struct_size++)
        CHECK((cpab_tape_bytes(&call) > 0) == (call.struct_size == sizeof call));
    space_free(&s);
    space_free(&line);
}

int main(void) {
    test_f32();
    test_f64();
    sizes_of_tapes();
    return check_result();
}
