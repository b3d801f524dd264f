/* Memory of a device, and what is copied there once. */
#ifndef CPABX_TENSORFLOW_DEVICE_MEMORY_H
#define CPABX_TENSORFLOW_DEVICE_MEMORY_H

#include <list>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "xla/stream_executor/stream.h"

namespace cpabx {

/* Memory for work of the stream of a context, which is TensorFlow's again with the tensor: what the stream is
   given afterwards may get it. */
absl::Status allocate(tensorflow::OpKernelContext *context, int64_t n_bytes, tensorflow::Tensor *memory);

/* Bytes that work of one stream reads again and again. */
class Constant {
public:
    /* The first n bytes, and maybe more; `fill(host)` writes all of them where there are not so many yet. Who
       has the memory keeps it until the work that reads it is on the stream: others may ask for more of them
       at the same time, which is other memory. */
    template <typename Fill>
    absl::Status get(tensorflow::OpKernelContext *context, stream_executor::Stream *stream, int64_t n_bytes,
                     Fill fill, tensorflow::Tensor *memory) {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (memory_.NumElements() < n_bytes) {
            std::vector<char> host(n_bytes);
            fill(host.data());
            TF_RETURN_IF_ERROR(copy(context, stream, std::move(host)));
        }
        *memory = memory_;
        return absl::OkStatus();
    }

private:
    std::mutex mutex_;
    tensorflow::Tensor memory_{tensorflow::DT_UINT8, {0}};
    std::list<std::vector<char>> sources_; /* of this and of shorter ones before it */

    absl::Status copy(tensorflow::OpKernelContext *context, stream_executor::Stream *stream,
                      std::vector<char> host);
};

}  // namespace cpabx

#endif
