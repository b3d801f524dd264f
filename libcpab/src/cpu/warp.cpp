/* The functions that warp images: a regular grid is moved and sampled, block by block. */
#include "problem.h"
#include "sampler.h"

namespace {

using namespace cpab;

/* The centres of the pixels, which all items share: computed once a call, unless there are many. */
template <typename T>
class Centres {
public:
    explicit Centres(const PixelGrid &grid) : grid_(grid) {}

    /* false if there is no memory. */
    bool prepare(int64_t n_batch, int64_t n_points) {
        if (n_batch < 2 || n_points > most_kept) return true;
        if (!all_.allocate(n_points * grid_.ndim)) return false;
        grid_.centres(0, n_points, all_.data());
        return true;
    }

    /* Of `count` pixels from number `first` on; `room` is for them if they were not kept. */
    const T *of(int64_t first, int64_t count, T *room) const {
        if (all_.size() > 0) return all_.data() + first * grid_.ndim;
        grid_.centres(first, count, room);
        return room;
    }

private:
    static constexpr int64_t most_kept = 65536;
    const PixelGrid &grid_;
    Array<T> all_;
};

/* A call that has been checked, and its inputs; the pixels of the result are the points of the flow. */
template <typename T>
struct Warp {
    Problem<T> flow;
    const T *images;
    const PixelGrid &grid;
    const Raster &raster;

    const T *image_of(int64_t item) const { return images + item * raster.item_size; }
    /* Of the block with this first point in a slice; all items have the same pixels. */
    TapeBlocks blocks(Tape *tape, const Slice &s, int64_t first) const {
        const int64_t block = s.block_of(first);
        return {tape, block, block % Slices(flow).per_item_blocks(), flow.n_batch > 1};
    }
    int64_t out_offset(const Slice &s) const {
        return s.item * raster.out_item_size + s.first * raster.out_point_stride;
    }
};

/* Calls body(centres, first, count) for the blocks of a slice. */
template <typename T, typename Body>
void for_blocks(const Centres<T> &centres, const Slice &s, Body body) {
    T room[block_points * CPAB_MAX_NDIM];
    for (int64_t first = 0; first < s.count; first += block_points) {
        const int64_t count = std::min<int64_t>(block_points, s.count - first);
        body(centres.of(s.first + first, count, room), first, count);
    }
}

/* The tape of a warp has two places for each block: of trajectories, and of the slopes of images where these
   end, by which a gradient of the velocity alone is quicker. */
template <typename T>
TapeKey key_of(const Warp<T> &w, const Sampler<T> &sampler) {
    return key_of(w.flow, 2, sampler.slope_bytes(block_points));
}

template <typename T>
int64_t place_of_slopes(const Warp<T> &w, const Slice &s, int64_t first) {
    const Slices slices(w.flow);
    return slices.total * slices.blocks + s.block_of(first);
}

template <typename T>
cpab_status warp(const Warp<T> &w, T *out, const TapeMemory &memory) {
    const Owned<Sampler<T>> sampler(make_sampler<T>(w.raster));
    Centres<T> centres(w.grid);
    if (!sampler || !centres.prepare(w.flow.n_batch, w.flow.n_points)) return CPAB_E_MEMORY;
    Tape tape(memory);
    tape.record(key_of(w, *sampler));
    return for_slices(w.flow, Needs{}, [&](Worker<T> &worker, const Slice &s) {
        Outcome outcome;
        T ends[block_points * CPAB_MAX_NDIM];
        for_blocks(centres, s, [&](const T *points, int64_t first, int64_t count) {
            outcome.add(worker.move(points, count, ends, w.blocks(&tape, s, first)));
            T *to = out + w.out_offset(s) + first * w.raster.out_point_stride;
            const int64_t bytes = sampler->slope_bytes(count);
            const TapeWriter slopes = bytes > 0 && tape.records()
                                          ? tape.reserve(place_of_slopes(w, s, first), bytes)
                                          : TapeWriter(nullptr);
            if (slopes)
                sampler->values_and_slopes(w.image_of(s.item), ends, count, to, slopes.data());
            else
                sampler->values(w.image_of(s.item), ends, count, to);
        });
        return outcome;
    });
}

/* Knows what the gradients of points are, once it is told where they end. The gradient of the images is added
   at once, or these places are kept for that. */
template <typename T>
class Seeds final : public Ends<T> {
public:
    Seeds(const Sampler<T> &sampler, const Raster &raster, const T *images, T *grad_images)
        : sampler_(sampler), raster_(raster), images_(images), grad_images_(grad_images) {}

    /* For a block of points with this grad_out; `kept` is NULL, or where to keep their ends. */
    void start_block(const T *grad_out, T *kept) {
        grad_out_ = grad_out;
        kept_ = kept;
    }

    const T *gradients() const { return gradients_; }

    /* Knows gradients at once, if a tape has slopes and they are finite. */
    bool by_slopes(TapeReader tape, const T *grad_out, int64_t count) {
        const int64_t bytes = sampler_.slope_bytes(count);
        const unsigned char *slopes = bytes > 0 ? tape.bytes(bytes) : nullptr;
        return slopes && sampler_.gradients_by_slopes(slopes, grad_out, count, gradients_);
    }

