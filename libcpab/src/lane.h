/*
 * Numbers in lanes: W points side by side, one operation for all of them.
 *
 * The mathematics of this library is written for Lanes<T, W>, Indices<T, W> and Mask<T, W>. This header has
 * the case W = 1, a plain number: what a GPU thread runs, and what compilers without vector types use.
 * vector_lanes.h has the others, in the compiler's vector types, so one source serves every instruction set;
 * a build picks W (see cpu/kernel.h).
 *
 * Everything that is compiled more than once lives in a namespace named after the instruction set, or the
 * linker would take one version for another.
 */
#ifndef CPAB_LANE_H
#define CPAB_LANE_H

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

/* -- the types --------------------------------------------------------------------------------- */

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
    CPAB_HD friend Indices operator*(Indices a, Indices b) { return a.v * b.v; }
    CPAB_HD friend Indices operator&(Indices a, Indices b) { return a.v & b.v; }
    CPAB_HD friend Mask<T, 1> operator==(Indices a, Indices b) { return {a.v == b.v}; }
    CPAB_HD friend Mask<T, 1> operator<(Indices a, Indices b) { return {a.v < b.v}; }
    /* Modulo 2 to the number of bits: no overflow. */
    CPAB_HD friend Indices operator+(Indices a, Indices b) {
        return static_cast<Integer>(Unsigned(a.v) + Unsigned(b.v));
    }
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

/* -- numbers and integers ---------------------------------------------------------------------- */

/* A number that is not negative and fits an integer, rounded down. */
template <typename T>
CPAB_HD inline Indices<T, 1> truncated(const Lanes<T, 1> &number) {
    return Indices<T, 1>(static_cast<typename IntegerOf<T>::type>(number.v));
}

template <typename T>
CPAB_HD inline Lanes<T, 1> as_numbers(const Indices<T, 1> &index) {
    return Lanes<T, 1>(T(index.v));
}

/* -- records: rows of a table, each of them numbers that belong together ------------------------ */

/* Numbers per 16 bytes, by which records are read: the numbers of a row are padded to whole blocks. */
template <typename T>
constexpr int block_size = 16 / sizeof(T);

#if defined(__CUDA_ARCH__)
CPAB_HD inline void load_block(const float *from, float *out) {
    const float4 block = *reinterpret_cast<const float4 *>(from);
    out[0] = block.x, out[1] = block.y, out[2] = block.z, out[3] = block.w;
}
CPAB_HD inline void load_block(const double *from, double *out) {
    const double2 block = *reinterpret_cast<const double2 *>(from);
    out[0] = block.x, out[1] = block.y;
}
#else
template <typename T>
CPAB_HD inline void load_block(const T *from, T *out) {
    for (int i = 0; i < block_size<T>; i++) out[i] = from[i];
}
#endif

/* out[c] = table[index * stride + c] for the first `columns` numbers of a record. */
template <int columns, typename T>
CPAB_INLINE void load_records(const T *table, int stride, const Indices<T, 1> &index, Lanes<T, 1> *out) {
    CPAB_UNROLL
    for (int first = 0; first < columns; first += block_size<T>) {
        T block[block_size<T>];
        load_block(table + int64_t(index.v) * stride + first, block);
        CPAB_UNROLL
        for (int c = first; c < first + block_size<T> && c < columns; c++)
            out[c] = Lanes<T, 1>(block[c - first]);
    }
}

/* table[index * stride + c] += in[c] */
template <int columns, typename T>
CPAB_INLINE void add_records(T *table, int stride, const Indices<T, 1> &index, const Lanes<T, 1> *in) {
    for (int c = 0; c < columns; c++) table[int64_t(index.v) * stride + c] += in[c].v;
}

}  // namespace CPAB_ISA
}  // namespace cpab

#if CPAB_HAS_VECTORS
#    include "vector_lanes.h"
#endif

namespace cpab {
namespace CPAB_ISA {

/* -- any number of lanes ------------------------------------------------------------------------ */

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

/* Which lanes are neither NaN nor infinite. */
template <typename V>
CPAB_HD inline typename V::Bits is_finite(V a) {
    return a * V(0) == V(0);
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

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
