/* Whether the elements of arrays can be counted: sizes come from callers, and their products must not
 * overflow. */
#ifndef CPAB_SIZES_H
#define CPAB_SIZES_H

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>

namespace cpab {

/* Arrays must be smaller than this, in elements. */
constexpr int64_t most_elements = std::numeric_limits<ptrdiff_t>::max() / int64_t(sizeof(double));

/* false if the product of sizes, none of them negative, is more elements than an array may have. */
inline bool multiply(std::initializer_list<int64_t> factors, int64_t &product) {
    product = 1;
    for (const int64_t factor : factors)
        if (factor == 0) {
            product = 0;
            return true;
        }
    for (const int64_t factor : factors) {
        if (product > most_elements / factor) return false;
        product *= factor;
    }
    return true;
}

inline bool countable(std::initializer_list<int64_t> factors) {
    int64_t ignored;
    return multiply(factors, ignored);
}

}  // namespace cpab

#endif
