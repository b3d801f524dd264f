/* The kernels that go back along trajectories. A block has the points of one item, so many at a time as it
   has threads. */
#ifndef CPAB_CUDA_BACK_KERNELS_H
#define CPAB_CUDA_BACK_KERNELS_H

#include "../adjoint.h"
#include "../divergence.h"
#include "node_sum.h"
#include "trail.h"

namespace cpab {
namespace CPAB_ISA {

/* What a backward pass is given for component d of point i, at [i * point_stride + d * axis_stride]; for log
   det, at [i * point_stride]. */
template <typename T>
struct Cotangents {
    const T *numbers;
    int64_t point_stride, axis_stride;
};

/* Where its results go. */
template <typename T>
struct Gradient {
    T *grad_points = nullptr;    /* [rows, n_points, D], or NULL */
    bool accumulates = false;    /* on what is there */
    T *tables = nullptr;         /* see node_sum.h; or NULL: no gradient of the field */
    bool in_shared = false;      /* whether the warps' tables are, and `tables` has sums by block */
    int32_t *poisoned = nullptr; /* [rows, blocks] */
    TrailRoom<T> room{};
};

/* The part of a number that gradients are made of: of a dual number the tangent. */
template <typename T>
CPAB_DEVICE T last_part(const Lanes<T, 1> &number) {
    return number.v;
}
template <typename T>
CPAB_DEVICE T last_part(const Dual<Lanes<T, 1>> &number) {
    return number.b.v;
}

/* How the cotangent of where points end goes back. */
template <typename N, int D>
struct BackFromEnd {
    using Numbers = N;
    using T = ScalarOf<N>;
    using Source = Cotangents<T>;
    N lam[D];

    CPAB_DEVICE void seed(const Batch<T, D> &batch, const Source &source, int64_t item, int64_t p,
                          const Arrival<N, D> &arrival) {
        const T *from = source.numbers + (item * batch.n_points + p) * source.point_stride;
        for (int d = 0; d < D; d++) seed_along(batch, d, from[d * source.axis_stride], arrival.nowhere);
    }

    CPAB_DEVICE void seed_along(const Batch<T, D> &batch, int d, T grad, bool left_out) {
        using Bits = typename LaneOf<N>::Bits;
        lam[d] = N(end_cotangent(batch.domain, LaneOf<N>(grad), Bits{left_out}, d));
    }

    CPAB_DEVICE void back(const Flow<N, D> &flow, const Segment<N, D> &segment, T *of_nodes) {
        const Cell<N, D> cell = flow.cell(segment.from.cell);
        const NodeGradient<N, D> nodes = pull_back<N, D>(cell, segment, lam);
        for (int k = 0; k <= D; k++)
            for (int d = 0; d < D; d++) of_nodes[k * D + d] = last_part(nodes.velocity[k][d]);
    }
};

/* How the cotangent of log det goes back, see divergence.h. */
template <typename V, int D>
struct BackFromLogDet {
    using Numbers = V;
    using T = typename V::Scalar;
    using Source = Cotangents<T>;
    V lam[D];
    Divergence<V, D> ahead;

    CPAB_DEVICE void seed(const Batch<T, D> &batch, const Source &source, int64_t item, int64_t p,
                          const Arrival<V, D> &arrival) {
        const int64_t i = (item * batch.n_points + p) * source.point_stride;
        for (V &value : ahead.values) value = V(0);
        ahead.cotangent() = arrival.nowhere ? V(0) : V(source.numbers[i]);
        ahead.cell() = from_bits(typename V::Index(-1));
        for (int d = 0; d < D; d++) lam[d] = V(0);
    }

