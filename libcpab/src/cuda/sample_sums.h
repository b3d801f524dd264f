/*
 * Where threads add up what pixels are given of the gradients of values.
 *
 * Sums of floats depend on the order of their parts, and threads come in any order. Sums of integers do not:
 * fixed point counts parts in units of a power of two, which is as small as 64 bits allow. In an item with
 * gradients below 2^e, a pixel is given at most n_points * 2^e * reach, where `reach` bounds the sum of a
 * point's weights: 1, or for cubic convolution 11/8 along each axis. With 2^b >= n_points * reach, a unit of
 * 2^(b + e - 61) keeps the sum below 2^61, and with what rounding to whole units adds below 2^62.
 *
 * So a part is off by at most n_points * reach * (the largest gradient) * 2^-60. That is less than what
 * float32 itself is off by, but for parts below n_points * 2^-35 of the largest gradient. Float64 loses
 * digits: it has 12 of its 16 where there are a million points.
 */
#ifndef CPAB_CUDA_SAMPLE_SUMS_H
#define CPAB_CUDA_SAMPLE_SUMS_H

#include "../sample.h"
#include "gpu.h"
#include "sample_launch.h"

namespace cpab {
namespace CPAB_ISA {

/* Counts in units of 2^-k. Powers are applied by halves, as 2^k itself can overflow. */
template <typename T>
class SumUnits {
    using Lane = Lanes<T, 1>;
    using Index = typename Lane::Index;
    static constexpr int mantissa_bits = sizeof(T) == 4 ? 23 : 52;
    static constexpr int bias = sizeof(T) == 4 ? 127 : 1023;

public:
    /* The bits of |number|, which are in the order of magnitudes; */
    CPAB_DEVICE static uint64_t magnitude_bits(T number) {
        constexpr auto all_but_sign = static_cast<typename Index::Unsigned>(-1) / 2;
        return static_cast<typename Index::Unsigned>(bits_of(Lane(number)).v) & all_but_sign;
    }
    /* those of infinity: what is finite has less, NaN has more. */
    static constexpr uint64_t infinite = uint64_t(2 * bias + 1) << mantissa_bits;

    /* For an item, from the bits of its largest gradient and `spare` = 61 - b. */
    CPAB_DEVICE SumUnits(uint64_t largest, int spare) {
        const int e = int(largest >> mantissa_bits) - bias + 1, k = spare - e;
        half_ = k / 2;
        rest_ = k - half_;
    }

    CPAB_DEVICE int64_t units(T number) const {
        return int64_t(rounded(Lane(number * power_of_two(half_) * power_of_two(rest_)))[0]);
    }

    CPAB_DEVICE T number(int64_t units) const {
        return T(units) * power_of_two(-half_) * power_of_two(-rest_);
    }

private:
    /* Of exponents that normal numbers have. */
    CPAB_DEVICE static T power_of_two(int exponent) {
        return from_bits(Index(typename Index::Integer(exponent + bias) << mantissa_bits))[0];
    }

    int half_, rest_;
};

/* -- where the threads of an item add what is for a pixel, by its offset --------------------------- */

template <typename T>
struct FloatSumsOfItem {
    T *grad_images;

    CPAB_DEVICE void add(int64_t offset, T part) const { gpu::add(grad_images + offset, part); }
};

/* What is not finite is no integer: it is added to the result, where it leaves the same in any order. */
template <typename T>
struct FixedSumsOfItem {
    T *grad_images;
    int64_t *sums;
    SumUnits<T> units;

    CPAB_DEVICE void add(int64_t offset, T part) const {
        if (is_finite(Lanes<T, 1>(part))[0])
            gpu::add(sums + offset, units.units(part));
        else
            gpu::add(grad_images + offset, part);
    }
};

template <typename T>
CPAB_DEVICE FloatSumsOfItem<T> of_item(const FloatSums<T> &all, int64_t item, int64_t item_size) {
    return {all.grad_images + item * item_size};
}

template <typename T>
CPAB_DEVICE FixedSumsOfItem<T> of_item(const FixedSums<T> &all, int64_t item, int64_t item_size) {
    return {all.grad_images + item * item_size, all.sums + item * item_size,
            SumUnits<T>(all.largest[item], all.spare)};
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
