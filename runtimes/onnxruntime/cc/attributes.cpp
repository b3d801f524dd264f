#include "attributes.h"

#include "failure.h"
#include "tensor.h"

namespace cpabx {

/* An attribute of another type is answered as one that is not there. */
void Attributes::found(OrtStatus *status, const char *name, const char *type) const {
    if (status == nullptr) return;
    api_(ort::release_status, status);
    throw failure(std::string("an operator of cpabx must have its attribute ") + name + ", " + type,
                  "a node without it", "cpabx_onnx.attributes makes those that a node needs.");
}

std::vector<int64_t> Attributes::integers(const char *name) const {
    size_t size = 0;
    found(api_(ort::attribute_ints, info_, name, nullptr, &size), name, "INTS");
    std::vector<int64_t> values(size);
    if (size > 0) found(api_(ort::attribute_ints, info_, name, values.data(), &size), name, "INTS");
    return values;
}

int64_t Attributes::integer(const char *name) const {
    int64_t value = 0;
    found(api_(ort::attribute_int, info_, name, &value), name, "INT");
    return value;
}

std::string Attributes::text(const char *name) const {
    size_t size = 0; /* with the zero at the end */
    found(api_(ort::attribute_string, info_, name, nullptr, &size), name, "STRING");
    std::string value(size, '\0');
    found(api_(ort::attribute_string, info_, name, value.data(), &size), name, "STRING");
    return value.c_str();
}

std::vector<double> Attributes::numbers(const char *name) const {
    const char *const type = "TENSOR of doubles";
    OrtAllocator *allocator = nullptr;
    OrtValue *value = nullptr;
    require(api_(ort::default_allocator, &allocator));
    found(api_(ort::attribute_tensor, info_, name, allocator, &value), name, type);
    struct Release {
        const ort::Api &api;
        OrtValue *value;
        ~Release() { api(ort::release_value, value); }
    } release{api_, value};
    const Tensor tensor(api_, value);
    if (tensor.type != ort::float64) found(api_(ort::create_status, ort::fail, ""), name, type);
    const auto *first = static_cast<const double *>(tensor.data);
    return std::vector<double>(first, first + tensor.size());
}

}  // namespace cpabx
