/* For every processor of the architecture: SSE2 on x86-64, NEON on 64-bit Arm. */
#define CPAB_ISA baseline
#define CPAB_LANE_BYTES 16
#include "kernel.h"
#include "sample_kernel.h"
