/* What a call computes besides its arrays, as the attributes of a node say it. */
#ifndef CPABX_ONNX_PROBLEM_H
#define CPABX_ONNX_PROBLEM_H

#include <memory>
#include <vector>

#include "attributes.h"
#include "operators.h"

namespace cpabx {

struct Problem {
    std::shared_ptr<cpab_tessellation> tessellation;
    cpab_tessellation_sizes sizes = {};
    double time = 1;
    std::vector<int64_t> output_size; /* of a warp, in the order of an array's axes; empty: it is an input */
    cpab_image image = {};            /* but for all sizes */

    Problem(const Attributes &attributes, const Operator &of, bool size_is_input);

private:
    void read_tessellation(const Attributes &attributes);
    void read_image(const Attributes &attributes);
};

}  // namespace cpabx

#endif
