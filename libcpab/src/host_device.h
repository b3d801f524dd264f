/* CPAB_HD marks the mathematics that CPU lanes and GPU threads share. */
#ifndef CPAB_HOST_DEVICE_H
#define CPAB_HOST_DEVICE_H

#if defined(__CUDACC__)
#    define CPAB_HD __host__ __device__
#else
#    define CPAB_HD
#endif

/* For the inner loops, where a call would send dozens of vectors through memory. */
#if defined(__GNUC__) && !defined(__CUDACC__) && defined(__OPTIMIZE__)
#    define CPAB_INLINE __attribute__((always_inline)) inline
#else
#    define CPAB_INLINE CPAB_HD inline
#endif

/* Before loops over arrays that must stay in registers: nvcc unrolls by its own judgement, and what it leaves
   indexed goes through memory. */
#if defined(__CUDA_ARCH__)
#    define CPAB_UNROLL _Pragma("unroll")
#else
#    define CPAB_UNROLL
#endif

/* For what compilers must not see through. */
#if defined(__GNUC__) && !defined(__CUDACC__)
#    define CPAB_APART __attribute__((noinline))
#else
#    define CPAB_APART CPAB_HD inline
#endif

#endif
