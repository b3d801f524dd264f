/* What all kernels share: a flow in one tessellation, as the attributes of a node describe it. */
#ifndef CPABX_TENSORFLOW_FLOW_H
#define CPABX_TENSORFLOW_FLOW_H

#include "abi.h"
#include "tensorflow/core/framework/op_kernel.h"

namespace cpabx {

class FlowKernel : public tensorflow::OpKernel {
public:
    explicit FlowKernel(tensorflow::OpKernelConstruction *construction);
    ~FlowKernel() override { cpab_tessellation_destroy(tessellation_); }

protected:
    const cpab_tessellation *tessellation() const { return tessellation_; }
    double time() const { return time_; }
    int ndim() const { return cpab_tessellation_ndim(tessellation_); }

    /* Velocities must be (N, V, n). */
    absl::Status check_velocity(const tensorflow::Tensor &velocity) const;

    void report(tensorflow::OpKernelContext *context, cpab_status status, int64_t failed_item) const;

private:
    cpab_tessellation *tessellation_ = nullptr;
    double time_ = 0;
};

/* `given` must have the shape of `model`. */
absl::Status check_like(const char *name, const tensorflow::Tensor &given,
                        const tensorflow::TensorShape &model);

template <typename T>
const T *read(const tensorflow::Tensor &tensor) {
    return tensor.flat<T>().data();
}

template <typename T>
T *write(tensorflow::Tensor *tensor) {
    return tensor->flat<T>().data();
}

/* Registers a kernel for both number types; `name` is the class's, and the operation's after "Cpabx". */
#define CPABX_KERNEL(name)                                                                                  \
    REGISTER_KERNEL_BUILDER(Name("Cpabx" #name).Device(tensorflow::DEVICE_CPU).TypeConstraint<float>("T"),  \
                            name<float>);                                                                   \
    REGISTER_KERNEL_BUILDER(Name("Cpabx" #name).Device(tensorflow::DEVICE_CPU).TypeConstraint<double>("T"), \
                            name<double>)

}  // namespace cpabx

#endif
