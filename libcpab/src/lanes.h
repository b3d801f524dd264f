/*
 * Numbers in lanes: W points side by side, one operation for all of them.
 *
 * The compiler's vector types do the work, so one source serves every instruction set; a build picks W
 * (see cpu/). Lanes<T, 1> is a plain number: what compilers without vector types use, and what a GPU
 * thread runs. Everything that is compiled more than once lives in a namespace named after the
 * instruction set, or the linker would take one version for another.
 */
#ifndef CPAB_LANES_H
#define CPAB_LANES_H

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "host_device.h"

#ifndef CPAB_ISA
#    define CPAB_ISA scalar
#endif

#if defined(__GNUC__) && !defined(__CUDACC__)
#    define CPAB_HAS_VECTORS 1
#else
#    define CPAB_HAS_VECTORS 0
#endif

namespace cpab {
namespace CPAB_ISA {

template <typename T>
struct IntegerOf;
template <>
struct IntegerOf<float> {
    using type = int32_t;
};
template <>
struct IntegerOf<double> {
    using type = int64_t;
};

/* -- one lane ---------------------------------------------------------------------------------- */

template <typename T, int W>
struct Lanes;
template <typename T, int W>
struct Indices;
template <typename T, int W>
struct Mask;

template <typename T>
struct Mask<T, 1> {
    bool v;
    CPAB_HD friend Mask operator&(Mask a, Mask b) { return {a.v && b.v}; }
    CPAB_HD friend Mask operator|(Mask a, Mask b) { return {a.v || b.v}; }
    CPAB_HD friend Mask operator~(Mask a) { return {!a.v}; }
    CPAB_HD friend bool any(Mask a) { return a.v; }
    CPAB_HD friend int first_of(Mask) { return 0; }
    CPAB_HD friend Mask select(Mask m, Mask a, Mask b) { return m.v ? a : b; }
    CPAB_HD bool operator[](int) const { return v; }
    CPAB_HD void store(typename IntegerOf<T>::type *to) const { *to = v; }
    CPAB_HD static Mask none() { return {false}; }
};

template <typename T>
struct Indices<T, 1> {
    using Integer = typename IntegerOf<T>::type;
    using Unsigned = std::make_unsigned_t<Integer>;
    Integer v;
    Indices() = default;
    CPAB_HD Indices(Integer x) : v(x) {}
    CPAB_HD Integer operator[](int) const { return v; }
    CPAB_HD static Indices load(const Integer *from) { return *from; }
    CPAB_HD void store(Integer *to) const { *to = v; }
    CPAB_HD friend Indices operator+(Indices a, Indices b) { return a.v + b.v; }
    CPAB_HD friend Indices operator*(Indices a, Indices b) { return a.v * b.v; }
    CPAB_HD friend Indices operator&(Indices a, Indices b) { return a.v & b.v; }
    CPAB_HD friend Mask<T, 1> operator==(Indices a, Indices b) { return {a.v == b.v}; }
    CPAB_HD friend Mask<T, 1> operator<(Indices a, Indices b) { return {a.v < b.v}; }
    /* Modulo 2 to the number of bits: no overflow. */
    CPAB_HD friend Indices operator-(Indices a, Indices b) {
        return static_cast<Integer>(Unsigned(a.v) - Unsigned(b.v));
    }
    CPAB_HD friend Indices operator<<(Indices a, int bits) {
        return static_cast<Integer>(Unsigned(a.v) << bits);
    }
    CPAB_HD friend Indices select(Mask<T, 1> m, Indices a, Indices b) { return m.v ? a : b; }
};

template <typename T>
struct Lanes<T, 1> {
    static constexpr int width = 1;
    using Scalar = T;
    using Index = Indices<T, 1>;
    using Bits = Mask<T, 1>;
    T v;
    Lanes() = default; /* undefined, as plain numbers are */
    CPAB_HD Lanes(T x) : v(x) {}
    CPAB_HD static Lanes load(const T *from) { return *from; }
    CPAB_HD void store(T *to) const { *to = v; }
    CPAB_HD T operator[](int) const { return v; }
    CPAB_HD Lanes operator-() const { return -v; }
    CPAB_HD friend Lanes operator+(Lanes a, Lanes b) { return a.v + b.v; }
    CPAB_HD friend Lanes operator-(Lanes a, Lanes b) { return a.v - b.v; }
    CPAB_HD friend Lanes operator*(Lanes a, Lanes b) { return a.v * b.v; }
    CPAB_HD friend Lanes operator/(Lanes a, Lanes b) { return a.v / b.v; }
    CPAB_HD friend Bits operator<(Lanes a, Lanes b) { return {a.v < b.v}; }
    CPAB_HD friend Bits operator<=(Lanes a, Lanes b) { return {a.v <= b.v}; }
    CPAB_HD friend Bits operator>(Lanes a, Lanes b) { return {a.v > b.v}; }
    CPAB_HD friend Bits operator==(Lanes a, Lanes b) { return {a.v == b.v}; }
    CPAB_HD friend Lanes select(Bits m, Lanes a, Lanes b) { return m.v ? a : b; }
    CPAB_HD friend Lanes sqrt(Lanes a) { return std::sqrt(a.v); }
};

/* -- several lanes ----------------------------------------------------------------------------- */

#if CPAB_HAS_VECTORS

template <typename T, int W>
struct Mask {
    typedef typename IntegerOf<T>::type Vector __attribute__((vector_size(W * sizeof(T))));
    Vector v;
    friend Mask operator&(Mask a, Mask b) { return {a.v & b.v}; }
    friend Mask operator|(Mask a, Mask b) { return {a.v | b.v}; }
    friend Mask operator~(Mask a) { return {~a.v}; }
    friend Mask select(Mask m, Mask a, Mask b) { return {m.v ? a.v : b.v}; }
    bool operator[](int lane) const { return v[lane] != 0; }
    void store(typename IntegerOf<T>::type *to) const { std::memcpy(to, &v, sizeof v); }
    static Mask none() { return {Vector{}}; }

