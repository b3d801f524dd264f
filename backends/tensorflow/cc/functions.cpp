#include "functions.h"

#include <algorithm>
#include <utility>

namespace cpabx {
namespace {

template <typename... Arrays, size_t... i>
cpab_status call_with(cpab_status (*function)(cpab_call *, Arrays...), cpab_call *call, void *const *arrays,
                      std::index_sequence<i...>) {
    return function(call, arrays[i]...);
}

template <typename... Arrays>
constexpr std::index_sequence_for<Arrays...> numbers_of_arrays(cpab_status (*)(cpab_call *, Arrays...)) {
    return {};
}

/* A function of this type, whose arrays come as one array. */
template <typename Like>
cpab_status call(void (*function)(), cpab_call *call, void *const *arrays) {
    const auto typed = reinterpret_cast<Like *>(function);
    return call_with(typed, call, arrays, numbers_of_arrays(typed));
}

}  // namespace

const std::vector<Function> &functions() {
    const Array points{"points", Shape::points}, velocity{"velocity", Shape::vertices};
    const Array tangent_points{"tangent_points", Shape::points};
    const Array tangent_velocity{"tangent_velocity", Shape::vertices};
    const Array grad_points{"grad_points", Shape::points}, grad_velocity{"grad_velocity", Shape::vertices};
    const Array out{"out", Shape::cloud}, grad_out{"grad_out", Shape::cloud};
    const Array images{"images", Shape::images}, grad_images{"grad_images", Shape::images};
    // TensorFlow passes zeros for the gradient of a result that nobody used.
    const Array grad_jacobian{"grad_jacobian", Shape::matrices, true};
    const Array grad_log_det{"grad_log_det", Shape::numbers, true};

    static const std::vector<Function> table = {
        {"CpabxTransform",
         Kind::flow,
         {points, velocity},
         {out},
         CPAB_TRANSFORM,
         call<decltype(cpab_transform)>},
        {"CpabxTransformVjp",
         Kind::flow,
         {points, velocity, grad_out},
         {grad_points, grad_velocity},
         CPAB_TRANSFORM_VJP,
         call<decltype(cpab_transform_vjp)>},
        {"CpabxTransformJvp",
         Kind::flow,
         {points, velocity, tangent_points, tangent_velocity},
         {{"out_tangent", Shape::cloud}},
         CPAB_TRANSFORM_JVP,
         call<decltype(cpab_transform_jvp)>},
        {"CpabxTransformVjpJvp",
         Kind::flow,
         {points, velocity, grad_out, tangent_points, tangent_velocity},
         {grad_points, grad_velocity},
         CPAB_TRANSFORM_VJP_JVP,
         call<decltype(cpab_transform_vjp_jvp)>},
        {"CpabxVelocity",
         Kind::field,
         {points, velocity},
         {out},
         CPAB_VELOCITY,
         call<decltype(cpab_velocity)>},
        {"CpabxJacobian",
         Kind::flow,
         {points, velocity},
         {{"jacobian", Shape::matrices}, {"log_det", Shape::numbers}},
         CPAB_JACOBIAN,
         call<decltype(cpab_jacobian)>},
        {"CpabxJacobianVjp",
         Kind::flow,
         {points, velocity, grad_jacobian, grad_log_det},
         {grad_points, grad_velocity},
         CPAB_JACOBIAN_VJP,
         call<decltype(cpab_jacobian_vjp)>},
        {"CpabxWarp",
         Kind::warp,
         {images, velocity},
         {{"out", Shape::warped}},
         CPAB_WARP,
         call<decltype(cpab_warp)>},
        {"CpabxWarpVjp",
         Kind::warp,
         {images, velocity, {"grad_out", Shape::warped}},
         {grad_images, grad_velocity},
         CPAB_WARP_VJP,
         call<decltype(cpab_warp_vjp)>},
    };
    return table;
}

const Function &function_called(const std::string &name) {
    return *std::find_if(functions().begin(), functions().end(),
                         [&](const Function &function) { return function.name == name; });
}

}  // namespace cpabx
