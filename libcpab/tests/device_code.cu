/* Compiled, never run: the mathematics of the walk, of its backward pass and of sampling are CUDA device code
 * too. */
#define CPAB_ISA device
#define CPAB_LANE_BYTES 0
#include "../src/adjoint.h"
#include "../src/divergence.h"
#include "../src/field_record.h"
#include "../src/line_cell.h"
#include "../src/pixel_grid.h"
#include "../src/point.h"
#include "../src/sample.h"

using namespace cpab::device;

/* One thread per cell. */
template <typename T, int D>
__global__ void field_records(const T *rows, const int32_t *nodes, const T *velocity, T *table, T *rate) {
    T *record = table + threadIdx.x * cpab::RecordLayout<D>::flow;
    const int32_t vertex = 0;
    const double weight = 1;
    T ideal[D];
    ideal[0] =
        ideal_velocity<T>(&vertex, &weight, 1, [&](int32_t v) { return T(in_cells(velocity[v], 2.0)); });
    set_gradients<D>(rows, record);
    rate[threadIdx.x] = set_velocities<D>(velocity, nodes, rows, record) + ideal[0];
}

/* One thread per point, there and back. */
template <typename N, int D>
__global__ void both_ways(Flow<N, D> flow, Domain<ScalarOf<N>, D> domain, const ScalarOf<N> *x,
                          ScalarOf<N> *out) {
    using V = LaneOf<N>;
    constexpr int most = 64;
    Segment<N, D> segments[most];
    int n = 0;
    Points<V, D> points;
    for (int d = 0; d < D; d++) points.x[d] = V(x[threadIdx.x * D + d]);
    set_points<V, D>(domain, points);
    Walker<N, D> walker;
    begin_walk<N, D>(flow, domain, points, points.x, walker);
    while (any(walker.active()) && n < most) {
        const Cell<N, D> cell = flow.cell(walker.at.cell);
        segments[n].from = walker.at;
        segments[n++].duration = leave(flow, cell, plan_step(cell, walker), walker);
    }
    N lam[D];
    for (int d = 0; d < D; d++) {
        const V end = end_point<V, D>(domain, points, value_of(walker.moved[d]), d);
        out[threadIdx.x * D + d] = end[0];
        lam[d] = N(end_cotangent<V, D>(domain, end, points.not_finite, d));
    }
    while (n > 0) {
        n--;
        const Cell<N, D> cell = flow.cell(segments[n].from.cell);
        out[0] += value_of(pull_back<N, D>(cell, segments[n], lam).velocity[0][0])[0];
    }
    out[1] += point_cotangent<V, D>(domain, value_of(lam[0]), 0)[0];
}

#define CPAB_FOR_FIELD(T, D) \
    template __global__ void field_records<T, D>(const T *, const int32_t *, const T *, T *, T *);
CPAB_FOR_FIELD(float, 1)
CPAB_FOR_FIELD(float, 2)
CPAB_FOR_FIELD(double, 3)

#define CPAB_FOR(N, D)                                                                                \
    template __global__ void both_ways<N, D>(Flow<N, D>, Domain<ScalarOf<N>, D>, const ScalarOf<N> *, \
                                             ScalarOf<N> *);
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
    for (int k = 0; k < stencil.corners; k++)
        data[stencil.offset[0] + corner_shift(axis, k)] = stencil.weight(k)[0];
}

#define CPAB_FOR_IMAGES(V, D, n_taps)                                                                  \
    template __global__ void sampled<V, D, n_taps>(cpab::PixelGrid, const ImageAxis<V::Scalar> *, int, \
                                                   V::Scalar *);
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

/* One thread per cell. */
template <typename T>
__global__ void cells_1d(const double *knots, T *records, double *shares) {
    const OneDouble low = knots[threadIdx.x], high = knots[threadIdx.x + 1];
    const LineCell<OneDouble> cell(low, high, high - low);
    cell.write(0, records + threadIdx.x * LineRecord::stride);
    OneDouble from = low, to = high;
    to_speeds(from, to);
    const CrossedShare<OneDouble> crossed(OneDouble(1), from, to);
    const int32_t reading = clock_reading<int32_t>(uint64_t(cell.ticks.v));
    shares[threadIdx.x] = crossed.low.v + crossed.high.v + double(reading);
}

template __global__ void cells_1d<float>(const double *, float *, double *);
template __global__ void cells_1d<double>(const double *, double *, double *);
