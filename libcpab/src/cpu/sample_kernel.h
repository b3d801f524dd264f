/* A sampler in lanes: included after cpu/kernel.h, by one source file per instruction set. */
#ifndef CPAB_CPU_SAMPLE_KERNEL_H
#define CPAB_CPU_SAMPLE_KERNEL_H

#include <new>

#include "../sample.h"
#include "kernel.h"
#include "sampler.h"

namespace cpab {
namespace CPAB_ISA {

template <typename T>
ImageAxis<T> image_axis(const Raster &raster, int d) {
    const double size = double(raster.size[d]), extent = raster.extent[d];
    const double mirror = raster.align_corners ? 0 : -0.5, pixels = raster.align_corners ? size - 1 : size;
    return {T(raster.lower[d]), T(pixels / extent), T(mirror), T(mirror), T(pixels), T(size - 1), T(0),
            T(size - 1),        raster.stride[d]};
}

template <typename V, int D, int n_taps>
class LaneSampler final : public Sampler<typename V::Scalar> {
    using T = typename V::Scalar;
    using Corners = Stencil<V, D, n_taps>;
    static constexpr int W = V::width, corners = Corners::corners;

public:
    explicit LaneSampler(const Raster &raster) : raster_(raster) {
        for (int d = 0; d < D; d++) axis_[d] = image_axis<T>(raster, d);
    }

    void release() override { delete this; }

    void values(const T *data, const T *points, int64_t n, T *out) const override {
        for_groups(axis_, points, n, [&](const Corners &stencil, int64_t first, int count) {
            for (int64_t c = 0; c < raster_.channels; c++)
                put(value_at(stencil, data + c * raster_.channel_stride), count, at(out, c, first),
                    raster_.out_point_stride);
        });
    }

    void point_gradients(const T *data, const T *points, const T *grad_out, int64_t n,
                         T *grad_points) const override {
        for_groups(axis_, points, n, [&](const Corners &stencil, int64_t first, int count) {
            V sum[corners], gradient[D];
            for (int k = 0; k < corners; k++) sum[k] = V(0);
            for (int64_t c = 0; c < raster_.channels; c++) {
                const V grad = get(at(grad_out, c, first), count, raster_.out_point_stride);
                const T *channel = data + c * raster_.channel_stride;
                for (int k = 0; k < corners; k++)
                    sum[k] = sum[k] + grad * gather<V>(channel, stencil.offset[k]);
            }
            for (int k = 0; k < corners; k++) sum[k] = select(stencil.used[k], sum[k], V(0));
            stencil.derivatives(sum, gradient);
            for (int d = 0; d < D; d++)
                put(select(stencil.bad, stencil.nothing, gradient[d]), count, grad_points + first * D + d, D);
        });
    }

    void add_data_gradients(const T *points, const T *grad_out, int64_t n, int64_t first_pixel,
                            int64_t last_pixel, T *grad_data) const override {
        ImageAxis<T> axis[D];
        for (int d = 0; d < D; d++) axis[d] = axis_[d];
        axis[D - 1].first_used = T(first_pixel);
        axis[D - 1].last_used = T(last_pixel);
        for_groups(axis, points, n, [&](const Corners &stencil, int64_t first, int count) {
            for (int64_t c = 0; c < raster_.channels; c++) {
                const V grad = get(at(grad_out, c, first), count, raster_.out_point_stride);
                T part[corners][W];
                for (int k = 0; k < corners; k++)
                    select(stencil.used[k], grad * stencil.weight(k), V(0)).store(part[k]);
                T *channel = grad_data + c * raster_.channel_stride;
                for (int r = 0; r < count; r++)
                    for (int k = 0; k < corners; k++) channel[stencil.offset[k][r]] += part[k][r];
            }
        });
    }

private:
    template <typename Body>
    void for_groups(const ImageAxis<T> (&axis)[D], const T *points, int64_t n, Body body) const {
        for (int64_t first = 0; first < n; first += W) {
            const int count = n - first < W ? int(n - first) : W;
            V x[D];
            for (int d = 0; d < D; d++) x[d] = get(points + first * D + d, count, D);
            Corners stencil;
            make_stencil(axis, raster_.padding, x, stencil);
            body(stencil, first, count);
        }
    }

    template <typename Result>
    Result *at(Result *results, int64_t channel, int64_t point) const {
        return results + channel * raster_.out_channel_stride + point * raster_.out_point_stride;
    }

    /* `count` numbers; the last one also in the lanes that are left. */
    CPAB_INLINE static V get(const T *from, int count, int64_t stride) {
        if (count == W && stride == 1) return V::load(from);
        T all[W];
        for (int r = 0; r < W; r++) all[r] = from[(r < count ? r : count - 1) * stride];
        return V::load(all);
    }

    CPAB_INLINE static void put(const V &value, int count, T *to, int64_t stride) {
        if (count == W && stride == 1) {
            value.store(to);
            return;
        }
        T all[W];
        value.store(all);
        for (int r = 0; r < count; r++) to[r * stride] = all[r];
    }

    Raster raster_;
    ImageAxis<T> axis_[D];
};

template <typename T, int D>
Sampler<T> *make_sampler_of(const Raster &raster) {
    using V = Lanes<T, lane_count<T>>;
    if (raster.interpolation == CPAB_INTERPOLATION_NEAREST)
        return new (std::nothrow) LaneSampler<V, D, 1>(raster);
    return new (std::nothrow) LaneSampler<V, D, 2>(raster);
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
