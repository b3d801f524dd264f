/* The two libraries with libcpab's header: libcpab, and libcpab_cuda for the memory of CUDA devices. Neither
   is linked: both are opened by the path where they are found. */
#ifndef CPABX_TENSORFLOW_LIBRARY_H
#define CPABX_TENSORFLOW_LIBRARY_H

#include <vector>

#include "absl/status/statusor.h"
#include "cpab.h"

namespace cpabx {

struct Library {
    cpab_device device;
    decltype(&cpab_library_describe) describe;
    decltype(&cpab_explain) explain;
    decltype(&cpab_tessellation_create) create;
    decltype(&cpab_tessellation_destroy) destroy;
    decltype(&cpab_tessellation_describe) sizes;
    decltype(&cpab_tables) tables;
    decltype(&cpab_scratch_bytes) scratch_bytes;
    std::vector<void (*)()> functions; /* those that compute, by their cpab_function */
};

/* libcpab, or why it cannot be used. It is the one that the process has loaded; else that of the folder
   CPABX_LIBRARY_DIR; else the one beside this library. */
absl::StatusOr<const Library *> libcpab();

/* Whether there is a libcpab_cuda beside libcpab. It is not opened. */
bool has_libcpab_cuda();

/* That libcpab_cuda, opened when it is asked for first; or why it cannot be used. It needs no driver. */
absl::StatusOr<const Library *> libcpab_cuda();

}  // namespace cpabx

#endif
