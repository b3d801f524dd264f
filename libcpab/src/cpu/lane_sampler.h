/*
 * The sampler in lanes, with either kind of taps: pairs of neighbouring pixels (sample.h), the quicker ones,
 * or taps that may be anywhere (free_taps.h).
 */
#ifndef CPAB_CPU_LANE_SAMPLER_H
#define CPAB_CPU_LANE_SAMPLER_H

#include "../free_taps.h"
#include "../image_axis.h"
#include "../sample.h"
#include "point_arrays.h"
#include "sampler.h"
#include "strided.h"

namespace cpab {
namespace CPAB_ISA {

/* Compilers compute the addresses of all lanes before a loop over channels, though there are more than
   registers to keep them, unless they have to read offsets anew. */
CPAB_INLINE void forget_addresses() {
#if defined(__GNUC__)
    __asm__ volatile("" ::: "memory");
#endif
}

/* `adjacent`: the pixels of a pair along the first axis are neighbours in memory, and fill one double. */
template <typename V, int D, int n_taps, bool adjacent>
struct PairedTaps {
    using Lane = V;
    using T = typename V::Scalar;
    using Bits = typename V::Bits;
    using Corners = Stencil<V, D, n_taps>;
    using Axes = ImageAxis<T>[D];
    static constexpr int ndim = D, corners = Corners::corners, taps_side_by_side = n_taps;
    static constexpr bool has_slopes = n_taps == 2;

    static void gather_all(const Axes &axis, const T *channel, const Corners &stencil, V *at_corner) {
        forget_addresses();
        gather_corners<adjacent>(axis, channel, stencil, at_corner);
    }

    /* What the corners are given of the gradients of values. */
    class Shares {
    public:
        Shares(const Axes &axis, const Corners &stencil) {
            for (int k = 0; k < corners; k++) {
                shift_[k] = corner_shift(axis, k);
                weight_[k] = select(stencil.not_finite, V(0), stencil.weight(k));
                used_ = used_ | (V(0) < weight_[k]);
            }
        }
        bool any_used() const { return any(used_); }

        void add(const V &grad, const Corners &stencil, int count, T *channel) const {
            T part[corners][V::width];
            for (int k = 0; k < corners; k++)
                select(V(0) < weight_[k], grad * weight_[k], V(0)).store(part[k]);
            for (int r = 0; r < count; r++)
                for (int k = 0; k < corners; k++) channel[stencil.offset[r] + shift_[k]] += part[k][r];
        }

    private:
        V weight_[corners];
        int64_t shift_[corners];
        Bits used_ = Bits::none();
    };
};

template <typename V, int D, int n_taps>
struct FreeTaps {
    using Lane = V;
    using T = typename V::Scalar;
    using Bits = typename V::Bits;
    using Corners = FreeStencil<V, D, n_taps>;
    using Axes = ImageAxis<T>[D];
    static constexpr int ndim = D, corners = Corners::corners, taps_side_by_side = 1;
    static constexpr bool has_slopes = false;

    static void gather_all(const Axes &, const T *channel, const Corners &stencil, V *at_corner) {
        for (int k = 0; k < corners; k++) at_corner[k] = gather<V>(channel, stencil.offset[k]);
    }

    /* What the corners are given of the gradients of values. */
    class Shares {
    public:
        Shares(const Axes &, const Corners &stencil) {
            for (int k = 0; k < corners; k++)
                weight_[k] = select(stencil.not_finite, V(0), stencil.factor(k, -1));
        }
        bool any_used() const { return true; }

        void add(const V &grad, const Corners &stencil, int count, T *channel) const {
            for (int k = 0; k < corners; k++) {
                const Bits none = weight_[k] == V(0);
                if (!any(~none)) continue;
                T part[V::width];
                select(none, V(0), grad * weight_[k]).store(part);
                for (int r = 0; r < count; r++) channel[stencil.offset[k][r]] += part[r];
            }
        }

    private:
        V weight_[corners];
    };
};

/* `Taps` is one of the structs above. */
template <typename Taps>
class LaneSampler final : public Sampler<typename Taps::T> {
    using T = typename Taps::T;
    using V = typename Taps::Lane;
    using Axes = typename Taps::Axes;
    using Corners = typename Taps::Corners;
    using Bits = typename V::Bits;
    static constexpr int W = V::width, D = Taps::ndim, corners = Taps::corners;

public:
    explicit LaneSampler(const Raster &raster) : raster_(raster) {
        for (int d = 0; d < D; d++) axis_[d] = axis_of(d, 0, raster.size[d] - 1);
    }

    void release() override { delete this; }

    void values(const T *data, const T *points, int64_t n, T *out) const override {
        interpolate<1>(data, points, n, out, nullptr);
    }

    int64_t slope_bytes(int64_t n) const override {
        constexpr int64_t most = CPAB_TAPE_PER_POINT / 4; /* steps have a better use for the rest of a tape */
        if (!by_slopes() || raster_.channels * D * int64_t(sizeof(T)) > most) return 0;
        return (n + W - 1) / W * raster_.channels * D * int64_t(sizeof(V));
    }

    void values_and_slopes(const T *data, const T *points, int64_t n, T *out,
                           unsigned char *slopes) const override {
        if constexpr (Taps::has_slopes)
            interpolate<1 + D>(data, points, n, out, slopes); /* others write none */
        else
            interpolate<1>(data, points, n, out, slopes);
    }

