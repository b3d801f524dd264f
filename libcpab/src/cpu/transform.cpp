/* The functions that move points. */
#include "problem.h"

namespace {

using namespace cpab;

template <typename T>
cpab_status velocity(const Problem<T> &p, T *out) {
    return for_slices(p, Needs{}, [&](Worker<T> &worker, const Slice &s) {
        const int64_t at = s.item * p.cloud_size() + s.first * p.tess->ndim;
        worker.velocities(p.cloud_of(p.points, s.item) + s.first * p.tess->ndim, s.count, out + at);
        return Outcome{};
    });
}

template <typename T>
cpab_status transform(const Problem<T> &p, T *out, const TapeMemory &memory) {
    Tape tape(memory);
    tape.record(key_of(p));
    return for_slices(p, Needs{}, [&](Worker<T> &worker, const Slice &s) {
        const int64_t offset = s.first * p.tess->ndim;
        return worker.move(p.cloud_of(p.points, s.item) + offset, s.count,
                           out + s.item * p.cloud_size() + offset, {&tape, s.first_block});
    });
}

template <typename T>
cpab_status jvp(const Problem<T> &p, T *out_tangent) {
    Needs needs;
    needs.tangent = true;
    return for_slices(p, needs, [&](Worker<T> &worker, const Slice &s) {
        const int64_t offset = s.first * p.tess->ndim;
        const T *tangents = p.cloud_of(p.tangent_points, s.item);
        return worker.move_tangent(p.cloud_of(p.points, s.item) + offset,
                                   tangents ? tangents + offset : nullptr, s.count,
                                   out_tangent + s.item * p.cloud_size() + offset);
    });
}

template <typename T>
cpab_status jacobian(const Problem<T> &p, T *jacobian, T *log_det) {
    return for_slices(p, Needs{}, [&](Worker<T> &worker, const Slice &s) {
        const int64_t at = s.item * p.n_points + s.first, n = p.tess->ndim;
        return worker.jacobian(p.cloud_of(p.points, s.item) + s.first * n, s.count,
                               jacobian ? jacobian + at * n * n : nullptr, log_det ? log_det + at : nullptr);
    });
}

/* Adds up the gradients of a slice of points that several cotangents give: of the logarithms of determinants,
   and of the Jacobian column by column, as column j is the derivative along axis j. */
template <typename T>
class JacobianPullBack {
public:
    JacobianPullBack(Worker<T> &worker, const T *points, int64_t n, int32_t ndim, T *grad_points)
        : worker_(worker), points_(points), n_(n), ndim_(ndim), grad_points_(grad_points) {}

    bool allocate() {
        return part_.allocate(n_ * ndim_) && axis_.allocate(n_ * ndim_) && column_.allocate(n_ * ndim_);
    }

    Outcome log_det(const T *grad_log_det) {
        const Outcome outcome = worker_.pull_back_log_det(points_, grad_log_det, n_, part_.data());
        add_part();
        return outcome;
    }

    Outcome column(int32_t j, const T *grad_jacobian) {
        axis_.zero();
        for (int64_t i = 0; i < n_; i++) axis_[i * ndim_ + j] = 1;
        for (int64_t i = 0; i < n_ * ndim_; i++) column_[i] = grad_jacobian[i * ndim_ + j];
        const Outcome outcome =
            worker_.pull_back(points_, axis_.data(), column_.data(), n_, part_.data(), nullptr, {});
        add_part();
        return outcome;
    }

private:
    void add_part() {
        for (int64_t i = 0; grad_points_ && i < n_ * ndim_; i++) grad_points_[i] += part_[i];
    }

