/* The threads of a call: those of a team that was lent, or its own. */
#include "parallel.h"

#include <cstdlib>
#include <cstring>

#include "../../include/cpab.h"

namespace cpab {

int32_t default_threads() {
    const char *setting = std::getenv("CPABX_NUM_THREADS");
    if (!setting) return processors();
    const size_t length = std::strlen(setting);
    if (length < 1 || length > 9 || std::strspn(setting, "0123456789") != length) return 0;
    return static_cast<int32_t>(std::atoi(setting));
}

namespace {

struct Team {
    cpab_team_run run;
    cpab_team_size size;
};

/* Held for as long as it takes to copy a team. */
class Lock {
public:
    void take() {
        while (flag_.test_and_set(std::memory_order_acquire)) {
        }
    }
    void leave() { flag_.clear(std::memory_order_release); }

private:
    std::atomic_flag flag_ = ATOMIC_FLAG_INIT;
};

Lock team_lock, fork_lock;
Team lent_team = {nullptr, nullptr};
thread_local Team team_of_thread = {nullptr, nullptr};

Team current_team() {
    if (team_of_thread.run) return team_of_thread;
    team_lock.take();
    const Team team = lent_team;
    team_lock.leave();
    return team;
}

/* A task that several threads work on together. */
struct SharedTask {
    void (*task)(void *);
    void *data;
    const void *caller;            /* the thread that called: an address that no other has */
    std::atomic<int32_t> n_wanted; /* how many others may still join */
    bool caller_came;
};

thread_local char this_thread;

/* A team always works as a whole: one that is asked for fewer threads may end the others, only to start them
   again for its owner's next loop. */
void run_in_team(const Team &team, void (*task)(void *), void *data, int32_t n_threads) {
    SharedTask of_team = {task, data, &this_thread, {n_threads - 1}, false};
    team.run(
        [](void *argument) {
            SharedTask &shared = *static_cast<SharedTask *>(argument);
            if (shared.caller == &this_thread)
                shared.caller_came = true; /* it always works: it alone asks for interrupts */
            else if (shared.n_wanted.fetch_sub(1) <= 0)
                return;
            shared.task(shared.data);
        },
        &of_team, 0, 0);
    if (!of_team.caller_came) task(data);
}

void start(void *argument) {
    SharedTask &shared = *static_cast<SharedTask *>(argument);
    shared.task(shared.data);
}

/* No pool, hence nothing that a fork could leave behind. */
void run_in_own_threads(void (*task)(void *), void *data, int32_t n_threads) {
    constexpr int32_t most = 256;
    Thread threads[most];
    int32_t n_started = 0;
    SharedTask shared = {task, data, nullptr, {0}, false};
    while (n_started + 1 < n_threads && n_started < most && threads[n_started].start(start, &shared))
        n_started++;
    task(data);
    for (int32_t i = 0; i < n_started; i++) threads[i].join();
}

/* The threads of a team do not exist in a forked child, and their owner may wait for them for ever. */
bool forget_team_at_fork() {
    const auto before = [] { team_lock.take(); };
    const auto in_parent = [] { team_lock.leave(); };
    const auto in_child = [] {
        lent_team = team_of_thread = {nullptr, nullptr};
        team_lock.leave();
    };
    fork_lock.take(); /* the guard of a local variable would bring in half of a C++ runtime */
    static bool registered = false;
    registered = registered || at_fork(before, in_parent, in_child);
    const bool answer = registered;
    fork_lock.leave();
    return answer;
}

}  // namespace

void run_tasks(void (*task)(void *), void *data, int32_t n_threads) {
    if (n_threads <= 1) return task(data);
    const Team team = current_team();
    if (team.run && team.size() >= n_threads)
        run_in_team(team, task, data, n_threads);
    else
        run_in_own_threads(task, data, n_threads);
}

}  // namespace cpab

namespace {

cpab_status check_team(cpab_team_run run, cpab_team_size size) {
    if (!run != !size) return CPAB_E_NULL;
    return !run || cpab::forget_team_at_fork() ? CPAB_OK : CPAB_E_MEMORY;
}

}  // namespace

extern "C" cpab_status cpab_set_team(cpab_team_run run, cpab_team_size size) {
    const cpab_status status = check_team(run, size);
    if (status != CPAB_OK) return status;
    cpab::team_lock.take();
    cpab::lent_team = {run, size};
    cpab::team_lock.leave();
    return CPAB_OK;
}

extern "C" cpab_status cpab_set_thread_team(cpab_team_run run, cpab_team_size size) {
    const cpab_status status = check_team(run, size);
    if (status == CPAB_OK) cpab::team_of_thread = {run, size};
    return status;
}
