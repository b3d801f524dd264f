/*
 * cpab.h - the whole public interface of libcpab.
 *
 * libcpab moves points along continuous piecewise-affine (CPA) velocity fields and differentiates
 * the result: the CPAB transformations of Freifeld et al. (PAMI 2017), as used in deep networks by
 * Detlefsen et al. (CVPR 2018). It knows no framework and no language but C.
 *
 * The field. A box is split into simplices: n intervals in 1D; in 2D nx * ny rectangles, each cut
 * by its two diagonals into 4 triangles; in 3D boxes, each cut into 5 tetrahedra. A field that is affine in
 * every simplex and continuous is given by its values at the vertices, so `velocity` below is any array
 * [n_batch, n_vertices, ndim].
 *
 * Calls. Every function that computes takes a cpab_call, which says what all of them need: the tessellation,
 * the type of numbers, the sizes, the time. The arrays follow: inputs first, results last; points or images
 * come before velocity, and gradients in the order of what they belong to.
 *
 * Conventions. Arrays are dense and row-major, sizes are int64_t, the last axis is (x), (x, y) or
 * (x, y, z). Coordinates and velocities are in units of the domain. Nothing is printed, no
 * state is kept but the team of cpab_set_team() and each thread's cpab_set_thread_team() and
 * cpab_set_interrupt(), no pointer to data is stored after a call returns. Every function may be called from
 * many threads at once, each with a cpab_call of its own; a tessellation is immutable and may be shared
 * between them.
 *
 * Devices. There are two libraries with this interface: libcpab works in the memory of the CPU, and
 * libcpab_cuda in that of a CUDA device. The second starts work on the stream that it is given and returns
 * before that is done. It allocates nothing and waits for nothing: tables and scratch are the caller's, and
 * what fails later is in a report. So CPAB_E_RANGE and CPAB_E_DIVERGED are not answered: the item is NaN, or
 * the point. It knows no tapes, no threads and no interrupts, and ignores what is said of them.
 *
 * Not promised: bit-identical results between different builds or processors. On one machine and
 * build, results do not depend on `n_threads` and repeat bit for bit.
 */
#ifndef CPAB_H
#define CPAB_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32) && defined(CPAB_EXPORTS)
#    define CPAB_API __declspec(dllexport)
#elif defined(_WIN32)
#    define CPAB_API __declspec(dllimport)
#elif defined(__GNUC__)
#    define CPAB_API __attribute__((visibility("default")))
#else
#    define CPAB_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* cdef begin: from here to `cdef end` the text is plain C that bindings may parse. */

/* The abi_version that cpab_library_describe() gave when this header was written. It changes when an
   existing declaration changes; new functions leave it as it is. */
enum { CPAB_ABI_VERSION = 3 };

typedef enum cpab_status {
    CPAB_OK = 0,
    CPAB_E_NULL = 1,      /* a required pointer is NULL */
    CPAB_E_ABI = 2,       /* a struct's size is not one this library knows */
    CPAB_E_NDIM = 3,      /* ndim is not one this build supports, or not the tessellation's */
    CPAB_E_CELLS = 4,     /* a number of cells is below 1, or there are too many in all */
    CPAB_E_DOMAIN = 5,    /* lower < upper does not hold, or a bound is not finite */
    CPAB_E_OPTION = 6,    /* an enumeration has a value that does not exist */
    CPAB_E_SHAPE = 7,     /* a size is negative, points_batch is neither 1 nor n_batch, or an array has
                             more elements than can be counted */
    CPAB_E_TIME = 8,      /* time is not finite */
    CPAB_E_THREADS = 9,   /* n_threads is negative, or is 0 and CPABX_NUM_THREADS is no number of threads */
    CPAB_E_RANGE = 10,    /* a field is too large to integrate, see CPAB_MAX_RATE */
    CPAB_E_DIVERGED = 11, /* a trajectory left the range of the number type */
    CPAB_E_MEMORY = 12,   /* memory could not be allocated */
    CPAB_E_IMAGE = 13,    /* a size is below 1 or above CPAB_MAX_SIZE, or channels is negative */
    CPAB_E_TAPE = 14,     /* a tape was not recorded by a call with these arguments */
    CPAB_E_INTERRUPTED = 15, /* see cpab_set_interrupt(); results are unspecified */
    CPAB_E_DEVICE = 16,      /* this library does not work in the memory of that device */
    CPAB_E_SCRATCH = 17,     /* scratch is not aligned, or smaller than cpab_scratch_bytes() */
    CPAB_E_LAUNCH = 18       /* the device did not take the work */
} cpab_status;

