/*
 * Calls of libcpab_cuda with memory of the CPU. Besides what tests ask, every call shows that
 *   - scratch of cpab_scratch_bytes() is enough, and nothing is written outside of any array,
 *   - arrays need no more than the alignment of their numbers,
 *   - inputs and tables are only read,
 *   - results are written by calls that succeed, and by no others,
 *   - the structs of a call are not read any more once it has returned.
 */
#define CPAB_TESTS_ADAPTER
#include "adapter.h"

#include <functional>
#include <memory>

#include "device_array.h"
#include "sizes_of_arrays.h"

namespace adapter {

namespace {

const char *const names[] = {"transform",         "transform_vjp", "velocity",     "transform_jvp",
                             "transform_vjp_jvp", "jacobian",      "jacobian_vjp", "sample",
                             "sample_vjp",        "warp",          "warp_vjp"};

[[noreturn]] void fail(cpab_function function, const char *what) {
    std::fprintf(stderr, "cpab_%s(): %s\n", names[function], what);
    std::abort();
}

bool is_wanted(const char *variable) {
    const char *const value = std::getenv(variable);
    return value && !std::strcmp(value, "1");
}

/* Calls wait for each other's results here, so that one is enough; not the default one. */
void *stream() {
    static void *const one = device::make_stream();
    return one;
}

/* What a call is to an array. SUM is a result whose bits may differ from call to call, if the caller allows
 * it. */
enum class Role { INPUT, RESULT, SUM };

/* An argument of a function: an array of the caller's, or NULL. */
struct Argument {
    void *host;
    int64_t bytes;
    Role role;
};

Argument input(const void *host, int64_t bytes) { return {const_cast<void *>(host), bytes, Role::INPUT}; }
Argument result(void *host, int64_t bytes) { return {host, bytes, Role::RESULT}; }
Argument sum(void *host, int64_t bytes) { return {host, bytes, Role::SUM}; }

/* Calls a function of the library with these arrays. */
using Function = std::function<cpab_status(cpab_call *call, void *const *arrays)>;

/* What a call answers: a status with its item, and the results as they lie in the device's memory. */
struct Answer {
    cpab_status status;
    int64_t failed_item;
    std::vector<Bytes> results; /* by arguments; empty for inputs */
};

class Adapter {
public:
    Adapter(cpab_function function, const cpab_call &call, const std::vector<Argument> &arguments)
        : function_(function), call_(call), arguments_(arguments) {
        if (is_wanted("CPAB_TEST_DETERMINISTIC")) call_.deterministic = 1;
        make_tables();
        call_.stream = stream();
        const int64_t bytes = cpab_scratch_bytes(&call_, function);
        require(bytes >= 0, "the size of its scratch is negative");
        scratch_.reset(new DeviceArray(bytes, 0, stream()));
        call_.scratch = scratch_->data();
        call_.scratch_bytes = bytes;
    }

    Answer answer(const Function &call_library) {
        Answer first = attempt(call_library);
        if (!is_wanted("CPAB_TEST_TWICE")) return first;
        device::turn_orders(true);
        const Answer second = attempt(call_library);
        device::turn_orders(false);
        require(first.status == second.status && first.failed_item == second.failed_item,
                "the second time, it answers otherwise");
        for (size_t i = 0; i < arguments_.size(); i++)
            if (arguments_[i].role != Role::SUM || call_.deterministic)
                require(first.results[i] == second.results[i], "the second time, bits differ");
        return first;
    }

private:
    using Arrays = std::vector<std::shared_ptr<DeviceArray>>;

    void require(bool condition, const char *what) const {
        if (!condition) fail(function_, what);
    }

    bool takes_image() const { return function_ >= CPAB_SAMPLE; }
    bool takes_tessellation() const { return function_ != CPAB_SAMPLE && function_ != CPAB_SAMPLE_VJP; }

    void make_tables() {
        if (!takes_tessellation()) return;
        const int64_t bytes = cpab_tables(call_.tess, call_.dtype, nullptr);
        require(bytes > 0, "its tessellation has no tables");
        host_tables_.resize(size_t(bytes));
        require(cpab_tables(call_.tess, call_.dtype, host_tables_.data()) == bytes,
                "tables change their size");
        tables_.reset(new DeviceArray(bytes, 0, stream()));
        tables_->fill(host_tables_.data());
        call_.tables = tables_->data();
    }

