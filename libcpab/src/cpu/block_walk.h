/*
 * Walks the points of a call block by block, and hands out where they end, vector by vector.
 */
#ifndef CPAB_CPU_BLOCK_WALK_H
#define CPAB_CPU_BLOCK_WALK_H

#include <limits>

#include "group.h"
#include "trajectory_batch.h"

namespace cpab {
namespace CPAB_ISA {

/* Points that are walked together. */
template <typename V, int D>
struct Block {
    const typename V::Scalar *points, *tangents; /* of the block; tangents may be NULL */
    int64_t first;                               /* the number of the block's first point in the call */
    int n;
    bool walked;                      /* false if the field is not finite: there is nothing to walk in */
    const SortedPoints<V, D> *sorted; /* or NULL; then points, and what belongs to them, are by slot */
};

/* What a walk keeps for a backward pass. */
enum class Keeps { nothing, segments, on_tape };

/* N: lanes, or dual numbers of lanes. */
template <typename N, int D>
class BlockWalk {
    using V = LaneOf<N>;
    using T = typename V::Scalar;
    using Bits = typename V::Bits;
    static constexpr int W = V::width;

public:
    BlockWalk(const Domain<T, D> &domain, int64_t n_cells, int64_t n_inner_cells)
        : domain_(domain), n_cells_(n_cells), batch_(n_inner_cells), maps_(n_inner_cells) {
        for (int d = 0; d < D; d++) most_steps_ += 64 * domain.cells[d];
    }

    bool allocate() { return batch_.allocate(); }

    TrajectoryBatch<N, D> &batch() { return batch_; }

    /*
     * Walks all points. `flow` is NULL if the field is not finite; `tangents` are those of the points, or
     * NULL. `body(block)` finds the results in batch(), and answers whether a trajectory diverged, as
     * each_group() does. Where segments are kept, blocks that the tape has need no walk.
     */
    template <typename Body>
    Outcome for_blocks(const Flow<N, D> *flow, const T *points, const T *tangents, int64_t n, Keeps keeps,
                       TapeBlocks tape, Body body) {
        Outcome outcome;
        constexpr int64_t most = TrajectoryBatch<N, D>::capacity;
        for (int64_t first = 0; first < n; first += most, tape.first++) {
            const int n_block = int(n - first < most ? n - first : most);
            Block<V, D> block{points + first * D,
                              tangents ? tangents + first * D : nullptr,
                              first,
                              n_block,
                              flow != nullptr,
                              nullptr};
            if (flow && (!sort(*flow, block, tape) || !walk(*flow, block, keeps, tape))) {
                outcome.no_memory = true;
                break;
            }
            outcome.diverged |= body(block) && flow;
            if (tape.fixed >= 0) tape.fixed++;
        }
        return outcome;
    }

    const CellMaps<V, D> &maps() const { return maps_; }

    /* Calls body(group, end points, lanes where they are not finite, number of the first point) for all
       groups of a block, points being numbered as in it. Returns whether a trajectory diverged. */
    template <typename Body>
    bool each_group(const Block<V, D> &block, Body body) const {
        const V nan(std::numeric_limits<T>::quiet_NaN());
        Bits diverged = Bits::none();
        for (int at = 0; at < block.n; at += W) {
            const Group<V, D> group = load_group<V, D>(domain_, block.points, block.n, at);
            N ends[D];
            for (int d = 0; d < D; d++) ends[d] = N(nan);
            if (block.walked) end_points(block, group, at, ends);
            Bits not_finite = group.not_finite;
            for (int d = 0; d < D; d++) not_finite = not_finite | ~is_finite(value_of(ends[d]));
            for (int d = 0; d < D; d++) ends[d] = select(not_finite, N(nan), ends[d]);
            diverged = diverged | (not_finite & ~group.not_finite);
            body(group, ends, not_finite, at);
        }
        return any(diverged);
    }

private:
    /* Sorts the points of a block, if they are the same for all items and that pays. false if there is no
       memory. */
    bool sort(const Flow<N, D> &flow, Block<V, D> &block, const TapeBlocks &blocks) {
        if constexpr (!Number<N>::is_dual) {
            using Sorted = SortedPoints<V, D>;
            if (blocks.fixed < 0 || !Sorted::worthwhile(block.n, n_cells_)) return true;
            const bool kept = blocks.recurs && blocks.fixed < most_sorted;
            Sorted &sorted = sorted_[kept ? blocks.fixed : most_sorted];
            if ((!kept || sorted.size() == 0) && !sorted.sort(flow, domain_, n_cells_, block.points, block.n))
                return false;
            block.sorted = &sorted;
            block.points = sorted.points();
        }
        return true;
    }

    /* false if there is no memory. Apart from for_blocks(), or every caller of that would have a walk of its
       own compiled. */
    CPAB_APART bool walk(const Flow<N, D> flow, const Block<V, D> &block, Keeps keeps,
                         const TapeBlocks &tape) {
        if (keeps == Keeps::segments && tape.tape && batch_.restore(tape, block.n, n_cells_)) return true;
        const bool to_tape = keeps == Keeps::on_tape && tape.tape && tape.tape->records();
        if (!walk(flow, block, keeps == Keeps::segments || to_tape)) return false;
        if (to_tape) batch_.save(tape, block.n, n_cells_);
        return true;
    }

    bool walk(const Flow<N, D> &flow, const Block<V, D> &block, bool recording) {
        if constexpr (!Number<N>::is_dual)
            if (block.sorted)
                return maps_.prepare(flow, *block.sorted) &&
                       batch_.walk_sorted(flow, *block.sorted, maps_, most_steps_, recording);
        const auto begin = [&](int at, Walker<N, D> &walker) {
            const Group<V, D> group = load_group<V, D>(domain_, block.points, block.n, at);
            V tangent[D];
            const bool moves = load_tangents(block, group, at, tangent);
            return begin_walk<N, D>(flow, domain_, group, moves ? tangent : nullptr, walker);
        };
        return batch_.walk(flow, block.n, most_steps_, recording, begin);
    }

    /* false if points have no tangents. */
    static bool load_tangents(const Block<V, D> &block, const Group<V, D> &group, int at, V *tangent) {
        if (!Number<N>::is_dual || !block.tangents) return false;
        PointArrays<V, D>::load(block.tangents + at * D, group.count, tangent);
        return true;
    }

    void end_points(const Block<V, D> &block, const Group<V, D> &group, int at, N *ends) const {
        N moved[D];
        batch_.moved().load(at, moved);
        if constexpr (Number<N>::is_dual) {
            V tangent[D];
            for (int d = 0; d < D; d++) tangent[d] = V(0);
            load_tangents(block, group, at, tangent);
            for (int d = 0; d < D; d++) ends[d] = end_point(domain_, group, moved[d], tangent[d], d);
        } else {
            for (int d = 0; d < D; d++) ends[d] = end_point(domain_, group, moved[d], d);
        }
    }

    const Domain<T, D> domain_;
    const int64_t n_cells_;
    /* Most steps of a trajectory. Taylor steps number CPAB_MAX_RATE / reach, and a trajectory that turns
       around a vertex meets a handful of faces per unit of |A| t; straight ahead it passes every cell of
       a row or column at most a few times. With room to spare: a bound against hanging, which no test
       has ever reached. */
    int64_t most_steps_ = 64 * CPAB_MAX_RATE;
    TrajectoryBatch<N, D> batch_;
    CellMaps<V, D> maps_; /* of the block */
    /* Of an item's first blocks, and of the block if that is none of these. */
    static constexpr int most_sorted = 36;
    SortedPoints<V, D> sorted_[most_sorted + 1];
};

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
