/* All instruction sets of this machine give the same numbers, but for roundings. */
#define _POSIX_C_SOURCE 200112L /* setenv */

#include <stdlib.h>

#include "environment.h"
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

/* Calls use the best where the environment asks for what there is not, and the library tells. */
static void choices(void) {
    const char *good[] = {"", "best", "baseline"},
               *bad[] = {"nonsense", "AVX2", "avx", "baseline ", "avx2,baseline"};
    const char *best = library_now().build_info;
    CHECK(library_now().isa_status == CPAB_OK);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        setenv("CPAB_ISA", good[i], 1);
        CHECK(library_now().isa_status == CPAB_OK);
        CHECK((i == 2 && strstr(best, "AVX")) == (library_now().build_info != best));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        setenv("CPAB_ISA", bad[i], 1);
        CHECK(library_now().isa_status == CPAB_E_OPTION);
        CHECK(library_now().build_info == best);
    }
    const char *names = library_now().isa_names, *all[] = {"baseline", "avx2", "avx512"};
    CHECK(strstr(names, "best") && strstr(names, "baseline"));
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        setenv("CPAB_ISA", all[i], 1);
        CHECK((library_now().isa_status == CPAB_OK) == (strstr(names, all[i]) != NULL));
    }
    unsetenv("CPAB_ISA");
}

int main(void) {
    unsetenv("CPAB_ISA");
    choices();
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
