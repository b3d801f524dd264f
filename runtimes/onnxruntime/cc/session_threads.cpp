#include "session_threads.h"

#include <atomic>

#include "failure.h"

namespace cpabx {
namespace {

thread_local const SessionThreads *lent = nullptr;

void run_lent(void (*task)(void *), void *data, unsigned, unsigned) { lent->run(task, data); }

int size_of_lent() { return lent->most(); }

int32_t wanted() {
    cpab_library described = {};
    described.struct_size = sizeof(described);
    check(libcpab().describe(&described));
    if (described.n_threads == 0) check(CPAB_E_THREADS);
    return described.n_threads;
}

struct Task {
    void (*task)(void *);
    void *data;
    uint64_t number; /* no two have the same */
};

std::atomic<uint64_t> n_tasks{0};

/* A thread that has ended its part would find nothing to do if it came again. */
void work(void *argument, size_t) {
    thread_local uint64_t ended = 0;
    const Task &task = *static_cast<Task *>(argument);
    if (ended == task.number) return;
    task.task(task.data);
    ended = task.number;
}

}  // namespace

SessionThreads::SessionThreads(const ort::Api &api, const OrtKernelContext *context)
    : api_(api), context_(context), most_(wanted()) {
    check(libcpab().set_thread_team(run_lent, size_of_lent));
    lent = this;
}

SessionThreads::~SessionThreads() {
    libcpab().set_thread_team(nullptr, nullptr);
    lent = nullptr;
}

void SessionThreads::run(void (*task)(void *), void *data) const {
    Task shared = {task, data, ++n_tasks};
    OrtStatus *status =
        api_(ort::parallel_for, context_, work, static_cast<size_t>(most_), size_t(0), &shared);
    if (status != nullptr) api_(ort::release_status, status);  // what is left to do the caller does
}

}  // namespace cpabx
