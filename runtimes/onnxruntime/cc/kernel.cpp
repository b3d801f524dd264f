#include "kernel.h"

#include <algorithm>

#include "failure.h"
#include "session_threads.h"

namespace cpabx {
namespace {

std::vector<int64_t> with(std::vector<int64_t> first, const std::vector<int64_t> &rest) {
    first.insert(first.end(), rest.begin(), rest.end());
    return first;
}

bool node_has_third_input(const ort::Api &api, const OrtKernelInfo *info) {
    size_t n = 0;
    require(api(ort::n_inputs_of_node, info, &n));
    return n > 2;
}

Failure misfit(const std::string &name, const std::string &shape, const Tensor &given) {
    return failure(name + " must be " + shape, shown(given.shape), "Correct what the node is given.");
}

}  // namespace

std::vector<int64_t> Kernel::Sizes::of(Shape shape) const {
    switch (shape) {
        case Shape::cloud: return {n_batch, n_points, ndim};
        case Shape::matrices: return {n_batch, n_points, ndim, ndim};
        case Shape::numbers: return {n_batch, n_points};
        case Shape::sampled: return {n_batch, channels, n_points};
        case Shape::warped: return with({n_batch, channels}, output_size);
    }
    return {};
}

Kernel::Kernel(const OrtApi *table, const OrtKernelInfo *info, const Operator &of)
    : api_(table),
      operator_(of),
      size_is_input_(node_has_third_input(api_, info)),
      problem_(Attributes(api_, info), of, size_is_input_) {}

void Kernel::compute(OrtKernelContext *context) const {
    const SessionThreads threads(api_, context);
    const Tensor first = input(context, 0), second = input(context, 1);
    Sizes sizes = measure(first, second);
    if (operator_.kind == Kind::warp)
        sizes.output_size = size_is_input_ ? output_size(context) : problem_.output_size;
    call(sizes, first.type, threads.most(), first.data, second.data, outputs(context, sizes));
}

Tensor Kernel::input(OrtKernelContext *context, size_t number) const {
    const OrtValue *value = nullptr;
    require(api_(ort::input, context, number, &value));
    if (value == nullptr)
        throw failure(std::string(operator_.name) + " must have all its inputs",
                      "none at place " + std::to_string(number), "Correct the node.");
    return Tensor(api_, value);
}

Kernel::Sizes Kernel::measure(const Tensor &first, const Tensor &second) const {
    Sizes sizes;
    sizes.ndim = problem_.sizes.ndim;
    if (operator_.has_images())
        measure_images(first, &sizes);
    else
        sizes.n_batch = second.shape.empty() ? 0 : second.shape[0];
    if (operator_.has_flow()) check_velocity(second);
    if (operator_.kind == Kind::sampling)
        measure_points(second, "points", &sizes);
    else if (operator_.kind != Kind::warp)
        measure_points(first, "points", &sizes);
    else if (second.shape[0] != sizes.n_batch)
        throw failure("images and velocity must have one batch size",
                      shown(first.shape) + " and " + shown(second.shape), "Correct what the node is given.");
    return sizes;
}

/* Sampling has no tessellation, and the images tell how many dimensions there are. */
void Kernel::measure_images(const Tensor &images, Sizes *sizes) const {
    const int64_t ndim = static_cast<int64_t>(images.shape.size()) - 2;
    const bool fits = sizes->ndim == 0 ? ndim >= 1 && ndim <= CPAB_MAX_NDIM : ndim == sizes->ndim;
    if (!fits)
        throw misfit("images", "(N, C, W), (N, C, H, W) or (N, C, D, H, W) as the dimensions are", images);
    sizes->ndim = ndim;
    sizes->n_batch = images.shape[0];
    sizes->channels = images.shape[1];
    sizes->size.assign(images.shape.begin() + 2, images.shape.end());
}

void Kernel::measure_points(const Tensor &points, const std::string &name, Sizes *sizes) const {
    const std::vector<int64_t> &shape = points.shape;
    const bool fits =
        shape.size() == 3 && shape[2] == sizes->ndim && (shape[0] == 1 || shape[0] == sizes->n_batch);
    if (!fits)
        throw misfit(name,
                     "(1 or " + std::to_string(sizes->n_batch) + ", P, " + std::to_string(sizes->ndim) + ")",
                     points);
    sizes->points_batch = shape[0];
    sizes->n_points = shape[1];
}

void Kernel::check_velocity(const Tensor &velocity) const {
    const int64_t n_vertices = problem_.sizes.n_vertices, ndim = problem_.sizes.ndim;
    const std::vector<int64_t> &shape = velocity.shape;
    if (shape.size() != 3 || shape[1] != n_vertices || shape[2] != ndim)
        throw misfit("velocity", "(N, " + std::to_string(n_vertices) + ", " + std::to_string(ndim) + ")",
                     velocity);
}

std::vector<int64_t> Kernel::output_size(OrtKernelContext *context) const {
    const Tensor given = input(context, 2);
    if (given.shape.size() != 1 || given.size() != problem_.sizes.ndim)
        throw misfit("size", "(" + std::to_string(problem_.sizes.ndim) + ",)", given);
    const auto *first = static_cast<const int64_t *>(given.data);
    return std::vector<int64_t>(first, first + given.size());
}

/* One that nobody uses may be left out at the end, and is not computed. */
std::vector<void *> Kernel::outputs(OrtKernelContext *context, const Sizes &sizes) const {
    std::vector<void *> found;
    for (size_t i = 0; i < operator_.outputs.size(); ++i) {
        const std::vector<int64_t> shape = sizes.of(operator_.outputs[i]);
        if (std::any_of(shape.begin(), shape.end(), [](int64_t size) { return size < 0; }))
            throw failure("output_size must be at least 0", shown(sizes.output_size),
                          "Correct what the node is given.");
        OrtValue *value = nullptr;
        void *data = nullptr;
        require(api_(ort::output, context, i, shape.data(), shape.size(), &value));
        if (value != nullptr) require(api_(ort::tensor_data, value, &data));
        found.push_back(data);
    }
    return found;
}

void Kernel::call(const Sizes &sizes, int type, int32_t n_threads, const void *first, const void *second,
                  const std::vector<void *> &outputs) const {
    cpab_image image = problem_.image;
    image.ndim = static_cast<int32_t>(sizes.ndim);
    image.channels = sizes.channels;
    std::copy(sizes.size.rbegin(), sizes.size.rend(), image.size);  // libcpab counts x first
    std::copy(sizes.output_size.rbegin(), sizes.output_size.rend(), image.output_size);
    cpab_call call = {};
    call.struct_size = sizeof(call);
    call.tess = problem_.tessellation.get();
    call.image = operator_.has_images() ? &image : nullptr;
    call.dtype = type == ort::float32 ? CPAB_FLOAT32 : CPAB_FLOAT64;
    call.device = CPAB_CPU;
    call.n_batch = sizes.n_batch;
    call.n_points = sizes.n_points;
    call.points_batch = operator_.kind == Kind::warp ? 1 : sizes.points_batch;
    call.time = problem_.time;
    call.n_threads = n_threads;
    const cpab_status status = operator_.call(libcpab(), &call, first, second, outputs.data());
    check(status, call.time, call.failed_item);
}

}  // namespace cpabx
