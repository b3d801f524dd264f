/* Fields and the points that they move: loops over batch items and slices of points, in threads. */
#ifndef CPAB_CPU_PROBLEM_H
#define CPAB_CPU_PROBLEM_H

#include <algorithm>
#include <atomic>
#include <cmath>

#include "../call.h"
#include "../largest.h"
#include "../memory.h"
#include "../tessellation.h"
#include "interrupt.h"
#include "parallel.h"
#include "worker.h"

namespace cpab {

/* Starting a thread costs about as much as moving a hundred points. */
constexpr int64_t points_per_thread = 2048;

/* How many threads of a call have enough to do. Its sizes have been checked. */
inline int32_t threads_for(const cpab_call &call) {
    const int64_t useful = std::max<int64_t>(1, call.n_batch * call.n_points / points_per_thread);
    const int32_t most = call.n_threads == 0 && useful > 1 ? default_threads() : call.n_threads;
    return static_cast<int32_t>(std::max<int64_t>(1, std::min<int64_t>(most, useful)));
}

/* Calls body() with a number of the call's type, if it is a call for this library. */
template <typename Body>
cpab_status for_dtype(cpab_call *call, Body body) {
    const cpab_status status = begin(call, CPAB_CPU);
    if (status != CPAB_OK) return status;
    if (call->n_threads == 0 && default_threads() == 0) return CPAB_E_THREADS;
    return call->dtype == CPAB_FLOAT32 ? body(float()) : body(double());
}

/* A call that has been checked, and its inputs. */
template <typename T>
struct Problem {
    const cpab_tessellation *tess;
    const T *points, *velocity;
    int64_t n_batch, n_points, points_batch;
    double time;
    int32_t n_threads;
    int64_t *failed_item;
    const T *tangent_points = nullptr; /* the direction of derivatives; NULL stands for zeros */
    const T *tangent_velocity = nullptr;

    Problem(cpab_call &call, const void *points_, const void *velocity_)
        : tess(call.tess),
          points(static_cast<const T *>(points_)),
          velocity(static_cast<const T *>(velocity_)),
          n_batch(call.n_batch),
          n_points(call.n_points),
          points_batch(call.points_batch),
          time(call.time),
          n_threads(threads_for(call)),
          failed_item(&call.failed_item) {}

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
    int64_t unit, item, first, count, first_block;
    int64_t block_of(int64_t point) const { return first_block + point / block_points; }
};

/* Their size depends on the problem alone, so results do not depend on the number of threads. A slice is
   large enough for its walk to outweigh the preparation of the field. */
struct Slices {
    int64_t size, per_item, total, blocks;

    template <typename T>
    explicit Slices(const Problem<T> &p)
        : size(std::max<int64_t>(p.tess->ndim == 1 ? line_slice(p.n_points) : 4096, p.tess->n_cells)),
          per_item(std::max<int64_t>(1, (p.n_points + size - 1) / size)),
          total(p.n_batch * per_item),
          blocks((size + block_points - 1) / block_points) {}

    int64_t per_item_blocks() const { return per_item * blocks; }

    /* In 1D, gradients of long slices are shared out once (cpu/line_pieces.h). */
    static int64_t line_slice(int64_t n_points) {
        return std::min<int64_t>(131072, std::max<int64_t>(4096, n_points / 16 / 4096 * 4096));
    }

    template <typename T>
    Slice slice(const Problem<T> &p, int64_t unit) const {
        const int64_t first = unit % per_item * size;
        return {unit, unit / per_item, first, std::min(size, p.n_points - first), unit * blocks};
    }
};

/* `n_places` for each block, see TapeKey for the slopes. */
template <typename T>
TapeKey key_of(const Problem<T> &p, int64_t n_places = 1, int64_t slope_bytes = -1) {
    const cpab_tessellation &t = *p.tess;
    const Slices slices(p);
    return {sizeof(T),
            t.ndim,
            t.outside,
            {t.cells[0], t.cells[1], t.cells[2]},
            p.n_batch,
            p.n_points,
            slices.total * slices.blocks * n_places,
            slope_bytes,
            {t.lower[0], t.lower[1], t.lower[2]},
            {t.upper[0], t.upper[1], t.upper[2]},
            p.time};
}

/* Whether the fastest vertex already shows that a field is in range. False says nothing. */
template <typename T>
bool surely_in_range(const Problem<T> &p, int64_t item) {
    const double largest = double(largest_magnitude(p.velocity_of(item), p.field_size()));
    if (largest != largest) return true; /* such a field is not integrated at all */
    const double *scale = p.tess->scale;
    const double fastest = largest * *std::max_element(scale, scale + p.tess->ndim) * std::fabs(p.time);
    return fastest <= CPAB_MAX_SPEED && fastest * p.tess->rate_per_speed <= 0.99 * CPAB_MAX_RATE;
}

/* Nothing is written before every field is known to be in range. */
template <typename T>
cpab_status check_range(const Problem<T> &p) {
    int64_t item = 0;
    while (item < p.n_batch && surely_in_range(p, item)) item++;
    if (item == p.n_batch) return CPAB_OK;
    const Owned<Worker<T>> worker(make_worker<T>(*p.tess, Needs{}));
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

/* Calls body(worker, slice) for all slices, each with its field prepared; in their order, if not on one
   thread. An interrupt leaves out the last ones. */
template <typename T, typename Body>
cpab_status for_slices(const Problem<T> &p, const Needs &needs, Body body) {
    const cpab_status status = check_range(p);
    if (status != CPAB_OK) return status;
    const Slices slices(p);
    std::atomic<int64_t> next{0};
    std::atomic<bool> out_of_memory{false};
    FirstFailure diverged;
    Interrupt interrupt;
    Needs all_needs = needs;
    all_needs.n_points = p.n_points;
    auto work = [&]() {
        const Owned<Worker<T>> worker(make_worker<T>(*p.tess, all_needs));
        if (!worker) {
            out_of_memory = true;
            return;
        }
        int64_t prepared = -1;
        for (int64_t unit; !interrupt.wanted() && (unit = next.fetch_add(1)) < slices.total;) {
            const Slice slice = slices.slice(p, unit);
            if (slice.item != prepared)
                worker->prepare(p.velocity_of(slice.item), p.tangent_velocity_of(slice.item), p.time);
            prepared = slice.item;
            const Outcome outcome = body(*worker, slice);
            if (outcome.diverged) diverged.report(slice.item);
            if (outcome.no_memory) out_of_memory = true;
        }
    };
    run_threads(static_cast<int32_t>(std::min<int64_t>(p.n_threads, slices.total)), work);
    if (interrupt.came()) return CPAB_E_INTERRUPTED;
    *p.failed_item = diverged.item();
    if (out_of_memory) return CPAB_E_MEMORY;
    return diverged.item() < 0 ? CPAB_OK : CPAB_E_DIVERGED;
}

}  // namespace cpab

#endif
