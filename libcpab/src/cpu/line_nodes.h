/* Interpolation on [-1, 1] at Chebyshev's nodes, by polynomials of powers. */
#ifndef CPAB_CPU_LINE_NODES_H
#define CPAB_CPU_LINE_NODES_H

#include <cmath>

#include "../lane.h"

namespace cpab {
namespace CPAB_ISA {

class LineNodes {
public:
    static constexpr int count = 6;
    double node[count], between[count]; /* and places where an interpolation is off, as far as at
                                           any near the ends */

    LineNodes() {
        const double turn = std::acos(-1.0) / (2 * count);
        for (int q = 0; q < count; q++) node[q] = std::cos((2 * q + 1) * turn);
        for (int q = 0; q < count; q++)
            between[q] = std::cos((0.2 + q * (2 * count - 0.4) / (count - 1)) * turn);
        for (int q = 0; q < count; q++) set_cardinal(q);
    }

    /* Coefficients, [count], of the polynomial with these values at the nodes. */
    void interpolate(const double *values, double *coefficients) const {
        for (int k = 0; k < count; k++) {
            coefficients[k] = 0;
            for (int q = 0; q < count; q++) coefficients[k] += cardinal_[q][k] * values[q];
        }
    }

    /* The transpose of that, from sum_i g_i s_i^k to cotangents of the nodes: for all of these polynomials
       sum_i g_i p(s_i) = sum_q cotangents[q] p(node[q]). */
    void share_out(const double *moments, double *cotangents) const {
        for (int q = 0; q < count; q++) {
            cotangents[q] = 0;
            for (int k = 0; k < count; k++) cotangents[q] += cardinal_[q][k] * moments[k];
        }
    }

    /* sigma^k for sigma = scale * s + shift, by powers of s. */
    struct Powers {
        double of[count][count];
        Powers(double scale, double shift) {
            for (int k = 0; k < count; k++)
                for (int j = 0; j < count; j++) {
                    const double *before = of[k > 0 ? k - 1 : 0];
                    of[k][j] = k == 0 ? j == 0 : shift * before[j] + (j > 0 ? scale * before[j - 1] : 0);
                }
        }
    };

    static double value(const double *coefficients, double s) {
        double sum = 0;
        for (int k = count - 1; k >= 0; k--) sum = sum * s + coefficients[k];
        return sum;
    }

private:
    /* The polynomial that is 1 at a node and 0 at the others, as the product of its factors. */
    void set_cardinal(int q) {
        double *c = cardinal_[q];
        c[0] = 1;
        for (int degree = 0, other = 0; other < count; other++) {
            if (other == q) continue;
            const double inverse = 1 / (node[q] - node[other]);
            degree++;
            c[degree] = 0;
            for (int k = degree; k > 0; k--) c[k] = (c[k - 1] - node[other] * c[k]) * inverse;
            c[0] *= -node[other] * inverse;
        }
    }

    double cardinal_[count][count];
};

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
