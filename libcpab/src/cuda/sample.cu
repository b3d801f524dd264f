/* The functions that sample images at given points: checks, and the order of the kernels. */
#include <algorithm>

#include "sample_launch.h"
#include "scratch.h"

namespace cpab {
namespace CPAB_ISA {
namespace {

/* How much the sums of several items may take; one item alone takes what it must. */
constexpr int64_t most_sum_bytes = int64_t(256) << 20;

/* Where the sums in fixed point lie behind `scratch`, for as many items as go at a time. */
template <typename T>
struct SumPlan {
    FixedSums<T> sums{};
    int64_t items, bytes;

    SumPlan(const Raster &raster, int64_t n_batch, void *scratch) {
        /* More fits no device, and the bytes of less can be counted. */
        const int64_t item_size = std::min(raster.item_size, most_elements / 4);
        const int64_t fitting = most_sum_bytes / int64_t(sizeof(int64_t)) / std::max<int64_t>(1, item_size);
        items = item_size == 0 ? 0 : std::min({n_batch, gpu::most_rows, std::max<int64_t>(1, fitting)});
        Places places(scratch);
        sums.sums = places.take<int64_t>(items * item_size);
        sums.largest = places.take<uint64_t>(items);
        bytes = places.bytes();
    }
};

/* The b of sample_sums.h. */
int range_bits(const Raster &raster, int64_t n_points) {
    int bits = 0;
    while ((int64_t(1) << bits) < n_points) bits++;
    const bool cubic = raster.interpolation == CPAB_INTERPOLATION_CUBIC;
    return bits + (cubic ? (raster.ndim + 1) / 2 : 0); /* 11/8 and its square are below 2, its cube below 4 */
}

/* Calls body(ndim, these, first) for parts of the items, so many of them at a time, with the number of
   dimensions as a constant. */
template <typename T, typename Body>
void for_items(const Sampling<T> &all, int64_t at_a_time, Body body) {
    for (int64_t first = 0; first < all.n_batch; first += at_a_time) {
        Sampling<T> these = all;
        these.n_batch = std::min(at_a_time, all.n_batch - first);
        these.images += first * all.raster.item_size;
        if (all.points_batch != 1) {
            these.points += first * all.n_points * all.raster.ndim;
            these.points_batch = these.n_batch;
        }
        for_ndim(all.raster.ndim, [&](auto ndim) { body(ndim, these, first); });
    }
}

template <typename T>
void add_in_floats(const Sampling<T> &all, const T *grad_out, T *grad_images) {
    for_items(all, gpu::most_rows, [&](auto ndim, const Sampling<T> &these, int64_t first) {
        const FloatSums<T> sums{grad_images + first * all.raster.item_size};
        launch_image_gradients<T, ndim>(these, grad_out + first * all.raster.out_item_size, sums);
    });
}

template <typename T>
void add_in_fixed_point(const Sampling<T> &all, const T *grad_out, T *grad_images, void *scratch) {
    SumPlan<T> plan(all.raster, all.n_batch, scratch);
    plan.sums.spare = 61 - range_bits(all.raster, all.n_points);
    for_items(all, plan.items, [&](auto ndim, const Sampling<T> &these, int64_t first) {
        const T *grads = grad_out + first * all.raster.out_item_size;
        plan.sums.grad_images = grad_images + first * all.raster.item_size;
        gpu::zero(scratch, plan.bytes, all.stream);
        launch_largest(these, grads, plan.sums);
        launch_image_gradients<T, ndim>(these, grads, plan.sums);
        launch_add_sums(these, plan.sums);
    });
}

}  // namespace

template <typename T>
void sample_values(const Sampling<T> &all, T *out) {
    if (all.n_points == 0 || all.raster.channels == 0) return;
    for_items(all, gpu::most_rows, [&](auto ndim, const Sampling<T> &these, int64_t first) {
        launch_values<T, ndim>(these, out + first * all.raster.out_item_size);
    });
}

template <typename T>
void sample_gradients(const Sampling<T> &all, const T *grad_out, T *grad_images, T *grad_points,
                      void *scratch) {
    if (all.n_points == 0) return;
    if (grad_points)
        for_items(all, gpu::most_rows, [&](auto ndim, const Sampling<T> &these, int64_t first) {
            constexpr int D = ndim;
            launch_point_gradients<T, D>(these, grad_out + first * all.raster.out_item_size,
                                         grad_points + first * all.n_points * D);
        });
    if (!grad_images || all.raster.channels == 0) return;
    if (scratch)
        add_in_fixed_point(all, grad_out, grad_images, scratch);
    else
        add_in_floats(all, grad_out, grad_images);
}

template void sample_values(const Sampling<float> &, float *);
template void sample_values(const Sampling<double> &, double *);
template void sample_gradients(const Sampling<float> &, const float *, float *, float *, void *);
template void sample_gradients(const Sampling<double> &, const double *, double *, double *, void *);

int64_t sum_bytes(const Raster &raster, int64_t n_batch) {
    return SumPlan<float>(raster, n_batch, nullptr).bytes; /* of double, too */
}

int64_t sample_scratch_bytes(const cpab_call &call) {
    Raster raster{};
    const char some = 0; /* stands for arrays, on which the size does not depend */
    if (check_sampling(call, &some, &some, &some, raster) != CPAB_OK) return 0;
    return call.deterministic ? sum_bytes(raster, call.n_batch) : 0;
}

namespace {

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
                    Sampling<T>{raster, static_cast<const T *>(images), static_cast<const T *>(points),
                                call->n_batch, call->n_points, call->points_batch, call->stream});
    });
}

}  // namespace
}  // namespace CPAB_ISA
}  // namespace cpab

using namespace cpab;
using namespace cpab::CPAB_ISA;

extern "C" {

cpab_status cpab_sample(cpab_call *call, const void *images, const void *points, void *out) {
    return for_sampling(call, images, points, out, [&](auto number, const auto &sampling) {
        sample_values(sampling, static_cast<decltype(number) *>(out));
        return launched();
    });
}

cpab_status cpab_sample_vjp(cpab_call *call, const void *images, const void *points, const void *grad_out,
                            void *grad_images, void *grad_points) {
    return for_sampling(call, images, points, grad_out, [&](auto number, const auto &sampling) {
        using T = decltype(number);
        const int64_t n_images = call->n_batch * sampling.raster.item_size;
        const int64_t bytes = call->deterministic ? sum_bytes(sampling.raster, call->n_batch) : 0;
        const cpab_status status = check_memory(*call, bytes, false);
        if (status != CPAB_OK) return status;
        if (grad_images && n_images > 0)
            gpu::zero(grad_images, n_images * int64_t(sizeof(T)), sampling.stream);
        sample_gradients(sampling, static_cast<const T *>(grad_out), static_cast<T *>(grad_images),
                         static_cast<T *>(grad_points), bytes > 0 ? call->scratch : nullptr);
        return launched();
    });
}

}  // extern "C"
