/*
 * From points of the domain to trajectories, and back: where a point starts, where it ends, and what the
 * backward pass begins and ends with. Points are in units of the domain; trajectories are in cells.
 */
#ifndef CPAB_POINT_H
#define CPAB_POINT_H

#include "locate.h"
#include "walk.h"

namespace cpab {
namespace CPAB_ISA {

/* The box of cells that points are given in. */
template <typename T, int D>
struct Domain {
    CellGrid<D> grid;
    int64_t cells[D];
    T lower[D], scale[D], size[D]; /* its low corner, cells per unit, units per cell */

    Domain(const int64_t *n_cells, const double *low, const double *cells_per_unit) : grid(n_cells) {
        for (int d = 0; d < D; d++) {
            cells[d] = n_cells[d];
            lower[d] = T(low[d]);
            scale[d] = T(cells_per_unit[d]);
            size[d] = T(1 / cells_per_unit[d]);
        }
    }
};

/* The points of a group of lanes. */
template <typename V, int D>
struct Points {
    V x[D]; /* as given */
    V u[D]; /* in cells; somewhere harmless if x is not finite */
    typename V::Bits not_finite;
};

template <typename V, int D>
CPAB_INLINE void set_points(const Domain<typename V::Scalar, D> &domain, Points<V, D> &points) {
    points.not_finite = V::Bits::none();
    for (int d = 0; d < D; d++) points.not_finite = points.not_finite | ~is_finite(points.x[d]);
    for (int d = 0; d < D; d++)
        points.u[d] =
            select(points.not_finite, V(0), (points.x[d] - V(domain.lower[d])) * V(domain.scale[d]));
}

/* Makes the walkers of points, and returns their cells. In dual numbers, points may have a tangent; NULL
   stands for zeros. */
template <typename N, int D>
CPAB_HD inline Cell<N, D> begin_walk(const Flow<N, D> &flow, const Domain<ScalarOf<N>, D> &domain,
                                     const Points<LaneOf<N>, D> &points,
                                     [[maybe_unused]] const LaneOf<N> *tangent, Walker<N, D> &walker) {
    using V = LaneOf<N>;
    V offset[D];
    const typename V::Index index = locate<V, D>(domain.grid, domain.cells, points.u, offset);
    N from[D];
    for (int d = 0; d < D; d++) {
        from[d] = N(offset[d]);
        if constexpr (Number<N>::is_dual) {
            if (tangent) from[d].b = tangent[d] * V(domain.scale[d]);
        }
    }
    const Cell<N, D> cell = flow.cell(index);
    walker = Walker<N, D>(start<N, D>(flow, cell, index, from));
    return cell;
}

/* Where points are once they were moved by so many cells. A point at rest stays where it is to the last bit,
   -0.0 included. */
template <typename V, int D>
CPAB_INLINE V end_point(const Domain<typename V::Scalar, D> &domain, const Points<V, D> &points,
                        const V &moved, int d) {
    const V step = moved * V(domain.size[d]);
    return select(step == V(0), points.x[d], points.x[d] + step);
}

/* Where points are in dual numbers: `tangent` is that of the point, the result has that of its end. */
template <typename V, int D>
CPAB_INLINE Dual<V> end_point(const Domain<typename V::Scalar, D> &domain, const Points<V, D> &points,
                              const Dual<V> &moved, const V &tangent, int d) {
    return {end_point(domain, points, moved.a, d), moved.b * V(domain.size[d]) + tangent};
}

/* The cotangent of a trajectory's end, from that of the point: 0 for lanes that have no part in a gradient,
   whatever they hold. */
template <typename V, int D>
CPAB_INLINE V end_cotangent(const Domain<typename V::Scalar, D> &domain, const V &grad_point,
                            typename V::Bits left_out, int d) {
    return select(left_out, V(0), grad_point * V(domain.size[d]));
}

/* The cotangent of a point, from that of its trajectory's start. */
template <typename V, int D>
CPAB_INLINE V point_cotangent(const Domain<typename V::Scalar, D> &domain, const V &cotangent, int d) {
    return cotangent * V(domain.scale[d]);
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
