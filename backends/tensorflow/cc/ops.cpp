/*
 * The operations and the shapes of their results.
 *
 * Tessellation and time are attributes: they are known when a graph is made, and a kernel sets up its
 * tessellation once. `domain` and `time` are tensors because numbers in attributes have 32 bits.
 */
#include <vector>

#include "tensorflow/core/framework/common_shape_fns.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/shape_inference.h"

namespace cpabx {
namespace {

using tensorflow::shape_inference::DimensionHandle;
using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

/* Checks points and velocities as far as they are known; `cloud` is (N, P, n). */
absl::Status infer_cloud(InferenceContext *context, ShapeHandle *cloud) {
    std::vector<int64_t> cells;
    TF_RETURN_IF_ERROR(context->GetAttr("cells", &cells));
    ShapeHandle points, velocity;
    TF_RETURN_IF_ERROR(context->WithRank(context->input(0), 3, &points));
    TF_RETURN_IF_ERROR(context->WithRank(context->input(1), 3, &velocity));
    DimensionHandle ndim;
    TF_RETURN_IF_ERROR(context->WithValue(context->Dim(points, 2), cells.size(), &ndim));
    TF_RETURN_IF_ERROR(context->WithValue(context->Dim(velocity, 2), cells.size(), &ndim));
    *cloud = context->MakeShape({context->Dim(velocity, 0), context->Dim(points, 1), ndim});
    return absl::OkStatus();
}

absl::Status cloud(InferenceContext *context) {
    ShapeHandle shape;
    TF_RETURN_IF_ERROR(infer_cloud(context, &shape));
    context->set_output(0, shape);
    return absl::OkStatus();
}

absl::Status like_inputs(InferenceContext *context) {
    context->set_output(0, context->input(0));
    context->set_output(1, context->input(1));
    return absl::OkStatus();
}

absl::Status jacobian(InferenceContext *context) {
    ShapeHandle shape;
    TF_RETURN_IF_ERROR(infer_cloud(context, &shape));
    const DimensionHandle n = context->Dim(shape, 0), p = context->Dim(shape, 1), d = context->Dim(shape, 2);
    context->set_output(0, context->MakeShape({n, p, d, d}));
    context->set_output(1, context->MakeShape({n, p}));
    return absl::OkStatus();
}

absl::Status warped(InferenceContext *context) {
    std::vector<int64_t> size;
    TF_RETURN_IF_ERROR(context->GetAttr("output_size", &size));
    ShapeHandle images, velocity;
    TF_RETURN_IF_ERROR(context->WithRank(context->input(0), size.size() + 2, &images));
    TF_RETURN_IF_ERROR(context->WithRank(context->input(1), 3, &velocity));
    DimensionHandle n;
    TF_RETURN_IF_ERROR(context->Merge(context->Dim(images, 0), context->Dim(velocity, 0), &n));
    std::vector<DimensionHandle> shape{n};
    for (const int64_t pixels : size) shape.push_back(context->MakeDim(pixels));
    shape.push_back(context->Dim(images, -1));
    context->set_output(0, context->MakeShape(shape));
    return absl::OkStatus();
}

#define CPABX_FLOW_ATTRS                        \
    Attr("T: {float, double}")                  \
        .Attr("cells: list(int)")               \
        .Attr("domain: tensor")                 \
        .Attr("outside: {'linear', 'nearest'}") \
        .Attr("time: tensor")

#define CPABX_IMAGE_ATTRS                                                \
    Attr("output_size: list(int)")                                       \
        .Attr("mode: {'linear', 'nearest', 'cubic'}")                    \
        .Attr("padding_mode: {'zeros', 'border', 'reflection', 'wrap'}") \
        .Attr("align_corners: bool")

REGISTER_OP("CpabxTransform")
    .Input("points: T")
    .Input("velocity: T")
    .Output("moved: T")
    .CPABX_FLOW_ATTRS.SetShapeFn(cloud);

REGISTER_OP("CpabxTransformVjp")
    .Input("points: T")
    .Input("velocity: T")
    .Input("grad_out: T")
    .Output("grad_points: T")
    .Output("grad_velocity: T")
    .CPABX_FLOW_ATTRS.SetShapeFn(like_inputs);

REGISTER_OP("CpabxTransformJvp")
    .Input("points: T")
    .Input("velocity: T")
    .Input("tangent_points: T")
    .Input("tangent_velocity: T")
    .Output("tangent: T")
    .CPABX_FLOW_ATTRS.SetShapeFn(cloud);

REGISTER_OP("CpabxTransformVjpJvp")
    .Input("points: T")
    .Input("velocity: T")
    .Input("grad_out: T")
    .Input("tangent_points: T")
    .Input("tangent_velocity: T")
    .Output("grad_points: T")
    .Output("grad_velocity: T")
    .CPABX_FLOW_ATTRS.SetShapeFn(like_inputs);

REGISTER_OP("CpabxVelocity")
    .Input("points: T")
    .Input("velocity: T")
    .Output("at_points: T")
    .CPABX_FLOW_ATTRS.SetShapeFn(cloud);

REGISTER_OP("CpabxJacobian")
    .Input("points: T")
    .Input("velocity: T")
    .Output("matrices: T")
    .Output("log_det: T")
    .CPABX_FLOW_ATTRS.SetShapeFn(jacobian);

REGISTER_OP("CpabxJacobianVjp")
    .Input("points: T")
    .Input("velocity: T")
    .Input("grad_matrices: T")
    .Input("grad_log_det: T")
    .Output("grad_points: T")
    .Output("grad_velocity: T")
    .CPABX_FLOW_ATTRS.SetShapeFn(like_inputs);

REGISTER_OP("CpabxWarp")
    .Input("images: T")
    .Input("velocity: T")
    .Output("warped: T")
    .CPABX_FLOW_ATTRS.CPABX_IMAGE_ATTRS.SetShapeFn(warped);

REGISTER_OP("CpabxWarpVjp")
    .Input("images: T")
    .Input("velocity: T")
    .Input("grad_out: T")
    .Output("grad_images: T")
    .Output("grad_velocity: T")
    .CPABX_FLOW_ATTRS.CPABX_IMAGE_ATTRS.SetShapeFn(like_inputs);

}  // namespace
}  // namespace cpabx
