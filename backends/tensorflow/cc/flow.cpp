#include "flow.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace cpabx {

using tensorflow::Tensor;
using tensorflow::TensorShape;

FlowKernel::FlowKernel(tensorflow::OpKernelConstruction *construction) : OpKernel(construction) {
    std::vector<int64_t> cells;
    Tensor domain, time;
    std::string outside;
    OP_REQUIRES_OK(construction, construction->GetAttr("cells", &cells));
    OP_REQUIRES_OK(construction, construction->GetAttr("domain", &domain));
    OP_REQUIRES_OK(construction, construction->GetAttr("outside", &outside));
    OP_REQUIRES_OK(construction, construction->GetAttr("time", &time));
    OP_REQUIRES(construction, time.dtype() == tensorflow::DT_DOUBLE && time.NumElements() == 1,
                absl::InvalidArgumentError("time must be one float64"));
    time_ = read<double>(time)[0];

    cpab_tessellation_options options = {};
    options.struct_size = sizeof(options);
    options.ndim = static_cast<int32_t>(cells.size());
    options.outside = outside == "linear" ? CPAB_OUTSIDE_LINEAR : CPAB_OUTSIDE_NEAREST;
    const TensorShape bounds({options.ndim, 2});
    OP_REQUIRES(
        construction,
        options.ndim <= CPAB_MAX_NDIM && domain.dtype() == tensorflow::DT_DOUBLE && domain.shape() == bounds,
        absl::InvalidArgumentError("cells must be 1 to 3, and domain as many pairs of float64"));
    for (int d = 0; d < options.ndim; ++d) {
        options.cells[d] = cells[d];
        options.lower[d] = read<double>(domain)[2 * d];
        options.upper[d] = read<double>(domain)[2 * d + 1];
    }
    OP_REQUIRES_OK(construction, outcome(cpab_tessellation_create(&options, &tessellation_), -1, time_));
}

absl::Status FlowKernel::check_velocity(const Tensor &velocity) const {
    const int64_t n_vertices = cpab_tessellation_n_vertices(tessellation_);
    if (velocity.dims() == 3 && velocity.dim_size(1) == n_vertices && velocity.dim_size(2) == ndim()) {
        return absl::OkStatus();
    }
    return absl::InvalidArgumentError(absl::StrCat("velocity must be (N, ", n_vertices, ", ", ndim(),
                                                   ") for these cells; got ",
                                                   velocity.shape().DebugString()));
}

void FlowKernel::report(tensorflow::OpKernelContext *context, cpab_status status, int64_t failed_item) const {
    OP_REQUIRES_OK(context, outcome(status, failed_item, time_));
}

absl::Status check_like(const char *name, const Tensor &given, const TensorShape &model) {
    if (given.shape() == model) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat(name, " must be ", model.DebugString(), "; got ", given.shape().DebugString()));
}

}  // namespace cpabx
