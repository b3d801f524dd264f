/* How large the numbers of an array are. */
#ifndef CPAB_LARGEST_H
#define CPAB_LARGEST_H

#include <cmath>
#include <cstdint>

namespace cpab {

/* The largest magnitude among n numbers, or NaN if one of them is not finite. Static: every instruction set
   has its own. */
template <typename T>
static inline T largest_magnitude(const T *numbers, int64_t n) {
    constexpr int chains = 16; /* side by side: one alone would wait for itself at every number */
    T most[chains] = {}, nan_or_zero[chains] = {};
    const auto see = [&](T number, int chain) {
        const T magnitude = std::fabs(number);
        most[chain] = magnitude > most[chain] ? magnitude : most[chain];
        nan_or_zero[chain] += magnitude * T(0); /* NaN if it is not finite */
    };
    int64_t i = 0;
    for (; i + chains <= n; i += chains)
        for (int chain = 0; chain < chains; chain++) see(numbers[i + chain], chain);
    for (; i < n; i++) see(numbers[i], 0);
    for (int chain = 1; chain < chains; chain++) {
        most[0] = most[chain] > most[0] ? most[chain] : most[0];
        nan_or_zero[0] += nan_or_zero[chain];
    }
    return most[0] + nan_or_zero[0];
}

}  // namespace cpab

#endif
