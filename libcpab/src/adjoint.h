/*
 * The way back: gradients from the recorded segments of a trajectory.
 *
 * A segment maps its start x to x + sum_k w_k with w_1 = v(x) h and w_k = A w_(k-1) h / k. Since the
 * field is continuous, the crossing times contribute nothing to the derivative of the whole, and a
 * cotangent lam passes through one segment after the other. The cost does not depend on the number
 * of parameters: what is collected per cell is dL/dA and dL/db, D (D + 1) numbers.
 */
#ifndef CPAB_ADJOINT_H
#define CPAB_ADJOINT_H

#include "field.h"
#include "host_device.h"
#include "tessellation.h"
#include "walk.h"

namespace cpab {

/* dL/dA and dL/dv at the anchor of a cell. double: thousands of points add to one cell. */
template <int D>
struct CellGradient {
    double linear[D][D];
    double constant[D];
};

/* Takes lam, the cotangent of a segment's end, to that of its start, and adds to the cell's gradient. */
template <typename T, int D>
CPAB_HD inline void pull_back(const cpab_tessellation &tess, const Field<T, D> &field,
                              const Segment<T, D> &segment, T *lam, CellGradient<D> &gradient) {
    constexpr int order = Precision<T>::order;
    const T h = segment.duration;
    const CellField<T, D> &cell = field.cells()[segment.cell];
    const int32_t *nodes = &tess.cell_node[int64_t(segment.cell) * (D + 1)];
    const int64_t anchor = nodes[tess.anchor[segment.cell]];

    T x[D], w[order][D]; /* start, relative to the anchor; w[k] = w_k for k >= 1 */
    for (int d = 0; d < D; d++) {
        x[d] = 0;
        w[1][d] = 0;
        for (int k = 0; k <= D; k++) {
            const T from = is_ideal(tess, nodes[k]) ? T(0) : T(tess.node[anchor * D + d]);
            x[d] += segment.l[k] * (T(tess.node[int64_t(nodes[k]) * D + d]) - from);
            w[1][d] += segment.l[k] * field.velocity(nodes[k])[d] * h;
        }
    }
    for (int k = 2; k < order; k++)
        for (int i = 0; i < D; i++) {
            T sum = 0;
            for (int j = 0; j < D; j++) sum += cell.linear[i][j] * w[k - 1][j];
            w[k][i] = sum * (h / T(k));
        }

    T bar[D], outer[D][D] = {}; /* bar: cotangent of w_k; outer: its part of dL/dA */
    for (int d = 0; d < D; d++) bar[d] = lam[d];
    for (int k = order; k >= 1; k--) {
        T r[D];
        for (int d = 0; d < D; d++) r[d] = bar[d] * (h / T(k));
        const T *before = k > 1 ? w[k - 1] : x;
        for (int i = 0; i < D; i++)
            for (int j = 0; j < D; j++) outer[i][j] += r[i] * before[j];
        for (int j = 0; j < D; j++) {
            T sum = 0;
            for (int i = 0; i < D; i++) sum += cell.linear[i][j] * r[i];
            bar[j] = lam[j] + sum;
        }
        if (k == 1)
            for (int d = 0; d < D; d++) gradient.constant[d] += double(r[d]);
    }
    for (int i = 0; i < D; i++)
        for (int j = 0; j < D; j++) gradient.linear[i][j] += double(outer[i][j]);
    for (int d = 0; d < D; d++) lam[d] = bar[d];
}

/* Adds what was collected per cell to the vertices: velocity_k weighs l_k(x) = gradient_k . x + const.
   `vertex` is [n_nodes, D], zeroed by the caller; only its first n_vertices rows are the result. */
template <int D>
inline void cells_to_vertices(const cpab_tessellation &tess, const CellGradient<D> *cells, double *vertex) {
    for (int64_t c = 0; c < tess.n_cells; c++)
        for (int k = 0; k <= D; k++) {
            const double *gradient = &tess.gradient[(c * (D + 1) + k) * D];
            double *to = &vertex[int64_t(tess.cell_node[c * (D + 1) + k]) * D];
            for (int i = 0; i < D; i++) {
                double sum = k == tess.anchor[c] ? cells[c].constant[i] : 0;
                for (int j = 0; j < D; j++) sum += cells[c].linear[i][j] * gradient[j];
                to[i] += sum;
            }
        }
    for (int64_t q = 0; q < tess.n_nodes - tess.n_vertices; q++)
        for (int32_t e = tess.ideal_first[q]; e < tess.ideal_first[q + 1]; e++)
            for (int d = 0; d < D; d++)
                vertex[int64_t(tess.ideal_vertex[e]) * D + d] +=
                    tess.ideal_weight[e] * vertex[(tess.n_vertices + q) * D + d];
}

}  // namespace cpab

#endif
