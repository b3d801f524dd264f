/* Memory of the device that is not there: memory of the CPU, of which the stand-in keeps a list. */
#ifndef CPAB_TESTS_STAND_IN_MEMORY_H
#define CPAB_TESTS_STAND_IN_MEMORY_H

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace stand_in {

/* Of exactly this size, which a sanitizer watches, and full of 0xff, which are NaN. */
void *allocate(int64_t bytes);
void release(void *memory);

/* Memory of the host that the device can read, for a while. */
void lend(const void *memory, int64_t bytes);
void take_back(const void *memory);

/* Whether all of these bytes are memory of the device. */
bool is_on_device(const void *memory, int64_t bytes);

/* Some memory of the device. */
struct Piece {
    uintptr_t first, size;

    bool has(uintptr_t address, size_t bytes) const {
        const uintptr_t offset = address - first;
        return offset < size && bytes <= size - offset;
    }
};

/* The piece that this is an address in; an empty one, if it is in none. */
Piece piece_at(uintptr_t address);

/* How often a piece was released. */
extern std::atomic<uint64_t> n_released;

}  // namespace stand_in

#endif
