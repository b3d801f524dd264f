#include "tessellation.h"

#include <algorithm>
#include <cmath>
#include "complex_3d.h"
#include "find_cell.h"

namespace {

using Tess = cpab_tessellation;

/* How many nodes and cells a tessellation has. */
void count(Tess &t) {
    const int64_t nx = t.cells[0], ny = t.cells[1];
    if (t.ndim == 1) {
        t.n_vertices = nx + 1;
        t.n_nodes = t.n_vertices + 2;
        t.n_inner_cells = nx;
        t.n_cells = nx + 2;
    } else if (t.ndim == 3) {
        cpab::count_tetrahedra(t);
    } else {
        t.n_vertices = (nx + 1) * (ny + 1) + nx * ny;
        t.n_nodes = t.n_vertices + 8; /* 4 sides, 4 corners */
        t.n_inner_cells = 4 * nx * ny;
        t.n_cells = t.n_inner_cells + 2 * (nx + ny) + 8;
    }
}

bool allocate(Tess &t) {
    const int64_t slots = t.ndim + 1;
    return t.node.allocate(t.n_nodes * t.ndim) && t.cell_node.allocate(t.n_cells * slots) &&
           t.neighbour.allocate(t.n_cells * slots) && t.transfer.allocate(t.n_cells * slots * slots) &&
           t.gradient.allocate(t.n_cells * slots * t.ndim) && t.anchor.allocate(t.n_cells) &&
           t.ideal_first.allocate(t.n_nodes - t.n_vertices + 1);
}

void put_cell(Tess &t, int64_t cell, const int32_t *node_by_slot) {
    std::copy(node_by_slot, node_by_slot + t.ndim + 1, &t.cell_node[cell * (t.ndim + 1)]);
}

/* 1D: colour = parity of the vertex. Ideal nodes: low end, high end. */
void fill_intervals(Tess &t) {
    const int64_t n = t.cells[0];
    for (int64_t i = 0; i <= n; i++) t.node[i] = static_cast<double>(i);
    t.node[n + 1] = -1;
    t.node[n + 2] = 1;
    auto pair = [&](int64_t cell, int64_t vertex, int64_t other) {
        const int32_t a = static_cast<int32_t>(vertex), b = static_cast<int32_t>(other);
        const int32_t slots[2] = {vertex % 2 ? b : a, vertex % 2 ? a : b};
        put_cell(t, cell, slots);
    };
    for (int64_t i = 0; i < n; i++) pair(i, i, i + 1);
    pair(n, 0, n + 1);
    pair(n + 1, n, n + 2);
}

/* 2D: centres have colour 0, corner (i, j) has colour 1 + (i + j) mod 2. Ideal nodes: the normals of
   the sides low y, high x, high y, low x take a centre's place; the diagonals of the four corners
   (x low/high fastest) take the place of a corner. */
void fill_triangles(Tess &t) {
    const cpab::TriangleGrid grid{t.cells[0], t.cells[1]};
    const int64_t nx = grid.nx, ny = grid.ny;
    auto colour = [](int64_t i, int64_t j) { return 1 + (i + j) % 2; };
    auto put_node = [&](int64_t node, double x, double y) {
        t.node[2 * node] = x;
        t.node[2 * node + 1] = y;
    };
    auto triangle = [&](int64_t cell, int64_t at_centre, int64_t a, int64_t colour_a, int64_t b) {
        int32_t slots[3];
        slots[0] = static_cast<int32_t>(at_centre);
        slots[colour_a] = static_cast<int32_t>(a);
        slots[3 - colour_a] = static_cast<int32_t>(b);
        put_cell(t, cell, slots);
    };

    for (int64_t j = 0; j <= ny; j++)
        for (int64_t i = 0; i <= nx; i++) put_node(grid.corner(i, j), double(i), double(j));
    for (int64_t j = 0; j < ny; j++)
        for (int64_t i = 0; i < nx; i++) put_node(grid.centre(i, j), i + 0.5, j + 0.5);
    const int64_t side = t.n_vertices, diagonal = t.n_vertices + 4;
    const double normal[4][2] = {{0, -1}, {1, 0}, {0, 1}, {-1, 0}};
    for (int s = 0; s < 4; s++) put_node(side + s, normal[s][0], normal[s][1]);
    for (int q = 0; q < 4; q++) put_node(diagonal + q, q % 2 ? 1 : -1, q / 2 ? 1 : -1);

    /* Corners of a rectangle, counterclockwise: triangle k has corners k and k + 1. */
    const int di[5] = {0, 1, 1, 0, 0}, dj[5] = {0, 0, 1, 1, 0};
    for (int64_t j = 0; j < ny; j++)
        for (int64_t i = 0; i < nx; i++)
            for (int k = 0; k < 4; k++) {
                const int64_t ai = i + di[k], aj = j + dj[k];
                const int64_t a = grid.corner(ai, aj), b = grid.corner(i + di[k + 1], j + dj[k + 1]);
                triangle(grid.triangle(i, j, k), grid.centre(i, j), a, colour(ai, aj), b);
                const bool border[4] = {j == 0, i == nx - 1, j == ny - 1, i == 0};
                if (border[k]) triangle(grid.strip(k, k % 2 ? j : i), side + k, a, colour(ai, aj), b);
            }
    for (int q = 0; q < 4; q++) {
        const int64_t i = q % 2 ? nx : 0, j = q / 2 ? ny : 0;
        const int64_t x_side = side + (q % 2 ? 1 : 3), y_side = side + (q / 2 ? 2 : 0);
        triangle(grid.wedge(q, 0), x_side, grid.corner(i, j), colour(i, j), diagonal + q);
        triangle(grid.wedge(q, 1), y_side, grid.corner(i, j), colour(i, j), diagonal + q);
    }
}

/* Inverts the n x n matrix a (n <= 4) by Gauss-Jordan elimination with pivoting; entries are small
   multiples of 1/2, so nothing is lost. */
void invert(int n, double a[4][4], double inverse[4][4]) {
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) inverse[i][j] = i == j;
    for (int col = 0; col < n; col++) {
        int pivot = col;
        for (int row = col + 1; row < n; row++)
            if (std::fabs(a[row][col]) > std::fabs(a[pivot][col])) pivot = row;
        for (int j = 0; j < n; j++) {
            std::swap(a[col][j], a[pivot][j]);
            std::swap(inverse[col][j], inverse[pivot][j]);
        }
        const double factor = 1 / a[col][col];
        for (int j = 0; j < n; j++) {
            a[col][j] *= factor;
            inverse[col][j] *= factor;
        }
        for (int row = 0; row < n; row++) {
            const double f = a[row][col];
            if (row == col || f == 0) continue;
            for (int j = 0; j < n; j++) {
                a[row][j] -= f * a[col][j];
                inverse[row][j] -= f * inverse[col][j];
            }
        }
    }
}

