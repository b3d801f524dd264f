/* The entry points that warp images: a regular grid moved and sampled, block by block. */
#include "../pixel_grid.h"
#include "problem.h"
#include "sampler.h"

namespace {

using namespace cpab;

template <typename T>
struct Warp {
    Problem<T> flow;
    const cpab_image *image;
    const T *data;
    const int64_t *output_size;
    PixelGrid grid{0, false, {}, {}, {1, 1, 1}};
    Raster raster{};

    const T *image_of(int64_t item) const { return data + item * raster.item_size; }
    int64_t out_offset(const Slice &s) const {
        return s.item * raster.out_item_size + s.first * raster.out_point_stride;
    }
};

template <typename T>
cpab_status check(Warp<T> &w, const void *result) {
    Problem<T> &p = w.flow;
    static thread_local int64_t ignored;
    if (!p.failed_item) p.failed_item = &ignored;
    *p.failed_item = -1;
    if (!p.tess || !w.image || !w.output_size) return CPAB_E_NULL;
    w.grid.ndim = p.tess->ndim;
    w.grid.align_corners = w.image->align_corners != 0;
    p.points_batch = 1;
    for (int d = 0; d < p.tess->ndim; d++) {
        if (w.output_size[d] < 0 || w.output_size[d] > CPAB_MAX_SIZE) return CPAB_E_SHAPE;
        w.grid.size[d] = w.output_size[d];
        w.grid.lower[d] = p.tess->lower[d];
        w.grid.extent[d] = p.tess->upper[d] - p.tess->lower[d];
    }
    if (!multiply({w.grid.size[0], w.grid.size[1], w.grid.size[2]}, p.n_points)) return CPAB_E_SHAPE;
    const cpab_status status =
        describe(w.image, w.grid.lower, w.grid.extent, p.n_batch, p.n_points, w.raster);
    if (status != CPAB_OK) return status;
    if (!countable(p, p.tess->ndim)) return CPAB_E_SHAPE;
    if (w.raster.ndim != p.tess->ndim) return CPAB_E_NDIM;
    const bool no_data = p.n_batch * w.raster.item_size == 0;
    const bool no_result = p.n_batch * w.raster.out_item_size == 0;
    if ((!p.velocity && p.n_batch > 0) || (!w.data && !no_data) || (!result && !no_result))
        return CPAB_E_NULL;
    if (!std::isfinite(p.time)) return CPAB_E_TIME;
    return p.n_threads < 1 ? CPAB_E_THREADS : CPAB_OK;
}

template <typename T, typename Body>
void for_blocks(const Warp<T> &w, const Slice &s, Body body) {
    T points[block_points * CPAB_MAX_NDIM];
    for (int64_t first = 0; first < s.count; first += block_points) {
        const int64_t count = std::min<int64_t>(block_points, s.count - first);
        w.grid.centres(s.first + first, count, points);
        body(points, first, count);
    }
}

template <typename T>
cpab_status warp(Warp<T> w, T *out, const TapeMemory &memory) {
    const cpab_status status = check(w, out);
    if (status != CPAB_OK) return status;
    const Hired<Sampler<T>> sampler(make_sampler<T>(w.raster));
    if (!sampler) return CPAB_E_MEMORY;
    Tape tape(memory);
    tape.record(key_of(w.flow));
    return for_slices(w.flow, Needs{}, [&](Worker<T> &worker, const Slice &s) {
        Trouble trouble;
        for_blocks(w, s, [&](T *points, int64_t first, int64_t count) {
            trouble.add(worker.move(points, count, points, {&tape, s.block_of(first)}));
            sampler->values(w.image_of(s.item), points, count,
                            out + w.out_offset(s) + first * w.raster.out_point_stride);
        });
        return trouble;
    });
}

/* Knows what the gradients of points are, once it is told where they end. The gradient of the data is added
   at once, or these places are kept for that. */
template <typename T>
class Seeds final : public Ends<T> {
public:
    Seeds(const Sampler<T> &sampler, const Raster &raster, const T *data, T *grad_data)
        : sampler_(sampler), raster_(raster), data_(data), grad_data_(grad_data) {}

    /* For a block of points with this grad_out; `kept` is NULL, or where to keep their ends. */
    void start_block(const T *grad_out, T *kept) {
        grad_out_ = grad_out;
        kept_ = kept;
    }

    const T *gradients() const { return gradients_; }

