/* Fields and the points that they move: loops over batch items and slices of points, in threads. */
#ifndef CPAB_CPU_PROBLEM_H
#define CPAB_CPU_PROBLEM_H

#include <algorithm>
#include <atomic>
#include <cmath>

#include "../largest.h"
#include "../memory.h"
#include "../tessellation.h"
#include "interrupt.h"
#include "parallel.h"
#include "sizes.h"
#include "worker.h"

namespace cpab {

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

/* Whether the library can count the elements of all arrays: results have up to `per_point` of them for a
   point. No size is negative. */
template <typename T>
bool countable(const Problem<T> &p, int64_t per_point) {
    return countable({p.n_batch, p.tess->n_vertices, p.tess->ndim}) &&
           countable({p.n_batch, p.n_points, per_point});
}

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
        : size(std::max<int64_t>(4096, p.tess->n_cells)),
          per_item(std::max<int64_t>(1, (p.n_points + size - 1) / size)),
          total(p.n_batch * per_item),
          blocks((size + block_points - 1) / block_points) {}

    template <typename T>
    Slice slice(const Problem<T> &p, int64_t unit) const {
        const int64_t first = unit % per_item * size;
        return {unit, unit / per_item, first, std::min(size, p.n_points - first), unit * blocks};
    }
};

template <typename T>
TapeKey key_of(const Problem<T> &p) {
    const cpab_tessellation &t = *p.tess;
    const Slices slices(p);
    return {sizeof(T),
            t.ndim,
            t.outside,
            {t.cells[0], t.cells[1], t.cells[2]},
            p.n_batch,
            p.n_points,
            slices.total * slices.blocks,
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
    const Hired<Worker<T>> worker(make_worker<T>(*p.tess, Needs{}));
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
    auto work = [&]() {
        const Hired<Worker<T>> worker(make_worker<T>(*p.tess, needs));
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
            const Trouble trouble = body(*worker, slice);
            if (trouble.diverged) diverged.report(slice.item);
            if (trouble.no_memory) out_of_memory = true;
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
