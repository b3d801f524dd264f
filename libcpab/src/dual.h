/*
 * Dual numbers a + b e, e^2 = 0: every function computed with them carries its directional derivative
 * in b. The walk in dual numbers is the Jacobian-vector product, the backward pass in dual numbers the
 * second derivative. Comparisons look at a alone.
 */
#ifndef CPAB_DUAL_H
#define CPAB_DUAL_H

#include "lane.h"

namespace cpab {
namespace CPAB_ISA {

template <typename V>
struct Dual {
    using Lane = V;
    V a, b;
    Dual() = default;
    CPAB_HD Dual(V value) : a(value), b(0) {}
    CPAB_HD Dual(typename V::Scalar value) : a(value), b(0) {}
    CPAB_HD Dual(V value, V tangent) : a(value), b(tangent) {}
    CPAB_HD friend Dual operator+(Dual x, Dual y) { return {x.a + y.a, x.b + y.b}; }
    CPAB_HD friend Dual operator-(Dual x, Dual y) { return {x.a - y.a, x.b - y.b}; }
    CPAB_HD friend Dual operator*(Dual x, Dual y) { return {x.a * y.a, x.a * y.b + x.b * y.a}; }
    CPAB_HD friend Dual operator*(Dual x, V y) { return {x.a * y, x.b * y}; }
    CPAB_HD friend Dual select(typename V::Bits m, Dual x, Dual y) {
        return {select(m, x.a, y.a), select(m, x.b, y.b)};
    }
};

/* The lanes that a number type is made of, and how many numbers each holds. */
template <typename N>
struct Number {
    using Lane = N;
    static constexpr bool is_dual = false;
};
template <typename V>
struct Number<Dual<V>> {
    using Lane = V;
    static constexpr bool is_dual = true;
};
template <typename N>
using LaneOf = typename Number<N>::Lane;
template <typename N>
using ScalarOf = typename LaneOf<N>::Scalar;

template <typename V>
CPAB_HD inline V value_of(const V &x) {
    return x;
}
template <typename V>
CPAB_HD inline V value_of(const Dual<V> &x) {
    return x.a;
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
