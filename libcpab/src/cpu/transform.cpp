/* The CPU entry points: argument checks, and loops over batch items and slices of points. */
#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#include "../adjoint.h"
#include "../field.h"
#include "../tessellation.h"
#include "../walk.h"
#include "parallel.h"

namespace {

using namespace cpab;

template <typename T>
struct Problem {
    const cpab_tessellation &tess;
    const T *velocity;
    const T *points;
    int64_t n_batch, n_points, points_batch;
    double time;

    int64_t field_size() const { return tess.n_vertices * tess.ndim; }
    int64_t cloud_size() const { return n_points * tess.ndim; }
    const T *velocity_of(int64_t item) const { return velocity + item * field_size(); }
    const T *points_of(int64_t item) const { return points + (points_batch == 1 ? 0 : item) * cloud_size(); }
};

template <typename T>
constexpr T nan_value() {
    return std::numeric_limits<T>::quiet_NaN();
}

template <typename T, int D>
bool all_finite(const T *x) {
    for (int d = 0; d < D; d++)
        if (!std::isfinite(x[d])) return false;
    return true;
}

template <typename T, int D>
void to_cells(const cpab_tessellation &tess, const T *x, T *u) {
    for (int d = 0; d < D; d++) u[d] = (x[d] - T(tess.lower[d])) * T(tess.scale[d]);
}

/* What is handed to threads: slices of the points of one batch item. Their size depends on the
   problem alone, so results do not depend on the number of threads. A slice is large enough for its
   walk to outweigh the preparation of the field. */
struct Slices {
    int64_t size, per_item, total;

    template <typename T>
    explicit Slices(const Problem<T> &p)
        : size(std::max<int64_t>(4096, p.tess.n_cells)),
          per_item(std::max<int64_t>(1, (p.n_points + size - 1) / size)),
          total(p.n_batch * per_item) {}
};

/* Nothing is written before every field is known to be in range. */
template <typename T, int D>
cpab_status check_range(const Problem<T> &p, int64_t *failed_item) {
    Field<T, D> field(p.tess);
    if (!field.allocate()) return CPAB_E_MEMORY;
    for (int64_t item = 0; item < p.n_batch; item++)
        if (field.prepare(p.velocity_of(item), p.time) != CPAB_OK) {
            *failed_item = item;
            return CPAB_E_RANGE;
        }
    return CPAB_OK;
}

/* How a trajectory ended. */
enum class End { reached, not_finite_input, diverged, no_memory };

/* Moves one point, x to out; the segments go to `record`. Positions are changed by the displacement,
   not recomputed, so that a point at rest stays where it is to the last bit. */
template <typename T, int D, typename Record>
End move_point(const cpab_tessellation &tess, const Field<T, D> &field, int64_t most, const T *x, T *out,
               Record record) {
    if (!field.finite() || !all_finite<T, D>(x)) {
        std::fill(out, out + D, nan_value<T>());
        return End::not_finite_input;
    }
    T u[D], from[D], to[D];
    to_cells<T, D>(tess, x, u);
    Trajectory<T, D> at = start<T, D>(tess, u);
    position<T, D>(tess, at, from);
    const bool arrived = walk<T, D>(tess, field.cells(), most, at, record);
    position<T, D>(tess, at, to);
    for (int d = 0; d < D; d++) {
        const T moved = (to[d] - from[d]) / T(tess.scale[d]);
        out[d] = moved == 0 ? x[d] : x[d] + moved; /* -0.0 stays what it is */
    }
    if (arrived && all_finite<T, D>(out)) return End::reached;
    std::fill(out, out + D, nan_value<T>());
    return End::diverged;
}

template <typename T, int D>
cpab_status forward(const Problem<T> &p, T *out, int32_t n_threads, int64_t *failed_item) {
    const cpab_status status = check_range<T, D>(p, failed_item);
    if (status != CPAB_OK) return status;
    const Slices slices(p);
    const int64_t most = most_steps(p.tess);
    std::atomic<int64_t> next{0};
    std::atomic<bool> out_of_memory{false};
    FirstFailure diverged;
    auto work = [&]() {
        Field<T, D> field(p.tess);
        if (!field.allocate()) {
            out_of_memory = true;
            return;
        }
        int64_t prepared = -1;
        for (int64_t unit; (unit = next.fetch_add(1)) < slices.total;) {
            const int64_t item = unit / slices.per_item, first = unit % slices.per_item * slices.size;
            const int64_t last = std::min(p.n_points, first + slices.size);
            if (item != prepared) field.prepare(p.velocity_of(item), p.time);
            prepared = item;
            const T *points = p.points_of(item);
            T *moved = out + item * p.cloud_size();
            for (int64_t i = first; i < last; i++) {
                T x[D]; /* a copy: `out` may be `points` */
                std::copy(points + i * D, points + (i + 1) * D, x);
                auto ignore = [](const Segment<T, D> &) { return true; };
                if (move_point<T, D>(p.tess, field, most, x, moved + i * D, ignore) == End::diverged)
                    diverged.report(item);
            }
        }
    };
    run_threads(static_cast<int32_t>(std::min<int64_t>(n_threads, slices.total)), work);
    *failed_item = diverged.item();
    if (out_of_memory && next.load() < slices.total) return CPAB_E_MEMORY;
    return diverged.item() < 0 ? CPAB_OK : CPAB_E_DIVERGED;
}

/* One thread's means to differentiate: a field, a stack of segments, and sums per cell and node. */
template <typename T, int D>
struct Tape {
    Field<T, D> field;
    Array<Segment<T, D>> segments;
    Array<CellGradient<D>> cells;
    Array<double> nodes;
    int64_t n_segments = 0;
    bool poisoned = false; /* a point of this slice has no gradient */

