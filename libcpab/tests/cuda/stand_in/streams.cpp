#include "streams.h"

#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <mutex>

#include "../../../src/cuda/gpu.h"
#include "grid.h"
#include "memory.h"
#include "stop.h"
#include "translations.h"

namespace stand_in {

namespace {

using Task = std::function<void()>;

/* One device: whoever works on it has it alone. */
std::mutex mutex;

/* What is still to do, by stream. Never destroyed, as it may be used until the very end. */
std::map<void *, std::deque<Task>> &streams() {
    static auto *const all = new std::map<void *, std::deque<Task>>{{nullptr, {}}};
    return *all;
}

thread_local bool refused = false;

bool is_deferred() {
    const char *const wanted = std::getenv("CPAB_GPU_DEFER");
    return wanted && !std::strcmp(wanted, "1");
}

std::deque<Task> &tasks_of(void *stream) {
    const auto found = streams().find(stream);
    if (found == streams().end()) stop("%p is not a stream", stream);
    return found->second;
}

void do_all(std::deque<Task> &tasks) {
    for (; !tasks.empty(); tasks.pop_front()) tasks.front()();
}

void submit(void *stream, Task task) {
    const std::lock_guard<std::mutex> lock(mutex);
    std::deque<Task> &tasks = tasks_of(stream);
    tasks.push_back(std::move(task));
    if (!is_deferred()) do_all(tasks);
}

/* The limits of every device that CUDA knows. */
bool is_possible(const Work &work) {
    constexpr int64_t most_blocks = INT32_MAX;
    return work.blocks > 0 && work.blocks <= most_blocks && work.rows > 0 &&
           work.rows <= cpab::gpu::most_rows && work.shared_bytes >= 0 &&
           work.shared_bytes <= cpab::gpu::most_shared;
}

}  // namespace

void launch(const Work &work, void *stream) {
    if (!is_possible(work)) {
        refused = true;
        work.forget(work.call);
        return;
    }
    const Work chosen = translated(work);
    submit(stream, [chosen]() {
        run_grid(chosen);
        chosen.forget(chosen.call);
    });
}

void zero(void *memory, int64_t bytes, void *stream) {
    if (bytes < 0 || (bytes > 0 && !is_on_device(memory, bytes)))
        stop("zero(%p, %lld bytes), which are not memory of the device", memory,
             static_cast<long long>(bytes));
    if (bytes > 0) submit(stream, [=]() { std::memset(memory, 0, size_t(bytes)); });
}

bool took() {
    const bool answer = !refused;
    refused = false;
    return answer;
}

void *make_stream() {
    const std::lock_guard<std::mutex> lock(mutex);
    void *const stream = std::malloc(1); /* an address that nothing else has */
    if (!stream) stop("no memory for a stream");
    streams()[stream];
    return stream;
}

void destroy_stream(void *stream) {
    const std::lock_guard<std::mutex> lock(mutex);
    do_all(tasks_of(stream));
    streams().erase(stream);
    std::free(stream);
}

void wait_for(void *stream) {
    const std::lock_guard<std::mutex> lock(mutex);
    do_all(tasks_of(stream));
}

void wait_for_all() {
    const std::lock_guard<std::mutex> lock(mutex);
    for (auto &stream : streams()) do_all(stream.second);
}

}  // namespace stand_in
