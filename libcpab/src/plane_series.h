/*
 * The step of a segment in the plane, taken back without its Taylor series: the series of a 2 x 2 matrix Z is
 * p + q Z, with two numbers p and q.
 *
 * A step moves by phi(Z) v h, where Z = A h and phi(Z) = sum_j Z^j / (j + 1)!. By Cayley and Hamilton,
 * Z^2 = s Z - d with the trace s and the determinant d, so that all powers are combinations of Z and 1:
 *     Z^n = a_n Z - d a_(n-1),   a_0 = 0,  a_1 = 1,  a_(n+1) = s a_n - d a_(n-1).
 * Hence
 *     q = sum_n a_n / (n + 1)!,   p = 1 - d r,   r = sum_n a_n / (n + 2)!.
 * With c_n, the derivative of a_n by s, that of a_(n+1) by d is -c_n, and
 *     dq/ds = sum_n c_n / (n + 1)!,   dr/ds = -dq/dd = sum_n c_n / (n + 2)!,   dr/dd = -sum_n c_n / (n + 3)!.
 * The sums end where the series of series.h does, with Z^(order - 1): they are that series, to the rounding.
 */
#ifndef CPAB_PLANE_SERIES_H
#define CPAB_PLANE_SERIES_H

#include "dual.h"
#include "lane.h"
#include "precision.h"

namespace cpab {
namespace CPAB_ISA {

/* q and r of a matrix with this trace and determinant, and their derivatives. */
template <typename N>
struct PlaneSeries {
    using V = LaneOf<N>;
    using T = ScalarOf<N>;
    N q, r, q_by_s, r_by_s, r_by_d; /* q_by_d is -r_by_s */

    CPAB_INLINE PlaneSeries(const N &s, const N &d) : q(V(T(0.5))), r(V(T(1. / 6))) {
        constexpr int last = Precision<T>::order - 1; /* power of Z */
        q_by_s = r_by_s = r_by_d = N(V(0));
        N a(V(1)), a_before(V(0)), c(V(0)), c_before(V(0));
        double factorial = 2; /* (n + 1)! */
        CPAB_UNROLL
        for (int n = 2; n <= last; n++) {
            const N a_next = s * a - d * a_before, c_next = s * c - d * c_before + a;
            a_before = a, a = a_next, c_before = c, c = c_next;
            factorial *= n + 1;
            q = q + a * V(T(1 / factorial));
            q_by_s = q_by_s + c * V(T(1 / factorial));
            if (n < last) r = r + a * V(T(1 / (factorial * (n + 2))));
            if (n < last) r_by_s = r_by_s + c * V(T(1 / (factorial * (n + 2))));
            if (n < last - 1) r_by_d = r_by_d - c * V(T(1 / (factorial * (n + 2) * (n + 3))));
        }
    }
};

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
