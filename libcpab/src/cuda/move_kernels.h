/* The kernels that go forward: a thread for each point of an item. */
#ifndef CPAB_CUDA_MOVE_KERNELS_H
#define CPAB_CUDA_MOVE_KERNELS_H

#include "arrive.h"

namespace cpab {
namespace CPAB_ISA {

/* The number of a thread's point; negative if there is none. */
template <typename T, int D>
CPAB_DEVICE int64_t own_point(const Batch<T, D> &batch) {
    const int64_t n = gpu::block() * gpu::threads_per_block + gpu::thread();
    return n < batch.n_points ? point_of(batch, n) : -1;
}

/* Where points end: out [rows, n_points, D], which may be where they come from. */
template <typename T, int D>
CPAB_KERNEL move(Batch<T, D> batch, T *out) {
    using V = Lanes<T, 1>;
    const int64_t item = gpu::row(), p = own_point(batch);
    report_range(batch, item);
    if (p < 0 || on_line(batch, item)) return;
    Arrival<V, D> arrival;
    KeepNothing nothing;
    arrive(batch, flow_of<V, D>(batch, item), item, p, nothing, arrival);
    for (int d = 0; d < D; d++) out[(item * batch.n_points + p) * D + d] = arrival.end[d].v;
}

/* The derivative of that along tangents: out_tangent [rows, n_points, D]. */
template <typename T, int D>
CPAB_KERNEL move_tangent(Batch<T, D> batch, T *out_tangent) {
    using N = Dual<Lanes<T, 1>>;
    const int64_t item = gpu::row(), p = own_point(batch);
    report_range(batch, item);
    if (p < 0) return;
    Arrival<N, D> arrival;
    KeepNothing nothing;
    arrive(batch, flow_of<N, D>(batch, item), item, p, nothing, arrival);
    const T nan = not_a_number<T>();
    for (int d = 0; d < D; d++)
        out_tangent[(item * batch.n_points + p) * D + d] = arrival.nowhere ? nan : arrival.end[d].b.v;
}

/* The velocity at points: out [rows, n_points, D]. */
template <typename T, int D>
CPAB_KERNEL velocities(Batch<T, D> batch, T *out) {
    using V = Lanes<T, 1>;
    const int64_t item = gpu::row(), p = own_point(batch);
    report_range(batch, item);
    if (p < 0) return;
    const T nan = not_a_number<T>();
    Arrival<V, D> arrival;
    arrival.load(batch, item, p);
    V v[D];
    for (int d = 0; d < D; d++) v[d] = V(nan);
    if (can_walk(batch, item) && !any(arrival.start.not_finite)) {
        const Flow<V, D> flow = flow_of<V, D>(batch, item);
        const Walker<V, D> walker = arrival.set_out(batch, flow);
        const Cell<V, D> cell = flow.cell(walker.at.cell);
        for (int d = 0; d < D; d++) v[d] = cell.velocity_at(walker.at.l, d) * V(batch.domain.size[d]);
    }
    for (int d = 0; d < D; d++) out[(item * batch.n_points + p) * D + d] = v[d].v;
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
