/* setenv() and unsetenv(), also on Windows, where a variable cannot be empty. */
#ifndef ENVIRONMENT_H
#define ENVIRONMENT_H

#include <stdlib.h>

#if defined(_WIN32)
static int setenv(const char *name, const char *value, int overwrite) {
    (void)overwrite;
    return _putenv_s(name, value);
}

static int unsetenv(const char *name) { return _putenv_s(name, ""); }
#endif

#endif
