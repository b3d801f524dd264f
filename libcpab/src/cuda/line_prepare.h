/* Fields in 1D are prepared for line.h, as LineField does it on the host: first the cells, by all blocks of
   an item, then the clock, by one. */
#ifndef CPAB_CUDA_LINE_PREPARE_H
#define CPAB_CUDA_LINE_PREPARE_H

#include "../field_record.h"
#include "batch.h"
#include "line_batch.h"

namespace cpab {
namespace CPAB_ISA {

/* The velocities at the ends of a block's cells, and two before them. They lie in memory, as products must be
   rounded before they are subtracted: nvcc would make one operation of both. */
constexpr int knots_of_block = gpu::threads_per_block + 2;

/* Writes what a thread knows of a cell: `ends` are velocities at its ends, `slope` is given. */
template <typename T>
CPAB_DEVICE void write_line_cell(const Lines<T> &lines, int64_t item, int64_t c, const double *ends,
                                 double slope) {
    using D = Lanes<double, 1>;
    const LineCell<D> cell{D(ends[0]), D(ends[1]), D(slope)};
    T record[LineRecord::stride] = {};
    cell.write(0, record);
    T *to = lines.cells + (item * (lines.n + 2) + c) * LineRecord::stride;
    CPAB_UNROLL
    for (int i = 0; i < LineRecord::stride; i++) to[i] = record[i];
    if (c > lines.n) return;
    const int64_t knot = item * (lines.n + 1) + c;
    lines.knots[knot] = ends[1];
    lines.times[knot] = Ticks::of(c > 0 ? cell.ticks.v : 0);
}

/* velocity [rows, n + 1]. A block leaves the state of the cells that it has prepared. */
template <typename T>
CPAB_KERNEL prepare_line_cells(Batch<T, 1> batch, Lines<T> lines, const T *velocity) {
    double *const knots = gpu::shared<double>();
    const int64_t item = gpu::row(), n = lines.n;
    velocity += item * (n + 1);
    bool steep = false;
    const int64_t stride = gpu::blocks() * gpu::threads_per_block;
    for (int64_t first = gpu::block() * gpu::threads_per_block; first < n + 2; first += stride) {
        gpu::sync_block(); /* nobody reads the last ones any more */
        for (int i = gpu::thread(); i < knots_of_block; i += gpu::threads_per_block) {
            const int64_t knot = first - 2 + i;
            knots[i] = knot >= 0 && knot <= n ? in_cells(velocity[knot], batch.scale[0]) : 0;
        }
        gpu::sync_block();
        const int64_t c = first + gpu::thread();
        if (c >= n + 2) continue;
        const double *const ends = knots + gpu::thread() + 1;
        /* Ghosts have the slope of their neighbour, or none. */
        const bool ghost = c == 0 || c == n + 1;
        const double *const sloped = c == 0 ? ends + 1 : c == n + 1 ? ends - 1 : ends;
        const double slope = ghost && !lines.linear_outside ? 0 : sloped[1] - sloped[0];
        steep = steep || !(std::fabs(sloped[1] - sloped[0]) <= steepest_slope<T>);
        write_line_cell(lines, item, c, ends, slope);
    }
    steep = gpu::any_in_block(steep);
    if (gpu::thread() == 0)
        lines.states[item * gpu::blocks() + gpu::block()] = steep ? too_steep : gentle_enough;
}

/* The sum of what the threads before this one have in shared memory. For all threads. */
CPAB_DEVICE Ticks sum_before(Ticks own, Ticks *by_thread) {
    by_thread[gpu::thread()] = own;
    gpu::sync_block();
    Ticks sum{0, 0};
    for (int i = 0; i < gpu::thread(); i++) sum = sum + by_thread[i];
    return sum;
}

/* How many cells trajectories cross in unit time from a knot on, up or down the line, at most. */
CPAB_DEVICE int64_t reach_from(const Ticks *times, int64_t n, int64_t knot, bool up) {
    const int64_t there = up ? n - knot : knot;
    const auto time_for = [&](int64_t cells) {
        return up ? times[knot + cells].since(times[knot]) : times[knot].since(times[knot - cells]);
    };
    int64_t reach = 0, beyond = there + 1;
    while (beyond - reach > 1) {
        const int64_t middle = reach + (beyond - reach) / 2;
        if (time_for(middle) <= ticks_per_hour)
            reach = middle;
        else
            beyond = middle;
    }
    /* A cell that is not crossed takes the whole hour. No cell takes no time, so it is the first. */
    return reach == 1 && time_for(1) == ticks_per_hour ? 0 : reach;
}

template <typename T>
CPAB_DEVICE T integer_bits(typename IntegerOf<T>::type integer) {
    return from_bits(Indices<T, 1>(integer)).v;
}

/* Sets the clock. One block for each item. */
template <typename T>
CPAB_KERNEL set_line_clock(Batch<T, 1> batch, Lines<T> lines) {
    using Integer = typename IntegerOf<T>::type;
    const int64_t item = gpu::row(), n = lines.n;
    if (all_states(batch.states, batch.n_states, item) != usable ||
        all_states(lines.states, batch.n_states, item) != gentle_enough) {
        if (gpu::thread() == 0) lines.first_steps[item] = -1;
        return;
    }
    Ticks *const times = lines.times + item * (n + 1);
    const int64_t each = (n + gpu::threads_per_block) / gpu::threads_per_block; /* knots of a thread */
    const int64_t first = gpu::thread() * each, end = first + each < n + 1 ? first + each : n + 1;
    Ticks time{0, 0};
    for (int64_t knot = first; knot < end; knot++) time = time + times[knot];
    time = sum_before(time, gpu::shared<Ticks>());
    for (int64_t knot = first; knot < end; knot++) times[knot] = time = time + times[knot];
    gpu::sync_block();

    const double *const knots = lines.knots + item * (n + 1);
    T *const cells = lines.cells + item * (n + 2) * LineRecord::stride;
    int64_t farthest = 0;
    for (int64_t knot = gpu::thread(); knot <= n; knot += gpu::threads_per_block) {
        const Integer now = clock_reading<Integer>(times[knot].wrapped());
        const int64_t up = knots[knot] > 0 ? reach_from(times, n, knot, true) : 0;
        const int64_t down = knots[knot] < 0 ? reach_from(times, n, knot, false) : 0;
        T *const below = cells + knot * LineRecord::stride, *const above = below + LineRecord::stride;
        lines.clock[item * (n + 1) + knot] = now;
        below[LineRecord::time_high] = above[LineRecord::time_low] = integer_bits<T>(now);
        below[LineRecord::reach_high] = integer_bits<T>(Integer(up));
        above[LineRecord::reach_low] = integer_bits<T>(Integer(down));
        farthest = up > farthest ? up : down > farthest ? down : farthest;
    }
    int32_t step = 1;
    while (gpu::any_in_block(step <= farthest)) step *= 2;
    if (gpu::thread() == 0) lines.first_steps[item] = step / 2;
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
