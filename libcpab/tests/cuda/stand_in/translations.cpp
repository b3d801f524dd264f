#include "translations.h"

#include <dlfcn.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>

#include "stop.h"

namespace stand_in {

namespace {

using Translations = std::map<std::string, const Translation *>;

/* Never destroyed, as it may be used until the very end. */
Translations &translations() {
    static auto *const all = new Translations;
    return *all;
}

std::atomic<int64_t> n_launched{0};

void require_launches() {
    if (n_launched > 0) return;
    std::fprintf(stderr, "stand-in for CUDA: this program has launched no kernel of CPAB_GPU_KERNELS\n");
    _exit(1);
}

/* Also a program that launches nothing at all. */
const bool is_watched = std::getenv("CPAB_GPU_KERNELS") && std::atexit(require_launches) == 0;

/* Loads what the environment names. */
void load() {
    const char *const path = std::getenv("CPAB_GPU_KERNELS");
    if (!path) return;
    if (!dlopen(path, RTLD_NOW)) stop("CPAB_GPU_KERNELS: %s", dlerror());
    for (const auto &named : translations())
        if (!dlsym(RTLD_DEFAULT, named.first.c_str()))
            stop("%s has a kernel %s, which this program has not", path, named.first.c_str());
}

/* A translation with its parameters, as a launch has them for all threads. */
struct TranslatedCall {
    const Translation &translation;
    std::vector<unsigned char> parameters;

    static void run(const void *call) {
        const TranslatedCall &self = *static_cast<const TranslatedCall *>(call);
        self.translation.run(self.parameters.data());
    }
    static void forget(const void *call) { delete static_cast<const TranslatedCall *>(call); }
    static std::vector<Argument> list(const void *) { return {}; }
};

}  // namespace

bool add_translations(const Translation *first, int n) {
    for (int i = 0; i < n; i++)
        if (!translations().emplace(first[i].kernel, first + i).second)
            stop("there are two translations of the kernel %s", first[i].kernel);
    return true;
}

const Translation *find_translation(const char *kernel) {
    static std::once_flag loaded;
    std::call_once(loaded, load);
    const auto found = translations().find(kernel);
    return found == translations().end() ? nullptr : found->second;
}

Work work_of(const Translation &translation, const Work &launch, const std::vector<Argument> &arguments) {
    const int n = translation.n_parameters;
    if (int(arguments.size()) != n)
        stop("kernel %s is launched with %zu arguments, and its translation has %d parameters",
             translation.kernel, arguments.size(), n);
    auto *const call = new TranslatedCall{translation, {}};
    for (int i = 0; i < n; i++) {
        const Parameter &parameter = translation.parameters[i];
        const Argument &argument = arguments[size_t(i)];
        if (argument.size != parameter.size || argument.align != parameter.align)
            stop(
                "argument %d of kernel %s has %zu bytes, aligned to %zu, and its translation's %zu, aligned "
                "to %zu",
                i, translation.kernel, argument.size, argument.align, parameter.size, parameter.align);
        call->parameters.resize(parameter.offset + parameter.size, 0xff);
        std::memcpy(call->parameters.data() + parameter.offset, argument.bytes, argument.size);
    }
    n_launched++;
    Work work = launch;
    work.run = &TranslatedCall::run;
    work.forget = &TranslatedCall::forget;
    work.arguments = &TranslatedCall::list;
    work.call = call;
    return work;
}

Work translated(const Work &work) {
    Dl_info info;
    const bool has_name = dladdr(work.kernel, &info) && info.dli_saddr == work.kernel && info.dli_sname;
    const Translation *const translation = find_translation(has_name ? info.dli_sname : "");
    if (!translation) return work;
    const Work chosen = work_of(*translation, work, work.arguments(work.call));
    work.forget(work.call);
    return chosen;
}

}  // namespace stand_in
