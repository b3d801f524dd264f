/*
 * Lets tests of libcpab run on libcpab_cuda, unchanged: the compiler includes this before a test, whose calls
 * then go to functions of the same names and promises that take memory of the CPU. They copy it to the device
 * and back, and turn the report of what failed into a status. adapter.cpp says what they check besides.
 *
 * The environment:
 *   CPAB_TEST_TWICE          1: every call is made twice, the second time with threads and blocks in another
 * order and scratch as the first left it, and must give the same bits CPAB_TEST_DETERMINISTIC  1: every call
 * asks for gradients of images that have the same bits every time
 */
#ifndef CPAB_TESTS_ADAPTER_H
#define CPAB_TESTS_ADAPTER_H

#include "cpab.h"

#ifdef __cplusplus
extern "C" {
#endif

cpab_status adapted_transform(cpab_call *call, const void *points, const void *velocity, void *out);
cpab_status adapted_transform_vjp(cpab_call *call, const void *points, const void *velocity,
                                  const void *grad_out, void *grad_points, void *grad_velocity);
cpab_status adapted_velocity(cpab_call *call, const void *points, const void *velocity, void *out);
cpab_status adapted_transform_jvp(cpab_call *call, const void *points, const void *velocity,
                                  const void *tangent_points, const void *tangent_velocity,
                                  void *out_tangent);
cpab_status adapted_transform_vjp_jvp(cpab_call *call, const void *points, const void *velocity,
                                      const void *grad_out, const void *tangent_points,
                                      const void *tangent_velocity, void *grad_points, void *grad_velocity);
cpab_status adapted_jacobian(cpab_call *call, const void *points, const void *velocity, void *jacobian,
                             void *log_det);
cpab_status adapted_jacobian_vjp(cpab_call *call, const void *points, const void *velocity,
                                 const void *grad_jacobian, const void *grad_log_det, void *grad_points,
                                 void *grad_velocity);
cpab_status adapted_sample(cpab_call *call, const void *images, const void *points, void *out);
cpab_status adapted_sample_vjp(cpab_call *call, const void *images, const void *points, const void *grad_out,
                               void *grad_images, void *grad_points);
cpab_status adapted_warp(cpab_call *call, const void *images, const void *velocity, void *out);
cpab_status adapted_warp_vjp(cpab_call *call, const void *images, const void *velocity, const void *grad_out,
                             void *grad_images, void *grad_velocity);

#ifdef __cplusplus
}
#endif

#if !defined(CPAB_TESTS_ADAPTER)
#    define cpab_transform adapted_transform
#    define cpab_transform_vjp adapted_transform_vjp
#    define cpab_velocity adapted_velocity
#    define cpab_transform_jvp adapted_transform_jvp
#    define cpab_transform_vjp_jvp adapted_transform_vjp_jvp
#    define cpab_jacobian adapted_jacobian
#    define cpab_jacobian_vjp adapted_jacobian_vjp
#    define cpab_sample adapted_sample
#    define cpab_sample_vjp adapted_sample_vjp
#    define cpab_warp adapted_warp
#    define cpab_warp_vjp adapted_warp_vjp
#endif

#endif
