/* How tests launch a kernel of PTX that has no namesake in C++. */
#ifndef CPAB_TESTS_PTX_LAUNCH_H
#define CPAB_TESTS_PTX_LAUNCH_H

#include "../../../src/cuda/gpu.h"
#include "../stand_in/stop.h"
#include "../stand_in/translations.h"

namespace ptx {

template <typename... Arguments>
void launch(const char *kernel, cpab::gpu::Grid grid, int64_t shared_bytes, const Arguments &...arguments) {
    const stand_in::Translation *const translation = stand_in::find_translation(kernel);
    if (!translation) stand_in::stop("there is no kernel %s", kernel);
    const void *const itself = reinterpret_cast<const void *>(translation->run);
    const stand_in::Work work = {itself,  grid.blocks, grid.rows, shared_bytes,
                                 nullptr, nullptr,     nullptr,   nullptr};
    stand_in::launch(
        stand_in::work_of(*translation, work, {{&arguments, sizeof arguments, alignof(Arguments)}...}),
        nullptr);
}

}  // namespace ptx

#endif
