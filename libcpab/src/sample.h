/*
 * Images at points: n-linear and nearest interpolation, in lanes.
 *
 * Along each axis, a point has a position in pixels (pixel i has its centre at i) and one or two taps: pixels
 * with weights. An image's value at the point is a sum over the corners, the products of the axes' taps.
 * Corner k has the higher tap of axis d where bit d of k is set. All that does not depend on the image's
 * values, the offsets and weights, is computed once for all channels.
 */
#ifndef CPAB_SAMPLE_H
#define CPAB_SAMPLE_H

#include "../include/cpab.h"
#include "lanes.h"

namespace cpab {
namespace CPAB_ISA {

/* One axis of an image. */
template <typename T>
struct ImageAxis {
    T lower, scale, shift;   /* coordinate x is at pixel (x - lower) * scale + shift */
    T mirror, span;          /* reflection has its mirrors at `mirror` and `mirror` + `span` */
    T end;                   /* the last pixel */
    T first_used, last_used; /* taps on other pixels are left out; these are all of them, or a band */
    int64_t stride;
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
CPAB_INLINE Position<V> position_on(const ImageAxis<typename V::Scalar> &axis, int32_t padding, V x) {
    Position<V> at{(x - V(axis.lower)) * V(axis.scale) + V(axis.shift), V(axis.scale)};
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

/* The pixels that a point takes its value from along one axis: 2, or the nearest 1. */
template <typename V, int n_taps>
struct Taps {
    typename V::Index pixel[n_taps]; /* of the image, also where it is not `used` */
    typename V::Bits used[n_taps];
    V weight[n_taps];
    V slope;
};

template <int n_taps, typename V>
CPAB_INLINE Taps<V, n_taps> taps_on(const ImageAxis<typename V::Scalar> &axis, int32_t padding, V x) {
    const Position<V> at = position_on(axis, padding, x);
    const V base = n_taps == 1 ? rounded(at.u) : rounded_down(at.u);
    const V first(axis.first_used), last(axis.last_used);
    Taps<V, n_taps> taps;
    taps.slope = at.slope;
    for (int t = 0; t < n_taps; t++) {
        const V pixel = base + V(typename V::Scalar(t));
        taps.used[t] = (pixel <= last) & (first <= pixel);
        taps.pixel[t] = truncated(smaller(larger(pixel, first), last));
        taps.weight[t] = n_taps == 1 ? V(1) : t ? at.u - base : V(1) - (at.u - base);
    }
    return taps;
}

/* The corners of a group of points. */
template <typename V, int D, int n_taps>
struct Stencil {
    static constexpr int corners = n_taps == 1 ? 1 : 1 << D;
    Taps<V, n_taps> taps[D];
    int64_t offset[corners][V::width];
    typename V::Bits used[corners];
    typename V::Bits bad; /* points that are not finite: they have no value and take part in nothing */
    V nothing;            /* NaN for these, 0 for others */

    CPAB_HD static constexpr int tap(int corner, int d) { return n_taps == 1 ? 0 : corner >> d & 1; }

    CPAB_INLINE V weight(int corner) const {
        V product = taps[0].weight[tap(corner, 0)];
        for (int d = 1; d < D; d++) product = product * taps[d].weight[tap(corner, d)];
        return product;
    }

    /* The derivatives of sum_k weight_k at_corner_k with respect to the point. */
    CPAB_INLINE void derivatives(const V *at_corner, V *out) const {
        for (int d = 0; d < D; d++) {
            V sum(0);
            for (int k = 0; k < corners; k++) {
                V part = at_corner[k];
                for (int e = 0; e < D; e++)
                    if (e != d) part = part * taps[e].weight[tap(k, e)];
                sum = n_taps == 1 ? sum : tap(k, d) ? sum + part : sum - part;
            }
            out[d] = sum * taps[d].slope;
        }
    }
};

template <int n_taps, typename V, int D>
CPAB_INLINE void make_stencil(const ImageAxis<typename V::Scalar> (&axis)[D], int32_t padding, const V *x,
                              Stencil<V, D, n_taps> &stencil) {
    constexpr int W = V::width, corners = Stencil<V, D, n_taps>::corners;
    stencil.nothing = x[0] * V(0);
    for (int d = 1; d < D; d++) stencil.nothing = stencil.nothing + x[d] * V(0);
    stencil.bad = ~(stencil.nothing == V(0));
    for (int d = 0; d < D; d++)
        stencil.taps[d] = taps_on<n_taps>(axis[d], padding, select(stencil.bad, V(axis[d].lower), x[d]));
    for (int k = 0; k < corners; k++) {
        stencil.used[k] = ~stencil.bad;
        for (int d = 0; d < D; d++)
            stencil.used[k] = stencil.used[k] & stencil.taps[d].used[stencil.tap(k, d)];
    }
    int64_t along[D][n_taps][W];
    for (int d = 0; d < D; d++)
        for (int t = 0; t < n_taps; t++)
            for (int r = 0; r < W; r++)
                along[d][t][r] = int64_t(stencil.taps[d].pixel[t][r]) * axis[d].stride;
    for (int k = 0; k < corners; k++)
        for (int r = 0; r < W; r++) {
            stencil.offset[k][r] = along[0][stencil.tap(k, 0)][r];
            for (int d = 1; d < D; d++) stencil.offset[k][r] += along[d][stencil.tap(k, d)][r];
        }
}

/* One number for each lane. */
template <typename V>
CPAB_INLINE V gather(const typename V::Scalar *from, const int64_t *offset) {
    typename V::Scalar lanes[V::width];
    for (int r = 0; r < V::width; r++) lanes[r] = from[offset[r]];
    return V::load(lanes);
}

template <typename V, int D, int n_taps>
CPAB_INLINE V value_at(const Stencil<V, D, n_taps> &stencil, const typename V::Scalar *channel) {
    V sum(0);
    for (int k = 0; k < stencil.corners; k++)
        sum = sum + stencil.weight(k) * select(stencil.used[k], gather<V>(channel, stencil.offset[k]), V(0));
    return select(stencil.bad, stencil.nothing, sum);
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
