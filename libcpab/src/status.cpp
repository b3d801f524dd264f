/* What the library says about itself. */
#include <cstring>

#include "../include/cpab.h"
#include "cpu/parallel.h"
#include "cpu/worker.h"

#define CPAB_TEXT_(x) #x
#define CPAB_TEXT(x) CPAB_TEXT_(x)

namespace {

#define CPAB_REPORT "This is a bug of the caller: report it to the authors of the program or the plugin."

/* By the number of the status. */
const cpab_message messages[] = {
    {"no error", "none", "There is nothing to do."},
    {"every pointer that is required must be given", "NULL", CPAB_REPORT},
    {"structs must have the sizes that this library expects", "another size",
     "Reinstall: library and header come from different builds."},
    {"the number of dimensions must be one that this build supports, and that of the tessellation", "another",
     "Choose other cells or another domain."},
    {"numbers of cells must be at least 1, and at most 4194304 simplices in all", "others",
     "Choose other cells or another domain."},
    {"the domain must have finite bounds with lower < upper", "others",
     "Choose other cells or another domain."},
    {"options must have values that exist", "another", CPAB_REPORT},
    {"sizes must not be negative, points_batch must be 1 or n_batch, and no array may have more elements "
     "than can "
     "be counted",
     "others", "Check the shapes of points and theta."},
    {"time must be finite", "", "Pass a number; -1 is the inverse."},
    {"n_threads must not be negative, and CPABX_NUM_THREADS must be a whole number from 1 to 999999999", "",
     "Correct or unset it."},
    {"|time| * |A| must be at most 1024, and |time| * |v| at most 1048576 cells, for every velocity field",
     "a larger one", "Make theta or the time smaller; a learning rate that is too large gets here."},
    {"trajectories must stay in the range of the number type", "one that does not",
     "Make theta or the time smaller, use outside='nearest', or a boundary that is not free."},
    {"a call to libcpab needs memory", "memory could not be allocated",
     "Free some, or use fewer threads or cells."},
    {"images must have from 1 to 1073741824 pixels along each axis, and no negative number of channels",
     "others", "Leave empty images out, and cut larger ones."},
    {"a tape must be of a call with the same sizes, tessellation, time and number type", "another",
     CPAB_REPORT},
    {"a call must run to its end", "an interrupt", "Call again; in C, see cpab_set_interrupt()."},
    {"arrays must lie in the memory of a device that this library works in", "another device",
     "Move them, or use the library for that device."},
};
const cpab_message unknown = {"a status must be one that exists", "an unknown one", CPAB_REPORT};

static_assert(CPAB_MAX_RATE == 1024 && CPAB_MAX_SPEED == 1048576 && CPAB_MAX_CELLS == 4194304 &&
                  CPAB_MAX_SIZE == 1073741824,
              "the numbers in these texts");

}  // namespace

extern "C" {

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

static const char *build_info() {
    const char *isa = cpab::instruction_set();
    if (!std::strcmp(isa, "AVX-512")) return CPAB_INFO("AVX-512");
    if (!std::strcmp(isa, "AVX2")) return CPAB_INFO("AVX2");
    return CPAB_INFO("baseline");
}

cpab_status cpab_library_describe(cpab_library *library) {
    if (!library) return CPAB_E_NULL;
    library->abi_version = CPAB_ABI_VERSION;
    if (library->struct_size != sizeof *library) return CPAB_E_ABI;
    library->device = CPAB_CPU;
    library->version = CPAB_TEXT(CPAB_VERSION);
    library->build_info = build_info();
    library->isa_names = cpab::instruction_sets();
    library->isa_status = cpab::knows_instruction_set() ? CPAB_OK : CPAB_E_OPTION;
    library->n_threads = cpab::default_threads();
    return CPAB_OK;
}

const cpab_message *cpab_explain(cpab_status status) {
    int32_t number; /* C may pass any, and C++ must not read every one as a cpab_status */
    static_assert(sizeof number == sizeof status, "an enumeration is an int");
    std::memcpy(&number, &status, sizeof number);
    const int32_t n_known = sizeof messages / sizeof *messages;
    return number < 0 || number >= n_known ? &unknown : &messages[number];
}

}  // extern "C"
