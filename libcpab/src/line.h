/*
 * Trajectories in 1D, where all pass the same knots: nothing is walked.
 *
 * In a cell the speed is linear, so the time to cross it has a closed form (elementary.h), and the times of
 * neighbouring cells add up to a clock that every trajectory shares. A point is either still in its cell
 * when its unit of time is over; or it reaches the face ahead, the clock tells by binary search which cell
 * it ends in, and what time is left there.
 *
 * No trajectory passes a zero of the field, and none crosses a cell in more than the unit of time. So only
 * cells whose ends have velocities of the same sign, and that take less than 1, are ever crossed as a whole.
 *
 * The backward pass: with r the time left in the last cell, dT / dr = v(T), and r falls by what the times of
 * the cells before rise. So dT/dx = v(T) / v(x), and what a trajectory adds to the gradient of a cell that it
 * crosses as a whole is v(T) times a constant of that cell: line_gradient.h adds up those by cell, whatever
 * the number of cells. Where nothing is crossed, formulas have no division by v.
 *
 * Cells are counted from 0, the ghost below the domain, to n + 1, the ghost above; cell c lies between the
 * knots c - 1 and c. Lengths are in cells, the time to integrate is folded into velocities.
 */
#ifndef CPAB_LINE_H
#define CPAB_LINE_H

#include "elementary.h"
#include "look_up.h"
#include "neighbours.h"

namespace cpab {
namespace CPAB_ISA {

/* What is known of a cell, by column. Velocities of knots that do not exist, at the far ends of ghosts, are
   0: like zeros of the field they are never passed. Times and numbers of cells are integers as wide as the
   numbers. */
struct LineRecord {
    enum Column {
        low, /* velocities at the ends */
        high,
        slope,
        inverse,         /* of the slope; 0 if it is gentle for a unit of time */
        arriving,        /* what trajectories that come from other cells need ends here */
        path = arriving, /* growth() in a unit of time */
        time_low,        /* the clock at the ends */
        time_high,
        reach_low,        /* how many cells can be crossed in unit time from the low end down, */
        reach_high,       /* and from the high end up */
        forward,          /* and here what moves points; the backward pass also needs: */
        factor = forward, /* growth(), the rest */
        path_slope,
        used,
        stride = 12
    };
};

/* One prepared field. */
template <typename V>
struct Line {
    using T = typename V::Scalar;
    using Integer = typename V::Index::Integer;
    const T *cells;       /* [n + 2, LineRecord::stride] */
    const Integer *clock; /* [n + 1] time at the knots, in units of 1 / hour and modulo the integers: the
                             differences that matter are at most 1, and rounding does not grow with n */
    Integer n;
    Integer first_step; /* power of 2; twice that is above all reaches */

    static constexpr Integer hour = Integer(1) << (8 * sizeof(Integer) - 2);
};

/* Where a point went; and, if the backward pass comes after it, what that needs to know. */
template <typename V>
struct Way {
    using Index = typename V::Index;
    using Bits = typename V::Bits;
    V displacement;

    Bits rising;                /* it moves to higher coordinates */
    Index cell;                 /* that it starts in, */
    Bits above;                 /* in the half above the low knot, */
    V offset, velocity;         /* off the nearest knot, and this fast */
    V slope, inverse;           /* of the cell, */
    V path, factor, path_slope; /* for the unit of time */

