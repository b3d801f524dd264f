/* A node that runs: it checks its inputs, allocates its results, and calls libcpab. */
#ifndef CPABX_ONNX_KERNEL_H
#define CPABX_ONNX_KERNEL_H

#include <vector>

#include "problem.h"
#include "tensor.h"

namespace cpabx {

class Kernel {
public:
    Kernel(const OrtApi *table, const OrtKernelInfo *info, const Operator &of);

    void compute(OrtKernelContext *context) const;

    const ort::Api &api() const { return api_; }

private:
    /* The sizes of one call. */
    struct Sizes {
        int64_t n_batch = 0, n_points = 0, points_batch = 0, ndim = 0, channels = 0;
        std::vector<int64_t> size, output_size; /* of images, in the order of an array's axes */

        std::vector<int64_t> of(Shape shape) const;
    };

    ort::Api api_;
    const Operator &operator_;
    bool size_is_input_;
    Problem problem_;

    Tensor input(OrtKernelContext *context, size_t number) const;
    Sizes measure(const Tensor &first, const Tensor &second) const;
    void measure_images(const Tensor &images, Sizes *sizes) const;
    void measure_points(const Tensor &points, const std::string &name, Sizes *sizes) const;
    void check_velocity(const Tensor &velocity) const;
    std::vector<int64_t> output_size(OrtKernelContext *context) const;
    std::vector<void *> outputs(OrtKernelContext *context, const Sizes &sizes) const;
    void call(const Sizes &sizes, int type, int32_t n_threads, const void *first, const void *second,
              const std::vector<void *> &outputs) const;
};

}  // namespace cpabx

#endif
