/* Where the threads of a warp, or of a block, wait until all have come. */
#ifndef CPAB_TESTS_STAND_IN_MEETING_H
#define CPAB_TESTS_STAND_IN_MEETING_H

#include <cstdint>
#include <memory>

#include "threads.h"

namespace stand_in {

class Meeting {
public:
    /* For a group of threads that has not met. */
    void start(const char *group, int size);

    /* The calling thread comes, and goes on when all have come: with the votes of all of them, as bits. */
    uint32_t meet(Line line, bool orders_memory, uint32_t votes);

    /* How often all have come. What threads leave for each other has two places, by turns: nobody comes for
       the time after the next before all have taken what was left for them. */
    uint32_t turn() const { return turn_; }

    /* A thread returns, and will not come any more. */
    void leave(int thread);

    const Line &line() const { return line_; }

private:
    const char *group_ = "";
    int size_ = 0, arrived_ = 0, gone_ = 0, first_gone_ = 0;
    uint32_t turn_ = 0;
    Line line_ = {};                    /* where the first that came waits */
    uint32_t votes_[2] = {};            /* by turns */
    std::unique_ptr<int64_t[]> tokens_; /* for the memory that is ordered, by turns */
};

}  // namespace stand_in

#endif
