/* libcpab: the one that the process has loaded, else that of the Python package cpabx, or one beside this
 * library. */
#ifndef CPABX_ONNX_LIBRARY_H
#define CPABX_ONNX_LIBRARY_H

#include "cpab.h"

namespace cpabx {

struct Library {
    decltype(&cpab_library_describe) describe;
    decltype(&cpab_explain) explain;
    decltype(&cpab_tessellation_create) create;
    decltype(&cpab_tessellation_destroy) destroy;
    decltype(&cpab_tessellation_describe) sizes;
    decltype(&cpab_set_thread_team) set_thread_team;
    decltype(&cpab_transform) transform;
    decltype(&cpab_velocity) velocity;
    decltype(&cpab_jacobian) jacobian;
    decltype(&cpab_sample) sample;
    decltype(&cpab_warp) warp;
};

/* Loads it when it is asked for first. Throws a Failure where there is none, or one with another interface.
 */
const Library &libcpab();

/* Throws the error that a status code stands for, in the words of the exception that a call from Python
 * raises. */
void check(cpab_status status, double time = 1, int64_t failed_item = -1);

}  // namespace cpabx

#endif
