/* Tables of integers, read in lanes. */
#ifndef CPAB_LOOK_UP_H
#define CPAB_LOOK_UP_H

#include "lane.h"

#if CPAB_HAS_VECTORS && defined(__AVX2__)
#    include <immintrin.h>
#endif

namespace cpab {
namespace CPAB_ISA {

#if CPAB_HAS_VECTORS && defined(__AVX512F__)

/* Masked: GCC 12 warns of the vector that the others do not read. */
inline __m512i gather(const int32_t *table, __m512i index) {
    return _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), __mmask16(-1), index, table, 4);
}
inline __m512i gather(const int64_t *table, __m512i index) {
    return _mm512_mask_i64gather_epi64(_mm512_setzero_si512(), __mmask8(-1), index, table, 8);
}

/* Numbers from a table that fills two vectors. */
inline __m512i permute(const int32_t *table, __m512i index) {
    return _mm512_permutex2var_epi32(_mm512_loadu_si512(table), index, _mm512_loadu_si512(table + 16));
}
inline __m512i permute(const int64_t *table, __m512i index) {
    return _mm512_permutex2var_epi64(_mm512_loadu_si512(table), index, _mm512_loadu_si512(table + 8));
}

#elif CPAB_HAS_VECTORS && defined(__AVX2__)

inline __m256i gather(const int32_t *table, __m256i index) {
    return _mm256_i32gather_epi32(reinterpret_cast<const int *>(table), index, 4);
}
inline __m256i gather(const int64_t *table, __m256i index) {
    return _mm256_i64gather_epi64(reinterpret_cast<const long long *>(table), index, 8);
}

#endif

/* How many numbers a table has room for behind its last: whole vectors are read. */
constexpr int64_t look_up_room = 64;

/* table[index[r]] in lane r, for indices from 0 to size - 1. */
template <typename T, int W>
CPAB_INLINE Indices<T, W> look_up(const typename IntegerOf<T>::type *table, [[maybe_unused]] int64_t size,
                                  const Indices<T, W> &index) {
    using Index = Indices<T, W>;
#if CPAB_HAS_VECTORS && defined(__AVX512F__)
    if constexpr (W * sizeof(T) == 64) {
        using Vector = typename Index::Vector;
        const __m512i at = (__m512i)index.v;
        if (size <= 2 * W) return Index::from((Vector)permute(table, at));
        if (size > 4 * W) return Index::from((Vector)gather(table, at));
        return select(index < Index(2 * W), Index::from((Vector)permute(table, at)),
                      Index::from((Vector)permute(table + 2 * W, at)));
    }
#elif CPAB_HAS_VECTORS && defined(__AVX2__)
    if constexpr (W * sizeof(T) == 32)
        return Index::from((typename Index::Vector)gather(table, (__m256i)index.v));
#endif
    typename IntegerOf<T>::type found[W];
    for (int r = 0; r < W; r++) found[r] = table[index[r]];
    return Index::load(found);
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
