/* Fields are prepared: a thread for each cell and item fills its record, as Field does on the host. */
#ifndef CPAB_CUDA_PREPARE_H
#define CPAB_CUDA_PREPARE_H

#include "../field_record.h"
#include "batch.h"

namespace cpab {
namespace CPAB_ISA {

/* The velocities [n_vertices, D] of one field, as a thread reads them. */
template <typename T, int D>
struct NodeVelocities {
    const Batch<T, D> &batch;
    const T *velocity;

    CPAB_DEVICE double of_vertex(int32_t vertex, int d) const {
        return in_cells(velocity[int64_t(vertex) * D + d], batch.scale[d]);
    }

    CPAB_DEVICE T of_ideal(int32_t ideal, int d) const {
        const Tables<T> &t = batch.tables;
        const int32_t first = t.ideal_first[ideal], n = t.ideal_first[ideal + 1] - first;
        return ideal_velocity<T>(t.ideal_vertex + first, t.ideal_weight + first, n, Along{*this, d});
    }

private:
    struct Along {
        const NodeVelocities &nodes;
        int d;
        CPAB_HD T operator()(int32_t vertex) const {
            return T(in_cells(nodes.velocity[int64_t(vertex) * D + d], nodes.batch.scale[d]));
        }
    };
};

/* velocity [rows, n_vertices, D]. A block leaves the state of the cells that it has prepared. */
template <typename T, int D>
CPAB_KERNEL prepare(Batch<T, D> batch, const T *velocity, T *records, int32_t *states) {
    constexpr int slots = D + 1;
    const int64_t item = gpu::row();
    const NodeVelocities<T, D> nodes{batch, velocity + item * batch.n_vertices * D};
    bool finite = true, in_range = true;
    for (int64_t c = gpu::block() * gpu::threads_per_block + gpu::thread(); c < batch.n_cells;
         c += gpu::blocks() * gpu::threads_per_block) {
        T at[slots * D];
        int32_t own[slots];
        double fastest = 0;
        for (int k = 0; k < slots; k++) {
            own[k] = k;
            const int32_t node = batch.tables.cell_node[c * slots + k];
            for (int d = 0; d < D; d++) {
                if (node >= batch.n_vertices) {
                    at[k * D + d] = nodes.of_ideal(node - batch.n_vertices, d);
                    continue;
                }
                const double scaled = nodes.of_vertex(node, d), speed = std::fabs(scaled);
                fastest = speed > fastest ? speed : fastest;
                finite = finite && nodes.velocity[int64_t(node) * D + d] * T(0) == T(0);
                at[k * D + d] = T(scaled);
            }
        }
        const T *rows = batch.tables.rows + c * RecordLayout<D>::rows;
        T *record = records + (item * batch.n_cells + c) * RecordLayout<D>::flow;
        set_gradients<D>(rows, record);
        const T rate = set_velocities<D>(at, own, rows, record);
        for (int i = RecordLayout<D>::flow_used; i < RecordLayout<D>::flow; i++) record[i] = 0;
        in_range = in_range && fastest <= CPAB_MAX_SPEED && double(rate) <= CPAB_MAX_RATE;
    }
    finite = !gpu::any_in_block(!finite);
    in_range = !gpu::any_in_block(!in_range);
    if (gpu::thread() == 0)
        states[item * gpu::blocks() + gpu::block()] =
            (finite ? 0 : not_finite) | (in_range ? 0 : out_of_range);
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
