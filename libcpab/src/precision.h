/* What each number type is good for. */
#ifndef CPAB_PRECISION_H
#define CPAB_PRECISION_H

namespace cpab {

/*
 * Taylor series of order `order` are used for times h with |A| h <= reach. What they leave out,
 * relative to the distance travelled, is at most about reach^order / (order + 1)!:
 * 0.8^8 / 9! = 4.6e-7 (float32) of what a step moves in a field as steep as allowed, and
 * 1 / 19! = 8.2e-18 (float64). walk.h needs reach < pi.
 *
 * A trajectory may be `slack` behind a face, in barycentric units, before it counts as having left;
 * a few roundings at float32's epsilon, and a value far below all that is promised for float64.
 *
 * The first quadratic guess of a crossing time is good to a few percent of the step; each further one
 * cubes that, and what remains costs only its square again (see face_crossing.h). A guess that moved by at
 * most `settled`, a part of the step whose cube is one rounding, needs no further one.
 */
template <typename T>
struct Precision;

template <>
struct Precision<float> {
    static constexpr int order = 8;
    static constexpr double reach = 0.8;
    static constexpr float slack = 1e-6f;
    static constexpr int root_steps = 2;
    static constexpr float settled = 5e-3f;
};

template <>
struct Precision<double> {
    static constexpr int order = 18;
    static constexpr double reach = 1;
    static constexpr double slack = 1e-13;
    static constexpr int root_steps = 3;
    static constexpr double settled = 6e-6;
};

}  // namespace cpab

#endif
