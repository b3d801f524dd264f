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
#include "../memory.h"
#include "../walk.h"
#include "cell_maps.h"
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

/* W walkers that have not moved yet. */
template <typename N, int D>
struct Starts {
    N l[D + 1];
    typename LaneOf<N>::Index cell, point;

    static constexpr int parts = Number<N>::is_dual ? 2 : 1;
    static constexpr int n_numbers = parts * (D + 1), n_indices = 2;
    template <typename Self, typename Visit>
    CPAB_INLINE static void each(Self &self, Visit visit) {
        for (int k = 0; k <= D; k++) each_lane(self.l[k], visit);
        visit(self.cell);
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

    /* The first `n_inner_cells` cells are no ghosts. */
    explicit TrajectoryBatch(int64_t n_inner_cells = 0) : n_inner_cells_(n_inner_cells) {
        for (int r = 0; r < W; r++) lane_number_[r] = Integer(r);
    }
    TrajectoryBatch(const TrajectoryBatch &) = delete;
    TrajectoryBatch &operator=(const TrajectoryBatch &) = delete;
    ~TrajectoryBatch() {
        for (int64_t pass = 0; pass < passes_.size(); pass++) delete passes_[pass];
    }

    bool allocate() {
        return moved_.allocate() && cotangents_.allocate() && walking_.reserve(capacity) &&
               leaving_.reserve(capacity) && starting_.reserve(capacity);
    }

    /*
     * Walks n points, at most `capacity`. `begin(first, walker)` makes the walkers of the points from `first`
     * on and returns their cells. Displacements are found in moved(); those of trajectories that do not
     * arrive within `most` steps are NaN. false if there is no memory to record.
     */
    template <typename Begin>
    bool walk(const Flow<N, D> flow, int n, int64_t most, bool recording, Begin begin) {
        if (!first_pass(n, recording)) return false;
        for (int first = 0; first < n; first += W) {
            Walkers<N, D> group;
            const Bits there = first_lanes_(n - first);
            const Cell<N, D> cell = begin(first, group.walker);
            group.point = select(there, points_from(first), padding_slot());
            moved_.store(first, group.walker.moved);
            attempt(cell, group, there);
        }
        leave_cells(flow, leaving_);
        return walk_on(flow, most, recording);
    }

    /*
     * The same for points that are sorted by their cells, with the maps of these cells. Points that never
     * leave a cell that has a map take one step, which is not recorded.
     */
    bool walk_sorted(const Flow<N, D> flow, const SortedPoints<V, D> &points, const CellMaps<V, D> &maps,
                     int64_t most, bool recording) {
        if (!first_pass(points.size(), recording)) return false;
        starting_.clear();
        for (int i = 0; i < points.n_runs(); i++)
            if (maps.has(flow, points.run(i).cell))
                map_run(flow, points, i, maps);
            else
                attempt_run(flow, points, points.run(i));
        leave_cells(flow, starting_);
        leave_cells(flow, leaving_);
        return walk_on(flow, most, recording);
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

    /* Where points are sorted: collects what steps that were not recorded add to the gradient of a field, as
       collect(cells, gradient), once backward() has gone through the others and left their cotangents 0. */
    template <typename Collect>
    void collect_stays(const Flow<N, D> flow, const SortedPoints<V, D> &points, const CellMaps<V, D> &maps,
                       Collect collect) {
        for (int first = 0; first < points.n_runs(); first += W) {
            T by_run[(D + 1) * D][W] = {};
            for (int r = 0; r < W && first + r < points.n_runs(); r++)
                if (maps.has(flow, points.run(first + r).cell))
                    sum_run(points, points.run(first + r), &by_run[0][r]);
            V sums[D + 1][D];
            for (int k = 0; k <= D; k++)
                for (int d = 0; d < D; d++) sums[k][d] = V::load(by_run[k * D + d]);
            const Index cells = points.cells(first);
            collect(cells, pull_back_map(flow.cell(cells), sums));
        }
    }

    /* Goes back along the recorded segments, the last pass first. `arrive(recorded, cell, there, lam)` may
       change the cotangents of their ends before they are taken to their starts, and `collect(recorded, cell,
       gradient)` is given what each segment adds to the gradient of its cell. `forgets`: the cotangents of
       starts are made 0, as nobody wants them. */
    template <typename Arrive, typename Collect>
    void backward(const Flow<N, D> flow, bool forgets, Arrive arrive, Collect collect) {
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
                if (forgets && pass == 0)
                    for (int d = 0; d < D; d++) lam[d] = N(V(0));
                cotangents_.store(recorded.point, lam);
                collect(recorded, cell, gradient);
            }
        }
    }

private:
    using SegmentList = PackedList<RecordedSegments<N, D>, V>;
    using StartList = PackedList<Starts<N, D>, V>;

