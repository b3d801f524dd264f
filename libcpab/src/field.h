/*
 * One velocity field, prepared for walking: what every cell needs to know about it.
 *
 * Within a cell the velocity is sum_k l_k velocity_k, and its derivative
 *     A = sum_k velocity_k (outer) gradient_k.
 * Lengths are in cells, and the time to integrate is folded in: trajectories always run from 0 to 1.
 */
#ifndef CPAB_FIELD_H
#define CPAB_FIELD_H

#include <cmath>

#include "dual.h"
#include "lanes.h"
#include "largest.h"
#include "precision.h"
#include "records.h"
#include "tessellation.h"

namespace cpab {
namespace CPAB_ISA {

template <typename T>
inline const Records<T> &records_of(const cpab_tessellation &tess);
template <>
inline const Records<float> &records_of(const cpab_tessellation &tess) {
    return tess.records_f32;
}
template <>
inline const Records<double> &records_of(const cpab_tessellation &tess) {
    return tess.records_f64;
}

/* The table of one field, per cell: the velocities of its nodes, the gradients of the barycentric
   coordinates, and the longest time that the Taylor series is trusted for. The gradients are the
   tessellation's, but one record is quicker to load than two. */
template <typename T, int D>
class Field {
public:
    using Layout = RecordLayout<D>;
    static constexpr int slots = D + 1;

    explicit Field(const cpab_tessellation &tess) : tess_(tess) {}

    bool allocate() {
        if (!velocity_.allocate(tess_.n_nodes * D) || !flow_.allocate(tess_.n_cells * Layout::flow))
            return false;
        for (int64_t c = 0; c < tess_.n_cells; c++)
            for (int k = 0; k < slots; k++)
                for (int d = 0; d < D; d++)
                    flow_[c * Layout::flow + (slots + k) * D + d] = rows_of(c)[k * slots + d];
        return true;
    }

    /* Prepares the field with velocities [n_vertices, D], in units of the domain, for `time`. */
    void prepare(const T *velocity, double time) {
        const T largest = largest_magnitude(velocity, tess_.n_vertices * D);
        finite_ = largest == largest;
        if (!finite_) return;
        fastest_ = set_node_velocities(velocity, time);
        stiffest_ = 0;
        for (int64_t c = 0; c < tess_.n_cells; c++) {
            const T rate = set_cell(c);
            if (!(rate <= stiffest_)) stiffest_ = rate;
        }
    }

    /* false if a velocity was NaN or infinite; the other members then hold nothing. */
    bool finite() const { return finite_; }
    bool in_range() const {
        return !finite_ || (double(fastest_) <= CPAB_MAX_SPEED && double(stiffest_) <= CPAB_MAX_RATE);
    }
    const T *flow() const { return flow_.data(); }

private:
    const T *rows_of(int64_t c) const { return &records_of<T>(tess_).rows[c * Layout::rows]; }

    /* Returns the largest speed. */
    double set_node_velocities(const T *velocity, double time) {
        double fastest[D] = {};
        for (int64_t v = 0; v < tess_.n_vertices; v++)
            for (int d = 0; d < D; d++) {
                const double scaled = double(velocity[v * D + d]) * (tess_.scale[d] * time);
                const double speed = std::fabs(scaled);
                fastest[d] = speed > fastest[d] ? speed : fastest[d];
                velocity_[v * D + d] = T(scaled);
            }
        for (int64_t q = tess_.n_vertices; q < tess_.n_nodes; q++) {
            double sum[D] = {};
            const int64_t ideal = q - tess_.n_vertices;
            for (int32_t e = tess_.ideal_first[ideal]; e < tess_.ideal_first[ideal + 1]; e++)
                for (int d = 0; d < D; d++)
                    sum[d] +=
                        tess_.ideal_weight[e] * double(velocity_[int64_t(tess_.ideal_vertex[e]) * D + d]);
            for (int d = 0; d < D; d++) velocity_[q * D + d] = T(sum[d]);
        }
        for (int d = 1; d < D; d++) fastest[0] = fastest[d] > fastest[0] ? fastest[d] : fastest[0];
        return fastest[0];
    }

    /* Returns the row-sum norm of A. */
    T set_cell(int64_t c) {
        const int32_t *nodes = &tess_.cell_node[c * slots];
        const T *rows = rows_of(c);
        T *velocity = &flow_[c * Layout::flow], norm = 0;
        for (int k = 0; k < slots; k++)
            for (int i = 0; i < D; i++) velocity[k * D + i] = velocity_[int64_t(nodes[k]) * D + i];
        for (int i = 0; i < D; i++) {
            T row_sum = 0;
            for (int j = 0; j < D; j++) {
                T sum = 0;
                for (int k = 0; k < slots; k++) sum += velocity[k * D + i] * rows[k * slots + j];
                row_sum += std::fabs(sum);
            }
            if (!(row_sum <= norm)) norm = row_sum;
        }
        velocity[2 * slots * D] = norm > T(Precision<T>::reach) ? T(Precision<T>::reach) / norm : T(1);
        return norm;
    }

    const cpab_tessellation &tess_;
    Array<T> velocity_; /* [n_nodes, D] */
    Array<T> flow_;
    double fastest_ = 0;
    T stiffest_ = 0;
    bool finite_ = true;
};

/* The cells of several lanes, as a step sees them. */
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
