/* What goes wrong in a kernel: an exception of ours up to the border to onnxruntime, and a status of its from
 * there. */
#ifndef CPABX_ONNX_FAILURE_H
#define CPABX_ONNX_FAILURE_H

#include <exception>
#include <string>
#include <utility>

#include "runtime.h"

namespace cpabx {

class Failure : public std::exception {
public:
    explicit Failure(std::string text, int code = ort::invalid_argument)
        : text_(std::move(text)), code_(code) {}
    const char *what() const noexcept override { return text_.c_str(); }
    int code() const { return code_; }

private:
    std::string text_;
    int code_;
};

/* An error in the form that all of cpabx has. */
inline Failure failure(const std::string &required, const std::string &received, const std::string &remedy) {
    return Failure(required + "; got " + received + ". " + remedy);
}

/* A status of the runtime's own functions, carried over the same way. */
struct RuntimeFailure {
    OrtStatus *status;
};

inline void require(OrtStatus *status) {
    if (status != nullptr) throw RuntimeFailure{status};
}

/* Does something, and tells the runtime how that went. */
template <typename Action>
OrtStatus *guarded(const ort::Api &api, Action action) noexcept {
    try {
        action();
        return nullptr;
    } catch (const RuntimeFailure &failed) {
        return failed.status;
    } catch (const Failure &failed) {
        return api(ort::create_status, failed.code(), failed.what());
    } catch (const std::exception &failed) {
        return api(ort::create_status, ort::fail, failed.what());
    }
}

}  // namespace cpabx

#endif
