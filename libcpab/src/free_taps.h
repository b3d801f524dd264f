/*
 * Images at points where each tap finds its own pixel: cubic interpolation, and images that go round.
 *
 * Along each axis, a point has a position u in pixels and n_taps pixels around it on a line of pixels that
 * has no end, to which the padding gives pixels of the image, or none. With t = u - floor(u), the weights are
 * 1 - t and t, or those of cubic convolution (Keys 1981, eq. 4) with its parameter a = -3/4, as in torch:
 *
 *   a t (1 - t)^2,  c(t),  c(1 - t),  a (1 - t) t^2   with   c(s) = ((a + 2) s - (a + 3)) s^2 + 1.
 */
#ifndef CPAB_FREE_TAPS_H
#define CPAB_FREE_TAPS_H

#include "sample.h"

namespace cpab {
namespace CPAB_ISA {

/* Within one period of an image that repeats itself, or up to two pixels outside of one that does not:
   beyond, nothing changes. What overflows ends up at the period's first place. */
template <typename V>
CPAB_INLINE Position<V> free_position(const ImageAxis<typename V::Scalar> &axis, int32_t padding, V x) {
    Position<V> at{pixels_along(axis, x), V(axis.scale)};
    if (padding == CPAB_PADDING_ZEROS || padding == CPAB_PADDING_BORDER) {
        const V first(-2), last = V(axis.end) + V(2);
        at.slope = select((at.u > first) & (at.u < last), at.slope, V(0));
        at.u = smaller(larger(at.u, first), last);
        return at;
    }
    const bool wraps = padding == CPAB_PADDING_WRAP;
    const V start(wraps ? 0 : axis.mirror), period = wraps ? V(axis.end) + V(1) : V(axis.span) + V(axis.span);
    const V distance = at.u - start;
    const V rest = distance - rounded_down(distance / period) * period;
    const V folded = select((rest > V(0)) & (rest < period), rest, V(0));
    at.u = select((distance > V(0)) & (distance < period), at.u, start + folded);
    return at;
}

/* The pixel of the image that stands at a place on the line, which must be near the image. */
template <typename V>
CPAB_INLINE V pixel_on(const ImageAxis<typename V::Scalar> &axis, int32_t padding, V place) {
    if (padding == CPAB_PADDING_REFLECTION) place = reflected(axis, Position<V>{place, V(0)}).u;
    if (padding == CPAB_PADDING_WRAP) {
        const V n = V(axis.end) + V(1);
        place = place - rounded_down(place / n) * n;
    }
    return smaller(larger(place, V(0)), V(axis.end));
}

/* The weights of 1, 2 or 4 taps, and their derivatives with respect to t. */
template <typename V>
CPAB_INLINE void weights_of(V, V (&weight)[1], V (&change)[1]) {
    weight[0] = V(1);
    change[0] = V(0);
}

template <typename V>
CPAB_INLINE void weights_of(V t, V (&weight)[2], V (&change)[2]) {
    weight[0] = V(1) - t;
    weight[1] = t;
    change[0] = V(-1);
    change[1] = V(1);
}

template <typename V>
CPAB_INLINE void weights_of(V t, V (&weight)[4], V (&change)[4]) {
    using T = typename V::Scalar;
    const V a(T(-0.75)), a2(T(1.25)), a3(T(2.25)), one(1), s = one - t;
    weight[0] = a * t * s * s;
    weight[1] = (a2 * t - a3) * t * t + one;
    weight[2] = (a2 * s - a3) * s * s + one;
    weight[3] = a * s * t * t;
    change[0] = a * s * (one - V(3) * t);
    change[1] = (V(3) * a2 * t - V(2) * a3) * t;
    change[2] = (V(2) * a3 - V(3) * a2 * s) * s;
    change[3] = a * t * (V(2) - V(3) * t);
}

/* Around a point along one axis: where the pixels are, and what they count. Pixels that the axis leaves out,
   as bands do, have no weight, like those that zeros take the place of: another pixel of the band stands for
   them, so that nobody writes to the others. */
template <typename V, int n_taps>
CPAB_INLINE void set_free_taps(const ImageAxis<typename V::Scalar> &axis, int32_t padding, V x,
                               V (&weight)[n_taps], V (&change)[n_taps], V (&pixel)[n_taps]) {
    const Position<V> at = free_position(axis, padding, x);
    const V whole = n_taps == 1 ? rounded(at.u) : rounded_down(at.u);
    weights_of(at.u - whole, weight, change);
    CPAB_UNROLL
    for (int t = 0; t < n_taps; t++) {
        const V place = whole + V(typename V::Scalar(t - (n_taps == 4 ? 1 : 0)));
        const V found = pixel_on(axis, padding, place);
        pixel[t] = smaller(larger(found, V(axis.first_base)), V(axis.last_base));
        const auto there =
            (pixel[t] == found) & (padding == CPAB_PADDING_ZEROS ? found == place : found == found);
        weight[t] = select(there, weight[t], V(0));
        change[t] = select(there, at.slope * change[t], V(0));
    }
}

/* What the corners of a group of points count: tap k / n_taps^d % n_taps of axis d. */
template <typename V, int D, int n_taps>
struct CornerWeights {
    static constexpr int corners = D == 1 ? n_taps : D == 2 ? n_taps * n_taps : n_taps * n_taps * n_taps;
    V weight[D][n_taps], change[D][n_taps];
    typename V::Bits not_finite; /* as in Stencil */
    V nan_or_zero;

