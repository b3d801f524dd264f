/*
 * What a GPU is, to this library: the only file that names CUDA. Kernels are written against this header, so
 * that another compiler can stand in for nvcc. Without nvcc, the build says with CPAB_STAND_IN which header
 * does: the tests have one that runs kernels on the CPU.
 *
 *     CPAB_KERNEL name(parameters) { ... }      a function that a launch runs in every thread of a grid; its
 *                                               parameters are copied, so pointers in them are the device's
 *     CPAB_DEVICE int name(parameters) { ... }  a function that such a thread calls
 *
 * A grid has rows of blocks, blocks have threads_per_block threads, and of these, warp_size are a warp, the
 * lanes of which can exchange numbers. An exchange of numbers orders no memory; sync_warp() and sync_block()
 * do, for the warp and the block. All lanes of a warp must come to whatever names the warp, and all threads
 * of a block to what names the block.
 */
#ifndef CPAB_CUDA_GPU_H
#define CPAB_CUDA_GPU_H

#include <cstddef>
#include <cstdint>

namespace cpab {
namespace gpu {

constexpr int threads_per_block = 128, warp_size = 32, warps_per_block = threads_per_block / warp_size;

/* How much shared memory a block may ask for, on every device. */
constexpr int64_t most_shared = 48 * 1024;

/* Most rows of a grid; more blocks than a row may have do not fit the memory of any device. */
constexpr int64_t most_rows = 65535;

struct Grid {
    int64_t blocks, rows;
};

}  // namespace gpu
}  // namespace cpab

#if !defined(__CUDACC__)
#    include CPAB_STAND_IN
#else

#    include <cuda_runtime.h>

#    define CPAB_DEVICE __device__ inline
#    define CPAB_KERNEL __global__ void __launch_bounds__(cpab::gpu::threads_per_block)

namespace cpab {
namespace gpu {

/* -- where a thread is --------------------------------------------------------------------------- */

CPAB_DEVICE int thread() { return int(threadIdx.x); }
CPAB_DEVICE int lane() { return int(threadIdx.x) % warp_size; }
CPAB_DEVICE int warp() { return int(threadIdx.x) / warp_size; }
CPAB_DEVICE int64_t block() { return blockIdx.x; }
CPAB_DEVICE int64_t blocks() { return gridDim.x; }
CPAB_DEVICE int64_t row() { return blockIdx.y; }
CPAB_DEVICE int64_t rows() { return gridDim.y; }

/* -- what threads do together -------------------------------------------------------------------- */

constexpr unsigned all_lanes = 0xffffffffu;

CPAB_DEVICE void sync_block() { __syncthreads(); }
CPAB_DEVICE void sync_warp() { __syncwarp(all_lanes); }

/* Whether a condition holds in some thread of the block; orders memory as sync_block() does. */
CPAB_DEVICE bool any_in_block(bool condition) { return __syncthreads_or(condition) != 0; }

/* The lanes of the warp in which a condition holds, as bits; and of such a set the first. */
CPAB_DEVICE uint32_t ballot(bool condition) { return __ballot_sync(all_lanes, condition); }
CPAB_DEVICE int first_of(uint32_t lanes) { return __ffs(int(lanes)) - 1; }

/* A number from another lane of the warp: by its number, or by the bits in which the two numbers differ. */
template <typename T>
CPAB_DEVICE T from_lane(T number, int lane) {
    return __shfl_sync(all_lanes, number, lane);
}
template <typename T>
CPAB_DEVICE T from_partner(T number, int bits) {
    return __shfl_xor_sync(all_lanes, number, bits);
}

/* The shared memory that the launch gave the block. */
template <typename T>
CPAB_DEVICE T *shared() {
    extern __shared__ __align__(16) unsigned char room[];
    return reinterpret_cast<T *>(room);
}

/* Of memory that other threads change at the same time. */
CPAB_DEVICE void add(float *to, float number) { atomicAdd(to, number); }
CPAB_DEVICE void add(double *to, double number) { atomicAdd(to, number); }
CPAB_DEVICE void add(int64_t *to, int64_t number) {
    atomicAdd(reinterpret_cast<unsigned long long *>(to), static_cast<unsigned long long>(number));
}
CPAB_DEVICE void lower(uint32_t *to, uint32_t number) { atomicMin(to, number); }
CPAB_DEVICE void raise(uint64_t *to, uint64_t number) {
    atomicMax(reinterpret_cast<unsigned long long *>(to), static_cast<unsigned long long>(number));
}

/* -- what the host does -------------------------------------------------------------------------- */

/* Whether the device took all that it was given since the last answer, which is forgotten. */
inline bool took() { return cudaGetLastError() == cudaSuccess; }

/* Starts a kernel on a stream of the current device. `shared_bytes` is for each block, at most most_shared.
 */
template <typename... Parameters, typename... Arguments>
void launch(void (*kernel)(Parameters...), Grid grid, int64_t shared_bytes, void *stream,
            const Arguments &...arguments) {
    const dim3 blocks(unsigned(grid.blocks), unsigned(grid.rows));
    const cudaStream_t on = static_cast<cudaStream_t>(stream);
    /* Formatters take the brackets for those of templates. */
    /* clang-format off */
    kernel<<<blocks, threads_per_block, size_t(shared_bytes), on>>>(static_cast<Parameters>(arguments)...);
    /* clang-format on */
}

/* Fills memory of the device with zeros, in the order of the stream. */
inline void zero(void *memory, int64_t bytes, void *stream) {
    cudaMemsetAsync(memory, 0, size_t(bytes), static_cast<cudaStream_t>(stream));
}

}  // namespace gpu
}  // namespace cpab

#endif

#endif
