/*
 * A stand-in for CUDA: what gpu.h has from nvcc and a device, done by a C++ compiler and the CPU. Every
 * thread of a block is a fiber. Fibers take turns only where threads wait for each other, in an order that is
 * always the same, so whatever fails, fails again.
 *
 * It is stricter than a device. Where CUDA leaves undefined what happens, the program ends with a message
 * that names the kernel and the thread:
 *   - threads of a group (a warp or the block) wait for each other in different lines of the sources,
 *   - a thread returns while others of its group wait, or before they do,
 *   - a number is asked from a lane that does not exist,
 *   - an atomic operation is not aligned,
 *   - work is given to a stream that does not exist, or zero() memory that is not the device's.
 * What CUDA refuses is refused: took() answers false. Memory of the device and shared memory start as NaN,
 * and have the size that was asked for and not a byte more, so that AddressSanitizer sees overruns.
 * ThreadSanitizer sees every thread of every block as a thread, and only what orders memory on a device as an
 * order.
 *
 * The environment, which is read at every launch:
 *   CPAB_GPU_ORDER
 *       forward, reverse, or a number that shuffles: the order of blocks in a grid and threads in a block
 *   CPAB_GPU_DEFER
 *       1: the work of a stream is done when somebody waits for the stream, not before
 *   CPAB_GPU_MEMORY
 *       host: all memory is the device's, for programs that have theirs from elsewhere
 *   CPAB_GPU_KERNELS
 *       a library of kernels that run in place of their namesakes, read once: stand_in/translations.h
 */
#ifndef CPAB_TESTS_STAND_IN_H
#define CPAB_TESTS_STAND_IN_H

#include <cstring>
#include <tuple>
#include <type_traits>

#include "stand_in/streams.h"
#include "stand_in/threads.h"

#define CPAB_DEVICE inline
#define CPAB_KERNEL inline void

/* The line of the sources that calls a function: parameters behind all others, and what to make of them. */
#define STAND_IN_CALLER const char *file = __builtin_FILE(), int at = __builtin_LINE()
#define STAND_IN_LINE(what) (stand_in::Line{what, file, at})

namespace cpab {
namespace gpu {

/* -- where a thread is --------------------------------------------------------------------------- */

CPAB_DEVICE int thread() { return stand_in::here.thread; }
CPAB_DEVICE int lane() { return stand_in::here.thread % warp_size; }
CPAB_DEVICE int warp() { return stand_in::here.thread / warp_size; }
CPAB_DEVICE int64_t block() { return stand_in::here.block; }
CPAB_DEVICE int64_t blocks() { return stand_in::here.blocks; }
CPAB_DEVICE int64_t row() { return stand_in::here.row; }
CPAB_DEVICE int64_t rows() { return stand_in::here.rows; }

/* -- what threads do together -------------------------------------------------------------------- */

CPAB_DEVICE void sync_block(STAND_IN_CALLER) { stand_in::sync_block(STAND_IN_LINE("sync_block")); }
CPAB_DEVICE void sync_warp(STAND_IN_CALLER) { stand_in::sync_warp(STAND_IN_LINE("sync_warp")); }

CPAB_DEVICE bool any_in_block(bool condition, STAND_IN_CALLER) {
    return stand_in::any_in_block(condition, STAND_IN_LINE("any_in_block"));
}

CPAB_DEVICE uint32_t ballot(bool condition, STAND_IN_CALLER) {
    return stand_in::ballot(condition, STAND_IN_LINE("ballot"));
}
CPAB_DEVICE int first_of(uint32_t lanes) { return __builtin_ffs(int(lanes)) - 1; }

template <typename T>
CPAB_DEVICE T from_lane(T number, int lane, STAND_IN_CALLER) {
    static_assert(std::is_arithmetic<T>::value && (sizeof(T) == 4 || sizeof(T) == 8),
                  "no such number in CUDA");
    uint64_t bits = 0;
    std::memcpy(&bits, &number, sizeof number);
    bits = stand_in::exchange(bits, lane, STAND_IN_LINE("from_lane"));
    std::memcpy(&number, &bits, sizeof number);
    return number;
}
template <typename T>
CPAB_DEVICE T from_partner(T number, int bits, STAND_IN_CALLER) {
    return from_lane(number, lane() ^ bits, file, at);
}

template <typename T>
CPAB_DEVICE T *shared() {
    return reinterpret_cast<T *>(stand_in::here.shared);
}

/* A change of memory that other threads change at the same time. */
template <typename T, typename Change>
CPAB_DEVICE void change(T *to, Change changed) {
    using Bits = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
    stand_in::require_aligned(to, sizeof(T));
    Bits *const memory = reinterpret_cast<Bits *>(to);
    Bits before = __atomic_load_n(memory, __ATOMIC_RELAXED), after;
    do {
        T number;
        std::memcpy(&number, &before, sizeof number);
        number = changed(number);
        std::memcpy(&after, &number, sizeof number);
    } while (!__atomic_compare_exchange_n(memory, &before, after, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

CPAB_DEVICE void add(float *to, float number) {
    change(to, [number](float before) { return before + number; });
}
CPAB_DEVICE void add(double *to, double number) {
    change(to, [number](double before) { return before + number; });
}
CPAB_DEVICE void add(int64_t *to, int64_t number) { /* wraps around, as on a device */
    change(to, [number](int64_t before) { return int64_t(uint64_t(before) + uint64_t(number)); });
}
CPAB_DEVICE void lower(uint32_t *to, uint32_t number) {
    change(to, [number](uint32_t before) { return number < before ? number : before; });
}
CPAB_DEVICE void raise(uint64_t *to, uint64_t number) {
    change(to, [number](uint64_t before) { return number > before ? number : before; });
}

/* -- what the host does -------------------------------------------------------------------------- */

inline bool took() { return stand_in::took(); }

template <typename... Parameters, typename... Arguments>
void launch(void (*kernel)(Parameters...), Grid grid, int64_t shared_bytes, void *stream,
            const Arguments &...arguments) {
    using Call = stand_in::Call<Parameters...>;
    stand_in::launch(
        {reinterpret_cast<const void *>(kernel), grid.blocks, grid.rows, shared_bytes, &Call::run,
         &Call::forget, &Call::list, new Call{kernel, {static_cast<Parameters>(arguments)...}}},
        stream);
}

inline void zero(void *memory, int64_t bytes, void *stream) { stand_in::zero(memory, bytes, stream); }

}  // namespace gpu
}  // namespace cpab

#undef STAND_IN_CALLER
#undef STAND_IN_LINE

#endif
