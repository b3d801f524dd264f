/*
 * The functions that warp images: the pixels of the result are moved, and images sampled where they end.
 * Where one kernel does both, or goes both ways back, fuses_warps() tells. Otherwise ends lie in scratch
 * between the two, and so do they for gradients of images, which are added up by a kernel of their own.
 */
#include "warp.h"

#include "flow.h"
#include "sample_points.h"
#include "scratch.h"

namespace cpab {
namespace CPAB_ISA {
namespace {

/* The scratch of a chunk of items: what lies there while kernels of two kinds take turns with the rest. */
template <typename T>
struct WarpPlan {
    static constexpr int64_t most_bytes = int64_t(64) << 20; /* of the places of more items than one */
    int64_t items, rest_bytes = 0;
    bool fused;
    T *ends = nullptr, *grad_ends = nullptr; /* [items, n_points, ndim] */
    void *rest;
    int64_t bytes;

    WarpPlan(const cpab_call &pixels, const Raster &raster, cpab_function function, void *scratch) {
        const bool goes_back = function == CPAB_WARP_VJP;
        const int64_t numbers = pixels.n_points * pixels.tess->ndim;
        const int64_t fitting = most_bytes / std::max<int64_t>(1, numbers * int64_t(sizeof(T)));
        fused = fuses_warps<T>(raster);
        items =
            fused && !goes_back ? pixels.n_batch : std::min(pixels.n_batch, std::max<int64_t>(1, fitting));
        Places places(scratch);
        if (goes_back || !fused) ends = places.take<T>(items * numbers);
        if (goes_back && !fused) grad_ends = places.take<T>(items * numbers);
        for (const int64_t n : {items, pixels.n_batch % items}) { /* the last chunk may be a smaller one */
            cpab_call chunk = pixels;
            chunk.n_batch = n;
            for (const cpab_function part : {CPAB_WARP, function})
                rest_bytes = std::max(rest_bytes, flow_bytes<T>(chunk, part));
        }
        if (goes_back && pixels.deterministic) rest_bytes = std::max(rest_bytes, sum_bytes(raster, items));
        rest = places.take<unsigned char>(rest_bytes);
        bytes = places.bytes();
    }
};

/* A call that has been checked, and the arrays of its chunk. */
template <typename T>
class Warp {
public:
    Warp(const cpab_call &pixels, const PixelGrid &grid, const Raster &raster, const WarpPlan<T> &plan,
         int64_t first)
        : raster_(raster), plan_(plan), flow_{pixels, grid, first} {
        flow_.call.n_batch = std::min(plan.items, pixels.n_batch - first);
        flow_.call.scratch = plan.rest;
        flow_.call.scratch_bytes = plan.rest_bytes;
    }

    void values(const T *images, const T *velocity, T *out) {
        if (plan_.fused) {
            FlowArrays<T> arrays = fused(images, velocity);
            arrays.out = out;
            start(CPAB_WARP, arrays);
        } else {
            move(velocity);
            sample_values(sampling(images), out);
        }
    }

    void gradients(const T *images, const T *velocity, const T *grad_out, T *grad_images, T *grad_velocity) {
        if (plan_.fused && grad_velocity) {
            FlowArrays<T> arrays = fused(images, velocity);
            arrays.grad_out = grad_out, arrays.grad_velocity = grad_velocity;
            arrays.ends = grad_images ? plan_.ends : nullptr;
            start(CPAB_WARP_VJP, arrays);
            if (grad_images) sample_back(images, grad_out, grad_images, nullptr);
        } else {
            move(velocity);
            sample_back(images, grad_out, grad_images, grad_velocity ? plan_.grad_ends : nullptr);
            if (grad_velocity) move_back(velocity, grad_velocity);
        }
    }

private:
    FlowArrays<T> fused(const T *images, const T *velocity) const {
        FlowArrays<T> arrays;
        arrays.velocity = velocity, arrays.images = images, arrays.raster = &raster_;
        return arrays;
    }

    void move(const T *velocity) {
        FlowArrays<T> arrays;
        arrays.velocity = velocity, arrays.out = plan_.ends;
        start(CPAB_WARP, arrays);
    }

    void move_back(const T *velocity, T *grad_velocity) {
        FlowArrays<T> arrays;
        arrays.velocity = velocity, arrays.grad_out = plan_.grad_ends, arrays.grad_velocity = grad_velocity;
        start(CPAB_WARP_VJP, arrays);
    }

