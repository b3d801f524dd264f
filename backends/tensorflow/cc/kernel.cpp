#include "kernel.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace cpabx {

using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;

namespace {

/* The shape of points that fit is that of one item, too. */
absl::Status misfit(const Array &array, const std::vector<int64_t> &shape, const Tensor &given) {
    return absl::InvalidArgumentError(
        absl::StrCat(array.name, " must be (", array.shape == Shape::points ? "1 or " : "",
                     absl::StrJoin(shape, ", "), "); got ", given.shape().DebugString()));
}

/* Whether a result, the first, is made of those of each item. */
bool adds_up(const Array &result, const Sizes<int64_t> &sizes) {
    return result.shape == Shape::points && sizes.points_batch != sizes.n_batch;
}

}  // namespace

Kernel::Kernel(OpKernelConstruction *construction)
    : OpKernel(construction), function_(function_called(construction->def().op())) {}

absl::Status Kernel::read(OpKernelConstruction *construction, const Library &library) {
    return problem_.read(construction, function_.kind, library);
}

void Kernel::Compute(OpKernelContext *context) { OP_REQUIRES_OK(context, compute(context)); }

absl::Status Kernel::compute(OpKernelContext *context) {
    Sizes<int64_t> sizes;
    std::vector<void *> arrays;
    Tensor of_each; /* gradients of points that the batch shares, before they are added up */
    TF_RETURN_IF_ERROR(begin(context));
    TF_RETURN_IF_ERROR(measure(context, &sizes));
    TF_RETURN_IF_ERROR(add_inputs(context, sizes, &arrays));
    TF_RETURN_IF_ERROR(add_outputs(context, sizes, &arrays, &of_each));
    TF_RETURN_IF_ERROR(call_with(context, sizes, arrays));
    if (!adds_up(function_.outputs[0], sizes)) return absl::OkStatus();
    return add_up(context, of_each, context->mutable_output(0));
}

/* The sizes of the call, by the first two inputs. */
absl::Status Kernel::measure(OpKernelContext *context, Sizes<int64_t> *sizes) const {
    const Tensor &first = context->input(0), &velocity = context->input(1);
    const int ndim = static_cast<int>(problem_.sizes.ndim);
    const bool warps = function_.kind == Kind::warp;
    const int n_axes = warps ? ndim + 2 : 3;
    if (first.dims() != n_axes || velocity.dims() != 3)
        return absl::InvalidArgumentError(
            absl::StrCat(function_.inputs[0].name, " must have ", n_axes, " axes, and velocity 3; got ",
                         first.shape().DebugString(), " and ", velocity.shape().DebugString()));
    sizes->ndim = ndim;
    sizes->n_vertices = problem_.sizes.n_vertices;
    sizes->n_batch = velocity.dim_size(0);
    if (warps) {
        for (int axis = 1; axis <= ndim; ++axis) sizes->size.push_back(first.dim_size(axis));
        sizes->output_size = problem_.output_size;
        sizes->channels = first.dim_size(ndim + 1);
    } else {
        sizes->points_batch = first.dim_size(0) == 1 ? 1 : sizes->n_batch;
        sizes->n_points = first.dim_size(1);
    }
    return absl::OkStatus();
}

absl::Status Kernel::add_inputs(OpKernelContext *context, const Sizes<int64_t> &sizes,
                                std::vector<void *> *arrays) {
    for (const Array &array : function_.inputs) {
        const Tensor &input = context->input(static_cast<int>(arrays->size()));
        const std::vector<int64_t> shape = sizes.of(array.shape);
        if (input.shape() != TensorShape(shape)) return misfit(array, shape, input);
        arrays->push_back(array.zeros_are_null && is_zero(input) ? nullptr : input.data());
    }
    return absl::OkStatus();
}

absl::Status Kernel::add_outputs(OpKernelContext *context, const Sizes<int64_t> &sizes,
                                 std::vector<void *> *arrays, Tensor *of_each) const {
    for (size_t i = 0; i < function_.outputs.size(); ++i) {
        const Array &array = function_.outputs[i];
        Tensor *output = nullptr;
        TF_RETURN_IF_ERROR(
            context->allocate_output(static_cast<int>(i), TensorShape(sizes.of(array.shape)), &output));
        if (adds_up(array, sizes)) {
            const TensorShape cloud(sizes.of(Shape::cloud));
            TF_RETURN_IF_ERROR(context->allocate_temp(output->dtype(), cloud, of_each));
            output = of_each;
        }
        arrays->push_back(output->data());
    }
    return absl::OkStatus();
}

absl::Status Kernel::call_with(OpKernelContext *context, const Sizes<int64_t> &sizes,
                               const std::vector<void *> &arrays) {
    cpab_image image = problem_.image;
    image.channels = sizes.channels;
    std::copy(sizes.size.rbegin(), sizes.size.rend(), image.size);  // libcpab counts x first
    cpab_call sized = {};
    sized.struct_size = sizeof(sized);
    sized.tess = problem_.tessellation.get();
    sized.image = &image;
    sized.dtype = context->input_dtype(0) == tensorflow::DT_FLOAT ? CPAB_FLOAT32 : CPAB_FLOAT64;
    sized.n_batch = sizes.n_batch;
    sized.n_points = sizes.n_points;
    sized.points_batch = sizes.points_batch;
    sized.time = problem_.time;
    return call(context, &sized, arrays);
}

}  // namespace cpabx