    CPAB_DEVICE void back(const Flow<V, D> &flow, const Segment<V, D> &segment, T *of_nodes) {
        const Cell<V, D> cell = flow.cell(segment.from.cell);
        cross_back(flow, cell, segment, ahead, lam);
        const NodeGradient<V, D> nodes = pull_back<V, D>(cell, segment, lam);
        const V share = ahead.cotangent() * segment.duration;
        for (int k = 0; k <= D; k++)
            for (int d = 0; d < D; d++)
                of_nodes[k * D + d] = (nodes.velocity[k][d] + share * cell.gradient[k][d]).v;
    }
};

template <typename T, int D>
CPAB_DEVICE void store_point_gradient(const Batch<T, D> &batch, const Gradient<T> &gradient, int64_t i, int d,
                                      T lam, bool nowhere) {
    const T nan = not_a_number<T>();
    const T value = nowhere ? nan : point_cotangent(batch.domain, Lanes<T, 1>(lam), d).v;
    T *to = gradient.grad_points + i * D + d;
    *to = gradient.accumulates ? *to + value : value;
}

/* Gradients of one item's points and field. Back: BackFromEnd, BackFromLogDet or, of warp_kernels.h,
   BackFromImage. */
template <typename Back, typename T, int D>
CPAB_KERNEL pull_back_all(Batch<T, D> batch, typename Back::Source source, Gradient<T> gradient) {
    using N = typename Back::Numbers;
    const int64_t item = gpu::row(), size = int64_t(batch.n_nodes) * D;
    report_range(batch, item);
    if (on_line(batch, item)) return;
    T *const in_shared = gpu::shared<T>();
    const int64_t block = item * gpu::blocks() + gpu::block();
    T *own = nullptr;
    if (gradient.tables)
        own = gradient.in_shared ? in_shared + gpu::warp() * size
                                 : gradient.tables + (block * gpu::warps_per_block + gpu::warp()) * size;
    NodeTable<T, D> table(batch.tables.cell_node, own, own ? size : 0);
    const Flow<N, D> flow = flow_of<N, D>(batch, item);
    bool poisoned = false;
    const int64_t stride = gpu::blocks() * gpu::threads_per_block;
    for (int64_t first = gpu::block() * gpu::threads_per_block; first < batch.n_points; first += stride) {
        const bool there = first + gpu::thread() < batch.n_points;
        const int64_t p = there ? point_of(batch, first + gpu::thread()) : -1;
        const int64_t i = item * batch.n_points + p;
        Trail<N, D> trail(gradient.room);
        Arrival<N, D> arrival;
        Back back;
        if (there) {
            arrive(batch, flow, item, p, trail, arrival);
            if (arrival.nowhere) trail.forget();
            back.seed(batch, source, item, p, arrival);
            poisoned = poisoned || arrival.nowhere;
        }
        while (gpu::ballot(there && trail.left() > 0)) {
            T of_nodes[(D + 1) * D] = {};
            int32_t cell = -1;
            const bool walks = there && trail.left() > 0;
            if (walks) {
                const Segment<N, D> segment = trail.back(batch, flow, arrival);
                cell = int32_t(segment.from.cell.v);
                back.back(flow, segment, of_nodes);
            }
            if (own) table.add(walks, cell, of_nodes);
        }
        if (there && gradient.grad_points)
            for (int d = 0; d < D; d++)
                store_point_gradient(batch, gradient, i, d, last_part(back.lam[d]), arrival.nowhere);
    }
    if (!own) return;
    if (gradient.in_shared) add_up_block(in_shared, size, gradient.tables + block * size);
    poisoned = gpu::any_in_block(poisoned);
    if (gpu::thread() == 0) gradient.poisoned[block] = poisoned;
}

/* Results of jacobian_all(): jacobian [rows, n_points, D, D] and log_det [rows, n_points]; each may be NULL.
 */
template <typename T>
struct JacobianOut {
    T *jacobian, *log_det;
    T units[3][3]; /* by row and column: from cells to units of the domain */
    TrailRoom<T> room;
};

/* Leaves a trail, and adds up the divergence along it. */
template <typename V, int D>
struct DivergenceTrail {
    const Flow<V, D> &flow;
    Trail<V, D> &trail;
    bool keeps;
    V sum;

    CPAB_DEVICE void operator()(int64_t number, const Segment<V, D> &segment) {
        sum = sum + trace<V, D>(flow.cell(segment.from.cell)) * segment.duration;
        if (keeps) trail(number, segment);
    }
};

/* Row i of a Jacobian is what the backward pass makes of axis i, as a cotangent: all rows go back together.
 */
template <typename T, int D>
CPAB_KERNEL jacobian_all(Batch<T, D> batch, JacobianOut<T> out) {
    using V = Lanes<T, 1>;
    const int64_t item = gpu::row();
    report_range(batch, item);
    const Flow<V, D> flow = flow_of<V, D>(batch, item);
    const int64_t stride = gpu::blocks() * gpu::threads_per_block;
    const T nan = not_a_number<T>();
    for (int64_t p = gpu::block() * gpu::threads_per_block + gpu::thread(); p < batch.n_points; p += stride) {
        Trail<V, D> trail(out.room);
        DivergenceTrail<V, D> keep{flow, trail, out.jacobian != nullptr, V(0)};
        Arrival<V, D> arrival;
        arrive(batch, flow, item, p, keep, arrival);
        const int64_t i = item * batch.n_points + p;
        if (out.log_det) out.log_det[i] = arrival.nowhere ? nan : keep.sum.v;
        if (!out.jacobian) continue;
        if (arrival.nowhere) trail.forget();
        V row[D][D];
        for (int a = 0; a < D; a++)
            for (int d = 0; d < D; d++) row[a][d] = V(T(a == d));
        while (trail.left() > 0) {
            const Segment<V, D> segment = trail.back(batch, flow, arrival);
            const Cell<V, D> cell = flow.cell(segment.from.cell);
            for (int a = 0; a < D; a++) pull_back<V, D>(cell, segment, row[a]);
        }
        for (int a = 0; a < D; a++)
            for (int d = 0; d < D; d++)
                out.jacobian[(i * D + a) * D + d] = arrival.nowhere ? nan : row[a][d].v * out.units[a][d];
    }
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
