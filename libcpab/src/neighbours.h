/*
 * Records for points side by side in their arrays, which mostly lie side by side in space too: the lanes of a
 * vector then share one or two of them.
 */
#ifndef CPAB_NEIGHBOURS_H
#define CPAB_NEIGHBOURS_H

#include "lanes.h"

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

/* out[c] = sum of the lanes of in[c]; there is room for whole blocks. */
template <int columns, typename T, int W>
CPAB_INLINE void sum_lanes(const Lanes<T, W> *in, T *out) {
#if CPAB_HAS_VECTORS
    if constexpr (W > 1) {
        constexpr int B = block_size<T>;
        typedef T Block __attribute__((vector_size(16)));
        for (int first = 0; first < columns; first += B) {
            typename Lanes<T, W>::Vector tile[B];
            for (int c = 0; c < B; c++)
                tile[c] = first + c < columns ? in[first + c].v : typename Lanes<T, W>::Vector{};
            Tiles<T, W>::transpose(tile);
            for (int r = 1; r < B; r++) tile[0] += tile[r];
            Block parts[W / B];
            std::memcpy(parts, tile, sizeof parts);
            for (int q = 1; q < W / B; q++) parts[0] += parts[q];
            std::memcpy(out + first, parts, sizeof(Block));
        }
        return;
    }
#endif
    for (int c = 0; c < columns; c++) out[c] = in[c][0];
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
