/* Statuses in words. */
#include <cstring>

#include "../include/cpab.h"

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
    {"a call needs scratch that is aligned and as large as cpab_scratch_bytes()", "other scratch",
     CPAB_REPORT},
    {"a device must take the work that it is given", "a launch that failed",
     "See whether the device works, is the current one, has a driver for the CUDA that this library was "
     "built with, and the architecture that it was built for."},
};
const cpab_message unknown = {"a status must be one that exists", "an unknown one", CPAB_REPORT};

static_assert(CPAB_MAX_RATE == 1024 && CPAB_MAX_SPEED == 1048576 && CPAB_MAX_CELLS == 4194304 &&
                  CPAB_MAX_SIZE == 1073741824,
              "the numbers in these texts");

}  // namespace

extern "C" {

const cpab_message *cpab_explain(cpab_status status) {
    int32_t number; /* C may pass any, and C++ must not read every one as a cpab_status */
    static_assert(sizeof number == sizeof status, "an enumeration is an int");
    std::memcpy(&number, &status, sizeof number);
    const int32_t n_known = sizeof messages / sizeof *messages;
    return number < 0 || number >= n_known ? &unknown : &messages[number];
}

}  // extern "C"