    friend bool any(Mask a) { return any_bit(a.v); }

    /* Number of the first lane that is chosen; there must be one. */
    friend int first_of(Mask a) {
#    if defined(__AVX512DQ__) && defined(__AVX512BW__)
        if constexpr (sizeof(Vector) == 64 && sizeof(T) == 4)
            return __builtin_ctz(__builtin_ia32_cvtd2mask512((Ints64)a.v));
        if constexpr (sizeof(Vector) == 64 && sizeof(T) == 8)
            return __builtin_ctz(__builtin_ia32_cvtq2mask512((Words64)a.v));
#    endif
        int lane = 0;
        while (lane < W - 1 && !a[lane]) lane++;
        return lane;
    }

private:
    typedef long long Words32 __attribute__((vector_size(32)));
    typedef float Words16 __attribute__((vector_size(16)));
    typedef long long Words64 __attribute__((vector_size(64)));
    typedef int Ints64 __attribute__((vector_size(64)));
    static bool any_bit(Vector v) {
#    if defined(__AVX512F__)
        if constexpr (sizeof(Vector) == 64) { /* by halves: words would go through memory */
            const Words64 all = (Words64)v;
            const Words32 half =
                __builtin_shufflevector(all, all, 0, 1, 2, 3) | __builtin_shufflevector(all, all, 4, 5, 6, 7);
            return !__builtin_ia32_ptestz256(half, half);
        }
#    endif
#    if defined(__AVX__)
        if constexpr (sizeof(Vector) == 64) {
            Words32 halves[2];
            std::memcpy(halves, &v, sizeof halves);
            const Words32 either = halves[0] | halves[1];
            return !__builtin_ia32_ptestz256(either, either);
        }
        if constexpr (sizeof(Vector) == 32) return !__builtin_ia32_ptestz256((Words32)v, (Words32)v);
#    endif
#    if defined(__SSE2__)
        if constexpr (sizeof(Vector) == 16) return __builtin_ia32_movmskps((Words16)v) != 0;
#    endif
        int64_t words[W * sizeof(T) / 8], bits = 0;
        std::memcpy(words, &v, sizeof words);
        for (const int64_t word : words) bits |= word;
        return bits != 0;
    }
};

template <typename T, int W>
struct Indices {
    using Integer = typename IntegerOf<T>::type;
    using Vector = typename Mask<T, W>::Vector;
    typedef std::make_unsigned_t<Integer> Unsigned __attribute__((vector_size(W * sizeof(T))));
    Vector v;
    Indices() = default;
    Indices(Integer x) : v(Vector{} + x) {}
    static Indices from(Vector x) {
        Indices i;
        i.v = x;
        return i;
    }
    Integer operator[](int lane) const { return v[lane]; }
    static Indices load(const Integer *from) {
        Indices i;
        std::memcpy(&i.v, from, sizeof i.v);
        return i;
    }
    void store(Integer *to) const { std::memcpy(to, &v, sizeof v); }
    friend Indices operator+(Indices a, Indices b) { return from(a.v + b.v); }
    friend Indices operator*(Indices a, Indices b) { return from(a.v * b.v); }
    friend Indices operator&(Indices a, Indices b) { return from(a.v & b.v); }
    friend Mask<T, W> operator==(Indices a, Indices b) { return {a.v == b.v}; }
    friend Mask<T, W> operator<(Indices a, Indices b) { return {a.v < b.v}; }
    friend Indices operator-(Indices a, Indices b) { return from((Vector)((Unsigned)a.v - (Unsigned)b.v)); }
    friend Indices operator<<(Indices a, int bits) { return from((Vector)((Unsigned)a.v << bits)); }
    friend Indices select(Mask<T, W> m, Indices a, Indices b) { return from(m.v ? a.v : b.v); }
};

template <typename T, int W>
struct Lanes {
    static constexpr int width = W;
    typedef T Vector __attribute__((vector_size(W * sizeof(T))));
    using Scalar = T;
    using Index = Indices<T, W>;
    using Bits = Mask<T, W>;
    Vector v;
    Lanes() = default; /* undefined, as plain numbers are */
    Lanes(T x) : v(Vector{} + x) {}
    static Lanes from(Vector x) {
        Lanes r;
        r.v = x;
        return r;
    }
    static Lanes load(const T *source) {
        Lanes r;
        std::memcpy(&r.v, source, sizeof r.v);
        return r;
    }
    void store(T *to) const { std::memcpy(to, &v, sizeof v); }
    T operator[](int lane) const { return v[lane]; }
    Lanes operator-() const { return from(-v); }
    friend Lanes operator+(Lanes a, Lanes b) { return from(a.v + b.v); }
    friend Lanes operator-(Lanes a, Lanes b) { return from(a.v - b.v); }
    friend Lanes operator*(Lanes a, Lanes b) { return from(a.v * b.v); }
    friend Lanes operator/(Lanes a, Lanes b) { return from(a.v / b.v); }
    friend Bits operator<(Lanes a, Lanes b) { return {a.v < b.v}; }
    friend Bits operator<=(Lanes a, Lanes b) { return {a.v <= b.v}; }
    friend Bits operator>(Lanes a, Lanes b) { return {a.v > b.v}; }
    friend Bits operator==(Lanes a, Lanes b) { return {a.v == b.v}; }
    friend Lanes select(Bits m, Lanes a, Lanes b) { return from(m.v ? a.v : b.v); }

