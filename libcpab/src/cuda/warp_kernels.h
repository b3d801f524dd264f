/* The kernels that warp images: a thread moves a pixel, and samples where it ends. */
#ifndef CPAB_CUDA_WARP_KERNELS_H
#define CPAB_CUDA_WARP_KERNELS_H

#include "back_kernels.h"
#include "move_kernels.h"
#include "sample_at.h"

namespace cpab {
namespace CPAB_ISA {

/* Where a point ends, as samplers read it. */
template <typename V, int D>
struct End {
    typename V::Scalar at[D];

    CPAB_DEVICE explicit End(const Arrival<V, D> &arrival) {
        for (int d = 0; d < D; d++) at[d] = arrival.end[d].v;
    }
};

/* Values of images where pixels end. */
template <typename T, int D>
CPAB_KERNEL warp_pixels(Batch<T, D> batch, SampleJob<T, D> job, const T *__restrict__ images,
                        T *__restrict__ out) {
    using V = Lanes<T, 1>;
    const int64_t item = gpu::row(), p = own_point(batch);
    report_range(batch, item);
    if (p < 0) return;
    Arrival<V, D> arrival;
    KeepNothing nothing;
    arrive(batch, flow_of<V, D>(batch, item), item, p, nothing, arrival);
    write_values<fused_taps>(job, item, p, End<V, D>(arrival).at, images, out);
}

/* How the cotangents of those values go back. */
template <typename T, int D>
struct BackFromImage : BackFromEnd<Lanes<T, 1>, D> {
    struct Source {
        SampleJob<T, D> job;
        const T *images, *grad_out;
        T *ends; /* [rows, n_points, D], which is written; or NULL */
    };

    CPAB_DEVICE void seed(const Batch<T, D> &batch, const Source &source, int64_t item, int64_t p,
                          const Arrival<Lanes<T, 1>, D> &arrival) {
        const End<Lanes<T, 1>, D> end(arrival);
        T grad[D];
        write_gradient<fused_taps>(source.job, item, p, end.at, source.images, source.grad_out, grad);
        for (int d = 0; d < D; d++) {
            this->seed_along(batch, d, grad[d], arrival.nowhere);
            if (source.ends) source.ends[(item * batch.n_points + p) * D + d] = end.at[d];
        }
    }
};

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