    Index points_from(int first) const { return Index::load(lane_number_) + Index(Integer(first)); }

    bool first_pass(int n, bool recording) {
        n_passes_ = 0;
        walking_.clear();
        return next_pass(n, recording);
    }

    /* All passes but the first. */
    bool walk_on(const Flow<N, D> &flow, int64_t most, bool recording) {
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
            leave_cells(flow, leaving_);
        }
        return true;
    }

    /* Moves those points of a run that surely stay in their cell, and leaves the others for leave_cells(). */
    void map_run(const Flow<N, D> &flow, const SortedPoints<V, D> &points, int i,
                 const CellMaps<V, D> &maps) {
        const auto run = points.run(i);
        const CellMap<V, D> map = maps.map(flow, i, run.cell);
        for (int done = 0; done < run.count; done += W) {
            Starts<N, D> group;
            V x[D];
            points.load(run.first + done, group.l);
            const Bits there = first_lanes_(run.count - done), stays = map.stays(group.l, x);
            for (int d = 0; d < D; d++) x[d] = select(stays, x[d], V(0));
            moved_.store(run.first + done, x); /* and beyond the run, where the next one follows */
            const Bits leaves = there & ~stays;
            if (!any(leaves)) continue;
            group.cell = Index(run.cell);
            group.point = points_from(run.first + done);
            starting_.push(group, Packing<T, W>(leaves));
        }
    }

    void attempt_run(const Flow<N, D> &flow, const SortedPoints<V, D> &points,
                     const typename SortedPoints<V, D>::Run &run) {
        const Cell<N, D> cell = flow.cell(Index(run.cell));
        for (int done = 0; done < run.count; done += W) {
            Trajectory<N, D> start;
            Walkers<N, D> group;
            const Bits there = first_lanes_(run.count - done);
            start.cell = Index(run.cell);
            points.load(run.first + done, start.l);
            group.walker = Walker<N, D>(start);
            group.point = select(there, points_from(run.first + done), padding_slot());
            moved_.store(run.first + done, group.walker.moved);
            attempt(cell, group, there);
        }
    }

    /* sums[(k D + d) W] = sum of l_k lam_d over the points of a run. */
    void sum_run(const SortedPoints<V, D> &points, const typename SortedPoints<V, D>::Run &run,
                 T *sums) const {
        V total[D + 1][D];
        for (int k = 0; k <= D; k++)
            for (int d = 0; d < D; d++) total[k][d] = V(0);
        for (int done = 0; done < run.count; done += W) {
            const Bits there = first_lanes_(run.count - done);
            V l[D + 1], lam[D];
            points.load(run.first + done, l);
            cotangents_.load(run.first + done, lam);
            for (int d = 0; d < D; d++) lam[d] = select(there, lam[d], V(0));
            for (int k = 0; k <= D; k++)
                for (int d = 0; d < D; d++) total[k][d] = total[k][d] + select(there, l[k], V(0)) * lam[d];
        }
        for (int k = 0; k <= D; k++)
            for (int d = 0; d < D; d++) {
                T lanes[W], sum = 0;
                total[k][d].store(lanes);
                for (int r = 0; r < W; r++) sum += lanes[r];
                sums[(k * D + d) * W] = sum;
            }
    }

    static Index padding_slot() { return Index(Integer(PerPoint::padding_slot)); }

    template <typename List, typename Element>
    Bits load(const List &list, int at, int size, Element &element) const {
        const Bits there = first_lanes_(size - at);
        list.load(at, there, element);
        element.point = select(there, element.point, padding_slot());
        return there;
    }

    Bits load(const StartList &list, int at, int size, Walkers<N, D> &group) const {
        Starts<N, D> starts;
        const Bits there = load<StartList, Starts<N, D>>(list, at, size, starts);
        Trajectory<N, D> start;
        start.cell = starts.cell;
        for (int k = 0; k <= D; k++) start.l[k] = starts.l[k];
        group.walker = Walker<N, D>(start);
        group.walker.left = select(there, group.walker.left, N(V(0)));
        group.point = starts.point;
        return there;
    }

    static bool is_small(int64_t n_cells) {
        static_assert(capacity < 1 << 16, "or numbers of points need more than 16 bits");
        return n_cells <= 1 << 16;
    }

    /* A list without the last coordinates where these follow from the others; a tape is for plain numbers. */
    bool is_lean(const SegmentList &list) const {
        return !Number<N>::is_dual && list.indices_below(0, n_inner_cells_);
    }
    static int left_out(bool lean) { return lean ? D : -1; }

    template <typename Small>
    void save_as(const TapeBlocks &to, int n) const {
        int64_t bytes = PerPoint::bytes(n) + (1 + 2 * n_passes_) * int64_t(sizeof(int));
        for (int64_t pass = 0; pass < n_passes_; pass++)
            bytes += passes_[pass]->template bytes<Small>(is_lean(*passes_[pass]));
        TapeWriter tape = to.tape->reserve(to.first, bytes);
        if (!tape) return;
        moved_.save(tape, n);
        const int n_passes = int(n_passes_);
        tape.put(&n_passes, 1);
        for (int64_t pass = 0; pass < n_passes_; pass++) {
            const int size = passes_[pass]->size(), lean = is_lean(*passes_[pass]);
            tape.put(&size, 1);
            tape.put(&lean, 1);
            passes_[pass]->template save<Small>(tape, left_out(lean));
        }
    }

    template <typename Small>
    bool restore_as(const TapeBlocks &from, int n, int64_t n_cells) {
        TapeReader tape = from.tape->find(from.first);
        int n_passes, size, lean;
        if (!moved_.restore(tape, n) || !tape.get(&n_passes, 1)) return false;
        n_passes_ = 0;
        for (int pass = 0; pass < n_passes; pass++) {
            if (!tape.get(&size, 1) || !tape.get(&lean, 1) || size < 0 || size > n) return false;
            if (!next_pass(size, true) || !recorded_->template restore<Small>(tape, size, left_out(lean)))
                return false;
            if (!recorded_->indices_below(0, n_cells) || !recorded_->indices_below(1, capacity)) return false;
            if (lean) recorded_->template fill_rest<D>();
        }
        return true;
    }

    /* Coordinates of a cell that is no ghost sum to 1, so the last one need not be kept on a tape. It is the
       same whether it was on one or not. */
    template <typename Chosen>
    CPAB_INLINE void record(Trajectory<N, D> from, const N &duration, const Index &point,
                            const Chosen &chosen) {
        N rest = N(V(1));
        for (int k = 0; k < D; k++) rest = rest - from.l[k];
        from.l[D] = select(from.cell < Index(Integer(n_inner_cells_)), rest, from.l[D]);
        recorded_->push(RecordedSegments<N, D>{{from, duration}, point}, chosen);
    }

    /* Makes room for the segments of a pass. */
    bool next_pass(int n, bool recording) {
        recorded_ = nullptr;
        if (!recording) return true;
        if (n_passes_ == passes_.size()) {
            auto *list = new (or_null) SegmentList;
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
        if (recorded_) record(group.walker.at, plan.h, group.point, Packing<T, W>(stays));
        stay(cell, plan, group.walker);
        group.point = select(stays, group.point, padding_slot());
        moved_.store(group.point, group.walker.moved);
        keep(group, stays);
    }

    /* Takes the step of the walkers in a list, which then is empty. */
    template <typename List>
    void leave_cells(const Flow<N, D> &flow, List &list) {
        for (int at = 0; at < list.size(); at += W) {
            Walkers<N, D> group;
            const Bits there = load(list, at, list.size(), group);
            const Cell<N, D> cell = flow.cell(group.walker.at.cell);
            const Trajectory<N, D> from = group.walker.at;
            const N duration = leave(flow, cell, plan_step(cell, group.walker), group.walker);
            const int count = list.size() - at < W ? list.size() - at : W;
            if (recorded_) record(from, duration, group.point, count);
            moved_.store(group.point, group.walker.moved);
            keep(group, there);
        }
        list.clear();
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

    const int64_t n_inner_cells_;
    const FirstLanes<V> first_lanes_;
    Integer lane_number_[W];
    PerPoint moved_, cotangents_;
    PackedList<Walkers<N, D>, V> walking_, leaving_;
    StartList starting_;
    Stack<SegmentList *> passes_; /* more than n_passes_ where an earlier block had more */
    int64_t n_passes_ = 0;
    SegmentList *recorded_ = nullptr; /* of this pass, if its segments are recorded */
};

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