/* What the field is outside of the domain. Both are continuous.
   LINEAR   each side keeps its outward derivative, taken as the mean over the cells of that side;
            exact continuation of the affine pieces where these derivatives agree (the paper's
            "valid outside").
   NEAREST  v(x) = v(nearest point of the domain). */
typedef enum cpab_outside { CPAB_OUTSIDE_LINEAR = 0, CPAB_OUTSIDE_NEAREST = 1 } cpab_outside;

enum {
    CPAB_MAX_NDIM = 3,
    /* Most simplices in one tessellation: indices stay in int32, tables below 1 GiB. */
    CPAB_MAX_CELLS = 4194304,
    /* Largest |time| * |A| of a field, |A| the row-sum norm of its linear part in units of cells:
       exp(1024) overflows float64, so nothing beyond it has a meaning. */
    CPAB_MAX_RATE = 1024,
    /* Largest |time| * |v| at a vertex, in cells. */
    CPAB_MAX_SPEED = 1048576,
    /* Most pixels along one axis of an image. */
    CPAB_MAX_SIZE = 1073741824,
    /* Bytes for each point of a tape that cpab_tape_bytes() proposes. */
    CPAB_TAPE_PER_POINT = 64
};

/* The memory that arrays lie in. A library works in that of one device: cpab_library_describe() says which.
 */
typedef enum cpab_device { CPAB_CPU = 0, CPAB_CUDA = 1 } cpab_device;

/* The type of all numbers of a call. */
typedef enum cpab_dtype { CPAB_FLOAT32 = 0, CPAB_FLOAT64 = 1 } cpab_dtype;

/* What the library says about itself; the strings are static. The first two members stay where they are in
   every version of this header. */
typedef struct cpab_library {
    size_t struct_size;
    int32_t abi_version; /* CPAB_ABI_VERSION of the header that the library was built with */
    int32_t device;      /* a cpab_device */
    const char *version;
    const char *build_info;
    const char *isa_names;  /* the instruction sets of this build that the processor has, and "best" */
    cpab_status isa_status; /* CPAB_E_OPTION: the environment variable CPAB_ISA is none of isa_names */
    int32_t n_threads; /* the environment variable CPABX_NUM_THREADS, or the processors that the process may
                          use; 0: that variable is no whole number from 1 to 999999999 */
} cpab_library;

/*
 * Describes the library as it is now: the environment variable CPAB_ISA may choose an instruction set, for
 * comparisons, one of isa_names. Without it, or with another value, calls use the best.
 *
 * Set struct_size to sizeof(cpab_library). CPAB_E_ABI: it is not the one this library knows; then abi_version
 * alone is written.
 */
CPAB_API cpab_status cpab_library_describe(cpab_library *library);

/* A status in words, as parts of an error message; the strings are static, and none is NULL. */
typedef struct cpab_message {
    const char *required; /* what must be, such as "time must be finite" */
    const char *received; /* what came instead; empty where only the caller can say */
    const char *remedy;   /* what to do, as a sentence */
} cpab_message;
CPAB_API const cpab_message *cpab_explain(cpab_status status);

