/* The entry points that sample images at given points. */
#include <algorithm>
#include <atomic>

#include "../memory.h"
#include "interrupt.h"
#include "parallel.h"
#include "sampler.h"

namespace {

using namespace cpab;

template <typename T>
struct Problem {
    const cpab_image *image;
    const T *data, *points;
    int64_t n_batch, n_points, points_batch;
    int32_t n_threads;
    Raster raster{};

    const T *points_of(int64_t item) const {
        return points + (points_batch == 1 ? 0 : item) * n_points * raster.ndim;
    }
};

template <typename T>
cpab_status check(Problem<T> &p, const void *result) {
    const double lower[3] = {-1, -1, -1}, extent[3] = {2, 2, 2};
    const cpab_status status = describe(p.image, lower, extent, p.n_batch, p.n_points, p.raster);
    if (status != CPAB_OK) return status;
    if (p.points_batch != p.n_batch && p.points_batch != 1) return CPAB_E_SHAPE;
    const bool no_points = p.n_batch == 0 || p.n_points == 0, no_data = p.n_batch == 0 || !p.image->channels;
    if ((!p.points && !no_points) || (!p.data && !no_data) || (!result && !no_points && !no_data))
        return CPAB_E_NULL;
    return p.n_threads < 1 ? CPAB_E_THREADS : CPAB_OK;
}

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
struct Slices {
    static constexpr int64_t size = 4096;
    int64_t n_points, per_item;
    explicit Slices(int64_t n) : n_points(n), per_item((n + size - 1) / size) {}
    int64_t first(int64_t unit) const { return unit % per_item * size; }
    int64_t count(int64_t unit) const { return std::min(size, n_points - first(unit)); }
};

template <typename T>
cpab_status sample(Problem<T> p, T *out) {
    const cpab_status status = check(p, out);
    if (status != CPAB_OK) return status;
    const Raster &raster = p.raster;
    if (p.n_batch * raster.out_item_size == 0) return CPAB_OK;
    const Hired<Sampler<T>> sampler(make_sampler<T>(raster));
    if (!sampler) return CPAB_E_MEMORY;
    const Slices slices(p.n_points);
    return for_units(p.n_batch * slices.per_item, p.n_threads, [&](int64_t unit, Interrupt &) {
        const int64_t item = unit / slices.per_item, first = slices.first(unit);
        sampler->values(p.data + item * raster.item_size, p.points_of(item) + first * raster.ndim,
                        slices.count(unit),
                        out + item * raster.out_item_size + first * raster.out_point_stride);
    });
}

/* Zeros for the pixels from `first` to before `end` along the last axis. */
template <typename T>
void clear_band(const Raster &raster, int64_t first, int64_t end, T *grad_data) {
    const int64_t stride = raster.stride[raster.ndim - 1];
    const int64_t n_planes = raster.channels_last ? 1 : raster.channels;
    for (int64_t plane = 0; plane < n_planes; plane++) {
        T *pixels = grad_data + plane * raster.channel_stride;
        std::fill(pixels + first * stride, pixels + end * stride, T(0));
    }
}

/* By items where there are enough of them, or else by slices of points, and for the data by bands of images.
   Neither changes a bit. */
template <typename T>
cpab_status sample_vjp(Problem<T> p, const T *grad_out, T *grad_data, T *grad_points) {
    const cpab_status status = check(p, grad_out);
    if (status != CPAB_OK) return status;
    const Raster &raster = p.raster;
    const Hired<Sampler<T>> sampler(make_sampler<T>(raster));
    if (!sampler) return CPAB_E_MEMORY;
    if (raster.item_size == 0) grad_data = nullptr;
    const int64_t length = raster.size[raster.ndim - 1];
    auto pull_back = [&](int64_t item, int64_t first, int64_t count, T *to_data, T *to_points) {
        sampler->gradients(p.data + item * raster.item_size, p.points_of(item) + first * raster.ndim,
                           grad_out + item * raster.out_item_size + first * raster.out_point_stride, count,
                           to_data,
                           to_points ? to_points + (item * p.n_points + first) * raster.ndim : nullptr);
    };
    const Slices slices(p.n_points);
    if (p.n_batch >= p.n_threads)
        return for_units(p.n_batch, p.n_threads, [&](int64_t item, Interrupt &interrupt) {
            T *to_data = grad_data ? grad_data + item * raster.item_size : nullptr;
            if (to_data) clear_band(raster, 0, length, to_data);
            for (int64_t s = 0; s < slices.per_item && !interrupt.wanted(); s++)
                pull_back(item, slices.first(s), slices.count(s), to_data, grad_points);
        });
    const int64_t n_bands = std::min<int64_t>(length, p.n_threads);
    const int64_t n_data = grad_data ? p.n_batch * n_bands : 0;
    const int64_t n_points = grad_points ? p.n_batch * slices.per_item : 0;
    return for_units(n_data + n_points, p.n_threads, [&](int64_t unit, Interrupt &interrupt) {
        if (unit >= n_data) {
            const int64_t slice = unit - n_data;
            pull_back(slice / slices.per_item, slices.first(slice), slices.count(slice), nullptr,
                      grad_points);
            return;
        }
        const int64_t item = unit / n_bands, band = unit % n_bands;
        const int64_t first = length * band / n_bands, end = length * (band + 1) / n_bands;
        T *to_data = grad_data + item * raster.item_size;
        clear_band(raster, first, end, to_data);
        for (int64_t s = 0; s < slices.per_item && !interrupt.wanted(); s++)
            sampler->band_gradients(
                p.points_of(item) + slices.first(s) * raster.ndim,
                grad_out + item * raster.out_item_size + slices.first(s) * raster.out_point_stride,
                slices.count(s), first, end - 1, to_data);
    });
}

}  // namespace

#define CPAB_FOR_TYPE(T, suffix)                                                                           \
    cpab_status cpab_sample_##suffix(const cpab_image *image, const T *data, const T *points, T *out,      \
                                     int64_t n_batch, int64_t n_points, int64_t points_batch,              \
                                     int32_t n_threads) {                                                  \
        return sample<T>({image, data, points, n_batch, n_points, points_batch, n_threads}, out);          \
    }                                                                                                      \
    cpab_status cpab_sample_vjp_##suffix(const cpab_image *image, const T *data, const T *points,          \
                                         const T *grad_out, T *grad_data, T *grad_points, int64_t n_batch, \
                                         int64_t n_points, int64_t points_batch, int32_t n_threads) {      \
        return sample_vjp<T>({image, data, points, n_batch, n_points, points_batch, n_threads}, grad_out,  \
                             grad_data, grad_points);                                                      \
    }

extern "C" {
CPAB_FOR_TYPE(float, f32)
CPAB_FOR_TYPE(double, f64)
}
