/* The kernel on the CPU, which calls libcpab. */
#include <algorithm>

#include "kernel.h"
#include "status.h"

namespace cpabx {
namespace {

using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;

/* As many as TensorFlow's operations have, and those of libcpab where these are less. None, for a
   CPABX_NUM_THREADS that is no number, makes the call an error. */
int32_t n_threads(const Library &library, OpKernelContext *context) {
    cpab_library described = {};
    described.struct_size = sizeof(described);
    library.describe(&described);
    return std::min(described.n_threads, context->device()->tensorflow_cpu_worker_threads()->num_threads);
}

template <typename T>
bool is_zero_of(const Tensor &tensor) {
    const T *values = tensor.flat<T>().data();
    return std::all_of(values, values + tensor.NumElements(), [](T value) { return value == 0; });
}

/* As numpy adds. */
template <typename T>
void add_up_of(const Tensor &of_each, Tensor *sum) {
    const T *from = of_each.flat<T>().data();
    T *to = sum->flat<T>().data();
    const int64_t size = sum->NumElements();
    std::fill_n(to, size, T(0));
    for (int64_t k = 0; k < of_each.dim_size(0); ++k, from += size)
        for (int64_t i = 0; i < size; ++i) to[i] += from[i];
}

class HostKernel : public Kernel {
public:
    explicit HostKernel(OpKernelConstruction *construction) : Kernel(construction) {
        const absl::StatusOr<const Library *> library = libcpab();
        OP_REQUIRES_OK(construction, library.status());
        library_ = *library;
        OP_REQUIRES_OK(construction, read(construction, *library_));
    }

protected:
    bool is_zero(const Tensor &tensor) override {
        return tensor.dtype() == tensorflow::DT_FLOAT ? is_zero_of<float>(tensor)
                                                      : is_zero_of<double>(tensor);
    }

    absl::Status call(OpKernelContext *context, cpab_call *call, const std::vector<void *> &arrays) override {
        call->device = CPAB_CPU;
        call->n_threads = n_threads(*library_, context);
        const cpab_status status =
            function().call(library_->functions[function().number], call, arrays.data());
        return outcome(status, call->time, call->failed_item);
    }

    absl::Status add_up(OpKernelContext *, const Tensor &of_each, Tensor *sum) override {
        if (sum->dtype() == tensorflow::DT_FLOAT)
            add_up_of<float>(of_each, sum);
        else
            add_up_of<double>(of_each, sum);
        return absl::OkStatus();
    }

private:
    const Library *library_ = nullptr;
};

const bool registered_on_cpu = register_for<HostKernel>(tensorflow::DEVICE_CPU, "cpabx::HostKernel");

}  // namespace
}  // namespace cpabx
