/* Compiled, never run: the mathematics of the walk, of the way back and of sampling are also CUDA device code. */
#define CPAB_ISA device
#define CPAB_LANE_BYTES 0
#include "../src/adjoint.h"
#include "../src/line.h"
#include "../src/pixel_grid.h"
#include "../src/sample.h"

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

template <typename V, int D, int n_taps>
__global__ void sampled(cpab::PixelGrid grid, const ImageAxis<typename V::Scalar> *axes, int padding,
                        typename V::Scalar *data) {
    using T = typename V::Scalar;
    ImageAxis<T> axis[D];
    T point[D];
    V x[D], at_corner[Stencil<V, D, n_taps>::corners];
    grid.centres(threadIdx.x, 1, point);
    for (int d = 0; d < D; d++) axis[d] = axes[d], x[d] = V(point[d]);
    Stencil<V, D, n_taps> stencil;
    make_stencil(axis, padding, x, stencil);
    gather_corners<true>(axis, data, stencil, at_corner);
    for (int along = -1; along < D; along++) data[0] += stencil.combined(at_corner, along)[0];
    for (int k = 0; k < stencil.corners; k++) data[stencil.offset[0] + corner_shift(axis, k)] = stencil.weight(k)[0];
}

#define CPAB_FOR_IMAGES(V, D, n_taps) \
    template __global__ void sampled<V, D, n_taps>(cpab::PixelGrid, const ImageAxis<V::Scalar> *, int, V::Scalar *);
CPAB_FOR_IMAGES(OneFloat, 1, 2)
CPAB_FOR_IMAGES(OneFloat, 2, 2)
CPAB_FOR_IMAGES(OneFloat, 3, 2)
CPAB_FOR_IMAGES(OneDouble, 3, 2)
CPAB_FOR_IMAGES(OneDouble, 2, 1)

template <typename V>
__global__ void both_ways_1d(Line<V> line, const typename V::Scalar *points, typename V::Scalar *out) {
    Way<V> way;
    set_out<true>(line, V(points[threadIdx.x]), way);
    follow<true>(line, &way, 1);
    const LineGradient<V> gradient = pull_back(way, V(1));
    out[threadIdx.x] = (way.displacement + gradient.point + gradient.first.slope + gradient.through)[0];
}

template __global__ void both_ways_1d<OneFloat>(Line<OneFloat>, const float *, float *);
template __global__ void both_ways_1d<OneDouble>(Line<OneDouble>, const double *, double *);
