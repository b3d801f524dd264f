/* One part of a kernel. The build compiles this file for each instruction set, type of number and dimension,
   with CPAB_ISA, CPAB_LANE_BYTES, CPAB_NUMBER and CPAB_NDIM defined, so that parts are compiled side by side.
 */
#include "kernel.h"

namespace cpab {
namespace CPAB_ISA {

template Worker<CPAB_NUMBER> *make_worker<CPAB_NUMBER, CPAB_NDIM>(const cpab_tessellation &, const Needs &);

}  // namespace CPAB_ISA
}  // namespace cpab
