/* The threads of a call: the caller's runner, or threads of its own. */
#include "parallel.h"

#include "../../include/cpab.h"

namespace cpab {
namespace {

std::atomic<cpab_runner> chosen_runner{nullptr};

#if CPAB_HAS_THREADS
struct Call {
    void (*task)(void *);
    void *data;
};

void *start(void *argument) {
    const Call *call = static_cast<Call *>(argument);
    call->task(call->data);
    return nullptr;
}

/* No pool, hence nothing that a fork could leave behind. */
void run_in_own_threads(void (*task)(void *), void *data, int32_t n_threads) {
    constexpr int32_t most = 256;
    pthread_t threads[most];
    int32_t n_started = 0;
    Call call = {task, data};
    while (n_started + 1 < n_threads && n_started < most &&
           pthread_create(&threads[n_started], nullptr, start, &call) == 0)
        n_started++;
    task(data);
    for (int32_t i = 0; i < n_started; i++) pthread_join(threads[i], nullptr);
}

/* A runner's threads are not there in a forked child, and it may wait for them. */
bool forget_runner_at_fork() {
    static const bool registered =
        pthread_atfork(nullptr, nullptr, [] { chosen_runner.store(nullptr); }) == 0;
    return registered;
}
#else
void run_in_own_threads(void (*task)(void *), void *data, int32_t) { task(data); }

bool forget_runner_at_fork() { return true; }
#endif

}  // namespace

void run_tasks(void (*task)(void *), void *data, int32_t n_threads) {
    const cpab_runner runner = chosen_runner.load();
    if (n_threads <= 1)
        task(data);
    else if (runner)
        runner(task, data, static_cast<unsigned>(n_threads), 0);
    else
        run_in_own_threads(task, data, n_threads);
}

}  // namespace cpab

extern "C" cpab_status cpab_set_runner(cpab_runner runner) {
    if (runner && !cpab::forget_runner_at_fork()) return CPAB_E_MEMORY;
    cpab::chosen_runner.store(runner);
    return CPAB_OK;
}
