/* What a call computes besides its arrays, as the attributes of a node say it. */
#ifndef CPABX_TENSORFLOW_PROBLEM_H
#define CPABX_TENSORFLOW_PROBLEM_H

#include <memory>
#include <string>
#include <vector>

#include "functions.h"
#include "library.h"
#include "tensorflow/core/framework/op_kernel.h"

namespace cpabx {

/* The attributes of an operation of a kind, as TensorFlow declares them. */
std::vector<std::string> attributes(Kind kind);

struct Problem {
    std::shared_ptr<cpab_tessellation> tessellation; /* of one library alone */
    cpab_tessellation_sizes sizes = {};
    double time = 1;
    std::vector<int64_t> output_size; /* of a warp, in the order of an array's axes */
    cpab_image image = {};            /* of a warp, but for the size and the channels of the images */

    /* Reads the attributes of a node, for calls of a library. */
    absl::Status read(tensorflow::OpKernelConstruction *construction, Kind kind, const Library &library);
};

}  // namespace cpabx

#endif