    friend Lanes sqrt(Lanes a) {
#    if defined(__AVX__) && !defined(__clang__) /* Clang finds these instructions in the loop */
        if constexpr (sizeof(Vector) == 32 && sizeof(T) == 4) return from(__builtin_ia32_sqrtps256(a.v));
        if constexpr (sizeof(Vector) == 32 && sizeof(T) == 8) return from(__builtin_ia32_sqrtpd256(a.v));
#    endif
#    if defined(__SSE2__) && !defined(__clang__)
        if constexpr (sizeof(Vector) == 16 && sizeof(T) == 4) return from(__builtin_ia32_sqrtps(a.v));
        if constexpr (sizeof(Vector) == 16 && sizeof(T) == 8) return from(__builtin_ia32_sqrtpd(a.v));
#    endif
        for (int i = 0; i < W; i++) a.v[i] = std::sqrt(a.v[i]);
        return a;
    }
};

#endif /* CPAB_HAS_VECTORS */

template <typename V>
CPAB_HD inline V smaller(V a, V b) {
    return select(a < b, a, b);
}
template <typename V>
CPAB_HD inline V larger(V a, V b) {
    return select(a < b, b, a);
}
template <typename V>
CPAB_HD inline V magnitude(V a) {
    return larger(a, -a);
}

/* Lanes that are not negative and fit an integer, rounded down. */
template <typename T, int W>
CPAB_HD inline Indices<T, W> truncated(const Lanes<T, W> &lanes) {
#if CPAB_HAS_VECTORS
    if constexpr (W > 1) {
        Indices<T, W> index;
        index.v = __builtin_convertvector(lanes.v, typename Indices<T, W>::Vector);
        return index;
    }
#endif
    return Indices<T, W>(static_cast<typename IntegerOf<T>::type>(lanes[0]));
}

template <typename T, int W>
CPAB_HD inline Lanes<T, W> as_numbers(const Indices<T, W> &index) {
#if CPAB_HAS_VECTORS
    if constexpr (W > 1) {
        Lanes<T, W> lanes;
        lanes.v = __builtin_convertvector(index.v, typename Lanes<T, W>::Vector);
        return lanes;
    }
#endif
    return Lanes<T, W>(T(index[0]));
}

/* The integers whose bits are in the lanes. */
template <typename T, int W>
CPAB_HD inline Indices<T, W> bits_of(const Lanes<T, W> &lanes) {
    Indices<T, W> index;
    static_assert(sizeof index == sizeof lanes, "integers as wide as the numbers");
    std::memcpy(&index.v, &lanes.v, sizeof index);
    return index;
}

/* The lanes that have these bits. */
template <typename T, int W>
CPAB_HD inline Lanes<T, W> from_bits(const Indices<T, W> &index) {
    Lanes<T, W> lanes;
    std::memcpy(&lanes.v, &index.v, sizeof lanes);
    return lanes;
}

#if CPAB_HAS_VECTORS

/* Elements f, f + 2, f + 4 ... of a followed by b. */
template <int f, int W, typename Vector>
CPAB_INLINE Vector every_second(Vector a, Vector b) {
    if constexpr (W == 2) return __builtin_shufflevector(a, b, f, f + 2);
    if constexpr (W == 4) return __builtin_shufflevector(a, b, f, f + 2, f + 4, f + 6);
    if constexpr (W == 8)
        return __builtin_shufflevector(a, b, f, f + 2, f + 4, f + 6, f + 8, f + 10, f + 12, f + 14);
    if constexpr (W == 16)
        return __builtin_shufflevector(a, b, f, f + 2, f + 4, f + 6, f + 8, f + 10, f + 12, f + 14, f + 16,
                                       f + 18, f + 20, f + 22, f + 24, f + 26, f + 28, f + 30);
}

/* W elements of a[f], b[f], a[f + 1], b[f + 1] ... */
template <int f, int W, typename Vector>
CPAB_INLINE Vector alternate(Vector a, Vector b) {
    if constexpr (W == 2) return __builtin_shufflevector(a, b, f, f + W);
    if constexpr (W == 4) return __builtin_shufflevector(a, b, f, f + W, f + 1, f + 1 + W);
    if constexpr (W == 8)
        return __builtin_shufflevector(a, b, f, f + W, f + 1, f + 1 + W, f + 2, f + 2 + W, f + 3, f + 3 + W);
    if constexpr (W == 16)
        return __builtin_shufflevector(a, b, f, f + W, f + 1, f + 1 + W, f + 2, f + 2 + W, f + 3, f + 3 + W,
                                       f + 4, f + 4 + W, f + 5, f + 5 + W, f + 6, f + 6 + W, f + 7,
                                       f + 7 + W);
}

#endif

/* -- some of the lanes ------------------------------------------------------------------------- */

/* Stores the lanes of a mask side by side. What is behind them, up to a whole vector, is overwritten too. */
template <typename T, int W>
class Packing {
    using Integer = typename IntegerOf<T>::type;

public:
    int count = 0;

