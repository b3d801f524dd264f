/* A kernel of any operation: it checks its inputs, allocates its results, and calls a library. What depends
   on the memory that arrays lie in is left to those that are made of it. */
#ifndef CPABX_TENSORFLOW_KERNEL_H
#define CPABX_TENSORFLOW_KERNEL_H

#include <vector>

#include "functions.h"
#include "library.h"
#include "problem.h"
#include "tensorflow/core/framework/op_kernel.h"

namespace cpabx {

class Kernel : public tensorflow::OpKernel {
public:
    void Compute(tensorflow::OpKernelContext *context) override;

protected:
    Problem problem_;

    explicit Kernel(tensorflow::OpKernelConstruction *construction);

    /* Reads the attributes of the node. */
    absl::Status read(tensorflow::OpKernelConstruction *construction, const Library &library);

    const Function &function() const { return function_; }

    /* What comes before anything else. */
    virtual absl::Status begin(tensorflow::OpKernelContext *context) { return absl::OkStatus(); }

    /* Whether a tensor is known to hold nothing but zeros. */
    virtual bool is_zero(const tensorflow::Tensor &tensor) { return false; }

    /* Calls the library, with a struct that has all sizes. */
    virtual absl::Status call(tensorflow::OpKernelContext *context, cpab_call *call,
                              const std::vector<void *> &arrays) = 0;

    /* Sums over the first axis, in its order. */
    virtual absl::Status add_up(tensorflow::OpKernelContext *context, const tensorflow::Tensor &of_each,
                                tensorflow::Tensor *sum) = 0;

private:
    const Function &function_;

    absl::Status compute(tensorflow::OpKernelContext *context);
    absl::Status measure(tensorflow::OpKernelContext *context, Sizes<int64_t> *sizes) const;
    absl::Status add_inputs(tensorflow::OpKernelContext *context, const Sizes<int64_t> &sizes,
                            std::vector<void *> *arrays);
    absl::Status add_outputs(tensorflow::OpKernelContext *context, const Sizes<int64_t> &sizes,
                             std::vector<void *> *arrays, tensorflow::Tensor *of_each) const;
    absl::Status call_with(tensorflow::OpKernelContext *context, const Sizes<int64_t> &sizes,
                           const std::vector<void *> &arrays);
};

/* Registers a kernel of that class, on devices of a type, for every operation. */
template <typename Derived>
bool register_for(const char *device_type, const char *name) {
    for (const Function &function : functions()) {
        const tensorflow::KernelDef *definition =
            tensorflow::register_kernel::Name(function.name).Device(device_type).Build();
        tensorflow::kernel_factory::OpKernelRegistrar(
            definition, name, [](tensorflow::OpKernelConstruction *construction) -> tensorflow::OpKernel * {
                return new Derived(construction);
            });
    }
    return true;
}

}  // namespace cpabx

#endif
