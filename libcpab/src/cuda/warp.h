/* The scratch of the functions that warp images. */
#ifndef CPAB_CUDA_WARP_H
#define CPAB_CUDA_WARP_H

#include <cstdint>

#include "../../include/cpab.h"

namespace cpab {
namespace CPAB_ISA {

/* `function` is CPAB_WARP or CPAB_WARP_VJP; 0 for a call that is not valid. */
int64_t warp_scratch_bytes(const cpab_call &call, cpab_function function);

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
