/* The kernels of flows, and what starts them, for one type of numbers and one dimension. The build compiles
   this file for each, with CPAB_NUMBER and CPAB_NDIM defined, so that parts are compiled side by side. */
#include "back_kernels.h"
#include "flow.h"
#include "line_kernels.h"
#include "line_prepare.h"
#include "move_kernels.h"
#include "prepare.h"
#include "warp_kernels.h"

namespace cpab {
namespace CPAB_ISA {

namespace {

/* The launches of one call, chunk by chunk. */
template <typename T, int D>
class FlowLaunches {
public:
    FlowLaunches(const FlowCall &flow, cpab_function function, const FlowArrays<T> &arrays)
        : flow_(flow),
          call_(flow.call),
          tess_(*call_.tess),
          arrays_(arrays),
          plan_(tess_, needs_of(function), call_.n_batch, call_.n_points) {
        plan_.place(call_.scratch, scratch_);
    }

    void start(cpab_function function) {
        for (first_ = 0; first_ < call_.n_batch; first_ += plan_.items) {
            rows_ = std::min(plan_.items, call_.n_batch - first_);
            Batch<T, D> batch = prepared();
            switch (function) {
                case CPAB_VELOCITY: each_point(velocities<T, D>, batch, of_points(arrays_.out, D)); break;
                case CPAB_TRANSFORM: transform(batch); break;
                case CPAB_WARP: warp(batch); break;
                case CPAB_WARP_VJP: warp_vjp(batch); break;
                case CPAB_TRANSFORM_JVP:
                    each_point(move_tangent<T, D>, batch, of_points(arrays_.out, D));
                    break;
                case CPAB_JACOBIAN: jacobian(batch); break;
                case CPAB_JACOBIAN_VJP: jacobian_vjp(batch); break;
                case CPAB_TRANSFORM_VJP_JVP:
                    go_back<BackFromEnd<Dual<Lanes<T, 1>>, D>>(batch, of_ends());
                    break;
                default: transform_vjp(batch);
            }
        }
    }

private:
    /* Where an array of the call, with so many numbers for each point, has those of the chunk. */
    template <typename Number>
    Number *of_points(Number *array, int64_t per_point) const {
        return array ? array + first_ * call_.n_points * per_point : nullptr;
    }
    template <typename Number>
    Number *of_fields(Number *array) const {
        return array ? array + first_ * tess_.n_vertices * D : nullptr;
    }

    template <typename... Parameters, typename... Arguments>
    void launch(void (*kernel)(Parameters...), int64_t blocks, int64_t shared_bytes,
                const Arguments &...arguments) {
        gpu::launch(kernel, {blocks, rows_}, shared_bytes, call_.stream, arguments...);
    }

    template <typename Kernel>
    void each_point(Kernel kernel, const Batch<T, D> &batch, T *out) {
        launch(kernel, plan_.blocks_for(call_.n_points), 0, batch, out);
    }

    /* The chunk, with its fields prepared. A field that velocities are asked of has no time. */
    Batch<T, D> prepared() {
        Batch<T, D> batch{Domain<T, D>(tess_.cells, tess_.lower, tess_.scale)};
        place_tables<T>(tess_, call_.tables, batch.tables);
        batch.n_vertices = int32_t(tess_.n_vertices);
        batch.n_nodes = int32_t(tess_.n_nodes);
        batch.n_cells = int32_t(tess_.n_cells);
        batch.most_steps = 64 * CPAB_MAX_RATE;
        for (int d = 0; d < D; d++) {
            batch.scale[d] = tess_.scale[d] * call_.time;
            batch.most_steps += 64 * tess_.cells[d];
        }
        batch.n_states = int32_t(plan_.n_states);
        batch.states = scratch_.states;
        batch.records = scratch_.records;
        batch.shared_points = call_.points_batch == 1;
        batch.points = batch.shared_points ? arrays_.points : of_points(arrays_.points, D);
        batch.grid = flow_.pixels;
        batch.n_points = call_.n_points;
        batch.tangent_points =
            batch.shared_points ? arrays_.tangent_points : of_points(arrays_.tangent_points, D);
        batch.first_item = flow_.first_item + first_;
        batch.report = call_.report;
        launch(prepare<T, D>, plan_.n_states, 0, batch, of_fields(arrays_.velocity), scratch_.records,
               scratch_.states);
        if (plan_.needs.tangent) prepare_tangent(batch);
        return batch;
    }

