/* A sampler by free taps, in lanes: included by cpu/sample_kernel.h. */
#ifndef CPAB_CPU_FREE_SAMPLER_H
#define CPAB_CPU_FREE_SAMPLER_H

#include "../free_taps.h"
#include "columns.h"

namespace cpab {
namespace CPAB_ISA {

template <typename V, int D, int n_taps>
class FreeSampler final : public Sampler<typename V::Scalar> {
    using T = typename V::Scalar;
    using Corners = FreeStencil<V, D, n_taps>;
    static constexpr int W = V::width, corners = Corners::corners;

public:
    explicit FreeSampler(const Raster &raster) : raster_(raster) {
        for (int d = 0; d < D; d++) axis_[d] = image_axis<T, 1>(raster, d, 0, raster.size[d] - 1);
    }

    void release() override { delete this; }

    void values(const T *data, const T *points, int64_t n, T *out) const override {
        for_groups(axis_, points, n, [&](const Corners &stencil, int64_t first, int count) {
            for (int64_t c = 0; c < raster_.channels; c++) {
                V at_corner[corners];
                gather_all(data + c * raster_.channel_stride, stencil, at_corner);
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
            if (grad_data) add_data_gradients(stencil, grad, count, grad_data);
        });
    }

    void band_gradients(const T *points, const T *grad_out, int64_t n, int64_t first_pixel,
                        int64_t last_pixel, T *grad_data) const override {
        ImageAxis<T> axis[D];
        for (int d = 0; d < D; d++) axis[d] = axis_[d];
        axis[D - 1] = image_axis<T, 1>(raster_, D - 1, first_pixel, last_pixel);
        for_groups(axis, points, n, [&](const Corners &stencil, int64_t first, int count) {
            add_data_gradients(stencil, at(grad_out, 0, first), count, grad_data);
        });
    }

private:
    static void gather_all(const T *channel, const Corners &stencil, V *at_corner) {
        for (int k = 0; k < corners; k++) at_corner[k] = gather<V>(channel, stencil.offset[k]);
    }

    void point_gradients(const Corners &stencil, const T *data, const T *grad_out, int count,
                         T *grad_points) const {
        V sum[corners], gradient[D];
        for (int k = 0; k < corners; k++) sum[k] = V(0);
        for (int64_t c = 0; c < raster_.channels; c++) {
            const V grad = get_column<V>(at(grad_out, c, 0), count, raster_.out_point_stride);
            V at_corner[corners];
            gather_all(data + c * raster_.channel_stride, stencil, at_corner);
            for (int k = 0; k < corners; k++) sum[k] = sum[k] + grad * at_corner[k];
        }
        for (int d = 0; d < D; d++) gradient[d] = stencil.combined(sum, d);
        PointArrays<V, D>::store(gradient, count, grad_points);
    }

    void add_data_gradients(const Corners &stencil, const T *grad_out, int count, T *grad_data) const {
        V weight[corners];
        for (int k = 0; k < corners; k++) weight[k] = select(stencil.bad, V(0), stencil.factor(k, -1));
        for (int64_t c = 0; c < raster_.channels; c++) {
            const V grad = get_column<V>(at(grad_out, c, 0), count, raster_.out_point_stride);
            T *channel = grad_data + c * raster_.channel_stride;
            for (int k = 0; k < corners; k++) {
                const auto none = weight[k] == V(0);
                if (!any(~none)) continue;
                T part[W];
                select(none, V(0), grad * weight[k]).store(part);
                for (int r = 0; r < count; r++) channel[stencil.offset[k][r]] += part[r];
            }
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

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
