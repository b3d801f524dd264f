#include "device_memory.h"

#include <utility>

namespace cpabx {

using tensorflow::OpKernelContext;
using tensorflow::Tensor;

absl::Status allocate(OpKernelContext *context, int64_t n_bytes, Tensor *memory) {
    return context->allocate_temp(tensorflow::DT_UINT8, {n_bytes}, memory);
}

/* The source is ordinary memory. Most devices have a copy of their own when this returns, but those that read
   such memory themselves may do so later: it stays. */
absl::Status Constant::copy(OpKernelContext *context, stream_executor::Stream *stream,
                            std::vector<char> host) {
    Tensor memory;
    TF_RETURN_IF_ERROR(allocate(context, host.size(), &memory));
    const std::vector<char> &source = sources_.emplace_back(std::move(host));
    stream_executor::DeviceAddressBase address(memory.data(), source.size());
    TF_RETURN_IF_ERROR(stream->Memcpy(&address, source.data(), source.size()));
    memory_ = memory;
    return absl::OkStatus();
}

}  // namespace cpabx