    CPAB_HD explicit Packing(const Mask<T, W> &mask) {
        Integer chosen[W];
        mask.store(chosen);
        for (int r = 0; r < W; r++) order_[r] = 0;
        for (int r = 0; r < W; r++) {
            order_[count] = Integer(r);
            count += chosen[r] != 0;
        }
    }
    CPAB_HD void store(const Lanes<T, W> &lanes, T *to) const { store_all(lanes.v, to); }
    CPAB_HD void store(const Indices<T, W> &index, Integer *to) const { store_all(index.v, to); }

private:
    template <typename Vector, typename Number>
    CPAB_HD void store_all(const Vector &v, Number *to) const {
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

/* -- interleaved arrays ------------------------------------------------------------------------ */

/* out[d] lane r = from[r * D + d]. */
template <int D, typename T, int W>
CPAB_INLINE void deinterleave(const T *from, Lanes<T, W> *out) {
    if constexpr (D == 1) {
        out[0] = Lanes<T, W>::load(from);
        return;
    }
#if CPAB_HAS_VECTORS
    if constexpr (D == 2 && W > 1) {
        const auto a = Lanes<T, W>::load(from).v, b = Lanes<T, W>::load(from + W).v;
        out[0].v = every_second<0, W>(a, b);
        out[1].v = every_second<1, W>(a, b);
        return;
    }
#endif
    T lanes[D][W];
    for (int r = 0; r < W; r++)
        for (int d = 0; d < D; d++) lanes[d][r] = from[r * D + d];
    for (int d = 0; d < D; d++) out[d] = Lanes<T, W>::load(lanes[d]);
}

/* to[r * D + d] = in[d] lane r. */
template <int D, typename T, int W>
CPAB_INLINE void interleave(const Lanes<T, W> *in, T *to) {
    if constexpr (D == 1) {
        in[0].store(to);
        return;
    }
#if CPAB_HAS_VECTORS
    if constexpr (D == 2 && W > 1) {
        Lanes<T, W>::from(alternate<0, W>(in[0].v, in[1].v)).store(to);
        Lanes<T, W>::from(alternate<W / 2, W>(in[0].v, in[1].v)).store(to + W);
        return;
    }
#endif
    T lanes[D][W];
    for (int d = 0; d < D; d++) in[d].store(lanes[d]);
    for (int r = 0; r < W; r++)
        for (int d = 0; d < D; d++) to[r * D + d] = lanes[d][r];
}

/* -- records ----------------------------------------------------------------------------------- */

/* Numbers per 16 bytes, by which records are read. */
template <typename T>
constexpr int block_size = 16 / sizeof(T);

/* Transposes tiles of block_size x block_size numbers: out[c] lane r = row r, column c. */
#if CPAB_HAS_VECTORS

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

    /* The first, and the second, halves of each group of two vectors, interleaved. */
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

#endif

/* out[c] lane r = table[index[r] * stride + c] for the first `columns` numbers of each record. The
   table is padded: whole blocks are read. */
template <int columns, typename T, int W>
CPAB_INLINE void load_records(const T *table, int stride, const Indices<T, W> &index, Lanes<T, W> *out) {
#if CPAB_HAS_VECTORS
    if constexpr (W > 1) {
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
        return;
    }
#endif
    for (int c = 0; c < columns; c++) out[c] = Lanes<T, W>(table[int64_t(index[0]) * stride + c]);
}

/* table[index[r] * stride + c] += in[c] lane r, lane after lane. */
template <int columns, typename T, int W>
CPAB_INLINE void add_records(T *table, int stride, const Indices<T, W> &index, const Lanes<T, W> *in) {
#if CPAB_HAS_VECTORS
    if constexpr (W > 1) {
        constexpr int B = block_size<T>;
        typedef T Block __attribute__((vector_size(16)));
        typename Indices<T, W>::Integer number[W];
        index.store(number);
        for (int first = 0; first < columns; first += B) {
            typename Lanes<T, W>::Vector tile[B];
            for (int c = 0; c < B; c++)
                tile[c] = first + c < columns ? in[first + c].v : typename Lanes<T, W>::Vector{};
            Tiles<T, W>::transpose(tile);
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
        return;
    }
#endif
    for (int c = 0; c < columns; c++) table[int64_t(index[0]) * stride + c] += in[c][0];
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