    /* In memory that is aligned to one number, but not to two. A result in place of an input shares its
     * memory. */
    Arrays make_arrays() const {
        Arrays arrays;
        for (const Argument &argument : arguments_) {
            std::shared_ptr<DeviceArray> array;
            for (size_t i = 0; i < arrays.size() && argument.role != Role::INPUT; i++)
                if (argument.host && arguments_[i].host == argument.host &&
                    arguments_[i].bytes == argument.bytes)
                    array = arrays[i];
            const bool is_large = argument.role == Role::INPUT && argument.bytes > device::most_copied;
            if (argument.host && is_large)
                array.reset(new DeviceArray(argument.host, argument.bytes, stream()));
            if (argument.host && !array) {
                array.reset(new DeviceArray(argument.bytes, bytes_per_number(call_), stream()));
                if (argument.role == Role::INPUT) array->fill(argument.host);
            }
            arrays.push_back(array);
        }
        return arrays;
    }

    /* Calls with structs that are gone before the device has begun, or at least before its results are waited
     * for. */
    cpab_status call_library(const Function &function, const cpab_call &call, const Arrays &arrays,
                             int64_t &failed_item) const {
        std::vector<void *> pointers;
        for (const auto &array : arrays) pointers.push_back(array ? array->data() : nullptr);
        const std::unique_ptr<cpab_call> mine(new cpab_call(call));
        std::unique_ptr<cpab_image> image;
        if (takes_image()) {
            image.reset(new cpab_image(*call.image));
            mine->image = image.get();
        }
        const cpab_status status = function(mine.get(), pointers.data());
        failed_item = mine->failed_item;
        std::memset(mine.get(), 0xff, sizeof *mine);
        if (image) std::memset(image.get(), 0xff, sizeof *image);
        return status;
    }

    /* The device's report: a status as the library of the CPU would have answered. */
    void add_report(const cpab_report &report, Answer &answer) const {
        for (const int32_t item : {report.out_of_range_item, report.diverged_item})
            require(item >= -1 && item < call_.n_batch, "it reports an item that there is not");
        if (answer.status != CPAB_OK) {
            require(report.out_of_range_item < 0 && report.diverged_item < 0, "it is refused, and reports");
            return;
        }
        require(answer.failed_item == -1, "it succeeds, but has a failed item");
        if (report.out_of_range_item >= 0) {
            answer.status = CPAB_E_RANGE;
            answer.failed_item = report.out_of_range_item;
        } else if (report.diverged_item >= 0) {
            answer.status = CPAB_E_DIVERGED;
            answer.failed_item = report.diverged_item;
        }
    }

    bool is_as_it_was(const std::shared_ptr<DeviceArray> &array, const void *host) const {
        const int64_t large = int64_t(1) << 30; /* takes too long to compare */
        return array->size() == 0 || array->size() > large ||
               !std::memcmp(array->read().data(), host, size_t(array->size()));
    }

    void check_arrays(const Arrays &arrays, const Answer &answer, bool was_refused) const {
        for (size_t i = 0; i < arrays.size(); i++) {
            if (!arrays[i]) continue;
            const bool in_place = arrays[i].use_count() > 1;
            require(arrays[i]->is_intact(), "it writes outside of an array");
            if ((arguments_[i].role == Role::INPUT && !in_place) || (in_place && was_refused))
                require(is_as_it_was(arrays[i], arguments_[i].host), "it changes an input");
            if (arguments_[i].role != Role::INPUT && was_refused && !in_place)
                require(are_blank(answer.results[i]), "it is refused, and changes a result");
        }
        require(scratch_->is_intact(), "it writes outside of its scratch");
        if (tables_) {
            require(tables_->is_intact(), "it writes outside of its tables");
            require(is_as_it_was(tables_, host_tables_.data()), "it changes the tables");
        }
    }

    Answer attempt(const Function &function) const {
        const Arrays arrays = make_arrays();
        DeviceArray device_report(sizeof(cpab_report), 0, stream());
        cpab_report report = {-1, -1};
        device_report.fill(&report);
        cpab_call call = call_;
        call.report = static_cast<cpab_report *>(device_report.data());
        std::unique_ptr<DeviceArray> tape;
        if (call.tape && call.tape_bytes > 0) {
            tape.reset(new DeviceArray(call.tape_bytes, 1, stream()));
            tape->fill(call.tape);
            call.tape = tape->data();
        }
        Answer answer;
        answer.status = call_library(function, call, arrays, answer.failed_item);
        const bool was_refused = answer.status != CPAB_OK;
        for (size_t i = 0; i < arrays.size(); i++) {
            const bool is_result = arrays[i] && arguments_[i].role != Role::INPUT;
            answer.results.push_back(is_result ? arrays[i]->read() : Bytes());
        }
        std::memcpy(&report, device_report.read().data(), sizeof report);
        require(device_report.is_intact(), "it writes outside of its report");
        if (tape) {
            require(tape->is_intact(), "it writes outside of its tape");
            const Bytes bytes = tape->read();
            std::memcpy(call_.tape, bytes.data(), bytes.size());
        }
        check_arrays(arrays, answer, was_refused);
        add_report(report, answer);
        return answer;
    }

