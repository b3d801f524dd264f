/* Which instruction set's kernel works. */
#include <cstdlib>
#include <cstring>

#include "../tessellation.h"
#include "sampler.h"
#include "worker.h"

#define CPAB_DECLARE_KERNEL(isa)                                               \
    namespace isa {                                                            \
    template <typename T>                                                      \
    Worker<T> *make_worker(const cpab_tessellation &tess, const Needs &needs); \
    template <typename T>                                                      \
    Sampler<T> *make_sampler(const Raster &raster);                            \
    }

namespace cpab {

CPAB_DECLARE_KERNEL(baseline)
#if defined(CPAB_X86_KERNELS)
CPAB_DECLARE_KERNEL(avx2)
CPAB_DECLARE_KERNEL(avx512)
#endif

namespace {

enum class Isa { baseline, avx2, avx512 };

Isa supported() {
#if defined(CPAB_X86_KERNELS)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        return Isa::avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Isa::avx2;
#endif
    return Isa::baseline;
}

/* The environment may ask for less than the processor has. */
Isa chosen() {
    const Isa best = supported();
    const char *wanted = std::getenv("CPAB_ISA");
    if (!wanted) return best;
    const Isa limit = !std::strcmp(wanted, "baseline") ? Isa::baseline
                      : !std::strcmp(wanted, "avx2")   ? Isa::avx2
                                                       : best;
    return limit < best ? limit : best;
}

}  // namespace

template <typename T>
Worker<T> *make_worker(const cpab_tessellation &tess, const Needs &needs) {
    switch (chosen()) {
#if defined(CPAB_X86_KERNELS)
        case Isa::avx512: return avx512::make_worker<T>(tess, needs);
        case Isa::avx2: return avx2::make_worker<T>(tess, needs);
#endif
        default: return baseline::make_worker<T>(tess, needs);
    }
}

template Worker<float> *make_worker<float>(const cpab_tessellation &, const Needs &);
template Worker<double> *make_worker<double>(const cpab_tessellation &, const Needs &);

template <typename T>
Sampler<T> *make_sampler(const Raster &raster) {
    switch (chosen()) {
#if defined(CPAB_X86_KERNELS)
        case Isa::avx512: return avx512::make_sampler<T>(raster);
        case Isa::avx2: return avx2::make_sampler<T>(raster);
#endif
        default: return baseline::make_sampler<T>(raster);
    }
}

template Sampler<float> *make_sampler<float>(const Raster &);
template Sampler<double> *make_sampler<double>(const Raster &);

const char *instruction_set() {
    switch (chosen()) {
        case Isa::avx512: return "AVX-512";
        case Isa::avx2: return "AVX2";
        default: return "baseline";
    }
}

}  // namespace cpab
