/* Kernels that move points, (N or 1, P, n), along flows: results are (N, P, n) unless said otherwise. */
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "flow.h"

namespace cpabx {
namespace {

using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;

/* Inputs 0 and 1 are points and velocities, checked; the sizes are those of libcpab's functions. */
class PointsKernel : public FlowKernel {
public:
    using FlowKernel::FlowKernel;

    void Compute(OpKernelContext *context) final {
        const Tensor &points = context->input(0), &velocity = context->input(1);
        OP_REQUIRES_OK(context, check_velocity(velocity));
        const int64_t n_batch = velocity.dim_size(0);
        OP_REQUIRES(context,
                    points.dims() == 3 && points.dim_size(2) == ndim() &&
                        (points.dim_size(0) == n_batch || points.dim_size(0) == 1),
                    absl::InvalidArgumentError(absl::StrCat("points must be (1 or ", n_batch, ", P, ", ndim(),
                                                            "); got ", points.shape().DebugString())));
        const Call call{context, points, velocity, {n_batch, points.dim_size(1), ndim()}};
        run(call);
    }

protected:
    struct Call {
        OpKernelContext *context;
        const Tensor &points, &velocity;
        TensorShape cloud; /* (N, P, n) */

        int64_t n_batch() const { return cloud.dim_size(0); }
        int64_t n_points() const { return cloud.dim_size(1); }
        int64_t points_batch() const { return points.dim_size(0); }
        int32_t threads() const { return n_threads(context, n_batch() * n_points()); }
    };

    virtual void run(const Call &call) const = 0;
};

template <typename T>
class Transform : public PointsKernel {
    using PointsKernel::PointsKernel;

    void run(const Call &call) const override {
        Tensor *out = nullptr;
        OP_REQUIRES_OK(call.context, call.context->allocate_output(0, call.cloud, &out));
        int64_t failed = -1;
        const cpab_status status = Abi<T>::transform(
            tessellation(), read<T>(call.velocity), read<T>(call.points), write<T>(out), call.n_batch(),
            call.n_points(), call.points_batch(), time(), call.threads(), &failed);
        report(call.context, status, failed);
    }
};

template <typename T>
class Velocity : public PointsKernel {
    using PointsKernel::PointsKernel;

    void run(const Call &call) const override {
        Tensor *out = nullptr;
        OP_REQUIRES_OK(call.context, call.context->allocate_output(0, call.cloud, &out));
        int64_t failed = -1;
        const cpab_status status =
            Abi<T>::velocity(tessellation(), read<T>(call.velocity), read<T>(call.points), write<T>(out),
                             call.n_batch(), call.n_points(), call.points_batch(), call.threads(), &failed);
        report(call.context, status, failed);
    }
};

/* Inputs 2 and 3 are tangents of points and velocities. */
template <typename T>
class TransformJvp : public PointsKernel {
    using PointsKernel::PointsKernel;

    void run(const Call &call) const override {
        const Tensor &tangent_points = call.context->input(2), &tangent_velocity = call.context->input(3);
        OP_REQUIRES_OK(call.context, check_like("tangent_points", tangent_points, call.points.shape()));
        OP_REQUIRES_OK(call.context, check_like("tangent_velocity", tangent_velocity, call.velocity.shape()));
        Tensor *out = nullptr;
        OP_REQUIRES_OK(call.context, call.context->allocate_output(0, call.cloud, &out));
        int64_t failed = -1;
        const cpab_status status = Abi<T>::transform_jvp(
            tessellation(), read<T>(call.velocity), read<T>(call.points), read<T>(tangent_velocity),
            read<T>(tangent_points), write<T>(out), call.n_batch(), call.n_points(), call.points_batch(),
            time(), call.threads(), &failed);
        report(call.context, status, failed);
    }
};

/* Results are (N, P, n, n) and (N, P). */
template <typename T>
class Jacobian : public PointsKernel {
    using PointsKernel::PointsKernel;

    void run(const Call &call) const override {
        Tensor *matrices = nullptr, *log_det = nullptr;
        const TensorShape each({call.n_batch(), call.n_points(), ndim(), ndim()});
        OP_REQUIRES_OK(call.context, call.context->allocate_output(0, each, &matrices));
        OP_REQUIRES_OK(call.context,
                       call.context->allocate_output(1, {call.n_batch(), call.n_points()}, &log_det));
        int64_t failed = -1;
        const cpab_status status =
            Abi<T>::jacobian(tessellation(), read<T>(call.velocity), read<T>(call.points), write<T>(matrices),
                             write<T>(log_det), call.n_batch(), call.n_points(), call.points_batch(), time(),
                             call.threads(), &failed);
        report(call.context, status, failed);
    }
};

/* Results are gradients in the shapes of points and velocities: those of shared points are added up. */
template <typename T>
class GradientKernel : public PointsKernel {
    using PointsKernel::PointsKernel;

