#include "records.h"

#include <cmath>
#include <cstring>

#include "find_cell.h"
#include "tessellation.h"

namespace {

using namespace cpab;

/* The low corner of the box nearest to a cell: of the one that holds the mean of its vertices. */
void nearest_box(const cpab_tessellation &t, int64_t cell, double *corner) {
    const int slots = t.ndim + 1;
    for (int d = 0; d < t.ndim; d++) {
        double sum = 0;
        int n = 0;
        for (int k = 0; k < slots; k++) {
            const int32_t node = t.cell_node[cell * slots + k];
            if (is_ideal(t, node)) continue;
            sum += t.node[int64_t(node) * t.ndim + d];
            n++;
        }
        corner[d] = double(interval_of(sum / n, t.cells[d]));
    }
}

/* See `crossing` in records.h. */
int order_of_nodes(const cpab_tessellation &t, int64_t cell, int face, int64_t behind) {
    const int slots = t.ndim + 1;
    const int32_t *from = &t.cell_node[cell * slots], *to = &t.cell_node[behind * slots];
    int order = 0;
    bool plain = true;
    for (int j = 0; j < slots; j++) {
        int source = face; /* of the node that is new */
        for (int i = 0; i < slots; i++)
            if (from[i] == to[j]) source = i;
        order |= source << 2 * j;
        plain = plain && source == j;
    }
    return plain ? 0 : order;
}

template <typename T, typename Integer, int D>
bool fill(const cpab_tessellation &t, Records<T> &records) {
    using Layout = RecordLayout<D>;
    constexpr int slots = D + 1;
    if (!records.rows.allocate(t.n_cells * Layout::rows) ||
        !records.start.allocate(t.n_cells * Layout::start) ||
        !records.crossing.allocate(t.n_cells * slots * Layout::crossing))
        return false;
    for (int64_t c = 0; c < t.n_cells; c++) {
        T *rows = &records.rows[c * Layout::rows];
        double corner[D];
        nearest_box(t, c, corner);
        const int32_t *nodes = &t.cell_node[c * slots];
        for (int k = 0; k < slots; k++) {
            const double *gradient = &t.gradient[(c * slots + k) * D];
            double constant = k == t.anchor[c] ? 1 : 0;
            for (int d = 0; d < D; d++) {
                rows[k * slots + d] = T(gradient[d]);
                constant += gradient[d] * (corner[d] - t.node[int64_t(nodes[t.anchor[c]]) * D + d]);
            }
            rows[k * slots + D] = records.start[c * Layout::start + k] = T(constant);

            T *crossing = &records.crossing[(c * slots + k) * Layout::crossing];
            const int32_t behind = t.neighbour[c * slots + k];
            /* A face that nothing can reach leads back to its own cell, and changes nothing. */
            const Integer number = static_cast<Integer>(behind < 0 ? c : behind);
            std::memcpy(crossing + slots, &number, sizeof number);
            if (D == 3) {
                const Integer order = behind < 0 ? 0 : order_of_nodes(t, c, k, behind);
                std::memcpy(crossing + slots + 1, &order, sizeof order);
            }
            for (int j = 0; j < slots; j++)
                crossing[j] = behind < 0 ? T(j == k) : T(t.transfer[(c * slots + k) * slots + j]);
        }
    }
    return true;
}

template <int D>
bool fill_both(cpab_tessellation &t) {
    return fill<float, int32_t, D>(t, t.records_f32) && fill<double, int64_t, D>(t, t.records_f64);
}

/* See rate_per_speed: by the triangle inequality over the nodes of a cell. */
double bound_rate(const cpab_tessellation &t) {
    const int slots = t.ndim + 1;
    double bound = 0;
    for (int64_t c = 0; c < t.n_cells; c++) {
        double sum = 0;
        for (int k = 0; k < slots; k++) {
            double gradient = 0, speed = 1; /* of the node, if no vertex is faster than 1 */
            for (int d = 0; d < t.ndim; d++) gradient += std::fabs(t.gradient[(c * slots + k) * t.ndim + d]);
            const int64_t ideal = t.cell_node[c * slots + k] - t.n_vertices;
            if (ideal >= 0) {
                speed = 0;
                for (int32_t e = t.ideal_first[ideal]; e < t.ideal_first[ideal + 1]; e++)
                    speed += std::fabs(t.ideal_weight[e]);
            }
            sum += gradient * speed;
        }
        bound = sum > bound ? sum : bound;
    }
    return bound;
}

}  // namespace

bool cpab::fill_records(cpab_tessellation &t) {
    t.rate_per_speed = bound_rate(t);
    return t.ndim == 1 ? fill_both<1>(t) : t.ndim == 2 ? fill_both<2>(t) : fill_both<3>(t);
}
