#include "device_memory.h"

namespace cpabx {

using tensorflow::OpKernelContext;
using tensorflow::Tensor;

absl::Status allocate(OpKernelContext *context, int64_t n_bytes, Tensor *memory) {
    return context->allocate_temp(tensorflow::DT_UINT8, {n_bytes}, memory);
}

/* The source is ordinary memory, of which CUDA has a copy of its own when this returns. */
absl::Status Constant::copy(OpKernelContext *context, stream_executor::Stream *stream,
                            const std::vector<char> &host) {
    Tensor memory;
    TF_RETURN_IF_ERROR(allocate(context, host.size(), &memory));
    stream_executor::DeviceAddressBase address(memory.data(), host.size());
    TF_RETURN_IF_ERROR(stream->Memcpy(&address, host.data(), host.size()));
    memory_ = memory;
    return absl::OkStatus();
}

}  // namespace cpabx