    const cpab_function function_;
    cpab_call call_;
    const std::vector<Argument> arguments_;
    Bytes host_tables_;
    std::shared_ptr<DeviceArray> tables_, scratch_;
};

/* A call that cannot be made on the device, as its sizes are none. */
cpab_status refuse(cpab_function function, cpab_call *call, const std::vector<Argument> &arguments,
                   const Function &call_library) {
    std::vector<void *> pointers;
    for (const Argument &argument : arguments) pointers.push_back(argument.host);
    const cpab_status status = call_library(call, pointers.data());
    if (status == CPAB_OK) fail(function, "it succeeds, though it has no sizes");
    return status;
}

/* A call for the device of libcpab is one for that of libcpab_cuda, and the other way round. */
int32_t other_device(int32_t device) {
    return device == CPAB_CPU ? int32_t(CPAB_CUDA) : device == CPAB_CUDA ? int32_t(CPAB_CPU) : device;
}

bool has_members(const cpab_call *call) { return call && call->struct_size == sizeof *call; }

cpab_status adapt(cpab_function function, cpab_call *call, const Sizes &sizes,
                  const std::vector<Argument> &arguments, const Function &call_library) {
    if (!has_members(call)) return refuse(function, call, arguments, call_library);
    cpab_call mine = *call;
    mine.device = other_device(call->device);
    if (!sizes.known) {
        const cpab_status status = refuse(function, &mine, arguments, call_library);
        call->failed_item = mine.failed_item;
        return status;
    }
    Adapter adapter(function, mine, arguments);
    const Answer answer = adapter.answer(call_library);
    call->failed_item = answer.failed_item;
    if (answer.status == CPAB_OK || answer.status == CPAB_E_DIVERGED)
        for (size_t i = 0; i < arguments.size(); i++)
            if (!answer.results[i].empty())
                std::memcpy(arguments[i].host, answer.results[i].data(), answer.results[i].size());
    return answer.status;
}

Sizes sizes_of(const cpab_call *call, Sizes (*sizes)(const cpab_call &call)) {
    return has_members(call) ? sizes(*call) : unknown;
}

}  // namespace

}  // namespace adapter

using namespace adapter;

