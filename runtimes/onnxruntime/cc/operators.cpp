#include "operators.h"

namespace cpabx {

const std::vector<Operator> &operators() {
    using Outputs = void *const *;
    static const std::vector<Operator> table = {
        {"CpabTransform",
         Kind::flow,
         {"points", "velocity"},
         {Shape::cloud},
         [](const Library &library, cpab_call *call, const void *points, const void *velocity, Outputs out) {
             return library.transform(call, points, velocity, out[0]);
         }},
        {"CpabVelocity",
         Kind::field,
         {"points", "velocity"},
         {Shape::cloud},
         [](const Library &library, cpab_call *call, const void *points, const void *velocity, Outputs out) {
             return library.velocity(call, points, velocity, out[0]);
         }},
        {"CpabJacobian",
         Kind::flow,
         {"points", "velocity"},
         {Shape::matrices, Shape::numbers},
         [](const Library &library, cpab_call *call, const void *points, const void *velocity, Outputs out) {
             return library.jacobian(call, points, velocity, out[0], out[1]);
         }},
        {"CpabSample",
         Kind::sampling,
         {"images", "points"},
         {Shape::sampled},
         [](const Library &library, cpab_call *call, const void *images, const void *points, Outputs out) {
             return library.sample(call, images, points, out[0]);
         }},
        {"CpabWarp",
         Kind::warp,
         {"images", "velocity"},
         {Shape::warped},
         [](const Library &library, cpab_call *call, const void *images, const void *velocity, Outputs out) {
             return library.warp(call, images, velocity, out[0]);
         }},
    };
    return table;
}

}  // namespace cpabx
