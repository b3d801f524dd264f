/*
 * The tessellation as the walk reads it: one record per cell, and one per face of a cell.
 *
 *   rows      per cell: (gradient_k, constant_k) of its barycentric coordinates, l_k = gradient_k .
 *             (u - corner) + constant_k, with u - corner measured from the low corner of the box that is
 *             nearest to the cell
 *   start     per cell: the constants once more, which is all that a point needs to start
 *   crossing  per cell and face k: node k as a combination of the nodes of the cell behind that face
 *             [D + 1], then the number of that cell as an integer of the same width, in 3D followed by
 *             the order of the nodes: 0 if all but node k stay in their slots, or two bits for each slot of
 *             that cell which tell the slot that its node comes from
 */
#ifndef CPAB_RECORDS_H
#define CPAB_RECORDS_H

#include <cstdint>

#include "memory.h"
#include "record_layout.h"

struct cpab_tessellation;

namespace cpab {

template <typename T>
struct Records {
    Array<T> rows, start, crossing;
};

/* Fills the tables of both number types; false if there is no memory. */
bool fill_records(cpab_tessellation &tess);

}  // namespace cpab

#endif
