/* The functions that move points. */
#include "flow.h"

#include "scratch.h"

namespace {

using namespace cpab;
using namespace cpab::CPAB_ISA;

template <typename T>
void set(const T *&array, const void *given) {
    array = static_cast<const T *>(given);
}
template <typename T>
void set(T *&array, void *given) {
    array = static_cast<T *>(given);
}

/* What every function takes. */
struct Flows {
    const void *points, *velocity;
    bool matrices = false; /* whether there is an array with a matrix for each point */
};

/* Checks a call, and starts it on its points and fields, and on the arrays that `add` sets. For the rest see
   check_points(). */
template <typename Add>
cpab_status start(cpab_call *call, cpab_function function, const Flows &flows,
                  std::initializer_list<const void *> results, Add add) {
    return for_dtype(call, [&](auto number) {
        using T = decltype(number);
        FlowCall flow{*call, {}};
        if (function == CPAB_VELOCITY) flow.call.time = 1; /* velocities have none */
        cpab_status status = check_points(flow.call, flows.points, flows.velocity, results, flows.matrices);
        if (status != CPAB_OK) return status;
        status = check_memory(*call, flow_bytes<T>(*call, function), call->n_batch > 0);
        if (status != CPAB_OK || call->n_batch == 0) return status;
        FlowArrays<T> arrays;
        set(arrays.points, flows.points), set(arrays.velocity, flows.velocity);
        add(arrays);
        for_ndim(call->tess->ndim, [&](auto ndim) { start_flow<T, ndim>(flow, function, arrays); });
        return launched();
    });
}

}  // namespace

extern "C" {

cpab_status cpab_velocity(cpab_call *call, const void *points, const void *velocity, void *out) {
    return start(call, CPAB_VELOCITY, {points, velocity}, {out}, [&](auto &arrays) { set(arrays.out, out); });
}

cpab_status cpab_transform(cpab_call *call, const void *points, const void *velocity, void *out) {
    return start(call, CPAB_TRANSFORM, {points, velocity}, {out},
                 [&](auto &arrays) { set(arrays.out, out); });
}

cpab_status cpab_transform_vjp(cpab_call *call, const void *points, const void *velocity,
                               const void *grad_out, void *grad_points, void *grad_velocity) {
    return start(call, CPAB_TRANSFORM_VJP, {points, velocity}, {grad_out}, [&](auto &arrays) {
        set(arrays.grad_out, grad_out);
        set(arrays.grad_points, grad_points), set(arrays.grad_velocity, grad_velocity);
    });
}

cpab_status cpab_transform_jvp(cpab_call *call, const void *points, const void *velocity,
                               const void *tangent_points, const void *tangent_velocity, void *out_tangent) {
    return start(call, CPAB_TRANSFORM_JVP, {points, velocity}, {out_tangent}, [&](auto &arrays) {
        set(arrays.tangent_points, tangent_points), set(arrays.tangent_velocity, tangent_velocity);
        set(arrays.out, out_tangent);
    });
}

cpab_status cpab_transform_vjp_jvp(cpab_call *call, const void *points, const void *velocity,
                                   const void *grad_out, const void *tangent_points,
                                   const void *tangent_velocity, void *grad_points, void *grad_velocity) {
    return start(call, CPAB_TRANSFORM_VJP_JVP, {points, velocity}, {grad_out}, [&](auto &arrays) {
        set(arrays.tangent_points, tangent_points), set(arrays.tangent_velocity, tangent_velocity);
        set(arrays.grad_out, grad_out);
        set(arrays.grad_points, grad_points), set(arrays.grad_velocity, grad_velocity);
    });
}

cpab_status cpab_jacobian(cpab_call *call, const void *points, const void *velocity, void *jacobian,
                          void *log_det) {
    return start(call, CPAB_JACOBIAN, {points, velocity, jacobian != nullptr}, {},
                 [&](auto &arrays) { set(arrays.jacobian, jacobian), set(arrays.log_det, log_det); });
}

cpab_status cpab_jacobian_vjp(cpab_call *call, const void *points, const void *velocity,
                              const void *grad_jacobian, const void *grad_log_det, void *grad_points,
                              void *grad_velocity) {
    return start(call, CPAB_JACOBIAN_VJP, {points, velocity, grad_jacobian != nullptr}, {},
                 [&](auto &arrays) {
                     set(arrays.grad_jacobian, grad_jacobian), set(arrays.grad_log_det, grad_log_det);
                     set(arrays.grad_points, grad_points), set(arrays.grad_velocity, grad_velocity);
                 });
}

}  // extern "C"
