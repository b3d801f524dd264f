#include "report.h"

#include <cstdlib>
#include <map>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "status.h"
#include "tensorflow/core/framework/op.h"

namespace cpabx {
namespace {

using tensorflow::OpKernel;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;

std::mutex mutex; /* of the list of reports, and of what the host changes in them */

/* They are never freed: devices may write to them until the process ends. */
std::map<const void *, Report *> &reports() {
    static auto *const all = new std::map<const void *, Report *>;
    return *all;
}

/* Raises what has failed on devices, and has no results. */
class DeviceErrors : public OpKernel {
public:
    using OpKernel::OpKernel;
    void Compute(OpKernelContext *context) override { OP_REQUIRES_OK(context, Report::of_all_devices()); }
};

REGISTER_OP("CpabxDeviceErrors").SetIsStateful();
REGISTER_KERNEL_BUILDER(Name("CpabxDeviceErrors").Device(tensorflow::DEVICE_CPU), DeviceErrors);

}  // namespace

absl::StatusOr<bool> checks_now() {
    const char *const setting = std::getenv("CPABX_CHECK");
    const std::string mode = setting && *setting ? setting : "deferred";
    if (mode == "deferred" || mode == "now") return mode == "now";
    return absl::InvalidArgumentError(
        absl::StrCat("CPABX_CHECK must be deferred or now; got '", mode, "'. Correct or unset it."));
}

absl::StatusOr<Report *> Report::of(const stream_executor::StreamExecutor *executor,
                                    OpKernelContext *context) {
    const std::lock_guard<std::mutex> lock(mutex);
    Report *&report = reports()[executor];
    if (report) return report;
    tensorflow::AllocatorAttributes pinned;
    pinned.set_on_host(true);
    pinned.set_gpu_compatible(true);
    Tensor *const memory = new Tensor;
    TF_RETURN_IF_ERROR(context->allocate_temp(tensorflow::DT_INT32, {2}, memory, pinned));
    const std::string &name = context->device()->name();
    auto *const words = static_cast<cpab_report *>(memory->data());
    *words = {-1, -1};
    report = new Report(words, name.substr(name.rfind("device:") + 7));
    return report;
}

absl::Status Report::of_all_devices() {
    std::map<const void *, Report *> all;
    {
        const std::lock_guard<std::mutex> lock(mutex);
        all = reports();
    }
    for (const auto &[executor, report] : all)
        if (report) TF_RETURN_IF_ERROR(report->of_earlier());
    return absl::OkStatus();
}

absl::Status Report::of_call(double time) {
    int32_t item;
    const cpab_status status = take(&item);
    return outcome(status, time, item);
}

absl::Status Report::of_earlier() {
    int32_t item;
    const cpab_status status = take(&item);
    return status == CPAB_OK ? absl::OkStatus() : earlier_outcome(status, item, where_);
}

/* What has failed and at which item, of which the device then knows nothing any more. */
cpab_status Report::take(int32_t *item) {
    volatile cpab_report *const words = words_;
    const auto taken = [item](volatile int32_t *word) {
        if (*word < 0) return false;
        *item = *word;
        *word = -1;
        return true;
    };
    if (words->out_of_range_item < 0 && words->diverged_item < 0) return CPAB_OK;
    const std::lock_guard<std::mutex> lock(mutex);
    if (taken(&words->out_of_range_item)) return CPAB_E_RANGE;
    return taken(&words->diverged_item) ? CPAB_E_DIVERGED : CPAB_OK;
}

}  // namespace cpabx
