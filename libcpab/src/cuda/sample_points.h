/*
 * Sampling on a device: what the entry points and the warp call. Arrays are the device's, and work is started
 * on a stream: whether the device took it, gpu::took() tells.
 */
#ifndef CPAB_CUDA_SAMPLE_POINTS_H
#define CPAB_CUDA_SAMPLE_POINTS_H

#include <cstdint>

#include "../raster.h"

namespace cpab {
namespace CPAB_ISA {

/* Images, and points to sample them at. The points and their gradients are dense. What there is for each
   point has the strides of the raster, which may count more of them: then these points are a slice, and
   pointers are to what belongs to its first. */
template <typename T>
struct Sampling {
    const Raster &raster;
    const T *images, *points;
    int64_t n_batch, n_points, points_batch;
    void *stream;
};

/* Writes images(points). */
template <typename T>
void sample_values(const Sampling<T> &sampling, T *out);

/* The vector-Jacobian product. Either result may be NULL: `grad_points` is written, `grad_images` is added
   to. With `scratch`, of sum_bytes() and aligned to 16 bytes, what is added has the same bits every time.
   Without, which is NULL, it need not have. */
template <typename T>
void sample_gradients(const Sampling<T> &sampling, const T *grad_out, T *grad_images, T *grad_points,
                      void *scratch);

/* How large that scratch is. More items need not more of it, as they can go in parts. */
int64_t sum_bytes(const Raster &raster, int64_t n_batch);

/* The scratch of cpab_sample_vjp(); 0 for a call that is not valid. */
int64_t sample_scratch_bytes(const cpab_call &call);

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
