/* The part of a kernel that reads images. The build compiles this file for each instruction set, with
   CPAB_ISA and CPAB_LANE_BYTES defined. */
#include "sample_kernel.h"

namespace cpab {
namespace CPAB_ISA {

template Sampler<CPAB_NUMBER> *make_sampler<CPAB_NUMBER>(const Raster &);

}  // namespace CPAB_ISA
}  // namespace cpab
