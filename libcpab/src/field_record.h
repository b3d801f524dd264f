/*
 * How a field's table is filled: pure functions of what the tessellation knows about one cell or node, and of
 * the velocities there. flow.h reads the table, record_layout.h says what it holds.
 */
#ifndef CPAB_FIELD_RECORD_H
#define CPAB_FIELD_RECORD_H

#include <cmath>
#include <cstdint>

#include "host_device.h"
#include "precision.h"
#include "record_layout.h"

namespace cpab {
namespace CPAB_ISA {

/* A velocity along an axis, in cells and for the whole time: of scale = cells per unit, times the time. Not
   rounded: it may be more than T can hold. */
template <typename T>
CPAB_HD inline double in_cells(T velocity, double scale) {
    return double(velocity) * scale;
}

/* The velocity of an ideal node (see tessellation.h) along an axis, from the velocities in cells of the n
   vertices that it depends on: `velocity_of(vertex)`. */
template <typename T, typename VelocityOf>
CPAB_HD inline T ideal_velocity(const int32_t *vertices, const double *weights, int32_t n,
                                VelocityOf velocity_of) {
    double sum = 0;
    for (int32_t e = 0; e < n; e++) sum += weights[e] * double(velocity_of(vertices[e]));
    return T(sum);
}

/* The part of a cell's record that is the same for all fields. `rows` are the tessellation's, see records.h.
 */
template <int D, typename T>
CPAB_HD inline void set_gradients(const T *rows, T *record) {
    constexpr int slots = D + 1;
    for (int k = 0; k < slots; k++)
        for (int d = 0; d < D; d++) record[(slots + k) * D + d] = rows[k * slots + d];
}

/* The part of a cell's record that is one field's, from the velocities [n_nodes, D] and the cell's nodes [D +
   1]. Returns the row-sum norm of A. */
template <int D, typename T>
CPAB_HD inline T set_velocities(const T *velocity, const int32_t *nodes, const T *rows, T *record) {
    constexpr int slots = D + 1;
    T norm = 0;
    for (int k = 0; k < slots; k++)
        for (int i = 0; i < D; i++) record[k * D + i] = velocity[int64_t(nodes[k]) * D + i];
    for (int i = 0; i < D; i++) {
        T row_sum = 0;
        for (int j = 0; j < D; j++) {
            T sum = 0;
            for (int k = 0; k < slots; k++) sum += record[k * D + i] * rows[k * slots + j];
            row_sum += std::fabs(sum);
        }
        if (!(row_sum <= norm)) norm = row_sum;
    }
    record[2 * slots * D] = norm > T(Precision<T>::reach) ? T(Precision<T>::reach) / norm : T(1);
    return norm;
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
