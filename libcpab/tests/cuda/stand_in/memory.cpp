#include "memory.h"

#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "stop.h"

namespace stand_in {

namespace {

std::mutex mutex;

/* From the first byte of each piece to its size. Never destroyed, as memory may outlive it. */
std::map<uintptr_t, int64_t> &pieces() {
    static auto *const all = new std::map<uintptr_t, int64_t>;
    return *all;
}

}  // namespace

void *allocate(int64_t bytes) {
    void *const memory = std::malloc(size_t(bytes));
    if (!memory) stop("there are no %lld bytes of memory", static_cast<long long>(bytes));
    std::memset(memory, 0xff, size_t(bytes));
    const std::lock_guard<std::mutex> lock(mutex);
    pieces()[reinterpret_cast<uintptr_t>(memory)] = bytes;
    return memory;
}

void release(void *memory) {
    {
        const std::lock_guard<std::mutex> lock(mutex);
        if (!pieces().erase(reinterpret_cast<uintptr_t>(memory)))
            stop("%p was not allocated on the device", memory);
    }
    std::free(memory);
}

bool is_on_device(const void *memory, int64_t bytes) {
    const char *const whose = std::getenv("CPAB_GPU_MEMORY");
    if (whose && !std::strcmp(whose, "host")) return true;
    const std::lock_guard<std::mutex> lock(mutex);
    const uintptr_t first = reinterpret_cast<uintptr_t>(memory);
    auto piece = pieces().upper_bound(first);
    if (piece == pieces().begin()) return false;
    --piece;
    return int64_t(first - piece->first) + bytes <= piece->second;
}

}  // namespace stand_in
