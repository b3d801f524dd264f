/*
 * The custom call of XLA: one target for all functions of libcpab, on the CPU and on CUDA devices.
 *
 * Arrays are those of the function, with the batch as the first axis of all. On a CUDA device the tables of
 * the tessellation come before the inputs, and scratch before the results. So XLA knows all memory that the
 * call uses, and may record it in a CUDA graph. (What ffi::ScratchAllocator gives is free again when the call
 * returns, and each run of the graph would still write there.)
 */
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "functions.h"
#include "status.h"
#include "tessellations.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace cpabx {

/* What a call computes besides its arrays. */
struct Problem {
    std::string_view version, function;
    ffi::Span<const int64_t> cells;
    ffi::Span<const double> lower, upper;
    int64_t outside;
    double time;
    int64_t padding, interpolation, align_corners;
};

}  // namespace cpabx

XLA_FFI_REGISTER_STRUCT_ATTR_DECODING(
    cpabx::Problem, StructMember<std::string_view>("version"), StructMember<std::string_view>("function"),
    StructMember<Span<const int64_t>>("cells"), StructMember<Span<const double>>("lower"),
    StructMember<Span<const double>>("upper"), StructMember<int64_t>("outside"), StructMember<double>("time"),
    StructMember<int64_t>("padding"), StructMember<int64_t>("interpolation"),
    StructMember<int64_t>("align_corners"));

