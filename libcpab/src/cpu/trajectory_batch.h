/*
 * The trajectories of a block of points, walked together pass by pass, one step of each in a pass.
 * Trajectories that have arrived are left out of the next pass, and the others are packed without gaps
 * (compaction): lanes stay full, though some trajectories take many more steps than others.
 *
 *     pass 0   a b c d | e f g h | i j k l      all twelve points take a step; b, c, d, g, h, i and k arrive
 *     pass 1   a e f j | l                      the others fill two vectors
 *     pass 2   a l                              and so on, until all have arrived
 *
 * Which walkers share a vector changes on the way, so everything that belongs to a point is kept by the
 * point's number in its block.
 */
#ifndef CPAB_CPU_TRAJECTORY_BATCH_H
#define CPAB_CPU_TRAJECTORY_BATCH_H

#include <limits>
#include <new>

#include "../adjoint.h"
#include "../memory.h"
#include "../walk.h"
#include "packed_list.h"
#include "point_columns.h"
#include "tiles.h"
#include "worker.h"

namespace cpab {
namespace CPAB_ISA {

/* W walkers, and the points that they started from. */
template <typename N, int D>
struct Walkers {
    Walker<N, D> walker;
    typename LaneOf<N>::Index point;

    static constexpr int parts = Number<N>::is_dual ? 2 : 1;
    static constexpr int n_numbers = parts * (2 * D + 2) + 1, n_indices = 2;
    template <typename Self, typename Visit>
    CPAB_INLINE static void each(Self &self, Visit visit) {
        for (int k = 0; k <= D; k++) each_lane(self.walker.at.l[k], visit);
        for (int d = 0; d < D; d++) each_lane(self.walker.moved[d], visit);
        each_lane(self.walker.left, visit);
        visit(self.walker.stalls);
        visit(self.walker.at.cell);
        visit(self.point);
    }
};

/* W segments of trajectories, kept for the backward pass, and the points that these trajectories started
 * from. */
template <typename N, int D>
struct RecordedSegments {
    Segment<N, D> segment;
    typename LaneOf<N>::Index point;

    static constexpr int parts = Number<N>::is_dual ? 2 : 1;
    static constexpr int n_numbers = parts * (D + 2), n_indices = 2;
    template <typename Self, typename Visit>
    CPAB_INLINE static void each(Self &self, Visit visit) {
        for (int k = 0; k <= D; k++) each_lane(self.segment.from.l[k], visit);
        each_lane(self.segment.duration, visit);
        visit(self.segment.from.cell);
        visit(self.point);
    }
};

template <typename N, int D>
class TrajectoryBatch {
    using V = LaneOf<N>;
    using T = typename V::Scalar;
    using Index = typename V::Index;
    using Bits = typename V::Bits;
    using Integer = typename Index::Integer;
    static constexpr int W = V::width;

public:
    static constexpr int capacity = block_points;
    using PerPoint = PointColumns<N, D, capacity>;

    TrajectoryBatch() {
        for (int r = 0; r < W; r++) lane_number_[r] = Integer(r);
    }
    TrajectoryBatch(const TrajectoryBatch &) = delete;
    TrajectoryBatch &operator=(const TrajectoryBatch &) = delete;
    ~TrajectoryBatch() {
        for (int64_t pass = 0; pass < passes_.size(); pass++) delete passes_[pass];
    }

    bool allocate() {
        return moved_.allocate() && cotangents_.allocate() && walking_.reserve(capacity) &&
               leaving_.reserve(capacity);
    }