    /* Without a direction of the field, its records are those of a field of zeros. */
    void prepare_tangent(Batch<T, D> &batch) {
        if (arrays_.tangent_velocity) {
            launch(prepare<T, D>, plan_.n_states, 0, batch, of_fields(arrays_.tangent_velocity),
                   scratch_.tangent_records, scratch_.tangent_states);
            batch.tangent_states = scratch_.tangent_states;
        } else {
            const int64_t size = rows_ * tess_.n_cells * RecordLayout<D>::flow;
            gpu::zero(scratch_.tangent_records, size * int64_t(sizeof(T)), call_.stream);
        }
        batch.tangent_records = scratch_.tangent_records;
    }

    /* In 1D, items have closed forms, if their slopes allow that. */
    const Lines<T> &prepare_lines(Batch<T, D> &batch) {
        Lines<T> &lines = scratch_.lines;
        lines.linear_outside = tess_.outside == CPAB_OUTSIDE_LINEAR;
        launch(prepare_line_cells<T>, plan_.n_states, knots_of_block * int64_t(sizeof(double)), batch, lines,
               of_fields(arrays_.velocity));
        launch(set_line_clock<T>, 1, gpu::threads_per_block * int64_t(sizeof(Ticks)), batch, lines);
        batch.line_steps = lines.first_steps;
        return lines;
    }

    void transform(Batch<T, D> &batch) {
        T *const out = of_points(arrays_.out, D);
        if constexpr (D == 1) {
            const Lines<T> &lines = prepare_lines(batch);
            launch(move_on_line<T>, plan_.blocks_for(call_.n_points), 0, batch, lines, out);
        }
        each_point(move<T, D>, batch, out);
    }

    TrailRoom<T> room() const { return {scratch_.trail, plan_.depth}; }

    void jacobian(const Batch<T, D> &batch) {
        JacobianOut<T> out{of_points(arrays_.jacobian, D * D), of_points(arrays_.log_det, 1), {}, room()};
        for (int i = 0; i < D; i++)
            for (int j = 0; j < D; j++) out.units[i][j] = T(tess_.scale[j] / tess_.scale[i]);
        launch(jacobian_all<T, D>, plan_.blocks, 0, batch, out);
    }

    Gradient<T> gradient(bool accumulates) const {
        Gradient<T> gradient{};
        gradient.accumulates = accumulates;
        gradient.grad_points = of_points(arrays_.grad_points, D);
        gradient.tables = arrays_.grad_velocity ? scratch_.tables : nullptr;
        gradient.in_shared = plan_.in_shared;
        gradient.poisoned = scratch_.poisoned;
        gradient.room = room();
        return gradient;
    }

    template <typename Back>
    void go_back(const Batch<T, D> &batch, const typename Back::Source &source, bool accumulates = false) {
        const Gradient<T> gradient = this->gradient(accumulates);
        launch(pull_back_all<Back, T, D>, plan_.blocks, gradient.tables ? plan_.shared_bytes() : 0, batch,
               source, gradient);
        if (!gradient.tables) return;
        const NodeSum<T, D> sum{scratch_.tables, plan_.n_tables(),     scratch_.poisoned,
                                plan_.blocks,    gradient.accumulates, of_fields(arrays_.grad_velocity)};
        launch(finish<T, D>, plan_.blocks_for(tess_.n_vertices * D), 0, batch, sum);
    }

    Cotangents<T> of_ends() const { return {of_points(arrays_.grad_out, D), D, 1}; }