/*
 * Who runs the threads of a call. By itself a call starts n_threads - 1 threads and joins them. A process
 * that already has a team of threads, waiting for the next loop, can lend it: then the two do not compete for
 * processors. GOMP_parallel() and omp_get_max_threads() of the OpenMP runtimes of GCC and LLVM are such a
 * team.
 *
 *   run    calls task(data) on the calling thread and at the same time on all others of the team, and returns
 *          when all are done; n_threads and flags are 0. Those that a call has no use for return at once.
 *          With fewer threads than usual the call takes longer and gives the same bits.
 *   size   the number of threads that run() is going to have. A call that wants more starts its own.
 *
 * Both NULL: no team any more. Calls that are under way keep the team that they began with. In a forked
 * child, where a team's threads do not exist, there is none until the child lends one.
 * CPAB_E_NULL: one of both is NULL; CPAB_E_MEMORY: the system cannot take note of forks. Then nothing
 * changes.
 */
typedef void (*cpab_team_run)(void (*task)(void *data), void *data, unsigned n_threads, unsigned flags);
typedef int (*cpab_team_size)(void);
CPAB_API cpab_status cpab_set_team(cpab_team_run run, cpab_team_size size);

/*
 * The same of the calls that this thread makes, and of no others: they run in this team, whatever
 * cpab_set_team() has lent. It is for a caller whose threads are another's, who lends them to one call and
 * takes them back after it. run() may call the task more often than it has threads, one call after the other.
 */
CPAB_API cpab_status cpab_set_thread_team(cpab_team_run run, cpab_team_size size);

/*
 * Who may end a call before it is done. From then on, calls that this thread makes ask wanted() on it, every
 * 50 milliseconds or so, between slices of their work; calls that other threads make do not. Where it answers
 * other than 0, the call hands out no more work and answers CPAB_E_INTERRUPTED, usually within milliseconds;
 * results and failed_item are then unspecified. wanted() may take its time, and may not call this library.
 * NULL: nobody, as at first. A forked child inherits it from the thread that forks.
 */
typedef int (*cpab_interrupt_wanted)(void);
CPAB_API void cpab_set_interrupt(cpab_interrupt_wanted wanted);

typedef struct cpab_tessellation cpab_tessellation;

/* Set struct_size to sizeof(cpab_tessellation_options). Entries from ndim on are ignored. */
typedef struct cpab_tessellation_options {
    size_t struct_size;
    int32_t ndim;     /* 1, 2 or 3 */
    int32_t outside;  /* a cpab_outside */
    int64_t cells[3]; /* intervals, rectangles or boxes along each axis, at least 1 */
    double lower[3];  /* the domain's lowest corner, */
    double upper[3];  /* and its highest */
} cpab_tessellation_options;

/* Makes a tessellation; *out is NULL on error. Free it with cpab_tessellation_destroy(), which
   accepts NULL. */
CPAB_API cpab_status cpab_tessellation_create(const cpab_tessellation_options *options,
                                              cpab_tessellation **out);
CPAB_API void cpab_tessellation_destroy(cpab_tessellation *tess);

/* How many there are; all 0 if `tess` is NULL. Set struct_size to sizeof(cpab_tessellation_sizes). */
typedef struct cpab_tessellation_sizes {
    size_t struct_size;
    int64_t ndim, n_vertices, n_cells;
} cpab_tessellation_sizes;
CPAB_API cpab_status cpab_tessellation_describe(const cpab_tessellation *tess,
                                                cpab_tessellation_sizes *sizes);

/* Where the cells lie. Each of the two arrays may be NULL.

   vertices  Coordinates [n_vertices, ndim]. Grid corners come first, x fastest, then (2D) the centres of the
   rectangles, x fastest.

   cells  Vertex indices [n_cells, ndim + 1]. In 2D the triangles of rectangle (i, j) are cells
   4 * (i + nx * j) + k, with k = 0 at its low-y side, 1 high x, 2 high y, 3 low x. In 3D the tetrahedra of
   box (i, j, k) are cells 5 * (i + nx * (j + ny * k)) + m: m = 0 in the middle, with those corners of the
   box for which the sum of the indices is even; the others each cut off an odd one. In boxes with even
   i + j + k these are, as offsets in the box, (0, 0, 1), (1, 1, 1), (0, 1, 0), (1, 0, 0) for m = 1 to 4; in
   the other boxes (1, 0, 1), (0, 1, 1), (0, 0, 0), (1, 1, 0). */
