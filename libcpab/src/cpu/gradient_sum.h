/* The gradient of one velocity field, collected from the trajectories of a slice of points. */
#ifndef CPAB_CPU_GRADIENT_SUM_H
#define CPAB_CPU_GRADIENT_SUM_H

#include <limits>

#include "../field.h"
#include "trajectory_batch.h"

namespace cpab {
namespace CPAB_ISA {

template <typename V, int D>
class GradientSum {
    using T = typename V::Scalar;
    using Layout = RecordLayout<D>;

public:
    explicit GradientSum(const cpab_tessellation &tess) : tess_(tess) {}

    bool allocate() {
        return cells_.allocate(tess_.n_cells * Layout::gradient) && nodes_.allocate(tess_.n_nodes * D);
    }

    void start() {
        cells_.zero();
        not_finite_ = false;
    }

    /* Says that some points do not end anywhere: then there is no gradient. */
    void set_not_finite(bool some_points) { not_finite_ |= some_points; }

    /* Adds what a segment says about the nodes of its cell, and `more(node, axis)`. In dual numbers the sum
       is the derivative of the gradient along the tangent. */
    template <typename N, typename More>
    CPAB_INLINE void add(const RecordedSegments<N, D> &recorded, const NodeGradient<N, D> &gradient,
                         More more) {
        V record[Layout::gradient_used];
        for (int k = 0; k <= D; k++)
            for (int d = 0; d < D; d++) record[k * D + d] = last_part(gradient.velocity[k][d]) + more(k, d);
        add_records<Layout::gradient_used>(cells_.data(), Layout::gradient, recorded.segment.from.cell,
                                           record);
    }

    /* Adds what several points say about the nodes of these cells. */
    CPAB_INLINE void add(const typename V::Index &cells, const NodeGradient<V, D> &gradient) {
        add_records<Layout::gradient_used>(cells_.data(), Layout::gradient, cells, &gradient.velocity[0][0]);
    }

    /* Adds the sum, or NaN if it is not finite, to the gradient [n_vertices, D] of a field in units of the
       domain that is integrated for `time`. */
    void add_to(T *grad_velocity, double time) {
        nodes_.zero();
        cells_to_vertices<T, D>(tess_, cells_.data(), nodes_.data());
        for (int64_t v = 0; v < tess_.n_vertices; v++)
            for (int d = 0; d < D; d++) {
                const double sum = nodes_[v * D + d] * tess_.scale[d] * time;
                grad_velocity[v * D + d] += not_finite_ ? std::numeric_limits<T>::quiet_NaN() : T(sum);
            }
    }

    /* Of a number itself, or of a dual number the tangent. */
    static V last_part(const V &x) { return x; }
    static V last_part(const Dual<V> &x) { return x.b; }

private:
    const cpab_tessellation &tess_;
    Array<T> cells_;      /* [n_cells], as records of dL/dv at the nodes */
    Array<double> nodes_; /* [n_nodes, D] */
    bool not_finite_ = false;
};

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
