/* Numbers of PTX and what it does with them, as the PTX ISA says: the functions that operations.py names.
   Additions wrap around; floats round to even, NaN are any NaN, and subnormal numbers are kept. */
#ifndef CPAB_TESTS_PTX_NUMBERS_H
#define CPAB_TESTS_PTX_NUMBERS_H

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

namespace ptx {

using u8 = uint8_t;
using u16 = uint16_t;
using u32 = uint32_t;
using u64 = uint64_t;
using s8 = int8_t;
using s16 = int16_t;
using s32 = int32_t;
using s64 = int64_t;
using f32 = float;
using f64 = double;
using b16 = u16;
using b32 = u32;
using b64 = u64;
using pred = bool;

template <typename T>
constexpr bool is_float = std::is_floating_point<T>::value;
template <typename T>
constexpr int bits_of = 8 * int(sizeof(T));

/* The integer without sign that has the bits of a number. */
template <typename T>
using Bits =
    std::conditional_t<sizeof(T) == 1, u8,
                       std::conditional_t<sizeof(T) == 2, u16, std::conditional_t<sizeof(T) == 4, u32, u64>>>;

/* The same bits as another number. */
template <typename To, typename From>
inline To as(From from) {
    static_assert(sizeof(To) == sizeof(From), "bits neither come nor go");
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}

/* The low bits of what is wider, and what is wider of a number: with its sign, if it has one. */
template <typename To, typename From>
inline To low(From from) {
    return as<To>(Bits<To>(as<Bits<From>>(from)));
}
template <typename To, typename From>
inline To extended(From from) {
    static_assert(!is_float<From> && !is_float<To>, "only integers can be extended");
    return To(from);
}
inline u64 joined(u32 low, u32 high) { return u64(high) << 32 | low; }

/* What nobody has written: all bits are set, so that floats are NaN. */
template <typename T>
inline T unset() {
    return as<T>(Bits<T>(-1));
}
template <>
inline bool unset<bool>() {
    return true;
}

/* Twice as wide. */
template <typename T>
struct Twice;
template <>
struct Twice<s16> {
    using Type = s32;
};
template <>
struct Twice<u16> {
    using Type = u32;
};
template <>
struct Twice<s32> {
    using Type = s64;
};
template <>
struct Twice<u32> {
    using Type = u64;
};
template <>
struct Twice<s64> {
    using Type = __int128;
};
template <>
struct Twice<u64> {
    using Type = unsigned __int128;
};
template <typename T>
using Wide = typename Twice<T>::Type;

/* -- arithmetic ---------------------------------------------------------------------------------- */

template <typename T>
inline T do_add(T a, T b) {
    if constexpr (is_float<T>)
        return a + b;
    else
        return T(Bits<T>(a) + Bits<T>(b));
}
template <typename T>
inline T do_sub(T a, T b) {
    if constexpr (is_float<T>)
        return a - b;
    else
        return T(Bits<T>(a) - Bits<T>(b));
}
template <typename T>
inline T do_mul(T a, T b) {
    return a * b;
}
template <typename T>
inline T do_mul_lo(T a, T b) {
    return T(u64(Bits<T>(a)) * Bits<T>(b));
}
template <typename T>
inline T do_mul_hi(T a, T b) {
    return T(Wide<T>(a) * b >> bits_of<T>);
}
template <typename T>
inline Wide<T> do_mul_wide(T a, T b) {
    return Wide<T>(a) * b;
}
template <typename T>
inline T do_mad_lo(T a, T b, T c) {
    return do_add(do_mul_lo(a, b), c);
}

/* A device leaves open what a division by zero gives: here all bits are set, and the remainder is the number.
   The quotient of the lowest integer and -1 wraps around. */
template <typename T>
inline T do_div(T a, T b) {
    if (b == 0) return T(-1);
    if (std::is_signed<T>::value && b == T(-1)) return T(-Bits<T>(a));
    return a / b;
}
template <typename T>
inline T do_rem(T a, T b) {
    if (b == 0) return a;
    if (std::is_signed<T>::value && b == T(-1)) return 0;
    return a % b;
}
template <typename T>
inline T do_div_rn(T a, T b) {
    return a / b;
}
template <typename T>
inline T do_rcp_rn(T a) {
    return 1 / a;
}
template <typename T>
inline T do_sqrt_rn(T a) {
    return std::sqrt(a);
}
template <typename T>
inline T do_fma_rn(T a, T b, T c) {
    return std::fma(a, b, c);
}
template <typename T>
inline T do_neg(T a) {
    if constexpr (is_float<T>)
        return -a;
    else
        return T(-Bits<T>(a));
}
template <typename T>
inline T do_abs(T a) {
    if constexpr (is_float<T>)
        return std::fabs(a);
    else
        return a < 0 ? do_neg(a) : a;
}

/* Of a NaN and a number, the number; and -0 is less than 0. */
template <typename T>
inline T do_min(T a, T b) {
    if constexpr (is_float<T>) {
        if (std::isnan(a) || std::isnan(b)) return std::isnan(a) ? b : a;
        if (a == b) return std::signbit(a) ? a : b;
    }
    return a < b ? a : b;
}
template <typename T>
inline T do_max(T a, T b) {
    if constexpr (is_float<T>) {
        if (std::isnan(a) || std::isnan(b)) return std::isnan(a) ? b : a;
        if (a == b) return std::signbit(a) ? b : a;
    }
    return a > b ? a : b;
}

/* -- bits ---------------------------------------------------------------------------------------- */

template <typename T>
inline T do_and(T a, T b) {
    return T(a & b);
}
template <typename T>
inline T do_or(T a, T b) {
    return T(a | b);
}
template <typename T>
inline T do_xor(T a, T b) {
    return T(a ^ b);
}
template <typename T>
inline T do_not(T a) {
    return std::is_same<T, bool>::value ? T(!a) : T(~Bits<T>(a));
}

/* By more bits than there are, nothing is left but the sign. */
template <typename T>
inline T do_shl(T a, u32 n) {
    return n < bits_of<T> ? T(Bits<T>(a) << n) : T(0);
}
template <typename T>
inline T do_shr(T a, u32 n) {
    return n < bits_of<T> ? T(a >> n) : a < 0 ? T(-1) : T(0);
}

/* The lowest `n` bits of a, in place of those of b from `first` on. Of both, 8 bits count. */
template <typename T>
inline T do_bfi(T a, T b, u32 first, u32 n) {
    first &= 255;
    n &= 255;
    const T ones = do_shl(n < bits_of<T> ? T((T(1) << n) - 1) : T(-1), first);
    return T((do_shl(a, first) & ones) | (b & ~ones));
}
template <typename T>
inline T do_brev(T a) {
    T reversed = 0;
    for (int i = 0; i < bits_of<T>; i++) reversed = T(reversed | (a >> i & 1) << (bits_of<T> - 1 - i));
    return reversed;
}

/* By how much the number must be shifted so that its first bit is set. */
template <typename T>
inline u32 do_bfind_shiftamt(T a) {
    return a ? u32(__builtin_clz(a)) : u32(-1);
}

/* -- choices ------------------------------------------------------------------------------------- */

template <typename T>
inline T do_selp(T a, T b, bool condition) {
    return condition ? a : b;
}
template <typename T>
inline T do_mov(T a) {
    return a;
}

template <typename T>
inline bool do_setp_eq(T a, T b) {
    return a == b;
}
template <typename T>
inline bool do_setp_lt(T a, T b) {
    return a < b;
}
template <typename T>
inline bool do_setp_le(T a, T b) {
    return a <= b;
}
template <typename T>
inline bool do_setp_gt(T a, T b) {
    return a > b;
}
template <typename T>
inline bool do_setp_ge(T a, T b) {
    return a >= b;
}
template <typename T>
inline bool do_setp_num(T a, T b) {
    return !std::isnan(a) && !std::isnan(b);
}

/* False for NaN, as the others above. */
template <typename T>
inline bool do_setp_ne(T a, T b) {
    if constexpr (is_float<T>)
        return a < b || a > b;
    else
        return a != b;
}

/* True for NaN, as the others below. */
template <typename T>
inline bool do_setp_nan(T a, T b) {
    return !do_setp_num(a, b);
}
template <typename T>
inline bool do_setp_equ(T a, T b) {
    return !do_setp_ne(a, b);
}
template <typename T>
inline bool do_setp_neu(T a, T b) {
    return !(a == b);
}
template <typename T>
inline bool do_setp_ltu(T a, T b) {
    return !(a >= b);
}
template <typename T>
inline bool do_setp_leu(T a, T b) {
    return !(a > b);
}
template <typename T>
inline bool do_setp_gtu(T a, T b) {
    return !(a <= b);
}
template <typename T>
inline bool do_setp_geu(T a, T b) {
    return !(a < b);
}

/* -- from type to type --------------------------------------------------------------------------- */

template <typename To, typename From>
inline To do_cvt(From a) {
    return To(a);
}
template <typename To, typename From>
inline To do_cvt_rn(From a) {
    return To(a);
}

/* To the integer towards zero, or the last one there is; of a NaN the highest bit, or from float to 32 bits
   nothing. */
template <typename To, typename From>
inline To do_cvt_rzi(From a) {
    using Limits = std::numeric_limits<To>;
    constexpr bool is_zero = sizeof(From) == 4 && sizeof(To) == 4;
    if (std::isnan(a)) return is_zero ? To(0) : To(Bits<To>(1) << (bits_of<To> - 1));
    const From end = std::ldexp(From(1), bits_of<To> - std::is_signed<To>::value);
    if (a >= end) return Limits::max();
    if (a <= From(Limits::min())) return Limits::min();
    return To(a);
}

}  // namespace ptx

#endif