    void reached(int64_t first, const T *ends, int count) override {
        const int64_t at = first * raster_.ndim;
        sampler_.gradients(images_, ends, grad_out_ + first * raster_.out_point_stride, count, grad_images_,
                           gradients_ + at);
        if (kept_) std::copy(ends, ends + int64_t(count) * raster_.ndim, kept_ + at);
    }

private:
    const Sampler<T> &sampler_;
    const Raster &raster_;
    const T *images_, *grad_out_ = nullptr;
    T *grad_images_, *kept_ = nullptr;
    T gradients_[block_points * CPAB_MAX_NDIM];
};

template <typename T>
cpab_status warp_vjp(const Warp<T> &w, const T *grad_out, T *grad_images, T *grad_velocity,
                     const TapeMemory &memory) {
    const Problem<T> &p = w.flow;
    const Raster &raster = w.raster;
    const Owned<Sampler<T>> sampler(make_sampler<T>(raster));
    Centres<T> centres(w.grid);
    if (!sampler || !centres.prepare(p.n_batch, p.n_points)) return CPAB_E_MEMORY;
    Tape tape(memory);
    if (grad_velocity && !tape.replay(key_of(w, *sampler))) return CPAB_E_TAPE;
    const cpab_status status = check_range(p);
    if (status != CPAB_OK) return status;
    if (grad_velocity) std::fill(grad_velocity, grad_velocity + p.n_batch * p.field_size(), T(0));
    if (grad_images) std::fill(grad_images, grad_images + p.n_batch * raster.item_size, T(0));
    if (!grad_velocity && !grad_images) return CPAB_OK;
    Needs needs;
    needs.gradient = grad_velocity != nullptr;
    /* Slices come in order; or at least no two add to one image at a time. */
    const bool in_order = p.n_threads == 1 || Slices(p).per_item == 1;
    Turns turns;
    return for_slices(p, needs, [&](Worker<T> &worker, const Slice &s) {
        const T *grad = grad_out + w.out_offset(s);
        T *to_images = grad_images ? grad_images + s.item * raster.item_size : nullptr;
        Array<T> ends;
        Outcome outcome;
        outcome.no_memory = to_images && !in_order && !ends.allocate(s.count * raster.ndim);
        Seeds<T> seeds(*sampler, raster, w.image_of(s.item), in_order ? to_images : nullptr);
        if (grad_velocity) worker.start_slice();
        if (!outcome.no_memory)
            for_blocks(centres, s, [&](const T *points, int64_t first, int64_t count) {
                const T *block_grad = grad + first * raster.out_point_stride;
                T *kept = ends.size() ? &ends[first * raster.ndim] : nullptr;
                if (grad_velocity) {
                    if (!grad_images &&
                        seeds.by_slopes(tape.find(place_of_slopes(w, s, first)), block_grad, count)) {
                        outcome.add(worker.pull_back(points, nullptr, seeds.gradients(), count, nullptr,
                                                     nullptr, w.blocks(&tape, s, first)));
                        return;
                    }
                    seeds.start_block(block_grad, kept);
                    outcome.add(worker.pull_back(points, nullptr, seeds.gradients(), count, nullptr, &seeds,
                                                 w.blocks(&tape, s, first)));
                    return;
                }
                T room[block_points * CPAB_MAX_NDIM], *moved = kept ? kept : room;
                outcome.add(worker.move(points, count, moved, w.blocks(nullptr, s, first)));
                if (in_order) sampler->gradients(nullptr, moved, block_grad, count, to_images, nullptr);
            });
        turns.take(s.unit, [&]() {
            if (grad_velocity) worker.add_gradient(grad_velocity + s.item * p.field_size());
            if (ends.size()) sampler->gradients(nullptr, ends.data(), grad, s.count, to_images, nullptr);
        });
        return outcome;
    });
}

/* Checks a call, and calls body() with it as a Warp. */
template <typename Body>
cpab_status for_warp(cpab_call *call, const void *images, const void *velocity, const void *result,
                     Body body) {
    return for_dtype(call, [&](auto number) {
        using T = decltype(number);
        PixelGrid grid{0, false, {}, {}, {1, 1, 1}};
        Raster raster{};
        cpab_call pixels = *call;
        const cpab_status status = check_warp(pixels, images, velocity, result, grid, raster);
        if (status != CPAB_OK) return status;
        const cpab_status outcome =
            body(number, Warp<T>{{pixels, nullptr, velocity}, static_cast<const T *>(images), grid, raster},
                 TapeMemory{call->tape, call->tape_bytes});
        call->failed_item = pixels.failed_item;
        return outcome;
    });
}

}  // namespace

extern "C" {

cpab_status cpab_warp(cpab_call *call, const void *images, const void *velocity, void *out) {
    return for_warp(call, images, velocity, out, [&](auto number, const auto &w, const TapeMemory &tape) {
        return warp<decltype(number)>(w, static_cast<decltype(number) *>(out), tape);
    });
}

cpab_status cpab_warp_vjp(cpab_call *call, const void *images, const void *velocity, const void *grad_out,
                          void *grad_images, void *grad_velocity) {
    return for_warp(call, images, velocity, grad_out,
                    [&](auto number, const auto &w, const TapeMemory &tape) {
                        using T = decltype(number);
                        return warp_vjp<T>(w, static_cast<const T *>(grad_out), static_cast<T *>(grad_images),
                                           static_cast<T *>(grad_velocity), tape);
                    });
}

}  // extern "C"
