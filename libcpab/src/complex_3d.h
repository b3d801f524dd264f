/* The 3D complex: see tessellation.h for what a complex is, box_grid.h for its cells. */
#ifndef CPAB_COMPLEX_3D_H
#define CPAB_COMPLEX_3D_H

struct cpab_tessellation;

namespace cpab {

/* The numbers of nodes and cells. */
void count_tetrahedra(cpab_tessellation &tess);

/* Nodes, and nodes of cells. */
void fill_tetrahedra(cpab_tessellation &tess);

}  // namespace cpab

#endif
