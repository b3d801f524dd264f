/* What libcpab's status codes mean to TensorFlow. */
#ifndef CPABX_TENSORFLOW_STATUS_H
#define CPABX_TENSORFLOW_STATUS_H

#include <cstdlib>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "library.h"

namespace cpabx {

/* A status in words. Where a call has a status there is a library. */
inline const cpab_message *explain(cpab_status status) { return (*libcpab())->explain(status); }

/* An error in the words of the exception that an eager call raises. */
inline absl::Status error_of(cpab_status status, const std::string &received, const std::string &remedy) {
    const std::string text = absl::StrCat(explain(status)->required, "; got ", received, ". ", remedy);
    if (status == CPAB_E_MEMORY) return absl::ResourceExhaustedError(text);
    if (status == CPAB_E_INTERRUPTED) return absl::CancelledError(text);  // where Python handles signals
    return absl::InvalidArgumentError(text);
}

/* The error that the status code of a call stands for. */
inline absl::Status outcome(cpab_status status, double time, int64_t failed_item = -1) {
    if (status == CPAB_OK) return absl::OkStatus();
    const cpab_message *message = explain(status);
    std::string received = message->received;
    if (status == CPAB_E_RANGE || status == CPAB_E_DIVERGED)
        absl::StrAppend(&received, " at batch item ", failed_item, " (time ", time, ")");
    if (status == CPAB_E_TIME) received = absl::StrCat(time);
    if (status == CPAB_E_THREADS) {
        const char *setting = std::getenv("CPABX_NUM_THREADS");
        received = absl::StrCat("CPABX_NUM_THREADS='", setting ? setting : "", "'");
    }
    return error_of(status, received, message->remedy);
}

/* The same of a call that a device was given before, and tells of only now. */
inline absl::Status earlier_outcome(cpab_status status, int64_t failed_item, const std::string &where) {
    const cpab_message *message = explain(status);
    return error_of(
        status,
        absl::StrCat(message->received, " at batch item ", failed_item, " of an earlier call, on ", where),
        absl::StrCat(
            message->remedy,
            " CPABX_CHECK=now in the environment raises this in the very call, and makes each one wait."));
}

}  // namespace cpabx

#endif
