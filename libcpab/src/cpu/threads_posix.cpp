#include <algorithm>

#include "threads.h"

#if defined(__linux__)
#    include <sched.h>
#else
#    include <unistd.h>
#endif

namespace cpab {

int32_t processors() {
#if defined(__linux__)
    for (int most = 1024; most <= 1 << 20; most *= 4) { /* machines may have more than a cpu_set_t counts */
        cpu_set_t *set = CPU_ALLOC(most);
        if (!set) break;
        const size_t size = CPU_ALLOC_SIZE(most);
        const bool known = sched_getaffinity(0, size, set) == 0;
        const int count = known ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (known) return std::max(1, count);
    }
    return 1;
#else
    return static_cast<int32_t>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
#endif
}

void *Thread::begin(void *thread) {
    const Thread &self = *static_cast<Thread *>(thread);
    self.run_(self.data_);
    return nullptr;
}

bool Thread::start(void (*run)(void *), void *data) {
    run_ = run, data_ = data;
    return pthread_create(&handle_, nullptr, begin, this) == 0;
}

void Thread::join() { pthread_join(handle_, nullptr); }

Monitor::Monitor() {
    pthread_mutex_init(&lock_, nullptr);
    pthread_cond_init(&changed_, nullptr);
}
Monitor::~Monitor() {
    pthread_cond_destroy(&changed_);
    pthread_mutex_destroy(&lock_);
}
void Monitor::take() { pthread_mutex_lock(&lock_); }
void Monitor::leave() { pthread_mutex_unlock(&lock_); }
void Monitor::wait() { pthread_cond_wait(&changed_, &lock_); }
void Monitor::wake_all() { pthread_cond_broadcast(&changed_); }

bool at_fork(void (*before)(), void (*in_parent)(), void (*in_child)()) {
    return pthread_atfork(before, in_parent, in_child) == 0;
}

}  // namespace cpab
