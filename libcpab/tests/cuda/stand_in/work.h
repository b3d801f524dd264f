/* What a stream is given to do: a kernel with its arguments, which were copied when it was launched. */
#ifndef CPAB_TESTS_STAND_IN_WORK_H
#define CPAB_TESTS_STAND_IN_WORK_H

#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <vector>

namespace stand_in {

/* The bytes of an argument of a kernel. */
struct Argument {
    const void *bytes;
    size_t size, align;
};

struct Work {
    const void *kernel; /* to tell its name */
    int64_t blocks, rows, shared_bytes;
    void (*run)(const void *call); /* as one thread of it */
    void (*forget)(const void *call);
    std::vector<Argument> (*arguments)(const void *call);
    const void *call;
};

/* A kernel with its arguments. Every thread has its own copy of these. */
template <typename... Parameters>
struct Call {
    static_assert((std::is_trivially_copyable<Parameters>::value && ...),
                  "CUDA copies arguments byte by byte");
    static_assert((sizeof(Parameters) + ... + 0) <= 4096, "arguments are larger than every device takes");

    void (*kernel)(Parameters...);
    std::tuple<Parameters...> arguments;

    static void run(const void *call) {
        const Call &self = *static_cast<const Call *>(call);
        std::apply(self.kernel, self.arguments);
    }
    static std::vector<Argument> list(const void *call) {
        return std::apply(
            [](const Parameters &...all) {
                return std::vector<Argument>{{&all, sizeof(Parameters), alignof(Parameters)}...};
            },
            static_cast<const Call *>(call)->arguments);
    }
    static void forget(const void *call) { delete static_cast<const Call *>(call); }
};

}  // namespace stand_in

#endif