    Worker<T> &worker_;
    const T *points_;
    const int64_t n_;
    const int32_t ndim_;
    T *grad_points_;
    Array<T> part_, axis_, column_; /* [n, ndim] */
};

template <typename T>
cpab_status jacobian_vjp(const Problem<T> &p, const T *grad_jacobian, const T *grad_log_det, T *grad_points,
                         T *grad_velocity) {
    const cpab_status status = check_range(p);
    if (status != CPAB_OK) return status;
    const int32_t n = p.tess->ndim;
    if (grad_velocity) std::fill(grad_velocity, grad_velocity + p.n_batch * p.field_size(), T(0));
    if (grad_points) std::fill(grad_points, grad_points + p.n_batch * p.cloud_size(), T(0));
    if (!grad_jacobian && !grad_log_det) return CPAB_OK;
    Needs needs;
    needs.gradient = true;
    needs.tangent = grad_jacobian != nullptr;
    needs.log_det = grad_log_det != nullptr;
    Turns turns;
    return for_slices(p, needs, [&](Worker<T> &worker, const Slice &s) {
        const int64_t at = s.item * p.n_points + s.first;
        JacobianPullBack<T> back(worker, p.cloud_of(p.points, s.item) + s.first * n, s.count, n,
                                 grad_points ? grad_points + at * n : nullptr);
        Outcome outcome;
        outcome.no_memory = !back.allocate();
        worker.start_slice();
        if (!outcome.no_memory) {
            if (grad_log_det) outcome.add(back.log_det(grad_log_det + at));
            for (int32_t j = 0; grad_jacobian && j < n; j++)
                outcome.add(back.column(j, grad_jacobian + at * n * n));
        }
        turns.take(s.unit, [&]() {
            if (grad_velocity) worker.add_gradient(grad_velocity + s.item * p.field_size());
        });
        return outcome;
    });
}

/* The gradient, or with a tangent its derivative along that. */
template <typename T>
cpab_status vjp(const Problem<T> &p, bool along_tangent, const T *grad_out, T *grad_points, T *grad_velocity,
                const TapeMemory &memory) {
    Tape tape(memory);
    if (!tape.replay(key_of(p))) return CPAB_E_TAPE;
    Needs needs;
    needs.gradient = true;
    needs.tangent = along_tangent;
    Turns turns;
    const cpab_status range = check_range(p);
    if (range != CPAB_OK) return range;
    if (grad_velocity) std::fill(grad_velocity, grad_velocity + p.n_batch * p.field_size(), T(0));
    return for_slices(p, needs, [&](Worker<T> &worker, const Slice &s) {
        const int64_t offset = s.first * p.tess->ndim, at = s.item * p.cloud_size() + offset;
        const T *tangents = p.cloud_of(p.tangent_points, s.item);
        worker.start_slice();
        const Outcome outcome = worker.pull_back(
            p.cloud_of(p.points, s.item) + offset, tangents ? tangents + offset : nullptr, grad_out + at,
            s.count, grad_points ? grad_points + at : nullptr, nullptr, {&tape, s.first_block});
        turns.take(s.unit, [&]() {
            if (grad_velocity) worker.add_gradient(grad_velocity + s.item * p.field_size());
        });
        return outcome;
    });
}

}  // namespace

