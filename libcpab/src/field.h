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

#include "host_device.h"
#include "precision.h"
#include "tessellation.h"

namespace cpab {

template <typename T, int D>
struct CellField {
    T rate[D + 1][D + 1]; /* M */
    T linear[D][D];       /* A */
    T longest;            /* time for which the Taylor series is trusted */
};

/* The parts of a field that depend on the batch item. */
template <typename T, int D>
class Field {
public:
    explicit Field(const cpab_tessellation &tess) : tess_(tess) {}

    bool allocate() { return velocity_.allocate(tess_.n_nodes * D) && cells_.allocate(tess_.n_cells); }

    /* Prepares the field with velocities [n_vertices, D], in units of the domain, for `time`. */
    cpab_status prepare(const T *velocity, double time) {
        if (!all_finite(velocity)) {
            finite_ = false;
            return CPAB_OK;
        }
        finite_ = true;
        const double fastest = set_node_velocities(velocity, time);
        double stiffest = 0;
        for (int64_t c = 0; c < tess_.n_cells; c++) {
            const double rate = set_cell(c);
            if (!(rate <= stiffest)) stiffest = rate;
        }
        return fastest <= CPAB_MAX_SPEED && stiffest <= CPAB_MAX_RATE ? CPAB_OK : CPAB_E_RANGE;
    }

    /* false if a velocity was NaN or infinite; the other members then hold nothing. */
    bool finite() const { return finite_; }
    const CellField<T, D> *cells() const { return cells_.data(); }
    const T *velocity(int64_t node) const { return &velocity_[node * D]; }

private:
    bool all_finite(const T *velocity) const {
        T sum = 0; /* x * 0 is 0, or NaN if x is not finite */
        for (int64_t i = 0; i < tess_.n_vertices * D; i++) sum += velocity[i] * T(0);
        return sum == 0;
    }

    /* Returns the largest speed. */
    double set_node_velocities(const T *velocity, double time) {
        double fastest = 0;
        for (int64_t v = 0; v < tess_.n_vertices; v++)
            for (int d = 0; d < D; d++) {
                const double scaled = double(velocity[v * D + d]) * tess_.scale[d] * time;
                if (!(std::fabs(scaled) <= fastest)) fastest = std::fabs(scaled);
                velocity_[v * D + d] = T(scaled);
            }
        for (int64_t q = tess_.n_vertices; q < tess_.n_nodes; q++) {
            double sum[D] = {};
            const int64_t ideal = q - tess_.n_vertices;
            for (int32_t e = tess_.ideal_first[ideal]; e < tess_.ideal_first[ideal + 1]; e++)
                for (int d = 0; d < D; d++)
                    sum[d] += tess_.ideal_weight[e] * double(velocity_[tess_.ideal_vertex[e] * D + d]);
            for (int d = 0; d < D; d++) velocity_[q * D + d] = T(sum[d]);
        }
        return fastest;
    }

    /* Returns the row-sum norm of A. */
    double set_cell(int64_t c) {
        CellField<T, D> &cell = cells_[c];
        const int32_t *nodes = &tess_.cell_node[c * (D + 1)];
        const double *gradient = &tess_.gradient[c * (D + 1) * D];
        for (int i = 0; i <= D; i++)
            for (int j = 0; j <= D; j++) {
                T sum = 0;
                for (int d = 0; d < D; d++) sum += T(gradient[i * D + d]) * velocity(nodes[j])[d];
                cell.rate[i][j] = sum;
            }
        double norm = 0;
        for (int row = 0; row < D; row++) {
            double row_sum = 0;
            for (int col = 0; col < D; col++) {
                T sum = 0;
                for (int k = 0; k <= D; k++) sum += velocity(nodes[k])[row] * T(gradient[k * D + col]);
                cell.linear[row][col] = sum;
                row_sum += std::fabs(double(sum));
            }
            if (!(row_sum <= norm)) norm = row_sum;
        }
        cell.longest = norm > Precision<T>::reach ? T(Precision<T>::reach / norm) : T(1);
        return norm;
    }

    const cpab_tessellation &tess_;
    Array<T> velocity_; /* [n_nodes, D] */
    Array<CellField<T, D>> cells_;
    bool finite_ = true;
};

}  // namespace cpab

#endif
