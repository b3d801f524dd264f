/* What the library says about itself. */
#include <cstring>

#include "../include/cpab.h"
#include "cpu/parallel.h"
#include "cpu/worker.h"

#define CPAB_TEXT_(x) #x
#define CPAB_TEXT(x) CPAB_TEXT_(x)

extern "C" {

int32_t cpab_abi_version(void) { return CPAB_ABI_VERSION; }

const char *cpab_version(void) { return CPAB_TEXT(CPAB_VERSION); }

#if CPAB_HAS_THREADS
#    define CPAB_THREADS_TEXT ", threads"
#else
#    define CPAB_THREADS_TEXT ", one thread"
#endif
#if defined(__VERSION__)
#    define CPAB_COMPILER_TEXT "; compiler " __VERSION__
#else
#    define CPAB_COMPILER_TEXT ""
#endif
#define CPAB_INFO(isa) "1D, 2D, 3D; float32, float64; CPU, " isa CPAB_THREADS_TEXT CPAB_COMPILER_TEXT

const char *cpab_build_info(void) {
    const char *isa = cpab::instruction_set();
    if (!std::strcmp(isa, "AVX-512")) return CPAB_INFO("AVX-512");
    if (!std::strcmp(isa, "AVX2")) return CPAB_INFO("AVX2");
    return CPAB_INFO("baseline");
}

const char *cpab_status_text(cpab_status status) {
    int32_t number; /* C may pass any, and C++ must not read every one as a cpab_status */
    static_assert(sizeof number == sizeof status, "an enumeration is an int");
    std::memcpy(&number, &status, sizeof number);
    switch (number) {
        case CPAB_OK: return "no error";
        case CPAB_E_NULL: return "a required pointer is NULL";
        case CPAB_E_ABI: return "a struct does not have the size that this library expects";
        case CPAB_E_NDIM:
            return "the number of dimensions is not supported by this build, or image and tessellation "
                   "differ in it";
        case CPAB_E_CELLS: return "numbers of cells must be at least 1 and at most 4194304 simplices in all";
        case CPAB_E_DOMAIN: return "the domain must have finite bounds with lower < upper";
        case CPAB_E_OPTION: return "an option has a value that does not exist";
        case CPAB_E_SHAPE:
            return "sizes must not be negative, points_batch must be 1 or n_batch, and no array may "
                   "have more "
                   "elements than can be counted";
        case CPAB_E_TIME: return "time must be finite";
        case CPAB_E_THREADS: return "n_threads must be at least 1";
        case CPAB_E_RANGE:
            return "the velocity field is too large: |time| * |A| is above 1024 or |time| * |v| above "
                   "1048576 cells";
        case CPAB_E_DIVERGED: return "a trajectory left the range of the number type";
        case CPAB_E_MEMORY: return "memory could not be allocated";
        case CPAB_E_IMAGE:
            return "an image must have from 1 to 1073741824 pixels along each axis, and no negative number "
                   "of channels";
        case CPAB_E_TAPE:
            return "the tape was recorded by another call: its sizes, tessellation, time and number type "
                   "must "
                   "be those of this one";
        case CPAB_E_INTERRUPTED: return "the caller interrupted the call";
    }
    return "unknown status";
}

}  // extern "C"
