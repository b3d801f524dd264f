/*
 * What a translated kernel is written in terms of. PTX_SOURCE names the file of PTX, of which errors tell the
 * line. Beyond what the stand-in watches anyway, each access to memory must be aligned to all that it takes,
 * and must lie
 *   - in memory that the device was given, if it is to global memory,
 *   - in the memory that the launch gave the block, or in the array of the thread, or in the parameters.
 * Addresses have spaces, as on a device: only generic ones, and those of global memory, are the CPU's. So an
 * address that is taken for one of another space is found.
 */
#ifndef CPAB_TESTS_PTX_KERNEL_H
#define CPAB_TESTS_PTX_KERNEL_H

#include "../../../src/cuda/gpu.h"
#include "../stand_in/stop.h"
#include "../stand_in/translations.h"
#include "numbers.h"
#include "reach.h"

namespace ptx {
namespace {

using stand_in::here;
using stand_in::Line;

inline Line at(const char *what, int line) { return {what, PTX_SOURCE, line}; }

/* -- where a thread is --------------------------------------------------------------------------- */

inline u32 thread_in_block() { return u32(here.thread); }
inline u32 threads_of_block() { return u32(cpab::gpu::threads_per_block); }
inline u32 lane() { return u32(here.thread % cpab::gpu::warp_size); }
inline u32 block() { return u32(here.block); }
inline u32 blocks() { return u32(here.blocks); }
inline u32 row() { return u32(here.row); }
inline u32 rows() { return u32(here.rows); }

/* -- memory -------------------------------------------------------------------------------------- */

/* Where spaces begin: none at zero, and none where another does. */
constexpr u32 param_base = 0x100, shared_base = 0x10000, local_base = 0x100000;

[[noreturn]] inline void stop_at(const char *what, const char *space, u64 address, size_t bytes, int line) {
    stand_in::stop("%s %zu bytes at %#llx of %s memory (%s:%d)", what, bytes,
                   static_cast<unsigned long long>(address), space, PTX_SOURCE, line);
}

/* Memory of a space that begins at `base` with an address of its own. */
struct Space {
    const char *name;
    u64 base;
    unsigned char *memory;
    u64 size;

    bool has(u64 address, size_t bytes) const {
        const u64 offset = address - base;
        return offset < size && bytes <= size - offset;
    }
    void *find(u64 address, size_t bytes, int line) const {
        if (!has(address, bytes)) stop_at("accesses", name, address, bytes, line);
        if ((address - base) % bytes) stop_at("accesses misaligned", name, address, bytes, line);
        return memory + (address - base);
    }
    Space as_generic() const { return {name, u64(reinterpret_cast<uintptr_t>(memory)), memory, size}; }
};

inline void *find_global(u64 address, size_t bytes, int line) {
    if (!reach.has(uintptr_t(address), bytes)) stop_at("accesses", "global", address, bytes, line);
    if (address % bytes) stop_at("accesses misaligned", "global", address, bytes, line);
    return reinterpret_cast<void *>(uintptr_t(address));
}

/* What a thread has for itself. */
template <u64 parameter_bytes, u64 local_bytes>
class Thread {
public:
    explicit Thread(const unsigned char *parameters) : parameters_(parameters) {
        if (local_bytes) std::memset(local_, 0xff, sizeof local_);
    }

    template <typename T, int n>
    const T *param(u64 address, int line) const {
        const Space space{"param", param_base, const_cast<unsigned char *>(parameters_), parameter_bytes};
        return static_cast<const T *>(space.find(address, n * sizeof(T), line));
    }
    template <typename T, int n>
    T *global(u64 address, int line) const {
        return static_cast<T *>(find_global(address, n * sizeof(T), line));
    }
    template <typename T, int n>
    T *shared(u64 address, int line) const {
        return static_cast<T *>(shared_space().find(address, n * sizeof(T), line));
    }
    template <typename T, int n>
    T *local(u64 address, int line) {
        return static_cast<T *>(local_space().find(address, n * sizeof(T), line));
    }
    template <typename T, int n>
    T *generic(u64 address, int line) {
        constexpr size_t bytes = n * sizeof(T);
        for (const Space &space : {shared_space().as_generic(), local_space().as_generic()})
            if (space.has(address, bytes)) return static_cast<T *>(space.find(address, bytes, line));
        return global<T, n>(address, line);
    }

