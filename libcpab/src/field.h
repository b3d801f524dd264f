/*
 * One velocity field, prepared for walking: what every cell needs to know about it.
 *
 * Within a cell the barycentric coordinates obey l' = M l, and positions x' = A x + b, with
 *     M_ij = gradient_i . velocity_j,   A = sum_k velocity_k (outer) gradient_k.
 * Lengths are in cells, and the time to integrate is folded in: trajectories always run from 0 to 1.
 */
#ifndef CPAB_FIELD_H
#define CPAB_FIELD_H

#include <cmath>

#include "dual.h"
#include "lanes.h"
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

/* Two tables of one field. `rates` is for the way there: M by rows, then the longest time that the Taylor
   series is trusted for. `reverse` is for the way back: the velocities of the nodes, then A by rows. */
template <typename T, int D>
class Field {
public:
    using Layout = RecordLayout<D>;
    static constexpr int slots = D + 1;

    explicit Field(const cpab_tessellation &tess) : tess_(tess) {}

    bool allocate(bool with_reverse) {
        return velocity_.allocate(tess_.n_nodes * D) && rates_.allocate(tess_.n_cells * Layout::rate) &&
               (!with_reverse || reverse_.allocate(tess_.n_cells * Layout::reverse));
    }

    /* Prepares the field with velocities [n_vertices, D], in units of the domain, for `time`. */
    void prepare(const T *velocity, double time) {
        T sum = 0; /* x * 0 is 0, or NaN if x is not finite */
        for (int64_t i = 0; i < tess_.n_vertices * D; i++) sum += velocity[i] * T(0);
        finite_ = sum == 0;
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
    const T *rates() const { return rates_.data(); }
    const T *reverse() const { return reverse_.data(); }

private:
    /* Returns the largest speed. */
    double set_node_velocities(const T *velocity, double time) {
        double fastest = 0;
        for (int64_t v = 0; v < tess_.n_vertices; v++)
            for (int d = 0; d < D; d++) {
                const double scaled = double(velocity[v * D + d]) * (tess_.scale[d] * time);
                if (!(std::fabs(scaled) <= fastest)) fastest = std::fabs(scaled);
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
        return fastest;
    }

    /* Returns the row-sum norm of A. */
    T set_cell(int64_t c) {
        const int32_t *nodes = &tess_.cell_node[c * slots];
        const T *gradient = &records_of<T>(tess_).place[c * Layout::place + Layout::row];
        T velocity[slots][D];
        for (int k = 0; k < slots; k++)
            for (int d = 0; d < D; d++) velocity[k][d] = velocity_[int64_t(nodes[k]) * D + d];
        T *rate = &rates_[c * Layout::rate];
        for (int i = 0; i < slots; i++)
            for (int j = 0; j < slots; j++) {
                T sum = 0;
                for (int d = 0; d < D; d++) sum += gradient[i * slots + d] * velocity[j][d];
                rate[i * slots + j] = sum;
            }
        T linear[D][D], norm = 0;
        for (int row = 0; row < D; row++) {
            T row_sum = 0;
            for (int col = 0; col < D; col++) {
                T sum = 0;
                for (int k = 0; k < slots; k++) sum += velocity[k][row] * gradient[k * slots + col];
                linear[row][col] = sum;
                row_sum += std::fabs(sum);
            }
            if (!(row_sum <= norm)) norm = row_sum;
        }
        rate[slots * slots] = norm > T(Precision<T>::reach) ? T(Precision<T>::reach) / norm : T(1);
        if (reverse_.size()) {
            T *reverse = &reverse_[c * Layout::reverse];
            for (int k = 0; k < slots; k++)
                for (int d = 0; d < D; d++) reverse[k * D + d] = velocity[k][d];
            for (int i = 0; i < D; i++)
                for (int j = 0; j < D; j++) reverse[slots * D + i * D + j] = linear[i][j];
        }
        return norm;
    }

    const cpab_tessellation &tess_;
    Array<T> velocity_; /* [n_nodes, D] */
    Array<T> rates_, reverse_;
    double fastest_ = 0;
    T stiffest_ = 0;
    bool finite_ = true;
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

    const T *place, *crossing;
    const T *rates, *reverse;
    const T *tangent_rates, *tangent_reverse; /* NULL unless N is dual */

    CPAB_INLINE void load_rates(const Index &cell, N rate[slots][slots], V &longest) const {
        V record[slots * slots + 1];
        load_records<slots * slots + 1>(rates, Layout::rate, cell, record);
        longest = record[slots * slots];
        load_pairs<slots * slots>(tangent_rates, Layout::rate, cell, record, &rate[0][0]);
    }

    CPAB_INLINE void load_reverse(const Index &cell, N velocity[slots][D], N linear[D][D]) const {
        constexpr int n = slots * D + D * D;
        V record[n];
        N both[n];
        load_records<n>(reverse, Layout::reverse, cell, record);
        load_pairs<n>(tangent_reverse, Layout::reverse, cell, record, both);
        for (int k = 0; k < slots; k++)
            for (int d = 0; d < D; d++) velocity[k][d] = both[k * D + d];
        for (int i = 0; i < D; i++)
            for (int j = 0; j < D; j++) linear[i][j] = both[slots * D + i * D + j];
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
