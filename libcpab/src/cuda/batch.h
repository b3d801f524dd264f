/* What the kernels of a call on a flow share: the fields of a chunk of items, and their points. */
#ifndef CPAB_CUDA_BATCH_H
#define CPAB_CUDA_BATCH_H

#include <cmath>

#include "../pixel_grid.h"
#include "../point.h"
#include "gpu.h"
#include "tables.h"

/* Rows of pixels that lie in a strip, see point_of(). 1 is for measurements: then rows follow each other. */
#ifndef CPAB_STRIP_ROWS
#    define CPAB_STRIP_ROWS 4
#endif

namespace cpab {
namespace CPAB_ISA {

/* What can be the matter with a field, as bits of its states. */
enum FieldState : int32_t { usable = 0, not_finite = 1, out_of_range = 2 };

template <typename T, int D>
struct Batch {
    Domain<T, D> domain;
    Tables<T> tables{};
    int32_t n_vertices = 0, n_nodes = 0, n_cells = 0;
    double scale[D] = {}; /* cells per unit, times the time */

    const T *records = nullptr, *tangent_records = nullptr;
    const int32_t *states = nullptr, *tangent_states = nullptr;
    int32_t n_states = 0;

    const T *points = nullptr; /* or NULL: the pixels of the grid */
    PixelGrid grid{};
    int64_t n_points = 0;
    bool shared_points = false;
    const T *tangent_points = nullptr; /* or NULL: zeros, */
    int32_t tangent_axis = -1;         /* unless this is not -1: then they all are this axis */

    /* [rows] Line::first_step of items whose points follow line.h, -1 of others; or NULL: all walk. */
    const int32_t *line_steps = nullptr;

    int64_t first_item = 0; /* of the chunk, in the call */
    int64_t most_steps = 0;
    cpab_report *report = nullptr;
};

template <typename T>
CPAB_DEVICE T not_a_number() {
    return T(NAN);
}

/* The bits of all states of an item. */
CPAB_DEVICE int32_t all_states(const int32_t *states, int32_t n, int64_t item) {
    int32_t bits = usable;
    for (int32_t i = 0; i < n; i++) bits |= states[item * n + i];
    return bits;
}

/* Whether the field of an item can be integrated; its tangent may be as large as it likes. */
template <typename T, int D>
CPAB_DEVICE bool can_walk(const Batch<T, D> &batch, int64_t item) {
    if (all_states(batch.states, batch.n_states, item) != usable) return false;
    return !batch.tangent_states || !(all_states(batch.tangent_states, batch.n_states, item) & not_finite);
}

/* Whether the points of an item follow line.h: kernels that walk leave it out. */
template <typename T, int D>
CPAB_DEVICE bool on_line(const Batch<T, D> &batch, int64_t item) {
    return D == 1 && batch.line_steps && batch.line_steps[item] >= 0;
}

/* Leaves a note of an item. */
template <typename T, int D>
CPAB_DEVICE void report(const Batch<T, D> &batch, int32_t cpab_report::*what, int64_t item) {
    if (!batch.report) return;
    const int64_t number = batch.first_item + item;
    const uint32_t most = INT32_MAX;
    /* -1, which is no item, is the largest number without a sign. */
    gpu::lower(reinterpret_cast<uint32_t *>(&(batch.report->*what)), number < most ? uint32_t(number) : most);
}

/* Says that a field is out of range, in one thread for each item. One that is not finite is none of that. */
template <typename T, int D>
CPAB_DEVICE void report_range(const Batch<T, D> &batch, int64_t item) {
    if (gpu::block() == 0 && gpu::thread() == 0 &&
        all_states(batch.states, batch.n_states, item) == out_of_range)
        report(batch, &cpab_report::out_of_range_item, item);
}

/* The point that number n of an item's threads has. Pixels go in strips of a few rows, column by column: so
   the lanes of a warp have neighbours on both axes, which share cells and take the same steps. */
template <typename T, int D>
CPAB_DEVICE int64_t point_of(const Batch<T, D> &batch, int64_t n) {
    if (D == 1 || batch.points) return n;
    const int64_t width = batch.grid.size[0], size = CPAB_STRIP_ROWS * width;
    const int64_t within = n % size, first = n - within, left = batch.n_points - first;
    const int64_t rows = left < size ? left / width : CPAB_STRIP_ROWS; /* in the last strip are fewer */
    return first + within % rows * width + within / rows;
}

template <typename T, int D>
CPAB_DEVICE void load_point(const Batch<T, D> &batch, int64_t item, int64_t p, Lanes<T, 1> *x) {
    if (batch.points) {
        const T *from = batch.points + ((batch.shared_points ? 0 : item * batch.n_points) + p) * D;
        for (int d = 0; d < D; d++) x[d] = Lanes<T, 1>(from[d]);
        return;
    }
    for (int d = 0; d < D; d++) {
        x[d] = Lanes<T, 1>(T(batch.grid.centre(d, int32_t(p % batch.grid.size[d]))));
        p /= batch.grid.size[d];
    }
}

template <typename T, int D>
CPAB_DEVICE void load_tangent(const Batch<T, D> &batch, int64_t item, int64_t p, Lanes<T, 1> *tangent) {
    for (int d = 0; d < D; d++) tangent[d] = Lanes<T, 1>(T(d == batch.tangent_axis));
    if (batch.tangent_axis >= 0 || !batch.tangent_points) return;
    const T *from = batch.tangent_points + ((batch.shared_points ? 0 : item * batch.n_points) + p) * D;
    for (int d = 0; d < D; d++) tangent[d] = Lanes<T, 1>(from[d]);
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
