/* Compiled, never run: the mathematics of the walk and of the way back are also CUDA device code. */
#define CPAB_ISA device
#define CPAB_LANE_BYTES 0
#include "../src/adjoint.h"
#include "../src/line.h"

using namespace cpab::device;

template <typename N, int D>
__global__ void both_ways(Flow<N, D> flow, const typename LaneOf<N>::Scalar *points,
                          typename LaneOf<N>::Scalar *out) {
    using V = LaneOf<N>;
    constexpr int most = 64;
    Segment<N, D> segments[most];
    int n = 0;
    N offset[D], x[D];
    for (int d = 0; d < D; d++) offset[d] = N(V(points[threadIdx.x * D + d]));
    Trajectory<N, D> at = start<N, D>(flow, typename V::Index(0), offset, x);
    walk<N, D>(flow, most, at, [&](const Segment<N, D> &segment) {
        segments[n++] = segment;
        return n < most;
    });
    position<N, D>(flow, at, x);
    while (n > 0) out[0] += value_of(pull_back<N, D>(flow, segments[--n], x).linear[0][0])[0];
    for (int d = 0; d < D; d++) out[threadIdx.x * D + d] = value_of(x[d])[0];
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

template <typename V>
__global__ void both_ways_1d(Line<V> line, const typename V::Scalar *points, typename V::Scalar *out) {
    const Way<V> way = follow(line, V(points[threadIdx.x]));
    const LineGradient<V> gradient = pull_back(way, V(1));
    out[threadIdx.x] = (way.displacement + gradient.point + gradient.first.slope + gradient.through)[0];
}

template __global__ void both_ways_1d<OneFloat>(Line<OneFloat>, const float *, float *);
template __global__ void both_ways_1d<OneDouble>(Line<OneDouble>, const double *, double *);
