/*
 * Images at points: n-linear and nearest interpolation, in lanes.
 *
 * Along each axis, a point has a position u in pixels (pixel i has its centre at i) and a pair of taps, two
 * neighbouring pixels of the image. A tap's weight is the hat function max(0, 1 - |u - pixel|): wherever u
 * is, and whichever pair near it is taken, that is n-linear interpolation with zeros outside, so pairs can be
 * kept in the image. The value at a point is a sum over the corners, the products of the axes' taps; corner k
 * has the higher tap of axis d where bit d of k is set. All that does not depend on the image's values is
 * computed once for all channels.
 */
#ifndef CPAB_SAMPLE_H
#define CPAB_SAMPLE_H

#include <type_traits>
#include <utility>

#include "../include/cpab.h"
#include "lane.h"

namespace cpab {
namespace CPAB_ISA {

/* One axis of an image, or of a band of it: other pixels then count as outside. */
template <typename T>
struct ImageAxis {
    T lower, scale, shift;   /* coordinate x is at pixel (x - lower) * scale + shift */
    T mirror, span;          /* reflection has its mirrors at `mirror` and `mirror` + `span` */
    T end;                   /* the last pixel */
    T first_base, last_base; /* the pixels that may be a pair's lower tap, or the nearest one */
    T has_next;              /* 1, or 0 if there is one pixel only, which then is both taps */
    int64_t stride, step;    /* elements from pixel to pixel, and from a pair's lower tap to its higher */
};

/* Rounded to the nearest integer, or the even one of two. From 1 / epsilon on, all numbers are integers. */
template <typename V>
CPAB_INLINE V rounded(V u) {
    using T = typename V::Scalar;
    const V all_whole(T(sizeof(T) == 4 ? 8388608.0 : 4503599627370496.0)); /* 2^23, 2^52 */
    const V size = magnitude(u), whole = (size + all_whole) - all_whole;
    return select(size < all_whole, select(u < V(0), -whole, whole), u);
}

template <typename V>
CPAB_INLINE V rounded_down(V u) {
    const V near = rounded(u);
    return select(u < near, near - V(1), near);
}

/* Where a coordinate is, in pixels, and the derivative of that. */
template <typename V>
struct Position {
    V u, slope;
};

/* Folds the line into the image, as two mirrors do. What overflows ends up at the first of them. */
template <typename V>
CPAB_INLINE Position<V> reflected(const ImageAxis<typename V::Scalar> &axis, Position<V> at) {
    const V span(axis.span), mirror(axis.mirror), period = span + span;
    const V distance = at.u - mirror;
    const V rest = distance - rounded_down(distance / period) * period;
    const V folded = select((rest > V(0)) & (rest <= period), rest, V(0));
    const auto here = (distance > V(0)) & (distance <= span), back = folded > span;
    const V u = mirror + select(back, period - folded, folded);
    return {select(here, at.u, u), select(back & ~here, -at.slope, at.slope)};
}

template <typename V>
CPAB_INLINE V pixels_along(const ImageAxis<typename V::Scalar> &axis, V x) {
    return (x - V(axis.lower)) * V(axis.scale) + V(axis.shift);
}

template <typename V>
CPAB_INLINE Position<V> position_on(const ImageAxis<typename V::Scalar> &axis, int32_t padding, V x) {
    Position<V> at{pixels_along(axis, x), V(axis.scale)};
    const V end(axis.end);
    if (padding == CPAB_PADDING_ZEROS) { /* far away is as good as just outside, and fits an integer */
        at.u = smaller(larger(at.u, V(-2)), end + V(2));
        return at;
    }
    if (padding == CPAB_PADDING_REFLECTION) at = reflected(axis, at);
    at.slope = select((at.u > V(0)) & (at.u < end), at.slope, V(0));
    at.u = smaller(larger(at.u, V(0)), end);
    return at;
}

/* The pixels that points take their values from along one axis: a pair of taps, or the nearest pixel. */
template <typename V, int n_taps>
struct Taps {
    typename V::Index base;
    V weight[n_taps];
    V change[n_taps]; /* derivatives of the weights with respect to the point */
};

template <typename V>
CPAB_INLINE void set_taps(const ImageAxis<typename V::Scalar> &axis, const Position<V> &at,
                          Taps<V, 1> &taps) {
    const V pixel = rounded(at.u);
    const V base = smaller(larger(pixel, V(axis.first_base)), V(axis.last_base));
    taps.base = truncated(base);
    taps.weight[0] = select(pixel == base, V(1), V(0));
    taps.change[0] = V(0);
}

template <typename V>
CPAB_INLINE void set_taps(const ImageAxis<typename V::Scalar> &axis, const Position<V> &at,
                          Taps<V, 2> &taps) {
    const V zero(0), one(1), has_next(axis.has_next), whole = as_numbers(truncated(at.u));
    const V below = select(at.u < whole, whole - one, whole);
    const V base = smaller(larger(below, V(axis.first_base)), V(axis.last_base));
    taps.base = truncated(base);
    const V from_base = at.u - base;
    taps.weight[0] = larger(one - magnitude(from_base), zero);
    taps.weight[1] = larger(has_next - magnitude(from_base - one), zero);
    /* At a pixel's centre, the derivative is that on the higher side. */
    const auto between = below == base, before = below == base - one, after = below == base + one;
    taps.change[0] = select(between, -at.slope, select(before, at.slope, zero));
    taps.change[1] = has_next * select(between, at.slope, select(after, -at.slope, zero));
}

/* The corners of a group of points. */
template <typename V, int D, int n_taps>
struct Stencil {
    using T = typename V::Scalar;
    static constexpr int corners = n_taps == 1 ? 1 : 1 << D;
    using Index = typename V::Index;
    /* Lanes count in integers of their own width, which must do; single numbers can always count further. */
    using Offset = std::conditional_t<V::width == 1, int64_t, typename Index::Integer>;
    Taps<V, n_taps> taps[D];
    Offset offset[V::width];     /* of corner 0, in elements */
    typename V::Bits not_finite; /* points that are not finite: they have no value and take part in nothing */
    V nan_or_zero;               /* NaN for these, 0 for others */

