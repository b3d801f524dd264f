/* The kernels that move points in 1D and take gradients back by the closed forms of line.h. They leave out
   items that have none, as kernels that walk do with the others: in one kernel, both would have the registers
   of the walk. */
#ifndef CPAB_CUDA_LINE_KERNELS_H
#define CPAB_CUDA_LINE_KERNELS_H

#include "back_kernels.h"
#include "line_sum.h"
#include "move_kernels.h"

namespace cpab {
namespace CPAB_ISA {

/* Follows point number p of an item. */
template <bool back, typename T>
CPAB_DEVICE void arrive_on_line(const Batch<T, 1> &batch, const Line<Lanes<T, 1>> &line, int64_t item,
                                int64_t p, Way<Lanes<T, 1>> &way, Arrival<Lanes<T, 1>, 1> &arrival) {
    arrival.load(batch, item, p);
    set_out<back>(line, arrival.start.u[0], way);
    follow<back>(line, way);
    const Lanes<T, 1> moved[1] = {way.displacement};
    arrival.finish(batch, true, moved);
    if (arrival.diverged()) report(batch, &cpab_report::diverged_item, item);
}

/* Where points end: out [rows, n_points], which may be where they come from. */
template <typename T>
CPAB_KERNEL move_on_line(Batch<T, 1> batch, Lines<T> lines, T *out) {
    const int64_t item = gpu::row(), p = own_point(batch);
    if (p < 0 || !on_line(batch, item)) return;
    Way<Lanes<T, 1>> way;
    Arrival<Lanes<T, 1>, 1> arrival;
    arrive_on_line<false>(batch, lines.line(item), item, p, way, arrival);
    out[item * batch.n_points + p] = arrival.end[0].v;
}

/* A block has the tables of its warps in shared memory until it is done, if `gradient` says so; first those
   of `through`. */
template <typename T>
struct LineTables {
    double *starts;
    T *shares;
    int64_t n_cells, block;
    bool in_shared;

    CPAB_DEVICE LineTables(const Lines<T> &lines, const Gradient<T> &gradient)
        : n_cells(gradient.tables ? lines.n + 2 : 0),
          block(gpu::row() * gpu::blocks() + gpu::block()),
          in_shared(gradient.in_shared) {
        double *const memory = gpu::shared<double>();
        const int64_t first = in_shared ? 0 : block * gpu::warps_per_block * n_cells;
        starts = (in_shared ? memory : lines.starts) + first;
        shares = (in_shared ? reinterpret_cast<T *>(memory + gpu::warps_per_block * n_cells) : lines.shares) +
                 first * line_shares;
    }

    CPAB_DEVICE LineTable<T> of_warp() const {
        const int64_t before = gpu::warp() * n_cells;
        return {starts + before, shares + before * line_shares, n_cells};
    }

    CPAB_DEVICE void add_up(const Lines<T> &lines) const {
        if (!in_shared) return;
        add_up_block(starts, n_cells, lines.starts + block * n_cells);
        add_up_block(shares, n_cells * line_shares, lines.shares + block * n_cells * line_shares);
    }
};

/* Gradients of an item's points and field. */
template <typename T>
CPAB_KERNEL pull_back_on_line(Batch<T, 1> batch, Lines<T> lines, Cotangents<T> source, Gradient<T> gradient) {
    using V = Lanes<T, 1>;
    const int64_t item = gpu::row();
    if (!on_line(batch, item)) return;
    const Line<V> line = lines.line(item);
    const LineTables<T> tables(lines, gradient);
    LineTable<T> table = tables.of_warp();
    bool poisoned = false;
    const int64_t stride = gpu::blocks() * gpu::threads_per_block;
    for (int64_t first = gpu::block() * gpu::threads_per_block; first < batch.n_points; first += stride) {
        const int64_t p = first + gpu::thread(), i = item * batch.n_points + p;
        const bool there = p < batch.n_points;
        LineGradient<V> share{V(0), {V(0), V(0), V(0)}, {V(0), V(0), V(0)}, V(0)};
        int32_t cell = 0, last_cell = 0;
        bool leaves = false, rising = false;
        if (there) {
            Way<V> way;
            Arrival<V, 1> arrival;
            arrive_on_line<true>(batch, line, item, p, way, arrival);
            BackFromEnd<V, 1> end;
            end.seed(batch, source, item, p, arrival);
            share = pull_back(way, end.lam[0]);
            poisoned = poisoned || arrival.nowhere;
            leaves = any(way.leaves), rising = any(way.rising);
            cell = int32_t(way.cell.v), last_cell = leaves ? int32_t(way.last_cell.v) : 0;
            if (gradient.grad_points)
                store_point_gradient(batch, gradient, i, 0, share.point.v, arrival.nowhere);
        }
        if (!gradient.tables) continue;
        table.add(there, cell, share.first, share.through.v, leaves && rising);
        table.add(leaves, last_cell, share.last, -share.through.v, !rising);
    }
    if (!gradient.tables) return;
    tables.add_up(lines);
    poisoned = gpu::any_in_block(poisoned);
    if (gpu::thread() == 0) gradient.poisoned[tables.block] = poisoned;
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
