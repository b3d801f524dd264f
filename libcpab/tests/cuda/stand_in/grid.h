/* Runs kernels. */
#ifndef CPAB_TESTS_STAND_IN_GRID_H
#define CPAB_TESTS_STAND_IN_GRID_H

#include "work.h"

namespace stand_in {

/* All blocks, one after the other. At most one grid runs at a time. */
void run_grid(const Work &work);

}  // namespace stand_in

#endif