    Bits leaves; /* the cell. Only then: */
    V distance, face_speed;
    V moment;     /* of the passage to the face ahead; */
    Index face;   /* the knot there, */
    Index time;   /* the clock, */
    Index reach;  /* and how many cells can be crossed from there on at most, */
    Index passed; /* and are, */
    Index knot;   /* up to this one; */
    V knot_velocity;
    Index last_cell; /* the cell behind that, */
    V left;          /* the time left there, */
    Growth<V> last;  /* and what becomes of it */
};

template <typename V>
CPAB_INLINE V with_sign(typename V::Bits positive, V x) {
    return select(positive, x, -x);
}

/* Sends out points u; says where they are after a unit of time unless they leave their cells. */
template <bool back, typename V>
CPAB_INLINE void set_out(const Line<V> &line, V u, Way<V> &way) {
    using Index = typename V::Index;
    using T = typename V::Scalar;
    const Index nearest = truncated(smaller(larger(u, V(0)), V(T(line.n))) + V(T(0.5)));
    const V offset = u - as_numbers(nearest);
    const auto above = offset > V(0);
    const Index cell = nearest + select(above, Index(1), Index(0));
    V record[LineRecord::used];
    load_near_records<back ? LineRecord::used : LineRecord::forward>(line.cells, LineRecord::stride, cell,
                                                                     record);
    const V low = record[LineRecord::low], high = record[LineRecord::high];
    way.slope = record[LineRecord::slope];
    way.inverse = record[LineRecord::inverse];
    if constexpr (back) {
        way.cell = cell, way.above = above, way.offset = offset;
        way.path = record[LineRecord::path];
        way.factor = record[LineRecord::factor];
        way.path_slope = record[LineRecord::path_slope];
    }

    way.velocity = select(above, low, high) + way.slope * offset;
    way.displacement = way.velocity * record[LineRecord::path];
    way.rising = way.velocity > V(0);
    const V to_nearest = magnitude(offset);
    const auto away = (way.rising & above) | ~(way.rising | above);
    const V distance = select(away, V(1) - to_nearest, to_nearest);
    const V face_speed = select(way.rising, high, -low);
    const auto overflown =
        ~(way.velocity - way.velocity == V(0)); /* far outside: it would be anywhere at once */
    way.leaves = ~overflown & (face_speed > V(0)) & (magnitude(way.displacement) > distance);

    /* Lanes that do not leave their cells go on with something harmless. */
    way.distance = select(way.leaves, distance, V(0));
    way.face_speed = select(way.leaves, face_speed, V(1));
    way.face = select(way.leaves, cell - select(way.rising, Index(0), Index(1)), Index(0));
    if constexpr (back) way.knot = way.face; /* read, but not used, where no lane leaves */
    way.time = bits_of(select(way.rising, record[LineRecord::time_high], record[LineRecord::time_low]));
    way.reach = select(
        way.leaves,
        bits_of(select(way.rising, record[LineRecord::reach_high], record[LineRecord::reach_low])), Index(0));
    way.rising = way.rising | ~way.leaves;
}

/* To the face ahead. */
template <bool back, typename V>
CPAB_INLINE void reach_face(Way<V> &way) {
    const V speed = select(way.leaves, magnitude(way.velocity), V(1));
    const Passage<V> passed = passage(way.distance, speed, way.face_speed, way.slope, way.inverse);
    if constexpr (back) way.moment = passed.moment;
    way.left = larger(V(1) - passed.time, V(0));
}

/* How many cells are crossed from way.face on, within way.left; takes from that what they need. */
template <typename V>
CPAB_INLINE void cross_cells(const Line<V> &line, Way<V> &way) {
    using Index = typename V::Index;
    using T = typename V::Scalar;
    const Index budget = truncated(way.left * V(T(line.hour)));
    Index spent(0);
    way.passed = Index(0);
    for (auto step = line.first_step; step > 0; step /= 2) {
        const Index hop = smaller(way.passed + Index(step), way.reach);
        const Index at = look_up(line.clock, line.n + 1, select(way.rising, way.face + hop, way.face - hop));
        const Index time = select(way.rising, at - way.time, way.time - at);
        const auto too_far = budget < time;
        way.passed = select(too_far, way.passed, hop);
        spent = select(too_far, spent, time);
    }
    way.left = as_numbers(budget - spent) * V(1 / T(line.hour));
}

/* From the last knot to the end. */
template <bool back, typename V>
CPAB_INLINE void arrive(const Line<V> &line, Way<V> &way) {
    using Index = typename V::Index;
    way.knot = select(way.rising, way.face + way.passed, way.face - way.passed);
    way.last_cell = way.knot + select(way.rising, Index(1), Index(0));
    V record[LineRecord::arriving];
    load_near_records<LineRecord::arriving>(line.cells, LineRecord::stride, way.last_cell, record);
    way.knot_velocity = select(way.rising, record[LineRecord::low], record[LineRecord::high]);
    const Growth<V> last = growth(record[LineRecord::slope], record[LineRecord::inverse], way.left);
    if constexpr (back) way.last = last;
    const V before = with_sign(way.rising, way.distance + as_numbers(way.passed));
    way.displacement = select(way.leaves, before + way.knot_velocity * last.path, way.displacement);
}

/* How many vectors of points are followed together: a trajectory is one long chain of operations, and the
   processor can work on several of these at a time only if it sees them close to each other. */
constexpr int ways_together = 4;

/* Follows trajectories that have set out for a unit of time. */
template <bool back, typename V>
CPAB_INLINE void follow(const Line<V> &line, Way<V> *ways, int n) {
    int leaving[ways_together], count = 0; /* vectors with lanes that leave their cells */
    for (int i = 0; i < n; i++) {
        leaving[count] = i;
        count += any(ways[i].leaves);
    }
    for (int i = 0; i < count; i++) reach_face<back>(ways[leaving[i]]);
    for (int i = 0; i < count; i++) cross_cells(line, ways[leaving[i]]);
    for (int i = 0; i < count; i++) arrive<back>(line, ways[leaving[i]]);
}

/* The same for one, which has no others beside it. */
template <bool back, typename V>
CPAB_INLINE void follow(const Line<V> &line, Way<V> &way) {
    if (!any(way.leaves)) return;
    reach_face<back>(way);
    cross_cells(line, way);
    arrive<back>(line, way);
}

/* What a trajectory adds to the gradient: to the velocities at the ends of a cell, and to its slope where one
   of these is fixed. */
template <typename V>
struct LineShare {
    V low, high, slope;
};

template <typename V>
struct LineGradient {
    V point;
    LineShare<V> first, last; /* of the cells that it starts and ends in; `last` where it leaves the first */
    V through;                /* per cell that it crosses as a whole: for rising trajectories this times the
                                 derivative of the cell's crossing time, for falling ones less that */
};

template <typename V>
CPAB_INLINE LineShare<V> share(typename V::Bits to_low, V knot, V slope) {
    return {select(to_low, knot, V(0)), select(to_low, V(0), knot), slope};
}

/* Takes the cotangent of the end back to the start. */
template <typename V>
CPAB_INLINE LineGradient<V> pull_back(const Way<V> &way, V lam) {
    using Index = typename V::Index;
    LineGradient<V> gradient;
    gradient.point = lam * way.factor;
    gradient.first =
        share<V>(way.above, lam * way.path, lam * (way.offset * way.path + way.velocity * way.path_slope));
    if (!any(way.leaves)) {
        gradient.last = {V(0), V(0), V(0)};
        gradient.through = V(0);
        return gradient;
    }
    const V end_velocity = way.knot_velocity * way.last.factor;
    const V through = lam * end_velocity;
    const V point = lam * (end_velocity / select(way.leaves, way.velocity, V(1)));
    const LineShare<V> first =
        share<V>(~way.rising, point * (way.distance / way.face_speed), -through * way.moment);
    gradient.point = select(way.leaves, point, gradient.point);
    gradient.first.low = select(way.leaves, first.low, gradient.first.low);
    gradient.first.high = select(way.leaves, first.high, gradient.first.high);
    gradient.first.slope = select(way.leaves, first.slope, gradient.first.slope);
    const V last = select(way.leaves, lam, V(0));
    gradient.last =
        share<V>(way.rising, last * way.last.path, last * way.knot_velocity * way.last.path_slope);
    gradient.through = select(way.leaves & (Index(0) < way.passed), through, V(0));
    return gradient;
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
