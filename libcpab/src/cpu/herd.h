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

#include "../adjoint.h"
#include "../memory.h"
#include "../walk.h"

namespace cpab {
namespace CPAB_ISA {

/* Numbers of points, W after W, in columns. Lanes without a point have the number `trash`, where anything may
   be written and zeros are read. */
template <typename N, int D, int capacity>
class Columns {
    using V = LaneOf<N>;
    using T = typename V::Scalar;
    using Index = typename V::Index;
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
        for (int d = 0; d < D; d++) write(d, [&](T *column, const V &v) { v.store(column + first); }, values[d]);
    }

    /* Of any points. */
    void load(const Index &point, N *out) const {
        for (int d = 0; d < D; d++)
            read(
                d,
                [&](const T *column) {
                    T lanes[W];
                    for (int r = 0; r < W; r++) lanes[r] = column[point[r]];
                    return V::load(lanes);
                },
                out[d]);
    }
    void store(const Index &point, const N *values) {
        for (int d = 0; d < D; d++)
            write(
                d,
                [&](T *column, const V &v) {
                    T lanes[W];
                    v.store(lanes);
                    for (int r = 0; r < W; r++) column[point[r]] = lanes[r];
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
};

/* A step of W walkers. */
template <typename N, int D>
struct Stride {
    Segment<N, D> segment;
    typename LaneOf<N>::Index point;
    int first; /* the first point if they are in a row, else -1 */
};

template <typename N, int D>
class Herd {
    using V = LaneOf<N>;
    using T = typename V::Scalar;
    using Index = typename V::Index;
    using Integer = typename Index::Integer;
    static constexpr int W = V::width;

public:
    static constexpr int capacity = 512;
    using PerPoint = Columns<N, D, capacity>;

    bool allocate() {
        return moved_.allocate() && cotangents_.allocate() &&
               numbers_.allocate(number_columns * (capacity + W)) &&
               indices_.allocate(index_columns * (capacity + W));
    }

    /*
     * Walks n points, at most `capacity`. `begin(first)` starts those from `first` on and answers their
     * walkers' cells. Displacements are found in moved(); those of trajectories that do not arrive within
     * `most` steps are NaN. false if there is no memory to record.
     */
    template <typename Begin>
    bool walk(const Flow<N, D> &flow, int n, int64_t most, bool recording, Begin begin) {
        strides_.clear();
        n_walking_ = 0;
        for (int first = 0; first < n; first += W) {
            Walkers<N, D> group;
            group.point = in_a_row(first, n - first);
            const Cell<N, D> cell = begin(first, group.walker);
            group.walker.left = select(within(n - first), group.walker.left, N(V(0)));
            if (!advance(flow, cell, group, first, recording)) return false;
        }
        for (int64_t pass = 1; n_walking_ > 0; pass++) {
            const int walking = n_walking_;
            n_walking_ = 0;
            for (int at = 0; at < walking; at += W) {
                Walkers<N, D> group;
                load(at, group);
                if (walking - at < W) clear(~within(walking - at), group);
                if (pass >= most)
                    lose(group);
                else if (!advance(flow, flow.cell(group.walker.at.cell), group, -1, recording))
                    return false;
            }
        }
        return true;
    }

    const PerPoint &moved() const { return moved_; }

    /* Of where points end; go_back() makes them those of where they started. */
    PerPoint &cotangents() { return cotangents_; }

    /* Goes back along the recorded steps. `collect(stride, cell, gradient)` is told what each adds. */
    template <typename Collect>
    void go_back(const Flow<N, D> &flow, Collect collect) {
        for (int64_t s = strides_.size() - 1; s >= 0; s--) {
            const Stride<N, D> &stride = strides_[s];
            N lam[D];
            if (stride.first >= 0)
                cotangents_.load(stride.first, lam);
            else
                cotangents_.load(stride.point, lam);
            const Cell<N, D> cell = flow.cell(stride.segment.from.cell);
            const NodeGradient<N, D> gradient = pull_back<N, D>(cell, stride.segment, lam);
            if (stride.first >= 0)
                cotangents_.store(stride.first, lam);
            else
                cotangents_.store(stride.point, lam);
            collect(stride, cell, gradient);
        }
    }

private:
    static constexpr int parts = Number<N>::is_dual ? 2 : 1;
    static constexpr int number_columns = (D + 1 + D + D + 1) * parts + 1;
    static constexpr int index_columns = 2;

    static Index in_a_row(int first, int count) {
        Integer lanes[W];
        for (int r = 0; r < W; r++) lanes[r] = r < count ? first + r : PerPoint::trash;
        return Index::load(lanes);
    }

    static typename V::Bits within(int count) {
        T lanes[W];
        for (int r = 0; r < W; r++) lanes[r] = T(r);
        return V::load(lanes) < V(T(count < W ? count : W));
    }

    bool advance(const Flow<N, D> &flow, const Cell<N, D> &cell, Walkers<N, D> &group, int first,
                 bool recording) {
        Stride<N, D> stride;
        stride.segment.from = group.walker.at;
        stride.segment.duration = step<N, D>(flow, cell, group.walker);
        if (first >= 0)
            moved_.store(first, group.walker.moved);
        else
            moved_.store(group.point, group.walker.moved);
        keep(group, group.walker.active());
        if (!recording) return true;
        stride.point = group.point;
        stride.first = first;
        return strides_.push(stride);
    }

    void lose(const Walkers<N, D> &group) {
        N lost[D];
        for (int d = 0; d < D; d++) lost[d] = N(V(std::numeric_limits<T>::quiet_NaN()));
        moved_.store(group.point, lost);
    }

    /* All numbers of a walker, one by one. */
    template <typename Group, typename Visit>
    static void visit(Group &group, Visit one) {
        auto each = [&](auto &number) {
            if constexpr (Number<N>::is_dual) {
                one(number.a);
                one(number.b);
            } else {
                one(number);
            }
        };
        for (int k = 0; k <= D; k++) each(group.walker.at.l[k]);
        for (int d = 0; d < D; d++) each(group.walker.at.v[d]);
        for (int d = 0; d < D; d++) each(group.walker.moved[d]);
        each(group.walker.left);
        one(group.walker.stalls);
    }

    /* Appends the walkers that are still on their way. */
    void keep(const Walkers<N, D> &group, const typename V::Bits &active) {
        if (!any(active)) return;
        const Packing<T, W> packing(active);
        T *number = &numbers_[n_walking_];
        visit(group, [&](const V &value) {
            packing.store(value, number);
            number += capacity + W;
        });
        packing.store(group.walker.at.cell, &indices_[n_walking_]);
        packing.store(group.point, &indices_[capacity + W + n_walking_]);
        n_walking_ += packing.count;
    }

    void load(int at, Walkers<N, D> &group) const {
        const T *number = &numbers_[at];
        visit(group, [&](V &value) {
            value = V::load(number);
            number += capacity + W;
        });
        group.walker.at.cell = Index::load(&indices_[at]);
        group.point = Index::load(&indices_[capacity + W + at]);
    }

    /* Lanes without a walker rest at a place without velocity. */
    static void clear(const typename V::Bits &lanes, Walkers<N, D> &group) {
        visit(group, [&](V &value) { value = select(lanes, V(0), value); });
        group.walker.at.cell = select(lanes, Index(0), group.walker.at.cell);
        group.point = select(lanes, Index(PerPoint::trash), group.point);
    }

    PerPoint moved_, cotangents_;
    Array<T> numbers_;
    Array<Integer> indices_;
    int n_walking_ = 0;
    Stack<Stride<N, D>> strides_;
};

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
