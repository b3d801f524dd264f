/* What the host asks of the stand-in: to do work in the order of streams. */
#ifndef CPAB_TESTS_STAND_IN_STREAMS_H
#define CPAB_TESTS_STAND_IN_STREAMS_H

#include <cstdint>

#include "work.h"

namespace stand_in {

/* As gpu.h has them. NULL is a stream, too. */
void launch(const Work &work, void *stream);
void zero(void *memory, int64_t bytes, void *stream);
bool took();

/* As tests need them. */
void *make_stream();
void destroy_stream(void *stream);
void wait_for(void *stream);
void wait_for_all();

}  // namespace stand_in

#endif
