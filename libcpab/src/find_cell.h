/* Numbering of cells, and which cell a point starts in. After that the walk needs no search. */
#ifndef CPAB_FIND_CELL_H
#define CPAB_FIND_CELL_H

#include <cstdint>

#include "box_grid.h"
#include "host_device.h"
#include "interval.h"

namespace cpab {

/* Indices of the 2D complex; see cpab.h for the order of the public part. */
struct TriangleGrid {
    int64_t nx, ny;

    CPAB_HD int64_t corner(int64_t i, int64_t j) const { return i + (nx + 1) * j; }
    CPAB_HD int64_t centre(int64_t i, int64_t j) const { return (nx + 1) * (ny + 1) + i + nx * j; }
    CPAB_HD int64_t triangle(int64_t i, int64_t j, int k) const { return 4 * (i + nx * j) + k; }

    /* Ghost behind side k (low y, high x, high y, low x) at the i-th rectangle along it. */
    CPAB_HD int64_t strip(int k, int64_t i) const {
        return 4 * nx * ny + (k / 2) * (nx + ny) + (k % 2) * nx + i;
    }

    /* Ghosts behind corner q = (x high) + 2 * (y high), cut along the diagonal: part 0 lies at the
       x side, part 1 at the y side. */
    CPAB_HD int64_t wedge(int q, int part) const { return 4 * nx * ny + 2 * (nx + ny) + 2 * q + part; }

    template <typename T>
    CPAB_HD int64_t find(const T *u) const {
        const T n[2] = {T(nx), T(ny)};
        T beyond[2];
        for (int d = 0; d < 2; d++) beyond[d] = u[d] < 0 ? -u[d] : u[d] > n[d] ? u[d] - n[d] : T(0);
        const int64_t i = interval_of(u[0], nx), j = interval_of(u[1], ny);
        if (beyond[0] > 0 && beyond[1] > 0) return wedge((u[0] > 0) + 2 * (u[1] > 0), beyond[1] > beyond[0]);
        if (beyond[0] > 0) return strip(u[0] > 0 ? 1 : 3, j);
        if (beyond[1] > 0) return strip(u[1] > 0 ? 2 : 0, i);
        const T a = u[0] - T(i), b = u[1] - T(j);
        const bool under = b <= a, under_other = b <= 1 - a;
        return triangle(i, j, under ? (under_other ? 0 : 1) : (under_other ? 3 : 2));
    }
};

/* The 1D complex: ghosts behind the low and the high end follow the intervals. */
struct IntervalGrid {
    int64_t n;

    template <typename T>
    CPAB_HD int64_t find(const T *u) const {
        return *u < 0 ? n : *u > T(n) ? n + 1 : interval_of(*u, n);
    }
};

template <int D>
struct CellGrid;

template <>
struct CellGrid<1> : IntervalGrid {
    CPAB_HD explicit CellGrid(const int64_t *cells) : IntervalGrid{cells[0]} {}
};

template <>
struct CellGrid<2> : TriangleGrid {
    CPAB_HD explicit CellGrid(const int64_t *cells) : TriangleGrid{cells[0], cells[1]} {}
};

template <>
struct CellGrid<3> : BoxGrid {
    CPAB_HD explicit CellGrid(const int64_t *cells) : BoxGrid{{cells[0], cells[1], cells[2]}} {}
};

}  // namespace cpab

#endif