extern "C" {

cpab_status adapted_transform(cpab_call *call, const void *points, const void *velocity, void *out) {
    const Sizes s = sizes_of(call, flow_sizes);
    return adapt(CPAB_TRANSFORM, call, s,
                 {input(points, s.given), input(velocity, s.fields), result(out, s.clouds)},
                 [](cpab_call *c, void *const *a) { return cpab_transform(c, a[0], a[1], a[2]); });
}

cpab_status adapted_transform_vjp(cpab_call *call, const void *points, const void *velocity,
                                  const void *grad_out, void *grad_points, void *grad_velocity) {
    const Sizes s = sizes_of(call, flow_sizes);
    return adapt(
        CPAB_TRANSFORM_VJP, call, s,
        {input(points, s.given), input(velocity, s.fields), input(grad_out, s.clouds),
         result(grad_points, s.clouds), result(grad_velocity, s.fields)},
        [](cpab_call *c, void *const *a) { return cpab_transform_vjp(c, a[0], a[1], a[2], a[3], a[4]); });
}

cpab_status adapted_velocity(cpab_call *call, const void *points, const void *velocity, void *out) {
    const Sizes s = sizes_of(call, flow_sizes);
    return adapt(CPAB_VELOCITY, call, s,
                 {input(points, s.given), input(velocity, s.fields), result(out, s.clouds)},
                 [](cpab_call *c, void *const *a) { return cpab_velocity(c, a[0], a[1], a[2]); });
}

cpab_status adapted_transform_jvp(cpab_call *call, const void *points, const void *velocity,
                                  const void *tangent_points, const void *tangent_velocity,
                                  void *out_tangent) {
    const Sizes s = sizes_of(call, flow_sizes);
    return adapt(
        CPAB_TRANSFORM_JVP, call, s,
        {input(points, s.given), input(velocity, s.fields), input(tangent_points, s.given),
         input(tangent_velocity, s.fields), result(out_tangent, s.clouds)},
        [](cpab_call *c, void *const *a) { return cpab_transform_jvp(c, a[0], a[1], a[2], a[3], a[4]); });
}

cpab_status adapted_transform_vjp_jvp(cpab_call *call, const void *points, const void *velocity,
                                      const void *grad_out, const void *tangent_points,
                                      const void *tangent_velocity, void *grad_points, void *grad_velocity) {
    const Sizes s = sizes_of(call, flow_sizes);
    return adapt(CPAB_TRANSFORM_VJP_JVP, call, s,
                 {input(points, s.given), input(velocity, s.fields), input(grad_out, s.clouds),
                  input(tangent_points, s.given), input(tangent_velocity, s.fields),
                  result(grad_points, s.clouds), result(grad_velocity, s.fields)},
                 [](cpab_call *c, void *const *a) {
                     return cpab_transform_vjp_jvp(c, a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
                 });
}

cpab_status adapted_jacobian(cpab_call *call, const void *points, const void *velocity, void *jacobian,
                             void *log_det) {
    const Sizes s = sizes_of(call, flow_sizes);
    return adapt(CPAB_JACOBIAN, call, s,
                 {input(points, s.given), input(velocity, s.fields), result(jacobian, s.matrices),
                  result(log_det, s.log_dets)},
                 [](cpab_call *c, void *const *a) { return cpab_jacobian(c, a[0], a[1], a[2], a[3]); });
}

cpab_status adapted_jacobian_vjp(cpab_call *call, const void *points, const void *velocity,
                                 const void *grad_jacobian, const void *grad_log_det, void *grad_points,
                                 void *grad_velocity) {
    const Sizes s = sizes_of(call, flow_sizes);
    return adapt(
        CPAB_JACOBIAN_VJP, call, s,
        {input(points, s.given), input(velocity, s.fields), input(grad_jacobian, s.matrices),
         input(grad_log_det, s.log_dets), result(grad_points, s.clouds), result(grad_velocity, s.fields)},
        [](cpab_call *c, void *const *a) {
            return cpab_jacobian_vjp(c, a[0], a[1], a[2], a[3], a[4], a[5]);
        });
}

cpab_status adapted_sample(cpab_call *call, const void *images, const void *points, void *out) {
    const Sizes s = sizes_of(call, sample_sizes);
    return adapt(CPAB_SAMPLE, call, s,
                 {input(images, s.images), input(points, s.given), result(out, s.values)},
                 [](cpab_call *c, void *const *a) { return cpab_sample(c, a[0], a[1], a[2]); });
}

cpab_status adapted_sample_vjp(cpab_call *call, const void *images, const void *points, const void *grad_out,
                               void *grad_images, void *grad_points) {
    const Sizes s = sizes_of(call, sample_sizes);
    return adapt(
        CPAB_SAMPLE_VJP, call, s,
        {input(images, s.images), input(points, s.given), input(grad_out, s.values),
         sum(grad_images, s.images), result(grad_points, s.clouds)},
        [](cpab_call *c, void *const *a) { return cpab_sample_vjp(c, a[0], a[1], a[2], a[3], a[4]); });
}

cpab_status adapted_warp(cpab_call *call, const void *images, const void *velocity, void *out) {
    const Sizes s = sizes_of(call, warp_sizes);
    return adapt(CPAB_WARP, call, s,
                 {input(images, s.images), input(velocity, s.fields), result(out, s.values)},
                 [](cpab_call *c, void *const *a) { return cpab_warp(c, a[0], a[1], a[2]); });
}

cpab_status adapted_warp_vjp(cpab_call *call, const void *images, const void *velocity, const void *grad_out,
                             void *grad_images, void *grad_velocity) {
    const Sizes s = sizes_of(call, warp_sizes);
    return adapt(CPAB_WARP_VJP, call, s,
                 {input(images, s.images), input(velocity, s.fields), input(grad_out, s.values),
                  sum(grad_images, s.images), result(grad_velocity, s.fields)},
                 [](cpab_call *c, void *const *a) { return cpab_warp_vjp(c, a[0], a[1], a[2], a[3], a[4]); });
}

}  // extern "C"
