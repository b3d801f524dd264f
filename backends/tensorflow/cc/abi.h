/* libcpab's functions by number type, and what its status codes mean to TensorFlow. */
#ifndef CPABX_TENSORFLOW_ABI_H
#define CPABX_TENSORFLOW_ABI_H

#include "cpab.h"
#include "tensorflow/core/framework/op_kernel.h"

namespace cpabx {

template <typename T>
struct Abi;

template <>
struct Abi<float> {
    static constexpr auto transform = &cpab_transform_f32;
    static constexpr auto transform_vjp = &cpab_transform_vjp_f32;
    static constexpr auto transform_jvp = &cpab_transform_jvp_f32;
    static constexpr auto transform_vjp_jvp = &cpab_transform_vjp_jvp_f32;
    static constexpr auto velocity = &cpab_velocity_f32;
    static constexpr auto jacobian = &cpab_jacobian_f32;
    static constexpr auto jacobian_vjp = &cpab_jacobian_vjp_f32;
    static constexpr auto warp = &cpab_warp_f32;
    static constexpr auto warp_vjp = &cpab_warp_vjp_f32;
};

template <>
struct Abi<double> {
    static constexpr auto transform = &cpab_transform_f64;
    static constexpr auto transform_vjp = &cpab_transform_vjp_f64;
    static constexpr auto transform_jvp = &cpab_transform_jvp_f64;
    static constexpr auto transform_vjp_jvp = &cpab_transform_vjp_jvp_f64;
    static constexpr auto velocity = &cpab_velocity_f64;
    static constexpr auto jacobian = &cpab_jacobian_f64;
    static constexpr auto jacobian_vjp = &cpab_jacobian_vjp_f64;
    static constexpr auto warp = &cpab_warp_f64;
    static constexpr auto warp_vjp = &cpab_warp_vjp_f64;
};

/* The error that a status code stands for, in the words of cpabx.native.status. */
absl::Status outcome(cpab_status status, int64_t failed_item, double time);

/* How many threads a call may use: as many as TensorFlow's operations, and CPABX_NUM_THREADS where that is
   less, but fewer where there is little to do. */
int32_t n_threads(tensorflow::OpKernelContext *context, int64_t n_points);

}  // namespace cpabx

#endif
