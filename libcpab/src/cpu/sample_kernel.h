/* A sampler in lanes: included after cpu/kernel.h, by one source file per instruction set. */
#ifndef CPAB_CPU_SAMPLE_KERNEL_H
#define CPAB_CPU_SAMPLE_KERNEL_H

#include <new>

#include "../sample.h"
#include "kernel.h"
#include "sampler.h"

namespace cpab {
namespace CPAB_ISA {

/* The pixels from `first` to `last` along an axis; of all, where the others count as outside. */
template <typename T, int n_taps>
ImageAxis<T> image_axis(const Raster &raster, int d, int64_t first, int64_t last) {
    const double size = double(raster.size[d]), pixels = raster.align_corners ? size - 1 : size;
    const bool pairs = n_taps == 2 && first < last;
    ImageAxis<T> axis;
    axis.lower = T(raster.lower[d]);
    axis.scale = T(pixels / raster.extent[d]);
    axis.shift = axis.mirror = raster.align_corners ? T(0) : T(-0.5);
    axis.span = T(pixels);
    axis.end = T(size - 1);
    axis.first_base = T(first);
    axis.last_base = T(pairs ? last - 1 : last);
    axis.has_next = T(pairs);
    axis.stride = raster.stride[d];
    axis.step = pairs ? axis.stride : 0;
    return axis;
}

template <typename V, int D, int n_taps>
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
                gather_corners(axis_, data + c * raster_.channel_stride, stencil, at_corner);
                put(stencil.combined(at_corner, -1), count, at(out, c, first), raster_.out_point_stride);
            }
        });
    }

    void point_gradients(const T *data, const T *points, const T *grad_out, int64_t n,
                         T *grad_points) const override {
        for_groups(axis_, points, n, [&](const Corners &stencil, int64_t first, int count) {
            V sum[corners], gradient[D];
            for (int k = 0; k < corners; k++) sum[k] = V(0);
            for (int64_t c = 0; c < raster_.channels; c++) {
                const V grad = get(at(grad_out, c, first), count, raster_.out_point_stride);
                V at_corner[corners];
                gather_corners(axis_, data + c * raster_.channel_stride, stencil, at_corner);
                for (int k = 0; k < corners; k++) sum[k] = sum[k] + grad * at_corner[k];
            }
            for (int d = 0; d < D; d++) gradient[d] = stencil.combined(sum, d);
            PointArrays<V, D>::store(gradient, count, grad_points + first * D);
        });
    }

    void add_data_gradients(const T *points, const T *grad_out, int64_t n, int64_t first_pixel,
                            int64_t last_pixel, T *grad_data) const override {
        ImageAxis<T> axis[D];
        for (int d = 0; d < D; d++) axis[d] = axis_[d];
        axis[D - 1] = image_axis<T, n_taps>(raster_, D - 1, first_pixel, last_pixel);
        int64_t shift[corners];
        for (int k = 0; k < corners; k++) shift[k] = corner_shift(axis, k);
        for_groups(axis, points, n, [&](const Corners &stencil, int64_t first, int count) {
            V weight[corners];
            Bits used = Bits::none();
            for (int k = 0; k < corners; k++) {
                weight[k] = select(stencil.bad, V(0), stencil.weight(k));
                used = used | (V(0) < weight[k]);
            }
            if (!any(used)) return;
            for (int64_t c = 0; c < raster_.channels; c++) {
                const V grad = get(at(grad_out, c, first), count, raster_.out_point_stride);
                T part[corners][W];
                for (int k = 0; k < corners; k++)
                    select(V(0) < weight[k], grad * weight[k], V(0)).store(part[k]);
                T *channel = grad_data + c * raster_.channel_stride;
                for (int r = 0; r < count; r++)
                    for (int k = 0; k < corners; k++) channel[stencil.offset[r] + shift[k]] += part[k][r];
            }
        });
    }

private:
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

    /* `count` numbers; the last one also in the lanes that are left. */
    CPAB_INLINE static V get(const T *from, int count, int64_t stride) {
        if (count == W && stride == 1) return V::load(from);
        int64_t offset[W];
        for (int r = 0; r < W; r++) offset[r] = (r < count ? r : count - 1) * stride;
        return gather<V>(from, offset);
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
