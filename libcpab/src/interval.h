/* The interval of a line that holds a number. */
#ifndef CPAB_INTERVAL_H
#define CPAB_INTERVAL_H

#include <cstdint>

#include "host_device.h"

namespace cpab {

/* The interval, 0 to n - 1, that holds u or is nearest to it. Safe for any u that is not NaN. */
template <typename T>
CPAB_HD inline int64_t interval_of(T u, int64_t n) {
    if (!(u > 0)) return 0;
    if (u >= T(n)) return n - 1;
    return static_cast<int64_t>(u);
}

}  // namespace cpab

#endif
