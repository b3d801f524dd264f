/* A sampler in lanes: included after cpu/kernel.h, by one source file per instruction set. */
#ifndef CPAB_CPU_SAMPLE_KERNEL_H
#define CPAB_CPU_SAMPLE_KERNEL_H

#include <limits>
#include <new>

#include "../sample.h"
#include "columns.h"
#include "free_sampler.h"
#include "kernel.h"
#include "sampler.h"

namespace cpab {
namespace CPAB_ISA {

template <typename V, int D, int n_taps, bool adjacent>
class LaneSampler final : public Sampler<typename V::Scalar> {
    using T = typename V::Scalar;
    using Bits = typename V::Bits;
    using Corners = Stencil<V, D, n_taps>;
    static constexpr int W = V::width, corners = Corners::corners;

public:
    explicit LaneSampler(const Raster &raster) : raster_(raster) {
        for (int d = 0; d < D; d++) axis_[d] = image_axis<T, n_taps>(raster, d, 0, raster.size[d] - 1);
    }

    void release() override { delete this; }

    void values(const T *data, const T *points, int64_t n, T *out) const override {
        for_groups(axis_, points, n, [&](const Corners &stencil, int64_t first, int count) {
            for (int64_t c = 0; c < raster_.channels; c++) {
                V at_corner[corners];
                gather_corners<adjacent>(axis_, data + c * raster_.channel_stride, stencil, at_corner);
                put_column(stencil.combined(at_corner, -1), count, at(out, c, first),
                           raster_.out_point_stride);
            }
        });
    }

    void gradients(const T *data, const T *points, const T *grad_out, int64_t n, T *grad_data,
                   T *grad_points) const override {
        for_groups(axis_, points, n, [&](const Corners &stencil, int64_t first, int count) {
            const T *grad = at(grad_out, 0, first);
            if (grad_points) point_gradients(stencil, data, grad, count, grad_points + first * D);
            if (grad_data) add_data_gradients(axis_, stencil, grad, count, grad_data);
        });
    }

    void band_gradients(const T *points, const T *grad_out, int64_t n, int64_t first_pixel,
                        int64_t last_pixel, T *grad_data) const override {
        ImageAxis<T> axis[D];
        for (int d = 0; d < D; d++) axis[d] = axis_[d];
        axis[D - 1] = image_axis<T, n_taps>(raster_, D - 1, first_pixel, last_pixel);
        for_groups(axis, points, n, [&](const Corners &stencil, int64_t first, int count) {
            add_data_gradients(axis, stencil, at(grad_out, 0, first), count, grad_data);
        });
    }

private:
    void point_gradients(const Corners &stencil, const T *data, const T *grad_out, int count,
                         T *grad_points) const {
        V sum[corners], gradient[D];
        for (int k = 0; k < corners; k++) sum[k] = V(0);
        for (int64_t c = 0; c < raster_.channels; c++) {
            const V grad = get_column<V>(at(grad_out, c, 0), count, raster_.out_point_stride);
            V at_corner[corners];
            gather_corners<adjacent>(axis_, data + c * raster_.channel_stride, stencil, at_corner);
            for (int k = 0; k < corners; k++) sum[k] = sum[k] + grad * at_corner[k];
        }
        for (int d = 0; d < D; d++) gradient[d] = stencil.combined(sum, d);
        PointArrays<V, D>::store(gradient, count, grad_points);
    }

    void add_data_gradients(const ImageAxis<T> (&axis)[D], const Corners &stencil, const T *grad_out,
                            int count, T *grad_data) const {
        V weight[corners];
        int64_t shift[corners];
        Bits used = Bits::none();
        for (int k = 0; k < corners; k++) {
            shift[k] = corner_shift(axis, k);
            weight[k] = select(stencil.bad, V(0), stencil.weight(k));
            used = used | (V(0) < weight[k]);
        }
        if (!any(used)) return;
        for (int64_t c = 0; c < raster_.channels; c++) {
            const V grad = get_column<V>(at(grad_out, c, 0), count, raster_.out_point_stride);
            T part[corners][W];
            for (int k = 0; k < corners; k++) select(V(0) < weight[k], grad * weight[k], V(0)).store(part[k]);
            T *channel = grad_data + c * raster_.channel_stride;
            for (int r = 0; r < count; r++)
                for (int k = 0; k < corners; k++) channel[stencil.offset[r] + shift[k]] += part[k][r];
        }
    }

    template <typename Body>
    void for_groups(const ImageAxis<T> (&axis)[D], const T *points, int64_t n, Body body) const {
        for (int64_t first = 0; first < n; first += W) {
            const int count = n - first < W ? int(n - first) : W;
            V x[D];
            PointArrays<V, D>::load(points + first * D, count, x);
            Corners stencil;
            make_stencil(axis, raster_.padding, x, stencil);
            body(stencil, first, count);
        }
    }

    template <typename Result>
    Result *at(Result *results, int64_t channel, int64_t point) const {
        return results + channel * raster_.out_channel_stride + point * raster_.out_point_stride;
    }

    Raster raster_;
    ImageAxis<T> axis_[D];
};

template <typename V, int D>
Sampler<typename V::Scalar> *make_lane_sampler(const Raster &raster) {
    constexpr bool can_pair = V::width > 1 && sizeof(typename V::Scalar) == 4;
    if (raster.interpolation == CPAB_INTERPOLATION_CUBIC)
        return new (std::nothrow) FreeSampler<V, D, 4>(raster);
    if (raster.padding == CPAB_PADDING_WRAP && raster.interpolation == CPAB_INTERPOLATION_NEAREST)
        return new (std::nothrow) FreeSampler<V, D, 1>(raster);
    if (raster.padding == CPAB_PADDING_WRAP) return new (std::nothrow) FreeSampler<V, D, 2>(raster);
    if (raster.interpolation == CPAB_INTERPOLATION_NEAREST)
        return new (std::nothrow) LaneSampler<V, D, 1, false>(raster);
    if (can_pair && raster.stride[0] == 1 && raster.size[0] > 1)
        return new (std::nothrow) LaneSampler<V, D, 2, can_pair>(raster);
    return new (std::nothrow) LaneSampler<V, D, 2, false>(raster);
}

/* In lanes, unless their integers are too short to count the elements of a channel. */
template <typename T, int D>
Sampler<T> *make_sampler_of(const Raster &raster) {
    const int64_t end = raster.stride[D - 1] * raster.size[D - 1];
    if (end > std::numeric_limits<typename IntegerOf<T>::type>::max())
        return make_lane_sampler<Lanes<T, 1>, D>(raster);
    return make_lane_sampler<Lanes<T, lane_count<T>>, D>(raster);
}

template <typename T>
Sampler<T> *make_sampler(const Raster &raster) {
    switch (raster.ndim) {
        case 1: return make_sampler_of<T, 1>(raster);
        case 2: return make_sampler_of<T, 2>(raster);
        default: return make_sampler_of<T, 3>(raster);
    }
}

template Sampler<float> *make_sampler<float>(const Raster &);
template Sampler<double> *make_sampler<double>(const Raster &);

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
