/* A poor man's template: define REAL and SUFFIX, include a .inc file, and R(cpab_transform) in it is
   cpab_transform_f32 or cpab_transform_f64. */
#ifndef REAL_H
#define REAL_H

#include <float.h>

#define REAL_JOIN_(name, suffix) name##_##suffix
#define REAL_JOIN(name, suffix) REAL_JOIN_(name, suffix)
#define R(name) REAL_JOIN(name, SUFFIX)

/* Rounding unit of the current REAL. */
#define EPS (sizeof(REAL) == 4 ? (double)FLT_EPSILON : DBL_EPSILON)

#endif
