#include "complex_3d.h"

#include "box_grid.h"
#include "tessellation.h"

namespace {

using namespace cpab;

struct Corner {
    int64_t at[3];
    Corner moved(int axis, int64_t step) const {
        Corner other = *this;
        other.at[axis] += step;
        return other;
    }
    bool odd() const { return (at[0] + at[1] + at[2]) % 2 != 0; }
    /* Four classes by the parities of x and y; an odd corner has that of the even one opposite in its box. */
    int colour() const { return int((at[0] + odd()) % 2 + 2 * ((at[1] + odd()) % 2)); }
};

/* Fills a cell slot by slot. */
class Cells {
public:
    explicit Cells(cpab_tessellation &t) : t_(t), grid_{{t.cells[0], t.cells[1], t.cells[2]}} {}

    const BoxGrid &grid() const { return grid_; }
    int64_t vertex(const Corner &c) const { return grid_.corner(c.at[0], c.at[1], c.at[2]); }
    /* The outward normal of a side. */
    int64_t normal(int axis, int high) const { return t_.n_vertices + 2 * axis + high; }

    void put(int64_t cell, int slot, int64_t node) { t_.cell_node[4 * cell + slot] = int32_t(node); }
    void put(int64_t cell, const Corner &c) { put(cell, c.colour(), vertex(c)); }

private:
    cpab_tessellation &t_;
    BoxGrid grid_;
};

/* The tetrahedron that cuts off an odd corner of a box; step[d] leads into the box along axis d. */
void fill_odd_corner(Cells &cells, int64_t cell, const Corner &odd, const int *step) {
    cells.put(cell, odd);
    for (int d = 0; d < 3; d++) cells.put(cell, odd.moved(d, step[d]));
}

void fill_box(Cells &cells, const int64_t *box) {
    const BoxGrid &grid = cells.grid();
    for (int c = 0; c < 8; c++) {
        const Corner corner{{box[0] + (c & 1), box[1] + (c >> 1 & 1), box[2] + (c >> 2)}};
        int step[3];
        double inside[3]; /* a point near this corner */
        for (int d = 0; d < 3; d++) {
            step[d] = c >> d & 1 ? -1 : 1;
            inside[d] = c >> d & 1 ? 0.9 : 0.1;
        }
        const bool odd_box = (box[0] + box[1] + box[2]) % 2 != 0;
        if (corner.odd())
            fill_odd_corner(cells, grid.tetrahedron(box, BoxGrid::tetrahedron_at(odd_box, inside)), corner,
                            step);
        else
            cells.put(grid.tetrahedron(box, 0), corner);
    }
}

/* Behind a boundary triangle: its corners, and the normal in the slot of the corner behind it. */
void fill_strips(Cells &cells, int axis, int high) {
    const BoxGrid &grid = cells.grid();
    const int p = BoxGrid::first_axis(axis), q = BoxGrid::second_axis(axis);
    const int64_t wall = high ? grid.n[axis] : 0;
    int64_t box[3] = {0, 0, 0};
    for (box[q] = 0; box[q] < grid.n[q]; box[q]++)
        for (box[p] = 0; box[p] < grid.n[p]; box[p]++)
            for (int c = 0; c < 4; c++) {
                Corner odd;
                odd.at[axis] = wall;
                odd.at[p] = box[p] + (c & 1);
                odd.at[q] = box[q] + (c >> 1);
                if (!odd.odd()) continue;
                const bool odd_face = (box[p] + box[q] + wall) % 2 != 0;
                const int64_t cell = grid.strip(
                    axis, high, box, BoxGrid::part(odd_face, c & 1 ? 0.9 : 0.1, c >> 1 ? 0.9 : 0.1));
                cells.put(cell, odd);
                cells.put(cell, odd.moved(p, c & 1 ? -1 : 1));
                cells.put(cell, odd.moved(q, c >> 1 ? -1 : 1));
                cells.put(cell, odd.moved(axis, high ? -1 : 1).colour(), cells.normal(axis, high));
            }
}

/* Behind a segment of an edge: its two corners and the normals of both sides, each in the slot of the
   corner that it leads away from. */
void fill_edge(Cells &cells, int axis, int edge) {
    const BoxGrid &grid = cells.grid();
    const int across[2] = {BoxGrid::first_axis(axis), BoxGrid::second_axis(axis)};
    for (int64_t i = 0; i < grid.n[axis]; i++) {
        Corner a;
        a.at[axis] = i;
        for (int s = 0; s < 2; s++) a.at[across[s]] = edge >> s & 1 ? grid.n[across[s]] : 0;
        const Corner b = a.moved(axis, 1), &odd = a.odd() ? a : b;
        const int64_t cell = grid.edge_wedge(axis, edge, i);
        cells.put(cell, a);
        cells.put(cell, b);
        for (int s = 0; s < 2; s++) {
            const int high = edge >> s & 1;
            cells.put(cell, odd.moved(across[s], high ? -1 : 1).colour(), cells.normal(across[s], high));
        }
    }
}

void fill_corner(Cells &cells, int which) {
    Corner corner;
    for (int d = 0; d < 3; d++) corner.at[d] = which >> d & 1 ? cells.grid().n[d] : 0;
    const int64_t cell = cells.grid().corner_wedge(which);
    int slot = 0;
    cells.put(cell, corner);
    for (int d = 0; d < 3; d++) {
        if (slot == corner.colour()) slot++;
        cells.put(cell, slot++, cells.normal(d, which >> d & 1));
    }
}

}  // namespace

void cpab::count_tetrahedra(cpab_tessellation &t) {
    const BoxGrid grid{{t.cells[0], t.cells[1], t.cells[2]}};
    t.n_vertices = grid.corner(0, 0, grid.n[2] + 1);
    t.n_nodes = t.n_vertices + 6;
    t.n_inner_cells = grid.n_inner();
    t.n_cells = grid.n_cells();
}

void cpab::fill_tetrahedra(cpab_tessellation &t) {
    Cells cells(t);
    const BoxGrid &grid = cells.grid();
    for (int64_t k = 0; k <= grid.n[2]; k++)
        for (int64_t j = 0; j <= grid.n[1]; j++)
            for (int64_t i = 0; i <= grid.n[0]; i++) {
                double *node = &t.node[3 * grid.corner(i, j, k)];
                node[0] = double(i), node[1] = double(j), node[2] = double(k);
            }
    for (int axis = 0; axis < 3; axis++)
        for (int high = 0; high < 2; high++)
            for (int d = 0; d < 3; d++)
                t.node[3 * cells.normal(axis, high) + d] = d != axis ? 0 : high ? 1 : -1;
    for (int64_t k = 0; k < grid.n[2]; k++)
        for (int64_t j = 0; j < grid.n[1]; j++)
            for (int64_t i = 0; i < grid.n[0]; i++) {
                const int64_t box[3] = {i, j, k};
                fill_box(cells, box);
            }
    for (int axis = 0; axis < 3; axis++) {
        for (int high = 0; high < 2; high++) fill_strips(cells, axis, high);
        for (int edge = 0; edge < 4; edge++) fill_edge(cells, axis, edge);
    }
    for (int corner = 0; corner < 8; corner++) fill_corner(cells, corner);
}
