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

#include "plane_series.h"
#include "walk.h"

namespace cpab {
namespace CPAB_ISA {

/* dL/dv at the nodes of a cell. */
template <typename N, int D>
struct NodeGradient {
    N velocity[D + 1][D];
};

/* The cotangents of what a step is made from: of w_1 = v h, and of A h. */
template <typename N, int D>
struct StepCotangents {
    N move[D], rate[D][D];
};

/* From lam, the cotangent of a step's end, term by term: of any dimension. */
template <typename N, int D>
CPAB_INLINE StepCotangents<N, D> step_cotangents(const N (&rate)[D][D], const N (&move)[D], const N *lam) {
    using V = LaneOf<N>;
    using T = ScalarOf<N>;
    constexpr int order = Precision<T>::order;
    N w[order][D]; /* w[k] = w_k for 1 <= k < order */
    for (int i = 0; i < D; i++) w[1][i] = move[i];
    for (int k = 2; k < order; k++)
        for (int i = 0; i < D; i++) {
            N sum = rate[i][0] * w[k - 1][0];
            for (int j = 1; j < D; j++) sum = sum + rate[i][j] * w[k - 1][j];
            w[k][i] = sum * V(T(1) / T(k));
        }

    StepCotangents<N, D> of;
    for (int i = 0; i < D; i++)
        for (int j = 0; j < D; j++) of.rate[i][j] = N(V(0));
    N bar[D], next[D]; /* bar: cotangent of w_k */
    for (int d = 0; d < D; d++) bar[d] = lam[d];
    for (int k = order; k > 1; k--) {
        for (int d = 0; d < D; d++) bar[d] = bar[d] * V(T(1) / T(k));
        for (int i = 0; i < D; i++)
            for (int j = 0; j < D; j++) of.rate[i][j] = of.rate[i][j] + bar[i] * w[k - 1][j];
        for (int j = 0; j < D; j++) {
            next[j] = lam[j];
            for (int i = 0; i < D; i++) next[j] = next[j] + rate[i][j] * bar[i];
        }
        for (int d = 0; d < D; d++) bar[d] = next[d];
    }
    for (int d = 0; d < D; d++) of.move[d] = bar[d];
    return of;
}

/* In the plane by two numbers p and q, see plane_series.h: a third of the work, and nothing to keep. */
template <typename N>
CPAB_INLINE StepCotangents<N, 2> step_cotangents(const N (&z)[2][2], const N (&move)[2], const N *lam) {
    using V = LaneOf<N>;
    const N s = z[0][0] + z[1][1], d = z[0][0] * z[1][1] - z[0][1] * z[1][0];
    const PlaneSeries<N> series(s, d);
    const N &q = series.q, p = N(V(1)) - d * series.r;
    N turned[2], back[2]; /* Z w_1, and lam Z */
    for (int i = 0; i < 2; i++) turned[i] = z[i][0] * move[0] + z[i][1] * move[1];
    for (int j = 0; j < 2; j++) back[j] = z[0][j] * lam[0] + z[1][j] * lam[1];
    const N of_p = lam[0] * move[0] + lam[1] * move[1], of_q = lam[0] * turned[0] + lam[1] * turned[1];
    const N of_s = of_q * series.q_by_s - of_p * (d * series.r_by_s);
    const N of_d = N(V(0)) - of_p * (series.r + d * series.r_by_d) - of_q * series.r_by_s;
    const N of_both = of_s + of_d * s; /* ds is the trace of dZ, and dd that of (s - Z) dZ */
    StepCotangents<N, 2> of;
    for (int i = 0; i < 2; i++) {
        of.move[i] = p * lam[i] + q * back[i];
        for (int j = 0; j < 2; j++) of.rate[i][j] = (q * lam[i]) * move[j] - of_d * z[j][i];
        of.rate[i][i] = of.rate[i][i] + of_both;
    }
    return of;
}

/* Takes lam, the cotangent of a segment's end, to that of its start, and returns what the segment adds to the
   gradient of its cell. */
template <typename N, int D>
CPAB_INLINE NodeGradient<N, D> pull_back(const Cell<N, D> &cell, const Segment<N, D> &segment, N *lam) {
    const N h = segment.duration;
    N rate[D][D], move[D];
    for (int i = 0; i < D; i++) {
        move[i] = cell.velocity_at(segment.from.l, i) * h;
        for (int j = 0; j < D; j++) rate[i][j] = cell.linear[i][j] * h;
    }
    const StepCotangents<N, D> of = step_cotangents(rate, move, lam);
    for (int j = 0; j < D; j++)
        for (int i = 0; i < D; i++) lam[j] = lam[j] + rate[i][j] * of.move[i];
    NodeGradient<N, D> gradient;
    for (int i = 0; i < D; i++) {
        N linear[D]; /* dL/dA, row i */
        for (int j = 0; j < D; j++) linear[j] = of.rate[i][j] * h;
        for (int k = 0; k <= D; k++)
            gradient.velocity[k][i] = (of.move[i] * h) * segment.from.l[k] + dot<D>(cell.gradient[k], linear);
    }
    return gradient;
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