    explicit Tape(const cpab_tessellation &tess) : field(tess) {}

    bool allocate(const cpab_tessellation &tess) {
        return field.allocate() && cells.allocate(tess.n_cells) && nodes.allocate(tess.n_nodes * D) &&
               segments.reserve(64);
    }

    /* Differentiates one point: the cotangent `grad_out` of its end to that of its start. */
    End differentiate(const cpab_tessellation &tess, int64_t most, const T *x, const T *grad_out,
                      T *grad_point) {
        n_segments = 0;
        bool no_memory = false;
        T moved[D];
        const End end = move_point<T, D>(tess, field, most, x, moved, [&](const Segment<T, D> &segment) {
            no_memory = !segments.reserve(n_segments + 1);
            if (no_memory) return false;
            segments[n_segments++] = segment;
            return true;
        });
        if (end != End::reached) {
            std::fill(grad_point, grad_point + D, nan_value<T>());
            poisoned = true;
            return no_memory ? End::no_memory : end;
        }
        T lam[D];
        for (int d = 0; d < D; d++) lam[d] = grad_out[d] / T(tess.scale[d]);
        for (int64_t s = n_segments - 1; s >= 0; s--)
            pull_back<T, D>(tess, field, segments[s], lam, cells[segments[s].cell]);
        for (int d = 0; d < D; d++) grad_point[d] = lam[d] * T(tess.scale[d]);
        return End::reached;
    }

    void start_slice() {
        cells.zero();
        poisoned = false;
    }

