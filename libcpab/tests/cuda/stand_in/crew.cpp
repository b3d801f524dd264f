#include "crew.h"

#include "races.h"
#include "stop.h"

namespace stand_in {

Here here = {};
Crew crew;
int64_t begun_token, done_token;

/* As many as a block has threads, if all wait. To a watcher of races, each of them is somebody else, and also
   somebody else than those of the blocks before: that is what the others are for, of which the thread of
   another number has the same fiber after some blocks. */
void Crew::take_fibers() {
    constexpr size_t n_fibers = watches_races ? 8 * n_threads + 31 : n_threads;
    idle_.clear();
    for (int i = 0; i < n_threads; i++) {
        if (fibers_.size() == next_fiber_) fibers_.emplace_back(new Fiber(&Crew::carry));
        idle_.push_back(fibers_[next_fiber_].get());
        next_fiber_ = (next_fiber_ + 1) % n_fibers;
    }
}

void Crew::run(const Work &work, Order &order) {
    take_fibers();
    for (Thread &thread : threads_) thread = {false, false, nullptr, nullptr, 0};
    for (Warp &warp : warps_) warp.meeting.start("warp", n_lanes);
    block_.start("block", n_threads);
    work_ = &work;
    order_ = &order;
    place_ = 0;
    n_left_ = n_threads;
    Fiber host;
    host_ = now_ = &host;
    go_to(next()); /* comes back when all have returned */
}

/* What every fiber does: this thread, and others that have not begun, until it must give way to one that has.
 */
void Crew::carry() {
    for (;;) {
        Thread *thread = crew.chosen_;
        do {
            crew.run_here(thread);
            thread = crew.next();
        } while (thread && !thread->started && !watches_races);
        if (!watches_races) crew.idle_.push_back(crew.now_);
        crew.go_to(thread);
    }
}

void Crew::run_here(Thread *thread) {
    thread->started = true;
    here.thread = int(thread - threads_);
    take(&begun_token);
    work_->run(work_->call);
    give(&done_token);
    warp().meeting.leave(here.thread);
    block_.leave(here.thread);
    thread->returned = true;
    n_left_--;
}

/* To a thread that can go on; to the host, if there is none. */
void Crew::go_to(Thread *thread) {
    Fiber *to = host_;
    if (thread && thread->started) {
        to = thread->fiber;
        here.thread = int(thread - threads_);
    } else if (thread) {
        to = idle_.back();
        idle_.pop_back();
        chosen_ = thread;
    }
    Fiber &from = *now_;
    now_ = to;
    from.switch_to(*to);
}

void Crew::wait(const Meeting &meeting) {
    Thread &self = threads_[here.thread];
    self.meeting = &meeting;
    self.turn = meeting.turn();
    self.fiber = now_;
    go_to(next());
    self.meeting = nullptr;
}

/* The next thread in the order that can go on; NULL, if all have returned. */
Crew::Thread *Crew::next() {
    if (n_left_ == 0) return nullptr;
    for (int rounds = 0; rounds < 2;) {
        if (place_ == n_threads) {
            place_ = 0;
            order_->next();
            rounds++;
            continue;
        }
        Thread &thread = threads_[(*order_)[place_++]];
        if (can_go_on(thread)) return &thread;
    }
    nobody_can_go_on();
}

/* Two threads that wait for each other in different groups. */
void Crew::nobody_can_go_on() const {
    const Thread *first = nullptr;
    for (const Thread &thread : threads_) {
        if (thread.returned) continue;
        if (!first) first = &thread;
        if (thread.meeting == first->meeting) continue;
        const Line &a = first->meeting->line(), &b = thread.meeting->line();
        here.thread = int(first - threads_);
        stop("waits (%s at %s:%d) for a thread that waits elsewhere, as thread %d does (%s at %s:%d)", a.what,
             a.file, a.number, int(&thread - threads_), b.what, b.file, b.number);
    }
    stop("waits for nobody"); /* an error of the stand-in */
}

/* -- what threads ask for ------------------------------------------------------------------------ */

void sync_warp(Line line) { crew.warp().meeting.meet(line, true, 0); }
void sync_block(Line line) { crew.block().meet(line, true, 0); }
bool any_in_block(bool condition, Line line) { return crew.block().meet(line, true, condition) != 0; }

uint32_t ballot(bool condition, Line line) {
    return crew.warp().meeting.meet(line, false, uint32_t(condition) << here.thread % n_lanes);
}

uint64_t exchange(uint64_t number, int from_lane, Line line) {
    if (from_lane < 0 || from_lane >= n_lanes)
        stop("asks for the number of lane %d (%s at %s:%d)", from_lane, line.what, line.file, line.number);
    Warp &warp = crew.warp();
    const uint32_t place = warp.meeting.turn() % 2;
    warp.number[place][here.thread % n_lanes] = number;
    warp.meeting.meet(line, false, 0);
    return warp.number[place][from_lane];
}

void require_aligned(const void *memory, size_t size) {
    if (reinterpret_cast<uintptr_t>(memory) % size)
        stop("changes %p, which is not aligned to %zu bytes", memory, size);
}

}  // namespace stand_in
