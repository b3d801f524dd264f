/* What libcpab's status codes mean to XLA. */
#ifndef CPABX_JAX_STATUS_H
#define CPABX_JAX_STATUS_H

#include <cstdlib>
#include <sstream>

#include "library.h"
#include "xla/ffi/api/ffi.h"

namespace cpabx {

/* The error that a status code stands for, in the words of the exception that a call with values raises. */
inline xla::ffi::Error outcome(const Library &library, cpab_status status, double time,
                               int64_t failed_item = -1) {
    using xla::ffi::ErrorCode;
    if (status == CPAB_OK) return xla::ffi::Error::Success();
    const cpab_message *message = CPABX_FUNCTION(library, cpab_explain)(status);
    std::ostringstream text;
    text << message->required << "; got " << message->received;
    if (status == CPAB_E_RANGE || status == CPAB_E_DIVERGED)
        text << " at batch item " << failed_item << " (time " << time << ")";
    if (status == CPAB_E_TIME) text << time;
    if (status == CPAB_E_THREADS) {
        const char *setting = std::getenv("CPABX_NUM_THREADS");
        text << "CPABX_NUM_THREADS='" << (setting ? setting : "") << "'";
    }
    text << ". " << message->remedy;
    const ErrorCode code = status == CPAB_E_MEMORY ? ErrorCode::kResourceExhausted
                           : status == CPAB_E_INTERRUPTED
                               ? ErrorCode::kCancelled  // where Python handles signals
                               : ErrorCode::kInvalidArgument;
    return xla::ffi::Error(code, text.str());
}

}  // namespace cpabx

#endif
