/* How the stand-in ends a program that asks for what CUDA leaves undefined. */
#ifndef CPAB_TESTS_STAND_IN_STOP_H
#define CPAB_TESTS_STAND_IN_STOP_H

#if defined(__GNUC__)
#    define STAND_IN_PRINTS __attribute__((format(printf, 1, 2)))
#else
#    define STAND_IN_PRINTS
#endif

namespace stand_in {

/* The kernel that runs now, or NULL. */
extern const void *running_kernel;

/* Prints a message, which printf() formats, and which kernel and thread it is about; then aborts. */
[[noreturn]] STAND_IN_PRINTS void stop(const char *format, ...);

}  // namespace stand_in

#endif
