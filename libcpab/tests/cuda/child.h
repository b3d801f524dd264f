/* A process that is to end in the middle, and what it says. */
#ifndef CPAB_TESTS_CHILD_H
#define CPAB_TESTS_CHILD_H

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <initializer_list>
#include <string>

#include "../check.h"

/* Prints what a child process prints that does something, and whether it ended well. */
template <typename Body>
std::string from_child(bool &well, Body body) {
    int ends[2];
    CHECK(pipe(ends) == 0);
    const pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 2);
        body();
        _exit(0);
    }
    close(ends[1]);
    std::string text;
    char part[4096];
    for (ssize_t n; (n = read(ends[0], part, sizeof part)) > 0;) text.append(part, size_t(n));
    close(ends[0]);
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    well = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    return text;
}

inline void expect(const std::string &text, std::initializer_list<const char *> parts) {
    for (const char *part : parts) {
        const bool found = text.find(part) != std::string::npos;
        CHECK(found);
        if (!found) std::fprintf(stderr, "    no \"%s\" in:\n%s\n", part, text.c_str());
    }
}

#endif
