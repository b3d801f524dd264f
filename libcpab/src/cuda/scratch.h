/* How calls begin that need scratch and tables, and how they end. */
#ifndef CPAB_CUDA_SCRATCH_H
#define CPAB_CUDA_SCRATCH_H

#include <type_traits>

#include "../call.h"
#include "gpu.h"
#include "plan.h"

namespace cpab {
namespace CPAB_ISA {

/* Calls body(a number of the call's type), if it is a call for this library. */
template <typename Body>
cpab_status for_dtype(cpab_call *call, Body body) {
    const cpab_status status = begin(call, CPAB_CUDA);
    if (status != CPAB_OK) return status;
    return call->dtype == CPAB_FLOAT32 ? body(float()) : body(double());
}

/* Calls body(the number of dimensions, as a constant). */
template <typename Body>
auto for_ndim(int32_t ndim, Body body) {
    switch (ndim) {
        case 1: return body(std::integral_constant<int, 1>());
        case 2: return body(std::integral_constant<int, 2>());
        default: return body(std::integral_constant<int, 3>());
    }
}

inline bool is_aligned(const void *memory) { return reinterpret_cast<uintptr_t>(memory) % 16 == 0; }

/* Checks the memory that a call brings for the library. Without work, it may bring none. */
inline cpab_status check_memory(const cpab_call &call, int64_t scratch_bytes, bool reads_tables) {
    if (reads_tables && !call.tables) return CPAB_E_NULL;
    if (reads_tables && !is_aligned(call.tables)) return CPAB_E_SCRATCH;
    if (scratch_bytes == 0) return CPAB_OK;
    const bool fits = call.scratch && is_aligned(call.scratch) && call.scratch_bytes >= scratch_bytes;
    return fits ? CPAB_OK : CPAB_E_SCRATCH;
}

/* What a call answers that has given its work to the device. */
inline cpab_status launched() { return gpu::took() ? CPAB_OK : CPAB_E_LAUNCH; }

/* The scratch of a function on points, whose sizes have been checked. */
template <typename T>
int64_t flow_bytes(const cpab_call &call, cpab_function function) {
    if (call.n_batch == 0) return 0;
    return for_ndim(call.tess->ndim, [&](auto ndim) {
        return FlowPlan<T, ndim>(*call.tess, needs_of(function), call.n_batch, call.n_points).bytes();
    });
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