CPAB_API cpab_status cpab_tessellation_geometry(const cpab_tessellation *tess, double *vertices,
                                                int64_t *cells);

/* What images are where they have no pixels. For REFLECTION, mirrors stand at the centres of the outermost
   pixels (align_corners), or at their outer edges. For WRAP, pixel i is pixel i modulo their number: a period
   is as long as so many pixels, which with align_corners is longer than the box that the image covers. */
typedef enum cpab_padding {
    CPAB_PADDING_ZEROS = 0,
    CPAB_PADDING_BORDER = 1, /* the value of the nearest place in the image */
    CPAB_PADDING_REFLECTION = 2,
    CPAB_PADDING_WRAP = 3
} cpab_padding;

/* LINEAR is linear in 1D, bilinear in 2D and trilinear in 3D. NEAREST takes the nearest pixel, of two that
   are equally near the one with the even number. CUBIC is cubic convolution (Keys 1981) with a = -3/4 along
   each axis, bicubic in 2D and tricubic in 3D; padding applies to each of the 4^ndim pixels around a point.
 */
typedef enum cpab_interpolation {
    CPAB_INTERPOLATION_LINEAR = 0,
    CPAB_INTERPOLATION_NEAREST = 1,
    CPAB_INTERPOLATION_CUBIC = 2
} cpab_interpolation;

/*
 * An image covers a box: with align_corners the centres of its outermost pixels lie on the border of the box,
 * without it their outer edges do. All options but WRAP mean what they mean in torch's grid_sample, and CUBIC
 * what it means there in 2D.
 *
 * Set struct_size to sizeof(cpab_image). Entries of sizes from ndim on are ignored.
 */
typedef struct cpab_image {
    size_t struct_size;
    int32_t ndim;           /* 1, 2 or 3 */
    int32_t padding;        /* a cpab_padding */
    int32_t interpolation;  /* a cpab_interpolation */
    int32_t align_corners;  /* 0 or 1 */
    int32_t channels_last;  /* 0: images are [n_batch, channels, (z, (y,)) x], 1: [n_batch, (z, (y,)) x,
                               channels] */
    int64_t channels;       /* at least 0 */
    int64_t size[3];        /* pixels along x, y, z; from 1 to CPAB_MAX_SIZE */
    int64_t output_size[3]; /* of cpab_warp(): pixels of the result along x, y, z; 0 is fine */
} cpab_image;

/* Where a library that cannot wait for its device leaves what failed, in memory that the device can write to:
   the lowest batch index, or -1 as the caller has set it before. Calls that use one report may be under way
   at a time. */
typedef struct cpab_report {
    int32_t out_of_range_item, diverged_item;
} cpab_report;

/*
 * What all functions that compute must know. Set struct_size to sizeof(cpab_call), and what is not used to 0.
 *
 * A tape carries the steps of trajectories from a forward call to the backward call, which then need not walk
 * them again. It is memory of the caller's, of any size and without an alignment: as many points are recorded
 * as have room, and the others walked again. Results are bit for bit those of the calls without a tape.
 * cpab_transform() and cpab_warp() write it, the _vjp of both read it, the latter only for a gradient of the
 * velocity, and other calls ignore it. A warp also leaves there what the gradient needs of the images.
 * Between the two calls, velocity, points, images and the instruction set must not change: if they do, the
 * gradients mean nothing, though nothing is read or written out of bounds. A tape of a call with other sizes,
 * another time, tessellation or number type is CPAB_E_TAPE.
 */
