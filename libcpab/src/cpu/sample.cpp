/* The functions that sample images at given points. */
#include <algorithm>
#include <atomic>

#include "problem.h"
#include "sampler.h"

namespace {

using namespace cpab;

/* A call that has been checked, and its inputs. */
template <typename T>
struct Sampling {
    const T *images, *points;
    int64_t n_batch, n_points, points_batch;
    int32_t n_threads;
    const Raster &raster;

    const T *points_of(int64_t item) const {
        return points + (points_batch == 1 ? 0 : item) * n_points * raster.ndim;
    }
};

/* Calls body(unit, interrupt) for all units from 0 on, in threads, or until an interrupt. */
template <typename Body>
cpab_status for_units(int64_t n_units, int32_t n_threads, Body body) {
    std::atomic<int64_t> next{0};
    Interrupt interrupt;
    auto work = [&]() {
        for (int64_t unit; !interrupt.wanted() && (unit = next.fetch_add(1)) < n_units;)
            body(unit, interrupt);
    };
    run_threads(static_cast<int32_t>(std::min<int64_t>(n_threads, n_units)), work);
    return interrupt.came() ? CPAB_E_INTERRUPTED : CPAB_OK;
}

/* The points of all items in slices. */
struct PointSlices {
    static constexpr int64_t size = 4096;
    int64_t n_points, per_item;
    explicit PointSlices(int64_t n) : n_points(n), per_item((n + size - 1) / size) {}
    int64_t first(int64_t unit) const { return unit % per_item * size; }
    int64_t count(int64_t unit) const { return std::min(size, n_points - first(unit)); }
};

template <typename T>
cpab_status sample(const Sampling<T> &p, T *out) {
    const Raster &raster = p.raster;
    if (p.n_batch * raster.out_item_size == 0) return CPAB_OK;
    const Owned<Sampler<T>> sampler(make_sampler<T>(raster));
    if (!sampler) return CPAB_E_MEMORY;
    const PointSlices slices(p.n_points);
    return for_units(p.n_batch * slices.per_item, p.n_threads, [&](int64_t unit, Interrupt &) {
        const int64_t item = unit / slices.per_item, first = slices.first(unit);
        sampler->values(p.images + item * raster.item_size, p.points_of(item) + first * raster.ndim,
                        slices.count(unit),
                        out + item * raster.out_item_size + first * raster.out_point_stride);
    });
}

/* Zeros for the pixels from `first` to before `end` along the last axis. */
template <typename T>
void clear_band(const Raster &raster, int64_t first, int64_t end, T *grad_images) {
    const int64_t stride = raster.stride[raster.ndim - 1];
    const int64_t n_planes = raster.channels_last ? 1 : raster.channels;
    for (int64_t plane = 0; plane < n_planes; plane++) {
        T *pixels = grad_images + plane * raster.channel_stride;
        std::fill(pixels + first * stride, pixels + end * stride, T(0));
    }
}

/* By items where there are enough of them, or else by slices of points, and for the images by bands of
   images. Neither changes a bit. */
template <typename T>
cpab_status sample_vjp(const Sampling<T> &p, const T *grad_out, T *grad_images, T *grad_points) {
    const Raster &raster = p.raster;
    const Owned<Sampler<T>> sampler(make_sampler<T>(raster));
    if (!sampler) return CPAB_E_MEMORY;
    if (raster.item_size == 0) grad_images = nullptr;
    const int64_t length = raster.size[raster.ndim - 1];
    auto pull_back = [&](int64_t item, int64_t first, int64_t count, T *to_images, T *to_points) {
        sampler->gradients(p.images + item * raster.item_size, p.points_of(item) + first * raster.ndim,
                           grad_out + item * raster.out_item_size + first * raster.out_point_stride, count,
                           to_images,
                           to_points ? to_points + (item * p.n_points + first) * raster.ndim : nullptr);
    };
    const PointSlices slices(p.n_points);
    if (p.n_batch >= p.n_threads)
        return for_units(p.n_batch, p.n_threads, [&](int64_t item, Interrupt &interrupt) {
            T *to_images = grad_images ? grad_images + item * raster.item_size : nullptr;
            if (to_images) clear_band(raster, 0, length, to_images);
            for (int64_t s = 0; s < slices.per_item && !interrupt.wanted(); s++)
                pull_back(item, slices.first(s), slices.count(s), to_images, grad_points);
        });
    const int64_t n_bands = std::min<int64_t>(length, p.n_threads);
    const int64_t n_band_units = grad_images ? p.n_batch * n_bands : 0;
    const int64_t n_points = grad_points ? p.n_batch * slices.per_item : 0;
    return for_units(n_band_units + n_points, p.n_threads, [&](int64_t unit, Interrupt &interrupt) {
        if (unit >= n_band_units) {
            const int64_t slice = unit - n_band_units;
            pull_back(slice / slices.per_item, slices.first(slice), slices.count(slice), nullptr,
                      grad_points);
            return;
        }
        const int64_t item = unit / n_bands, band = unit % n_bands;
        const int64_t first = length * band / n_bands, end = length * (band + 1) / n_bands;
        T *to_images = grad_images + item * raster.item_size;
        clear_band(raster, first, end, to_images);
        for (int64_t s = 0; s < slices.per_item && !interrupt.wanted(); s++)
            sampler->band_gradients(
                p.points_of(item) + slices.first(s) * raster.ndim,
                grad_out + item * raster.out_item_size + slices.first(s) * raster.out_point_stride,
                slices.count(s), first, end - 1, to_images);
    });
}

/* Checks a call, and calls body() with it as a Sampling. */
template <typename Body>
cpab_status for_sampling(cpab_call *call, const void *images, const void *points, const void *result,
                         Body body) {
    return for_dtype(call, [&](auto number) {
        using T = decltype(number);
        Raster raster{};
        const cpab_status status = check_sampling(*call, images, points, result, raster);
        if (status != CPAB_OK) return status;
        return body(number,
                    Sampling<T>{static_cast<const T *>(images), static_cast<const T *>(points), call->n_batch,
                                call->n_points, call->points_batch, threads_for(*call), raster});
    });
}

}  // namespace

extern "C" {

cpab_status cpab_sample(cpab_call *call, const void *images, const void *points, void *out) {
    return for_sampling(call, images, points, out, [&](auto number, const auto &p) {
        return sample<decltype(number)>(p, static_cast<decltype(number) *>(out));
    });
}

cpab_status cpab_sample_vjp(cpab_call *call, const void *images, const void *points, const void *grad_out,
                            void *grad_images, void *grad_points) {
    return for_sampling(call, images, points, grad_out, [&](auto number, const auto &p) {
        using T = decltype(number);
        return sample_vjp<T>(p, static_cast<const T *>(grad_out), static_cast<T *>(grad_images),
                             static_cast<T *>(grad_points));
    });
}

}  // extern "C"
