/* The fields of a chunk in 1D, as line.h reads them. Items that its closed forms are not for have none: their
   trajectories walk, see line_field.h. */
#ifndef CPAB_CUDA_LINE_BATCH_H
#define CPAB_CUDA_LINE_BATCH_H

#include "../line_cell.h"
#include "gpu.h"
#include "tables.h"

namespace cpab {
namespace CPAB_ISA {

/* Ticks of the clock, added up: coarse * 2^31 + fine. Both parts are below 2^54, however many cells there
   are, so that sums neither overflow nor wrap around. */
struct Ticks {
    static constexpr int fine_bits = 31;
    uint64_t coarse, fine;

    CPAB_HD static Ticks of(int64_t ticks) {
        return {uint64_t(ticks) >> fine_bits, uint64_t(ticks) & ((uint64_t(1) << fine_bits) - 1)};
    }
    CPAB_HD friend Ticks operator+(Ticks a, Ticks b) { return {a.coarse + b.coarse, a.fine + b.fine}; }

    /* What is left of them modulo 2^64. */
    CPAB_HD uint64_t wrapped() const { return (coarse << fine_bits) + fine; }

    /* From an earlier time to this one, or if that is longer than an hour, something longer than that. */
    CPAB_HD int64_t since(Ticks earlier) const {
        const uint64_t whole = coarse - earlier.coarse, hour = uint64_t(ticks_per_hour) >> fine_bits;
        return whole > hour ? INT64_MAX : int64_t((whole << fine_bits) + (fine - earlier.fine));
    }
};

/* What tables for the gradient of a field have for each cell, see line_sum.h. */
constexpr int line_shares = 3;                /* low, high, slope */
constexpr int line_columns = line_shares + 1; /* and where `through` starts */

/* The memory of tables for n_cells cells. */
template <typename T>
constexpr int64_t line_table_bytes(int64_t n_cells) {
    return n_cells * int64_t(sizeof(double) + line_shares * sizeof(T));
}

template <typename T>
struct Lines {
    using V = Lanes<T, 1>;
    using Integer = typename IntegerOf<T>::type;

    int64_t n = 0; /* cells of the domain */
    bool linear_outside = false;

    double *knots = nullptr; /* [items, n + 1] velocities there */
    Ticks *times = nullptr;  /* [items, n + 1] from the lowest knot to each; at first, of the cell below it */
    T *cells = nullptr;      /* [items, n + 2, LineRecord::stride] */
    Integer *clock = nullptr;       /* [items, n + 1] */
    int32_t *states = nullptr;      /* [items, n_states], of LineState */
    int32_t *first_steps = nullptr; /* [items] Line::first_step, or -1, see Batch::line_steps */

    /* For gradients, see line_sum.h. */
    double *starts = nullptr; /* [items, n_tables, n + 2] */
    T *shares = nullptr;      /* [items, n_tables, n + 2, 3] */
    double *totals = nullptr; /* [items, n + 2, 4] */

    static int64_t bytes_of_item(int64_t n) {
        return (n + 2) *
               int64_t(sizeof(double) + sizeof(Ticks) + LineRecord::stride * sizeof(T) + sizeof(Integer));
    }

    /* The scratch for a chunk of items, but for gradients. */
    void place(Places &places, int64_t items, int64_t n_states) {
        knots = places.take<double>(items * (n + 1));
        times = places.take<Ticks>(items * (n + 1));
        cells = places.take<T>(items * (n + 2) * LineRecord::stride);
        clock = places.take<Integer>(items * (n + 1));
        states = places.take<int32_t>(items * n_states);
        first_steps = places.take<int32_t>(items);
    }

    CPAB_DEVICE Line<V> line(int64_t item) const {
        return {cells + item * (n + 2) * LineRecord::stride, clock + item * (n + 1), Integer(n),
                Integer(first_steps[item])};
    }
};

/* What a block has found that prepared cells. */
enum LineState : int32_t { gentle_enough = 0, too_steep = 1 }; /* or not finite */

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
