/*
 * What one thread does with points. The interface knows no instruction set; cpu/walk_worker.h and
 * cpu/line_worker.h implement it, compiled once for each.
 */
#ifndef CPAB_CPU_WORKER_H
#define CPAB_CPU_WORKER_H

#include <cstdint>

#include "../../include/cpab.h"
#include "../memory.h"
#include "tape.h"

namespace cpab {

/* Most points that are walked together: those of a 42 x 42 image, as in the paper. In few vectors lanes run
   empty towards the end, and many do not fit the caches. */
constexpr int block_points = 1792;

/* What went wrong with some of the points; nothing, as it is made. */
struct Outcome {
    bool diverged = false, no_memory = false;
    void add(const Outcome &other) {
        diverged |= other.diverged;
        no_memory |= other.no_memory;
    }
};

/* What a worker must have room for. */
struct Needs {
    bool gradient = false, tangent = false, log_det = false;
    int64_t n_points = 0; /* of an item, in all of its slices */
};

/* Is told where points end, in a backward call: `count` of them from number `first` on, before their grad_out
   is read, which may depend on that. */
template <typename T>
class Ends {
public:
    virtual void reached(int64_t first, const T *ends, int count) = 0;

protected:
    ~Ends() = default;
};

template <typename T>
class Worker : public OnHeap {
public:
    virtual void release() = 0;

    /* Takes over the field of a batch item, and the direction that derivatives are taken in (or NULL). */
    virtual void prepare(const T *velocity, const T *tangent, double time) = 0;
    virtual bool in_range() const = 0;

    /* Points [n, ndim] to v(points). */
    virtual void velocities(const T *points, int64_t n, T *out) = 0;

    /* Points [n, ndim] to where they end; `out` may be `points`. Blocks of them may be left on a tape. */
    virtual Outcome move(const T *points, int64_t n, T *out, const TapeBlocks &tape) = 0;

    /* The derivatives of where points [n, ndim] end, along `tangent_points` (or NULL) and the field's
     * tangent. */
    virtual Outcome move_tangent(const T *points, const T *tangent_points, int64_t n, T *out_tangent) = 0;

    /* Jacobians [n, ndim, ndim] and logarithms of their determinants [n]; each may be NULL. */
    virtual Outcome jacobian(const T *points, int64_t n, T *jacobian, T *log_det) = 0;

    /* Gradients are collected from start_slice() to add_gradient(), which adds them to an item's. With
       a field's tangent, they are the derivatives of gradients along it and `tangent_points`. `ends` may
       be NULL. Blocks that the tape has are not walked again. Where points are the same for all items (see
       TapeBlocks), grad_points must be NULL. */
    virtual void start_slice() = 0;
    virtual Outcome pull_back(const T *points, const T *tangent_points, const T *grad_out, int64_t n,
                              T *grad_points, Ends<T> *ends, const TapeBlocks &tape) = 0;
    /* Collects the gradient of sum(grad_log_det * log_det), for which Needs::log_det must have been set. */
    virtual Outcome pull_back_log_det(const T *points, const T *grad_log_det, int64_t n, T *grad_points) = 0;
    virtual void add_gradient(T *grad_velocity) = 0;

protected:
    ~Worker() = default;
};

/* A worker for the best instruction set that this processor has, or NULL if there is no memory. */
template <typename T>
Worker<T> *make_worker(const cpab_tessellation &tess, const Needs &needs);

/* Name of that instruction set. */
const char *instruction_set();

/* What CPAB_ISA may choose here, and whether it is that. */
const char *instruction_sets();
bool knows_instruction_set();

}  // namespace cpab

#endif
