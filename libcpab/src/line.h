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
 * The way back: with r the time left in the last cell, dT / dr = v(T), and r falls by what the times of
 * the cells before rise. So dT/dx = v(T) / v(x), and what a trajectory adds to the gradient of a cell that it
 * crosses as a whole is v(T) times a constant of that cell: line_field.h adds up those by cell, whatever
 * the number of cells. Where nothing is crossed, formulas have no division by v.
 *
 * Cells are counted from 0, the ghost below the domain, to n + 1, the ghost above; cell c lies between the
 * knots c - 1 and c. Lengths are in cells, the time to integrate is folded into velocities.
 */
#ifndef CPAB_LINE_H
#define CPAB_LINE_H

#include "elementary.h"

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
        mean,     /* growth(slope).mean */
        time_low, /* the clock at the ends */
        time_high,
        reach_low,  /* how many cells can be crossed in unit time from the low end down, */
        reach_high, /* and from the high end up */
        factor,     /* growth(slope), the rest */
        mean_slope,
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

/* Where a point went, and what the way back needs to know. */
template <typename V>
struct Way {
    using Index = typename V::Index;
    using Bits = typename V::Bits;
    V displacement;

    Bits rising;                /* it moves to higher coordinates */
    Index cell;                 /* that it starts in, */
    Bits above;                 /* in the half above the low knot, */
    V offset, velocity;         /* off the nearest knot, and this fast */
    V mean, factor, mean_slope; /* of the cell, for the unit of time */

    Bits leaves; /* the cell. Only then: */
    V distance, face_speed;
    Passage<V> passage; /* to the face ahead, */
    Index face;         /* the knot there, */
    Index passed;       /* how many cells are crossed from there on, */
    Index knot;         /* the last knot that is reached, */
    V knot_velocity;
    Index last_cell; /* the cell behind that, */
    V left;          /* the time left there, */
    Growth<V> last;  /* and what becomes of it */
};

template <typename V>
CPAB_INLINE V with_sign(typename V::Bits positive, V x) {
    return select(positive, x, -x);
}

/* How many cells are crossed from way.face on, within way.left; takes from that what they need. `start` is
   the clock at the face, and `reach` how many cells can be crossed at most. */
template <typename V>
CPAB_INLINE void cross_cells(const Line<V> &line, typename V::Index start, typename V::Index reach,
                             Way<V> &way) {
    using Index = typename V::Index;
    using T = typename V::Scalar;
    const Index budget = truncated(way.left * V(T(line.hour)));
    Index spent(0);
    way.passed = Index(0);
    for (auto step = line.first_step; step > 0; step /= 2) {
        const Index next = way.passed + Index(step);
        const auto in_reach = ~(reach < next);
        if (!any(in_reach)) continue;
        const Index hop = select(in_reach, next, reach);
        const Index at = look_up(line.clock, select(way.rising, way.face + hop, way.face - hop));
        const Index time = select(way.rising, at - start, start - at);
        const auto possible = in_reach & ~(budget < time);
        way.passed = select(possible, next, way.passed);
        spent = select(possible, time, spent);
    }
    way.left = as_numbers(budget - spent) * V(1 / T(line.hour));
}

/* From the face ahead to the end. Lanes that do not leave their cells compute something harmless. */
template <typename V>
CPAB_INLINE void follow_beyond(const Line<V> &line, const V *cell, Way<V> &way) {
    using Index = typename V::Index;
    const V speed = select(way.leaves, magnitude(way.velocity), V(1));
    way.face_speed = select(way.leaves, way.face_speed, V(1));
    way.distance = select(way.leaves, way.distance, V(0));
    way.passage = passage(way.distance, speed, way.face_speed, cell[LineRecord::slope]);
    way.left = larger(V(1) - way.passage.time, V(0));
    way.face = select(way.leaves, way.cell - select(way.rising, Index(0), Index(1)), Index(0));
    way.rising = way.rising | ~way.leaves;
    const Index time = bits_of(select(way.rising, cell[LineRecord::time_high], cell[LineRecord::time_low]));
    const Index reach =
        bits_of(select(way.rising, cell[LineRecord::reach_high], cell[LineRecord::reach_low]));
    cross_cells(line, time, select(way.leaves, reach, Index(0)), way);
    way.knot = select(way.rising, way.face + way.passed, way.face - way.passed);
    way.last_cell = way.knot + select(way.rising, Index(1), Index(0));

    V record[LineRecord::slope + 1];
    load_records<LineRecord::slope + 1>(line.cells, LineRecord::stride, way.last_cell, record);
    way.knot_velocity = select(way.rising, record[LineRecord::low], record[LineRecord::high]);
    way.last = growth(record[LineRecord::slope] * way.left);
    const V before = with_sign(way.rising, way.distance + as_numbers(way.passed));
    way.displacement =
        select(way.leaves, before + way.knot_velocity * way.left * way.last.mean, way.displacement);
}

/* Follows points u for unit time. */
template <typename V>
CPAB_INLINE Way<V> follow(const Line<V> &line, V u) {
    using Index = typename V::Index;
    using T = typename V::Scalar;
    Way<V> way;
    const Index nearest = truncated(smaller(larger(u, V(0)), V(T(line.n))) + V(T(0.5)));
    way.offset = u - as_numbers(nearest);
    way.above = way.offset > V(0);
    way.cell = nearest + select(way.above, Index(1), Index(0));
    V record[LineRecord::used];
    load_records<LineRecord::used>(line.cells, LineRecord::stride, way.cell, record);
    const V low = record[LineRecord::low], high = record[LineRecord::high], slope = record[LineRecord::slope];
    way.mean = record[LineRecord::mean];
    way.factor = record[LineRecord::factor];
    way.mean_slope = record[LineRecord::mean_slope];

    way.velocity = select(way.above, low, high) + slope * way.offset;
    way.displacement = way.velocity * way.mean;
    way.rising = way.velocity > V(0);
    const V to_nearest = magnitude(way.offset);
    const auto away = (way.rising & way.above) | ~(way.rising | way.above);
    way.distance = select(away, V(1) - to_nearest, to_nearest);
    way.face_speed = select(way.rising, high, -low);
    const auto overflown =
        ~(way.velocity - way.velocity == V(0)); /* far outside: it would be anywhere at once */
    way.leaves = ~overflown & (way.face_speed > V(0)) & (magnitude(way.displacement) > way.distance);
    if (any(way.leaves)) follow_beyond(line, record, way);
    return way;
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
    LineGradient<V> gradient;
    gradient.point = lam * way.factor;
    gradient.first =
        share<V>(way.above, lam * way.mean, lam * (way.offset * way.mean + way.velocity * way.mean_slope));
    if (!any(way.leaves)) return gradient;

    const V end_velocity = way.knot_velocity * way.last.factor;
    const V through = lam * end_velocity;
    const V point = lam * (end_velocity / select(way.leaves, way.velocity, V(1)));
    const LineShare<V> first =
        share<V>(~way.rising, point * (way.distance / way.face_speed), -through * way.passage.moment);
    gradient.point = select(way.leaves, point, gradient.point);
    gradient.first.low = select(way.leaves, first.low, gradient.first.low);
    gradient.first.high = select(way.leaves, first.high, gradient.first.high);
    gradient.first.slope = select(way.leaves, first.slope, gradient.first.slope);
    const V last = select(way.leaves, lam * way.left, V(0));
    gradient.last =
        share<V>(way.rising, last * way.last.mean, last * way.left * way.knot_velocity * way.last.mean_slope);
    gradient.through = select(way.leaves, through, V(0));
    return gradient;
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
