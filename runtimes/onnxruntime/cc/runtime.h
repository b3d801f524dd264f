/*
 * The part of onnxruntime's C ABI that this library uses, in declarations of our own: its packages for Python
 * come without headers.
 *
 * A runtime hands out a table of functions. What stands at a place of it stays there in every later version
 * of the table, and a version only adds places: so a library asks for the version that it was written for,
 * which every later runtime knows. OrtCustomOp likewise says by its first member how many of its members
 * there are. tests/test_runtime.py asks the runtime at hand for what these places do.
 */
#ifndef CPABX_ONNX_RUNTIME_H
#define CPABX_ONNX_RUNTIME_H

#include <cstddef>
#include <cstdint>

extern "C" {

/* Version 17 is that of onnxruntime 1.17, the first in which kernels may use the threads of their session. */
enum { CPABX_ORT_API_VERSION = 17 };

struct OrtStatus;
struct OrtSessionOptions;
struct OrtCustomOpDomain;
struct OrtKernelInfo;
struct OrtKernelContext;
struct OrtAllocator;
struct OrtValue;
struct OrtTensorTypeAndShapeInfo;
struct OrtApi; /* the table */

struct OrtApiBase {
    const OrtApi *(*GetApi)(uint32_t version); /* NULL: the runtime is older */
    const char *(*GetVersionString)();
};

/* An operator. */
struct OrtCustomOp {
    uint32_t version;
    void *(*CreateKernel)(const OrtCustomOp *, const OrtApi *, const OrtKernelInfo *);
    const char *(*GetName)(const OrtCustomOp *);
    const char *(*GetExecutionProviderType)(const OrtCustomOp *);
    int (*GetInputType)(const OrtCustomOp *, size_t);
    size_t (*GetInputTypeCount)(const OrtCustomOp *);
    int (*GetOutputType)(const OrtCustomOp *, size_t);
    size_t (*GetOutputTypeCount)(const OrtCustomOp *);
    void (*KernelCompute)(void *kernel, OrtKernelContext *);
    void (*KernelDestroy)(void *kernel);
    int (*GetInputCharacteristic)(const OrtCustomOp *, size_t);
    int (*GetOutputCharacteristic)(const OrtCustomOp *, size_t);
    int (*GetInputMemoryType)(const OrtCustomOp *, size_t);
    int (*GetVariadicInputMinArity)(const OrtCustomOp *);
    int (*GetVariadicInputHomogeneity)(const OrtCustomOp *);
    int (*GetVariadicOutputMinArity)(const OrtCustomOp *);
    int (*GetVariadicOutputHomogeneity)(const OrtCustomOp *);
    OrtStatus *(*CreateKernelV2)(const OrtCustomOp *, const OrtApi *, const OrtKernelInfo *, void **kernel);
    OrtStatus *(*KernelComputeV2)(void *kernel, OrtKernelContext *);
    OrtStatus *(*InferOutputShapeFn)(const OrtCustomOp *, void *context);
    int (*GetStartVersion)(
        const OrtCustomOp *); /* of the operator, where it begins and ends to be what it is */
    int (*GetEndVersion)(const OrtCustomOp *);
    void (*later[4])(); /* of version 18, and NULL */
};

}  // extern "C"

namespace cpabx::ort {

enum ErrorCode { fail = 1, invalid_argument = 2, not_implemented = 9 };
enum ElementType { float32 = 1, int64 = 7, float64 = 11 };
enum Characteristic { required = 0, optional = 1 };

/* A place of the table, and the type of the function that stands there. */
template <size_t place, typename Signature>
struct Slot {};

inline constexpr Slot<0, OrtStatus *(int, const char *)> create_status;
inline constexpr Slot<26, OrtStatus *(const char *, OrtCustomOpDomain **)> create_custom_op_domain;
inline constexpr Slot<27, OrtStatus *(OrtCustomOpDomain *, const OrtCustomOp *)> custom_op_domain_add;
inline constexpr Slot<28, OrtStatus *(OrtSessionOptions *, OrtCustomOpDomain *)> add_custom_op_domain;
inline constexpr Slot<51, OrtStatus *(OrtValue *, void **)> tensor_data;
inline constexpr Slot<60, OrtStatus *(const OrtTensorTypeAndShapeInfo *, int *)> element_type;
inline constexpr Slot<61, OrtStatus *(const OrtTensorTypeAndShapeInfo *, size_t *)> n_dimensions;
inline constexpr Slot<62, OrtStatus *(const OrtTensorTypeAndShapeInfo *, int64_t *, size_t)> dimensions;
inline constexpr Slot<65, OrtStatus *(const OrtValue *, OrtTensorTypeAndShapeInfo **)> type_and_shape;
inline constexpr Slot<78, OrtStatus *(OrtAllocator **)> default_allocator;
inline constexpr Slot<86, OrtStatus *(const OrtKernelInfo *, const char *, int64_t *)> attribute_int;
inline constexpr Slot<87, OrtStatus *(const OrtKernelInfo *, const char *, char *, size_t *)>
    attribute_string;
inline constexpr Slot<90, OrtStatus *(const OrtKernelContext *, size_t, const OrtValue **)> input;
inline constexpr Slot<91, OrtStatus *(OrtKernelContext *, size_t, const int64_t *, size_t, OrtValue **)>
    output;
inline constexpr Slot<93, void(OrtStatus *)> release_status;
inline constexpr Slot<96, void(OrtValue *)> release_value;
inline constexpr Slot<99, void(OrtTensorTypeAndShapeInfo *)> release_type_and_shape;
inline constexpr Slot<163, OrtStatus *(const OrtKernelInfo *, const char *, int64_t *, size_t *)>
    attribute_ints;
inline constexpr Slot<230, OrtStatus *(const OrtKernelInfo *, size_t *)> n_inputs_of_node;
inline constexpr Slot<236, OrtStatus *(const OrtKernelInfo *, const char *, OrtAllocator *, OrtValue **)>
    attribute_tensor;
inline constexpr Slot<274,
                      OrtStatus *(const OrtKernelContext *, void (*)(void *, size_t), size_t, size_t, void *)>
    parallel_for;

template <typename T>
struct Same {
    using Type = T;
};

/* The table, called by its places. */
class Api {
public:
    explicit Api(const OrtApi *table) : table_(reinterpret_cast<void (*const *)()>(table)) {}

    template <size_t place, typename Result, typename... Arguments>
    Result operator()(Slot<place, Result(Arguments...)>, typename Same<Arguments>::Type... arguments) const {
        return reinterpret_cast<Result (*)(Arguments...)>(table_[place])(arguments...);
    }

private:
    void (*const *table_)();
};

}  // namespace cpabx::ort

#endif