/* gradient and anchor of every cell, from the inverse of [node - weight * anchor; weight]. */
void fill_gradients(Tess &t) {
    const int n = t.ndim, slots = n + 1;
    for (int64_t c = 0; c < t.n_cells; c++) {
        const int32_t *nodes = &t.cell_node[c * slots];
        int anchor = 0;
        while (cpab::is_ideal(t, nodes[anchor])) anchor++;
        t.anchor[c] = anchor;
        double matrix[4][4], inverse[4][4];
        for (int k = 0; k < slots; k++) {
            const bool ideal = cpab::is_ideal(t, nodes[k]);
            for (int d = 0; d < n; d++)
                matrix[d][k] = t.node[nodes[k] * n + d] - (ideal ? 0 : t.node[nodes[anchor] * n + d]);
            matrix[n][k] = ideal ? 0 : 1;
        }
        invert(slots, matrix, inverse);
        for (int k = 0; k < slots; k++)
            for (int d = 0; d < n; d++) t.gradient[(c * slots + k) * n + d] = inverse[k][d];
    }
}

/* A face: its nodes in ascending order, the cell that has it and the slot opposite to it. */
struct Face {
    int32_t node[3];
    int32_t cell, slot;
    bool same_place(const Face &other) const { return std::equal(node, node + 3, other.node); }
    bool operator<(const Face &other) const {
        return std::lexicographical_compare(node, node + 3, other.node, other.node + 3);
    }
};

/* Two cells with the same face are neighbours; the rest are the far ends of ghosts, which nothing
   reaches, since the weight of their only vertex is always 1. */
