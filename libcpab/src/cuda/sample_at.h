/* What a thread does with a point in an image: it goes through the channels. */
#ifndef CPAB_CUDA_SAMPLE_AT_H
#define CPAB_CUDA_SAMPLE_AT_H

#include "sample_taps.h"

namespace cpab {
namespace CPAB_ISA {

/* Writes the values of an item's image for its point of this number, which lies `at` D coordinates. */
template <int n_taps, typename T, int D>
CPAB_DEVICE void write_values(const SampleJob<T, D> &job, int64_t item, int64_t point, const T *at,
                              const T *images, T *out) {
    using Corners = PointTaps<T, D, n_taps>;
    Corners taps;
    taps.find(job, at);
    const T *image = images + item * job.raster.item_size;
    T *to = out + item * job.raster.out_item_size + point * job.raster.out_point_stride;
    for (int64_t c = 0; c < job.raster.channels; c++) {
        Lanes<T, 1> at_corner[Corners::corners];
        CPAB_UNROLL
        for (int k = 0; k < Corners::corners; k++)
            at_corner[k] = *taps.at(image + c * job.raster.channel_stride, k);
        to[c * job.raster.out_channel_stride] = taps.combined(at_corner, -1)[0];
    }
}

/* Writes the gradient of where that point lies, by the gradients of the values: D numbers. */
template <int n_taps, typename T, int D>
CPAB_DEVICE void write_gradient(const SampleJob<T, D> &job, int64_t item, int64_t point, const T *at,
                                const T *images, const T *grad_out, T *gradient) {
    using Corners = PointTaps<T, D, n_taps>;
    Corners taps;
    taps.find(job, at);
    const T *image = images + item * job.raster.item_size;
    const T *grads = grad_out + item * job.raster.out_item_size + point * job.raster.out_point_stride;
    Lanes<T, 1> sum[Corners::corners];
    CPAB_UNROLL
    for (int k = 0; k < Corners::corners; k++) sum[k] = T(0);
    for (int64_t c = 0; c < job.raster.channels; c++) {
        const Lanes<T, 1> grad = grads[c * job.raster.out_channel_stride];
        CPAB_UNROLL
        for (int k = 0; k < Corners::corners; k++)
            sum[k] = sum[k] + grad * Lanes<T, 1>(*taps.at(image + c * job.raster.channel_stride, k));
    }
    CPAB_UNROLL
    for (int d = 0; d < D; d++) gradient[d] = taps.combined(sum, d)[0];
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