    /* Addresses of other spaces as generic ones, and back. */
    u64 from_global(u64 address) const { return address; }
    u64 to_global(u64 address) const { return address; }
    u64 from_shared(u64 address) const { return address - shared_base + shared_space().as_generic().base; }
    u64 to_shared(u64 address) const { return address + shared_base - shared_space().as_generic().base; }
    u64 from_local(u64 address) { return address - local_base + local_space().as_generic().base; }
    u64 to_local(u64 address) { return address + local_base - local_space().as_generic().base; }

private:
    Space shared_space() const { return {"shared", shared_base, here.shared, u64(here.shared_bytes)}; }
    Space local_space() { return {"local", local_base, local_, local_bytes}; }

    const unsigned char *const parameters_;
    alignas(16) unsigned char local_[local_bytes ? local_bytes : 1];
};

/* Changes memory that other threads change, too; tells what was there. */
template <typename T, typename Change>
inline T atomic(T *memory, Change changed) {
    T before;
    cpab::gpu::change(memory, [&](T number) {
        before = number;
        return changed(number);
    });
    return before;
}
template <typename T>
inline T atomic_add(T *memory, T number) {
    return atomic(memory, [number](T before) { return do_add(before, number); });
}
template <typename T>
inline T atomic_min(T *memory, T number) {
    return atomic(memory, [number](T before) { return do_min(before, number); });
}
template <typename T>
inline T atomic_max(T *memory, T number) {
    return atomic(memory, [number](T before) { return do_max(before, number); });
}

/* -- what threads do together -------------------------------------------------------------------- */

inline void require_all_lanes(u32 lanes, Line line) {
    if (lanes != 0xffffffffu)
        stand_in::stop("meets only the lanes %#x of its warp (%s at %s:%d)", lanes, line.what, line.file,
                       line.number);
}
inline void sync_lanes(u32 lanes, Line line) {
    require_all_lanes(lanes, line);
    stand_in::sync_warp(line);
}
inline u32 ballot_of(bool condition, u32 lanes, Line line) {
    require_all_lanes(lanes, line);
    return stand_in::ballot(condition, line);
}

/* The number of a lane; and whether there is such a lane: otherwise, the number is one's own. */
struct Answer {
    u32 number;
    bool valid;
};

/* `limits` has in its bits from 8 on those that lanes of a segment of the warp share, and in its lowest the
   last lane, or for ask_up() the first. */
struct Segment {
    u32 first, last;
    explicit Segment(u32 limits)
        : first(lane() & (limits >> 8 & 31)), last(first | (limits & 31 & ~(limits >> 8 & 31))) {}
};
inline Answer ask(u32 number, u32 wanted, bool valid, u32 lanes, Line line) {
    require_all_lanes(lanes, line);
    return {u32(stand_in::exchange(number, int(valid ? wanted : lane()), line)), valid};
}
inline Answer ask_idx(u32 number, u32 which, u32 limits, u32 lanes, Line line) {
    const u32 wanted = Segment(limits).first | (which & 31 & ~(limits >> 8 & 31));
    return ask(number, wanted, wanted <= Segment(limits).last, lanes, line);
}
inline Answer ask_bfly(u32 number, u32 bits, u32 limits, u32 lanes, Line line) {
    const u32 wanted = lane() ^ (bits & 31);
    return ask(number, wanted, wanted <= Segment(limits).last, lanes, line);
}
inline Answer ask_down(u32 number, u32 step, u32 limits, u32 lanes, Line line) {
    const u32 wanted = lane() + (step & 31);
    return ask(number, wanted, wanted <= Segment(limits).last, lanes, line);
}
inline Answer ask_up(u32 number, u32 step, u32 limits, u32 lanes, Line line) {
    const u32 wanted = lane() - (step & 31);
    return ask(number, wanted, s32(wanted) >= s32(Segment(limits).last), lanes, line);
}

}  // namespace
}  // namespace ptx

using namespace ptx;

#endif
