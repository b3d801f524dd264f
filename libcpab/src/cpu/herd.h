/*
 * The trajectories of a block of points, walked together pass by pass: after every step those that have
 * arrived leave, and the others close ranks. Lanes stay full, though some trajectories take many more steps
 * than others.
 *
 * Which walkers share a vector changes on the way, so everything that belongs to a point is kept by the
 * point's number in its block.
 */
#ifndef CPAB_CPU_HERD_H
#define CPAB_CPU_HERD_H

#include <limits>
#include <new>

#include "../adjoint.h"
#include "../memory.h"
#include "../walk.h"
#include "packed_list.h"
#include "worker.h"

namespace cpab {
namespace CPAB_ISA {

/* Numbers of points, W after W, in columns. Lanes without a point have the number `trash`, where anything may
   be written and zeros are read. */
template <typename N, int D, int capacity>
class Columns {
    using V = LaneOf<N>;
    using T = typename V::Scalar;
    using Index = typename V::Index;
    using Integer = typename Index::Integer;
    static constexpr int W = V::width;
    static constexpr int parts = Number<N>::is_dual ? 2 : 1;
    static constexpr int length = capacity + W;

public:
    static constexpr int trash = capacity;

    bool allocate() { return data_.allocate(D * parts * length); }

    /* Of W points in a row. */
    void load(int first, N *out) const {
        for (int d = 0; d < D; d++) read(d, [&](const T *column) { return V::load(column + first); }, out[d]);
    }
    void store(int first, const N *values) {
        for (int d = 0; d < D; d++)
            write(d, [&](T *column, const V &v) { v.store(column + first); }, values[d]);
    }

    /* The first n on a tape. */
    static int64_t bytes(int n) { return int64_t(D * parts) * n * int64_t(sizeof(T)); }
    void save(TapeWriter &to, int n) const {
        for (int column = 0; column < D * parts; column++) to.put(&data_[column * length], n);
    }
    bool restore(TapeReader &from, int n) {
        for (int column = 0; column < D * parts; column++)
            if (!from.get(&data_[column * length], n)) return false;
        return true;
    }

    /* Of any points. */
    void load(const Index &point, N *out) const {
        Integer number[W];
        point.store(number);
        for (int d = 0; d < D; d++)
            read(
                d,
                [&](const T *column) {
                    T lanes[W];
                    for (int r = 0; r < W; r++) lanes[r] = column[number[r]];
                    return V::load(lanes);
                },
                out[d]);
    }
    void store(const Index &point, const N *values) {
        Integer number[W];
        point.store(number);
        for (int d = 0; d < D; d++)
            write(
                d,
                [&](T *column, const V &v) {
                    T lanes[W];
                    v.store(lanes);
                    for (int r = 0; r < W; r++) column[number[r]] = lanes[r];
                },
                values[d]);
    }

private:
    template <typename Read>
    void read(int d, Read from, V &out) const {
        out = from(&data_[d * length]);
    }
    template <typename Read>
    void read(int d, Read from, Dual<V> &out) const {
        out.a = from(&data_[2 * d * length]);
        out.b = from(&data_[(2 * d + 1) * length]);
    }
    template <typename Write>
    void write(int d, Write to, const V &value) {
        to(&data_[d * length], value);
    }
    template <typename Write>
    void write(int d, Write to, const Dual<V> &value) {
        to(&data_[2 * d * length], value.a);
        to(&data_[(2 * d + 1) * length], value.b);
    }

    Array<T> data_;
};

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

/* W steps that were taken, for the way back. */
template <typename N, int D>
struct Strides {
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
class Herd {
    using V = LaneOf<N>;
    using T = typename V::Scalar;
    using Index = typename V::Index;
    using Bits = typename V::Bits;
    using Integer = typename Index::Integer;
    static constexpr int W = V::width;

public:
    static constexpr int capacity = block_points;
    using PerPoint = Columns<N, D, capacity>;

    Herd() {
        for (int r = 0; r < W; r++) lane_[r] = T(r), lane_number_[r] = Integer(r);
    }
    Herd(const Herd &) = delete;
    Herd &operator=(const Herd &) = delete;
    ~Herd() {
        for (int64_t pass = 0; pass < passes_.size(); pass++) delete passes_[pass];
    }

    bool allocate() {
        return moved_.allocate() && cotangents_.allocate() && walking_.reserve(capacity) &&
               leaving_.reserve(capacity);
    }

    /*
     * Walks n points, at most `capacity`. `begin(first, walker)` sends out those from `first` on and answers
     * their cells. Displacements are found in moved(); those of trajectories that do not arrive within `most`
     * steps are NaN. false if there is no memory to record.
     */
    template <typename Begin>
    bool walk(const Flow<N, D> &flow, int n, int64_t most, bool recording, Begin begin) {
        n_passes_ = 0;
        walking_.clear();
        if (!next_pass(n, recording)) return false;
        for (int first = 0; first < n; first += W) {
            Walkers<N, D> group;
            const Bits there = first_lanes(n - first);
            const Cell<N, D> cell = begin(first, group.walker);
            group.point = select(there, Index::load(lane_number_) + Index(Integer(first)), trash());
            moved_.store(first, group.walker.moved);
            attempt(cell, group, there);
        }
        leave_cells(flow);
        while (walking_.size() > 0) {
            const int n_walking = walking_.size();
            walking_.clear();
            const bool lost = --most <= 0;
            if (!next_pass(n_walking, recording)) return false;
            for (int at = 0; at < n_walking; at += W) {
                Walkers<N, D> group;
                const Bits there = load(walking_, at, n_walking, group);
                if (lost)
                    lose(group);
                else
                    attempt(flow.cell(group.walker.at.cell), group, there);
            }
            leave_cells(flow);
        }
        return true;
    }

