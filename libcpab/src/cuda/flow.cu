/* The functions that move points. */
#include "flow.h"

#include "scratch.h"

namespace {

using namespace cpab;
using namespace cpab::CPAB_ISA;

template <typename T>
const T *in(const void *array) {
    return static_cast<const T *>(array);
}
template <typename T>
T *out(void *array) {
    return static_cast<T *>(array);
}

/* Starts a call that has been checked. */
template <typename T>
cpab_status start(const cpab_call &call, cpab_function function, const FlowArrays<T> &arrays) {
    const cpab_status status = check_memory(call, flow_bytes<T>(call, function), call.n_batch > 0);
    if (status != CPAB_OK || call.n_batch == 0) return status;
    FlowCall flow{call, {}};
    for_ndim(call.tess->ndim, [&](auto ndim) { start_flow<T, ndim>(flow, function, arrays); });
    return launched();
}

}  // namespace

extern "C" {

cpab_status cpab_velocity(cpab_call *call, const void *points, const void *velocity, void *out_) {
    return for_dtype(call, [&](auto number) {
        using T = decltype(number);
        cpab_call now = *call;
        now.time = 1;
        const cpab_status status = check_points(now, points, velocity, {out_});
        if (status != CPAB_OK) return status;
        FlowArrays<T> arrays{in<T>(points), in<T>(velocity)};
        arrays.out = out<T>(out_);
        return start(now, CPAB_VELOCITY, arrays);
    });
}

cpab_status cpab_transform(cpab_call *call, const void *points, const void *velocity, void *out_) {
    return for_dtype(call, [&](auto number) {
        using T = decltype(number);
        const cpab_status status = check_points(*call, points, velocity, {out_});
        if (status != CPAB_OK) return status;
        FlowArrays<T> arrays{in<T>(points), in<T>(velocity)};
        arrays.out = out<T>(out_);
        return start(*call, CPAB_TRANSFORM, arrays);
    });
}

cpab_status cpab_transform_vjp(cpab_call *call, const void *points, const void *velocity,
                               const void *grad_out, void *grad_points, void *grad_velocity) {
    return for_dtype(call, [&](auto number) {
        using T = decltype(number);
        const cpab_status status = check_points(*call, points, velocity, {grad_out});
        if (status != CPAB_OK) return status;
        FlowArrays<T> arrays{in<T>(points), in<T>(velocity)};
        arrays.grad_out = in<T>(grad_out);
        arrays.grad_points = out<T>(grad_points), arrays.grad_velocity = out<T>(grad_velocity);
        return start(*call, CPAB_TRANSFORM_VJP, arrays);
    });
}

cpab_status cpab_transform_jvp(cpab_call *call, const void *points, const void *velocity,
                               const void *tangent_points, const void *tangent_velocity, void *out_tangent) {
    return for_dtype(call, [&](auto number) {
        using T = decltype(number);
        const cpab_status status = check_points(*call, points, velocity, {out_tangent});
        if (status != CPAB_OK) return status;
        FlowArrays<T> arrays{in<T>(points), in<T>(velocity), in<T>(tangent_points), in<T>(tangent_velocity)};
        arrays.out = out<T>(out_tangent);
        return start(*call, CPAB_TRANSFORM_JVP, arrays);
    });
}

cpab_status cpab_transform_vjp_jvp(cpab_call *call, const void *points, const void *velocity,
                                   const void *grad_out, const void *tangent_points,
                                   const void *tangent_velocity, void *grad_points, void *grad_velocity) {
    return for_dtype(call, [&](auto number) {
        using T = decltype(number);
        const cpab_status status = check_points(*call, points, velocity, {grad_out});
        if (status != CPAB_OK) return status;
        FlowArrays<T> arrays{in<T>(points), in<T>(velocity), in<T>(tangent_points), in<T>(tangent_velocity)};
        arrays.grad_out = in<T>(grad_out);
        arrays.grad_points = out<T>(grad_points), arrays.grad_velocity = out<T>(grad_velocity);
        return start(*call, CPAB_TRANSFORM_VJP_JVP, arrays);
    });
}

cpab_status cpab_jacobian(cpab_call *call, const void *points, const void *velocity, void *jacobian,
                          void *log_det) {
    return for_dtype(call, [&](auto number) {
        using T = decltype(number);
        const cpab_status status = check_points(*call, points, velocity, {}, jacobian != nullptr);
        if (status != CPAB_OK) return status;
        FlowArrays<T> arrays{in<T>(points), in<T>(velocity)};
        arrays.jacobian = out<T>(jacobian), arrays.log_det = out<T>(log_det);
        return start(*call, CPAB_JACOBIAN, arrays);
    });
}

cpab_status cpab_jacobian_vjp(cpab_call *call, const void *points, const void *velocity,
                              const void *grad_jacobian, const void *grad_log_det, void *grad_points,
                              void *grad_velocity) {
    return for_dtype(call, [&](auto number) {
        using T = decltype(number);
        const cpab_status status = check_points(*call, points, velocity, {}, grad_jacobian != nullptr);
        if (status != CPAB_OK) return status;
        FlowArrays<T> arrays{in<T>(points), in<T>(velocity)};
        arrays.grad_jacobian = in<T>(grad_jacobian), arrays.grad_log_det = in<T>(grad_log_det);
        arrays.grad_points = out<T>(grad_points), arrays.grad_velocity = out<T>(grad_velocity);
        return start(*call, CPAB_JACOBIAN_VJP, arrays);
    });
}

}  // extern "C"
