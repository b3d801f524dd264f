/*
 * What libraries for CPAB transformations did on GPUs before this one, as plain kernels to compare with:
 * steps of equal length, each with the map of the cell in which it starts; and for the gradient a
 * differential equation for each parameter, in steps of the midpoint rule. 2D, float32, cells of rectangles
 * that their diagonals divide.
 *
 * Written from that description, and kinder to memory than what it stands for: derivatives are written once,
 * after the last step. Without nvcc, a C++ compiler makes loops of it for tests.
 */
#include <cstdint>

#ifdef __CUDACC__
#    define IN_THREAD __device__ inline
#else
#    define IN_THREAD inline
#endif

struct Problem {
    const float *points; /* [n_points, 2] in [-1, 1]^2 */
    const float *maps;   /* [n_batch, n_cells, 2, 3]: of a step, or velocities */
    const float *basis;  /* [n_params, n_cells, 2, 3]: their derivatives */
    const int32_t *cell; /* [ny, nx, 4]: numbers of triangles: below, left, right, above their centre */
    float *out;          /* [n_batch, n_points, 2], or [n_params, n_batch, n_points, 2] */
    int64_t n_batch, n_points, n_cells, n_params;
    int32_t nx, ny, n_steps;
};

/* The rectangle of a place along an axis of n, and how far in it the place is. */
IN_THREAD int part_of(float place, int n, float &inside) {
    const float scaled = 0.5f * (place + 1.0f) * float(n);
    int number = int(scaled);
    number = number < 0 || scaled < 0 ? 0 : number >= n ? n - 1 : number;
    inside = scaled - float(number);
    return number;
}

IN_THREAD int32_t cell_at(const Problem &p, float x, float y) {
    float in_x, in_y;
    const int ix = part_of(x, p.nx, in_x), iy = part_of(y, p.ny, in_y);
    const int rising = in_y >= in_x, falling = in_y >= 1.0f - in_x;
    return p.cell[(int64_t(iy) * p.nx + ix) * 4 + rising + 2 * falling];
}

IN_THREAD void applied(const float *map, float x, float y, float one, float &to_x, float &to_y) {
    to_x = map[0] * x + map[1] * y + map[2] * one;
    to_y = map[3] * x + map[4] * y + map[5] * one;
}

/* One of n_batch * n_points points. */
IN_THREAD void move(const Problem &p, int64_t i) {
    const int64_t item = i / p.n_points, number = i % p.n_points;
    const float *const maps = p.maps + item * p.n_cells * 6;
    float x = p.points[2 * number], y = p.points[2 * number + 1];
    for (int step = 0; step < p.n_steps; step++) {
        float to_x, to_y;
        applied(maps + 6 * cell_at(p, x, y), x, y, 1.0f, to_x, to_y);
        x = to_x;
        y = to_y;
    }
    p.out[2 * i] = x;
    p.out[2 * i + 1] = y;
}

/* One of n_params * n_batch * n_points derivatives. */
IN_THREAD void differentiate(const Problem &p, int64_t i) {
    const int64_t number = i % p.n_points, item = i / p.n_points % p.n_batch, k = i / p.n_points / p.n_batch;
    const float *const maps = p.maps + item * p.n_cells * 6, *const basis = p.basis + k * p.n_cells * 6;
    const float h = 1.0f / float(p.n_steps);
    float x = p.points[2 * number], y = p.points[2 * number + 1], dx = 0.0f, dy = 0.0f;
    for (int step = 0; step < p.n_steps; step++) {
        float vx, vy, ax, ay, bx, by;
        const int32_t here = cell_at(p, x, y);
        applied(maps + 6 * here, x, y, 1.0f, vx, vy);
        applied(maps + 6 * here, dx, dy, 0.0f, ax, ay);
        applied(basis + 6 * here, x, y, 1.0f, bx, by);
        const float mid_x = x + 0.5f * h * vx, mid_y = y + 0.5f * h * vy;
        const float mid_dx = dx + 0.5f * h * (ax + bx), mid_dy = dy + 0.5f * h * (ay + by);
        const int32_t there = cell_at(p, mid_x, mid_y);
        applied(maps + 6 * there, mid_x, mid_y, 1.0f, vx, vy);
        applied(maps + 6 * there, mid_dx, mid_dy, 0.0f, ax, ay);
        applied(basis + 6 * there, mid_x, mid_y, 1.0f, bx, by);
        x += h * vx;
        y += h * vy;
        dx += h * (ax + bx);
        dy += h * (ay + by);
    }
    p.out[2 * i] = dx;
    p.out[2 * i + 1] = dy;
}

#ifdef __CUDACC__

template <void (*one)(const Problem &, int64_t)>
__global__ void each(Problem p, int64_t n) {
    const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i < n) one(p, i);
}

template <void (*one)(const Problem &, int64_t)>
int all(const Problem &p, int64_t n, void *stream) {
    const int threads = 256;
    each<one><<<unsigned((n + threads - 1) / threads), threads, 0, static_cast<cudaStream_t>(stream)>>>(p, n);
    return int(cudaGetLastError());
}

#else

template <void (*one)(const Problem &, int64_t)>
int all(const Problem &p, int64_t n, void *) {
    for (int64_t i = 0; i < n; i++) one(p, i);
    return 0;
}

#endif

/* Both return 0, or the error of a launch. */
extern "C" int peers_move(const Problem *p, void *stream) {
    return all<move>(*p, p->n_batch * p->n_points, stream);
}

extern "C" int peers_differentiate(const Problem *p, void *stream) {
    return all<differentiate>(*p, p->n_params * p->n_batch * p->n_points, stream);
}
