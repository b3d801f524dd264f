#include "abi.h"

#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace cpabx {

absl::Status outcome(cpab_status status, int64_t failed_item, double time) {
    const auto where = [&] { return absl::StrCat(" at batch item ", failed_item, " (time ", time, "). "); };
    switch (status) {
        case CPAB_OK: return absl::OkStatus();
        case CPAB_E_RANGE:
            return absl::InvalidArgumentError(
                absl::StrCat("|time| * |A| must be at most ", static_cast<int>(CPAB_MAX_RATE),
                             " for every velocity field; got a larger one", where(),
                             "Make theta or the time smaller; a learning rate that is too large gets here."));
        case CPAB_E_DIVERGED:
            return absl::InvalidArgumentError(absl::StrCat(
                "trajectories must stay in the range of the number type; got one that does not", where(),
                "Make theta or the time smaller, use outside='nearest', or a boundary that is not free."));
        case CPAB_E_MEMORY:
            return absl::ResourceExhaustedError(
                absl::StrCat("libcpab: ", cpab_status_text(status), ". Free some, or use fewer cells."));
        case CPAB_E_INTERRUPTED:  // on the thread on which Python handles signals
            return absl::CancelledError(absl::StrCat("libcpab: ", cpab_status_text(status)));
        default: return absl::InvalidArgumentError(absl::StrCat("libcpab: ", cpab_status_text(status)));
    }
}

int32_t n_threads(tensorflow::OpKernelContext *context, int64_t n_points) {
    constexpr int64_t points_per_thread = 2048;  // starting one costs about as much as moving a hundred
    int64_t most = context->device()->tensorflow_cpu_worker_threads()->num_threads;
    const char *setting = std::getenv("CPABX_NUM_THREADS");
    if (setting != nullptr) most = std::min<int64_t>(most, std::atoi(setting));
    return static_cast<int32_t>(std::max<int64_t>(1, std::min(most, n_points / points_per_thread)));
}

}  // namespace cpabx
