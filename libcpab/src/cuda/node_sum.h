/*
 * The gradient of fields, added up in an order that depends on sizes alone: no sum is atomic, and results
 * repeat bit for bit.
 *
 * A warp has a table with a number for each node and axis. The lanes whose segments lie in one cell add up
 * what these say of its nodes, and the warp adds that to its table, cell after cell. A block adds up its
 * warps' tables if they fit its shared memory; else the tables are in scratch from the beginning. At last a
 * thread for each vertex and axis adds up all tables of its item, with the shares that the vertex has in
 * ideal nodes.
 */
#ifndef CPAB_CUDA_NODE_SUM_H
#define CPAB_CUDA_NODE_SUM_H

#include "batch.h"

namespace cpab {
namespace CPAB_ISA {

/* Adds up n numbers of each lane over the warp, n a power of 2. A lane is given one of the sums: lane i that
   of numbers[i * n / warp_size]. Each exchange halves how many numbers a lane still has to do with. */
template <int n, typename T>
CPAB_DEVICE T sum_over_warp(T (&numbers)[n]) {
    int bit = gpu::warp_size / 2;
    CPAB_UNROLL
    for (int half = n / 2; half > 0; half /= 2) {
        const bool upper = (gpu::lane() & bit) != 0;
        CPAB_UNROLL
        for (int i = 0; i < half; i++) {
            const T kept = upper ? numbers[i + half] : numbers[i];
            const T given = upper ? numbers[i] : numbers[i + half];
            numbers[i] = kept + gpu::from_partner(given, bit);
        }
        bit /= 2;
    }
    T sum = numbers[0];
    CPAB_UNROLL
    for (; bit > 0; bit /= 2) sum += gpu::from_partner(sum, bit);
    return sum;
}

CPAB_HD constexpr int next_power_of_two(int n) {
    int power = 1;
    while (power < n) power *= 2;
    return power;
}

/* The table of a warp. */
template <typename T, int D>
class NodeTable {
    static constexpr int used = (D + 1) * D, n = next_power_of_two(used),
                         lanes_per_number = gpu::warp_size / n;

public:
    /* For all lanes, like add(). `numbers`: [n_nodes, D], of the warp alone. */
    CPAB_DEVICE NodeTable(const int32_t *cell_node, T *numbers, int64_t size)
        : cell_node_(cell_node), numbers_(numbers) {
        for (int64_t i = gpu::lane(); i < size; i += gpu::warp_size) numbers_[i] = T(0);
        gpu::sync_warp();
    }

    /* Adds the gradients [D + 1, D] of lanes that take part, each with a cell of its own. */
    CPAB_DEVICE void add(bool takes_part, int32_t cell, const T *gradient) {
        const int which = gpu::lane() / lanes_per_number;
        uint32_t waiting = gpu::ballot(takes_part);
        while (waiting) {
            const int32_t chosen = gpu::from_lane(cell, gpu::first_of(waiting));
            const bool now = takes_part && cell == chosen;
            T share[n];
            CPAB_UNROLL
            for (int i = 0; i < n; i++) share[i] = i < used && now ? gradient[i < used ? i : 0] : T(0);
            const T sum = sum_over_warp(share);
            if (gpu::lane() % lanes_per_number == 0 && which < used) {
                const int32_t node = cell_node_[int64_t(chosen) * (D + 1) + which / D];
                numbers_[int64_t(node) * D + which % D] += sum;
            }
            gpu::sync_warp(); /* the next cell may have the same nodes in other lanes */
            waiting &= ~gpu::ballot(now);
        }
    }

private:
    const int32_t *cell_node_;
    T *numbers_;
};

/* The sum of the tables that a block's warps have in shared memory, to `sum`. For all threads. */
template <typename T>
CPAB_DEVICE void add_up_block(const T *tables, int64_t size, T *sum) {
    gpu::sync_block();
    for (int64_t i = gpu::thread(); i < size; i += gpu::threads_per_block) {
        T total = tables[i];
        for (int warp = 1; warp < gpu::warps_per_block; warp++) total += tables[warp * size + i];
        sum[i] = total;
    }
}

/* From the tables of items to gradients [rows, n_vertices, D] of velocities, in units of the domain. */
template <typename T, int D>
struct NodeSum {
    const T *tables; /* [rows, n_tables, n_nodes, D] */
    int64_t n_tables;
    const int32_t *poisoned; /* [rows, n_poisoned]: whether some block's points have no gradient */
    int64_t n_poisoned;
    bool accumulates; /* on what is there */
    T *grad_velocity;
};

template <typename T, int D>
CPAB_KERNEL finish(Batch<T, D> batch, NodeSum<T, D> sum) {
    const int64_t i = gpu::block() * gpu::threads_per_block + gpu::thread(), item = gpu::row();
    if (i >= int64_t(batch.n_vertices) * D || on_line(batch, item)) return;
    const int64_t size = int64_t(batch.n_nodes) * D, vertex = i / D, d = i % D;
    const T *tables = sum.tables + item * sum.n_tables * size;
    const auto of_node = [&](int64_t node) {
        double total = 0;
        for (int64_t t = 0; t < sum.n_tables; t++) total += double(tables[t * size + node * D + d]);
        return total;
    };
    double total = of_node(vertex);
    for (int32_t e = batch.tables.share_first[vertex]; e < batch.tables.share_first[vertex + 1]; e++)
        total += batch.tables.share_weight[e] * of_node(batch.n_vertices + batch.tables.share_node[e]);
    bool poisoned = false;
    for (int64_t b = 0; b < sum.n_poisoned; b++)
        poisoned = poisoned || sum.poisoned[item * sum.n_poisoned + b] != 0;
    const T nan = not_a_number<T>();
    const T gradient = poisoned ? nan : T(total * batch.scale[d]);
    T *to = sum.grad_velocity + item * batch.n_vertices * D + i;
    *to = sum.accumulates ? *to + gradient : gradient;
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
