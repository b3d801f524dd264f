/*
 * The threads of a call are those of the session that it belongs to, and no others: libcpab's own would
 * compete with them. So a session with intra_op_num_threads = 1 computes on the thread that runs it.
 */
#ifndef CPABX_ONNX_SESSION_THREADS_H
#define CPABX_ONNX_SESSION_THREADS_H

#include "library.h"
#include "runtime.h"

namespace cpabx {

/* Lends the session's threads to the calls that this thread makes while the object lives. */
class SessionThreads {
public:
    SessionThreads(const ort::Api &api, const OrtKernelContext *context);
    ~SessionThreads();
    SessionThreads(const SessionThreads &) = delete;
    SessionThreads &operator=(const SessionThreads &) = delete;

    /* The most that a call may want: CPABX_NUM_THREADS, or the processors of the process. */
    int32_t most() const { return most_; }

    /* Calls task(data) as often as there may be threads, on those that the session has. */
    void run(void (*task)(void *data), void *data) const;

private:
    const ort::Api &api_;
    const OrtKernelContext *context_;
    int32_t most_;
};

}  // namespace cpabx

#endif