    /* The n points that were walked and recorded, as a block on a tape, if that has room. */
    void save(const TapeBlocks &to, int n, int64_t n_cells) const {
        is_small(n_cells) ? save_as<uint16_t>(to, n) : save_as<uint32_t>(to, n);
    }

    /* Instead of a walk, if the tape has it. */
    bool restore(const TapeBlocks &from, int n, int64_t n_cells) {
        return is_small(n_cells) ? restore_as<uint16_t>(from, n, n_cells)
                                 : restore_as<uint32_t>(from, n, n_cells);
    }

    const PerPoint &moved() const { return moved_; }

    /* Of where points end; go_back() makes them those of where they started. */
    PerPoint &cotangents() { return cotangents_; }

    /* Goes back along the recorded steps. `arrive(strides, cell, there, lam)` may change the cotangents of
       their ends before they are taken to their starts, and `collect(strides, cell, gradient)` is told what
       each adds. */
    template <typename Arrive, typename Collect>
    void go_back(const Flow<N, D> &flow, Arrive arrive, Collect collect) {
        for (int64_t pass = n_passes_ - 1; pass >= 0; pass--) {
            const auto &taken = *passes_[pass];
            for (int at = 0; at < taken.size(); at += W) {
                Strides<N, D> strides;
                const Bits there = load(taken, at, taken.size(), strides);
                const Cell<N, D> cell = flow.cell(strides.segment.from.cell);
                N lam[D];
                cotangents_.load(strides.point, lam);
                arrive(strides, cell, there, lam);
                NodeGradient<N, D> gradient = pull_back<N, D>(cell, strides.segment, lam);
                if (taken.size() - at < W) { /* in lanes without a step, 0 times what is infinite is no 0 */
                    for (int d = 0; d < D; d++) lam[d] = select(there, lam[d], N(V(0)));
                    for (int k = 0; k <= D; k++)
                        for (int d = 0; d < D; d++)
                            gradient.velocity[k][d] = select(there, gradient.velocity[k][d], N(V(0)));
                }
                cotangents_.store(strides.point, lam);
                collect(strides, cell, gradient);
            }
        }
    }

private:
    using Taken = PackedList<Strides<N, D>, V>;

    static Index trash() { return Index(Integer(PerPoint::trash)); }
    Bits first_lanes(int count) const { return V::load(lane_) < V(T(count)); }

    template <typename List, typename Element>
    Bits load(const List &list, int at, int size, Element &element) const {
        const Bits there = first_lanes(size - at);
        list.load(at, there, element);
        element.point = select(there, element.point, trash());
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
            if (!next_pass(size, true) || !taken_->template restore<Small>(tape, size)) return false;
            if (!taken_->indices_below(0, n_cells) || !taken_->indices_below(1, capacity)) return false;
        }
        return true;
    }

    /* Makes room for the steps of a pass. */
    bool next_pass(int n, bool recording) {
        taken_ = nullptr;
        if (!recording) return true;
        if (n_passes_ == passes_.size()) {
            auto *list = new (std::nothrow) Taken;
            if (!list || !passes_.push(list)) {
                delete list;
                return false;
            }
        }
        taken_ = passes_[n_passes_++];
        return taken_->reserve(n);
    }

    /* Takes the step of those walkers that surely meet no face, and leaves the others for leave_cells():
       finding a crossing is most of the work, so only those should do it that have one. */
    CPAB_INLINE void attempt(const Cell<N, D> &cell, Walkers<N, D> &group, const Bits &there) {
        const Plan<N, D> plan = plan_step(cell, group.walker);
        const Bits leaves = there & plan.ends.may_leave(plan.slack);
        if (any(leaves)) leaving_.push(group, Packing<T, W>(leaves));
        const Bits stays = there & ~leaves;
        if (!any(stays)) return;
        if (taken_) taken_->push(Strides<N, D>{{group.walker.at, plan.h}, group.point}, Packing<T, W>(stays));
        stay(cell, plan, group.walker);
        group.point = select(stays, group.point, trash());
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
            if (taken_) taken_->push(Strides<N, D>{{from, duration}, group.point}, count);
            moved_.store(group.point, group.walker.moved);
            keep(group, there);
        }
        leaving_.clear();
    }

    CPAB_INLINE void keep(const Walkers<N, D> &group, const Bits &there) {
        const Bits active = there & group.walker.active();
        if (any(active)) walking_.push(group, Packing<T, W>(active));
    }

    void lose(const Walkers<N, D> &group) {
        N lost[D];
        for (int d = 0; d < D; d++) lost[d] = N(V(std::numeric_limits<T>::quiet_NaN()));
        moved_.store(group.point, lost);
    }

    T lane_[W];
    Integer lane_number_[W];
    PerPoint moved_, cotangents_;
    PackedList<Walkers<N, D>, V> walking_, leaving_;
    Stack<Taken *> passes_; /* the steps of each pass; more than n_passes_ where an earlier block had more */
    int64_t n_passes_ = 0;
    Taken *taken_ = nullptr; /* those of this pass, if they are recorded */
};

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