typedef struct cpab_call {
    size_t struct_size;
    const cpab_tessellation *tess; /* of all calls but cpab_sample() and its vjp */
    const cpab_image *image;       /* of these two, cpab_warp() and its vjp; of the tessellation's ndim */
    int32_t dtype;                 /* a cpab_dtype, of all arrays */
    int32_t device;                /* a cpab_device: the library's */
    int64_t n_batch;               /* fields, or images */
    int64_t n_points;              /* per field; cpab_warp() has pixels instead, and ignores these two */
    int64_t points_batch;          /* n_batch, or 1: all fields share the points */
    double time;                   /* 1 is the transformation, -1 its inverse, 0 the identity */
    int32_t n_threads; /* at most, the caller's included; fewer work where there is little to do. 0: those
                          that cpab_library tells, as many as the process may use */
    /* 1: the gradient of images has the same bits every time, for which libcpab_cuda needs more scratch and
       time. 0: there it need not have; here it always has */
    int32_t deterministic;
    void *tape;         /* or NULL */
    int64_t tape_bytes; /* its size: at best cpab_tape_bytes() */
    /* Of libcpab_cuda; libcpab ignores them. */
    const void *tables; /* a copy of cpab_tables() in the device's memory, aligned to 16 bytes */
    void *scratch;      /* in the device's memory, aligned to 16 bytes: of this call alone until it is done */
    int64_t scratch_bytes; /* its size: at least cpab_scratch_bytes() */
    void *stream;          /* a cudaStream_t of the current device */
    cpab_report *report;   /* or NULL */
    int64_t failed_item;   /* answer: the batch index that an error is about, or -1 */
} cpab_call;

/* What there is to compute, one for each of the functions below. */
typedef enum cpab_function {
    CPAB_TRANSFORM = 0,
    CPAB_TRANSFORM_VJP = 1,
    CPAB_VELOCITY = 2,
    CPAB_TRANSFORM_JVP = 3,
    CPAB_TRANSFORM_VJP_JVP = 4,
    CPAB_JACOBIAN = 5,
    CPAB_JACOBIAN_VJP = 6,
    CPAB_SAMPLE = 7,
    CPAB_SAMPLE_VJP = 8,
    CPAB_WARP = 9,
    CPAB_WARP_VJP = 10
} cpab_function;

/* How much scratch a call of a function needs: 0 for libcpab, and for a call that is not valid. It depends on
   the struct alone, but for its pointers to memory. */
CPAB_API int64_t cpab_scratch_bytes(const cpab_call *call, cpab_function function);

/* Writes to `host` what libcpab_cuda reads of a tessellation, for numbers of a cpab_dtype. It has no
   pointers, so it may be copied, to the device and within it. Returns its size in bytes, which is all that
   happens if `host` is NULL; 0 for libcpab and for arguments that are not valid. */
CPAB_API int64_t cpab_tables(const cpab_tessellation *tess, int32_t dtype, void *host);

/* How large a tape should be: 64 bytes a point, and for the whole call a little more. That is enough for
   displacements of up to 15 % of the domain in float32 and 5 % in float64, at 4 cells an axis; a tape that is
   smaller by choice only costs time. 0 in 1D, where there are no steps, and for a call that is not valid. For
   cpab_warp(), n_points is the number of pixels of the result. */
CPAB_API int64_t cpab_tape_bytes(const cpab_call *call);

/*
 * cpab_transform(): out = phi(points, time), where d phi / dt = v(phi) and phi(x, 0) = x; eqs. 5 and
 * 6 of Detlefsen et al. 2018.
 *
 *   points        [points_batch, n_points, ndim]
 *   velocity      [n_batch, n_vertices, ndim]
 *   out           [n_batch, n_points, ndim]; may be `points` itself if points_batch == n_batch
 *
 * A velocity that is not finite makes its batch item NaN, a point that is not finite makes that
 * point NaN; all others are unaffected and the status is CPAB_OK. A field of zeros returns the
 * points bit for bit, unless their distance from the domain overflows when counted in cells, which
 * is a divergence. Sizes of 0 are fine, and arrays without elements may be NULL. On CPAB_E_DIVERGED the
 * points in question are NaN and the rest of `out` is complete; on any other error `out` is untouched
 * (CPAB_E_MEMORY: unspecified).
 */
