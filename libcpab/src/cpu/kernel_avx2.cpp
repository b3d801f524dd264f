/* For x86-64 processors with AVX2 and FMA; compiled with -mavx2 -mfma. */
#define CPAB_ISA avx2
#define CPAB_LANE_BYTES 32
#include "kernel.h"
#include "sample_kernel.h"
