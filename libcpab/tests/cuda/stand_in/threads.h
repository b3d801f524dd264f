/* What a thread of a kernel asks of the stand-in: where it is, and to wait for others. */
#ifndef CPAB_TESTS_STAND_IN_THREADS_H
#define CPAB_TESTS_STAND_IN_THREADS_H

#include <cstddef>
#include <cstdint>

namespace stand_in {

/* The thread that runs now. */
struct Here {
    int thread;
    int64_t block, blocks, row, rows;
    unsigned char *shared;
    int64_t shared_bytes;
};
extern Here here;

/* A line of the sources in which threads wait for others, and the function that it calls. */
struct Line {
    const char *what, *file;
    int number;
};

/* Wait for all of the warp or of the block; what they wrote before can be read afterwards. */
void sync_warp(Line line);
void sync_block(Line line);
bool any_in_block(bool condition, Line line);

/* Wait for all of the warp, which makes nothing readable. A number has at most 64 bits. */
uint32_t ballot(bool condition, Line line);
uint64_t exchange(uint64_t number, int from_lane, Line line);

/* Ends the program if memory is not aligned to its size. */
void require_aligned(const void *memory, size_t size);

}  // namespace stand_in

#endif