    CPAB_HD static constexpr int tap(int corner, int d) { return n_taps == 1 ? 0 : corner >> d & 1; }

    CPAB_INLINE V weight(int corner) const { return factor(corner, -1); }

    /* A corner's weight, or its derivative along axis `along`. */
    CPAB_INLINE V factor(int corner, int along) const {
        V product(1);
        for (int d = 0; d < D; d++) {
            const Taps<V, n_taps> &axis = taps[d];
            product = product * (d == along ? axis.change : axis.weight)[tap(corner, d)];
        }
        return product;
    }

    /* The sum of what is at the corners by these factors. Where that is not finite, corners with a factor of
       0 are left out: whatever they hold, they have no part in it. */
    CPAB_INLINE V combined(const V *at_corner, int along) const {
        V result;
        combine<1>(at_corner, along, &result);
        return result;
    }

    /* combined() along n axes from `first` on, -1 being the value: one test for all of them. */
    template <int n>
    CPAB_INLINE void combine(const V *at_corner, int first, V *results) const {
        V finite(0); /* or NaN */
        for (int i = 0; i < n; i++) {
            results[i] = sum_of_all(at_corner, first + i);
            finite = finite + results[i] * V(0);
        }
        if (!any(~(finite == V(0)))) return;
        for (int i = 0; i < n; i++)
            results[i] = select(is_finite(results[i]), results[i], sum_of_used(at_corner, first + i));
    }

private:
    CPAB_INLINE V sum_of_all(const V *at_corner, int along) const {
        V part[corners];
        for (int k = 0; k < corners; k++) part[k] = at_corner[k];
        int n = corners;
        for (int d = 0; d < D; d++) {
            const V *by = d == along ? taps[d].change : taps[d].weight;
            n /= n_taps;
            for (int k = 0; k < n; k++)
                part[k] = n_taps == 1
                              ? by[0] * part[k]
                              : by[0] * part[n_taps * k] + by[n_taps - 1] * part[n_taps * k + n_taps - 1];
        }
        return part[0];
    }

