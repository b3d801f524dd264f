/* Values of images at points, and their gradients: a thread for each point of each item, which goes through
   the channels. The build compiles this file for each type of number and dimension, with CPAB_NUMBER and
   CPAB_NDIM defined. */
#include "sample_at.h"
#include "sample_launch.h"
#include "sample_sums.h"

namespace cpab {
namespace CPAB_ISA {

namespace {

CPAB_DEVICE int64_t own_point() { return gpu::block() * gpu::threads_per_block + gpu::thread(); }

}  // namespace

template <typename T, int D, int n_taps>
CPAB_KERNEL values_kernel(SampleJob<T, D> job, const T *__restrict__ images, const T *__restrict__ points,
                          T *__restrict__ out) {
    const int64_t point = own_point(), item = gpu::row();
    if (point >= job.n_points) return;
    write_values<n_taps>(job, item, point, points + item * job.cloud_size + point * D, images, out);
}

template <typename T, int D, int n_taps>
CPAB_KERNEL point_gradients_kernel(SampleJob<T, D> job, const T *__restrict__ images,
                                   const T *__restrict__ points, const T *__restrict__ grad_out,
                                   T *__restrict__ grad_points) {
    const int64_t point = own_point(), item = gpu::row();
    if (point >= job.n_points) return;
    const T *at = points + item * job.cloud_size + point * D;
    write_gradient<n_taps>(job, item, point, at, images, grad_out,
                           grad_points + (item * job.n_points + point) * D);
}

/* A corner without weight is given nothing, whatever the gradient; a point that is not finite gives none. */
template <typename T, int D, int n_taps, typename Sums>
CPAB_KERNEL image_gradients_kernel(SampleJob<T, D> job, const T *__restrict__ points,
                                   const T *__restrict__ grad_out, Sums all_sums) {
    using Corners = PointTaps<T, D, n_taps>;
    const int64_t point = own_point(), item = gpu::row();
    if (point >= job.n_points) return;
    Corners taps;
    taps.find(job, points + item * job.cloud_size + point * D);
    if (taps.not_finite[0]) return;
    const T *grads = grad_out + item * job.raster.out_item_size + point * job.raster.out_point_stride;
    const auto sums = of_item(all_sums, item, job.raster.item_size);
    for (int64_t c = 0; c < job.raster.channels; c++) {
        const T grad = grads[c * job.raster.out_channel_stride];
        CPAB_UNROLL
        for (int k = 0; k < Corners::corners; k++) {
            const T weight = taps.factor(k, -1)[0];
            if (weight != T(0)) sums.add(taps.at(c * job.raster.channel_stride, k), grad * weight);
        }
    }
}

/* -- on the host ----------------------------------------------------------------------------------- */

namespace {

template <int n>
using TapCount = std::integral_constant<int, n>;

/* Calls launch() with the number of taps that interpolation has, a grid and a job for its kernel. */
template <int D, typename T, typename Launch>
void with_taps(const Sampling<T> &sampling, Launch launch) {
    const Raster &raster = sampling.raster;
    const int64_t blocks = (sampling.n_points + gpu::threads_per_block - 1) / gpu::threads_per_block;
    const auto with = [&](auto n) {
        const auto job = sample_job<T, D, n>(raster, sampling.n_points, sampling.points_batch == 1);
        launch(n, gpu::Grid{blocks, sampling.n_batch}, job);
    };
    switch (raster.interpolation) {
        case CPAB_INTERPOLATION_LINEAR: return with(TapCount<2>());
        case CPAB_INTERPOLATION_NEAREST: return with(TapCount<1>());
        default: return with(TapCount<4>());
    }
}

}  // namespace

template <typename T, int D>
void launch_values(const Sampling<T> &s, T *out) {
    with_taps<D>(s, [&](auto n, gpu::Grid grid, const auto &job) {
        gpu::launch(values_kernel<T, D, decltype(n)::value>, grid, 0, s.stream, job, s.images, s.points, out);
    });
}

template <typename T, int D>
void launch_point_gradients(const Sampling<T> &s, const T *grad_out, T *grad_points) {
    with_taps<D>(s, [&](auto n, gpu::Grid grid, const auto &job) {
        gpu::launch(point_gradients_kernel<T, D, decltype(n)::value>, grid, 0, s.stream, job, s.images,
                    s.points, grad_out, grad_points);
    });
}

template <typename T, int D, typename Sums>
void launch_image_gradients(const Sampling<T> &s, const T *grad_out, const Sums &sums) {
    with_taps<D>(s, [&](auto n, gpu::Grid grid, const auto &job) {
        gpu::launch(image_gradients_kernel<T, D, decltype(n)::value, Sums>, grid, 0, s.stream, job, s.points,
                    grad_out, sums);
    });
}

using Number = CPAB_NUMBER;
template void launch_values<Number, CPAB_NDIM>(const Sampling<Number> &, Number *);
template void launch_point_gradients<Number, CPAB_NDIM>(const Sampling<Number> &, const Number *, Number *);
template void launch_image_gradients<Number, CPAB_NDIM>(const Sampling<Number> &, const Number *,
                                                        const FloatSums<Number> &);
template void launch_image_gradients<Number, CPAB_NDIM>(const Sampling<Number> &, const Number *,
                                                        const FixedSums<Number> &);

}  // namespace CPAB_ISA
}  // namespace cpab
