/* The kernel of all operations: it checks its inputs, allocates its results, and calls libcpab. */
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "functions.h"
#include "problem.h"
#include "status.h"
#include "tensorflow/core/framework/op_kernel.h"

namespace cpabx {
namespace {

using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;

/* As many as TensorFlow's operations have, and those of libcpab where these are less. None, for a
   CPABX_NUM_THREADS that is no number, makes the call an error. */
int32_t n_threads(OpKernelContext *context) {
    cpab_library library = {};
    library.struct_size = sizeof(library);
    cpab_library_describe(&library);
    return std::min(library.n_threads, context->device()->tensorflow_cpu_worker_threads()->num_threads);
}

/* The shape of points that fit is that of one item, too. */
absl::Status misfit(const Array &array, const std::vector<int64_t> &shape, const Tensor &given) {
    return absl::InvalidArgumentError(
        absl::StrCat(array.name, " must be (", array.shape == Shape::points ? "1 or " : "",
                     absl::StrJoin(shape, ", "), "); got ", given.shape().DebugString()));
}

template <typename T>
bool is_zero(const Tensor &tensor) {
    const T *values = tensor.flat<T>().data();
    return std::all_of(values, values + tensor.NumElements(), [](T value) { return value == 0; });
}

/* Sums over the batch, in its order, as numpy adds. */
template <typename T>
void add_up(const Tensor &of_each, Tensor *sum) {
    const T *from = of_each.flat<T>().data();
    T *to = sum->flat<T>().data();
    const int64_t size = sum->NumElements();
    std::fill_n(to, size, T(0));
    for (int64_t k = 0; k < of_each.dim_size(0); ++k, from += size)
        for (int64_t i = 0; i < size; ++i) to[i] += from[i];
}

class Kernel : public tensorflow::OpKernel {
public:
    explicit Kernel(OpKernelConstruction *construction)
        : OpKernel(construction), function_(function_called(construction->def().op())) {
        OP_REQUIRES_OK(construction, problem_.read(construction, function_.kind));
    }

    void Compute(OpKernelContext *context) override {
        Sizes<int64_t> sizes;
        OP_REQUIRES_OK(context, measure(context, &sizes));
        std::vector<void *> arrays;
        OP_REQUIRES_OK(context, add_inputs(context, sizes, &arrays));
        Tensor of_each; /* gradients of points that the batch shares, before they are added up */
        OP_REQUIRES_OK(context, add_outputs(context, sizes, &arrays, &of_each));
        OP_REQUIRES_OK(context, call(context, sizes, arrays));
        if (!adds_up(function_.outputs[0], sizes)) return;
        if (is_float(context))
            add_up<float>(of_each, context->mutable_output(0));
        else
            add_up<double>(of_each, context->mutable_output(0));
    }

private:
    const Function &function_;
    Problem problem_;

    static bool is_float(OpKernelContext *context) { return context->input_dtype(0) == tensorflow::DT_FLOAT; }

    /* Whether a result, the first, is made of those of each item. */
    static bool adds_up(const Array &result, const Sizes<int64_t> &sizes) {
        return result.shape == Shape::points && sizes.points_batch != sizes.n_batch;
    }

    /* The sizes of the call, by the first two inputs. */
    absl::Status measure(OpKernelContext *context, Sizes<int64_t> *sizes) const {
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

    absl::Status add_inputs(OpKernelContext *context, const Sizes<int64_t> &sizes,
                            std::vector<void *> *arrays) const {
        for (const Array &array : function_.inputs) {
            const Tensor &input = context->input(static_cast<int>(arrays->size()));
            const std::vector<int64_t> shape = sizes.of(array.shape);
            if (input.shape() != TensorShape(shape)) return misfit(array, shape, input);
            const bool left_out =
                array.zeros_are_null && (is_float(context) ? is_zero<float>(input) : is_zero<double>(input));
            arrays->push_back(left_out ? nullptr : input.data());
        }
        return absl::OkStatus();
    }

    absl::Status add_outputs(OpKernelContext *context, const Sizes<int64_t> &sizes,
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

    absl::Status call(OpKernelContext *context, const Sizes<int64_t> &sizes,
                      const std::vector<void *> &arrays) const {
        cpab_image image = problem_.image;
        image.channels = sizes.channels;
        std::copy(sizes.size.rbegin(), sizes.size.rend(), image.size);  // libcpab counts x first
        cpab_call call = {};
        call.struct_size = sizeof(call);
        call.tess = problem_.tessellation.get();
        call.image = &image;
        call.dtype = is_float(context) ? CPAB_FLOAT32 : CPAB_FLOAT64;
        call.device = CPAB_CPU;
        call.n_batch = sizes.n_batch;
        call.n_points = sizes.n_points;
        call.points_batch = sizes.points_batch;
        call.time = problem_.time;
        call.n_threads = n_threads(context);
        const cpab_status status = function_.call(&call, arrays.data());
        return outcome(status, call.time, call.failed_item);
    }
};

const bool registered = [] {
    using namespace tensorflow;
    for (const Function &function : functions()) {
        const KernelDef *definition = register_kernel::Name(function.name).Device(DEVICE_CPU).Build();
        kernel_factory::OpKernelRegistrar(
            definition, "cpabx::Kernel",
            [](OpKernelConstruction *construction) -> OpKernel * { return new Kernel(construction); });
    }
    return true;
}();

}  // namespace
}  // namespace cpabx
