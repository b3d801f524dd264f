/*
 * The backward pass: gradients from the recorded segments of a trajectory.
 *
 * A segment maps its start x to x + sum_k w_k with w_1 = v(x) h and w_k = A w_(k-1) h / k. Since the
 * field is continuous, the crossing times contribute nothing to the derivative of the whole, and a
 * cotangent lam passes through one segment after the other. The cost does not depend on the number
 * of parameters: what is collected per cell is dL/dv at its nodes, which v(x) = sum_k l_k v_k and
 * A = sum_k v_k (outer) gradient_k depend on.
 */
#ifndef CPAB_ADJOINT_H
#define CPAB_ADJOINT_H

#include "walk.h"

namespace cpab {
namespace CPAB_ISA {

/* dL/dv at the nodes of a cell. */
template <typename N, int D>
struct NodeGradient {
    N velocity[D + 1][D];
};

/* Takes lam, the cotangent of a segment's end, to that of its start, and returns what the segment adds to the
   gradient of its cell. */
template <typename N, int D>
CPAB_INLINE NodeGradient<N, D> pull_back(const Cell<N, D> &cell, const Segment<N, D> &segment, N *lam) {
    using V = LaneOf<N>;
    using T = ScalarOf<N>;
    constexpr int order = Precision<T>::order;
    const N h = segment.duration;
    N rate[D][D]; /* A h */
    for (int i = 0; i < D; i++)
        for (int j = 0; j < D; j++) rate[i][j] = cell.linear[i][j] * h;

    N w[order][D]; /* w[k] = w_k for 1 <= k < order */
    for (int i = 0; i < D; i++) w[1][i] = cell.velocity_at(segment.from.l, i) * h;
    for (int k = 2; k < order; k++)
        for (int i = 0; i < D; i++) {
            N sum = rate[i][0] * w[k - 1][0];
            for (int j = 1; j < D; j++) sum = sum + rate[i][j] * w[k - 1][j];
            w[k][i] = sum * V(T(1) / T(k));
        }

    N linear[D][D]; /* dL/dA */
    for (int i = 0; i < D; i++)
        for (int j = 0; j < D; j++) linear[i][j] = N(V(0));
    N bar[D], next[D]; /* bar: cotangent of w_k */
    for (int d = 0; d < D; d++) bar[d] = lam[d];
    for (int k = order; k > 1; k--) {
        for (int d = 0; d < D; d++) bar[d] = bar[d] * V(T(1) / T(k));
        for (int i = 0; i < D; i++)
            for (int j = 0; j < D; j++) linear[i][j] = linear[i][j] + bar[i] * w[k - 1][j];
        for (int j = 0; j < D; j++) {
            next[j] = lam[j];
            for (int i = 0; i < D; i++) next[j] = next[j] + rate[i][j] * bar[i];
        }
        for (int d = 0; d < D; d++) bar[d] = next[d];
    }
    for (int i = 0; i < D; i++)
        for (int j = 0; j < D; j++) linear[i][j] = linear[i][j] * h;
    for (int j = 0; j < D; j++)
        for (int i = 0; i < D; i++) lam[j] = lam[j] + rate[i][j] * bar[i];
    for (int d = 0; d < D; d++) bar[d] = bar[d] * h;
    NodeGradient<N, D> gradient;
    for (int k = 0; k <= D; k++)
        for (int i = 0; i < D; i++)
            gradient.velocity[k][i] = bar[i] * segment.from.l[k] + dot<D>(cell.gradient[k], linear[i]);
    return gradient;
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
