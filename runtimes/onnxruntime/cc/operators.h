/* The operators, once: what each takes and gives, and what it calls. */
#ifndef CPABX_ONNX_OPERATORS_H
#define CPABX_ONNX_OPERATORS_H

#include <string>
#include <vector>

#include "library.h"

namespace cpabx {

/* What a call computes besides its arrays: a field in a tessellation, its flow for a time, images at points,
   or images that a flow moves. */
enum class Kind { field, flow, sampling, warp };

/* Shapes of results: N fields in n dimensions, P points each. */
enum class Shape {
    cloud,    /* (N, P, n) */
    matrices, /* (N, P, n, n) */
    numbers,  /* (N, P) */
    sampled,  /* (N, C, P) */
    warped    /* (N, C, (d, (h,)) w) of the size of the output */
};

struct Operator {
    const char *name;
    Kind kind;
    const char *inputs[2]; /* two arrays of one type; a warp may have a third, the size of its output */
    std::vector<Shape> outputs;
    cpab_status (*call)(const Library &, cpab_call *, const void *, const void *, void *const *outputs);

    bool has_flow() const { return kind != Kind::sampling; }
    bool has_time() const { return kind == Kind::flow || kind == Kind::warp; }
    bool has_images() const { return kind == Kind::sampling || kind == Kind::warp; }
};

const std::vector<Operator> &operators();

}  // namespace cpabx

#endif