CPAB_API cpab_status cpab_transform(cpab_call *call, const void *points, const void *velocity, void *out);

/*
 * cpab_transform_vjp(): the vector-Jacobian product of cpab_transform().
 *
 *   grad_out       [n_batch, n_points, ndim]   dL / d out
 *   grad_points    [n_batch, n_points, ndim]   dL / d points, per batch item also where the points
 *                                              are shared (the caller adds them up); or NULL
 *   grad_velocity  [n_batch, n_vertices, ndim] dL / d velocity, overwritten; or NULL
 *
 * Other arguments and errors as above. Where an input of a batch item is not finite, the gradients
 * that depend on it are NaN. For a point that rests on a face, where the derivatives of the cells
 * that meet there differ, it is that of one of them. Extra memory: O(n_threads * n_cells), and per thread the
 * trajectories of some 2000 points. The results may not share memory with the inputs.
 */
CPAB_API cpab_status cpab_transform_vjp(cpab_call *call, const void *points, const void *velocity,
                                        const void *grad_out, void *grad_points, void *grad_velocity);

/*
 * cpab_velocity(): out = v(points), also outside of the domain. Arguments and errors as above; the time is
 * ignored.
 */
CPAB_API cpab_status cpab_velocity(cpab_call *call, const void *points, const void *velocity, void *out);

/*
 * cpab_transform_jvp(): the Jacobian-vector product of cpab_transform(), the derivative of `out` along a
 * direction in which points and fields change.
 *
 *   tangent_points    [points_batch, n_points, ndim], or NULL: the points stay where they are
 *   tangent_velocity  [n_batch, n_vertices, ndim], or NULL: the fields stay as they are
 *   out_tangent       [n_batch, n_points, ndim]
 *
 * Other arguments and errors as above.
 */
CPAB_API cpab_status cpab_transform_jvp(cpab_call *call, const void *points, const void *velocity,
                                        const void *tangent_points, const void *tangent_velocity,
                                        void *out_tangent);

/*
 * cpab_transform_vjp_jvp(): the derivative of cpab_transform_vjp()'s results along a direction, which is
 * a product with the second derivatives of sum(grad_out * out). Directions as in cpab_transform_jvp(),
 * the rest as in cpab_transform_vjp(). The Jacobian of a transformation has kinks where trajectories
 * touch a face without crossing it; there the result is one-sided.
 */
CPAB_API cpab_status cpab_transform_vjp_jvp(cpab_call *call, const void *points, const void *velocity,
                                            const void *grad_out, const void *tangent_points,
                                            const void *tangent_velocity, void *grad_points,
                                            void *grad_velocity);

/*
 * cpab_jacobian(): the derivative of `out` with respect to each point, and how volumes change.
 *
 *   jacobian  [n_batch, n_points, ndim, ndim]  d out_i / d point_j by rows i; or NULL
 *   log_det   [n_batch, n_points]  log |det jacobian|, computed as the integral of the divergence of the
 *             field along the trajectory, hence finite where the determinant would over- or underflow;
 *             or NULL
 *
 * Other arguments and errors as above.
 */
CPAB_API cpab_status cpab_jacobian(cpab_call *call, const void *points, const void *velocity, void *jacobian,
                                   void *log_det);

/*
 * cpab_jacobian_vjp(): the vector-Jacobian product of cpab_jacobian().
 *
 *   grad_jacobian  [n_batch, n_points, ndim, ndim]  dL / d jacobian, or NULL: zeros, at no cost
 *   grad_log_det   [n_batch, n_points]              dL / d log_det, or NULL: zeros, at no cost
 *   grad_points    [n_batch, n_points, ndim]        dL / d points, as in cpab_transform_vjp(); or NULL
 *   grad_velocity  [n_batch, n_vertices, ndim]      dL / d velocity, overwritten; or NULL
 *
 * Other arguments and errors as above. No Jacobian is inverted: like log_det itself, its gradient is taken
 * along the trajectory, and is finite where the Jacobian over- or underflows. Both results of cpab_jacobian()
 * have kinks or jumps where trajectories touch a face without crossing it, or begin or end on one; there the
 * gradient is one-sided.
 */
