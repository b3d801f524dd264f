/*
 * Records for points side by side in their arrays, which mostly lie side by side in space too: the lanes of a
 * vector then share one or two of them.
 */
#ifndef CPAB_NEIGHBOURS_H
#define CPAB_NEIGHBOURS_H

#include "lane.h"

namespace cpab {
namespace CPAB_ISA {

/* load_records(), quicker in wide vectors whose lanes have the record of the first lane or of the last. */
template <int columns, typename T, int W>
CPAB_INLINE void load_near_records(const T *table, int stride, const Indices<T, W> &index, Lanes<T, W> *out) {
    using Index = Indices<T, W>;
    const auto first = index[0], last = index[W - 1];
    const auto of_last = index == Index(last);
    if (W <= block_size<T> || any(~(of_last | (index == Index(first))))) {
        load_records<columns>(table, stride, index, out);
        return;
    }
    const T *a = table + int64_t(first) * stride, *b = table + int64_t(last) * stride;
    /* As integers: arithmetic changes the bits of some numbers, which need not be numbers. */
    for (int c = 0; c < columns; c++) {
        typename Index::Integer bits[2];
        std::memcpy(&bits[0], a + c, sizeof(T));
        std::memcpy(&bits[1], b + c, sizeof(T));
        out[c] = from_bits(select(of_last, Index(bits[1]), Index(bits[0])));
    }
}

/* out[c] = sum of the lanes of in[c]: of one lane, in[c]. cpu/tiles.h has the others. */
template <int columns, typename T>
CPAB_INLINE void sum_lanes(const Lanes<T, 1> *in, T *out) {
    for (int c = 0; c < columns; c++) out[c] = in[c].v;
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
