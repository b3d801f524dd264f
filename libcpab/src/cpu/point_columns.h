/* Numbers that belong to the points of a block, kept in columns by the numbers of the points. */
#ifndef CPAB_CPU_POINT_COLUMNS_H
#define CPAB_CPU_POINT_COLUMNS_H

#include "../dual.h"
#include "../memory.h"
#include "tape.h"

namespace cpab {
namespace CPAB_ISA {

/* D numbers for each of `capacity` points. Lanes without a point read and write the padding slot behind the
   last point, whose numbers are nobody's. */
template <typename N, int D, int capacity>
class PointColumns {
    using V = LaneOf<N>;
    using T = typename V::Scalar;
    using Index = typename V::Index;
    using Integer = typename Index::Integer;
    static constexpr int W = V::width;
    static constexpr int parts = Number<N>::is_dual ? 2 : 1;
    static constexpr int length = capacity + W;

public:
    static constexpr int padding_slot = capacity;

    bool allocate() { return data_.allocate(D * parts * length); }
    void zero() { data_.zero(); }

    /* The numbers of W points in a row, from number `first` on. */
    void load(int first, N *out) const {
        for (int d = 0; d < D; d++) read(d, [&](const T *column) { return V::load(column + first); }, out[d]);
    }
    void store(int first, const N *values) {
        for (int d = 0; d < D; d++)
            write(d, [&](T *column, const V &v) { v.store(column + first); }, values[d]);
    }

    /* The numbers of the first n points, as bytes on a tape. */
    static int64_t bytes(int n) { return int64_t(D * parts) * n * int64_t(sizeof(T)); }
    void save(TapeWriter &to, int n) const {
        for (int column = 0; column < D * parts; column++) to.put(&data_[column * length], n);
    }
    bool restore(TapeReader &from, int n) {
        for (int column = 0; column < D * parts; column++)
            if (!from.get(&data_[column * length], n)) return false;
        return true;
    }

    /* The numbers of any W points. */
    void load(const Index &point, N *out) const {
        Integer number[W];
        point.store(number);
        for (int d = 0; d < D; d++)
            read(
                d,
                [&](const T *column) {
                    T lanes[W];
                    for (int r = 0; r < W; r++) lanes[r] = column[number[r]];
                    return V::load(lanes);
                },
                out[d]);
    }
    void store(const Index &point, const N *values) {
        Integer number[W];
        point.store(number);
        for (int d = 0; d < D; d++)
            write(
                d,
                [&](T *column, const V &v) {
                    T lanes[W];
                    v.store(lanes);
                    for (int r = 0; r < W; r++) column[number[r]] = lanes[r];
                },
                values[d]);
    }

private:
    template <typename Read>
    void read(int d, Read from, V &out) const {
        out = from(&data_[d * length]);
    }
    template <typename Read>
    void read(int d, Read from, Dual<V> &out) const {
        out.a = from(&data_[2 * d * length]);
        out.b = from(&data_[(2 * d + 1) * length]);
    }
    template <typename Write>
    void write(int d, Write to, const V &value) {
        to(&data_[d * length], value);
    }
    template <typename Write>
    void write(int d, Write to, const Dual<V> &value) {
        to(&data_[2 * d * length], value.a);
        to(&data_[(2 * d + 1) * length], value.b);
    }

    Array<T> data_;
};

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
