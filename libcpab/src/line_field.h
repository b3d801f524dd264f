/* One velocity field in 1D, prepared for line.h on the host. */
#ifndef CPAB_LINE_FIELD_H
#define CPAB_LINE_FIELD_H

#include <algorithm>
#include <cmath>
#include <cstring>

#include "line_cell.h"
#include "memory.h"
#include "tessellation.h"

namespace cpab {
namespace CPAB_ISA {

/* T is the type of points; tables are computed in D, lanes of doubles. */
template <typename T, typename D>
class LineField {
    using Integer = typename IntegerOf<T>::type;

public:
    explicit LineField(const cpab_tessellation &tess)
        : n_(tess.cells[0]), scale_(tess.scale[0]), linear_outside_(tess.outside == CPAB_OUTSIDE_LINEAR) {}

    bool allocate() {
        const int64_t room = n_ + 3 + D::width; /* whole vectors are read and written */
        return knots_.allocate(room) && slopes_.allocate(room) && ticks_.allocate(room) &&
               cells_.allocate((n_ + 2) * LineRecord::stride) && clock_.allocate(n_ + 1 + look_up_room);
    }

    /* Prepares the field with velocities [n + 1], in units of the domain, for `time`. Answers false if it is
       not for this path: velocities that are not finite, or slopes whose exponentials come near to
       overflowing. */
    bool prepare(const T *velocity, double time) {
        factor_ = scale_ * time;
        double sum = 0; /* x * 0 is 0, or NaN if x is not finite */
        for (int64_t v = 0; v <= n_; v++) {
            knots_[v + 1] = double(velocity[v]) * factor_; /* not rounded: slopes are differences */
            sum += knots_[v + 1] * 0;
        }
        if (sum != 0) return false;
        double steepest = 0;
        for (int64_t c = 1; c <= n_; c++) {
            slopes_[c] = knots_[c + 1] - knots_[c];
            steepest = std::max(steepest, std::fabs(slopes_[c]));
        }
        if (steepest > steepest_slope<T>) return false;
        slopes_[0] = linear_outside_ ? slopes_[1] : 0;
        slopes_[n_ + 1] = linear_outside_ ? slopes_[n_] : 0;
        for (int64_t c = 0; c < n_ + 2; c += D::width) set_cells(c);
        set_clock();
        return true;
    }

    template <typename V>
    Line<V> line() const {
        return {cells_.data(), clock_.data(), static_cast<Integer>(n_), first_step_};
    }

    int64_t n() const { return n_; }
    double factor() const { return factor_; } /* of velocities, from units of the domain */

    /* Whether trajectories may cross a cell as a whole. */
    bool crossable(int64_t cell) const { return ticks_[cell] < ticks_per_hour; }

    /* The cell whose slope a cell has; 0 if it has none. */
    int64_t slope_owner(int64_t cell) const {
        if (cell >= 1 && cell <= n_) return cell;
        return !linear_outside_ ? 0 : cell == 0 ? 1 : n_;
    }

    /* The speeds at the ends of cells c, c + 1 ..., or 1 where these are not crossed; answers which are. */
    typename D::Bits speeds(int64_t c, D &low, D &high) const {
        low = D::load(&knots_[c]);
        high = D::load(&knots_[c + 1]);
        return to_speeds(low, high);
    }

private:
    void set_cells(int64_t first) {
        const LineCell<D> cell(D::load(&knots_[first]), D::load(&knots_[first + 1]),
                               D::load(&slopes_[first]));
        cell.ticks.store(&ticks_[first]);
        for (int r = 0; r < D::width && first + r < n_ + 2; r++)
            cell.write(r, &cells_[(first + r) * LineRecord::stride]);
    }

    void set_clock() {
        uint64_t time = 0;
        for (int64_t knot = 0; knot <= n_; knot++) {
            clock_[knot] = clock_reading<Integer>(time);
            time += static_cast<uint64_t>(ticks_[knot + 1]);
        }
        const int64_t farthest = set_reach();
        for (first_step_ = 1; first_step_ <= farthest;) first_step_ *= 2;
        first_step_ /= 2;
        for (int64_t c = 0; c < n_ + 2; c++) {
            T *record = &cells_[c * LineRecord::stride];
            if (c > 0) set_integer(record[LineRecord::time_low], clock_[c - 1]);
            if (c <= n_) set_integer(record[LineRecord::time_high], clock_[c]);
        }
    }

    static void set_integer(T &number, Integer bits) { std::memcpy(&number, &bits, sizeof bits); }

    /* Trajectories from `knot` come as far as `end`, with `left` of the hour to go: both move along the line.
       Returns the largest number of cells. */
    int64_t set_reach() {
        int64_t farthest = 0, end = 0, left = ticks_per_hour;
        for (int64_t knot = 0; knot <= n_; knot++) {
            T &reach = cells_[knot * LineRecord::stride + LineRecord::reach_high];
            set_integer(reach, 0);
            if (!(knots_[knot + 1] > 0)) continue;
            if (end <= knot) end = knot, left = ticks_per_hour;
            for (; end < n_ && ticks_[end + 1] <= left && crossable(end + 1); end++) left -= ticks_[end + 1];
            set_integer(reach, static_cast<Integer>(end - knot));
            farthest = end - knot > farthest ? end - knot : farthest;
            if (end > knot) left += ticks_[knot + 1];
        }
        end = n_;
        for (int64_t knot = n_; knot >= 0; knot--) {
            T &reach = cells_[(knot + 1) * LineRecord::stride + LineRecord::reach_low];
            set_integer(reach, 0);
            if (!(knots_[knot + 1] < 0)) continue;
            if (end >= knot) end = knot, left = ticks_per_hour;
            for (; end > 0 && ticks_[end] <= left && crossable(end); end--) left -= ticks_[end];
            set_integer(reach, static_cast<Integer>(knot - end));
            farthest = knot - end > farthest ? knot - end : farthest;
            if (end < knot) left += ticks_[knot];
        }
        return farthest;
    }

    const int64_t n_;
    const double scale_;
    const bool linear_outside_;
    double factor_ = 0;
    Array<double> knots_;  /* velocities as in LineRecord: of knot k at k + 1, and 0 at both ends */
    Array<double> slopes_; /* [n + 2] of the cells */
    Array<int64_t> ticks_; /* [n + 2] time to cross a cell, or a whole hour for cells that are not crossed */
    Array<T> cells_;
    Array<Integer> clock_;
    Integer first_step_ = 0;
};

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
