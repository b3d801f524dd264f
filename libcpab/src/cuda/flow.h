/* A call on a flow, for the part of the library that has the kernels for its numbers and dimension. */
#ifndef CPAB_CUDA_FLOW_H
#define CPAB_CUDA_FLOW_H

#include "../pixel_grid.h"
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
};

/* A call that has been checked. cpab_warp() has pixels instead of points. */
struct FlowCall {
    cpab_call call;
    PixelGrid pixels;
    int64_t first_item = 0; /* where the batch is a part of a larger one */
};

/* Starts what a function does with points; cpab_warp() is a transformation here, and its vjp that of one. */
template <typename T, int D>
void start_flow(const FlowCall &flow, cpab_function function, const FlowArrays<T> &arrays);

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