    void run(const Call &call) const final {
        OpKernelContext *context = call.context;
        Tensor *grad_points = nullptr, *grad_velocity = nullptr, of_each;
        OP_REQUIRES_OK(context, context->allocate_output(0, call.points.shape(), &grad_points));
        OP_REQUIRES_OK(context, context->allocate_output(1, call.velocity.shape(), &grad_velocity));
        const bool shared = call.points_batch() != call.n_batch();
        if (shared) {
            OP_REQUIRES_OK(context, context->allocate_temp(grad_points->dtype(), call.cloud, &of_each));
        }
        differentiate(call, write<T>(shared ? &of_each : grad_points), write<T>(grad_velocity));
        if (shared && context->status().ok()) add_up(of_each, grad_points);
    }

    /* Input 2 and what follows are cotangents, and what else is needed. */
    virtual void differentiate(const Call &call, T *grad_points, T *grad_velocity) const = 0;

    /* In the order of the batch, as numpy adds. */
    static void add_up(const Tensor &of_each, Tensor *sum) {
        const T *from = read<T>(of_each);
        T *to = write<T>(sum);
        const int64_t size = sum->NumElements();
        for (int64_t i = 0; i < size; ++i) to[i] = 0;
        for (int64_t k = 0; k < of_each.dim_size(0); ++k, from += size) {
            for (int64_t i = 0; i < size; ++i) to[i] += from[i];
        }
    }
};

template <typename T>
class TransformVjp : public GradientKernel<T> {
    using GradientKernel<T>::GradientKernel;

    void differentiate(const PointsKernel::Call &call, T *grad_points, T *grad_velocity) const override {
        OP_REQUIRES_OK(call.context, check_like("grad_out", call.context->input(2), call.cloud));
        int64_t failed = -1;
        const cpab_status status = Abi<T>::transform_vjp(
            this->tessellation(), read<T>(call.velocity), read<T>(call.points),
            read<T>(call.context->input(2)), grad_velocity, grad_points, call.n_batch(), call.n_points(),
            call.points_batch(), this->time(), call.threads(), &failed);
        this->report(call.context, status, failed);
    }
};

/* Inputs 3 and 4 are tangents of points and velocities. */
template <typename T>
class TransformVjpJvp : public GradientKernel<T> {
    using GradientKernel<T>::GradientKernel;

    void differentiate(const PointsKernel::Call &call, T *grad_points, T *grad_velocity) const override {
        OpKernelContext *context = call.context;
        OP_REQUIRES_OK(context, check_like("grad_out", context->input(2), call.cloud));
        OP_REQUIRES_OK(context, check_like("tangent_points", context->input(3), call.points.shape()));
        OP_REQUIRES_OK(context, check_like("tangent_velocity", context->input(4), call.velocity.shape()));
        int64_t failed = -1;
        const cpab_status status = Abi<T>::transform_vjp_jvp(
            this->tessellation(), read<T>(call.velocity), read<T>(call.points), read<T>(context->input(2)),
            read<T>(context->input(4)), read<T>(context->input(3)), grad_velocity, grad_points,
            call.n_batch(), call.n_points(), call.points_batch(), this->time(), call.threads(), &failed);
        this->report(context, status, failed);
    }
};

/* Inputs 2 and 3 are the cotangents of Jacobian's results. TensorFlow passes zeros for one that nobody used.
 */
template <typename T>
class JacobianVjp : public GradientKernel<T> {
    using GradientKernel<T>::GradientKernel;

    void differentiate(const PointsKernel::Call &call, T *grad_points, T *grad_velocity) const override {
        OpKernelContext *context = call.context;
        const Tensor &matrices = context->input(2), &log_det = context->input(3);
        const int64_t n_batch = call.n_batch(), n_points = call.n_points(), n = this->ndim();
        OP_REQUIRES_OK(context, check_like("grad_matrices", matrices, {n_batch, n_points, n, n}));
        OP_REQUIRES_OK(context, check_like("grad_log_det", log_det, {n_batch, n_points}));
        int64_t failed = -1;
        const cpab_status status = Abi<T>::jacobian_vjp(
            this->tessellation(), read<T>(call.velocity), read<T>(call.points), unless_zeros(matrices),
            unless_zeros(log_det), grad_velocity, grad_points, n_batch, n_points, call.points_batch(),
            this->time(), call.threads(), &failed);
        this->report(context, status, failed);
    }

    static const T *unless_zeros(const Tensor &cotangent) {
        const T *values = read<T>(cotangent), *end = values + cotangent.NumElements();
        return std::all_of(values, end, [](T value) { return value == 0; }) ? nullptr : values;
    }
};

CPABX_KERNEL(Transform);
CPABX_KERNEL(TransformVjp);
CPABX_KERNEL(TransformJvp);
CPABX_KERNEL(TransformVjpJvp);
CPABX_KERNEL(Velocity);
CPABX_KERNEL(Jacobian);
CPABX_KERNEL(JacobianVjp);

}  // namespace
}  // namespace cpabx
