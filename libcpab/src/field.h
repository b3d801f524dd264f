/* One velocity field on the host: its table of records, which flow.h reads, and from the gradients of these
   records back to that of the velocities. */
#ifndef CPAB_FIELD_H
#define CPAB_FIELD_H

#include <cmath>

#include "field_record.h"
#include "lane.h"
#include "largest.h"
#include "memory.h"
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

/* Holds the table of one field: a record per cell, see record_layout.h. */
template <typename T, int D>
class Field {
public:
    using Layout = RecordLayout<D>;
    static constexpr int slots = D + 1;

    explicit Field(const cpab_tessellation &tess) : tess_(tess) {}

    bool allocate() {
        if (!velocity_.allocate(tess_.n_nodes * D) || !flow_.allocate(tess_.n_cells * Layout::flow))
            return false;
        for (int64_t c = 0; c < tess_.n_cells; c++) set_gradients<D>(rows_of(c), record_of(c));
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
            const T rate =
                set_velocities<D>(velocity_.data(), &tess_.cell_node[c * slots], rows_of(c), record_of(c));
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
    T *record_of(int64_t c) { return &flow_[c * Layout::flow]; }

    /* Returns the largest speed. */
    double set_node_velocities(const T *velocity, double time) {
        double fastest[D] = {};
        for (int64_t v = 0; v < tess_.n_vertices; v++)
            for (int d = 0; d < D; d++) {
                const double scaled = in_cells(velocity[v * D + d], tess_.scale[d] * time);
                const double speed = std::fabs(scaled);
                fastest[d] = speed > fastest[d] ? speed : fastest[d];
                velocity_[v * D + d] = T(scaled);
            }
        for (int64_t q = tess_.n_vertices; q < tess_.n_nodes; q++) {
            const int64_t ideal = q - tess_.n_vertices, first = tess_.ideal_first[ideal];
            const int32_t n = int32_t(tess_.ideal_first[ideal + 1] - first);
            for (int d = 0; d < D; d++)
                velocity_[q * D + d] =
                    ideal_velocity<T>(tess_.ideal_vertex.data() + first, tess_.ideal_weight.data() + first, n,
                                      [&](int32_t vertex) { return velocity_[int64_t(vertex) * D + d]; });
        }
        for (int d = 1; d < D; d++) fastest[0] = fastest[d] > fastest[0] ? fastest[d] : fastest[0];
        return fastest[0];
    }

    const cpab_tessellation &tess_;
    Array<T> velocity_; /* [n_nodes, D] */
    Array<T> flow_;
    double fastest_ = 0;
    T stiffest_ = 0;
    bool finite_ = true;
};

/* Adds up the gradients that were collected per cell. `node` is [n_nodes, D], zeroed by the caller; only its
   first n_vertices rows are the result. */
template <typename T, int D>
inline void cells_to_vertices(const cpab_tessellation &tess, const T *cells, double *node) {
    constexpr int stride = RecordLayout<D>::gradient;
    for (int64_t c = 0; c < tess.n_cells; c++)
        for (int k = 0; k <= D; k++)
            for (int d = 0; d < D; d++)
                node[int64_t(tess.cell_node[c * (D + 1) + k]) * D + d] +=
                    double(cells[c * stride + k * D + d]);
    for (int64_t q = 0; q < tess.n_nodes - tess.n_vertices; q++)
        for (int32_t e = tess.ideal_first[q]; e < tess.ideal_first[q + 1]; e++)
            for (int d = 0; d < D; d++)
                node[int64_t(tess.ideal_vertex[e]) * D + d] +=
                    tess.ideal_weight[e] * node[(tess.n_vertices + q) * D + d];
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
