/* The entry points that move points: argument checks, and loops over batch items and slices of points. */
#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#include "../tessellation.h"
#include "parallel.h"
#include "worker.h"

namespace {

using namespace cpab;

template <typename T>
struct Problem {
    const cpab_tessellation *tess;
    const T *velocity;
    const T *points;
    int64_t n_batch, n_points, points_batch;
    double time;
    int32_t n_threads;
    int64_t *failed_item;
    const T *tangent_velocity = nullptr; /* the direction of derivatives; NULL stands for zeros */
    const T *tangent_points = nullptr;

    int64_t field_size() const { return tess->n_vertices * tess->ndim; }
    int64_t cloud_size() const { return n_points * tess->ndim; }
    const T *velocity_of(int64_t item) const { return velocity + item * field_size(); }
    const T *tangent_velocity_of(int64_t item) const {
        return tangent_velocity ? tangent_velocity + item * field_size() : nullptr;
    }
    const T *cloud_of(const T *clouds, int64_t item) const {
        return clouds ? clouds + (points_batch == 1 ? 0 : item) * cloud_size() : nullptr;
    }
};

/* The points of one batch item that a thread works on at a time. */
struct Slice {
    int64_t unit, item, first, count;
};

/* Their size depends on the problem alone, so results do not depend on the number of threads. A slice is
   large enough for its walk to outweigh the preparation of the field. */
struct Slices {
    int64_t size, per_item, total;

    template <typename T>
    explicit Slices(const Problem<T> &p)
        : size(std::max<int64_t>(4096, p.tess->n_cells)),
          per_item(std::max<int64_t>(1, (p.n_points + size - 1) / size)),
          total(p.n_batch * per_item) {}

