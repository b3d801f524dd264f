/* The attributes of a node, as the types that they have in a model. All of them must be there. */
#ifndef CPABX_ONNX_ATTRIBUTES_H
#define CPABX_ONNX_ATTRIBUTES_H

#include <string>
#include <vector>

#include "runtime.h"

namespace cpabx {

class Attributes {
public:
    Attributes(const ort::Api &api, const OrtKernelInfo *info) : api_(api), info_(info) {}

    std::vector<int64_t> integers(const char *name) const; /* INTS */
    int64_t integer(const char *name) const;               /* INT */
    std::string text(const char *name) const;              /* STRING */
    std::vector<double> numbers(const char *name) const;   /* TENSOR of doubles: FLOATS have 32 bits */

private:
    const ort::Api &api_;
    const OrtKernelInfo *info_;

    void found(OrtStatus *status, const char *name, const char *type) const;
};

}  // namespace cpabx

#endif
