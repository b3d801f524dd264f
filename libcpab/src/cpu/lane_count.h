/* How many numbers a vector of the instruction set holds. */
#ifndef CPAB_CPU_LANE_COUNT_H
#define CPAB_CPU_LANE_COUNT_H

#include "../vector_lanes.h"

namespace cpab {
namespace CPAB_ISA {

template <typename T>
constexpr int lane_count = CPAB_HAS_VECTORS && CPAB_LANE_BYTES > 0 ? CPAB_LANE_BYTES / sizeof(T) : 1;

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
