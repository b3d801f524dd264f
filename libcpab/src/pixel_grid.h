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

    CPAB_HD double pitch(int d) const {
        return align_corners ? (size[d] > 1 ? extent[d] / double(size[d] - 1) : 0)
                             : extent[d] / double(size[d]);
    }
    CPAB_HD double origin(int d) const {
        return lower[d] + (!align_corners ? pitch(d) / 2 : size[d] > 1 ? 0 : extent[d] / 2);
    }

    /* Pixels `first` to `first` + n - 1, x fastest: [n, ndim]. */
    template <typename T>
    CPAB_HD void centres(int64_t first, int64_t n, T *out) const {
        const double first_x = origin(0), pitch_x = pitch(0);
        for (int64_t done = 0; done < n;) {
            const int64_t x = (first + done) % size[0], in_row = size[0] - x;
            const int64_t count = in_row < n - done ? in_row : n - done;
            T *row = out + done * ndim;
            for (int32_t i = 0; i < int32_t(count); i++)
                row[int64_t(i) * ndim] = T(first_x + double(int32_t(x) + i) * pitch_x);
            int64_t rest = (first + done) / size[0];
            for (int d = 1; d < ndim; d++) {
                const T at = T(origin(d) + double(rest % size[d]) * pitch(d));
                for (int64_t i = 0; i < count; i++) row[i * ndim + d] = at;
                rest /= size[d];
            }
            done += count;
        }
    }
};

}  // namespace cpab

#endif
