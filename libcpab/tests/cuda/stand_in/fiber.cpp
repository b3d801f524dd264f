#include "fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>

#include "races.h"
#include "stop.h"

#if CPAB_WATCHES_ADDRESSES
#    include <sanitizer/common_interface_defs.h>
#endif

#if defined(__x86_64__)
/* Keeps what a function must keep on the stack that it leaves, and goes on where the other one was left. */
extern "C" void stand_in_switch(void **left, void *entered);
__asm__(
    ".text\n"
    ".globl stand_in_switch\n"
    ".type stand_in_switch, @function\n"
    "stand_in_switch:\n"
    "    pushq %rbp\n"
    "    pushq %rbx\n"
    "    pushq %r12\n"
    "    pushq %r13\n"
    "    pushq %r14\n"
    "    pushq %r15\n"
    "    movq %rsp, (%rdi)\n"
    "    movq %rsi, %rsp\n"
    "    popq %r15\n"
    "    popq %r14\n"
    "    popq %r13\n"
    "    popq %r12\n"
    "    popq %rbx\n"
    "    popq %rbp\n"
    "    ret\n"
    ".size stand_in_switch, .-stand_in_switch\n");
#endif

namespace stand_in {

namespace {

/* Instrumented frames are larger. */
#if CPAB_WATCHES_ADDRESSES || CPAB_WATCHES_RACES
constexpr size_t stack_bytes = 1024 * 1024;
#else
constexpr size_t stack_bytes = 256 * 1024;
#endif

/* The two sides of the latest switch. */
Fiber *left = nullptr, *entered = nullptr;

}  // namespace

Fiber::Fiber() : body_(nullptr) {
#if CPAB_WATCHES_RACES
    identity_ = __tsan_get_current_fiber();
#endif
}

/* Its stack has a page below it that stops what grows too far. */
Fiber::Fiber(void (*body)()) : body_(body) {
    const size_t page = size_t(sysconf(_SC_PAGESIZE));
    void *const memory =
        mmap(nullptr, page + stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, page, PROT_NONE) != 0) stop("no memory for stacks");
    stack_ = static_cast<unsigned char *>(memory);
    lowest_ = stack_ + page;
    bytes_ = stack_bytes;
#if CPAB_WATCHES_RACES
    identity_ = __tsan_create_fiber(0);
#endif
#if defined(__x86_64__)
    /* Six registers, enter(), and no address to return to: as if somebody had called enter(). */
    void **const top = reinterpret_cast<void **>(stack_ + page + stack_bytes);
    top[-2] = reinterpret_cast<void *>(&Fiber::enter);
    top_ = top - 8;
#else
    getcontext(&context_);
    context_.uc_stack.ss_sp = const_cast<void *>(lowest_);
    context_.uc_stack.ss_size = bytes_;
    context_.uc_link = nullptr;
    makecontext(&context_, &Fiber::enter, 0);
#endif
}

Fiber::~Fiber() {
    if (!stack_) return;
#if CPAB_WATCHES_RACES
    __tsan_destroy_fiber(identity_);
#endif
    munmap(stack_, size_t(sysconf(_SC_PAGESIZE)) + stack_bytes);
}

void Fiber::switch_to(Fiber &other) {
    left = this;
    entered = &other;
#if CPAB_WATCHES_ADDRESSES
    __sanitizer_start_switch_fiber(&fake_stack_, other.lowest_, other.bytes_);
#endif
#if CPAB_WATCHES_RACES
    __tsan_switch_to_fiber(other.identity_, __tsan_switch_to_fiber_no_sync);
#endif
#if defined(__x86_64__)
    stand_in_switch(&top_, other.top_);
#else
    swapcontext(&context_, &other.context_);
#endif
    arrive();
}

/* The stack that was left is known from here on, also that of a thread of the CPU. */
void Fiber::arrive() {
#if CPAB_WATCHES_ADDRESSES
    __sanitizer_finish_switch_fiber(fake_stack_, &left->lowest_, &left->bytes_);
#endif
}

void Fiber::enter() {
    entered->arrive();
    entered->body_();
    std::abort();
}

}  // namespace stand_in
