/*
 * The Taylor series of one step: of the displacement, and of a barycentric coordinate over the step.
 *
 * Time is measured in steps, s = 0 at the start and s = 1 at the end.
 */
#ifndef CPAB_SERIES_H
#define CPAB_SERIES_H

#include "dual.h"
#include "lane.h"
#include "precision.h"

namespace cpab {
namespace CPAB_ISA {

/* a . b, of a vector of the tessellation and any other. */
template <int D, typename V, typename N>
CPAB_INLINE N dot(const V *a, const N *b) {
    N sum = b[0] * a[0];
    for (int d = 1; d < D; d++) sum = sum + b[d] * a[d];
    return sum;
}

/* sum_i c[i] s^i for i < n, in pairs of pairs: Horner's chain would wait for every term. */
template <int n, typename C, typename V>
CPAB_INLINE C polynomial(const C *c, V s) {
    if constexpr (n == 1) {
        return c[0];
    } else {
        C pairs[(n + 1) / 2];
        for (int i = 0; i < n / 2; i++) pairs[i] = c[2 * i + 1] * s + c[2 * i];
        if constexpr (n % 2 == 1) pairs[n / 2] = c[n - 1];
        return polynomial<(n + 1) / 2>(pairs, s * s);
    }
}

/* The displacement over one step of time h: x(s h) - x(0) = sum_i w[d][i] s^(i + 1) for s in [0, 1]. */
template <typename N, int D>
struct Motion {
    using V = LaneOf<N>;
    static constexpr int order = Precision<ScalarOf<N>>::order;
    N w[D][order];

    CPAB_INLINE N whole(int d) const {
        N sum[order];
        for (int i = 0; i < order; i++) sum[i] = w[d][i];
        for (int n = order; n > 1; n = (n + 1) / 2)
            for (int i = 0; i < n / 2; i++) sum[i] = sum[i] + sum[n - 1 - i];
        return sum[0];
    }
    CPAB_INLINE N at(V s, int d) const { return polynomial<order>(w[d], s) * s; }
    CPAB_INLINE V slope(V s, int d) const {
        V c[order];
        for (int i = 0; i < order; i++) c[i] = value_of(w[d][i]) * V(i + 1);
        return polynomial<order>(c, s);
    }
};

/* x' = A x + v: w_i = (A h)^i v h / (i + 1)!, two powers of A h at a time, and with the factorials kept out
   of the chain. */
template <typename N, int D>
CPAB_INLINE Motion<N, D> expand(const N linear[D][D], const N *v, const N &h) {
    using T = ScalarOf<N>;
    constexpr int order = Motion<N, D>::order;
    Motion<N, D> motion;
    N rate[D][D], square[D][D], derivative[order][D];
    for (int i = 0; i < D; i++)
        for (int j = 0; j < D; j++) rate[i][j] = linear[i][j] * h;
    for (int i = 0; i < D; i++)
        for (int j = 0; j < D; j++) {
            square[i][j] = rate[i][0] * rate[0][j];
            for (int k = 1; k < D; k++) square[i][j] = square[i][j] + rate[i][k] * rate[k][j];
        }
    for (int d = 0; d < D; d++) derivative[0][d] = v[d] * h;
    double factorial = 1;
    for (int k = 0; k < order; k++) {
        factorial *= k + 1;
        for (int i = 0; i < D; i++) {
            if (k > 0) {
                const N *row = k == 1 ? rate[i] : square[i], *from = derivative[k == 1 ? 0 : k - 2];
                derivative[k][i] = row[0] * from[0];
                for (int j = 1; j < D; j++) derivative[k][i] = derivative[k][i] + row[j] * from[j];
            }
            motion.w[i][k] = derivative[k][i] * LaneOf<N>(T(1 / factorial));
        }
    }
    return motion;
}

/* One barycentric coordinate over a step: l_k(s h) = sum_i c[i] s^i for s in [0, 1]. */
template <typename V>
struct Series {
    static constexpr int order = Precision<typename V::Scalar>::order;
    V c[order + 1];

    CPAB_INLINE V value(V s) const { return polynomial<order + 1>(c, s); }
    CPAB_INLINE V slope(V s) const {
        V d[order];
        for (int i = 0; i < order; i++) d[i] = c[i + 1] * V(i + 1);
        return polynomial<order>(d, s);
    }
    CPAB_INLINE V curvature(V s) const {
        V d[order - 1];
        for (int i = 0; i < order - 1; i++) d[i] = c[i + 2] * V((i + 1) * (i + 2));
        return polynomial<order - 1>(d, s);
    }
};

/* The series of the coordinate which is l0 at first, and has this gradient. */
template <typename N, int D>
CPAB_INLINE Series<LaneOf<N>> series_of(const LaneOf<N> &l0, const LaneOf<N> *gradient,
                                        const Motion<N, D> &motion) {
    Series<LaneOf<N>> l;
    l.c[0] = l0;
    for (int i = 0; i < Motion<N, D>::order; i++) {
        l.c[i + 1] = gradient[0] * value_of(motion.w[0][i]);
        for (int d = 1; d < D; d++) l.c[i + 1] = l.c[i + 1] + gradient[d] * value_of(motion.w[d][i]);
    }
    return l;
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
