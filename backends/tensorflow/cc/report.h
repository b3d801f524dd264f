/* What fails on a device, of which nobody waits for the end: the device leaves a note, and a later call reads
   it. */
#ifndef CPABX_TENSORFLOW_REPORT_H
#define CPABX_TENSORFLOW_REPORT_H

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cpab.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "xla/stream_executor/stream_executor.h"

namespace cpabx {

/* Whether each call is to wait for its device: CPABX_CHECK is "now". By default it is "deferred". */
absl::StatusOr<bool> checks_now();

/* The note of a device, in memory of the host that both sides see. */
class Report {
public:
    /* That of a device, which lives as long as the process. */
    static absl::StatusOr<Report *> of(const stream_executor::StreamExecutor *executor,
                                       tensorflow::OpKernelContext *context);

    /* Errors of earlier calls that devices have told of by now. */
    static absl::Status of_all_devices();

    cpab_report *words() { return words_; }

    /* The error of the call that has just been waited for. */
    absl::Status of_call(double time);

    /* That of an earlier call, if the device has told of it by now. */
    absl::Status of_earlier();

private:
    cpab_report *words_;
    std::string where_;

    Report(cpab_report *words, std::string where) : words_(words), where_(std::move(where)) {}

    cpab_status take(int32_t *item);
};

}  // namespace cpabx

#endif