    /*
     * Walks n points, at most `capacity`. `begin(first, walker)` makes the walkers of the points from `first`
     * on and returns their cells. Displacements are found in moved(); those of trajectories that do not
     * arrive within `most` steps are NaN. false if there is no memory to record.
     */
    template <typename Begin>
    bool walk(const Flow<N, D> flow, int n, int64_t most, bool recording, Begin begin) {
        n_passes_ = 0;
        walking_.clear();
        if (!next_pass(n, recording)) return false;
        for (int first = 0; first < n; first += W) {
            Walkers<N, D> group;
            const Bits there = first_lanes_(n - first);
            const Cell<N, D> cell = begin(first, group.walker);
            group.point = select(there, Index::load(lane_number_) + Index(Integer(first)), padding_slot());
            moved_.store(first, group.walker.moved);
            attempt(cell, group, there);
        }
        leave_cells(flow);
        while (walking_.size() > 0) {
            const int n_walking = walking_.size();
            walking_.clear();
            const bool out_of_steps = --most <= 0;
            if (!next_pass(n_walking, recording)) return false;
            for (int at = 0; at < n_walking; at += W) {
                Walkers<N, D> group;
                const Bits there = load(walking_, at, n_walking, group);
                if (out_of_steps)
                    give_up(group);
                else
                    attempt(flow.cell(group.walker.at.cell), group, there);
            }
            leave_cells(flow);
        }
        return true;
    }

    /* Writes the n points that were walked and recorded to a tape, as a block, if that has room. */
    void save(const TapeBlocks &to, int n, int64_t n_cells) const {
        is_small(n_cells) ? save_as<uint16_t>(to, n) : save_as<uint32_t>(to, n);
    }

    /* Reads a block from a tape, which then needs no walk. false if the tape does not have it. */
    bool restore(const TapeBlocks &from, int n, int64_t n_cells) {
        return is_small(n_cells) ? restore_as<uint16_t>(from, n, n_cells)
                                 : restore_as<uint32_t>(from, n, n_cells);
    }

    const PerPoint &moved() const { return moved_; }

    /* Cotangents of where trajectories end; backward() makes them those of where they start. */
    PerPoint &cotangents() { return cotangents_; }

    /* Goes back along the recorded segments, the last pass first. `arrive(recorded, cell, there, lam)` may
       change the cotangents of their ends before they are taken to their starts, and `collect(recorded, cell,
       gradient)` is given what each segment adds to the gradient of its cell. */
    template <typename Arrive, typename Collect>
    void backward(const Flow<N, D> flow, Arrive arrive, Collect collect) {
        for (int64_t pass = n_passes_ - 1; pass >= 0; pass--) {
            const SegmentList &list = *passes_[pass];
            for (int at = 0; at < list.size(); at += W) {
                RecordedSegments<N, D> recorded;
                const Bits there = load(list, at, list.size(), recorded);
                const Cell<N, D> cell = flow.cell(recorded.segment.from.cell);
                N lam[D];
                cotangents_.load(recorded.point, lam);
                arrive(recorded, cell, there, lam);
                NodeGradient<N, D> gradient = pull_back<N, D>(cell, recorded.segment, lam);
                if (list.size() - at < W) { /* in lanes without a segment, 0 times what is infinite is no 0 */
                    for (int d = 0; d < D; d++) lam[d] = select(there, lam[d], N(V(0)));
                    for (int k = 0; k <= D; k++)
                        for (int d = 0; d < D; d++)
                            gradient.velocity[k][d] = select(there, gradient.velocity[k][d], N(V(0)));
                }
                cotangents_.store(recorded.point, lam);
                collect(recorded, cell, gradient);
            }
        }
    }

private:
    using SegmentList = PackedList<RecordedSegments<N, D>, V>;

    static Index padding_slot() { return Index(Integer(PerPoint::padding_slot)); }

    template <typename List, typename Element>
    Bits load(const List &list, int at, int size, Element &element) const {
        const Bits there = first_lanes_(size - at);
        list.load(at, there, element);
        element.point = select(there, element.point, padding_slot());
        return there;
    }

    static bool is_small(int64_t n_cells) {
        static_assert(capacity < 1 << 16, "or numbers of points need more than 16 bits");
        return n_cells <= 1 << 16;
    }

