/*
 * Exponentials and logarithms in lanes, in the forms that a flow with a linear speed needs. Nothing is
 * singular or cancels where its slope vanishes, and errors are a few roundings.
 *
 * Arguments are brought near 0 by powers of two; what is left to do are the Taylor series of
 *     e^f = 1 + f + f^2 sum_i f^i / (i + 2)!       for |f| <= ln(2) / 2 = 0.35
 *     atanh(s) = s + s^3 sum_i s^(2 i) / (2 i + 3)  for |s| <= 0.21
 */
#ifndef CPAB_ELEMENTARY_H
#define CPAB_ELEMENTARY_H

#include "lane.h"

namespace cpab {
namespace CPAB_ISA {

/*
 * Numbers of terms such that the first one left out is below a rounding:
 *     exponential: 0.35^9 / 9! = 2e-10, 0.35^14 / 14! = 5e-18
 *     atanh: 0.21^10 / 11 = 2e-8, 0.21^24 / 25 = 2e-18, relative to 1
 * ln 2 = ln2_high + ln2_low, by Python: high = round(math.log(2) * 2**bits) / 2**bits with bits = 9 or 32,
 * which leaves room for a product with an exponent, and low from 60 digits of decimal.Decimal(2).ln().
 */
template <typename T>
struct Binary;

template <>
struct Binary<float> {
    static constexpr int mantissa = 23, bias = 127;
    static constexpr int exponential_terms = 7, atanh_terms = 4;
    static constexpr double ln2_high = 0.693359375, ln2_low = -0.00021219444005469057;
};

template <>
struct Binary<double> {
    static constexpr int mantissa = 52, bias = 1023;
    static constexpr int exponential_terms = 12, atanh_terms = 11;
    static constexpr double ln2_high = 0.6931471806019545, ln2_low = -4.2009150726810846e-11;
};

constexpr double ln2 = 0.69314718055994531;

/* Up to this product of slope and time, and further, nothing below divides by the slope. */
constexpr double gentle = 0.125;

/* e^(slope time), its integral over the time, and the derivative of that by the slope. */
template <typename V>
struct Growth {
    V factor, path, path_slope;
};

/* For |slope * time| such that the exponential is far from over- and underflow. `inverse` is 1 / slope, or
   any number where the flow is gentle. */
template <typename V>
CPAB_INLINE Growth<V> growth(V slope, V inverse, V time) {
    using T = typename V::Scalar;
    using Format = Binary<T>;
    using Index = typename V::Index;
    using Integer = typename Index::Integer;
    constexpr T rounder = T(1.5) * T(Integer(1) << Format::mantissa); /* its last bit is 1 */
    const V y = slope * time;
    const V shifted = y * V(T(1 / ln2)) + V(rounder);
    const V exponent = shifted - V(rounder);
    const V f = y - exponent * V(T(Format::ln2_high)) - exponent * V(T(Format::ln2_low));
    const Index bits =
        (bits_of(shifted) << Format::mantissa) + Index(Integer(Format::bias) << Format::mantissa);
    const V power = from_bits(bits); /* 2^exponent: bits of the rounder above its exponent are shifted out */

    constexpr double series[] = {1.0 / 2,       1.0 / 6,        1.0 / 24,        1.0 / 120,
                                 1.0 / 720,     1.0 / 5040,     1.0 / 40320,     1.0 / 362880,
                                 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800};
    V rest = V(T(series[Format::exponential_terms - 1]));
    for (int i = Format::exponential_terms - 2; i >= 0; i--) rest = rest * f + V(T(series[i]));
    const V less_one = f + f * f * rest; /* e^f - 1 */

    const auto whole = exponent == V(0); /* so for |y| < ln(2) / 2 */
    const V mean = V(1) + f * rest;      /* then, of the exponential over the time */
    Growth<V> result;
    result.factor = power + power * less_one;
    result.path = select(whole, time * mean, (power * less_one + (power - V(1))) * inverse);
    result.path_slope =
        select(whole, time * time * (mean - rest), (time * result.factor - result.path) * inverse);
    return result;
}

/* How long it takes to go some distance while the speed changes linearly, integral of dx / speed; and
   the integral of (distance left) dx / speed^2, which is how a larger slope, with the speed at the end as it
   is, would change that. */
template <typename V>
struct Passage {
    V time, moment;
};

/* Speeds are positive, and to = from + slope * distance. `inverse` is 1 / slope, or any number where the flow
   is gentle. */
template <typename V>
CPAB_INLINE Passage<V> passage(V distance, V from, V to, V slope, V inverse) {
    using T = typename V::Scalar;
    using Format = Binary<T>;
    using Index = typename V::Index;
    using Integer = typename Index::Integer;
    const V tiny = from_bits(Index(Integer(1) << Format::mantissa)); /* below it, bits are no logarithms */
    from = larger(from, tiny);
    to = larger(to, tiny);

    /* log(from / to) = exponent ln 2 + 2 atanh(s). The difference of bits is a piecewise linear log2, at most
       0.09 off, so the exponent leaves |log2| <= 0.59, s <= 0.21, and is 0 for |log2| <= 0.41: for
       products of slope and time up to 0.28. */
    constexpr Integer half = Integer(1) << (Format::mantissa - 1), exponent_bits = ~(2 * half - 1);
    const Index exponent = (bits_of(from) - bits_of(to) + Index(half)) & Index(exponent_bits);
    const V scaled = from_bits(bits_of(to) + exponent); /* to * 2^exponent */
    const auto alike = exponent == Index(0);
    const V difference = select(alike, -slope * distance, from - scaled);
    const V inverse_sum = V(1) / (from + scaled), s = difference * inverse_sum, square = s * s;
    V rest(T(1.0 / (2 * Format::atanh_terms + 1)));
    for (int i = Format::atanh_terms - 2; i >= 0; i--) rest = rest * square + V(T(1.0 / (2 * i + 3)));
    const V ratio = V(1) + square * rest; /* atanh(s) / s */

    const V log = as_numbers(exponent) * V(T(ln2 / double(2 * half))) + (s + s) * ratio;
    const V part = distance * inverse_sum, quotient = distance / from;
    Passage<V> result;
    result.time = select(alike, (part + part) * ratio, -log * inverse);
    result.moment =
        select(alike, part * (quotient + (part + part) * s * rest), (quotient - result.time) * inverse);
    return result;
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