bool fill_neighbours(Tess &t) {
    const int slots = t.ndim + 1;
    cpab::Array<Face> faces;
    if (!faces.allocate(t.n_cells * slots)) return false;
    for (int64_t c = 0; c < t.n_cells; c++)
        for (int k = 0; k < slots; k++) {
            Face &face = faces[c * slots + k];
            face.cell = static_cast<int32_t>(c);
            face.slot = k;
            int n = 0;
            for (int s = 0; s < slots; s++)
                if (s != k) face.node[n++] = t.cell_node[c * slots + s];
            while (n < 3) face.node[n++] = -1;
            std::sort(face.node, face.node + 3);
        }
    std::sort(faces.data(), faces.data() + faces.size());
    std::fill(t.neighbour.data(), t.neighbour.data() + t.neighbour.size(), -1);
    for (int64_t f = 0; f + 1 < faces.size(); f++) {
        if (!faces[f].same_place(faces[f + 1])) continue;
        t.neighbour[int64_t(faces[f].cell) * slots + faces[f].slot] = faces[f + 1].cell;
        t.neighbour[int64_t(faces[f + 1].cell) * slots + faces[f + 1].slot] = faces[f].cell;
    }
    return true;
}

/* Node k of a cell in the barycentric coordinates of the neighbour behind face k. */
void fill_transfer(Tess &t) {
    const int n = t.ndim, slots = n + 1;
    for (int64_t c = 0; c < t.n_cells; c++)
        for (int k = 0; k < slots; k++) {
            const int64_t other = t.neighbour[c * slots + k];
            if (other < 0) continue;
            const int32_t node = t.cell_node[c * slots + k];
            const double weight = cpab::is_ideal(t, node) ? 0 : 1;
            const int32_t anchor_slot = t.anchor[other];
            const int64_t anchor = t.cell_node[other * slots + anchor_slot];
            for (int j = 0; j < slots; j++) {
                double l = j == anchor_slot ? weight : 0;
                for (int d = 0; d < n; d++)
                    l += t.gradient[(other * slots + j) * n + d] *
                         (t.node[int64_t(node) * n + d] - weight * t.node[anchor * n + d]);
                t.transfer[(c * slots + k) * slots + j] = l;
            }
        }
}

/* The outward derivative of the ideal node `side`, averaged over the boundary cells behind its ghost
   cells; `emit` receives (vertex, weight). Answers how many it emitted. */
template <typename Emit>
int64_t side_derivative(const Tess &t, int32_t side, Emit emit) {
    const int n = t.ndim, slots = n + 1;
    int64_t n_ghosts = 0, n_emitted = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t c = t.n_inner_cells; c < t.n_cells; c++)
            for (int k = 0; k < slots; k++) {
                const int64_t inner = t.neighbour[c * slots + k];
                if (t.cell_node[c * slots + k] != side || inner < 0 || inner >= t.n_inner_cells) continue;
                if (pass == 0) {
                    n_ghosts++;
                    continue;
                }
                for (int j = 0; j < slots; j++) {
                    double along = 0;
                    for (int d = 0; d < n; d++)
                        along += t.gradient[(inner * slots + j) * n + d] * t.node[int64_t(side) * n + d];
                    emit(t.cell_node[inner * slots + j], along / double(n_ghosts));
                    n_emitted++;
                }
            }
    return n_emitted;
}

/* An ideal node's velocity: a side's derivative, or for the diagonal of a corner the sum of those of
   its two sides. */
template <typename Emit>
int64_t ideal_velocity(const Tess &t, int32_t ideal, Emit emit) {
    const int n_sides = 2 * t.ndim;
    const int32_t first = static_cast<int32_t>(t.n_vertices);
    if (ideal < first + n_sides) return side_derivative(t, ideal, emit);
    int64_t n_emitted = 0;
    for (int32_t side = first; side < first + n_sides; side++) {
        double along = 0;
        for (int d = 0; d < t.ndim; d++)
            along += t.node[int64_t(side) * t.ndim + d] * t.node[int64_t(ideal) * t.ndim + d];
        if (along > 0) n_emitted += side_derivative(t, side, emit);
    }
    return n_emitted;
}

bool fill_ideal_velocities(Tess &t) {
    if (t.outside == CPAB_OUTSIDE_NEAREST) return true; /* ideal_first is all zeros: no entries */
    const int32_t n_ideal = static_cast<int32_t>(t.n_nodes - t.n_vertices);
    int64_t total = 0;
    for (int32_t q = 0; q < n_ideal; q++)
        total += ideal_velocity(t, int32_t(t.n_vertices) + q, [](int32_t, double) {});
    if (!t.ideal_vertex.allocate(total) || !t.ideal_weight.allocate(total)) return false;
    int32_t at = 0;
    for (int32_t q = 0; q < n_ideal; q++) {
        ideal_velocity(t, int32_t(t.n_vertices) + q, [&](int32_t vertex, double weight) {
            t.ideal_vertex[at] = vertex;
            t.ideal_weight[at] = weight;
            at++;
        });
        t.ideal_first[q + 1] = at;
    }
    return true;
}

