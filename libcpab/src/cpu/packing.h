/* Some of the lanes: the first ones, or those of a mask side by side in memory. */
#ifndef CPAB_CPU_PACKING_H
#define CPAB_CPU_PACKING_H

#include "../lane.h"

namespace cpab {
namespace CPAB_ISA {

/* Stores the lanes of a mask side by side. What is behind them, up to a whole vector, is overwritten too. */
template <typename T, int W>
class Packing {
    using Integer = typename IntegerOf<T>::type;

public:
    int count = 0;

    explicit Packing(const Mask<T, W> &mask) {
        Integer chosen[W];
        mask.store(chosen);
        for (int r = 0; r < W; r++) order_[r] = 0;
        for (int r = 0; r < W; r++) {
            order_[count] = Integer(r);
            count += chosen[r] != 0;
        }
    }
    void store(const Lanes<T, W> &lanes, T *to) const { store_all(lanes.v, to); }
    void store(const Indices<T, W> &index, Integer *to) const { store_all(index.v, to); }

private:
    template <typename Vector, typename Number>
    void store_all(const Vector &v, Number *to) const {
#if CPAB_HAS_VECTORS && !defined(__clang__)
        if constexpr (W > 1) {
            const Vector packed = __builtin_shuffle(v, Indices<T, W>::load(order_).v);
            std::memcpy(to, &packed, sizeof packed);
            return;
        }
#endif
        Number lanes[W];
        std::memcpy(lanes, &v, sizeof lanes);
        for (int r = 0; r < W; r++) to[r] = lanes[order_[r]];
    }

    Integer order_[W];
};

/* Masks of the first lanes. */
template <typename V>
class FirstLanes {
public:
    FirstLanes() {
        for (int r = 0; r < V::width; r++) number_[r] = typename V::Scalar(r);
    }
    typename V::Bits operator()(int count) const { return V::load(number_) < V(typename V::Scalar(count)); }

private:
    typename V::Scalar number_[V::width];
};

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
