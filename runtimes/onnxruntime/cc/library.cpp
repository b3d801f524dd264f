#include "library.h"

#include <dlfcn.h>

#include <cmath>
#include <cstdlib>
#include <sstream>

#include "failure.h"

namespace cpabx {
namespace {

#if defined(__APPLE__)
constexpr const char *file_name = "@rpath/libcpab.dylib";
#else
constexpr const char *file_name = "libcpab.so";
#endif

Failure unusable(const std::string &received) {
    return failure("operators of cpabx need the libcpab that they were made for", received,
                   "Install cpabx beside cpabx-onnx, or put its libcpab beside this library.");
}

template <typename Function>
void find(void *handle, const char *name, Function *function) {
    *function = reinterpret_cast<Function>(dlsym(handle, name));
    if (*function == nullptr) throw unusable(std::string("one without ") + name);
}

void check_version(const Library &library) {
    cpab_library described = {};
    described.struct_size = sizeof(described);
    const cpab_status status = library.describe(&described);
    if (status != CPAB_OK || described.abi_version != CPAB_ABI_VERSION)
        throw unusable("ABI version " + std::to_string(described.abi_version) + ", not " +
                       std::to_string(CPAB_ABI_VERSION));
}

Library opened() {
    void *handle =
        dlopen(file_name, RTLD_NOW | RTLD_LOCAL);  // by its name: one that is loaded is found first
    if (handle == nullptr) throw unusable(dlerror());
    Library library = {};
    find(handle, "cpab_library_describe", &library.describe);
    check_version(library);
    find(handle, "cpab_explain", &library.explain);
    find(handle, "cpab_tessellation_create", &library.create);
    find(handle, "cpab_tessellation_destroy", &library.destroy);
    find(handle, "cpab_tessellation_describe", &library.sizes);
    find(handle, "cpab_set_thread_team", &library.set_thread_team);
    find(handle, "cpab_transform", &library.transform);
    find(handle, "cpab_velocity", &library.velocity);
    find(handle, "cpab_jacobian", &library.jacobian);
    find(handle, "cpab_sample", &library.sample);
    find(handle, "cpab_warp", &library.warp);
    return library;
}

std::string shown(double time) {
    if (std::isnan(time)) return "nan";
    std::ostringstream text;
    text << time;
    return text.str();
}

}  // namespace

const Library &libcpab() {
    static const Library library = opened();
    return library;
}

void check(cpab_status status, double time, int64_t failed_item) {
    if (status == CPAB_OK) return;
    const cpab_message *message = libcpab().explain(status);
    std::string received = message->received;
    if (status == CPAB_E_RANGE || status == CPAB_E_DIVERGED)
        received += " at batch item " + std::to_string(failed_item) + " (time " + shown(time) + ")";
    if (status == CPAB_E_TIME) received = shown(time);
    if (status == CPAB_E_THREADS) {
        const char *setting = std::getenv("CPABX_NUM_THREADS");
        received = std::string("CPABX_NUM_THREADS='") + (setting ? setting : "") + "'";
    }
    throw failure(message->required, received, message->remedy);
}

}  // namespace cpabx
