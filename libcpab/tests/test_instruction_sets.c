/* All instruction sets of this machine give the same numbers, but for roundings. */
#define _POSIX_C_SOURCE 200112L /* setenv */

#include <stdlib.h>

#include "image.h"
#include "real.h"

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
    const cpab_image images[] = {image_make(1, 9, 1, 1, 2), image_make(2, 7, 5, 1, 3),
                                 image_make(3, 4, 3, 5, 1)};
    for (size_t i = 0; i < sizeof images / sizeof images[0]; i++)
        for (int variant = 0; variant < n_variants; variant++) {
            cpab_image image = images[i];
            set_variant(&image, variant);
            samples_agree_f32(image);
            samples_agree_f64(image);
        }
    return check_result();
}