namespace cpabx {
namespace {

using Bytes = ffi::Buffer<ffi::U8>;
using Buffers = std::vector<ffi::AnyBuffer>;

/* The library that works in the memory of a device; they stay when the process ends. */
struct Device {
    cpab_device device;
    Library library{};
    Tessellations tessellations{};
    std::string wrong{};
};

Device &cpu() {
    static auto *device = new Device{CPAB_CPU};
    return *device;
}

Device &cuda() {
    static auto *device = new Device{CPAB_CUDA};
    return *device;
}

bool is_zero(const ffi::AnyBuffer &buffer) {
    const auto all_zero = [&](auto *values) {
        return std::all_of(values, values + buffer.element_count(), [](auto value) { return value == 0; });
    };
    return buffer.element_type() == ffi::F32 ? all_zero(buffer.typed_data<float>())
                                             : all_zero(buffer.typed_data<double>());
}

cpab_tessellation_options options_of(const Problem &problem) {
    cpab_tessellation_options options = {};
    options.struct_size = sizeof(options);
    options.ndim = static_cast<int32_t>(problem.cells.size());
    options.outside = static_cast<int32_t>(problem.outside);
    for (size_t d = 0; d < problem.cells.size() && d < CPAB_MAX_NDIM; ++d) {
        options.cells[d] = problem.cells[d];
        options.lower[d] = problem.lower[d];
        options.upper[d] = problem.upper[d];
    }
    return options;
}

/* Sizes along x, y, z of images (N, (z, (y,)) x, C). */
void set_size(const ffi::AnyBuffer &images, int64_t *size) {
    const auto shape = images.dimensions();
    std::reverse_copy(shape.begin() + 1, shape.end() - 1, size);
}

cpab_image image_of(const Problem &problem, Kind kind, const Buffers &inputs, const Buffers &results) {
    cpab_image image = {};
    image.struct_size = sizeof(image);
    image.ndim = static_cast<int32_t>(inputs[0].dimensions().size()) - 2;
    image.padding = static_cast<int32_t>(problem.padding);
    image.interpolation = static_cast<int32_t>(problem.interpolation);
    image.align_corners = static_cast<int32_t>(problem.align_corners);
    image.channels_last = 1;
    image.channels = inputs[0].dimensions().back();
    set_size(inputs[0], image.size);
    if (kind == Kind::warp) set_size(inputs.size() > 2 ? inputs[2] : results[0], image.output_size);
    return image;
}

/* Runs a call, which may know of memory on a device already. */
ffi::Error run(Device &at, const Problem &problem, cpab_call call, const Buffers &inputs,
               const Buffers &results) {
    const Function *function = function_called(problem.function);
    if (function == nullptr || inputs.size() < 2 || inputs.size() + results.size() != function->n_arrays)
        return ffi::Error::InvalidArgument(
            "a program must call functions that libcpab has, with their arrays; got " +
            std::string(problem.function) + " of cpabx " + std::string(problem.version) +
            ". Make the program again.");
    std::vector<void *> arrays;
    for (const ffi::AnyBuffer &input : inputs) {
        const bool left_out =
            at.device == CPAB_CPU && arrays.size() >= function->first_optional && is_zero(input);
        arrays.push_back(left_out ? nullptr : input.untyped_data());
    }
    for (const ffi::AnyBuffer &result : results) arrays.push_back(result.untyped_data());

    cpab_image image;
    Tessellation tessellation;
    call.struct_size = sizeof(call);
    if (function->kind != Kind::sampling) {
        const cpab_status status = at.tessellations.get(at.library, options_of(problem), &tessellation);
        if (status != CPAB_OK) return outcome(at.library, status, problem.time);
        call.tess = tessellation.get();
    }
    if (function->kind != Kind::flow) {
        image = image_of(problem, function->kind, inputs, results);
        call.image = &image;
    }
    call.dtype = inputs[0].element_type() == ffi::F32 ? CPAB_FLOAT32 : CPAB_FLOAT64;
    call.device = at.device;
    call.n_batch = call.points_batch = inputs[0].dimensions()[0];
    if (function->kind != Kind::warp)
        call.n_points = inputs[function->kind == Kind::sampling].dimensions()[1];
    call.time = problem.time;
    const cpab_status status = function->call(at.library.find(function->name), &call, arrays.data());
    return outcome(at.library, status, call.time, call.failed_item);
}

Buffers buffers(const ffi::RemainingArgs &inputs) {
    Buffers found;
    for (size_t i = 0; i < inputs.size(); ++i) found.push_back(*inputs.get<ffi::AnyBuffer>(i));
    return found;
}

Buffers buffers(const ffi::RemainingRets &results) {
    Buffers found;
    for (size_t i = 0; i < results.size(); ++i) found.push_back(**results.get<ffi::AnyBuffer>(i));
    return found;
}

ffi::Error on_cpu(Problem problem, ffi::RemainingArgs inputs, ffi::RemainingRets results) {
    return run(cpu(), problem, {}, buffers(inputs), buffers(results));
}

ffi::Error on_cuda(void *stream, Problem problem, Bytes tables, ffi::RemainingArgs inputs,
                   ffi::Result<Bytes> scratch, ffi::RemainingRets results) {
    if (cuda().library.version() != problem.version)
        return ffi::Error::InvalidArgument(
            "a program for CUDA devices, which holds tables of libcpab_cuda, must be run with the version of "
            "cpabx that "
            "it was made with; got " +
            std::string(problem.version) + ", and cpabx " + cuda().library.version() +
            ". Make the program again.");
    cpab_call call = {};
    call.tables = tables.untyped_data();
    call.scratch = scratch->untyped_data();
    call.scratch_bytes = static_cast<int64_t>(scratch->size_bytes());
    call.stream = stream;
    return run(cuda(), problem, call, buffers(inputs), buffers(results));
}

ffi::Error without_stream(Problem problem, Bytes tables, ffi::RemainingArgs inputs,
                          ffi::Result<Bytes> scratch, ffi::RemainingRets results) {
    return on_cuda(nullptr, problem, tables, inputs, scratch, results);
}

template <typename Binding>
auto with_memory(Binding binding) {
    return std::move(binding)
        .template Attrs<Problem>()
        .template Arg<Bytes>()
        .RemainingArgs()
        .template Ret<Bytes>()
        .RemainingRets();
}

const char *opened(Device &at, const char *path) {
    at.wrong = at.library.open(path);
    return at.wrong.empty() ? nullptr : at.wrong.c_str();
}

}  // namespace
}  // namespace cpabx

XLA_FFI_DEFINE_HANDLER_SYMBOL(cpabx_jax_cpu, cpabx::on_cpu,
                              ffi::Ffi::Bind().Attrs<cpabx::Problem>().RemainingArgs().RemainingRets());
XLA_FFI_DEFINE_HANDLER_SYMBOL(cpabx_jax_cuda, cpabx::on_cuda,
                              cpabx::with_memory(ffi::Ffi::Bind().Ctx<ffi::PlatformStream<void *>>()),
                              {ffi::Traits::kCmdBufferCompatible});
/* The same on XLA's CPU, which has no streams: for tests without a GPU. */
XLA_FFI_DEFINE_HANDLER_SYMBOL(cpabx_jax_cuda_without_stream, cpabx::without_stream,
                              cpabx::with_memory(ffi::Ffi::Bind()));

/* NULL, or what is wrong with the library of that path. */
extern "C" const char *cpabx_jax_open_cpu(const char *path) { return cpabx::opened(cpabx::cpu(), path); }
extern "C" const char *cpabx_jax_open_cuda(const char *path) { return cpabx::opened(cpabx::cuda(), path); }
