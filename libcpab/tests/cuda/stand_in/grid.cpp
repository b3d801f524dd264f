#include "grid.h"

#include <cstdlib>
#include <cstring>

#include "crew.h"
#include "order.h"
#include "races.h"
#include "stop.h"

namespace stand_in {

namespace {

/* The shared memory of one block: nobody else's, and as large as was asked for. */
class Room {
public:
    explicit Room(int64_t bytes) : bytes_(static_cast<unsigned char *>(std::malloc(size_t(bytes)))) {
        if (!bytes_) stop("no memory for a block");
        std::memset(bytes_, 0xff, size_t(bytes));
    }
    ~Room() { std::free(bytes_); }
    Room(const Room &) = delete;
    Room &operator=(const Room &) = delete;

    unsigned char *bytes() { return bytes_; }

private:
    unsigned char *const bytes_;
};

}  // namespace

void run_grid(const Work &work) {
    const Unwatched own_work;
    const Order blocks(work.blocks * work.rows);
    Order threads(n_threads);
    running_kernel = work.kernel;
    give(&begun_token);
    for (int64_t i = 0; i < work.blocks * work.rows; i++) {
        Room room(work.shared_bytes);
        here = {0,
                blocks[i] % work.blocks,
                work.blocks,
                blocks[i] / work.blocks,
                work.rows,
                room.bytes(),
                work.shared_bytes};
        crew.run(work, threads);
    }
    running_kernel = nullptr;
    take(&done_token); /* here, and not after each block: blocks know nothing of each other */
}

}  // namespace stand_in
