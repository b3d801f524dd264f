/*
 * Kernels that another compiler has made: where the environment names a library of them in CPAB_GPU_KERNELS,
 * they run in place of those that the C++ compiler has made, and the others run as ever. Nothing is replaced
 * without a word: each kernel of the library must have its namesake in the program, with parameters of the
 * same layout, and a program that has launched none of them ends with an error.
 */
#ifndef CPAB_TESTS_STAND_IN_TRANSLATIONS_H
#define CPAB_TESTS_STAND_IN_TRANSLATIONS_H

#include "work.h"

namespace stand_in {

struct Parameter {
    size_t offset, size, align;
};

struct Translation {
    const char *kernel;                           /* as compilers call it */
    void (*run)(const unsigned char *parameters); /* as one thread of it */
    const Parameter *parameters;
    int n_parameters;
};

/* What a library calls when it is loaded. Returns true. */
bool add_translations(const Translation *translations, int n);

/* NULL, if there is none. */
const Translation *find_translation(const char *kernel);

/* The work with its translation in place of the kernel, if there is one. */
Work translated(const Work &work);

/* The work of a translation with these arguments. */
Work work_of(const Translation &translation, const Work &launch, const std::vector<Argument> &arguments);

}  // namespace stand_in

#endif
