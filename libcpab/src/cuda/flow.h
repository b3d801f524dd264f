/* A call on a flow, for the part of the library that has the kernels for its numbers and dimension. */
#ifndef CPAB_CUDA_FLOW_H
#define CPAB_CUDA_FLOW_H

#include "../pixel_grid.h"
#include "../raster.h"
#include "../tessellation.h"
#include "plan.h"

namespace cpab {
namespace CPAB_ISA {

/* Arrays in the memory of the device, by the names that cpab.h gives them; those that a function does not
   have, or was not given, are NULL. */
template <typename T>
struct FlowArrays {
    const T *points = nullptr, *velocity = nullptr, *tangent_points = nullptr, *tangent_velocity = nullptr;
    const T *grad_out = nullptr, *grad_jacobian = nullptr, *grad_log_det = nullptr;
    T *out = nullptr, *jacobian = nullptr, *log_det = nullptr, *grad_points = nullptr,
      *grad_velocity = nullptr;

    /* Of a warp that is fused with sampling: a raster says so. Then `out` and `grad_out` are of values. */
    const Raster *raster = nullptr;
    const T *images = nullptr;
    T *ends = nullptr; /* where pixels end; the vjp writes it, if it is not NULL */
};

/* Warps are fused with linear interpolation, which needs few registers beside the walk: it has two taps on an
   axis. float64, which fills all registers without it, and the closed forms of 1D go the other way: where
   pixels end lies in scratch, between one kernel and the next. */
constexpr int fused_taps = 2;
template <typename T, int D>
constexpr bool can_fuse_warps = D > 1 && sizeof(T) == 4;

template <typename T>
bool fuses_warps(const Raster &raster) {
    const bool can = raster.ndim == 3 ? can_fuse_warps<T, 3> : raster.ndim == 2 && can_fuse_warps<T, 2>;
    return can && raster.interpolation == CPAB_INTERPOLATION_LINEAR;
}

/* A call that has been checked. cpab_warp() has pixels instead of points. */
struct FlowCall {
    cpab_call call;
    PixelGrid pixels;
    int64_t first_item = 0; /* where the batch is a part of a larger one */
};

/* Starts what a function does with points. Without images, cpab_warp() is a transformation of pixels here,
   and its vjp that of one. */
template <typename T, int D>
void start_flow(const FlowCall &flow, cpab_function function, const FlowArrays<T> &arrays);

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
