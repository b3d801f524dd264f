/* The threads of a block: fibers that take turns. */
#ifndef CPAB_TESTS_STAND_IN_CREW_H
#define CPAB_TESTS_STAND_IN_CREW_H

#include <memory>
#include <vector>

#include "../../../src/cuda/gpu.h"
#include "fiber.h"
#include "meeting.h"
#include "order.h"
#include "work.h"

namespace stand_in {

constexpr int n_threads = cpab::gpu::threads_per_block, n_lanes = cpab::gpu::warp_size,
              n_warps = cpab::gpu::warps_per_block;

/* The numbers that the lanes of a warp leave for each other. */
struct Warp {
    Meeting meeting;
    uint64_t number[2][n_lanes]; /* by turns */
};

/*
 * A fiber that is done with a thread begins the next one. So the threads of a kernel in which nobody waits
 * run one after the other on one fiber. Only if its thread waits, another fiber goes on.
 */
class Crew {
public:
    /* Runs a block of a kernel, from the beginning to the end; `here` says which. */
    void run(const Work &work, Order &order);

    /* The calling thread waits until others have had another turn there. */
    void wait(const Meeting &meeting);

    Warp &warp() { return warps_[here.thread / n_lanes]; }
    Meeting &block() { return block_; }

private:
    struct Thread {
        bool started, returned;
        Fiber *fiber;           /* while it waits */
        const Meeting *meeting; /* or NULL: it does not wait */
        uint32_t turn;          /* of the meeting, when it came */
    };

    static void carry();
    static bool can_go_on(const Thread &thread) {
        return !thread.returned && (!thread.meeting || thread.meeting->turn() != thread.turn);
    }
    void take_fibers();
    Thread *next();
    void go_to(Thread *thread);
    void run_here(Thread *thread);
    [[noreturn]] void nobody_can_go_on() const;

    Thread threads_[n_threads];
    Warp warps_[n_warps];
    Meeting block_;

    const Work *work_ = nullptr;
    Order *order_ = nullptr;
    int64_t place_ = 0; /* in the order */
    int n_left_ = 0;    /* threads that have not returned */

    std::vector<std::unique_ptr<Fiber>> fibers_;
    size_t next_fiber_ = 0;
    std::vector<Fiber *> idle_; /* of these */
    Fiber *host_ = nullptr, *now_ = nullptr;
    Thread *chosen_ = nullptr; /* the one that a fiber begins next */
};

extern Crew crew;

/* What the host has done before a grid is known to its threads, and what they have done to the host after it.
 */
extern int64_t begun_token, done_token;

}  // namespace stand_in

#endif
