/*
 * The gradient of fields in 1D, added up from the trajectories of line.h in an order that depends on sizes
 * alone, as node_sum.h does for those that walk.
 *
 * A warp has a table with the shares of each cell (LineShare), and one with how `through` (LineGradient)
 * changes from cell to cell: it starts in one and ends in another. The tables of a block, and then those of
 * an item, are added up; at last one block for each item goes from cells to knots.
 */
#ifndef CPAB_CUDA_LINE_SUM_H
#define CPAB_CUDA_LINE_SUM_H

#include "line_batch.h"
#include "node_sum.h"

namespace cpab {
namespace CPAB_ISA {

/* The table of a warp. */
template <typename T>
class LineTable {
    static constexpr int lanes_per_number = gpu::warp_size / line_columns;

public:
    /* For all lanes, like add(). The memory is of the warp alone; none without cells. */
    CPAB_DEVICE LineTable(double *starts, T *shares, int64_t n_cells) : starts_(starts), shares_(shares) {
        for (int64_t i = gpu::lane(); i < n_cells; i += gpu::warp_size) starts_[i] = 0;
        for (int64_t i = gpu::lane(); i < n_cells * line_shares; i += gpu::warp_size) shares_[i] = T(0);
        gpu::sync_warp();
    }

    /* Adds the shares of lanes that take part, each with a cell of its own, and `through` from this cell on
       or from the next. */
    CPAB_DEVICE void add(bool takes_part, int32_t cell, const LineShare<Lanes<T, 1>> &share, T through,
                         bool from_next) {
        const int which = gpu::lane() / lanes_per_number;
        const int32_t own = 2 * cell + (from_next ? 1 : 0);
        uint32_t waiting = gpu::ballot(takes_part);
        while (waiting) {
            const int32_t chosen = gpu::from_lane(own, gpu::first_of(waiting));
            const bool now = takes_part && own == chosen;
            T numbers[line_columns] = {now ? share.low.v : T(0), now ? share.high.v : T(0),
                                       now ? share.slope.v : T(0), now ? through : T(0)};
            const T sum = sum_over_warp(numbers);
            if (gpu::lane() % lanes_per_number == 0) {
                if (which < line_shares)
                    shares_[int64_t(chosen / 2) * line_shares + which] += sum;
                else
                    starts_[chosen / 2 + chosen % 2] += double(sum);
            }
            gpu::sync_warp(); /* keeps lanes together; none writes where another does */
            waiting &= ~gpu::ballot(now);
        }
    }

private:
    double *starts_;
    T *shares_;
};

/* What the tables of items become: gradients [rows, n + 1], in units of the domain. */
template <typename T>
struct LineSum {
    int64_t n_tables;
    const int32_t *poisoned; /* [rows, n_poisoned], see node_sum.h */
    int64_t n_poisoned;
    T *grad_velocity;
};

/* Adds up the tables of an item. */
template <typename T>
CPAB_KERNEL add_up_lines(Batch<T, 1> batch, Lines<T> lines, LineSum<T> sum) {
    const int64_t item = gpu::row(), n_cells = lines.n + 2;
    const int64_t i = gpu::block() * gpu::threads_per_block + gpu::thread();
    if (i >= n_cells * line_columns || !on_line(batch, item)) return;
    const int64_t c = i / line_columns, column = i % line_columns;
    double total = 0;
    for (int64_t t = item * sum.n_tables; t < (item + 1) * sum.n_tables; t++) {
        const int64_t at = t * n_cells + c;
        total += column < line_shares ? double(lines.shares[at * line_shares + column]) : lines.starts[at];
    }
    lines.totals[item * n_cells * line_columns + i] = total;
}

/* What one item's block goes from cells to knots with. */
struct LineFinish {
    int32_t n;
    const double *knots;
    const Ticks *times;
    double *totals; /* [n + 2, line_columns] */

    /* Whether trajectories may cross a cell as a whole. */
    CPAB_DEVICE bool crossable(int32_t c) const { return times[c].since(times[c - 1]) < ticks_per_hour; }

    CPAB_DEVICE double &through(int32_t c) const { return totals[c * line_columns + line_shares]; }

    /* From changes of `through` to the sum itself, in all cells of the domain: each thread has some side by
       side. No trajectory crosses a barrier, and rounding must not leak into what lies behind it. */
    CPAB_DEVICE void sum_up_through(double *sums) const {
        const int32_t each = (n + gpu::threads_per_block - 1) / gpu::threads_per_block;
        const int32_t first = 1 + gpu::thread() * each, end = first + each < n + 1 ? first + each : n + 1;
        double *const barriers = sums + gpu::threads_per_block;
        double sum = 0, barrier = 0;
        for (int32_t c = first; c < end; c++) {
            const bool crossed = crossable(c);
            sum = crossed ? sum + through(c) : 0;
            barrier = crossed ? barrier : 1;
        }
        sums[gpu::thread()] = sum;
        barriers[gpu::thread()] = barrier;
        gpu::sync_block();
        sum = 0;
        for (int i = 0; i < gpu::thread(); i++) sum = barriers[i] != 0 ? sums[i] : sum + sums[i];
        for (int32_t c = first; c < end; c++) through(c) = sum = crossable(c) ? sum + through(c) : 0;
        gpu::sync_block();
    }

    /* From all columns of a cell of the domain to what its ends have, in the first two. */
    CPAB_DEVICE void to_ends(int32_t c) const {
        using D = Lanes<double, 1>;
        D from(knots[c - 1]), to(knots[c]);
        to_speeds(from, to);
        const CrossedShare<D> crossed{D(through(c)), from, to};
        double *const total = totals + c * line_columns;
        total[0] += crossed.low.v - total[2];
        total[1] += crossed.high.v + total[2];
    }

    /* The slopes of ghosts are those of their neighbours, or none. */
    CPAB_DEVICE double of_knot(int32_t knot, bool linear_outside) const {
        double sum = totals[knot * line_columns + 1] + totals[(knot + 1) * line_columns];
        if (!linear_outside) return sum;
        const double below = totals[2], above = totals[(n + 1) * line_columns + 2];
        if (knot == 0) sum -= below;
        if (knot == 1) sum += below;
        if (knot == n - 1) sum -= above;
        if (knot == n) sum += above;
        return sum;
    }
};

/* One block for each item. */
template <typename T>
CPAB_KERNEL finish_lines(Batch<T, 1> batch, Lines<T> lines, LineSum<T> sum) {
    const int64_t item = gpu::row();
    const int32_t n = int32_t(lines.n);
    if (!on_line(batch, item)) return;
    const LineFinish finish{n, lines.knots + item * (n + 1), lines.times + item * (n + 1),
                            lines.totals + item * (n + 2) * line_columns};
    finish.sum_up_through(gpu::shared<double>());
    for (int32_t c = 1 + gpu::thread(); c <= n; c += gpu::threads_per_block) finish.to_ends(c);
    gpu::sync_block();
    bool poisoned = false;
    for (int64_t b = 0; b < sum.n_poisoned; b++)
        poisoned = poisoned || sum.poisoned[item * sum.n_poisoned + b] != 0;
    const T nan = not_a_number<T>();
    for (int32_t knot = gpu::thread(); knot <= n; knot += gpu::threads_per_block) {
        const double gradient = finish.of_knot(knot, lines.linear_outside) * batch.scale[0];
        sum.grad_velocity[item * (n + 1) + knot] = poisoned ? nan : T(gradient);
    }
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
