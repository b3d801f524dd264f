/* A tensor of the runtime: where its elements lie, of which type and how many they are. */
#ifndef CPABX_ONNX_TENSOR_H
#define CPABX_ONNX_TENSOR_H

#include <string>
#include <vector>

#include "failure.h"
#include "runtime.h"

namespace cpabx {

/* (2, 3), as Python shows it. */
inline std::string shown(const std::vector<int64_t> &shape) {
    std::string text;
    for (const int64_t size : shape) text += (text.empty() ? "" : ", ") + std::to_string(size);
    return "(" + text + (shape.size() == 1 ? ",)" : ")");
}

struct Tensor {
    std::vector<int64_t> shape;
    int type = 0;
    void *data = nullptr;

    Tensor(const ort::Api &api, const OrtValue *value) {
        OrtTensorTypeAndShapeInfo *info = nullptr;
        require(api(ort::type_and_shape, value, &info));
        size_t n_axes = 0;
        OrtStatus *status = api(ort::element_type, info, &type);
        if (status == nullptr) status = api(ort::n_dimensions, info, &n_axes);
        shape.resize(n_axes);
        if (status == nullptr) status = api(ort::dimensions, info, shape.data(), n_axes);
        api(ort::release_type_and_shape, info);
        require(status);
        require(api(ort::tensor_data, const_cast<OrtValue *>(value), &data));
    }

    int64_t size() const {
        int64_t n = 1;
        for (const int64_t along : shape) n *= along;
        return n;
    }
};

}  // namespace cpabx

#endif