    bool gradients_by_slopes(const unsigned char *slopes, const T *grad_out, int64_t n,
                             T *grad_points) const override {
        V finite(0); /* or NaN */
        for (int64_t first = 0; first < n; first += W) {
            const int count = n - first < W ? int(n - first) : W;
            SlopeSum gradient;
            for (int64_t c = 0; c < raster_.channels; c++) {
                const V grad = load_strided<V>(at(grad_out, c, first), count, raster_.out_point_stride);
                V slope[D];
                for (int d = 0; d < D; d++, slopes += sizeof(V)) std::memcpy(&slope[d].v, slopes, sizeof(V));
                gradient.add(grad, slope);
            }
            for (int d = 0; d < D; d++) finite = finite + gradient.sum[d] * V(0);
            PointArrays<V, D>::store(gradient.sum, count, grad_points + first * D);
        }
        return !any(~(finite == V(0)));
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
        Axes axis;
        for (int d = 0; d < D; d++) axis[d] = axis_[d];
        axis[D - 1] = axis_of(D - 1, first_pixel, last_pixel);
        for_groups(axis, points, n, [&](const Corners &stencil, int64_t first, int count) {
            add_data_gradients(axis, stencil, at(grad_out, 0, first), count, grad_data);
        });
    }

private:
    ImageAxis<T> axis_of(int d, int64_t first, int64_t last) const {
        return image_axis<T, Taps::taps_side_by_side>(raster_, d, first, last);
    }

    /* Values, and after them the first n_results - 1 of their slopes. */
    template <int n_results>
    void interpolate(const T *data, const T *points, int64_t n, T *out, unsigned char *slopes) const {
        for_groups(axis_, points, n, [&](const Corners &stencil, int64_t first, int count) {
            for (int64_t c = 0; c < raster_.channels; c++) {
                V at_corner[corners], result[n_results];
                Taps::gather_all(axis_, data + c * raster_.channel_stride, stencil, at_corner);
                stencil.template combine<n_results>(at_corner, -1, result);
                store_strided(result[0], count, at(out, c, first), raster_.out_point_stride);
                for (int i = 1; i < n_results; i++, slopes += sizeof(V))
                    std::memcpy(slopes, &result[i].v, sizeof(V));
            }
        });
    }

    /* Whether the gradients of points are sums of each channel's, or of what corners are given by all: one or
       the other takes less. */
    bool by_slopes() const { return Taps::has_slopes && raster_.channels <= 3; }

    /* The sum over channels of gradients times slopes. */
    struct SlopeSum {
        V sum[D];
        SlopeSum() {
            for (int d = 0; d < D; d++) sum[d] = V(0);
        }
        CPAB_INLINE void add(const V &grad, const V *slope) {
            for (int d = 0; d < D; d++) sum[d] = sum[d] + grad * slope[d];
        }
    };

    void point_gradients(const Corners &stencil, const T *data, const T *grad_out, int count,
                         T *grad_points) const {
        SlopeSum all;
        Bits finite = Bits::none();
        if (by_slopes()) {
            finite = ~finite;
            each_channel(stencil, data, grad_out, count, [&](const V &grad, const V *at_corner) {
                V slope[D];
                stencil.template combine<D>(at_corner, 0, slope);
                all.add(grad, slope);
            });
            for (int d = 0; d < D; d++) finite = finite & is_finite(all.sum[d]);
        }
        if (any(~finite)) { /* corners with a factor of 0 have no part in it, whatever the gradients are */
            V sum[corners];
            for (int k = 0; k < corners; k++) sum[k] = V(0);
            each_channel(stencil, data, grad_out, count, [&](const V &grad, const V *at_corner) {
                for (int k = 0; k < corners; k++) sum[k] = sum[k] + grad * at_corner[k];
            });
            for (int d = 0; d < D; d++) all.sum[d] = select(finite, all.sum[d], stencil.combined(sum, d));
        }
        PointArrays<V, D>::store(all.sum, count, grad_points);
    }

    /* Calls body(gradients of values, what is at the corners) for all channels of a group. */
    template <typename Body>
    void each_channel(const Corners &stencil, const T *data, const T *grad_out, int count, Body body) const {
        for (int64_t c = 0; c < raster_.channels; c++) {
            const V grad = load_strided<V>(at(grad_out, c, 0), count, raster_.out_point_stride);
            V at_corner[corners];
            Taps::gather_all(axis_, data + c * raster_.channel_stride, stencil, at_corner);
            body(grad, at_corner);
        }
    }

    void add_data_gradients(const Axes &axis, const Corners &stencil, const T *grad_out, int count,
                            T *grad_data) const {
        const typename Taps::Shares shares(axis, stencil);
        if (!shares.any_used()) return;
        for (int64_t c = 0; c < raster_.channels; c++) {
            const V grad = load_strided<V>(at(grad_out, c, 0), count, raster_.out_point_stride);
            shares.add(grad, stencil, count, grad_data + c * raster_.channel_stride);
        }
    }

    template <typename Body>
    void for_groups(const Axes &axis, const T *points, int64_t n, Body body) const {
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

    const Raster raster_;
    Axes axis_;
};

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