    void go_back_on_line(const Batch<T, D> &batch, const Lines<T> &lines, const Cotangents<T> &source) {
        const Gradient<T> gradient = this->gradient(false);
        const int64_t shared_bytes = gradient.tables ? plan_.shared_bytes() : 0;
        launch(pull_back_on_line<T>, plan_.blocks, shared_bytes, batch, lines, source, gradient);
        if (!gradient.tables) return;
        const LineSum<T> sum{plan_.n_tables(), scratch_.poisoned, plan_.blocks,
                             of_fields(arrays_.grad_velocity)};
        launch(add_up_lines<T>, plan_.blocks_for(tess_.n_cells * line_columns), 0, batch, lines, sum);
        launch(finish_lines<T>, 1, 2 * gpu::threads_per_block * int64_t(sizeof(double)), batch, lines, sum);
    }

    void transform_vjp(Batch<T, D> &batch) {
        if constexpr (D == 1) {
            const Lines<T> &lines = prepare_lines(batch);
            go_back_on_line(batch, lines, of_ends());
        }
        go_back<BackFromEnd<Lanes<T, 1>, D>>(batch, of_ends());
    }

    /* A warp is fused with the sampling of images where it is given them, see fuses_warps(). */
    void warp(Batch<T, D> &batch) {
        if constexpr (can_fuse_warps<T, D>)
            if (arrays_.raster) {
                T *const out = arrays_.out + first_ * arrays_.raster->out_item_size;
                launch(warp_pixels<T, D>, plan_.blocks_for(call_.n_points), 0, batch, job(), images(), out);
                return;
            }
        transform(batch);
    }

    void warp_vjp(Batch<T, D> &batch) {
        if constexpr (can_fuse_warps<T, D>)
            if (arrays_.raster) {
                const T *const grads = arrays_.grad_out + first_ * arrays_.raster->out_item_size;
                go_back<BackFromImage<T, D>>(batch, {job(), images(), grads, of_points(arrays_.ends, D)});
                return;
            }
        transform_vjp(batch);
    }

    SampleJob<T, D> job() const {
        return sample_job<T, D, fused_taps>(*arrays_.raster, call_.n_points, false);
    }
    const T *images() const { return arrays_.images + first_ * arrays_.raster->item_size; }

    /* Adds up what several cotangents give: of log det, and of the Jacobian column by column, as column j is
       the derivative along axis j. */
    void jacobian_vjp(Batch<T, D> &batch) {
        zero_gradients();
        if (arrays_.grad_log_det) {
            const Cotangents<T> of_log_det{of_points(arrays_.grad_log_det, 1), 1, 0};
            go_back<BackFromLogDet<Lanes<T, 1>, D>>(batch, of_log_det, true);
        }
        for (int j = 0; arrays_.grad_jacobian && j < D; j++) {
            const Cotangents<T> of_column{of_points(arrays_.grad_jacobian, D * D) + j, D * D, D};
            batch.tangent_axis = j;
            go_back<BackFromEnd<Dual<Lanes<T, 1>>, D>>(batch, of_column, true);
        }
    }

    void zero_gradients() {
        const int64_t points = rows_ * call_.n_points * D, fields = rows_ * tess_.n_vertices * D;
        const int64_t size = sizeof(T);
        if (arrays_.grad_points) gpu::zero(of_points(arrays_.grad_points, D), points * size, call_.stream);
        if (arrays_.grad_velocity) gpu::zero(of_fields(arrays_.grad_velocity), fields * size, call_.stream);
    }

    const FlowCall &flow_;
    const cpab_call &call_;
    const cpab_tessellation &tess_;
    const FlowArrays<T> &arrays_;
    const FlowPlan<T, D> plan_;
    FlowScratch<T> scratch_;
    int64_t first_ = 0, rows_ = 0; /* the items of the chunk */
};

}  // namespace

template <typename T, int D>
void start_flow(const FlowCall &flow, cpab_function function, const FlowArrays<T> &arrays) {
    FlowLaunches<T, D>(flow, function, arrays).start(function);
}

template void start_flow<CPAB_NUMBER, CPAB_NDIM>(const FlowCall &, cpab_function,
                                                 const FlowArrays<CPAB_NUMBER> &);

}  // namespace CPAB_ISA
}  // namespace cpab
