/* Kernels that move images, (N, (d, (h,)) w, C), by flows. */
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "flow.h"

namespace cpabx {
namespace {

using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;

/* Inputs 0 and 1 are images and velocities. */
class WarpKernel : public FlowKernel {
public:
    explicit WarpKernel(OpKernelConstruction *construction) : FlowKernel(construction) {
        std::string padding, mode;
        bool align_corners = false;
        OP_REQUIRES_OK(construction, construction->GetAttr("output_size", &output_size_));
        OP_REQUIRES_OK(construction, construction->GetAttr("padding_mode", &padding));
        OP_REQUIRES_OK(construction, construction->GetAttr("mode", &mode));
        OP_REQUIRES_OK(construction, construction->GetAttr("align_corners", &align_corners));
        OP_REQUIRES(construction, output_size_.size() == static_cast<size_t>(ndim()),
                    absl::InvalidArgumentError("output_size must have a number for every axis of the cells"));
        std::reverse(output_size_.begin(), output_size_.end());  // libcpab counts x first
        image_.struct_size = sizeof(image_);
        image_.ndim = ndim();
        image_.padding = padding == "zeros"        ? CPAB_PADDING_ZEROS
                         : padding == "border"     ? CPAB_PADDING_BORDER
                         : padding == "reflection" ? CPAB_PADDING_REFLECTION
                                                   : CPAB_PADDING_WRAP;
        image_.interpolation = mode == "linear"    ? CPAB_INTERPOLATION_LINEAR
                               : mode == "nearest" ? CPAB_INTERPOLATION_NEAREST
                                                   : CPAB_INTERPOLATION_CUBIC;
        image_.align_corners = align_corners;
        image_.channels_last = 1;
    }

protected:
    absl::Status check(const Tensor &images, const Tensor &velocity) const {
        const absl::Status status = check_velocity(velocity);
        if (!status.ok()) return status;
        if (images.dims() == ndim() + 2 && images.dim_size(0) == velocity.dim_size(0))
            return absl::OkStatus();
        return absl::InvalidArgumentError(absl::StrCat("images must be (", velocity.dim_size(0), ", ", ndim(),
                                                       " axes of pixels, C); got ",
                                                       images.shape().DebugString()));
    }

    /* The images as libcpab takes them. */
    cpab_image described(const Tensor &images) const {
        cpab_image image = image_;
        image.channels = images.dim_size(ndim() + 1);
        for (int d = 0; d < ndim(); ++d) image.size[d] = images.dim_size(ndim() - d);
        return image;
    }

    TensorShape result_shape(const Tensor &images) const {
        TensorShape shape({images.dim_size(0)});
        std::for_each(output_size_.rbegin(), output_size_.rend(), [&](int64_t n) { shape.AddDim(n); });
        shape.AddDim(images.dim_size(ndim() + 1));
        return shape;
    }

    const int64_t *output_size() const { return output_size_.data(); }

    int32_t threads(OpKernelContext *context, const Tensor &images) const {
        int64_t n_points = images.dim_size(0);
        for (const int64_t n : output_size_) n_points *= n;
        return n_threads(context, n_points);
    }

private:
    std::vector<int64_t> output_size_; /* x, (y, (z)) */
    cpab_image image_ = {};
};

template <typename T>
class Warp : public WarpKernel {
    using WarpKernel::WarpKernel;

    void Compute(OpKernelContext *context) override {
        const Tensor &images = context->input(0), &velocity = context->input(1);
        OP_REQUIRES_OK(context, check(images, velocity));
        const cpab_image image = described(images);
        Tensor *out = nullptr;
        OP_REQUIRES_OK(context, context->allocate_output(0, result_shape(images), &out));
        int64_t failed = -1;
        const cpab_status status =
            Abi<T>::warp(tessellation(), &image, read<T>(velocity), read<T>(images), write<T>(out),
                         output_size(), images.dim_size(0), time(), threads(context, images), &failed);
        report(context, status, failed);
    }
};

/* Results are gradients of images and velocities. */
template <typename T>
class WarpVjp : public WarpKernel {
    using WarpKernel::WarpKernel;

    void Compute(OpKernelContext *context) override {
        const Tensor &images = context->input(0), &velocity = context->input(1),
                     &grad_out = context->input(2);
        OP_REQUIRES_OK(context, check(images, velocity));
        OP_REQUIRES_OK(context, check_like("grad_out", grad_out, result_shape(images)));
        const cpab_image image = described(images);
        Tensor *grad_images = nullptr, *grad_velocity = nullptr;
        OP_REQUIRES_OK(context, context->allocate_output(0, images.shape(), &grad_images));
        OP_REQUIRES_OK(context, context->allocate_output(1, velocity.shape(), &grad_velocity));
        int64_t failed = -1;
        const cpab_status status =
            Abi<T>::warp_vjp(tessellation(), &image, read<T>(velocity), read<T>(images), read<T>(grad_out),
                             write<T>(grad_velocity), write<T>(grad_images), output_size(),
                             images.dim_size(0), time(), threads(context, images), &failed);
        report(context, status, failed);
    }
};

CPABX_KERNEL(Warp);
CPABX_KERNEL(WarpVjp);

}  // namespace
}  // namespace cpabx
