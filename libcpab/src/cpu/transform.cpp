/* The entry points that move points. */
#include <initializer_list>

#include "problem.h"

namespace {

using namespace cpab;

/* The checks that all entry points share; `results` are arrays with one entry or more per point, at most with
   a matrix if the call has `matrices`. */
template <typename T>
cpab_status check(Problem<T> &p, std::initializer_list<const void *> results, bool matrices = false) {
    static thread_local int64_t ignored;
    if (!p.failed_item) p.failed_item = &ignored;
    *p.failed_item = -1;
    if (!p.tess) return CPAB_E_NULL;
    if (p.n_batch < 0 || p.n_points < 0 || (p.points_batch != p.n_batch && p.points_batch != 1))
        return CPAB_E_SHAPE;
    if (!countable(p, matrices ? p.tess->ndim * p.tess->ndim : p.tess->ndim)) return CPAB_E_SHAPE;
    const bool no_points = p.n_batch == 0 || p.n_points == 0;
    if ((!p.velocity && p.n_batch > 0) || (!p.points && !no_points)) return CPAB_E_NULL;
    for (const void *result : results)
        if (!result && !no_points) return CPAB_E_NULL;
    if (!std::isfinite(p.time)) return CPAB_E_TIME;
    return p.n_threads < 1 ? CPAB_E_THREADS : CPAB_OK;
}

template <typename T>
cpab_status velocity(Problem<T> p, T *out) {
    const cpab_status status = check(p, {out});
    if (status != CPAB_OK) return status;
    return for_slices(p, Needs{}, [&](Worker<T> &worker, const Slice &s) {
        const int64_t at = s.item * p.cloud_size() + s.first * p.tess->ndim;
        worker.velocities(p.cloud_of(p.points, s.item) + s.first * p.tess->ndim, s.count, out + at);
        return Trouble{};
    });
}

template <typename T>
cpab_status transform(Problem<T> p, T *out, const TapeMemory &memory) {
    const cpab_status status = check(p, {out});
    if (status != CPAB_OK) return status;
    Tape tape(memory);
    tape.record(key_of(p));
    return for_slices(p, Needs{}, [&](Worker<T> &worker, const Slice &s) {
        const int64_t offset = s.first * p.tess->ndim;
        return worker.move(p.cloud_of(p.points, s.item) + offset, s.count,
                           out + s.item * p.cloud_size() + offset, {&tape, s.first_block});
    });
}

template <typename T>
cpab_status jvp(Problem<T> p, T *out_tangent) {
    const cpab_status status = check(p, {out_tangent});
    if (status != CPAB_OK) return status;
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
cpab_status jacobian(Problem<T> p, T *jacobian, T *log_det) {
    const cpab_status status = check(p, {}, jacobian != nullptr);
    if (status != CPAB_OK) return status;
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

    Trouble log_det(const T *grad_log_det) {
        const Trouble trouble = worker_.pull_back_log_det(points_, grad_log_det, n_, part_.data());
        add_part();
        return trouble;
    }

    Trouble column(int32_t j, const T *grad_jacobian) {
        axis_.zero();
        for (int64_t i = 0; i < n_; i++) axis_[i * ndim_ + j] = 1;
        for (int64_t i = 0; i < n_ * ndim_; i++) column_[i] = grad_jacobian[i * ndim_ + j];
        const Trouble trouble =
            worker_.pull_back(points_, axis_.data(), column_.data(), n_, part_.data(), nullptr, {});
        add_part();
        return trouble;
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
cpab_status jacobian_vjp(Problem<T> p, const T *grad_jacobian, const T *grad_log_det, T *grad_velocity,
                         T *grad_points) {
    cpab_status status = check(p, {}, grad_jacobian != nullptr);
    if (status != CPAB_OK) return status;
    status = check_range(p);
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
        Trouble trouble;
        trouble.no_memory = !back.allocate();
        worker.start_slice();
        if (!trouble.no_memory) {
            if (grad_log_det) trouble.add(back.log_det(grad_log_det + at));
            for (int32_t j = 0; grad_jacobian && j < n; j++)
                trouble.add(back.column(j, grad_jacobian + at * n * n));
        }
        turns.take(s.unit, [&]() {
            if (grad_velocity) worker.add_gradient(grad_velocity + s.item * p.field_size());
        });
        return trouble;
    });
}

/* The gradient, or with a tangent its derivative along that. */
template <typename T>
cpab_status vjp(Problem<T> p, bool along_tangent, const T *grad_out, T *grad_velocity, T *grad_points,
                const TapeMemory &memory) {
    const cpab_status status = check(p, {grad_out});
    if (status != CPAB_OK) return status;
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
        const Trouble trouble = worker.pull_back(
            p.cloud_of(p.points, s.item) + offset, tangents ? tangents + offset : nullptr, grad_out + at,
            s.count, grad_points ? grad_points + at : nullptr, nullptr, {&tape, s.first_block});
        turns.take(s.unit, [&]() {
            if (grad_velocity) worker.add_gradient(grad_velocity + s.item * p.field_size());
        });
        return trouble;
    });
}

}  // namespace

int64_t cpab_tape_bytes(const cpab_tessellation *tess, int64_t n_batch, int64_t n_points,
                        int64_t number_size) {
    if (!tess || tess->ndim == 1 || n_batch <= 0 || n_points <= 0 ||
        (number_size != sizeof(float) && number_size != sizeof(double)))
        return 0;
    constexpr int64_t most = CPAB_MAX_TAPE; /* a call that goes back needs up to a mebibyte for itself */
    const int64_t n_steps = 2 * (tess->ndim + 1); /* of a point: many for fields that are gentle */
    const int64_t per_point = tess->ndim * number_size + n_steps * ((tess->ndim + 2) * number_size + 8);
    return n_points > most / n_batch / per_point ? most : n_batch * (n_points * per_point + 1024);
}