    /* Adds a slice's gradient to the batch item's, or NaN where it has none. */
    void add_to(const cpab_tessellation &tess, double time, T *grad_velocity) {
        nodes.zero();
        cells_to_vertices<D>(tess, cells.data(), nodes.data());
        for (int64_t v = 0; v < tess.n_vertices; v++)
            for (int d = 0; d < D; d++) {
                const double sum = nodes[v * D + d] * tess.scale[d] * time;
                grad_velocity[v * D + d] += poisoned ? nan_value<T>() : T(sum);
            }
    }
};

template <typename T, int D>
cpab_status backward(const Problem<T> &p, const T *grad_out, T *grad_velocity, T *grad_points,
                     int32_t n_threads, int64_t *failed_item) {
    const cpab_status status = check_range<T, D>(p, failed_item);
    if (status != CPAB_OK) return status;
    const Slices slices(p);
    const int64_t most = most_steps(p.tess);
    if (grad_velocity) std::fill(grad_velocity, grad_velocity + p.n_batch * p.field_size(), T(0));
    std::atomic<int64_t> next{0};
    std::atomic<bool> out_of_memory{false};
    FirstFailure diverged;
    Turns turns;
    auto work = [&]() {
        Tape<T, D> tape(p.tess);
        if (!tape.allocate(p.tess)) {
            out_of_memory = true;
            return;
        }
        int64_t prepared = -1;
        for (int64_t unit; (unit = next.fetch_add(1)) < slices.total;) {
            const int64_t item = unit / slices.per_item, first = unit % slices.per_item * slices.size;
            const int64_t last = std::min(p.n_points, first + slices.size);
            if (item != prepared) tape.field.prepare(p.velocity_of(item), p.time);
            prepared = item;
            tape.start_slice();
            for (int64_t i = first; i < last; i++) {
                const int64_t at = item * p.cloud_size() + i * D;
                T grad_point[D];
                const End end =
                    tape.differentiate(p.tess, most, p.points_of(item) + i * D, grad_out + at, grad_point);
                if (end == End::diverged) diverged.report(item);
                if (end == End::no_memory) out_of_memory = true;
                if (grad_points) std::copy(grad_point, grad_point + D, grad_points + at);
            }
            turns.take(unit, [&]() {
                if (grad_velocity) tape.add_to(p.tess, p.time, grad_velocity + item * p.field_size());
            });
        }
    };
    run_threads(static_cast<int32_t>(std::min<int64_t>(n_threads, slices.total)), work);
    *failed_item = diverged.item();
    if (out_of_memory) return CPAB_E_MEMORY;
    return diverged.item() < 0 ? CPAB_OK : CPAB_E_DIVERGED;
}

template <typename T>
cpab_status check(const cpab_tessellation *tess, const T *velocity, const T *points, const T *result,
                  int64_t n_batch, int64_t n_points, int64_t points_batch, double time, int32_t n_threads) {
    if (!tess) return CPAB_E_NULL;
    if (n_batch < 0 || n_points < 0 || (points_batch != n_batch && points_batch != 1)) return CPAB_E_SHAPE;
    const bool no_points = n_batch == 0 || n_points == 0;
    if ((!velocity && n_batch > 0) || (!points && !no_points) || (!result && !no_points)) return CPAB_E_NULL;
    if (!std::isfinite(time)) return CPAB_E_TIME;
    return n_threads < 1 ? CPAB_E_THREADS : CPAB_OK;
}

template <typename T>
cpab_status transform(const cpab_tessellation *tess, const T *velocity, const T *points, T *out,
                      int64_t n_batch, int64_t n_points, int64_t points_batch, double time, int32_t n_threads,
                      int64_t *failed_item) {
    int64_t ignored;
    if (!failed_item) failed_item = &ignored;
    *failed_item = -1;
    const cpab_status status =
        check(tess, velocity, points, out, n_batch, n_points, points_batch, time, n_threads);
    if (status != CPAB_OK) return status;
    const Problem<T> problem{*tess, velocity, points, n_batch, n_points, points_batch, time};
    return tess->ndim == 1 ? forward<T, 1>(problem, out, n_threads, failed_item)
                           : forward<T, 2>(problem, out, n_threads, failed_item);
}

template <typename T>
cpab_status transform_vjp(const cpab_tessellation *tess, const T *velocity, const T *points,
                          const T *grad_out, T *grad_velocity, T *grad_points, int64_t n_batch,
                          int64_t n_points, int64_t points_batch, double time, int32_t n_threads,
                          int64_t *failed_item) {
    int64_t ignored;
    if (!failed_item) failed_item = &ignored;
    *failed_item = -1;
    const cpab_status status =
        check(tess, velocity, points, grad_out, n_batch, n_points, points_batch, time, n_threads);
    if (status != CPAB_OK) return status;
    const Problem<T> problem{*tess, velocity, points, n_batch, n_points, points_batch, time};
    return tess->ndim == 1
               ? backward<T, 1>(problem, grad_out, grad_velocity, grad_points, n_threads, failed_item)
               : backward<T, 2>(problem, grad_out, grad_velocity, grad_points, n_threads, failed_item);
}

}  // namespace

extern "C" {

cpab_status cpab_transform_f32(const cpab_tessellation *tess, const float *velocity, const float *points,
                               float *out, int64_t n_batch, int64_t n_points, int64_t points_batch,
                               double time, int32_t n_threads, int64_t *failed_item) {
    return transform(tess, velocity, points, out, n_batch, n_points, points_batch, time, n_threads,
                     failed_item);
}

cpab_status cpab_transform_f64(const cpab_tessellation *tess, const double *velocity, const double *points,
                               double *out, int64_t n_batch, int64_t n_points, int64_t points_batch,
                               double time, int32_t n_threads, int64_t *failed_item) {
    return transform(tess, velocity, points, out, n_batch, n_points, points_batch, time, n_threads,
                     failed_item);
}

cpab_status cpab_transform_vjp_f32(const cpab_tessellation *tess, const float *velocity, const float *points,
                                   const float *grad_out, float *grad_velocity, float *grad_points,
                                   int64_t n_batch, int64_t n_points, int64_t points_batch, double time,
                                   int32_t n_threads, int64_t *failed_item) {
    return transform_vjp(tess, velocity, points, grad_out, grad_velocity, grad_points, n_batch, n_points,
                         points_batch, time, n_threads, failed_item);
}

cpab_status cpab_transform_vjp_f64(const cpab_tessellation *tess, const double *velocity,
                                   const double *points, const double *grad_out, double *grad_velocity,
                                   double *grad_points, int64_t n_batch, int64_t n_points,
                                   int64_t points_batch, double time, int32_t n_threads,
                                   int64_t *failed_item) {
    return transform_vjp(tess, velocity, points, grad_out, grad_velocity, grad_points, n_batch, n_points,
                         points_batch, time, n_threads, failed_item);
}

}  // extern "C"
