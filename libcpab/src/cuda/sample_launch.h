/* The kernels that sample, as the host starts them: for at most gpu::most_rows items, and some points. */
#ifndef CPAB_CUDA_SAMPLE_LAUNCH_H
#define CPAB_CUDA_SAMPLE_LAUNCH_H

#include "sample_points.h"

namespace cpab {
namespace CPAB_ISA {

/* What pixels are given of the gradients of values is added up in floats, in the result itself; */
template <typename T>
struct FloatSums {
    T *grad_images;
};

/* or in fixed point beside it, which sample_sums.h explains. */
template <typename T>
struct FixedSums {
    T *grad_images;
    int64_t *sums;     /* of all pixels, in the layout of the images; zeros at first */
    uint64_t *largest; /* by items, the bits of the largest gradient that is finite; zeros at first */
    int spare;         /* 61 - b */
};

/* -- in sample_part.cu, for each type of number and dimension ------------------------------------- */

template <typename T, int D>
void launch_values(const Sampling<T> &sampling, T *out);

template <typename T, int D>
void launch_point_gradients(const Sampling<T> &sampling, const T *grad_out, T *grad_points);

/* `Sums` is FloatSums<T> or FixedSums<T>. */
template <typename T, int D, typename Sums>
void launch_image_gradients(const Sampling<T> &sampling, const T *grad_out, const Sums &sums);

/* -- in sample_fixed.cu, for each type of number -------------------------------------------------- */

/* Finds the largest gradient of each item that is finite. */
template <typename T>
void launch_largest(const Sampling<T> &sampling, const T *grad_out, const FixedSums<T> &sums);

/* Adds the sums to the result. */
template <typename T>
void launch_add_sums(const Sampling<T> &sampling, const FixedSums<T> &sums);

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
