/*
 * The cells of a prepared field in 1D, in lanes of doubles: what trajectories that line.h follows need to
 * know of them, and what those that cross a cell as a whole add to the gradient.
 */
#ifndef CPAB_LINE_CELL_H
#define CPAB_LINE_CELL_H

#include "line.h"

namespace cpab {
namespace CPAB_ISA {

/* Fields with steeper cells are left to the walk: e^a times the largest speed, squared, is in the range of
   the type. */
template <typename T>
constexpr double steepest_slope = sizeof(T) == 4 ? 60 : 600;

/* The ticks of a unit of time, as long as integers of 64 bits allow; the clock of line.h shows the highest
   bits of their sum. */
constexpr int64_t ticks_per_hour = int64_t(1) << 62;

template <typename Integer>
CPAB_HD inline Integer clock_reading(uint64_t ticks) {
    return static_cast<Integer>(ticks >> (64 - 8 * sizeof(Integer)));
}

/* From velocities at the ends of cells to speeds, or to 1 where no cell can be crossed as they have not one
   sign; answers where they have. */
template <typename D>
CPAB_INLINE typename D::Bits to_speeds(D &low, D &high) {
    const auto rising = (low > D(0)) & (high > D(0)), falling = (low < D(0)) & (high < D(0));
    low = select(rising | falling, magnitude(low), D(1));
    high = select(rising | falling, magnitude(high), D(1));
    return rising | falling;
}

/* The passage through whole cells, from one end to the other, at these speeds. */
template <typename D>
CPAB_INLINE Passage<D> whole_passage(D from, D to) {
    const D slope = to - from;
    return passage(D(1), from, to, slope, D(1) / select(slope == D(0), D(1), slope));
}

template <typename D>
struct LineCell {
    D low, high, slope, inverse; /* see LineRecord */
    Growth<D> grown;             /* in a unit of time */
    typename D::Index ticks;     /* to cross it, or a whole hour if it is never crossed */

    /* From the velocities at its ends, and its slope: of ghosts, one of these is 0. */
    CPAB_INLINE LineCell(const D &at_low, const D &at_high, const D &its_slope)
        : low(at_low), high(at_high), slope(its_slope) {
        using Index = typename D::Index;
        inverse = select(magnitude(slope) < D(gentle), D(0), D(1) / slope);
        grown = growth(slope, inverse, D(1));
        D from = low, to = high;
        const auto moving = to_speeds(from, to);
        const D time = whole_passage(from, to).time;
        const auto crossed = moving & (time < D(1));
        ticks = truncated(select(crossed, time, D(0)) * D(double(ticks_per_hour)));
        ticks = select(crossed, ticks, Index(ticks_per_hour));
    }

    /* Writes the record of a lane's cell, but for what the clock says. */
    template <typename T>
    CPAB_INLINE void write(int lane, T *record) const {
        record[LineRecord::low] = T(low[lane]);
        record[LineRecord::high] = T(high[lane]);
        record[LineRecord::slope] = T(slope[lane]);
        record[LineRecord::inverse] = T(inverse[lane]);
        record[LineRecord::path] = T(grown.path[lane]);
        record[LineRecord::factor] = T(grown.factor[lane]);
        record[LineRecord::path_slope] = T(grown.path_slope[lane]);
    }
};

/* What trajectories add to the gradient of cells that they cross as a whole, with these speeds at the ends:
   `through` is the sum of theirs, see LineGradient. */
template <typename D>
struct CrossedShare {
    D low, high;

    CPAB_INLINE CrossedShare(const D &through, D from, D to) {
        /* Where nothing crosses, speeds may be so small that 1 / from / to overflows. */
        from = select(through == D(0), D(1), from);
        to = select(through == D(0), D(1), to);
        const D moment = whole_passage(from, to).moment;
        low = through * moment;
        high = through * (D(1) / from / to - moment);
    }
};

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
