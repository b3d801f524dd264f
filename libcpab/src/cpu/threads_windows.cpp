#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <process.h>
#include <windows.h>

#include <algorithm>

#include "threads.h"

namespace cpab {

int32_t processors() {
    DWORD_PTR mine = 0, all = 0;
    int32_t n = 0;
    if (GetProcessAffinityMask(GetCurrentProcess(), &mine, &all))
        for (; mine; mine &= mine - 1) n++;
    /* A mask has one group of processors, and is empty where the process has several. */
    if (n == 0 || n == int32_t(8 * sizeof mine)) n = int32_t(GetActiveProcessorCount(ALL_PROCESSOR_GROUPS));
    return std::max(1, n);
}

unsigned __stdcall Thread::begin(void *thread) {
    const Thread &self = *static_cast<Thread *>(thread);
    self.run_(self.data_);
    return 0;
}

bool Thread::start(void (*run)(void *), void *data) {
    run_ = run, data_ = data;
    handle_ = _beginthreadex(nullptr, 0, begin, this, 0, nullptr);
    return handle_ != 0;
}

void Thread::join() {
    const HANDLE thread = reinterpret_cast<HANDLE>(handle_);
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
}

static_assert(sizeof(SRWLOCK) == sizeof(void *) && sizeof(CONDITION_VARIABLE) == sizeof(void *),
              "a Monitor has room for both");

Monitor::Monitor() {
    InitializeSRWLock(reinterpret_cast<SRWLOCK *>(&lock_));
    InitializeConditionVariable(reinterpret_cast<CONDITION_VARIABLE *>(&changed_));
}
Monitor::~Monitor() = default; /* neither holds anything */
void Monitor::take() { AcquireSRWLockExclusive(reinterpret_cast<SRWLOCK *>(&lock_)); }
void Monitor::leave() { ReleaseSRWLockExclusive(reinterpret_cast<SRWLOCK *>(&lock_)); }
void Monitor::wait() {
    SleepConditionVariableSRW(reinterpret_cast<CONDITION_VARIABLE *>(&changed_),
                              reinterpret_cast<SRWLOCK *>(&lock_), INFINITE, 0);
}
void Monitor::wake_all() { WakeAllConditionVariable(reinterpret_cast<CONDITION_VARIABLE *>(&changed_)); }

bool at_fork(void (*)(), void (*)(), void (*)()) { return true; /* Windows has none */ }

}  // namespace cpab
