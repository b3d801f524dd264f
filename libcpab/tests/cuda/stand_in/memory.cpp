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

std::atomic<uint64_t> n_released{0};

void *allocate(int64_t bytes) {
    void *const memory = std::malloc(size_t(bytes));
    if (!memory) stop("there are no %lld bytes of memory", static_cast<long long>(bytes));
    std::memset(memory, 0xff, size_t(bytes));
    lend(memory, bytes);
    return memory;
}

void release(void *memory) {
    take_back(memory);
    std::free(memory);
}

void lend(const void *memory, int64_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex);
    pieces()[reinterpret_cast<uintptr_t>(memory)] = bytes;
}

void take_back(const void *memory) {
    const std::lock_guard<std::mutex> lock(mutex);
    if (!pieces().erase(reinterpret_cast<uintptr_t>(memory)))
        stop("%p was not allocated on the device", memory);
    n_released++;
}

Piece piece_at(uintptr_t address) {
    const char *const whose = std::getenv("CPAB_GPU_MEMORY");
    if (whose && !std::strcmp(whose, "host")) return {0, UINTPTR_MAX};
    const std::lock_guard<std::mutex> lock(mutex);
    auto piece = pieces().upper_bound(address);
    if (piece == pieces().begin()) return {0, 0};
    --piece;
    return {piece->first, uintptr_t(piece->second)};
}

bool is_on_device(const void *memory, int64_t bytes) {
    const uintptr_t first = reinterpret_cast<uintptr_t>(memory);
    return piece_at(first).has(first, size_t(bytes));
}

}  // namespace stand_in
