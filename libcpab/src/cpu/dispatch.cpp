/* Which instruction set's kernel works. */
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "../tessellation.h"
#include "sampler.h"
#include "worker.h"

#define CPAB_DECLARE_KERNEL(isa)                                               \
    namespace isa {                                                            \
    template <typename T, int D>                                               \
    Worker<T> *make_worker(const cpab_tessellation &tess, const Needs &needs); \
    template <typename T>                                                      \
    Sampler<T> *make_sampler(const Raster &raster);                            \
    }

namespace cpab {

/* The build defines CPAB_KERNEL_AVX2 and CPAB_KERNEL_AVX512 where it has these. */
CPAB_DECLARE_KERNEL(baseline)
CPAB_DECLARE_KERNEL(avx2)
CPAB_DECLARE_KERNEL(avx512)
CPAB_DECLARE_KERNEL(plain) /* numbers one by one: samplers of floats alone */

namespace {

enum class Isa { baseline, avx2, avx512 };

Isa supported() {
#if defined(CPAB_KERNEL_AVX512)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        return Isa::avx512;
#endif
#if defined(CPAB_KERNEL_AVX2)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Isa::avx2;
#endif
    return Isa::baseline;
}

constexpr const char *names[] = {"baseline", "avx2", "avx512"};

/* The environment may ask for less than the processor has. Answers false, and chooses the best, where it asks
   for something else. */
bool choose(Isa &chosen) {
    const Isa best = supported();
    chosen = best;
    const char *wanted = std::getenv("CPAB_ISA");
    if (!wanted || !*wanted || !std::strcmp(wanted, "best")) return true;
    for (int i = 0; i <= int(best); i++)
        if (!std::strcmp(wanted, names[i])) {
            chosen = Isa(i);
            return true;
        }
    return false;
}

Isa chosen() {
    Isa isa;
    choose(isa);
    return isa;
}

template <typename T, int D>
Worker<T> *make_worker(const cpab_tessellation &tess, const Needs &needs) {
    switch (chosen()) {
#if defined(CPAB_KERNEL_AVX512)
        case Isa::avx512: return avx512::make_worker<T, D>(tess, needs);
#endif
#if defined(CPAB_KERNEL_AVX2)
        case Isa::avx2: return avx2::make_worker<T, D>(tess, needs);
#endif
        default: return baseline::make_worker<T, D>(tess, needs);
    }
}

}  // namespace

template <typename T>
Worker<T> *make_worker(const cpab_tessellation &tess, const Needs &needs) {
    switch (tess.ndim) {
        case 1: return make_worker<T, 1>(tess, needs);
        case 2: return make_worker<T, 2>(tess, needs);
        default: return make_worker<T, 3>(tess, needs);
    }
}

template Worker<float> *make_worker<float>(const cpab_tessellation &, const Needs &);
template Worker<double> *make_worker<double>(const cpab_tessellation &, const Needs &);

template <typename T>
Sampler<T> *make_sampler(const Raster &raster) {
    if constexpr (sizeof(T) < sizeof(int64_t)) { /* lanes count in integers as wide as the numbers */
        const int last = raster.ndim - 1;
        if (raster.stride[last] * raster.size[last] > INT32_MAX) return plain::make_sampler<T>(raster);
    }
    switch (chosen()) {
#if defined(CPAB_KERNEL_AVX512)
        case Isa::avx512: return avx512::make_sampler<T>(raster);
#endif
#if defined(CPAB_KERNEL_AVX2)
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

bool knows_instruction_set() {
    Isa chosen;
    return choose(chosen);
}

const char *instruction_sets() {
    switch (supported()) {
        case Isa::avx512: return "best, baseline, avx2, avx512";
        case Isa::avx2: return "best, baseline, avx2";
        default: return "best, baseline";
    }
}

}  // namespace cpab