    template <typename T>
    Slice slice(const Problem<T> &p, int64_t unit) const {
        const int64_t first = unit % per_item * size;
        return {unit, unit / per_item, first, std::min(size, p.n_points - first)};
    }
};

/* A worker that is given back at the end of its scope. */
template <typename T>
class Hired {
public:
    Hired(const cpab_tessellation &tess, const Needs &needs) : worker_(make_worker<T>(tess, needs)) {}
    Hired(const Hired &) = delete;
    Hired &operator=(const Hired &) = delete;
    ~Hired() {
        if (worker_) worker_->release();
    }
    explicit operator bool() const { return worker_ != nullptr; }
    Worker<T> *operator->() const { return worker_; }
    Worker<T> &operator*() const { return *worker_; }

private:
    Worker<T> *worker_;
};

/* Whether the fastest vertex already shows that a field is in range. False says nothing. */
template <typename T>
bool surely_in_range(const Problem<T> &p, int64_t item) {
    const T *velocity = p.velocity_of(item);
    double fastest = 0;
    for (int d = 0; d < p.tess->ndim; d++) {
        T most = 0, spoilt = 0;
        for (int64_t v = 0; v < p.tess->n_vertices; v++) {
            const T speed = std::fabs(velocity[v * p.tess->ndim + d]);
            most = speed > most ? speed : most;
            spoilt += speed * T(0); /* NaN if it is not finite */
        }
        if (spoilt != 0) return true; /* such a field is not integrated at all */
        fastest = std::max(fastest, double(most) * p.tess->scale[d] * std::fabs(p.time));
    }
    return fastest <= CPAB_MAX_SPEED && fastest * p.tess->rate_per_speed <= 0.99 * CPAB_MAX_RATE;
}

/* Nothing is written before every field is known to be in range. */
template <typename T>
cpab_status check_range(const Problem<T> &p) {
    int64_t item = 0;
    while (item < p.n_batch && surely_in_range(p, item)) item++;
    if (item == p.n_batch) return CPAB_OK;
    Hired<T> worker(*p.tess, Needs{});
    if (!worker) return CPAB_E_MEMORY;
    for (; item < p.n_batch; item++) {
        worker->prepare(p.velocity_of(item), nullptr, p.time);
        if (!worker->in_range()) {
            *p.failed_item = item;
            return CPAB_E_RANGE;
        }
    }
    return CPAB_OK;
}

/* Calls body(worker, slice) for all slices, each with its field prepared. */
template <typename T, typename Body>
cpab_status for_slices(const Problem<T> &p, const Needs &needs, Body body) {
    const cpab_status status = check_range(p);
    if (status != CPAB_OK) return status;
    const Slices slices(p);
    std::atomic<int64_t> next{0};
    std::atomic<bool> out_of_memory{false};
    FirstFailure diverged;
    auto work = [&]() {
        Hired<T> worker(*p.tess, needs);
        if (!worker) {
            out_of_memory = true;
            return;
        }
        int64_t prepared = -1;
        for (int64_t unit; (unit = next.fetch_add(1)) < slices.total;) {
            const Slice slice = slices.slice(p, unit);
            if (slice.item != prepared)
                worker->prepare(p.velocity_of(slice.item), p.tangent_velocity_of(slice.item), p.time);
            prepared = slice.item;
            const Trouble trouble = body(*worker, slice);
            if (trouble.diverged) diverged.report(slice.item);
            if (trouble.no_memory) out_of_memory = true;
        }
    };
    run_threads(static_cast<int32_t>(std::min<int64_t>(p.n_threads, slices.total)), work);
    *p.failed_item = diverged.item();
    if (out_of_memory) return CPAB_E_MEMORY;
    return diverged.item() < 0 ? CPAB_OK : CPAB_E_DIVERGED;
}

/* The checks that all entry points share; `results` are arrays with one entry or more per point. */
template <typename T>
cpab_status check(Problem<T> &p, std::initializer_list<const void *> results) {
    static thread_local int64_t ignored;
    if (!p.failed_item) p.failed_item = &ignored;
    *p.failed_item = -1;
    if (!p.tess) return CPAB_E_NULL;
    if (p.n_batch < 0 || p.n_points < 0 || (p.points_batch != p.n_batch && p.points_batch != 1))
        return CPAB_E_SHAPE;
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
cpab_status transform(Problem<T> p, T *out) {
    const cpab_status status = check(p, {out});
    if (status != CPAB_OK) return status;
    return for_slices(p, Needs{}, [&](Worker<T> &worker, const Slice &s) {
        const int64_t offset = s.first * p.tess->ndim;
        return worker.move(p.cloud_of(p.points, s.item) + offset, s.count,
                           out + s.item * p.cloud_size() + offset);
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
    const cpab_status status = check(p, {});
    if (status != CPAB_OK) return status;
    return for_slices(p, Needs{}, [&](Worker<T> &worker, const Slice &s) {
        const int64_t at = s.item * p.n_points + s.first, n = p.tess->ndim;
        return worker.jacobian(p.cloud_of(p.points, s.item) + s.first * n, s.count,
                               jacobian ? jacobian + at * n * n : nullptr, log_det ? log_det + at : nullptr);
    });
}

/* The gradient, or with a tangent its derivative along that. */
template <typename T>
cpab_status vjp(Problem<T> p, bool along_tangent, const T *grad_out, T *grad_velocity, T *grad_points) {
    const cpab_status status = check(p, {grad_out});
    if (status != CPAB_OK) return status;
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
        const Trouble trouble =
            worker.pull_back(p.cloud_of(p.points, s.item) + offset, tangents ? tangents + offset : nullptr,
                             grad_out + at, s.count, grad_points ? grad_points + at : nullptr);
        turns.take(s.unit, [&]() {
            if (grad_velocity) worker.add_gradient(grad_velocity + s.item * p.field_size());
        });
        return trouble;
    });
}

}  // namespace

#define CPAB_FOR_TYPE(T, suffix)                                                                             \
    cpab_status cpab_velocity_##suffix(const cpab_tessellation *tess, const T *velocity_, const T *points,   \
                                       T *out, int64_t n_batch, int64_t n_points, int64_t points_batch,      \
                                       int32_t n_threads, int64_t *failed_item) {                            \
        return velocity<T>(                                                                                  \
            {tess, velocity_, points, n_batch, n_points, points_batch, 1, n_threads, failed_item}, out);     \
    }                                                                                                        \
    cpab_status cpab_transform_##suffix(const cpab_tessellation *tess, const T *velocity_, const T *points,  \
                                        T *out, int64_t n_batch, int64_t n_points, int64_t points_batch,     \
                                        double time, int32_t n_threads, int64_t *failed_item) {              \
        return transform<T>(                                                                                 \
            {tess, velocity_, points, n_batch, n_points, points_batch, time, n_threads, failed_item}, out);  \
    }                                                                                                        \
    cpab_status cpab_transform_vjp_##suffix(                                                                 \
        const cpab_tessellation *tess, const T *velocity_, const T *points, const T *grad_out,               \
        T *grad_velocity, T *grad_points, int64_t n_batch, int64_t n_points, int64_t points_batch,           \
        double time, int32_t n_threads, int64_t *failed_item) {                                              \
        return vjp<T>(                                                                                       \
            {tess, velocity_, points, n_batch, n_points, points_batch, time, n_threads, failed_item}, false, \
            grad_out, grad_velocity, grad_points);                                                           \
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
                      true, grad_out, grad_velocity, grad_points);                                           \
    }                                                                                                        \
    cpab_status cpab_jacobian_##suffix(const cpab_tessellation *tess, const T *velocity_, const T *points,   \
                                       T *jacobian_, T *log_det, int64_t n_batch, int64_t n_points,          \
                                       int64_t points_batch, double time, int32_t n_threads,                 \
                                       int64_t *failed_item) {                                               \
        return jacobian<T>(                                                                                  \
            {tess, velocity_, points, n_batch, n_points, points_batch, time, n_threads, failed_item},        \
            jacobian_, log_det);                                                                             \
    }

extern "C" {
CPAB_FOR_TYPE(float, f32)
CPAB_FOR_TYPE(double, f64)
}
