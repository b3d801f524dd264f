/*
 * Records in vectors: every lane reads the row of a table that belongs to its point, or adds to it.
 *
 * Rows are read in blocks of 16 bytes, B numbers each. Block by block, the blocks of all lanes form tiles of
 * B x B numbers, and a tile is transposed in registers: a row that was read becomes a lane of B vectors. With
 * B = 4 and 4 lanes, which read rows a, b, c and d:
 *
 *     row of lane 0:  a0 a1 a2 a3                        column 0:  a0 b0 c0 d0
 *     row of lane 1:  b0 b1 b2 b3       transpose        column 1:  a1 b1 c1 d1
 *     row of lane 2:  c0 c1 c2 c3      ----------->      column 2:  a2 b2 c2 d2
 *     row of lane 3:  d0 d1 d2 d3                        column 3:  a3 b3 c3 d3
 *
 * Wider vectors hold W / B such tiles side by side, and every step works on all of them at once.
 */
#ifndef CPAB_CPU_TILES_H
#define CPAB_CPU_TILES_H

#include "../lane.h"

#if CPAB_HAS_VECTORS

namespace cpab {
namespace CPAB_ISA {

/* W / B tiles of B x B numbers, side by side in B vectors. */
template <typename T, int W>
struct Tiles {
    using Vector = typename Lanes<T, W>::Vector;
    static constexpr int B = block_size<T>;
    typedef T Block __attribute__((vector_size(16)));

    static Block block(const T *from) {
        Block result;
        std::memcpy(&result, from, 16);
        return result;
    }

    /* Lane group q, of B lanes, is a block of the row for the group's lane; not through memory, which
       would have to wait for its own stores. */
    static Vector join(const T *const *rows, int column) {
        if constexpr (W == B) return block(rows[0] + column);
        if constexpr (W == 2 * B) return pair(block(rows[0] + column), block(rows[B] + column));
        if constexpr (W == 4 * B) {
            const auto first = pair(block(rows[0] + column), block(rows[B] + column));
            const auto second = pair(block(rows[2 * B] + column), block(rows[3 * B] + column));
            return pair(first, second);
        }
    }

    /* In every group of B lanes: the transpose of B vectors. */
    static void transpose(Vector *v) {
        if constexpr (B == 4) {
            const Vector a = low(v[0], v[2]), b = high(v[0], v[2]);
            const Vector c = low(v[1], v[3]), d = high(v[1], v[3]);
            v[0] = low(a, c);
            v[1] = high(a, c);
            v[2] = low(b, d);
            v[3] = high(b, d);
        } else {
            const Vector a = low(v[0], v[1]), b = high(v[0], v[1]);
            v[0] = a;
            v[1] = b;
        }
    }

private:
    template <typename Half>
    static auto pair(Half a, Half b) {
        constexpr int n = sizeof(Half) / sizeof(T);
        if constexpr (n == 2) return __builtin_shufflevector(a, b, 0, 1, 2, 3);
        if constexpr (n == 4) return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7);
        if constexpr (n == 8)
            return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    }

