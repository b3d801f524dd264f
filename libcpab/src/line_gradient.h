/* The gradient of one velocity field in 1D, collected from the trajectories of line.h. */
#ifndef CPAB_LINE_GRADIENT_H
#define CPAB_LINE_GRADIENT_H

#include "line_field.h"

namespace cpab {
namespace CPAB_ISA {

/* T is the type of points; sums over cells are computed in D, lanes of doubles. */
template <typename T, typename D>
class LineGradientSum {
public:
    bool allocate(int64_t n) {
        return shares_.allocate((n + 2) * stride) && starts_.allocate(n + 2) &&
               through_.allocate(n + 2 + D::width) && sums_.allocate(n + 3);
    }

    void start() {
        shares_.zero();
        starts_.zero();
    }

    /* Adds what the first `count` lanes say. */
    template <typename V>
    void add(const Way<V> &way, const LineGradient<V> &gradient, int count) {
        add_share(way.cell, gradient.first);
        if (!any(way.leaves)) return;
        add_share(select(way.leaves, way.last_cell, way.cell), gradient.last);
        for (int r = 0; r < count; r++) {
            if (!way.leaves[r] || way.passed[r] == 0) continue;
            starts_[int64_t(way.face[r]) + 1] += double(gradient.through[r]);
            starts_[int64_t(way.knot[r]) + 1] -= double(gradient.through[r]);
        }
    }

    /* dL / d velocity [n + 1] of the knots, in units of the domain. */
    const double *finish(const LineField<T, D> &field) {
        const int64_t n = field.n();
        sums_.zero();
        add_crossed_cells(field);
        for (int64_t c = 0; c < n + 2; c++) {
            const T *share = &shares_[c * stride];
            sums_[c] += double(share[0]);
            sums_[c + 1] += double(share[1]);
            if (const int64_t owner = field.slope_owner(c)) {
                sums_[owner] -= double(share[2]);
                sums_[owner + 1] += double(share[2]);
            }
        }
        for (int64_t v = 0; v <= n; v++) sums_[v + 1] *= field.factor();
        return &sums_[1];
    }

private:
    static constexpr int stride = 4; /* of shares: low, high, slope */

    template <typename V>
    void add_share(const typename V::Index &cell, const LineShare<V> &share) {
        const V record[] = {share.low, share.high, share.slope};
        add_records<3>(shares_.data(), stride, cell, record);
    }

    void add_crossed_cells(const LineField<T, D> &field) {
        const int64_t n = field.n();
        double through = 0;
        for (int64_t c = 1; c <= n; c++) {
            /* No trajectory crosses a barrier: rounding must not leak into what lies behind it. */
            through = field.crossable(c) ? through + starts_[c] : 0;
            through_[c] = through;
        }
        for (int64_t c = 1; c <= n; c += D::width) {
            D from, to;
            field.speeds(c, from, to);
            const D crossed = D::load(&through_[c]);
            /* Where nothing crosses, speeds may be so small that 1 / from / to overflows. */
            from = select(crossed == D(0), D(1), from);
            to = select(crossed == D(0), D(1), to);
            const D moment = passage(D(1), from, to, to - from).moment;
            const D low = crossed * moment, high = crossed * (D(1) / from / to - moment);
            for (int r = 0; r < D::width && c + r <= n; r++) {
                sums_[c + r] += low[r];
                sums_[c + r + 1] += high[r];
            }
        }
    }

    Array<T> shares_;       /* [n + 2, stride] of the cells */
    Array<double> starts_;  /* [n + 2] of `through`, less where it ends: how it changes from cell to cell */
    Array<double> through_; /* [n + 2] */
    Array<double> sums_;    /* [n + 3] of knot k at k + 1, as in LineField */
};

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
