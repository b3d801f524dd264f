#include "meeting.h"

#include <cstring>

#include "crew.h"
#include "races.h"
#include "stop.h"

namespace stand_in {

namespace {

/* Mostly, these are one constant. */
bool is_same_text(const char *a, const char *b) { return a == b || !std::strcmp(a, b); }

bool is_same(const Line &a, const Line &b) {
    return a.number == b.number && is_same_text(a.what, b.what) && is_same_text(a.file, b.file);
}

}  // namespace

void Meeting::start(const char *group, int size) {
    group_ = group;
    size_ = size;
    arrived_ = gone_ = 0;
    turn_ = 0;
    tokens_.reset(new int64_t[2]); /* that no other block has had */
}

uint32_t Meeting::meet(Line line, bool orders_memory, uint32_t votes) {
    const uint32_t turn = turn_;
    const uint32_t place = turn % 2;
    if (gone_ > 0)
        stop("waits for its %s (%s at %s:%d), of which thread %d has returned", group_, line.what, line.file,
             line.number, first_gone_);
    if (arrived_ == 0) {
        line_ = line;
        votes_[place] = 0;
    } else if (!is_same(line, line_)) {
        stop("waits for its %s (%s at %s:%d), of which others wait elsewhere (%s at %s:%d)", group_,
             line.what, line.file, line.number, line_.what, line_.file, line_.number);
    }
    votes_[place] |= votes;
    if (orders_memory) give(&tokens_[place]);
    if (++arrived_ == size_) {
        arrived_ = 0;
        turn_++;
    } else {
        crew.wait(*this);
    }
    if (orders_memory) take(&tokens_[place]);
    return votes_[place];
}

void Meeting::leave(int thread) {
    if (arrived_ > 0)
        stop("returns, while others of its %s wait for it (%s at %s:%d)", group_, line_.what, line_.file,
             line_.number);
    if (gone_++ == 0) first_gone_ = thread;
}

}  // namespace stand_in
