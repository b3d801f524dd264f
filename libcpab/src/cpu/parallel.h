/* Threads for one call: started when it begins, done before it returns. */
#ifndef CPAB_CPU_PARALLEL_H
#define CPAB_CPU_PARALLEL_H

#include <atomic>
#include <cstdint>

#include "threads.h"

namespace cpab {

/* As many as CPABX_NUM_THREADS says, or this process may use processors; 0 if that variable is no number of
 * threads.
 */
int32_t default_threads();

/* Calls task(data) on the calling thread and on up to n_threads - 1 others, at the same time. */
void run_tasks(void (*task)(void *), void *data, int32_t n_threads);

/* Calls body() on the calling thread and on up to n_threads - 1 others, at the same time. Where a thread
   cannot be had the rest do its work: body() must take its work from a shared counter. */
template <typename Body>
void run_threads(int32_t n_threads, Body &body) {
    run_tasks([](void *data) { (*static_cast<Body *>(data))(); }, &body, n_threads);
}

/* Lets threads do something in the order of their turns, whatever order they arrive in. */
class Turns {
public:
    /* Every turn from 0 on must be taken once, by a thread that waits for no later one. */
    template <typename Action>
    void take(int64_t turn, Action action) {
        monitor_.take();
        while (next_ != turn) monitor_.wait();
        monitor_.leave();
        action();
        monitor_.take();
        next_++;
        monitor_.wake_all();
        monitor_.leave();
    }

private:
    Monitor monitor_;
    int64_t next_ = 0;
};

/* The smallest batch index among those that an error was reported for. */
class FirstFailure {
public:
    void report(int64_t item) {
        int64_t seen = item_.load();
        while ((seen < 0 || item < seen) && !item_.compare_exchange_weak(seen, item)) {
        }
    }
    int64_t item() const { return item_.load(); }

private:
    std::atomic<int64_t> item_{-1};
};

}  // namespace cpab

#endif