extern "C" {

int64_t cpab_tape_bytes(const cpab_call *call) {
    if (!call || call->struct_size != sizeof *call || !call->tess) return 0;
    if (call->dtype != CPAB_FLOAT32 && call->dtype != CPAB_FLOAT64) return 0;
    const cpab_tessellation &tess = *call->tess;
    const int64_t n_batch = call->n_batch, n_points = call->n_points;
    if (tess.ndim == 1 || n_batch <= 0 || n_points <= 0) return 0;
    constexpr int64_t most = INT64_MAX / CPAB_TAPE_PER_POINT - 4, beside = 2; /* where blocks are */
    if (n_points > most / n_batch - beside) return 0;
    return (n_batch * (n_points + beside) + 4) * CPAB_TAPE_PER_POINT;
}

cpab_status cpab_velocity(cpab_call *call, const void *points, const void *velocity_, void *out) {
    return for_dtype(call, [&](auto number) {
        using T = decltype(number);
        cpab_call now = *call;
        now.time = 1;
        const cpab_status status = check_points(now, points, velocity_, {out});
        if (status != CPAB_OK) return status;
        Problem<T> p(*call, points, velocity_);
        p.time = now.time;
        return velocity<T>(p, static_cast<T *>(out));
    });
}

cpab_status cpab_transform(cpab_call *call, const void *points, const void *velocity_, void *out) {
    return for_dtype(call, [&](auto number) {
        using T = decltype(number);
        const cpab_status status = check_points(*call, points, velocity_, {out});
        if (status != CPAB_OK) return status;
        return transform<T>({*call, points, velocity_}, static_cast<T *>(out),
                            {call->tape, call->tape_bytes});
    });
}

cpab_status cpab_transform_vjp(cpab_call *call, const void *points, const void *velocity_,
                               const void *grad_out, void *grad_points, void *grad_velocity) {
    return for_dtype(call, [&](auto number) {
        using T = decltype(number);
        const cpab_status status = check_points(*call, points, velocity_, {grad_out});
        if (status != CPAB_OK) return status;
        return vjp<T>({*call, points, velocity_}, false, static_cast<const T *>(grad_out),
                      static_cast<T *>(grad_points), static_cast<T *>(grad_velocity),
                      {call->tape, call->tape_bytes});
    });
}

cpab_status cpab_transform_jvp(cpab_call *call, const void *points, const void *velocity_,
                               const void *tangent_points, const void *tangent_velocity, void *out_tangent) {
    return for_dtype(call, [&](auto number) {
        using T = decltype(number);
        const cpab_status status = check_points(*call, points, velocity_, {out_tangent});
        if (status != CPAB_OK) return status;
        Problem<T> p(*call, points, velocity_);
        p.tangent_points = static_cast<const T *>(tangent_points);
        p.tangent_velocity = static_cast<const T *>(tangent_velocity);
        return jvp<T>(p, static_cast<T *>(out_tangent));
    });
}

cpab_status cpab_transform_vjp_jvp(cpab_call *call, const void *points, const void *velocity_,
                                   const void *grad_out, const void *tangent_points,
                                   const void *tangent_velocity, void *grad_points, void *grad_velocity) {
    return for_dtype(call, [&](auto number) {
        using T = decltype(number);
        const cpab_status status = check_points(*call, points, velocity_, {grad_out});
        if (status != CPAB_OK) return status;
        Problem<T> p(*call, points, velocity_);
        p.tangent_points = static_cast<const T *>(tangent_points);
        p.tangent_velocity = static_cast<const T *>(tangent_velocity);
        return vjp<T>(p, true, static_cast<const T *>(grad_out), static_cast<T *>(grad_points),
                      static_cast<T *>(grad_velocity), {});
    });
}

cpab_status cpab_jacobian(cpab_call *call, const void *points, const void *velocity_, void *jacobian_,
                          void *log_det) {
    return for_dtype(call, [&](auto number) {
        using T = decltype(number);
        const cpab_status status = check_points(*call, points, velocity_, {}, jacobian_ != nullptr);
        if (status != CPAB_OK) return status;
        return jacobian<T>({*call, points, velocity_}, static_cast<T *>(jacobian_),
                           static_cast<T *>(log_det));
    });
}

cpab_status cpab_jacobian_vjp(cpab_call *call, const void *points, const void *velocity_,
                              const void *grad_jacobian, const void *grad_log_det, void *grad_points,
                              void *grad_velocity) {
    return for_dtype(call, [&](auto number) {
        using T = decltype(number);
        const cpab_status status = check_points(*call, points, velocity_, {}, grad_jacobian != nullptr);
        if (status != CPAB_OK) return status;
        return jacobian_vjp<T>({*call, points, velocity_}, static_cast<const T *>(grad_jacobian),
                               static_cast<const T *>(grad_log_det), static_cast<T *>(grad_points),
                               static_cast<T *>(grad_velocity));
    });
}

}  // extern "C"
