/* For x86-64 processors with AVX-512 F, DQ, BW and VL; compiled with the flags of these. */
#define CPAB_ISA avx512
#define CPAB_LANE_BYTES 64
#include "kernel.h"
#include "sample_kernel.h"
