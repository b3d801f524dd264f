/*
 * The coloured simplicial complex that trajectories walk on.
 *
 * Everything here is in units of cells: the domain is [0, cells[0]] x [0, cells[1]] x ... Nodes are
 * the vertices, followed by ideal nodes: directions, of weight 0. A point of a cell is
 *     x = sum_k l_k node_k,   sum_k l_k weight_k = 1,
 * with barycentric coordinates l. Cells inside the domain have vertices only. Behind every boundary
 * face lies a ghost cell with one ideal node, behind every edge and corner wedges with more, so that the
 * complex covers all of R^n.
 *
 * Nodes are coloured such that the ndim + 1 nodes of every cell have different colours, and a
 * node's colour is its slot. Neighbours across face k (the one opposite to slot k) then have the
 * same node in every other slot: crossing a face exchanges one node and moves nothing else. Only around
 * a 3D domain there is no such colouring; there some crossings also permute the slots.
 */
#ifndef CPAB_TESSELLATION_H
#define CPAB_TESSELLATION_H

#include "../include/cpab.h"
#include "memory.h"
#include "records.h"

/* Opaque to users, hence outside of the namespace. */
struct cpab_tessellation : cpab::OnHeap {
    int32_t ndim = 0;
    int32_t outside = 0;
    int64_t cells[3] = {0, 0, 0};
    double lower[3] = {0, 0, 0}, upper[3] = {0, 0, 0};
    double scale[3] = {0, 0, 0}; /* cells per unit of the domain */

    int64_t n_vertices = 0;
    int64_t n_nodes = 0;       /* vertices and ideal nodes */
    int64_t n_inner_cells = 0; /* cells of the domain, the first of all cells */
    int64_t n_cells = 0;       /* with ghosts */

    cpab::Array<double> node;       /* [n_nodes, ndim] position, or direction if ideal */
    cpab::Array<int32_t> cell_node; /* [n_cells, ndim + 1] node by slot */
    cpab::Array<int32_t> neighbour; /* [n_cells, ndim + 1] cell behind face k, -1: never crossed */
    cpab::Array<double> transfer;   /* [n_cells, ndim + 1, ndim + 1] node k of this cell, as a
                                       combination of the nodes of the cell behind face k */
    cpab::Array<double> gradient;   /* [n_cells, ndim + 1, ndim] of l_k */
    cpab::Array<int32_t> anchor;    /* [n_cells] a slot with a vertex: l_k is
                                       gradient_k . (x - node_anchor) + (k == anchor) */

    /* The velocity of ideal node q is sum weight * velocity[vertex] over its entries:
       first[q] to first[q + 1]. Empty for CPAB_OUTSIDE_NEAREST. */
    cpab::Array<int32_t> ideal_first;
    cpab::Array<int32_t> ideal_vertex;
    cpab::Array<double> ideal_weight;

    /* The tables that the walk reads, in its number types. */
    cpab::Records<float> records_f32;
    cpab::Records<double> records_f64;

    /* |A| <= rate_per_speed * the largest velocity component at a vertex, in any cell. */
    double rate_per_speed = 0;
};

namespace cpab {

inline bool is_ideal(const cpab_tessellation &t, int32_t node) { return node >= t.n_vertices; }

}  // namespace cpab

#endif
