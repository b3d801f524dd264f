/* The points in the lanes of one vector. */
#ifndef CPAB_CPU_GROUP_H
#define CPAB_CPU_GROUP_H

#include "../point.h"
#include "point_arrays.h"

namespace cpab {
namespace CPAB_ISA {

/* W points that are side by side in an array; where fewer are left, the last one fills the other lanes. */
template <typename V, int D>
struct Group : Points<V, D> {
    int count;
};

/* The points from number `first` on, of n. */
template <typename V, int D>
inline Group<V, D> load_group(const Domain<typename V::Scalar, D> &domain, const typename V::Scalar *points,
                              int64_t n, int64_t first) {
    Group<V, D> group;
    group.count = n - first < V::width ? int(n - first) : V::width;
    PointArrays<V, D>::load(points + first * D, group.count, group.x);
    set_points<V, D>(domain, group);
    return group;
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
