/* What the library says about itself, and about the memory that its calls need. */
#include "../../include/cpab.h"
#include "../text.h"
#include "sample_points.h"
#include "scratch.h"
#include "warp.h"

namespace {

using namespace cpab;
using namespace cpab::CPAB_ISA;

template <typename T>
int64_t tables_of(const cpab_tessellation &tess, void *host) {
    Tables<T> ignored;
    if (host) fill_tables<T>(tess, host);
    return place_tables<T>(tess, nullptr, ignored);
}

int64_t flow_scratch_bytes(const cpab_call &call, cpab_function function) {
    const char some = 0; /* stands for arrays, on which the size does not depend */
    cpab_call timed = call;
    timed.time = function == CPAB_VELOCITY ? 0 : call.time; /* which that ignores */
    const bool matrices = function == CPAB_JACOBIAN || function == CPAB_JACOBIAN_VJP;
    if (check_points(timed, &some, &some, {}, matrices) != CPAB_OK) return 0;
    return call.dtype == CPAB_FLOAT32 ? flow_bytes<float>(call, function)
                                      : flow_bytes<double>(call, function);
}

}  // namespace

extern "C" {

cpab_status cpab_library_describe(cpab_library *library) {
    if (!library) return CPAB_E_NULL;
    library->abi_version = CPAB_ABI_VERSION;
    if (library->struct_size != sizeof *library) return CPAB_E_ABI;
    library->device = CPAB_CUDA;
    library->version = CPAB_TEXT(CPAB_VERSION);
    library->build_info = "1D, 2D, 3D; float32, float64; " CPAB_TEXT(CPAB_GPU_BUILD);
    library->isa_names = "best";
    library->isa_status = CPAB_OK;
    library->n_threads = 1;
    return CPAB_OK;
}

/* There are no threads to lend, and no call that takes long enough to be interrupted. */
cpab_status cpab_set_team(cpab_team_run run, cpab_team_size size) {
    return !run == !size ? CPAB_OK : CPAB_E_NULL;
}

cpab_status cpab_set_thread_team(cpab_team_run run, cpab_team_size size) { return cpab_set_team(run, size); }

void cpab_set_interrupt(cpab_interrupt_wanted) {}

int64_t cpab_tables(const cpab_tessellation *tess, int32_t dtype, void *host) {
    if (!tess || (dtype != CPAB_FLOAT32 && dtype != CPAB_FLOAT64)) return 0;
    return dtype == CPAB_FLOAT32 ? tables_of<float>(*tess, host) : tables_of<double>(*tess, host);
}

int64_t cpab_scratch_bytes(const cpab_call *call, cpab_function function) {
    if (!call || call->struct_size != sizeof *call) return 0;
    if (call->dtype != CPAB_FLOAT32 && call->dtype != CPAB_FLOAT64) return 0;
    switch (function) {
        case CPAB_SAMPLE: return 0;
        case CPAB_SAMPLE_VJP: return sample_scratch_bytes(*call);
        case CPAB_WARP:
        case CPAB_WARP_VJP: return warp_scratch_bytes(*call, function);
        default:
            return function >= CPAB_TRANSFORM && function <= CPAB_WARP_VJP
                       ? flow_scratch_bytes(*call, function)
                       : 0;
    }
}

/* The way back walks again: nothing needs to be carried to it. */
int64_t cpab_tape_bytes(const cpab_call *) { return 0; }

}  // extern "C"