    void reached(int64_t first, const T *ends, int count) override {
        const int64_t at = first * raster_.ndim;
        sampler_.gradients(data_, ends, grad_out_ + first * raster_.out_point_stride, count, grad_data_,
                           gradients_ + at);
        if (kept_) std::copy(ends, ends + int64_t(count) * raster_.ndim, kept_ + at);
    }

private:
    const Sampler<T> &sampler_;
    const Raster &raster_;
    const T *data_, *grad_out_ = nullptr;
    T *grad_data_, *kept_ = nullptr;
    T gradients_[block_points * CPAB_MAX_NDIM];
};

template <typename T>
cpab_status warp_vjp(Warp<T> w, const T *grad_out, T *grad_velocity, T *grad_data, const TapeMemory &memory) {
    cpab_status status = check(w, grad_out);
    if (status != CPAB_OK) return status;
    const Problem<T> &p = w.flow;
    const Raster &raster = w.raster;
    const Hired<Sampler<T>> sampler(make_sampler<T>(raster));
    if (!sampler) return CPAB_E_MEMORY;
    Tape tape(memory);
    if (!tape.replay(key_of(p))) return CPAB_E_TAPE;
    status = check_range(p);
    if (status != CPAB_OK) return status;
    if (grad_velocity) std::fill(grad_velocity, grad_velocity + p.n_batch * p.field_size(), T(0));
    if (grad_data) std::fill(grad_data, grad_data + p.n_batch * raster.item_size, T(0));
    if (!grad_velocity && !grad_data) return CPAB_OK;
    Needs needs;
    needs.gradient = grad_velocity != nullptr;
    /* Slices come in order; or at least no two add to one image at a time. */
    const bool in_order = p.n_threads == 1 || Slices(p).per_item == 1;
    Turns turns;
    return for_slices(p, needs, [&](Worker<T> &worker, const Slice &s) {
        const T *grad = grad_out + w.out_offset(s);
        T *to_data = grad_data ? grad_data + s.item * raster.item_size : nullptr;
        Array<T> ends;
        Trouble trouble;
        trouble.no_memory = to_data && !in_order && !ends.allocate(s.count * raster.ndim);
        Seeds<T> seeds(*sampler, raster, w.image_of(s.item), in_order ? to_data : nullptr);
        if (grad_velocity) worker.start_slice();
        if (!trouble.no_memory)
            for_blocks(w, s, [&](T *points, int64_t first, int64_t count) {
                const T *block_grad = grad + first * raster.out_point_stride;
                T *kept = ends.size() ? &ends[first * raster.ndim] : nullptr;
                if (grad_velocity) {
                    seeds.start_block(block_grad, kept);
                    trouble.add(worker.pull_back(points, nullptr, seeds.gradients(), count, nullptr, &seeds,
                                                 {&tape, s.block_of(first)}));
                    return;
                }
                trouble.add(worker.move(points, count, kept ? kept : points, {}));
                if (in_order) sampler->gradients(nullptr, points, block_grad, count, to_data, nullptr);
            });
        turns.take(s.unit, [&]() {
            if (grad_velocity) worker.add_gradient(grad_velocity + s.item * p.field_size());
            if (ends.size()) sampler->gradients(nullptr, ends.data(), grad, s.count, to_data, nullptr);
        });
        return trouble;
    });
}

}  // namespace

#define CPAB_FOR_TYPE(T, suffix)                                                                             \
    cpab_status cpab_warp_taped_##suffix(const cpab_tessellation *tess, const cpab_image *image,             \
                                         const T *velocity, const T *data, T *out, void *tape,               \
                                         int64_t tape_bytes, const int64_t *output_size, int64_t n_batch,    \
                                         double time, int32_t n_threads, int64_t *failed_item) {             \
        return warp<T>({{tess, velocity, nullptr, n_batch, 0, 1, time, n_threads, failed_item},              \
                        image,                                                                               \
                        data,                                                                                \
                        output_size},                                                                        \
                       out, {tape, tape_bytes});                                                             \
    }                                                                                                        \
    cpab_status cpab_warp_##suffix(const cpab_tessellation *tess, const cpab_image *image,                   \
                                   const T *velocity, const T *data, T *out, const int64_t *output_size,     \
                                   int64_t n_batch, double time, int32_t n_threads, int64_t *failed_item) {  \
        return cpab_warp_taped_##suffix(tess, image, velocity, data, out, nullptr, 0, output_size, n_batch,  \
                                        time, n_threads, failed_item);                                       \
    }                                                                                                        \
    cpab_status cpab_warp_vjp_taped_##suffix(                                                                \
        const cpab_tessellation *tess, const cpab_image *image, const T *velocity, const T *data,            \
        const T *grad_out, T *grad_velocity, T *grad_data, const void *tape, int64_t tape_bytes,             \
        const int64_t *output_size, int64_t n_batch, double time, int32_t n_threads, int64_t *failed_item) { \
        return warp_vjp<T>({{tess, velocity, nullptr, n_batch, 0, 1, time, n_threads, failed_item},          \
                            image,                                                                           \
                            data,                                                                            \
                            output_size},                                                                    \
                           grad_out, grad_velocity, grad_data, {const_cast<void *>(tape), tape_bytes});      \
    }                                                                                                        \
    cpab_status cpab_warp_vjp_##suffix(                                                                      \
        const cpab_tessellation *tess, const cpab_image *image, const T *velocity, const T *data,            \
        const T *grad_out, T *grad_velocity, T *grad_data, const int64_t *output_size, int64_t n_batch,      \
        double time, int32_t n_threads, int64_t *failed_item) {                                              \
        return cpab_warp_vjp_taped_##suffix(tess, image, velocity, data, grad_out, grad_velocity, grad_data, \
                                            nullptr, 0, output_size, n_batch, time, n_threads, failed_item); \
    }

extern "C" {
CPAB_FOR_TYPE(float, f32)
CPAB_FOR_TYPE(double, f64)
}
