/* What libcpab's status codes mean to TensorFlow. */
#ifndef CPABX_TENSORFLOW_STATUS_H
#define CPABX_TENSORFLOW_STATUS_H

#include <cstdlib>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "cpab.h"

namespace cpabx {

/* The error that a status code stands for, in the words of the exception that an eager call raises. */
inline absl::Status outcome(cpab_status status, double time, int64_t failed_item = -1) {
    if (status == CPAB_OK) return absl::OkStatus();
    const cpab_message *message = cpab_explain(status);
    std::string received = message->received;
    if (status == CPAB_E_RANGE || status == CPAB_E_DIVERGED)
        absl::StrAppend(&received, " at batch item ", failed_item, " (time ", time, ")");
    if (status == CPAB_E_TIME) received = absl::StrCat(time);
    if (status == CPAB_E_THREADS) {
        const char *setting = std::getenv("CPABX_NUM_THREADS");
        received = absl::StrCat("CPABX_NUM_THREADS='", setting ? setting : "", "'");
    }
    const std::string text = absl::StrCat(message->required, "; got ", received, ". ", message->remedy);
    if (status == CPAB_E_MEMORY) return absl::ResourceExhaustedError(text);
    if (status == CPAB_E_INTERRUPTED) return absl::CancelledError(text);  // where Python handles signals
    return absl::InvalidArgumentError(text);
}

}  // namespace cpabx

#endif