    template <typename Small>
    void save_as(const TapeBlocks &to, int n) const {
        int64_t bytes = PerPoint::bytes(n) + (1 + n_passes_) * int64_t(sizeof(int));
        for (int64_t pass = 0; pass < n_passes_; pass++) bytes += passes_[pass]->template bytes<Small>();
        TapeWriter tape = to.tape->reserve(to.first, bytes);
        if (!tape) return;
        moved_.save(tape, n);
        const int n_passes = int(n_passes_);
        tape.put(&n_passes, 1);
        for (int64_t pass = 0; pass < n_passes_; pass++) {
            const int size = passes_[pass]->size();
            tape.put(&size, 1);
            passes_[pass]->template save<Small>(tape);
        }
    }

    template <typename Small>
    bool restore_as(const TapeBlocks &from, int n, int64_t n_cells) {
        TapeReader tape = from.tape->find(from.first);
        int n_passes, size;
        if (!moved_.restore(tape, n) || !tape.get(&n_passes, 1)) return false;
        n_passes_ = 0;
        for (int pass = 0; pass < n_passes; pass++) {
            if (!tape.get(&size, 1) || size < 0 || size > n) return false;
            if (!next_pass(size, true) || !recorded_->template restore<Small>(tape, size)) return false;
            if (!recorded_->indices_below(0, n_cells) || !recorded_->indices_below(1, capacity)) return false;
        }
        return true;
    }

    /* Makes room for the segments of a pass. */
    bool next_pass(int n, bool recording) {
        recorded_ = nullptr;
        if (!recording) return true;
        if (n_passes_ == passes_.size()) {
            auto *list = new (std::nothrow) SegmentList;
            if (!list || !passes_.push(list)) {
                delete list;
                return false;
            }
        }
        recorded_ = passes_[n_passes_++];
        return recorded_->reserve(n);
    }

    /* Takes the step of those walkers that surely meet no face, and leaves the others for leave_cells():
       finding a crossing is most of the work, so only those should do it that have one. */
    CPAB_INLINE void attempt(const Cell<N, D> &cell, Walkers<N, D> &group, const Bits &there) {
        const Plan<N, D> plan = plan_step(cell, group.walker);
        const Bits leaves = there & plan.ends.may_leave(plan.slack);
        if (any(leaves)) leaving_.push(group, Packing<T, W>(leaves));
        const Bits stays = there & ~leaves;
        if (!any(stays)) return;
        if (recorded_)
            recorded_->push(RecordedSegments<N, D>{{group.walker.at, plan.h}, group.point},
                            Packing<T, W>(stays));
        stay(cell, plan, group.walker);
        group.point = select(stays, group.point, padding_slot());
        moved_.store(group.point, group.walker.moved);
        keep(group, stays);
    }

    void leave_cells(const Flow<N, D> &flow) {
        for (int at = 0; at < leaving_.size(); at += W) {
            Walkers<N, D> group;
            const Bits there = load(leaving_, at, leaving_.size(), group);
            const Cell<N, D> cell = flow.cell(group.walker.at.cell);
            const Trajectory<N, D> from = group.walker.at;
            const N duration = leave(flow, cell, plan_step(cell, group.walker), group.walker);
            const int count = leaving_.size() - at < W ? leaving_.size() - at : W;
            if (recorded_) recorded_->push(RecordedSegments<N, D>{{from, duration}, group.point}, count);
            moved_.store(group.point, group.walker.moved);
            keep(group, there);
        }
        leaving_.clear();
    }

    CPAB_INLINE void keep(const Walkers<N, D> &group, const Bits &there) {
        const Bits active = there & group.walker.active();
        if (any(active)) walking_.push(group, Packing<T, W>(active));
    }

    /* Trajectories that do not arrive have no displacement. */
    void give_up(const Walkers<N, D> &group) {
        N nowhere[D];
        for (int d = 0; d < D; d++) nowhere[d] = N(V(std::numeric_limits<T>::quiet_NaN()));
        moved_.store(group.point, nowhere);
    }

    const FirstLanes<V> first_lanes_;
    Integer lane_number_[W];
    PerPoint moved_, cotangents_;
    PackedList<Walkers<N, D>, V> walking_, leaving_;
    Stack<SegmentList *> passes_; /* more than n_passes_ where an earlier block had more */
    int64_t n_passes_ = 0;
    SegmentList *recorded_ = nullptr; /* of this pass, if its segments are recorded */
};

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
