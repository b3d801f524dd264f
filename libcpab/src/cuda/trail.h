/*
 * The segments of a thread's trajectory, for the way back along it.
 *
 * A trail is a ring in scratch memory: it has the last `depth` segments. Few trajectories are longer; on the
 * way back these are walked again, up to the segments that come next. Number k of slot s of thread i lies at
 * [s][k][i], so that the threads of a warp access what is side by side.
 */
#ifndef CPAB_CUDA_TRAIL_H
#define CPAB_CUDA_TRAIL_H

#include "arrive.h"

namespace cpab {
namespace CPAB_ISA {

/* Where threads have their trails. */
template <typename T>
struct TrailRoom {
    T *numbers;
    int64_t depth;
};

template <typename N, int D>
class Trail {
    using V = LaneOf<N>;
    using T = ScalarOf<N>;

public:
    CPAB_DEVICE explicit Trail(const TrailRoom<T> &room) : room_(room) {
        const int64_t number = gpu::row() * gpu::blocks() + gpu::block();
        thread_ = number * gpu::threads_per_block + gpu::thread();
        n_threads_ = gpu::rows() * gpu::blocks() * gpu::threads_per_block;
    }

    /* Leaves a segment, the one after the last. */
    CPAB_DEVICE void operator()(int64_t number, const Segment<N, D> &segment) {
        T *at = slot(number);
        for (int k = 0; k <= D; k++) put(at, segment.from.l[k]);
        put(at, segment.duration);
        *at = from_bits(segment.from.cell).v;
        end_ = number + 1;
        if (number >= first_ + room_.depth) first_ = number + 1 - room_.depth;
    }

    /* How many segments lie before the one that is next on the way back. */
    CPAB_DEVICE int64_t left() const { return end_; }

    /* There is nothing to go back along. */
    CPAB_DEVICE void forget() { first_ = end_ = 0; }

    /* The next segment on the way back, where there is one left. `arrival` knows where the walk began. */
    CPAB_DEVICE Segment<N, D> back(const Batch<T, D> &batch, const Flow<N, D> &flow,
                                   const Arrival<N, D> &arrival) {
        if (end_ == first_) walk_again(batch, flow, arrival);
        end_--;
        const T *at = slot(end_);
        Segment<N, D> segment;
        for (int k = 0; k <= D; k++) get(at, segment.from.l[k]);
        get(at, segment.duration);
        segment.from.cell = bits_of(V(*at));
        return segment;
    }

private:
    CPAB_DEVICE T *slot(int64_t number) const {
        constexpr int size = (Number<N>::is_dual ? 2 : 1) * (D + 2) + 1;
        return room_.numbers + number % room_.depth * size * n_threads_ + thread_;
    }

    CPAB_DEVICE void put(T *&at, const V &number) const { *at = number.v, at += n_threads_; }
    CPAB_DEVICE void put(T *&at, const Dual<V> &number) const { put(at, number.a), put(at, number.b); }
    CPAB_DEVICE void get(const T *&at, V &number) const { number.v = *at, at += n_threads_; }
    CPAB_DEVICE void get(const T *&at, Dual<V> &number) const { get(at, number.a), get(at, number.b); }

    CPAB_DEVICE void walk_again(const Batch<T, D> &batch, const Flow<N, D> &flow,
                                const Arrival<N, D> &arrival) {
        const int64_t end = end_;
        forget();
        Walker<N, D> walker = arrival.set_out(batch, flow);
        for (int64_t n = 0; n < end; n++) {
            Segment<N, D> segment;
            segment.from = walker.at;
            segment.duration = take_step(flow, walker);
            (*this)(n, segment);
        }
    }

    const TrailRoom<T> room_;
    int64_t thread_, n_threads_;
    int64_t first_ = 0, end_ = 0; /* the segments that the ring has */
};

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
