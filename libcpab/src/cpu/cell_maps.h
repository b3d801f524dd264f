/*
 * Whole steps at once: within a cell, the flow is an affine map, so a point that never leaves its cell is
 * moved by
 *     x(1) - x(0) = sum_k l_k d_k,   d_k = phi(A) v_k   (phi as in plane_series.h),
 * a dozen operations instead of a series. What has to be known is that it never leaves.
 *
 * If c is an upper bound of l_k'' on the way, then l_k(t) - c t^2 / 2 is concave, hence with a = l_k(0) and
 * b = l_k(1)
 *     l_k(t) >= (1 - t) a + t b - c t (1 - t) / 2.
 * Where min(a, b) >= c / 8, or where |a - b| >= c / 2 and the right side is monotonic, this is at least
 * min(a, 0, b): no dip below the face can have been missed, nor a second turn in 3D. Other points, most of
 * which do leave, are left to the walk.
 *
 * The bound: l_k'' = gradient_k . A exp(A t) v, and v is a mean of the velocities v_j of the nodes, so
 *     c_k = max_j gradient_k . A v_j  +  |gradient_k| |A| (exp(|A|) - 1) max_j |v_j|.
 */
#ifndef CPAB_CPU_CELL_MAPS_H
#define CPAB_CPU_CELL_MAPS_H

#include "../adjoint.h"
#include "sorted_points.h"

namespace cpab {
namespace CPAB_ISA {

/* The map of one cell, the same in all lanes. */
template <typename V, int D>
struct CellMap {
    V move[D + 1][D];     /* d_k */
    V bend[D + 1];        /* c_k */
    V gradient[D + 1][D]; /* of the coordinates */

    /* Which points, at l, never leave the cell, and how far they come. */
    CPAB_INLINE typename V::Bits stays(const V *l, V *x) const {
        for (int d = 0; d < D; d++) {
            x[d] = l[0] * move[0][d];
            for (int k = 1; k <= D; k++) x[d] = x[d] + l[k] * move[k][d];
        }
        V lowest(1);
        auto sure = ~V::Bits::none();
        for (int k = 0; k <= D; k++) {
            const V last = l[k] + dot<D>(gradient[k], x), low = smaller(l[k], last);
            lowest = smaller(lowest, low);
            sure = sure & (bend[k] <= larger(V(8) * low, V(2) * magnitude(l[k] - last)));
        }
        return sure & (V(-Precision<typename V::Scalar>::slack) <= lowest);
    }
};

/* From sums over the points that take a map's step, of l_k times the cotangent of where they end, to what
   they add to the gradient of the cell: the map is linear in l, so each node's sum goes back as one point's
   would that moves as the node does. */
template <typename V, int D>
CPAB_INLINE NodeGradient<V, D> pull_back_map(const Cell<V, D> &cell, const V (&sums)[D + 1][D]) {
    NodeGradient<V, D> gradient;
    V rate[D][D];
    for (int i = 0; i < D; i++)
        for (int j = 0; j < D; j++) rate[i][j] = V(0);
    for (int k = 0; k <= D; k++) {
        const StepCotangents<V, D> of = step_cotangents(cell.linear, cell.velocity[k], sums[k]);
        for (int i = 0; i < D; i++) {
            gradient.velocity[k][i] = of.move[i];
            for (int j = 0; j < D; j++) rate[i][j] = rate[i][j] + of.rate[i][j];
        }
    }
    for (int k = 0; k <= D; k++)
        for (int i = 0; i < D; i++)
            gradient.velocity[k][i] = gradient.velocity[k][i] + dot<D>(cell.gradient[k], rate[i]);
    return gradient;
}

/* The maps of the cells that sorted points start in. Cells have none whose series must not be used for the
   whole time, nor have ghosts, whose ideal nodes have no part in means. */
template <typename V, int D>
class CellMaps {
    using T = typename V::Scalar;
    using Layout = RecordLayout<D>;
    static constexpr int W = V::width, slots = D + 1, n_columns = slots * D + slots;

public:
    explicit CellMaps(int64_t n_inner_cells) : n_inner_cells_(n_inner_cells) {}

    bool has(const Flow<V, D> &flow, int64_t cell) const {
        return cell < n_inner_cells_ && flow.flow[cell * Layout::flow + Layout::flow_used - 1] >= 1;
    }

    /* false if there is no memory. */
    bool prepare(const Flow<V, D> &flow, const SortedPoints<V, D> &points) {
        const int needed = points.n_runs() + W;
        if (table_.size() < int64_t(needed) * n_columns && !table_.allocate(int64_t(needed) * n_columns))
            return false;
        for (int first = 0; first < points.n_runs(); first += W) {
            V column[n_columns];
            fill(flow.cell(points.cells(first)), column);
            for (int c = 0; c < n_columns; c++) {
                T lanes[W];
                column[c].store(lanes);
                for (int r = 0; r < W; r++) table_[int64_t(first + r) * n_columns + c] = lanes[r];
            }
        }
        return true;
    }

    CPAB_INLINE CellMap<V, D> map(const Flow<V, D> &flow, int run, int64_t cell) const {
        CellMap<V, D> map;
        const T *row = &table_[int64_t(run) * n_columns];
        const T *gradient = flow.flow + cell * Layout::flow + slots * D;
        for (int k = 0; k < slots; k++) {
            for (int d = 0; d < D; d++) map.move[k][d] = V(row[k * D + d]);
            for (int d = 0; d < D; d++) map.gradient[k][d] = V(gradient[k * D + d]);
            map.bend[k] = V(row[slots * D + k]);
        }
        return map;
    }

private:
    /* The maps of the cells in lanes. */
    CPAB_APART static void fill(const Cell<V, D> &cell, V *column) {
        /* (exp(r) - 1) / r for the largest r that has a map, with room for rounding */
        constexpr double growth = Precision<T>::reach <= 0.8 ? 1.54 : 1.73;
        V acceleration[slots][D], speed(0), rate(0);
        for (int k = 0; k < slots; k++) {
            const Motion<V, D> motion = expand<V, D>(cell.linear, cell.velocity[k], V(1));
            for (int d = 0; d < D; d++) {
                column[k * D + d] = motion.whole(d);
                acceleration[k][d] = dot<D>(cell.linear[d], cell.velocity[k]);
                speed = larger(speed, magnitude(cell.velocity[k][d]));
            }
        }
        for (int i = 0; i < D; i++) {
            V row = magnitude(cell.linear[i][0]);
            for (int j = 1; j < D; j++) row = row + magnitude(cell.linear[i][j]);
            rate = larger(rate, row);
        }
        for (int k = 0; k < slots; k++) {
            V bend(0), steepness(0);
            for (int j = 0; j < slots; j++) bend = larger(bend, dot<D>(cell.gradient[k], acceleration[j]));
            for (int d = 0; d < D; d++) steepness = steepness + magnitude(cell.gradient[k][d]);
            column[slots * D + k] = bend + steepness * (rate * rate * speed) * V(T(growth));
        }
    }

    const int64_t n_inner_cells_;
    Array<T> table_; /* [runs, n_columns]: d_k, c_k */
};

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