    /*
     * In every group of B lanes, low() interleaves the first halves of two vectors, and high() the second
     * halves. With W = 8, B = 4:
     *
     *     a                 0  1  2  3 |  4  5  6  7        what shuffles call the elements of a
     *     b                 8  9 10 11 | 12 13 14 15        and of b
     *     low(a, b)         0  8  1  9 |  4 12  5 13        interleave<Start = 0>
     *     high(a, b)        2 10  3 11 |  6 14  7 15        interleave<Start = 2>
     *
     * Two rounds of it transpose: low(a, c) = a0 c0 a1 c1 and low(b, d) = b0 d0 b1 d1, and low() of these two
     * is a0 b0 c0 d0.
     */
    static Vector low(Vector a, Vector b) { return interleave<0>(a, b); }
    static Vector high(Vector a, Vector b) { return interleave<B / 2>(a, b); }
    template <int Start>
    static Vector interleave(Vector a, Vector b) {
        if constexpr (W == 2) return __builtin_shufflevector(a, b, Start, 2 + Start);
        if constexpr (W == 4 && B == 4)
            return __builtin_shufflevector(a, b, Start, 4 + Start, Start + 1, 5 + Start);
        if constexpr (W == 4 && B == 2)
            return __builtin_shufflevector(a, b, Start, 4 + Start, 2 + Start, 6 + Start);
        if constexpr (W == 8 && B == 4)
            return __builtin_shufflevector(a, b, Start, 8 + Start, Start + 1, 9 + Start, Start + 4,
                                           12 + Start, Start + 5, 13 + Start);
        if constexpr (W == 8 && B == 2)
            return __builtin_shufflevector(a, b, Start, 8 + Start, Start + 2, 10 + Start, Start + 4,
                                           12 + Start, Start + 6, 14 + Start);
        if constexpr (W == 16)
            return __builtin_shufflevector(
                a, b, Start, 16 + Start, Start + 1, 17 + Start, Start + 4, 20 + Start, Start + 5, 21 + Start,
                Start + 8, 24 + Start, Start + 9, 25 + Start, Start + 12, 28 + Start, Start + 13, 29 + Start);
    }
};

/* out[c] lane r = table[index[r] * stride + c] for the first `columns` numbers of each record. The
   table is padded: whole blocks are read. */
template <int columns, typename T, int W>
CPAB_INLINE void load_records(const T *table, int stride, const Indices<T, W> &index, Lanes<T, W> *out) {
    constexpr int B = block_size<T>;
    typename Indices<T, W>::Integer number[W];
    index.store(number);
    const T *rows[W];
    for (int r = 0; r < W; r++) rows[r] = table + int64_t(number[r]) * stride;
    for (int first = 0; first < columns; first += B) {
        typename Lanes<T, W>::Vector tile[B];
        for (int r = 0; r < B; r++) tile[r] = Tiles<T, W>::join(rows + r, first);
        Tiles<T, W>::transpose(tile);
        for (int c = 0; c < B && first + c < columns; c++) out[first + c].v = tile[c];
    }
}

/* The tile of columns `first` to `first` + B - 1 of in[columns], transposed to rows; zeros stand for columns
   that do not exist. */
template <int columns, typename T, int W>
CPAB_INLINE void rows_of_tile(const Lanes<T, W> *in, int first, typename Lanes<T, W>::Vector *tile) {
    for (int c = 0; c < block_size<T>; c++)
        tile[c] = first + c < columns ? in[first + c].v : typename Lanes<T, W>::Vector{};
    Tiles<T, W>::transpose(tile);
}

/* table[index[r] * stride + c] += in[c] lane r, lane after lane. */
template <int columns, typename T, int W>
CPAB_INLINE void add_records(T *table, int stride, const Indices<T, W> &index, const Lanes<T, W> *in) {
    constexpr int B = block_size<T>;
    typedef T Block __attribute__((vector_size(16)));
    typename Indices<T, W>::Integer number[W];
    index.store(number);
    for (int first = 0; first < columns; first += B) {
        typename Lanes<T, W>::Vector tile[B];
        rows_of_tile<columns>(in, first, tile);
        for (int q = 0; q < W / B; q++)
            for (int r = 0; r < B; r++) {
                T *row = table + int64_t(number[q * B + r]) * stride + first;
                Block sum, part;
                std::memcpy(&sum, row, 16);
                std::memcpy(&part, (const char *)&tile[r] + 16 * q, 16);
                sum += part;
                std::memcpy(row, &sum, 16);
            }
    }
}

/* out[c] = sum of the lanes of in[c]; there is room for whole blocks. */
template <int columns, typename T, int W>
CPAB_INLINE void sum_lanes(const Lanes<T, W> *in, T *out) {
    constexpr int B = block_size<T>;
    typedef T Block __attribute__((vector_size(16)));
    for (int first = 0; first < columns; first += B) {
        typename Lanes<T, W>::Vector tile[B];
        rows_of_tile<columns>(in, first, tile);
        for (int r = 1; r < B; r++) tile[0] += tile[r];
        Block parts[W / B];
        std::memcpy(parts, tile, sizeof parts);
        for (int q = 1; q < W / B; q++) parts[0] += parts[q];
        std::memcpy(out + first, parts, sizeof(Block));
    }
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
#endif
