/*
 * The layout of the tables that the walk reads and writes: one record per cell, or per face of a cell.
 * records.h says what the tessellation's hold.
 */
#ifndef CPAB_RECORD_LAYOUT_H
#define CPAB_RECORD_LAYOUT_H

#include "host_device.h"

namespace cpab {

/* Records are read in blocks of 16 bytes. */
CPAB_HD constexpr int padded(int n) { return (n + 3) / 4 * 4; }

template <int D>
struct RecordLayout {
    static constexpr int nodes = D + 1;
    static constexpr int rows = nodes * nodes;
    static constexpr int crossing_used = nodes + (D == 3 ? 2 : 1);
    static constexpr int crossing = padded(crossing_used);
    static constexpr int start = padded(nodes);

    /* A field, per cell: the velocities of its nodes [nodes, D], the gradients of the barycentric
       coordinates [nodes, D], and the longest time that the Taylor series is trusted for. The gradients are
       the tessellation's, but one record is quicker to load than two. */
    static constexpr int flow_used = 2 * nodes * D + 1;
    static constexpr int flow = padded(flow_used);

    /* A field's gradient, per cell: dL/dv at the nodes [nodes, D]. */
    static constexpr int gradient_used = nodes * D;
    static constexpr int gradient = padded(gradient_used);
};

}  // namespace cpab

#endif
