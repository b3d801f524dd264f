#include "library.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace cpabx {
namespace {

/* How an error begins, and what it says to do. */
struct Words {
    const char *required, *remedy;
};

constexpr Words of_libcpab = {
    "CPAB transformations need libcpab",
    "Load it before, name its folder by CPABX_LIBRARY_DIR, or copy it beside the op library."};
constexpr Words of_libcpab_cuda = {
    "CPAB transformations on CUDA devices need a libcpab_cuda of the same build as libcpab",
    "Build cpabx anew where there is nvcc, with -C cmake.define.CPAB_CUDA=ON."};

absl::Status unusable(const Words &words, const std::string &received) {
    return absl::FailedPreconditionError(
        absl::StrCat(words.required, "; got ", received, ". ", words.remedy));
}

/* The functions, where `find` has their addresses by name. */
template <typename Find>
Library made_of(cpab_device device, Find find) {
    Library library = {};
    library.device = device;
    const auto set = [&](auto *function, const char *name) {
        *function = reinterpret_cast<std::remove_pointer_t<decltype(function)>>(find(name));
    };
    set(&library.describe, "cpab_library_describe");
    set(&library.explain, "cpab_explain");
    set(&library.create, "cpab_tessellation_create");
    set(&library.destroy, "cpab_tessellation_destroy");
    set(&library.sizes, "cpab_tessellation_describe");
    set(&library.tables, "cpab_tables");
    set(&library.scratch_bytes, "cpab_scratch_bytes");
    const auto add = [&](cpab_function number, const char *name) {
        if (library.functions.size() <= size_t(number)) library.functions.resize(number + 1);
        set(&library.functions[number], name);
    };
    add(CPAB_TRANSFORM, "cpab_transform");
    add(CPAB_TRANSFORM_VJP, "cpab_transform_vjp");
    add(CPAB_VELOCITY, "cpab_velocity");
    add(CPAB_TRANSFORM_JVP, "cpab_transform_jvp");
    add(CPAB_TRANSFORM_VJP_JVP, "cpab_transform_vjp_jvp");
    add(CPAB_JACOBIAN, "cpab_jacobian");
    add(CPAB_JACOBIAN_VJP, "cpab_jacobian_vjp");
    add(CPAB_SAMPLE_VJP, "cpab_sample_vjp");
    add(CPAB_WARP, "cpab_warp");
    add(CPAB_WARP_VJP, "cpab_warp_vjp");
    return library;
}

/* A library that has been opened, if it is one of this header for that device. */
absl::StatusOr<Library> checked(void *handle, const std::string &path, cpab_device device,
                                const Words &words) {
    std::string missing;
    const Library library = made_of(device, [&](const char *name) {
        void *found = dlsym(handle, name);
        if (!found) missing = name;
        return found;
    });
    if (!missing.empty()) return unusable(words, absl::StrCat(path, ", which has no ", missing));
    cpab_library described = {};
    described.struct_size = sizeof(described);
    const cpab_status status = library.describe(&described);
    if (status != CPAB_OK || described.abi_version != CPAB_ABI_VERSION)
        return unusable(words, absl::StrCat(path, " with ABI version ", described.abi_version, ", not ",
                                            static_cast<int>(CPAB_ABI_VERSION)));
    if (described.device != device)
        return unusable(words, absl::StrCat(path, " for device ", described.device));
    return library;
}

/* Opened, and never closed: threads of it may be running, or kernels. */
absl::StatusOr<Library> opened(const std::string &path, cpab_device device, const Words &words) {
    void *handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!handle) return unusable(words, dlerror());
    return checked(handle, path, device, words);
}

/* The folder of what has an address, with the slash at its end. */
std::string folder_of(const void *address) {
    Dl_info found = {};
    if (!dladdr(address, &found)) return "";
    const std::string path = found.dli_fname;
    return path.substr(0, path.rfind('/') + 1);
}

absl::StatusOr<Library> find_libcpab() {
    constexpr char name[] = "libcpab.so";
    if (void *loaded = dlopen(name, RTLD_NOW | RTLD_NOLOAD))
        return checked(loaded, name, CPAB_CPU, of_libcpab);
    const char *const folder = std::getenv("CPABX_LIBRARY_DIR");
    if (folder && *folder) return opened(absl::StrCat(folder, "/", name), CPAB_CPU, of_libcpab);
    return opened(folder_of(&of_libcpab) + name, CPAB_CPU, of_libcpab);
}

/* Beside the libcpab that the process uses. */
std::string cuda_path() {
    const absl::StatusOr<const Library *> library = libcpab();
    if (!library.ok()) return "";
    return folder_of(reinterpret_cast<void *>((*library)->describe)) + "libcpab_cuda.so";
}

}  // namespace

absl::StatusOr<const Library *> libcpab() {
    static const absl::StatusOr<Library> library = find_libcpab();
    if (!library.ok()) return library.status();
    return &*library;
}

bool has_libcpab_cuda() { return access(cuda_path().c_str(), R_OK) == 0; }

absl::StatusOr<const Library *> libcpab_cuda() {
    static const absl::StatusOr<Library> library = opened(cuda_path(), CPAB_CUDA, of_libcpab_cuda);
    if (!library.ok()) return library.status();
    return &*library;
}

}  // namespace cpabx