    CPAB_INLINE V sum_of_used(const V *at_corner, int along) const {
        V sum(0);
        for (int k = 0; k < corners; k++) {
            const V by = factor(k, along);
            sum = sum + select(by == V(0), V(0), by * at_corner[k]);
        }
        return select(not_finite, nan_or_zero, sum);
    }
};

/* The taps of points that all lie between pixels of each axis, where no padding has a say: to the last bit
   what set_taps() makes of them, in a third of the steps. false if not all do, or are finite. */
template <typename V, int D>
CPAB_INLINE bool set_taps_between(const ImageAxis<typename V::Scalar> (&axis)[D], const V *x,
                                  Taps<V, 2> (&taps)[D]) {
    const V one(1);
    V u[D];
    auto outside = V::Bits::none();
    for (int d = 0; d < D; d++) {
        u[d] = pixels_along(axis[d], x[d]);
        const V first(axis[d].first_base), last = V(axis[d].last_base) + V(axis[d].has_next);
        outside = outside | ~((first < u[d]) & (u[d] < last));
    }
    if (any(outside)) return false;
    for (int d = 0; d < D; d++) {
        const V slope(axis[d].scale);
        taps[d].base = truncated(u[d]);
        taps[d].weight[0] = one - (u[d] - as_numbers(taps[d].base));
        taps[d].weight[1] = one - taps[d].weight[0];
        taps[d].change[0] = -slope;
        taps[d].change[1] = slope;
    }
    return true;
}

/* Taps that depend on padding, and those of points that are not finite: NaN. Apart, as few points of an image
   that is warped need it; and so that stencils are in memory: a compiler that sees where offsets come from
   takes them out of vectors one by one, which is slow. */
template <typename V, int D, int n_taps>
CPAB_APART void set_any_taps(const ImageAxis<typename V::Scalar> (&axis)[D], int32_t padding, const V *x,
                             Stencil<V, D, n_taps> &stencil) {
    for (int d = 0; d < D; d++) {
        const V given = select(stencil.not_finite, V(axis[d].lower), x[d]);
        set_taps(axis[d], position_on(axis[d], padding, given), stencil.taps[d]);
    }
    for (int t = 0; t < n_taps; t++) {
        stencil.taps[0].weight[t] = stencil.taps[0].weight[t] + stencil.nan_or_zero;
        stencil.taps[0].change[t] = stencil.taps[0].change[t] + stencil.nan_or_zero;
    }
}

template <typename V, int D, int n_taps>
CPAB_INLINE void make_stencil(const ImageAxis<typename V::Scalar> (&axis)[D], int32_t padding, const V *x,
                              Stencil<V, D, n_taps> &stencil) {
    stencil.nan_or_zero = x[0] * V(0);
    for (int d = 1; d < D; d++) stencil.nan_or_zero = stencil.nan_or_zero + x[d] * V(0);
    stencil.not_finite = ~(stencil.nan_or_zero == V(0));
    if constexpr (n_taps == 2) {
        if (!set_taps_between(axis, x, stencil.taps)) set_any_taps(axis, padding, x, stencil);
    } else {
        set_any_taps(axis, padding, x, stencil);
    }
    using Index = typename V::Index;
    using Integer = typename Index::Integer;
    if constexpr (V::width == 1) {
        stencil.offset[0] = 0;
        for (int d = 0; d < D; d++) stencil.offset[0] += int64_t(stencil.taps[d].base[0]) * axis[d].stride;
    } else {
        Index sum = stencil.taps[0].base * Index(Integer(axis[0].stride));
        for (int d = 1; d < D; d++) sum = sum + stencil.taps[d].base * Index(Integer(axis[d].stride));
        std::memcpy(stencil.offset, &sum.v, sizeof stencil.offset);
    }
}

/* -- numbers from anywhere ---------------------------------------------------------------------- */

#if CPAB_HAS_VECTORS

template <typename V, typename Offset, int... lane>
CPAB_INLINE V gather_lanes(const typename V::Scalar *from, const Offset *offset,
                           std::integer_sequence<int, lane...>) {
    return V::from(typename V::Vector{from[offset[lane]]...});
}

/* Two floats side by side, as one number that is only moved. */
CPAB_INLINE double both(const float *from) {
    double pair;
    std::memcpy(&pair, from, sizeof pair);
    return pair;
}

/* Pair i is that of lane i / 2 * 4 + i % 2: every other two lanes. */
template <typename V, typename Offset, int... i>
CPAB_INLINE typename V::Vector gather_pairs(const float *from, const Offset *offset,
                                            std::integer_sequence<int, i...>) {
    typedef double Pairs __attribute__((vector_size(sizeof(V))));
    const Pairs pairs = {both(from + offset[i / 2 * 4 + i % 2])...};
    return (typename V::Vector)pairs;
}

/* Lane after lane, the numbers f of its pair: a has those of lanes 0, 1, 4, 5 ... and b those of 2, 3, 6, 7
   and so on. That way, nothing leaves its 16 bytes, which is the quickest of shuffles. */
template <int f, int W, typename Vector>
CPAB_INLINE Vector one_of_pairs(Vector a, Vector b) {
    if constexpr (W == 4) return __builtin_shufflevector(a, b, f, f + 2, f + 4, f + 6);
    if constexpr (W == 8)
        return __builtin_shufflevector(a, b, f, f + 2, f + 8, f + 10, f + 4, f + 6, f + 12, f + 14);
    if constexpr (W == 16)
        return __builtin_shufflevector(a, b, f, f + 2, f + 16, f + 18, f + 4, f + 6, f + 20, f + 22, f + 8,
                                       f + 10, f + 24, f + 26, f + 12, f + 14, f + 28, f + 30);
}

#endif

/* One number for each lane. */
template <typename V, typename Offset>
CPAB_INLINE V gather(const typename V::Scalar *from, const Offset *offset) {
#if CPAB_HAS_VECTORS
    if constexpr (V::width > 1)
        return gather_lanes<V>(from, offset, std::make_integer_sequence<int, V::width>());
#endif
    return V(from[offset[0]]);
}

/* The number for each lane, and the one that is `step` elements further; 1 if they are adjacent. */
template <bool adjacent, typename V, typename Offset>
CPAB_INLINE void gather_two(const typename V::Scalar *from, const Offset *offset, int64_t step, V *out) {
#if CPAB_HAS_VECTORS
    if constexpr (adjacent && V::width > 1 && sizeof(typename V::Scalar) == 4) {
        const auto half = std::make_integer_sequence<int, V::width / 2>();
        const auto a = gather_pairs<V>(from, offset, half), b = gather_pairs<V>(from, offset + 2, half);
        out[0].v = one_of_pairs<0, V::width>(a, b);
        out[1].v = one_of_pairs<1, V::width>(a, b);
        return;
    }
#endif
    out[0] = gather<V>(from, offset);
    out[1] = gather<V>(from + step, offset);
}

/* How far corner k is from corner 0. */
template <typename T, int D>
CPAB_INLINE int64_t corner_shift(const ImageAxis<T> (&axis)[D], int k) {
    int64_t shift = 0;
    for (int d = 0; d < D; d++) shift += (k >> d & 1) * axis[d].step;
    return shift;
}

/* What is at the corners; `adjacent`: the pairs of taps along the first axis are. */
template <bool adjacent, typename V, int D, int n_taps>
CPAB_INLINE void gather_corners(const ImageAxis<typename V::Scalar> (&axis)[D],
                                const typename V::Scalar *channel, const Stencil<V, D, n_taps> &stencil,
                                V *out) {
    if constexpr (n_taps == 1) {
        out[0] = gather<V>(channel, stencil.offset);
    } else {
        for (int k = 0; k < stencil.corners; k += 2)
            gather_two<adjacent>(channel + corner_shift(axis, k), stencil.offset, axis[0].step, out + k);
    }
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
