#include "interrupt.h"

#include <ctime>

namespace cpab {
namespace {

constexpr int64_t pause = 50 * 1000000; /* nanoseconds between two questions */

/* Of each thread; its address also tells threads apart. */
thread_local cpab_interrupt_wanted asked_here = nullptr;

int64_t now() {
    timespec time;
    return timespec_get(&time, TIME_UTC) ? int64_t(time.tv_sec) * 1000000000 + time.tv_nsec : 0;
}

}  // namespace

Interrupt::Interrupt() : asks_(asked_here), caller_(&asked_here) {
    if (asks_) next_ = now() + pause;
}

bool Interrupt::on_calling_thread() const { return caller_ == &asked_here; }

void Interrupt::ask() {
    const int64_t time = now();
    if (time < next_ && time > next_ - 2 * pause) return; /* else the clock was set back */
    if (asks_()) wanted_.store(true, std::memory_order_relaxed);
    next_ = now() + pause;
}

}  // namespace cpab

void cpab_set_interrupt(cpab_interrupt_wanted wanted) { cpab::asked_here = wanted; }
