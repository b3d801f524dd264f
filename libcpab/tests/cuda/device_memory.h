/*
 * What tests need of a device, and the library never does: memory, copies and streams. CPAB_STAND_IN chooses,
 * as it does for gpu.h: the stand-in, or else CUDA. What fails here ends the program.
 */
#ifndef CPAB_TESTS_DEVICE_MEMORY_H
#define CPAB_TESTS_DEVICE_MEMORY_H

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#if defined(CPAB_STAND_IN)

#    include "stand_in/memory.h"
#    include "stand_in/order.h"
#    include "stand_in/streams.h"

namespace device {

/* Memory of exactly this size, full of 0xff, which are NaN. Aligned to 16 bytes. */
inline void *allocate(int64_t bytes) { return stand_in::allocate(bytes); }

/* Waits for all streams before. */
inline void release(void *memory) {
    stand_in::wait_for_all();
    stand_in::release(memory);
}

/* The device can read memory of the host, so larger inputs than this need not be copied. */
constexpr int64_t most_copied = int64_t(1) << 30;
inline void lend(const void *memory, int64_t bytes) { stand_in::lend(memory, bytes); }
inline void take_back(const void *memory) {
    stand_in::wait_for_all();
    stand_in::take_back(memory);
}

inline void *make_stream() { return stand_in::make_stream(); }
inline void destroy_stream(void *stream) { stand_in::destroy_stream(stream); }
inline void wait_for(void *stream) { stand_in::wait_for(stream); }

/* Copies when all that the stream was given before is done, and waits for that. */
inline void copy_to_device(void *to, const void *from, int64_t bytes, void *stream) {
    wait_for(stream);
    if (bytes > 0) std::memcpy(to, from, size_t(bytes));
}
inline void copy_to_host(void *to, const void *from, int64_t bytes, void *stream) {
    wait_for(stream);
    if (bytes > 0) std::memcpy(to, from, size_t(bytes));
}

/* From now on, threads and blocks come in another order than before, or no longer, where a device lets one
 * choose. */
inline void turn_orders(bool turned) { stand_in::turn_orders(turned); }

/* Gives the device something that it does not take: the next call answers that. Here, a grid without blocks.
 */
inline void refuse() {
    stand_in::launch({nullptr, 0, 0, 0, nullptr, [](const void *) {}, nullptr, nullptr}, nullptr);
}

}  // namespace device

#else

#    include <cuda_runtime.h>

namespace device {

inline void require(cudaError_t error) {
    if (error == cudaSuccess) return;
    std::fprintf(stderr, "CUDA: %s\n", cudaGetErrorString(error));
    std::exit(1);
}

inline void *allocate(int64_t bytes) {
    void *memory = nullptr;
    require(cudaMalloc(&memory, bytes > 0 ? size_t(bytes) : 1));
    require(cudaMemset(memory, 0xff, bytes > 0 ? size_t(bytes) : 1));
    require(cudaDeviceSynchronize());
    return memory;
}

inline void release(void *memory) { require(cudaFree(memory)); }

constexpr int64_t most_copied = INT64_MAX;
inline void lend(const void *, int64_t) {}
inline void take_back(const void *) {}

/* One that waits for no other, not even for the default stream. */
inline void *make_stream() {
    cudaStream_t stream;
    require(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    return stream;
}
inline void destroy_stream(void *stream) { require(cudaStreamDestroy(static_cast<cudaStream_t>(stream))); }
inline void wait_for(void *stream) { require(cudaStreamSynchronize(static_cast<cudaStream_t>(stream))); }

inline void copy_to_device(void *to, const void *from, int64_t bytes, void *stream) {
    require(
        cudaMemcpyAsync(to, from, size_t(bytes), cudaMemcpyHostToDevice, static_cast<cudaStream_t>(stream)));
    wait_for(stream);
}
inline void copy_to_host(void *to, const void *from, int64_t bytes, void *stream) {
    require(
        cudaMemcpyAsync(to, from, size_t(bytes), cudaMemcpyDeviceToHost, static_cast<cudaStream_t>(stream)));
    wait_for(stream);
}

inline void turn_orders(bool) {}

inline void refuse() { cudaSetDevice(-1); } /* there is none: CUDA keeps the error */

}  // namespace device

#endif

#endif
