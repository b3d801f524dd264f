/* The cells that points start in, lane by lane. */
#ifndef CPAB_LOCATE_H
#define CPAB_LOCATE_H

#include "find_cell.h"
#include "lane.h"

namespace cpab {
namespace CPAB_ISA {

/* Cells of the points that lie inside of the domain, given their boxes and the position in these. */
template <typename V>
CPAB_INLINE typename V::Index inner_cell(const CellGrid<1> &, const typename V::Index *box, const V *) {
    return box[0];
}

template <typename V>
CPAB_INLINE typename V::Index inner_cell(const CellGrid<2> &grid, const typename V::Index *box,
                                         const V *offset) {
    using Index = typename V::Index;
    using Integer = typename IntegerOf<typename V::Scalar>::type;
    const auto under = offset[1] <= offset[0], under_other = offset[1] <= V(1) - offset[0];
    const Index triangle =
        select(under, select(under_other, Index(0), Index(1)), select(under_other, Index(3), Index(2)));
    return (box[0] + box[1] * Index(static_cast<Integer>(grid.nx))) * Index(4) + triangle;
}

template <typename V>
CPAB_INLINE typename V::Index inner_cell(const CellGrid<3> &grid, const typename V::Index *box,
                                         const V *offset) {
    using Index = typename V::Index;
    using Integer = typename IntegerOf<typename V::Scalar>::type;
    const Index sum = box[0] + box[1] + box[2], half = truncated(as_numbers(sum) * V(0.5f));
    const auto even = half + half == sum;
    const V a = select(even, offset[0], offset[1]), b = select(even, offset[1], V(1) - offset[0]);
    const V c = offset[2];
    Index tetrahedron = select(a > b + c, Index(4), Index(0)); /* as BoxGrid::tetrahedron_at */
    tetrahedron = select(b > a + c, Index(3), tetrahedron);
    tetrahedron = select(a + b + c > V(2), Index(2), tetrahedron);
    tetrahedron = select(c > a + b, Index(1), tetrahedron);
    const Index column = box[1] + box[2] * Index(static_cast<Integer>(grid.n[1]));
    return (box[0] + column * Index(static_cast<Integer>(grid.n[0]))) * Index(5) + tetrahedron;
}

/* The cell that holds each point u, in units of cells, and where the point lies relative to the low corner
   of the box that is nearest to it. */
template <typename V, int D>
CPAB_INLINE typename V::Index locate(const CellGrid<D> &grid, const int64_t *cells, const V *u, V *offset) {
    using T = typename V::Scalar;
    using Integer = typename IntegerOf<T>::type;
    typename V::Index box[D];
    auto outside = V::Bits::none();
    for (int d = 0; d < D; d++) {
        const V inside = smaller(larger(u[d], V(0)), V(T(cells[d] - 1)));
        box[d] = truncated(inside);
        offset[d] = u[d] - as_numbers(box[d]);
        outside = outside | (u[d] < V(0)) | (u[d] > V(T(cells[d])));
    }
    const typename V::Index cell = inner_cell<V>(grid, box, offset);
    if (!any(outside)) return cell;
    Integer found[V::width];
    for (int r = 0; r < V::width; r++) {
        T at[D];
        for (int d = 0; d < D; d++) at[d] = u[d][r];
        found[r] = outside[r] ? static_cast<Integer>(grid.find(at)) : cell[r];
    }
    return V::Index::load(found);
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