cpab_status check(const cpab_tessellation_options &o) {
    if (o.struct_size != sizeof(cpab_tessellation_options)) return CPAB_E_ABI;
    if (o.ndim < 1 || o.ndim > CPAB_MAX_NDIM) return CPAB_E_NDIM;
    if (o.outside != CPAB_OUTSIDE_LINEAR && o.outside != CPAB_OUTSIDE_NEAREST) return CPAB_E_OPTION;
    int64_t total = o.ndim == 1 ? 1 : o.ndim == 2 ? 4 : 5;
    for (int d = 0; d < o.ndim; d++) {
        if (o.cells[d] < 1 || o.cells[d] > CPAB_MAX_CELLS) return CPAB_E_CELLS;
        total = std::min<int64_t>(total * o.cells[d], CPAB_MAX_CELLS + 1); /* no overflow */
        const double width = o.upper[d] - o.lower[d];
        if (!std::isfinite(o.lower[d]) || !std::isfinite(o.upper[d]) || !std::isfinite(width) ||
            !(width > 0) || !std::isfinite(double(o.cells[d]) / width))
            return CPAB_E_DOMAIN;
    }
    return total <= CPAB_MAX_CELLS ? CPAB_OK : CPAB_E_CELLS;
}

}  // namespace

extern "C" {

cpab_status cpab_tessellation_create(const cpab_tessellation_options *options, cpab_tessellation **out) {
    if (!out) return CPAB_E_NULL;
    *out = nullptr;
    if (!options) return CPAB_E_NULL;
    const cpab_status status = check(*options);
    if (status != CPAB_OK) return status;
    Tess *t = new (cpab::or_null) Tess;
    if (!t) return CPAB_E_MEMORY;
    t->ndim = options->ndim;
    t->outside = options->outside;
    for (int d = 0; d < t->ndim; d++) {
        t->cells[d] = options->cells[d];
        t->lower[d] = options->lower[d];
        t->upper[d] = options->upper[d];
        t->scale[d] = double(options->cells[d]) / (options->upper[d] - options->lower[d]);
    }
    count(*t);
    bool ok = allocate(*t);
    if (ok) {
        if (t->ndim == 1)
            fill_intervals(*t);
        else if (t->ndim == 3)
            cpab::fill_tetrahedra(*t);
        else
            fill_triangles(*t);
        fill_gradients(*t);
        ok = fill_neighbours(*t);
    }
    if (ok) {
        fill_transfer(*t);
        ok = fill_ideal_velocities(*t) && cpab::fill_records(*t);
    }
    if (!ok) {
        delete t;
        return CPAB_E_MEMORY;
    }
    *out = t;
    return CPAB_OK;
}

void cpab_tessellation_destroy(cpab_tessellation *tess) { delete tess; }

cpab_status cpab_tessellation_describe(const cpab_tessellation *tess, cpab_tessellation_sizes *sizes) {
    if (!sizes) return CPAB_E_NULL;
    if (sizes->struct_size != sizeof *sizes) return CPAB_E_ABI;
    sizes->ndim = tess ? tess->ndim : 0;
    sizes->n_vertices = tess ? tess->n_vertices : 0;
    sizes->n_cells = tess ? tess->n_inner_cells : 0;
    return CPAB_OK;
}

cpab_status cpab_tessellation_geometry(const cpab_tessellation *tess, double *vertices, int64_t *cells) {
    if (!tess) return CPAB_E_NULL;
    for (int64_t v = 0; vertices && v < tess->n_vertices; v++)
        for (int d = 0; d < tess->ndim; d++) { /* exact at both ends, and no sum that could overflow */
            const double part = tess->node[v * tess->ndim + d] / double(tess->cells[d]);
            vertices[v * tess->ndim + d] = (1 - part) * tess->lower[d] + part * tess->upper[d];
        }
    for (int64_t i = 0; cells && i < tess->n_inner_cells * (tess->ndim + 1); i++)
        cells[i] = tess->cell_node[i];
    return CPAB_OK;
}

}  // extern "C"
