/* Compiled, never run: the mathematics of the walk and of the way back are also CUDA device code. */
#define CPAB_ISA device
#define CPAB_LANE_BYTES 0
#include "../src/adjoint.h"

using namespace cpab::device;

template <typename N, int D>
__global__ void both_ways(Flow<N, D> flow, const typename LaneOf<N>::Scalar *points,
                          typename LaneOf<N>::Scalar *out) {
    using V = LaneOf<N>;
    constexpr int most = 64;
    Segment<N, D> segments[most];
    int n = 0;
    N offset[D], lam[D];
    for (int d = 0; d < D; d++) offset[d] = lam[d] = N(V(points[threadIdx.x * D + d]));
    const typename V::Index index(0);
    Walker<N, D> walker(start<N, D>(flow, flow.cell(index), index, offset));
    while (any(walker.active()) && n < most) {
        const Cell<N, D> cell = flow.cell(walker.at.cell);
        segments[n].from = walker.at;
        segments[n++].duration = leave(flow, cell, plan_step(cell, walker), walker);
    }
    for (int d = 0; d < D; d++) out[threadIdx.x * D + d] = value_of(walker.moved[d])[0];
    while (n > 0) {
        n--;
        const Cell<N, D> cell = flow.cell(segments[n].from.cell);
        out[0] += value_of(pull_back<N, D>(cell, segments[n], lam).velocity[0][0])[0];
    }
}

#define CPAB_FOR(N, D) \
    template __global__ void both_ways<N, D>(Flow<N, D>, const LaneOf<N>::Scalar *, LaneOf<N>::Scalar *);
using OneFloat = Lanes<float, 1>;
using OneDouble = Lanes<double, 1>;
CPAB_FOR(OneFloat, 1)
CPAB_FOR(OneFloat, 2)
CPAB_FOR(OneFloat, 3)
CPAB_FOR(OneDouble, 1)
CPAB_FOR(OneDouble, 2)
CPAB_FOR(OneDouble, 3)
CPAB_FOR(Dual<OneDouble>, 2)
