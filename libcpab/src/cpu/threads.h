/* What the operating system has of threads: POSIX's, or those of Windows. */
#ifndef CPAB_CPU_THREADS_H
#define CPAB_CPU_THREADS_H

#include <cstdint>

#if !defined(_WIN32)
#    include <pthread.h>
#endif

namespace cpab {

/* How many processors this process may use. */
int32_t processors();

/* A thread that calls run(data) once. */
class Thread {
public:
    /* Answers false where there is no room for one more. */
    bool start(void (*run)(void *), void *data);
    /* Waits for its end; to be called once if it was started, and the Thread must not move before. */
    void join();

private:
    void (*run_)(void *);
    void *data_;
#if defined(_WIN32)
    static unsigned __stdcall begin(void *thread);
    uintptr_t handle_;
#else
    static void *begin(void *thread);
    pthread_t handle_;
#endif
};

/* A lock, and a wait for what another thread changes under it. */
class Monitor {
public:
    Monitor();
    ~Monitor();
    Monitor(const Monitor &) = delete;
    Monitor &operator=(const Monitor &) = delete;

    void take();
    void leave();
    /* Leaves the lock while it waits; it may return without a reason. */
    void wait();
    void wake_all();

private:
#if defined(_WIN32)
    void *lock_, *changed_; /* SRWLOCK, CONDITION_VARIABLE: windows.h would bring its macros */
#else
    pthread_mutex_t lock_;
    pthread_cond_t changed_;
#endif
};

/* Calls these around every fork() from now on. Answers false where that cannot be promised. */
bool at_fork(void (*before)(), void (*in_parent)(), void (*in_child)());

}  // namespace cpab

#endif
