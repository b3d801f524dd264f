/*
 * The walk: one trajectory, from face to face of the coloured complex.
 *
 * A trajectory is a cell and barycentric coordinates l in it. One step expands l(t) into a Taylor
 * series, looks for the first face that the trajectory leaves its cell through (some l_k reaches
 * zero), and advances to that crossing, or as far as the series is trusted. Crossing face k renames
 * the cell and exchanges node k for the neighbour's; since the field is continuous and the exchange
 * is exact also when l_k is not quite zero, a crossing that is off by dt costs O(dt^2).
 *
 * Within a step, |A| h <= 1, so l_k(t) has at most one extremum (in 2D: its derivative is a sum of
 * two exponentials, or a sine of less than half a turn). Hence a face is left in one of two ways:
 * l_k(h) < 0, or a dip: l_k falls at first, rises at the end, and is negative in between.
 */
#ifndef CPAB_WALK_H
#define CPAB_WALK_H

#include <cmath>

#include "field.h"
#include "find_cell.h"
#include "host_device.h"
#include "precision.h"
#include "tessellation.h"

namespace cpab {

template <typename T, int D>
struct Trajectory {
    int32_t cell;
    T l[D + 1];
};

/* What the way back needs to know about a step. */
template <typename T, int D>
struct Segment {
    int32_t cell;
    T duration;
    T l[D + 1]; /* at its start */
};

/* l_k over one step, in units of the step: l_k(s h) = sum_i c[i] s^i for s in [0, 1]. */
template <typename T>
struct Series {
    static constexpr int order = Precision<T>::order;
    T c[order + 1];

