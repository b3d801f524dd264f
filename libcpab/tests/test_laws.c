/* The laws of a flow, for both number types; the laws themselves are in laws.inc. */
#include "real.h"
#include "space.h"

#define REAL float
#define SUFFIX f32
#include "laws.inc"
#undef REAL
#undef SUFFIX

#define REAL double
#define SUFFIX f64
#include "laws.inc"
#undef REAL
#undef SUFFIX

/* Both number types see the same velocities and points, hence differ by float32's roundings alone. */
static void f32_agrees_with_f64(const space *s) {
    rng r = {321};
    const int64_t n = 400, size = n * s->ndim;
    for (int repeat = 0; repeat < 8; repeat++) {
        const double rate = repeat % 2 ? 0.5 : 2;
        double *field = room(field_size(s), sizeof *field);
        random_field(s, &r, rate, field);
        float *velocity = rounded_f32(field, field_size(s)), *points = room(size, sizeof *points);
        float *out = room(size, sizeof *out);
        double *wide = room(size, sizeof *wide), *expected = room(size, sizeof *expected);
        random_points_f32(s, &r, n, points);
        for (int64_t i = 0; i < field_size(s); i++) field[i] = (double)velocity[i];
        for (int64_t i = 0; i < size; i++) wide[i] = (double)points[i];
        move_f32(s, points, velocity, out, n, 1);
        move_f64(s, wide, field, expected, n, 1);
        for (int64_t i = 0; i < size; i++)
            CHECK_NEAR((double)out[i], expected[i],
                       8 * (double)FLT_EPSILON * extent_f32(s) * growth(s, rate, 1));
        free(field), free(velocity), free(points), free(out), free(wide), free(expected);
    }
}

int main(void) {
    for (int outside = CPAB_OUTSIDE_LINEAR; outside <= CPAB_OUTSIDE_NEAREST; outside++) {
        cpab_tessellation_options far = options_of(2, 4, 3, outside);
        far.lower[0] = 0, far.upper[0] = 8; /* as for pixels, and not square */
        far.lower[1] = 0, far.upper[1] = 5;
        space spaces[] = {space_make(1, 1, 1, outside), space_make(1, 7, 1, outside),
                          space_make(2, 1, 1, outside), space_make(2, 4, 4, outside),
                          space_make(2, 3, 5, outside), space_from(far)};
        for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++) {
            laws_f32(&spaces[i]);
            laws_f64(&spaces[i]);
            f32_agrees_with_f64(&spaces[i]);
            space_free(&spaces[i]);
        }
    }
    return check_result();
}