    /* A pointer: with its sanitizer of bounds, GCC 12 takes element 0 of arrays that ?: chooses. */
    CPAB_INLINE const V *by_axis(int d, int along) const { return d == along ? change[d] : weight[d]; }

    /* A corner's weight, or its derivative along axis `along`. */
    CPAB_INLINE V factor(int corner, int along) const {
        V product(1);
        CPAB_UNROLL
        for (int d = 0; d < D; d++, corner /= n_taps) product = product * by_axis(d, along)[corner % n_taps];
        return product;
    }

    /* The sum of what is at the corners by these factors, one axis after the other. */
    CPAB_INLINE V sum_of_all(const V *at_corner, int along) const {
        V part[corners];
        CPAB_UNROLL
        for (int k = 0; k < corners; k++) part[k] = at_corner[k];
        int n = corners;
        CPAB_UNROLL
        for (int d = 0; d < D; d++) {
            const V *by = by_axis(d, along);
            n /= n_taps;
            CPAB_UNROLL
            for (int k = 0; k < n; k++) {
                V sum = by[0] * part[n_taps * k];
                CPAB_UNROLL
                for (int t = 1; t < n_taps; t++) sum = sum + by[t] * part[n_taps * k + t];
                part[k] = sum;
            }
        }
        return part[0];
    }

    /* Without what has a factor of 0; for points that are not finite, NaN. */
    CPAB_INLINE V sum_of_used(const V *at_corner, int along) const {
        V sum(0);
        for (int k = 0; k < corners; k++) {
            const V by = factor(k, along);
            sum = sum + select(by == V(0), V(0), by * at_corner[k]);
        }
        return select(not_finite, nan_or_zero, sum);
    }

    /* Whichever of these sums is right: as in Stencil, what has a factor of 0 has no part. */
    CPAB_APART V combined(const V *at_corner, int along) const {
        const V all = sum_of_all(at_corner, along);
        const auto finite = is_finite(all);
        return any(~finite) ? select(finite, all, sum_of_used(at_corner, along)) : all;
    }

    template <int n>
    CPAB_INLINE void combine(const V *at_corner, int first, V *results) const {
        for (int i = 0; i < n; i++) results[i] = combined(at_corner, first + i);
    }
};

/* The corners of a group of points. */
template <typename V, int D, int n_taps>
struct FreeStencil : CornerWeights<V, D, n_taps> {
    using Index = typename V::Index;
    /* As in Stencil. */
    using Offset = std::conditional_t<V::width == 1, int64_t, typename Index::Integer>;
    Offset offset[FreeStencil::corners][V::width]; /* in elements, of the pixels */
};

template <typename V, int D, int n_taps>
CPAB_APART void make_stencil(const ImageAxis<typename V::Scalar> (&axis)[D], int32_t padding, const V *x,
                             FreeStencil<V, D, n_taps> &stencil) {
    using Stencil = FreeStencil<V, D, n_taps>;
    using Integer = typename V::Index::Integer;
    using Offset = typename Stencil::Offset;
    stencil.nan_or_zero = x[0] * V(0);
    for (int d = 1; d < D; d++) stencil.nan_or_zero = stencil.nan_or_zero + x[d] * V(0);
    stencil.not_finite = ~(stencil.nan_or_zero == V(0));
    Offset along[D][n_taps][V::width];
    for (int d = 0; d < D; d++) {
        const V given = select(stencil.not_finite, V(axis[d].lower), x[d]);
        const V nan_or_zero = d == 0 ? stencil.nan_or_zero : V(0);
        V pixel[n_taps];
        set_free_taps(axis[d], padding, given, stencil.weight[d], stencil.change[d], pixel);
        for (int t = 0; t < n_taps; t++) {
            stencil.weight[d][t] = stencil.weight[d][t] + nan_or_zero;
            stencil.change[d][t] = stencil.change[d][t] + nan_or_zero;
            if constexpr (V::width == 1) {
                along[d][t][0] = int64_t(truncated(pixel[t])[0]) * axis[d].stride;
            } else {
                const typename V::Index offset =
                    truncated(pixel[t]) * typename V::Index(Integer(axis[d].stride));
                std::memcpy(along[d][t], &offset.v, sizeof along[d][t]);
            }
        }
    }
    for (int k = 0; k < Stencil::corners; k++)
        for (int r = 0; r < V::width; r++) {
            Offset sum = 0;
            for (int d = 0, rest = k; d < D; d++, rest /= n_taps) sum += along[d][rest % n_taps][r];
            stencil.offset[k][r] = sum;
        }
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
