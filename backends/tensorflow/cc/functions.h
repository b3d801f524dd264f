/* The functions of libcpab as operations of TensorFlow, once: what each takes and gives, and how large that
 * is. */
#ifndef CPABX_TENSORFLOW_FUNCTIONS_H
#define CPABX_TENSORFLOW_FUNCTIONS_H

#include <string>
#include <vector>

#include "cpab.h"

namespace cpabx {

/* What a call computes besides its arrays: a field in a tessellation, its flow for a time, or images that a
   flow moves. */
enum class Kind { field, flow, warp };

/* Shapes of arrays: N fields of V vertices in n dimensions, P points each. */
enum class Shape {
    points,   /* (1 or N, P, n) */
    vertices, /* (N, V, n) */
    cloud,    /* (N, P, n) */
    matrices, /* (N, P, n, n) */
    numbers,  /* (N, P) */
    images,   /* (N, (d, (h,)) w, C) */
    warped    /* images of the size of the output */
};

struct Array {
    const char *name;
    Shape shape;
    bool zeros_are_null = false; /* libcpab need not be given zeros, and is then faster */
};

struct Function {
    const char *name; /* of the operation */
    Kind kind;
    std::vector<Array> inputs; /* points or images first, then the fields */
    std::vector<Array> outputs;
    cpab_function number;
    /* Calls a library's function of that number, with the arrays of inputs, then of outputs. */
    cpab_status (*call)(void (*function)(), cpab_call *call, void *const *arrays);
};

/* The table. */
const std::vector<Function> &functions();

/* The row of an operation. */
const Function &function_called(const std::string &name);

/* The sizes of a call: whole numbers, or what is known of them while a graph is made. */
template <typename Size>
struct Sizes {
    Size n_batch{}, points_batch{}, n_points{}, n_vertices{}, ndim{}, channels{};
    std::vector<Size> size, output_size; /* of images, in the order of an array's axes */

    std::vector<Size> of(Shape shape) const {
        switch (shape) {
            case Shape::points: return {points_batch, n_points, ndim};
            case Shape::vertices: return {n_batch, n_vertices, ndim};
            case Shape::cloud: return {n_batch, n_points, ndim};
            case Shape::matrices: return {n_batch, n_points, ndim, ndim};
            case Shape::numbers: return {n_batch, n_points};
            case Shape::images: return of_images(size);
            case Shape::warped: return of_images(output_size);
        }
        return {};
    }

private:
    std::vector<Size> of_images(const std::vector<Size> &pixels) const {
        std::vector<Size> shape{n_batch};
        shape.insert(shape.end(), pixels.begin(), pixels.end());
        shape.push_back(channels);
        return shape;
    }
};

}  // namespace cpabx

#endif
