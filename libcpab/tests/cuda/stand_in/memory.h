/* Memory of the device that is not there: memory of the CPU, of which the stand-in keeps a list. */
#ifndef CPAB_TESTS_STAND_IN_MEMORY_H
#define CPAB_TESTS_STAND_IN_MEMORY_H

#include <cstdint>

namespace stand_in {

/* Of exactly this size, which a sanitizer watches, and full of 0xff, which are NaN. */
void *allocate(int64_t bytes);
void release(void *memory);

/* Whether all of these bytes are memory of the device. */
bool is_on_device(const void *memory, int64_t bytes);

}  // namespace stand_in

#endif