CPAB_API cpab_status cpab_jacobian_vjp(cpab_call *call, const void *points, const void *velocity,
                                       const void *grad_jacobian, const void *grad_log_det, void *grad_points,
                                       void *grad_velocity);

/*
 * cpab_sample(): out = images(points), the values of images between their pixels.
 *
 *   images    in the layout that call->image describes; they cover [-1, 1]^ndim
 *   points    [points_batch, n_points, ndim]
 *   out       [n_batch, channels, n_points], or [n_batch, n_points, channels] with channels_last
 *
 * A point that is not finite is NaN in all its channels. What is not finite in the images shows in `out` only
 * where such a pixel is one of those around a point, and has weight. Sizes of 0 are fine (but for those of an
 * image), and arrays without elements may be NULL. On an error `out` is untouched. It may not share memory
 * with the inputs.
 */
CPAB_API cpab_status cpab_sample(cpab_call *call, const void *images, const void *points, void *out);

/*
 * cpab_sample_vjp(): the vector-Jacobian product of cpab_sample().
 *
 *   grad_out     like `out`                   dL / d out
 *   grad_images  like `images`                dL / d images, overwritten; or NULL
 *   grad_points  [n_batch, n_points, ndim]    dL / d points, per batch item also where the points are
 *                                             shared; or NULL
 *
 * Other arguments and errors as above. Linear interpolation has kinks at the centres of pixels: the
 * derivative there is that on the higher side. On a border that padding clamps to and beyond it, it is 0, and
 * for NEAREST everywhere. A point that is not finite has a gradient of NaN and adds nothing to grad_images,
 * as its value does not depend on any pixel. Extra memory: none that depends on sizes.
 */
CPAB_API cpab_status cpab_sample_vjp(cpab_call *call, const void *images, const void *points,
                                     const void *grad_out, void *grad_images, void *grad_points);

/*
 * cpab_warp(): out(x) = images(phi(x, time)), images moved by transformations. The x are the centres of the
 * pixels of an output that covers the domain of the tessellation as the image does: along an axis from lower
 * to upper, pixel i of n is at lower + i / (n - 1) * (upper - lower) with align_corners (in the middle if n
 * is 1), or else at lower + (i + 1/2) / n * (upper - lower). The result is that of cpab_transform() followed
 * by cpab_sample(), in one pass that never stores the points.
 *
 *   images       in the layout that call->image describes
 *   velocity     [n_batch, n_vertices, ndim]
 *   out          [n_batch, channels, (z, (y,)) x] of image->output_size, or channels last
 *
 * Errors are those of cpab_transform() and cpab_sample(); a velocity that is not finite makes its batch item
 * NaN.
 */
CPAB_API cpab_status cpab_warp(cpab_call *call, const void *images, const void *velocity, void *out);

/*
 * cpab_warp_vjp(): the vector-Jacobian product of cpab_warp().
 *
 *   grad_out       like `out`                     dL / d out
 *   grad_images    like `images`                  dL / d images, overwritten; or NULL
 *   grad_velocity  [n_batch, n_vertices, ndim]    dL / d velocity, overwritten; or NULL
 *
 * Other arguments and errors as above; what is not finite shows as in cpab_transform_vjp() and
 * cpab_sample_vjp(). Extra memory: that of cpab_transform_vjp(), and per thread the places where 4096 points
 * end, or n_cells if that is more.
 */
CPAB_API cpab_status cpab_warp_vjp(cpab_call *call, const void *images, const void *velocity,
                                   const void *grad_out, void *grad_images, void *grad_velocity);

/* cdef end */

#ifdef __cplusplus
}
#endif

#endif /* CPAB_H */
