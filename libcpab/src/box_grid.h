/*
 * Indices of the 3D complex: boxes cut into five tetrahedra each, see cpab.h for the order of the public
 * part, and the ghosts around them.
 *
 * The middle tetrahedron of a box has those of its corners whose coordinates add up to an even number, so
 * the diagonals of neighbouring boxes agree; each of the others cuts off one odd corner. Seen through
 * turned(), where odd boxes are turned by a quarter about z, all boxes are alike.
 */
#ifndef CPAB_BOX_GRID_H
#define CPAB_BOX_GRID_H

#include <cstdint>

#include "host_device.h"
#include "interval.h"

namespace cpab {

struct BoxGrid {
    int64_t n[3];

    CPAB_HD int64_t corner(int64_t i, int64_t j, int64_t k) const {
        return i + (n[0] + 1) * (j + (n[1] + 1) * k);
    }
    CPAB_HD int64_t tetrahedron(const int64_t *box, int m) const {
        return 5 * (box[0] + n[0] * (box[1] + n[1] * box[2])) + m;
    }
    CPAB_HD int64_t n_inner() const { return 5 * n[0] * n[1] * n[2]; }

    /* The two axes along a side that is normal to `axis`, or the ones across an edge along it. */
    CPAB_HD static int first_axis(int axis) { return axis == 0 ? 1 : 0; }
    CPAB_HD static int second_axis(int axis) { return axis == 2 ? 1 : 2; }

    /* The first ghost behind a side, and how many there are: two triangles to a rectangle. */
    CPAB_HD int64_t side_cells(int axis) const { return 2 * n[first_axis(axis)] * n[second_axis(axis)]; }
    CPAB_HD int64_t strip(int axis, int high, const int64_t *box, int part) const {
        int64_t at = n_inner() + high * side_cells(axis);
        for (int a = 0; a < axis; a++) at += 2 * side_cells(a);
        const int p = first_axis(axis), q = second_axis(axis);
        return at + 2 * (box[p] + n[p] * box[q]) + part;
    }

    /* The ghost behind the i-th segment of an edge along `axis`: edge = (first high) + 2 (second high). */
    CPAB_HD int64_t edge_wedge(int axis, int edge, int64_t i) const {
        int64_t at = n_inner() + edge * n[axis];
        for (int a = 0; a < 3; a++) at += 2 * side_cells(a);
        for (int a = 0; a < axis; a++) at += 4 * n[a];
        return at + i;
    }

    /* The ghost behind a corner, (x high) + 2 (y high) + 4 (z high). */
    CPAB_HD int64_t corner_wedge(int corner) const { return edge_wedge(2, 3, n[2]) + corner; }
    CPAB_HD int64_t n_cells() const { return corner_wedge(8); }

    /* Which part of a side's rectangle: along the diagonal through its even corners. The part's odd corner
       is at (1, 0) or (0, 1) of an even rectangle, at (0, 0) or (1, 1) of an odd one. */
    template <typename T>
    CPAB_HD static int part(bool odd, T a, T b) {
        return odd ? a + b > 1 : b > a;
    }

    /* The tetrahedron of a box: 0 in the middle, then those at the turned corners (0, 0, 1), (1, 1, 1),
       (0, 1, 0) and (1, 0, 0). */
    template <typename T>
    CPAB_HD static int tetrahedron_at(bool odd, const T *offset) {
        const T a = odd ? offset[1] : offset[0], b = odd ? 1 - offset[0] : offset[1], c = offset[2];
        return c > a + b ? 1 : a + b + c > 2 ? 2 : b > a + c ? 3 : a > b + c ? 4 : 0;
    }

    template <typename T>
    CPAB_HD int64_t find(const T *u) const {
        int64_t box[3];
        T offset[3];
        int beyond = 0, high = 0, n_beyond = 0; /* by bits of the axes */
        for (int d = 0; d < 3; d++) {
            box[d] = interval_of(u[d], n[d]);
            offset[d] = u[d] - T(box[d]);
            if (u[d] > T(n[d])) high |= 1 << d;
            if (u[d] < 0 || u[d] > T(n[d])) {
                beyond |= 1 << d;
                n_beyond++;
            }
        }
        if (n_beyond == 0)
            return tetrahedron(box, tetrahedron_at((box[0] + box[1] + box[2]) % 2 != 0, offset));
        if (n_beyond == 3) return corner_wedge(high);
        for (int axis = 0; axis < 3; axis++) {
            const int p = first_axis(axis), q = second_axis(axis);
            if (n_beyond == 2 && !(beyond >> axis & 1))
                return edge_wedge(axis, (high >> p & 1) + 2 * (high >> q & 1), box[axis]);
            if (n_beyond == 1 && (beyond >> axis & 1)) {
                const int64_t wall = high >> axis & 1 ? n[axis] : 0;
                return strip(axis, high >> axis & 1, box,
                             part((box[p] + box[q] + wall) % 2 != 0, offset[p], offset[q]));
            }
        }
        return 0; /* not reached */
    }
};

}  // namespace cpab

#endif
