/* Which sanitizers watch what this is compiled into. */
#ifndef CPAB_TESTS_SANITIZERS_H
#define CPAB_TESTS_SANITIZERS_H

#if defined(__SANITIZE_ADDRESS__)
#    define CPAB_WATCHES_ADDRESSES 1
#endif
#if defined(__SANITIZE_THREAD__)
#    define CPAB_WATCHES_RACES 1
#endif
#if defined(__has_feature)
#    if __has_feature(address_sanitizer)
#        define CPAB_WATCHES_ADDRESSES 1
#    endif
#    if __has_feature(thread_sanitizer)
#        define CPAB_WATCHES_RACES 1
#    endif
#endif

/* The build defines CPAB_WATCHES_RACES for what is itself not to be watched, in a program that is. */
#if !defined(CPAB_WATCHES_ADDRESSES)
#    define CPAB_WATCHES_ADDRESSES 0
#endif
#if !defined(CPAB_WATCHES_RACES)
#    define CPAB_WATCHES_RACES 0
#endif

#endif
