/* What the library says about itself, and what a library needs that works elsewhere. */
#include <cstring>

#include "../../include/cpab.h"
#include "../text.h"
#include "parallel.h"
#include "worker.h"

extern "C" {

#if defined(__VERSION__)
#    define CPAB_COMPILER_TEXT "; compiler " __VERSION__
#else
#    define CPAB_COMPILER_TEXT ""
#endif
#define CPAB_INFO(isa) "1D, 2D, 3D; float32, float64; CPU, " isa ", threads" CPAB_COMPILER_TEXT

static const char *build_info() {
    const char *isa = cpab::instruction_set();
    if (!std::strcmp(isa, "AVX-512")) return CPAB_INFO("AVX-512");
    if (!std::strcmp(isa, "AVX2")) return CPAB_INFO("AVX2");
    return CPAB_INFO("baseline");
}

cpab_status cpab_library_describe(cpab_library *library) {
    if (!library) return CPAB_E_NULL;
    library->abi_version = CPAB_ABI_VERSION;
    if (library->struct_size != sizeof *library) return CPAB_E_ABI;
    library->device = CPAB_CPU;
    library->version = CPAB_TEXT(CPAB_VERSION);
    library->build_info = build_info();
    library->isa_names = cpab::instruction_sets();
    library->isa_status = cpab::knows_instruction_set() ? CPAB_OK : CPAB_E_OPTION;
    library->n_threads = cpab::default_threads();
    return CPAB_OK;
}

int64_t cpab_scratch_bytes(const cpab_call *, cpab_function) { return 0; }

int64_t cpab_tables(const cpab_tessellation *, int32_t, void *) { return 0; }

}  // extern "C"