    /* Gradients of images, and of where the pixels end. */
    void sample_back(const T *images, const T *grad_out, T *grad_images, T *grad_ends) {
        void *const scratch = flow_.call.deterministic ? plan_.rest : nullptr;
        sample_gradients(sampling(images), grad_out, grad_images, grad_ends, scratch);
    }

    Sampling<T> sampling(const T *images) const {
        const cpab_call &call = flow_.call;
        return {raster_, images, plan_.ends, call.n_batch, call.n_points, call.n_batch, call.stream};
    }

    void start(cpab_function function, const FlowArrays<T> &arrays) {
        for_ndim(raster_.ndim, [&](auto ndim) { start_flow<T, ndim>(flow_, function, arrays); });
    }

    const Raster &raster_;
    const WarpPlan<T> &plan_;
    FlowCall flow_;
};

/* Checks a call, and calls body(chunk, its first item, raster) for all chunks. */
template <typename Body>
cpab_status for_chunks(cpab_call *call, cpab_function function, const void *images, const void *velocity,
                       const void *result, Body body) {
    return for_dtype(call, [&](auto number) {
        using T = decltype(number);
        PixelGrid grid{0, false, {}, {}, {1, 1, 1}};
        Raster raster{};
        cpab_call pixels = *call;
        cpab_status status = check_warp(pixels, images, velocity, result, grid, raster);
        if (status != CPAB_OK) return status;
        if (pixels.n_batch == 0) return CPAB_OK;
        const WarpPlan<T> plan(pixels, raster, function, call->scratch);
        status = check_memory(pixels, plan.bytes, true);
        if (status != CPAB_OK) return status;
        for (int64_t first = 0; first < pixels.n_batch; first += plan.items)
            body(number, Warp<T>(pixels, grid, raster, plan, first), first, raster);
        return launched();
    });
}

}  // namespace

int64_t warp_scratch_bytes(const cpab_call &call, cpab_function function) {
    PixelGrid grid{0, false, {}, {}, {1, 1, 1}};
    Raster raster{};
    cpab_call pixels = call;
    const char some = 0; /* stands for arrays, on which the size does not depend */
    if (check_warp(pixels, &some, &some, &some, grid, raster) != CPAB_OK || pixels.n_batch == 0) return 0;
    return call.dtype == CPAB_FLOAT32 ? WarpPlan<float>(pixels, raster, function, nullptr).bytes
                                      : WarpPlan<double>(pixels, raster, function, nullptr).bytes;
}

}  // namespace CPAB_ISA
}  // namespace cpab

using namespace cpab;
using namespace cpab::CPAB_ISA;

extern "C" {

cpab_status cpab_warp(cpab_call *call, const void *images, const void *velocity, void *out) {
    return for_chunks(call, CPAB_WARP, images, velocity, out,
                      [&](auto number, auto chunk, int64_t first, const Raster &raster) {
                          using T = decltype(number);
                          const int64_t fields = call->tess->n_vertices * raster.ndim;
                          chunk.values(static_cast<const T *>(images) + first * raster.item_size,
                                       static_cast<const T *>(velocity) + first * fields,
                                       static_cast<T *>(out) + first * raster.out_item_size);
                      });
}

cpab_status cpab_warp_vjp(cpab_call *call, const void *images, const void *velocity, const void *grad_out,
                          void *grad_images, void *grad_velocity) {
    return for_chunks(
        call, CPAB_WARP_VJP, images, velocity, grad_out,
        [&](auto number, auto chunk, int64_t first, const Raster &raster) {
            using T = decltype(number);
            const int64_t fields = call->tess->n_vertices * raster.ndim, pixels = raster.item_size;
            if (first == 0 && grad_images)
                gpu::zero(grad_images, call->n_batch * pixels * int64_t(sizeof(T)), call->stream);
            chunk.gradients(static_cast<const T *>(images) + first * pixels,
                            static_cast<const T *>(velocity) + first * fields,
                            static_cast<const T *>(grad_out) + first * raster.out_item_size,
                            grad_images ? static_cast<T *>(grad_images) + first * pixels : nullptr,
                            grad_velocity ? static_cast<T *>(grad_velocity) + first * fields : nullptr);
        });
}

}  // extern "C"
