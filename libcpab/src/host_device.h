/* CPAB_HD marks the mathematics that CPU lanes and GPU threads share. */
#ifndef CPAB_HOST_DEVICE_H
#define CPAB_HOST_DEVICE_H

#if defined(__CUDACC__)
#    define CPAB_HD __host__ __device__
#else
#    define CPAB_HD
#endif

#endif