#define CPAB_FOR_TYPE(T, suffix)                                                                             \
    cpab_status cpab_velocity_##suffix(const cpab_tessellation *tess, const T *velocity_, const T *points,   \
                                       T *out, int64_t n_batch, int64_t n_points, int64_t points_batch,      \
                                       int32_t n_threads, int64_t *failed_item) {                            \
        return velocity<T>(                                                                                  \
            {tess, velocity_, points, n_batch, n_points, points_batch, 1, n_threads, failed_item}, out);     \
    }                                                                                                        \
    cpab_status cpab_transform_taped_##suffix(const cpab_tessellation *tess, const T *velocity_,             \
                                              const T *points, T *out, void *tape, int64_t tape_bytes,       \
                                              int64_t n_batch, int64_t n_points, int64_t points_batch,       \
                                              double time, int32_t n_threads, int64_t *failed_item) {        \
        return transform<T>(                                                                                 \
            {tess, velocity_, points, n_batch, n_points, points_batch, time, n_threads, failed_item}, out,   \
            {tape, tape_bytes});                                                                             \
    }                                                                                                        \
    cpab_status cpab_transform_##suffix(const cpab_tessellation *tess, const T *velocity_, const T *points,  \
                                        T *out, int64_t n_batch, int64_t n_points, int64_t points_batch,     \
                                        double time, int32_t n_threads, int64_t *failed_item) {              \
        return cpab_transform_taped_##suffix(tess, velocity_, points, out, nullptr, 0, n_batch, n_points,    \
                                             points_batch, time, n_threads, failed_item);                    \
    }                                                                                                        \
    cpab_status cpab_transform_vjp_taped_##suffix(                                                           \
        const cpab_tessellation *tess, const T *velocity_, const T *points, const T *grad_out,               \
        T *grad_velocity, T *grad_points, const void *tape, int64_t tape_bytes, int64_t n_batch,             \
        int64_t n_points, int64_t points_batch, double time, int32_t n_threads, int64_t *failed_item) {      \
        return vjp<T>(                                                                                       \
            {tess, velocity_, points, n_batch, n_points, points_batch, time, n_threads, failed_item}, false, \
            grad_out, grad_velocity, grad_points, {const_cast<void *>(tape), tape_bytes});                   \
    }                                                                                                        \
    cpab_status cpab_transform_vjp_##suffix(                                                                 \
        const cpab_tessellation *tess, const T *velocity_, const T *points, const T *grad_out,               \
        T *grad_velocity, T *grad_points, int64_t n_batch, int64_t n_points, int64_t points_batch,           \
        double time, int32_t n_threads, int64_t *failed_item) {                                              \
        return cpab_transform_vjp_taped_##suffix(tess, velocity_, points, grad_out, grad_velocity,           \
                                                 grad_points, nullptr, 0, n_batch, n_points, points_batch,   \
                                                 time, n_threads, failed_item);                              \
    }                                                                                                        \
    cpab_status cpab_transform_jvp_##suffix(                                                                 \
        const cpab_tessellation *tess, const T *velocity_, const T *points, const T *tangent_velocity,       \
        const T *tangent_points, T *out_tangent, int64_t n_batch, int64_t n_points, int64_t points_batch,    \
        double time, int32_t n_threads, int64_t *failed_item) {                                              \
        return jvp<T>({tess, velocity_, points, n_batch, n_points, points_batch, time, n_threads,            \
                       failed_item, tangent_velocity, tangent_points},                                       \
                      out_tangent);                                                                          \
    }                                                                                                        \
    cpab_status cpab_transform_vjp_jvp_##suffix(                                                             \
        const cpab_tessellation *tess, const T *velocity_, const T *points, const T *grad_out,               \
        const T *tangent_velocity, const T *tangent_points, T *grad_velocity, T *grad_points,                \
        int64_t n_batch, int64_t n_points, int64_t points_batch, double time, int32_t n_threads,             \
        int64_t *failed_item) {                                                                              \
        return vjp<T>({tess, velocity_, points, n_batch, n_points, points_batch, time, n_threads,            \
                       failed_item, tangent_velocity, tangent_points},                                       \
                      true, grad_out, grad_velocity, grad_points, {});                                       \
    }                                                                                                        \
    cpab_status cpab_jacobian_##suffix(const cpab_tessellation *tess, const T *velocity_, const T *points,   \
                                       T *jacobian_, T *log_det, int64_t n_batch, int64_t n_points,          \
                                       int64_t points_batch, double time, int32_t n_threads,                 \
                                       int64_t *failed_item) {                                               \
        return jacobian<T>(                                                                                  \
            {tess, velocity_, points, n_batch, n_points, points_batch, time, n_threads, failed_item},        \
            jacobian_, log_det);                                                                             \
    }                                                                                                        \
    cpab_status cpab_jacobian_vjp_##suffix(                                                                  \
        const cpab_tessellation *tess, const T *velocity_, const T *points, const T *grad_jacobian,          \
        const T *grad_log_det, T *grad_velocity, T *grad_points, int64_t n_batch, int64_t n_points,          \
        int64_t points_batch, double time, int32_t n_threads, int64_t *failed_item) {                        \
        return jacobian_vjp<T>(                                                                              \
            {tess, velocity_, points, n_batch, n_points, points_batch, time, n_threads, failed_item},        \
            grad_jacobian, grad_log_det, grad_velocity, grad_points);                                        \
    }

extern "C" {
CPAB_FOR_TYPE(float, f32)
CPAB_FOR_TYPE(double, f64)
}