    CPAB_HD T value(T s) const {
        T sum = c[order];
        for (int i = order - 1; i >= 0; i--) sum = sum * s + c[i];
        return sum;
    }
    CPAB_HD T slope(T s) const {
        T sum = c[order] * T(order);
        for (int i = order - 1; i >= 1; i--) sum = sum * s + c[i] * T(i);
        return sum;
    }
    CPAB_HD T curvature(T s) const {
        T sum = c[order] * T(order * (order - 1));
        for (int i = order - 1; i >= 2; i--) sum = sum * s + c[i] * T(i * (i - 1));
        return sum;
    }
    CPAB_HD T last_value() const {
        T sum = c[order];
        for (int i = order - 1; i >= 0; i--) sum += c[i];
        return sum;
    }
    CPAB_HD T last_slope() const {
        T sum = c[order] * T(order);
        for (int i = order - 1; i >= 1; i--) sum += c[i] * T(i);
        return sum;
    }
};

/* The series of l' = M l: c_i = (M h)^i l / i!, with the factorials kept out of the long chain. */
template <typename T, int D>
CPAB_HD inline void expand(const CellField<T, D> &field, T h, const T *start, Series<T> *series) {
    T rate[D + 1][D + 1], derivative[D + 1];
    for (int k = 0; k <= D; k++) {
        series[k].c[0] = derivative[k] = start[k];
        for (int j = 0; j <= D; j++) rate[k][j] = field.rate[k][j] * h;
    }
    double factorial = 1;
    for (int i = 1; i <= Series<T>::order; i++) {
        factorial *= i;
        T next[D + 1];
        for (int k = 0; k <= D; k++) {
            T sum = rate[k][0] * derivative[0];
            for (int j = 1; j <= D; j++) sum += rate[k][j] * derivative[j];
            next[k] = sum;
            series[k].c[i] = sum * T(1 / factorial);
        }
        for (int k = 0; k <= D; k++) derivative[k] = next[k];
    }
}

/*
 * The root of e + a s + c s^2 where it falls below zero; 0 if it never does, and the minimum if rounding
 * has lifted that above zero. The formula is stable for both signs of a; scaling keeps the discriminant
 * in range.
 */
template <typename T>
CPAB_HD inline T falling_root(T e, T a, T c) {
    T scale = std::fabs(e) > std::fabs(a) ? std::fabs(e) : std::fabs(a);
    if (std::fabs(c) > scale) scale = std::fabs(c);
    if (!(scale > 0)) return 0;
    e /= scale;
    a /= scale;
    c /= scale;
    const T discriminant = a * a - 4 * c * e;
    const T root = std::sqrt(discriminant > 0 ? discriminant : T(0));
    if (a > 0) return c != 0 ? (-a - root) / (2 * c) : T(0);
    return root - a > 0 ? 2 * e / (root - a) : T(0);
}

template <typename T>
CPAB_HD inline T within_step(T s) {
    return s > 0 ? (s < 1 ? s : T(1)) : T(0);
}

/* Where l_k is least, given that it falls at the start of the step and rises at its end. */
template <typename T>
CPAB_HD inline T lowest_point(const Series<T> &l, T slope0, T slope1) {
    T s = slope0 / (slope0 - slope1);
    for (int i = 0; i < Precision<T>::root_steps; i++) {
        const T curvature = l.curvature(s);
        if (!(curvature > 0)) break;
        s = within_step(s - l.slope(s) / curvature);
    }
    return s;
}

/*
 * When, as a part of the step, the trajectory leaves through a face, given its l_k and the value at
 * the end; -1 if it does not.
 *
 * Not by Newton's method: where a trajectory grazes the face, value and slope vanish together, and a
 * guess may lie beyond the minimum. The falling root of the local quadratic is right there too.
 */
template <typename T>
CPAB_HD inline T leaving_time(const Series<T> &l, T last, T slack) {
    const T l0 = l.c[0], slope0 = l.c[1];
    T s;
    if (last < -slack) {
        const T e = l0 > 0 ? l0 : T(0);
        s = within_step(falling_root(e, slope0, last - e - slope0));
    } else {
        if (!(slope0 < 0)) return -1;
        const T slope1 = l.last_slope();
        if (!(slope1 > 0)) return -1;
        s = lowest_point(l, slope0, slope1);
        if (!(l.value(s) < -slack)) return -1;
    }
    /* On the face or behind it, and going out: at once. On it and going in: the later root. */
    if (l0 <= 0 && slope0 < 0) return 0;
    for (int i = 0; i < Precision<T>::root_steps; i++)
        s = within_step(s + falling_root(l.value(s), l.slope(s), l.curvature(s) / 2));
    return s;
}

/* Enters the neighbour behind face k: old node k is a combination of the neighbour's nodes. */
template <typename T, int D>
CPAB_HD inline void cross(const cpab_tessellation &tess, int k, Trajectory<T, D> &at) {
    const double *row = &tess.transfer[(int64_t(at.cell) * (D + 1) + k) * (D + 1)];
    const T residual = at.l[k];
    at.l[k] = 0;
    for (int j = 0; j <= D; j++) at.l[j] += T(row[j]) * residual;
    at.cell = tess.neighbour[int64_t(at.cell) * (D + 1) + k];
}

/*
 * Advances by at most `left`; returns the time taken, and through `face` the face crossed or -1.
 */
template <typename T, int D>
CPAB_HD inline T step(const cpab_tessellation &tess, const CellField<T, D> &field, T left, T slack,
                      Trajectory<T, D> &at, int &face) {
    Series<T> series[D + 1];
    const T h = left < field.longest ? left : field.longest;
    expand<T, D>(field, h, at.l, series);
    for (int k = 0; k <= D; k++) at.l[k] = series[k].last_value();
    T first = 1;
    face = -1;
    for (int k = 0; k <= D; k++) {
        const T s = leaving_time(series[k], at.l[k], slack);
        if (s < 0 || (face >= 0 && s >= first)) continue;
        if (tess.neighbour[int64_t(at.cell) * (D + 1) + k] < 0) continue; /* rounding in a wedge */
        first = s;
        face = k;
    }
    if (face < 0) return h;
    for (int k = 0; k <= D; k++) at.l[k] = series[k].value(first);
    cross<T, D>(tess, face, at);
    return h * first;
}

/*
 * Most steps of a trajectory. Taylor steps number CPAB_MAX_RATE / reach, and a trajectory that turns
 * around a vertex meets a handful of faces per unit of |A| t; straight ahead it passes every cell of
 * a row or column at most a few times. Twice that with room to spare: a bound against hanging, which
 * no test has ever reached.
 */
inline int64_t most_steps(const cpab_tessellation &tess) {
    int64_t row = 0;
    for (int d = 0; d < tess.ndim; d++) row += tess.cells[d];
    return 64 * (row + CPAB_MAX_RATE);
}

/* Position of a trajectory, in cells. */
template <typename T, int D>
CPAB_HD inline void position(const cpab_tessellation &tess, const Trajectory<T, D> &at, T *x) {
    const int32_t *nodes = &tess.cell_node[int64_t(at.cell) * (D + 1)];
    for (int d = 0; d < D; d++) {
        T sum = 0;
        for (int k = 0; k <= D; k++) sum += at.l[k] * T(tess.node[int64_t(nodes[k]) * D + d]);
        x[d] = sum;
    }
}

/* The trajectory that starts at a finite position u, in cells. */
template <typename T, int D>
CPAB_HD inline Trajectory<T, D> start(const cpab_tessellation &tess, const T *u) {
    Trajectory<T, D> at;
    at.cell = static_cast<int32_t>(CellGrid<D>(tess.cells).find(u));
    const int32_t anchor_slot = tess.anchor[at.cell];
    const int64_t anchor = tess.cell_node[int64_t(at.cell) * (D + 1) + anchor_slot];
    for (int k = 0; k <= D; k++) {
        const double *gradient = &tess.gradient[(int64_t(at.cell) * (D + 1) + k) * D];
        T sum = k == anchor_slot ? T(1) : T(0);
        for (int d = 0; d < D; d++) sum += T(gradient[d]) * (u[d] - T(tess.node[anchor * D + d]));
        at.l[k] = sum;
    }
    return at;
}

/*
 * Follows the trajectory for unit time. `record(segment)` is told of every segment before it is
 * walked and answers false to stop. Returns false if it was stopped or met the bound on steps.
 *
 * Steps of no duration occur at vertices, where a trajectory changes through several cells at once.
 * Should rounding ever make two cells hand it back and forth, the growing slack ends that.
 */
template <typename T, int D, typename Record>
CPAB_HD inline bool walk(const cpab_tessellation &tess, const CellField<T, D> *field, int64_t most,
                         Trajectory<T, D> &at, Record record) {
    constexpr int patience = 16; /* 8 cells meet at a vertex */
    T left = 1, slack = Precision<T>::slack;
    int stalled = 0;
    for (int64_t n = 0; n < most; n++) {
        Segment<T, D> segment;
        segment.cell = at.cell;
        for (int k = 0; k <= D; k++) segment.l[k] = at.l[k];
        int face;
        segment.duration = step<T, D>(tess, field[at.cell], left, slack, at, face);
        if (segment.duration > 0) {
            if (!record(segment)) return false;
            stalled = 0;
            slack = Precision<T>::slack;
        } else if (++stalled > patience) {
            slack *= 4;
        }
        if (segment.duration >= left) return true;
        left -= segment.duration;
    }
    return false;
}

}  // namespace cpab

#endif
