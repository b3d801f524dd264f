/* A poor man's template: define REAL and SUFFIX, include a .inc file, and R(move) in it is move_f32 or
   move_f64. DTYPE is what calls are told of it. */
#ifndef REAL_H
#define REAL_H

#include <float.h>

#include "cpab.h"

#define REAL_JOIN_(name, suffix) name##_##suffix
#define REAL_JOIN(name, suffix) REAL_JOIN_(name, suffix)
#define R(name) REAL_JOIN(name, SUFFIX)

#define DTYPE (sizeof(REAL) == 4 ? CPAB_FLOAT32 : CPAB_FLOAT64)

/* Rounding unit of the current REAL. */
#define EPS (sizeof(REAL) == 4 ? (double)FLT_EPSILON : DBL_EPSILON)

#endif
