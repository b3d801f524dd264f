/* Calls that end early because their caller wants it. */
#ifndef CPAB_CPU_INTERRUPT_H
#define CPAB_CPU_INTERRUPT_H

#include <atomic>
#include <cstdint>

#include "../../include/cpab.h"

namespace cpab {

/* Whether the work of one call is to end. Made on the calling thread, which alone asks, and not at every
   turn: what it asks may take a lock. All threads of the call are told before they take more work. */
class Interrupt {
public:
    Interrupt();

    bool wanted() {
        if (asks_ && on_calling_thread()) ask();
        return wanted_.load(std::memory_order_relaxed);
    }

    /* Without asking again. */
    bool came() const { return wanted_.load(std::memory_order_relaxed); }

private:
    bool on_calling_thread() const;
    void ask();

    const cpab_interrupt_wanted asks_;
    const void *const caller_;
    int64_t next_ = 0; /* when to ask, in nanoseconds */
    std::atomic<bool> wanted_{false};
};

}  // namespace cpab

#endif
