/*
 * The operations and the shapes of their results, by the table of functions.
 *
 * Tessellation, time and options are attributes: they are known when a graph is made, and a kernel sets up
 * its tessellation once.
 */
#include "tensorflow/core/framework/op.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "functions.h"
#include "problem.h"
#include "tensorflow/core/framework/common_shape_fns.h"
#include "tensorflow/core/framework/shape_inference.h"

namespace cpabx {
namespace {

using tensorflow::shape_inference::DimensionHandle;
using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

/* Sizes as far as they are known, and whether the first two inputs fit. */
absl::Status measure(InferenceContext *context, Kind kind, Sizes<DimensionHandle> *sizes) {
    std::vector<int64_t> cells, output_size;
    ShapeHandle first, velocity;
    TF_RETURN_IF_ERROR(context->GetAttr("cells", &cells));
    const int64_t ndim = static_cast<int64_t>(cells.size());
    TF_RETURN_IF_ERROR(context->WithRank(context->input(0), kind == Kind::warp ? ndim + 2 : 3, &first));
    TF_RETURN_IF_ERROR(context->WithRank(context->input(1), 3, &velocity));
    TF_RETURN_IF_ERROR(context->WithValue(context->Dim(velocity, 2), ndim, &sizes->ndim));
    sizes->n_batch = context->Dim(velocity, 0);
    sizes->n_vertices = context->Dim(velocity, 1);
    if (kind != Kind::warp) {
        sizes->points_batch = context->Dim(first, 0);
        sizes->n_points = context->Dim(first, 1);
        return context->WithValue(context->Dim(first, 2), ndim, &sizes->ndim);
    }
    TF_RETURN_IF_ERROR(context->GetAttr("output_size", &output_size));
    for (const int64_t pixels : output_size) sizes->output_size.push_back(context->MakeDim(pixels));
    for (int64_t axis = 1; axis <= ndim; ++axis) sizes->size.push_back(context->Dim(first, axis));
    sizes->channels = context->Dim(first, -1);
    return context->Merge(context->Dim(first, 0), sizes->n_batch, &sizes->n_batch);
}

absl::Status infer(InferenceContext *context, const Function &function) {
    Sizes<DimensionHandle> sizes;
    TF_RETURN_IF_ERROR(measure(context, function.kind, &sizes));
    for (size_t i = 0; i < function.outputs.size(); ++i)
        context->set_output(static_cast<int>(i), context->MakeShape(sizes.of(function.outputs[i].shape)));
    return absl::OkStatus();
}

void declare(const Function &function) {
    tensorflow::register_op::OpDefBuilderWrapper operation(function.name);
    for (const Array &array : function.inputs) operation.Input(absl::StrCat(array.name, ": T"));
    for (const Array &array : function.outputs) operation.Output(absl::StrCat(array.name, ": T"));
    for (const std::string &attribute : attributes(function.kind)) operation.Attr(attribute);
    operation.SetShapeFn([&function](InferenceContext *context) { return infer(context, function); });
    operation();
}

const bool declared = [] {
    for (const Function &function : functions()) declare(function);
    return true;
}();

}  // namespace
}  // namespace cpabx
