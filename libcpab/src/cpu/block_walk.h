/*
 * Walks the points of a call block by block, and hands out where they end, vector by vector.
 */
#ifndef CPAB_CPU_BLOCK_WALK_H
#define CPAB_CPU_BLOCK_WALK_H

#include <limits>

#include "../point.h"
#include "point_arrays.h"
#include "trajectory_batch.h"

namespace cpab {
namespace CPAB_ISA {

/* W points that are side by side in an array; where fewer are left, the last one fills the other lanes. */
template <typename V, int D>
struct Group : Points<V, D> {
    int count;
};

/* The points from number `first` on, of n. */
template <typename V, int D>
inline Group<V, D> load_group(const Domain<typename V::Scalar, D> &domain, const typename V::Scalar *points,
                              int64_t n, int64_t first) {
    Group<V, D> group;
    group.count = n - first < V::width ? int(n - first) : V::width;
    PointArrays<V, D>::load(points + first * D, group.count, group.x);
    set_points<V, D>(domain, group);
    return group;
}

/* Points that are walked together. */
template <typename T>
struct Block {
    const T *points, *tangents; /* of the whole call */
    int64_t first;              /* the number of the block's first point there */
    int n;
    bool walked; /* false if the field is not finite: there is nothing to walk in */
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
    explicit BlockWalk(const Domain<T, D> &domain, int64_t n_cells) : domain_(domain), n_cells_(n_cells) {
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
            const Block<T> block{points, tangents, first, n_block, flow != nullptr};
            if (flow && !walk(*flow, block, keeps, tape)) {
                outcome.no_memory = true;
                break;
            }
            outcome.diverged |= body(block) && flow;
        }
        return outcome;
    }

    /* Calls body(group, end points, lanes where they are not finite, number of the first point) for all
       groups of a block. Returns whether a trajectory diverged. */
    template <typename Body>
    bool each_group(const Block<T> &block, Body body) const {
        const V nan(std::numeric_limits<T>::quiet_NaN());
        Bits diverged = Bits::none();
        for (int at = 0; at < block.n; at += W) {
            const Group<V, D> group =
                load_group<V, D>(domain_, block.points, block.first + block.n, block.first + at);
            N ends[D];
            for (int d = 0; d < D; d++) ends[d] = N(nan);
            if (block.walked) end_points(block, group, at, ends);
            Bits not_finite = group.not_finite;
            for (int d = 0; d < D; d++) not_finite = not_finite | ~is_finite(value_of(ends[d]));
            for (int d = 0; d < D; d++) ends[d] = select(not_finite, N(nan), ends[d]);
            diverged = diverged | (not_finite & ~group.not_finite);
            body(group, ends, not_finite, block.first + at);
        }
        return any(diverged);
    }

private:
    /* false if there is no memory. Apart from for_blocks(), or every caller of that would have a walk of its
       own compiled. */
    CPAB_APART bool walk(const Flow<N, D> flow, const Block<T> &block, Keeps keeps, const TapeBlocks &tape) {
        if (keeps == Keeps::segments && tape.tape && batch_.restore(tape, block.n, n_cells_)) return true;
        const bool to_tape = keeps == Keeps::on_tape && tape.tape && tape.tape->records();
        const auto begin = [&](int at, Walker<N, D> &walker) {
            const int64_t first = block.first + at;
            const Group<V, D> group = load_group<V, D>(domain_, block.points, block.first + block.n, first);
            V tangent[D];
            const bool moves = load_tangents(block, group, first, tangent);
            return begin_walk<N, D>(flow, domain_, group, moves ? tangent : nullptr, walker);
        };
        if (!batch_.walk(flow, block.n, most_steps_, keeps == Keeps::segments || to_tape, begin))
            return false;
        if (to_tape) batch_.save(tape, block.n, n_cells_);
        return true;
    }

    /* false if points have no tangents. */
    static bool load_tangents(const Block<T> &block, const Group<V, D> &group, int64_t first, V *tangent) {
        if (!Number<N>::is_dual || !block.tangents) return false;
        PointArrays<V, D>::load(block.tangents + first * D, group.count, tangent);
        return true;
    }

    void end_points(const Block<T> &block, const Group<V, D> &group, int at, N *ends) const {
        N moved[D];
        batch_.moved().load(at, moved);
        if constexpr (Number<N>::is_dual) {
            V tangent[D];
            for (int d = 0; d < D; d++) tangent[d] = V(0);
            load_tangents(block, group, block.first + at, tangent);
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
};

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
