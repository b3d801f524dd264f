/* The centres of the pixels of a regular grid that covers a box. */
#ifndef CPAB_PIXEL_GRID_H
#define CPAB_PIXEL_GRID_H

#include <cstdint>

#include "host_device.h"

namespace cpab {

struct PixelGrid {
    int32_t ndim;
    bool align_corners;
    double lower[3], extent[3];
    int64_t size[3];

    CPAB_HD double centre(int d, int64_t i) const {
        const double n = double(size[d]), at = double(i);
        const double part = !align_corners ? (at + 0.5) / n : n > 1 ? at / (n - 1) : 0.5;
        return lower[d] + part * extent[d];
    }

    /* Pixels `first` to `first` + n - 1, x fastest: [n, ndim]. */
    template <typename T>
    CPAB_HD void centres(int64_t first, int64_t n, T *out) const {
        for (int64_t done = 0; done < n;) {
            const int64_t x = (first + done) % size[0], in_row = size[0] - x;
            const int64_t count = in_row < n - done ? in_row : n - done;
            T *row = out + done * ndim;
            for (int64_t i = 0; i < count; i++) row[i * ndim] = T(centre(0, x + i));
            int64_t rest = (first + done) / size[0];
            for (int d = 1; d < ndim; d++) {
                const T at = T(centre(d, rest % size[d]));
                for (int64_t i = 0; i < count; i++) row[i * ndim + d] = at;
                rest /= size[d];
            }
            done += count;
        }
    }
};

}  // namespace cpab

#endif
