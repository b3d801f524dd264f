/*
 * The points of a block in the order of the cells that they start in: for points that are the same for all
 * items of a call, as pixels are, and so are sorted once.
 *
 *     points     0 1 2 3 4 5 6 7        runs      cell 3: slots 0 1 2     cell 4: slots 3 4 5 6 7
 *     cells      3 4 4 3 4 4 3 4        slots     0 3 6 | 1 2 4 5 7
 *
 * The points of a run share their cell's record, which is read once, and start at the same coordinates in
 * every item. A slot is a point's number in that order.
 */
#ifndef CPAB_CPU_SORTED_POINTS_H
#define CPAB_CPU_SORTED_POINTS_H

#include "../memory.h"
#include "group.h"

namespace cpab {
namespace CPAB_ISA {

template <typename V, int D>
class SortedPoints {
    using T = typename V::Scalar;
    using Index = typename V::Index;
    using Integer = typename Index::Integer;
    static constexpr int W = V::width, slots = D + 1;

public:
    struct Run {
        Integer cell;
        int first, count;
    };

    /* Whether so many points are worth it: short runs leave lanes empty. */
    static bool worthwhile(int64_t n_points, int64_t n_cells) { return n_points >= 4 * n_cells; }

    /* Sorts n points. false if there is no memory. */
    bool sort(const Flow<V, D> &flow, const Domain<T, D> &domain, int64_t n_cells, const T *points, int n) {
        Array<Integer> cell;
        Array<T> l;
        Array<int> next; /* slot of a cell's next point */
        length_ = n + W;
        if (!cell.allocate(length_) || !l.allocate(slots * length_) || !next.allocate(n_cells + 1) ||
            !points_.allocate(D * length_) || !l_.allocate(slots * length_) || !slot_.allocate(n))
            return false;
        for (int first = 0; first < n; first += W) {
            Walker<V, D> walker;
            begin_walk<V, D>(flow, domain, load_group<V, D>(domain, points, n, first), nullptr, walker);
            walker.at.cell.store(&cell[first]);
            for (int k = 0; k < slots; k++) walker.at.l[k].store(&l[k * length_ + first]);
        }
        for (int i = 0; i < n; i++) next[cell[i] + 1]++;
        if (!set_runs(next, n_cells)) return false;
        for (int i = 0; i < n; i++) {
            const int slot = next[cell[i]]++;
            slot_[i] = slot;
            for (int d = 0; d < D; d++) points_[slot * D + d] = points[i * D + d];
            for (int k = 0; k < slots; k++) l_[k * length_ + slot] = l[k * length_ + i];
        }
        size_ = n;
        return true;
    }

    int size() const { return size_; } /* 0 before they were sorted */
    int n_runs() const { return int(runs_.size()); }
    const Run &run(int i) const { return runs_[i]; }

    /* The cells of W runs from number `first` on; that of the last run again where there are less. */
    Index cells(int first) const {
        Integer cell[W];
        for (int r = 0; r < W; r++) cell[r] = runs_[first + r < n_runs() ? first + r : n_runs() - 1].cell;
        return Index::load(cell);
    }

    /* The points, by slot, and where W of them start in their cells, from a slot on. */
    const T *points() const { return points_.data(); }
    CPAB_INLINE void load(int first, V *l) const {
        for (int k = 0; k < slots; k++) l[k] = V::load(&l_[k * length_ + first]);
    }

    /* Vectors [n, D] of points, from the order of slots to that in which the points were given, and back. */
    void to_points(const T *from, T *to) const {
        each_point([=](int i, int64_t slot) { std::memcpy(to + i * D, from + slot * D, D * sizeof(T)); });
    }
    void to_slots(const T *from, T *to) const {
        each_point([=](int i, int64_t slot) { std::memcpy(to + slot * D, from + i * D, D * sizeof(T)); });
    }

private:
    template <typename Visit>
    void each_point(Visit visit) const {
        const int *slot = slot_.data();
        const int n = size_;
        for (int i = 0; i < n; i++) visit(i, slot[i]);
    }

    /* From how many points the cells before each one have, to the runs. */
    bool set_runs(Array<int> &next, int64_t n_cells) {
        runs_.clear();
        for (int64_t c = 0; c < n_cells; c++) {
            const int count = next[c + 1];
            next[c + 1] += next[c];
            if (count > 0 && !runs_.push({Integer(c), next[c], count})) return false;
        }
        return true;
    }

    Array<T> points_, l_; /* [n, D] and [D + 1, n], by slot */
    Array<int> slot_;     /* of each point */
    Stack<Run> runs_;
    int size_ = 0, length_ = 0;
};

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
