/* Numbers of fields and of points whose arrays have more elements than can be counted. */
#ifndef UNCOUNTABLE_H
#define UNCOUNTABLE_H

#include <stdint.h>

/* { n_batch, n_points }: products beyond int64, products that wrap around to 0 and to small numbers, and
   arrays that hold a number or more per field or point. */
static const int64_t uncountable[][2] = {
    {1, INT64_MAX},
    {1, INT64_C(1) << 62},
    {1, INT64_C(1) << 60},
    {3, INT64_C(1) << 62},
    {3, INT64_MAX / 3 + 1},
    {4, INT64_C(1) << 61},
    {5, (INT64_C(1) << 62) / 5 + 1},
    {INT64_C(1) << 32, INT64_C(1) << 32},
    {INT64_C(1) << 40, INT64_C(1) << 40},
    {INT64_C(1) << 62, 1},
    {INT64_C(1) << 62, 4},
    {INT64_MAX, 1},
    {INT64_MAX, INT64_MAX},
    {INT64_MAX, 0}, /* the fields alone */
    {INT64_C(1) << 60, 0},
};
enum { n_uncountable = sizeof uncountable / sizeof uncountable[0] };

#endif
