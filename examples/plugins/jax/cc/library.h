/* libcpab or libcpab_cuda by its path: nothing here links to either, so that one file serves both. */
#ifndef CPABX_JAX_LIBRARY_H
#define CPABX_JAX_LIBRARY_H

#include <dlfcn.h>

#include <string>

#include "cpab.h"

/* A function of a library, with the type that it has in the header. */
#define CPABX_FUNCTION(library, name) reinterpret_cast<decltype(&name)>((library).find(#name))

namespace cpabx {

class Library {
public:
    /* Empty, or what is wrong with the library: its interface must be that of the header at hand. */
    std::string open(const char *path) {
        handle_ = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (handle_ == nullptr) return dlerror();
        const auto describe = CPABX_FUNCTION(*this, cpab_library_describe);
        if (describe == nullptr) return "no library of cpabx";
        cpab_library described = {};
        described.struct_size = sizeof(described);
        describe(&described);
        if (described.abi_version != CPAB_ABI_VERSION)
            return "ABI version " + std::to_string(described.abi_version) + ", not " +
                   std::to_string(CPAB_ABI_VERSION);
        version_ = described.version;
        return "";
    }

    void *find(const char *name) const { return dlsym(handle_, name); }
    const std::string &version() const { return version_; }

private:
    void *handle_ = nullptr;
    std::string version_;
};

}  // namespace cpabx

#endif
