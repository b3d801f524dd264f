/*
 * The kernel on CUDA devices, which calls libcpab_cuda. It is compiled without CUDA: what it must know of a
 * device, TensorFlow's StreamExecutor tells, whose headers every build of TensorFlow has.
 *
 * It puts work on the stream of the device and returns. The host waits for nothing, but where CPABX_CHECK=now
 * asks for it; and in the first call of a node its constants are copied to the device.
 *
 * No GPU has run this yet. The tests run it on a device of TensorFlow's in the memory of the CPU.
 */
#include <vector>

#include "absl/strings/str_cat.h"
#include "device_memory.h"
#include "kernel.h"
#include "report.h"
#include "status.h"
#include "tensorflow/core/util/determinism.h"
#include "xla/stream_executor/platform.h"
#include "xla/stream_executor/stream.h"
#include "xla/stream_executor/stream_executor.h"

namespace cpabx {
namespace {

using stream_executor::Stream;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;

/* The stream of the device, if that is one of CUDA. */
absl::StatusOr<Stream *> stream_of(OpKernelContext *context) {
    const tensorflow::DeviceContext *device = context->op_device_context();
    Stream *const stream = device ? device->stream() : nullptr;
    const std::string platform = stream ? stream->parent()->GetPlatform()->Name() : "no stream";
    if (platform == "CUDA") return stream;
    return absl::InvalidArgumentError(absl::StrCat(
        "CPAB transformations run on the CPU and on CUDA devices; got ", context->device()->name(), " of ",
        platform, ". Move points and theta to the CPU, or place the operation there by tf.device('CPU:0')."));
}

/* A tensor of libcpab's numbers as one image of channels with two pixels, 0 and 1. */
template <typename T>
void fill_with_steps(char *bytes, int64_t n_channels) {
    T *pixels = reinterpret_cast<T *>(bytes);
    for (int64_t i = 0; i < 2 * n_channels; ++i) pixels[i] = T(i % 2);
}

class CudaKernel : public Kernel {
public:
    explicit CudaKernel(OpKernelConstruction *construction) : Kernel(construction) {
        const absl::StatusOr<const Library *> library = libcpab_cuda();
        OP_REQUIRES_OK(construction, library.status());
        library_ = *library;
        OP_REQUIRES_OK(construction, read(construction, *library_));
    }

protected:
    absl::Status begin(OpKernelContext *context) override {
        const absl::StatusOr<Stream *> stream = stream_of(context);
        TF_RETURN_IF_ERROR(stream.status());
        const absl::StatusOr<Report *> report = Report::of((*stream)->parent(), context);
        TF_RETURN_IF_ERROR(report.status());
        return (*report)->of_earlier();
    }

    absl::Status call(OpKernelContext *context, cpab_call *call, const std::vector<void *> &arrays) override {
        const int32_t dtype = call->dtype;
        const int64_t n_bytes = library_->tables(call->tess, dtype, nullptr);
        const auto fill = [&](char *host) { library_->tables(call->tess, dtype, host); };
        Stream *const stream = *stream_of(context);
        Tensor tables;
        TF_RETURN_IF_ERROR(tables_.get(context, stream, n_bytes, fill, &tables));
        call->tables = tables.data();
        return launch(context, function().number, function().call, call, arrays);
    }

    /* libcpab_cuda has no sum over items. But the gradient of a point of cpab_sample_vjp() is a sum over
       channels, of their slopes there times grad_out, in their order: with items for channels and slopes of 1
       it is the sum over items. */
    absl::Status add_up(OpKernelContext *context, const Tensor &of_each, Tensor *sum) override {
        Stream *const stream = *stream_of(context);
        const int64_t n_items = of_each.dim_size(0), size = sum->NumElements();
        const bool is_float = sum->dtype() == tensorflow::DT_FLOAT;
        const int64_t number_size = is_float ? sizeof(float) : sizeof(double);
        if (size == 0) return absl::OkStatus();
        stream_executor::DeviceAddressBase result(sum->data(), size * number_size);
        if (n_items == 0) return stream->MemZero(&result, result.size());

        Tensor zeros; /* points in the middle between the two pixels */
        TF_RETURN_IF_ERROR(allocate(context, size * number_size, &zeros));
        stream_executor::DeviceAddressBase points(zeros.data(), size * number_size);
        TF_RETURN_IF_ERROR(stream->MemZero(&points, points.size()));
        Tensor steps;
        const auto fill = [&](char *host) {
            if (is_float)
                fill_with_steps<float>(host, n_items);
            else
                fill_with_steps<double>(host, n_items);
        };
        TF_RETURN_IF_ERROR(steps_.get(context, stream, 2 * n_items * number_size, fill, &steps));

        cpab_image image = {};
        image.struct_size = sizeof(image);
        image.ndim = 1;
        image.padding = CPAB_PADDING_BORDER;
        image.interpolation = CPAB_INTERPOLATION_LINEAR;
        image.channels = n_items;
        image.size[0] = 2;
        cpab_call call = {};
        call.struct_size = sizeof(call);
        call.image = &image;
        call.dtype = is_float ? CPAB_FLOAT32 : CPAB_FLOAT64;
        call.n_batch = call.points_batch = 1;
        call.n_points = size;
        const auto adapted = [](void (*function)(), cpab_call *call, void *const *arrays) {
            const auto vjp = reinterpret_cast<decltype(&cpab_sample_vjp)>(function);
            return vjp(call, arrays[0], arrays[1], arrays[2], nullptr, arrays[3]);
        };
        return launch(context, CPAB_SAMPLE_VJP, adapted, &call,
                      {steps.data(), zeros.data(), of_each.data(), sum->data()});
    }

private:
    const Library *library_ = nullptr;
    Constant tables_, steps_;

    absl::Status launch(OpKernelContext *context, cpab_function number, decltype(Function::call) function,
                        cpab_call *call, const std::vector<void *> &arrays) const {
        const absl::StatusOr<bool> waits = checks_now();
        TF_RETURN_IF_ERROR(waits.status());
        Stream *const stream = *stream_of(context);
        Report *const report = *Report::of(stream->parent(), context);
        const auto current = stream->parent()->Activate();  // the device, for this thread
        call->device = CPAB_CUDA;
        call->n_threads = 1;  // of the CPU, which has nothing to do
        call->deterministic = tensorflow::OpDeterminismRequired();
        call->scratch_bytes = library_->scratch_bytes(call, number);
        Tensor scratch;
        if (call->scratch_bytes > 0) {
            TF_RETURN_IF_ERROR(allocate(context, call->scratch_bytes, &scratch));
            call->scratch = scratch.data();
        }
        call->stream = stream->platform_specific_handle().stream;
        call->report = report->words();
        const cpab_status status = function(library_->functions[number], call, arrays.data());
        TF_RETURN_IF_ERROR(outcome(status, call->time, call->failed_item));
        if (!*waits) return absl::OkStatus();
        TF_RETURN_IF_ERROR(stream->BlockHostUntilDone());
        return report->of_call(call->time);
    }
};

/* Without libcpab_cuda there is no such kernel, and TensorFlow takes the operations to the CPU. */
const bool registered_on_cuda =
    has_libcpab_cuda() && register_for<CudaKernel>(tensorflow::DEVICE_GPU, "cpabx::CudaKernel");

}  // namespace
}  // namespace cpabx
