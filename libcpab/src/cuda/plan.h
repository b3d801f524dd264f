/*
 * How a call on a flow is spread over a device, and what its scratch holds. All of it follows from sizes
 * alone, so that results repeat bit for bit, and cpab_scratch_bytes() can tell the size before a call.
 *
 * Items are worked on in chunks, each of them with the same scratch. Its parts are bounded in bytes, whatever
 * the sizes are, except for what a single item needs.
 */
#ifndef CPAB_CUDA_PLAN_H
#define CPAB_CUDA_PLAN_H

#include <algorithm>

#include "../record_layout.h"
#include "../tessellation.h"
#include "gpu.h"
#include "line_batch.h"
#include "tables.h"

namespace cpab {
namespace CPAB_ISA {

/* What the kernels of a function need beside the field. */
struct FlowNeeds {
    bool tangent;  /* a direction that derivatives are taken in */
    bool trail;    /* the segments of trajectories, for a way back */
    bool gradient; /* tables to add up the gradient of the field in */
    bool closed;   /* in 1D, what line.h reads: it has closed forms for this function */
};

inline FlowNeeds needs_of(cpab_function function) {
    switch (function) {
        case CPAB_TRANSFORM:
        case CPAB_WARP: return {false, false, false, true};
        case CPAB_TRANSFORM_VJP:
        case CPAB_WARP_VJP: return {false, true, true, true};
        case CPAB_TRANSFORM_JVP: return {true, false, false, false};
        case CPAB_TRANSFORM_VJP_JVP:
        case CPAB_JACOBIAN_VJP: return {true, true, true, false};
        case CPAB_JACOBIAN: return {false, true, false, false};
        default: return {false, false, false, false};
    }
}

/* The scratch of a chunk. */
template <typename T>
struct FlowScratch {
    int32_t *states, *tangent_states; /* [items, n_states], see prepare.h */
    T *records, *tangent_records;     /* [items, n_cells], see record_layout.h */
    T *trail;                         /* see trail.h */
    T *tables;                        /* [items, n_tables, n_nodes, D], see node_sum.h */
    int32_t *poisoned;                /* [items, blocks] */
    Lines<T> lines;                   /* in 1D, see line_batch.h */
};

template <typename T, int D>
struct FlowPlan {
    static constexpr int64_t most_bytes = int64_t(64) << 20; /* of each part of the scratch */
    static constexpr int64_t cells_per_state = 1024, most_states = 32;
    /* Of a chunk that goes back: more threads than devices run at a time would make its trails larger, and
       nothing faster. */
    static constexpr int64_t most_blocks = 1024;
    static constexpr int least_depth = 4, most_depth = 32;

    FlowNeeds needs;
    int64_t n_cells, n_nodes, n_batch, n_points;
    int64_t items;          /* in a chunk */
    int64_t n_states;       /* blocks that prepare a field */
    int64_t blocks = 0;     /* for each item, of a kernel that goes back */
    int64_t depth = 0;      /* of a trail, in segments */
    bool in_shared = false; /* whether tables are in shared memory until a block is done */

    FlowPlan(const cpab_tessellation &tess, const FlowNeeds &its_needs, int64_t batch, int64_t points)
        : needs(its_needs), n_cells(tess.n_cells), n_nodes(tess.n_nodes), n_batch(batch), n_points(points) {
        items = std::min({n_batch, gpu::most_rows, part_of(most_bytes, record_bytes())});
        if (has_lines()) items = std::min(items, part_of(most_bytes, Lines<T>::bytes_of_item(tess.cells[0])));
        n_states = std::min(most_states, (n_cells + cells_per_state - 1) / cells_per_state);
        if (!needs.trail || n_batch == 0) return;
        items = std::min(items, most_blocks);
        if (needs.gradient) {
            in_shared = tables_of_block() <= gpu::most_shared;
            items = std::min(items, part_of(most_bytes, tables_of_block()));
        }
        blocks = std::min(blocks_for(n_points), part_of(most_blocks, items));
        if (needs.gradient && !in_shared)
            blocks = std::min(blocks, part_of(most_bytes, items * tables_of_block()));
        depth = std::max<int64_t>(least_depth, std::min<int64_t>(most_depth, most_bytes / segment_bytes()));
    }

    /* Whether items may have closed forms. */
    bool has_lines() const { return D == 1 && needs.closed; }

    /* Numbers of a segment on a trail. */
    int64_t segment_size() const { return (needs.tangent ? 2 : 1) * (D + 2) + 1; }

    int64_t threads() const { return items * blocks * gpu::threads_per_block; }
    int64_t n_tables() const { return in_shared ? blocks : blocks * gpu::warps_per_block; }
    int64_t shared_bytes() const { return in_shared ? tables_of_block() : 0; }

    /* Blocks that have a thread for each of n things: one at least, which may find nothing to do. */
    static int64_t blocks_for(int64_t n) {
        return std::max<int64_t>(1, (n + gpu::threads_per_block - 1) / gpu::threads_per_block);
    }

    /* Hands out places, and returns their size in bytes. */
    int64_t place(void *base, FlowScratch<T> &scratch) const {
        Places places(base);
        scratch = {};
        scratch.states = places.take<int32_t>(items * n_states);
        scratch.records = places.take<T>(items * n_cells * RecordLayout<D>::flow);
        if (needs.tangent) {
            scratch.tangent_states = places.take<int32_t>(items * n_states);
            scratch.tangent_records = places.take<T>(items * n_cells * RecordLayout<D>::flow);
        }
        if (needs.trail) scratch.trail = places.take<T>(threads() * depth * segment_size());
        if (needs.gradient) {
            scratch.tables = places.take<T>(items * n_tables() * n_nodes * D);
            scratch.poisoned = places.take<int32_t>(items * blocks);
        }
        if (has_lines()) place_lines(places, scratch.lines);
        return places.bytes();
    }

    int64_t bytes() const {
        FlowScratch<T> ignored;
        return place(nullptr, ignored);
    }

private:
    /* How often a part fits the whole, but once at least. */
    static int64_t part_of(int64_t whole, int64_t part) { return std::max<int64_t>(1, whole / part); }

    int64_t record_bytes() const {
        return (needs.tangent ? 2 : 1) * n_cells * RecordLayout<D>::flow * int64_t(sizeof(T));
    }
    /* Of the larger kind: an item's points go back one way or the other. */
    int64_t tables_of_block() const {
        const int64_t of_nodes = n_nodes * D * int64_t(sizeof(T)), of_line = line_table_bytes<T>(n_cells);
        return gpu::warps_per_block * (has_lines() ? std::max(of_nodes, of_line) : of_nodes);
    }
    int64_t segment_bytes() const { return threads() * segment_size() * int64_t(sizeof(T)); }

    void place_lines(Places &places, Lines<T> &lines) const {
        lines.n = n_cells - 2; /* without the ghosts */
        lines.place(places, items, n_states);
        if (!needs.gradient) return;
        lines.starts = places.take<double>(items * n_tables() * n_cells);
        lines.shares = places.take<T>(items * n_tables() * n_cells * line_shares);
        lines.totals = places.take<double>(items * n_cells * line_columns);
    }
};

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
