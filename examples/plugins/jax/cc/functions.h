/* The functions of libcpab, once: what their arrays are. */
#ifndef CPABX_JAX_FUNCTIONS_H
#define CPABX_JAX_FUNCTIONS_H

#include <cstddef>
#include <string_view>
#include <utility>

#include "cpab.h"

namespace cpabx {

/* What the first two arrays are: points and fields, images and points, or images and fields. */
enum class Kind { flow, sampling, warp };

struct Function {
    const char *name; /* in the header */
    Kind kind;
    size_t n_arrays; /* of inputs and results */
    size_t
        first_optional; /* inputs from here on need not be given where they are zeros, which is then faster */
    cpab_status (*call)(void *function, cpab_call *call, void *const *arrays);
};

template <typename... Arrays, size_t... i>
cpab_status call_with(cpab_status (*function)(cpab_call *, Arrays...), cpab_call *call, void *const *arrays,
                      std::index_sequence<i...>) {
    return function(call, arrays[i]...);
}

/* A row, by the type that the header gives the function: libcpab is not linked to. */
template <typename... Arrays>
Function row(cpab_status (*)(cpab_call *, Arrays...), const char *name, Kind kind,
             size_t first_optional = sizeof...(Arrays)) {
    return {name, kind, sizeof...(Arrays), first_optional,
            [](void *function, cpab_call *call, void *const *arrays) {
                return call_with(reinterpret_cast<cpab_status (*)(cpab_call *, Arrays...)>(function), call,
                                 arrays, std::index_sequence_for<Arrays...>());
            }};
}

#define CPABX_ROW(name, ...) row(decltype (&name)(), #name, __VA_ARGS__)

/* The row of a function, or none. */
inline const Function *function_called(std::string_view name) {
    static const Function table[] = {
        CPABX_ROW(cpab_transform, Kind::flow),        CPABX_ROW(cpab_transform_vjp, Kind::flow),
        CPABX_ROW(cpab_transform_jvp, Kind::flow, 2), CPABX_ROW(cpab_transform_vjp_jvp, Kind::flow, 3),
        CPABX_ROW(cpab_velocity, Kind::flow),         CPABX_ROW(cpab_jacobian, Kind::flow),
        CPABX_ROW(cpab_jacobian_vjp, Kind::flow, 2),  CPABX_ROW(cpab_sample, Kind::sampling),
        CPABX_ROW(cpab_sample_vjp, Kind::sampling),   CPABX_ROW(cpab_warp, Kind::warp),
        CPABX_ROW(cpab_warp_vjp, Kind::warp),
    };
    for (const Function &function : table)
        if (name == function.name) return &function;
    return nullptr;
}

}  // namespace cpabx

#endif
