/*
 * A prepared velocity field as the walk reads it: the cells that lanes are in, from the tables of the field
 * and of the tessellation.
 *
 * Within a cell the velocity is sum_k l_k velocity_k, and its derivative
 *     A = sum_k velocity_k (outer) gradient_k.
 * Lengths are in cells, and the time to integrate is folded in: trajectories always run from 0 to 1.
 */
#ifndef CPAB_FLOW_H
#define CPAB_FLOW_H

#include "dual.h"
#include "lane.h"
#include "record_layout.h"

namespace cpab {
namespace CPAB_ISA {

/* The cells of several lanes, as the walk sees them. */
template <typename N, int D>
struct Cell {
    using V = LaneOf<N>;
    N velocity[D + 1][D]; /* of the nodes */
    V gradient[D + 1][D]; /* of the barycentric coordinates */
    V longest;
    N linear[D][D]; /* A */

    CPAB_INLINE N velocity_at(const N *l, int d) const {
        N v = l[0] * velocity[0][d];
        for (int k = 1; k <= D; k++) v = v + l[k] * velocity[k][d];
        return v;
    }
};

/* A prepared field and the tessellation's tables, as numbers of type N read them. Dual numbers read the
   field's tangent beside it. */
template <typename N, int D>
struct Flow {
    using V = LaneOf<N>;
    using T = typename V::Scalar;
    using Index = typename V::Index;
    using Layout = RecordLayout<D>;
    static constexpr int slots = D + 1;

    const T *start, *crossing;
    const T *flow, *tangent_flow; /* the latter is NULL unless N is dual */

    CPAB_INLINE Cell<N, D> cell(const Index &index) const {
        V record[Layout::flow_used];
        load_records<Layout::flow_used>(flow, Layout::flow, index, record);
        Cell<N, D> cell;
        load_pairs<slots * D>(tangent_flow, Layout::flow, index, record, &cell.velocity[0][0]);
        for (int k = 0; k < slots; k++)
            for (int d = 0; d < D; d++) cell.gradient[k][d] = record[(slots + k) * D + d];
        cell.longest = record[2 * slots * D];
        for (int i = 0; i < D; i++)
            for (int j = 0; j < D; j++) {
                cell.linear[i][j] = cell.velocity[0][i] * cell.gradient[0][j];
                for (int k = 1; k < slots; k++)
                    cell.linear[i][j] = cell.linear[i][j] + cell.velocity[k][i] * cell.gradient[k][j];
            }
        return cell;
    }

    CPAB_INLINE void load_constants(const Index &index, V constant[slots]) const {
        load_records<slots>(start, Layout::start, index, constant);
    }

private:
    template <int n>
    CPAB_INLINE static void load_pairs(const T *table, int stride, const Index &cell, const V *values,
                                       N *out) {
        if constexpr (Number<N>::is_dual) {
            V tangents[n];
            load_records<n>(table, stride, cell, tangents);
            for (int i = 0; i < n; i++) out[i] = N(values[i], tangents[i]);
        } else {
            for (int i = 0; i < n; i++) out[i] = values[i];
        }
    }
};

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
