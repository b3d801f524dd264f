#include "library.h"

#include <dlfcn.h>
#include <unistd.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace cpabx {
namespace {

/* What looks up a function by its name, with the address of libcpab's. */
template <typename Find>
Library made_of(cpab_device device, Find find) {
    Library library = {};
    library.device = device;
    library.describe = find("cpab_library_describe", cpab_library_describe);
    library.create = find("cpab_tessellation_create", cpab_tessellation_create);
    library.destroy = find("cpab_tessellation_destroy", cpab_tessellation_destroy);
    library.sizes = find("cpab_tessellation_describe", cpab_tessellation_describe);
    library.tables = find("cpab_tables", cpab_tables);
    library.scratch_bytes = find("cpab_scratch_bytes", cpab_scratch_bytes);
    const auto add = [&](cpab_function number, const char *name, auto function) {
        if (library.functions.size() <= size_t(number)) library.functions.resize(number + 1);
        library.functions[number] = reinterpret_cast<void (*)()>(find(name, function));
    };
    add(CPAB_TRANSFORM, "cpab_transform", cpab_transform);
    add(CPAB_TRANSFORM_VJP, "cpab_transform_vjp", cpab_transform_vjp);
    add(CPAB_VELOCITY, "cpab_velocity", cpab_velocity);
    add(CPAB_TRANSFORM_JVP, "cpab_transform_jvp", cpab_transform_jvp);
    add(CPAB_TRANSFORM_VJP_JVP, "cpab_transform_vjp_jvp", cpab_transform_vjp_jvp);
    add(CPAB_JACOBIAN, "cpab_jacobian", cpab_jacobian);
    add(CPAB_JACOBIAN_VJP, "cpab_jacobian_vjp", cpab_jacobian_vjp);
    add(CPAB_SAMPLE_VJP, "cpab_sample_vjp", cpab_sample_vjp);
    add(CPAB_WARP, "cpab_warp", cpab_warp);
    add(CPAB_WARP_VJP, "cpab_warp_vjp", cpab_warp_vjp);
    return library;
}

/* Beside the libcpab that the process uses. */
std::string cuda_path() {
    Dl_info found = {};
    if (!dladdr(reinterpret_cast<void *>(cpab_library_describe), &found)) return "";
    const std::string path = found.dli_fname;
    return absl::StrCat(path.substr(0, path.rfind('/') + 1), "libcpab_cuda.so");
}

absl::Status unusable(const std::string &received) {
    return absl::FailedPreconditionError(absl::StrCat(
        "CPAB transformations on CUDA devices need a libcpab_cuda of the same build as libcpab; got ",
        received, ". Build cpabx anew where there is nvcc, with -C cmake.define.CPAB_CUDA=ON."));
}

absl::StatusOr<Library> opened(const std::string &path) {
    void *handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);  // never closed: its kernels may be running
    if (!handle) return unusable(dlerror());
    std::string missing;
    const Library library = made_of(CPAB_CUDA, [&](const char *name, auto function) {
        void *found = dlsym(handle, name);
        if (!found) missing = name;
        return reinterpret_cast<decltype(function)>(found);
    });
    if (!missing.empty()) return unusable(absl::StrCat(path, ", which has no ", missing));
    cpab_library described = {};
    described.struct_size = sizeof(described);
    const cpab_status status = library.describe(&described);
    if (status != CPAB_OK || described.abi_version != CPAB_ABI_VERSION)
        return unusable(absl::StrCat(path, " with ABI version ", described.abi_version, ", not ",
                                     static_cast<int>(CPAB_ABI_VERSION)));
    if (described.device != CPAB_CUDA) return unusable(absl::StrCat(path, " for device ", described.device));
    return library;
}

}  // namespace

const Library &libcpab() {
    static const Library library = made_of(CPAB_CPU, [](const char *, auto function) { return function; });
    return library;
}

bool has_libcpab_cuda() { return access(cuda_path().c_str(), R_OK) == 0; }

absl::StatusOr<const Library *> libcpab_cuda() {
    static const absl::StatusOr<Library> library = opened(cuda_path());
    if (!library.ok()) return library.status();
    return &*library;
}

}  // namespace cpabx
