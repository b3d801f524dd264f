/* The gradient of one velocity field in 1D, collected from the trajectories of line.h. */
#ifndef CPAB_LINE_GRADIENT_H
#define CPAB_LINE_GRADIENT_H

#include "line_field.h"

namespace cpab {
namespace CPAB_ISA {

/* V: lanes of points; sums over cells are computed in D, lanes of doubles. */
template <typename V, typename D>
class LineGradientSum {
    using T = typename V::Scalar;
    using Index = typename V::Index;
    using Integer = typename Index::Integer;
    using Bits = typename V::Bits;

public:
    bool allocate(int64_t n) {
        return shares_.allocate((n + 2) * stride) && starts_.allocate(n + 2) &&
               through_.allocate(n + 2 + D::width) && sums_.allocate(n + 3 + D::width);
    }

    void start() {
        shares_.zero();
        starts_.zero();
        begin(Run());
    }

    /* Adds what a vector of trajectories says. Those of points side by side mostly have the same cells: such
       a run is summed up in lanes first. */
    void add(const Way<V> &way, const LineGradient<V> &gradient) {
        const LineShare<V> &first = gradient.first, &last = gradient.last;
        const V columns[] = {first.low, first.high, first.slope, gradient.through,
                             last.low,  last.high,  last.slope};
        Bits left = ~Bits::none();
        for (int begun = 0;; begun++) {
            const Bits same = left & in_run(way);
            for (int c = 0; c < n_columns; c++)
                (V::load(run_sums_[c]) + select(same, columns[c], V(0))).store(run_sums_[c]);
            left = left & ~same;
            if (!any(left)) return;
            if (begun == most_begun) break;
            end_run();
            begin(run_of(way, first_of(left)));
        }
        for (int r = 0; r < V::width; r++)
            if (left[r]) add_alone(run_of(way, r), columns, r);
    }

    /* dL / d velocity [n + 1] of the knots, in units of the domain. */
    const double *finish(const LineField<T, D> &field) {
        const int64_t n = field.n();
        end_run();
        sums_.zero();
        add_crossed_cells(field);
        add_shares(field);
        for (int64_t v = 0; v <= n; v++) sums_[v + 1] *= field.factor();
        return &sums_[1];
    }

private:
    static constexpr int stride = 4; /* of shares: low, high, slope */

    static constexpr int n_columns = 7;  /* shares of the first cell, `through`, shares of the last */
    static constexpr int most_begun = 2; /* runs in one vector: points in no order are added one by one */

    /* Which cells trajectories start and end in, and between which knots they cross others. */
    struct Run {
        Integer cell = -1;
        Integer face = -1, knot = -1, last_cell = -1; /* of those that leave the cell */
    };

    static Run run_of(const Way<V> &way, int lane) {
        if (!way.leaves[lane]) return {way.cell[lane]};
        return {way.cell[lane], way.face[lane], way.knot[lane], way.last_cell[lane]};
    }

    /* Trajectories that do not leave their cell have no other share: they can join all runs from there. */
    Bits in_run(const Way<V> &way) const {
        const Bits passes = (way.face == Index(run_.face)) & (way.knot == Index(run_.knot));
        return (way.cell == Index(run_.cell)) & (passes | ~way.leaves);
    }

    void begin(const Run &run) {
        run_ = run;
        for (int c = 0; c < n_columns; c++) V(0).store(run_sums_[c]);
    }

    void end_run() {
        V columns[n_columns];
        T sums[n_columns + 1];
        for (int c = 0; c < n_columns; c++) columns[c] = V::load(run_sums_[c]);
        sum_lanes<n_columns>(columns, sums);
        if (run_.cell >= 0) add_sums(run_, sums);
    }

    void add_alone(const Run &run, const V *columns, int lane) {
        T sums[n_columns];
        for (int c = 0; c < n_columns; c++) sums[c] = columns[c][lane];
        add_sums(run, sums);
    }

    void add_sums(const Run &run, const T *sums) {
        for (int c = 0; c < 3; c++) shares_[run.cell * stride + c] += sums[c];
        if (run.face < 0) return;
        for (int c = 0; c < 3; c++) shares_[run.last_cell * stride + c] += sums[4 + c];
        starts_[run.face + 1] += double(sums[3]);
        starts_[run.knot + 1] -= double(sums[3]);
    }

    void add_shares(const LineField<T, D> &field) {
        const int64_t n = field.n();
        double of_high = 0; /* in registers from cell to cell: sums in memory would wait for each other */
        for (int64_t c = 0; c < n + 2; c++) {
            const T *share = &shares_[c * stride];
            const bool ghost = c == 0 || c == n + 1;
            const double slope = ghost ? 0 : double(share[2]);
            sums_[c] += of_high + (double(share[0]) - slope);
            of_high = double(share[1]) + slope;
            const int64_t owner = field.slope_owner(c);
            if (!ghost || owner == 0) continue;
            sums_[owner] -= double(share[2]);
            sums_[owner + 1] += double(share[2]);
        }
        sums_[n + 2] += of_high;
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
            const CrossedShare<D> share(D::load(&through_[c]), from, to);
            /* 0 behind the last cell, as `through` is. */
            (D::load(&sums_[c]) + share.low).store(&sums_[c]);
            (D::load(&sums_[c + 1]) + share.high).store(&sums_[c + 1]);
        }
    }

    Run run_;
    T run_sums_[n_columns][V::width];
    Array<T> shares_;       /* [n + 2, stride] of the cells */
    Array<double> starts_;  /* [n + 2] of `through`, less where it ends: how it changes from cell to cell */
    Array<double> through_; /* [n + 2] */
    Array<double> sums_;    /* [n + 3] and room for whole vectors, of knot k at k + 1, as in LineField */
};

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
