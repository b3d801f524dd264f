/* Fibers: functions with stacks of their own, between which a thread of the CPU switches. */
#ifndef CPAB_TESTS_STAND_IN_FIBER_H
#define CPAB_TESTS_STAND_IN_FIBER_H

#include <cstddef>

#if !defined(__x86_64__)
#    include <ucontext.h>
#endif

namespace stand_in {

class Fiber {
public:
    /* What the calling thread runs on anyway. */
    Fiber();

    /* Begins with body(), which must never return, when something switches to it first. */
    explicit Fiber(void (*body)());

    ~Fiber();
    Fiber(const Fiber &) = delete;
    Fiber &operator=(const Fiber &) = delete;

    /* Goes on with `other`; comes back when something switches to this one, on which the caller must be. */
    void switch_to(Fiber &other);

private:
    static void enter();
    void arrive();

    void (*const body_)();
    unsigned char *stack_ = nullptr; /* NULL if it is not ours */
#if defined(__x86_64__)
    void *top_ = nullptr; /* of its stack, while it does not run */
#else
    ucontext_t context_;
#endif
    /* For sanitizers: the part of the stack that is in use, and their own notes. */
    const void *lowest_ = nullptr;
    size_t bytes_ = 0;
    void *fake_stack_ = nullptr, *identity_ = nullptr;
};

}  // namespace stand_in

#endif
