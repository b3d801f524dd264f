/* What a runtime calls: the operators of domain "cpabx", each for float32 and for float64. */
#include <list>
#include <mutex>

#include "failure.h"
#include "kernel.h"

namespace cpabx {
namespace {

/* An operator for one type of numbers, with the functions that the runtime asks about it. */
struct Registered : OrtCustomOp {
    const Operator &of;
    int type;

    Registered(const Operator &row, int element_type) : OrtCustomOp{}, of(row), type(element_type) {
        version = CPABX_ORT_API_VERSION;
        GetName = [](const OrtCustomOp *op) { return self(op).of.name; };
        GetExecutionProviderType = [](const OrtCustomOp *) -> const char * { return nullptr; };  // the CPU
        GetInputTypeCount = [](const OrtCustomOp *op) -> size_t {
            return self(op).of.kind == Kind::warp ? 3 : 2;
        };
        GetInputType = [](const OrtCustomOp *op, size_t i) -> int {
            return i < 2 ? self(op).type : ort::int64;
        };
        GetInputCharacteristic = [](const OrtCustomOp *, size_t i) -> int {
            return i < 2 ? ort::required : ort::optional;
        };
        GetInputMemoryType = [](const OrtCustomOp *, size_t) { return 0; };
        GetOutputTypeCount = [](const OrtCustomOp *op) { return self(op).of.outputs.size(); };
        GetOutputType = [](const OrtCustomOp *op, size_t) { return self(op).type; };
        GetOutputCharacteristic = [](const OrtCustomOp *op, size_t) -> int {
            return self(op).of.outputs.size() == 1 ? ort::required : ort::optional;
        };
        GetStartVersion = GetEndVersion = [](const OrtCustomOp *) { return 1; };
        CreateKernelV2 = create;
        KernelComputeV2 = compute;
        KernelDestroy = [](void *kernel) { delete static_cast<Kernel *>(kernel); };
    }

    static const Registered &self(const OrtCustomOp *op) { return *static_cast<const Registered *>(op); }

    static OrtStatus *create(const OrtCustomOp *op, const OrtApi *table, const OrtKernelInfo *info,
                             void **kernel) {
        return guarded(ort::Api(table), [&] { *kernel = new Kernel(table, info, self(op).of); });
    }

    static OrtStatus *compute(void *kernel, OrtKernelContext *context) {
        const Kernel &running = *static_cast<Kernel *>(kernel);
        return guarded(running.api(), [&] { running.compute(context); });
    }
};

const std::list<Registered> &registered() {
    static const std::list<Registered> all = [] {
        std::list<Registered> made;
        for (const Operator &of : operators())
            for (const int type : {ort::float32, ort::float64}) made.emplace_back(of, type);
        return made;
    }();
    return all;
}

/* The domain with all operators, which lives as long as this library: sessions use it. */
OrtCustomOpDomain *domain(const ort::Api &api) {
    static std::mutex mutex;
    static OrtCustomOpDomain *made = nullptr;
    const std::lock_guard<std::mutex> lock(mutex);
    if (made == nullptr) {
        OrtCustomOpDomain *begun = nullptr;
        require(api(ort::create_custom_op_domain, "cpabx", &begun));
        for (const Registered &op : registered()) require(api(ort::custom_op_domain_add, begun, &op));
        made = begun;
    }
    return made;
}

/* A runtime that has no table of this version knows that of the first. */
OrtStatus *too_old(const OrtApiBase *base) {
    const ort::Api api(base->GetApi(1));
    return guarded(api, [&] {
        throw failure("operators of cpabx need onnxruntime 1.17 or later", base->GetVersionString(),
                      "pip install -U onnxruntime");
    });
}

}  // namespace
}  // namespace cpabx

#if defined(_WIN32)
#    define CPABX_ONNX_EXPORT extern "C" __declspec(dllexport)
#else
#    define CPABX_ONNX_EXPORT extern "C" __attribute__((visibility("default")))
#endif

CPABX_ONNX_EXPORT OrtStatus *RegisterCustomOps(OrtSessionOptions *options, const OrtApiBase *base) {
    using namespace cpabx;
    const OrtApi *table = base->GetApi(CPABX_ORT_API_VERSION);
    if (table == nullptr) return too_old(base);
    const ort::Api api(table);
    return guarded(api, [&] {
        libcpab();  // that there is none is said now, not when a model runs
        require(api(ort::add_custom_op_domain, options, domain(api)));
    });
}
