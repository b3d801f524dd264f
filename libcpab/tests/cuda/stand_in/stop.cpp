#include "stop.h"

#include <cxxabi.h>
#include <dlfcn.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>

#include "threads.h"

namespace stand_in {

const void *running_kernel = nullptr;

namespace {

/* Its name in the sources, if the program exports it. */
void print_name(const void *kernel) {
    Dl_info info;
    if (!dladdr(kernel, &info) || info.dli_saddr != kernel || !info.dli_sname) {
        std::fprintf(stderr, "kernel at %p", kernel);
        return;
    }
    int status;
    char *const name = abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, &status);
    std::fprintf(stderr, "kernel %s", name ? name : info.dli_sname);
    std::free(name);
}

}  // namespace

void stop(const char *format, ...) {
    std::fprintf(stderr, "stand-in for CUDA: ");
    if (running_kernel) {
        print_name(running_kernel);
        std::fprintf(stderr, ", row %lld, block %lld, thread %d: ", static_cast<long long>(here.row),
                     static_cast<long long>(here.block), here.thread);
    }
    va_list arguments;
    va_start(arguments, format);
    std::vfprintf(stderr, format, arguments);
    va_end(arguments);
    std::fprintf(stderr, "\n");
    std::fflush(stderr);
    std::abort();
}

}  // namespace stand_in
