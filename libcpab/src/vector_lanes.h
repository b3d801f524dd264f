/* Several lanes, in the vector types of GCC and Clang. Included by lane.h, where there are such types. */
#ifndef CPAB_VECTOR_LANES_H
#define CPAB_VECTOR_LANES_H

#include "lane.h"

namespace cpab {
namespace CPAB_ISA {

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
#if defined(__AVX512DQ__) && defined(__AVX512BW__)
        if constexpr (sizeof(Vector) == 64 && sizeof(T) == 4)
            return __builtin_ctz(__builtin_ia32_cvtd2mask512((Ints64)a.v));
        if constexpr (sizeof(Vector) == 64 && sizeof(T) == 8)
            return __builtin_ctz(__builtin_ia32_cvtq2mask512((Words64)a.v));
#endif
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
#if defined(__AVX512F__)
        if constexpr (sizeof(Vector) == 64) { /* by halves: words would go through memory */
            const Words64 all = (Words64)v;
            const Words32 half =
                __builtin_shufflevector(all, all, 0, 1, 2, 3) | __builtin_shufflevector(all, all, 4, 5, 6, 7);
            return !__builtin_ia32_ptestz256(half, half);
        }
#endif
#if defined(__AVX__)
        if constexpr (sizeof(Vector) == 64) {
            Words32 halves[2];
            std::memcpy(halves, &v, sizeof halves);
            const Words32 either = halves[0] | halves[1];
            return !__builtin_ia32_ptestz256(either, either);
        }
        if constexpr (sizeof(Vector) == 32) return !__builtin_ia32_ptestz256((Words32)v, (Words32)v);
#endif
#if defined(__SSE2__)
        if constexpr (sizeof(Vector) == 16) return __builtin_ia32_movmskps((Words16)v) != 0;
#endif
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
#if defined(__AVX__) && !defined(__clang__) /* Clang finds these instructions in the loop */
        if constexpr (sizeof(Vector) == 32 && sizeof(T) == 4) return from(__builtin_ia32_sqrtps256(a.v));
        if constexpr (sizeof(Vector) == 32 && sizeof(T) == 8) return from(__builtin_ia32_sqrtpd256(a.v));
#endif
#if defined(__SSE2__) && !defined(__clang__)
        if constexpr (sizeof(Vector) == 16 && sizeof(T) == 4) return from(__builtin_ia32_sqrtps(a.v));
        if constexpr (sizeof(Vector) == 16 && sizeof(T) == 8) return from(__builtin_ia32_sqrtpd(a.v));
#endif
        for (int i = 0; i < W; i++) a.v[i] = std::sqrt(a.v[i]);
        return a;
    }
};

/* Lanes that are not negative and fit an integer, rounded down. */
template <typename T, int W>
inline Indices<T, W> truncated(const Lanes<T, W> &lanes) {
    return Indices<T, W>::from(__builtin_convertvector(lanes.v, typename Indices<T, W>::Vector));
}

template <typename T, int W>
inline Lanes<T, W> as_numbers(const Indices<T, W> &index) {
    return Lanes<T, W>::from(__builtin_convertvector(index.v, typename Lanes<T, W>::Vector));
}

/* -- shuffles ---------------------------------------------------------------------------------- */

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

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
