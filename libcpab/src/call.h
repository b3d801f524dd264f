/* The checks that calls begin with, whatever memory their arrays lie in. */
#ifndef CPAB_CALL_H
#define CPAB_CALL_H

#include <algorithm>
#include <cmath>
#include <initializer_list>

#include "pixel_grid.h"
#include "raster.h"
#include "sizes.h"
#include "tessellation.h"

namespace cpab {

/* Checks what every function needs, and forgets the answer of an earlier call. */
inline cpab_status begin(cpab_call *call, cpab_device device) {
    if (!call) return CPAB_E_NULL;
    if (call->struct_size != sizeof *call) return CPAB_E_ABI;
    call->failed_item = -1;
    if (call->dtype != CPAB_FLOAT32 && call->dtype != CPAB_FLOAT64) return CPAB_E_OPTION;
    if (call->device != CPAB_CPU && call->device != CPAB_CUDA) return CPAB_E_OPTION;
    if (call->deterministic != 0 && call->deterministic != 1) return CPAB_E_OPTION;
    return call->device == device ? CPAB_OK : CPAB_E_DEVICE;
}

/* Arrays of a call, and whether they have elements: without any, they may be NULL. */
struct Given {
    const void *array;
    bool has_elements;
};

inline bool all_given(std::initializer_list<Given> arrays) {
    return std::all_of(arrays.begin(), arrays.end(),
                       [](const Given &given) { return given.array || !given.has_elements; });
}

inline cpab_status check_flow_options(const cpab_call &call) {
    if (!std::isfinite(call.time)) return CPAB_E_TIME;
    return call.n_threads < 0 ? CPAB_E_THREADS : CPAB_OK;
}

/* Checks a call that follows points along fields. Results are arrays with an entry or more for each point: at
   most one per coordinate, or with `matrices` a matrix. */
inline cpab_status check_points(const cpab_call &call, const void *points, const void *velocity,
                                std::initializer_list<const void *> results, bool matrices = false) {
    if (!call.tess) return CPAB_E_NULL;
    const int64_t ndim = call.tess->ndim;
    if (call.n_batch < 0 || call.n_points < 0) return CPAB_E_SHAPE;
    if (call.points_batch != call.n_batch && call.points_batch != 1) return CPAB_E_SHAPE;
    if (!countable({call.n_batch, call.tess->n_vertices, ndim}) ||
        !countable({call.n_batch, call.n_points, matrices ? ndim * ndim : ndim}))
        return CPAB_E_SHAPE;
    const bool has_points = call.n_batch > 0 && call.n_points > 0;
    if (!all_given({{velocity, call.n_batch > 0}, {points, has_points}})) return CPAB_E_NULL;
    for (const void *result : results)
        if (!all_given({{result, has_points}})) return CPAB_E_NULL;
    return check_flow_options(call);
}

/* Checks a call that samples images at points, and describes them. */
inline cpab_status check_sampling(const cpab_call &call, const void *images, const void *points,
                                  const void *result, Raster &raster) {
    const double lower[3] = {-1, -1, -1}, extent[3] = {2, 2, 2};
    const cpab_status status = describe(call.image, lower, extent, call.n_batch, call.n_points, raster);
    if (status != CPAB_OK) return status;
    if (call.points_batch != call.n_batch && call.points_batch != 1) return CPAB_E_SHAPE;
    const bool has_points = call.n_batch > 0 && call.n_points > 0;
    const bool has_pixels = call.n_batch > 0 && call.image->channels > 0;
    if (!all_given({{points, has_points}, {images, has_pixels}, {result, has_points && has_pixels}}))
        return CPAB_E_NULL;
    return call.n_threads < 0 ? CPAB_E_THREADS : CPAB_OK;
}

/* Checks a call that warps images, and describes them and the pixels of the result: these are the points that
   the flow moves. */
inline cpab_status check_warp(cpab_call &call, const void *images, const void *velocity, const void *result,
                              PixelGrid &grid, Raster &raster) {
    if (!call.tess || !call.image) return CPAB_E_NULL;
    if (call.image->struct_size != sizeof *call.image) return CPAB_E_ABI;
    const cpab_tessellation &tess = *call.tess;
    grid.ndim = tess.ndim;
    grid.align_corners = call.image->align_corners != 0;
    for (int d = 0; d < tess.ndim; d++) {
        if (call.image->output_size[d] < 0 || call.image->output_size[d] > CPAB_MAX_SIZE) return CPAB_E_SHAPE;
        grid.size[d] = call.image->output_size[d];
        grid.lower[d] = tess.lower[d];
        grid.extent[d] = tess.upper[d] - tess.lower[d];
    }
    call.points_batch = 1;
    if (!multiply({grid.size[0], grid.size[1], grid.size[2]}, call.n_points)) return CPAB_E_SHAPE;
    const cpab_status status =
        describe(call.image, grid.lower, grid.extent, call.n_batch, call.n_points, raster);
    if (status != CPAB_OK) return status;
    if (!countable({call.n_batch, tess.n_vertices, tess.ndim}) ||
        !countable({call.n_batch, call.n_points, tess.ndim}))
        return CPAB_E_SHAPE;
    if (raster.ndim != tess.ndim) return CPAB_E_NDIM;
    if (!all_given({{velocity, call.n_batch > 0},
                    {images, call.n_batch * raster.item_size > 0},
                    {result, call.n_batch * raster.out_item_size > 0}}))
        return CPAB_E_NULL;
    return check_flow_options(call);
}

}  // namespace cpab

#endif
