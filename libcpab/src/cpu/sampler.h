/*
 * Sampling of one batch item's image. The interface knows no instruction set; cpu/sample_kernel.h implements
 * it, compiled once for each.
 */
#ifndef CPAB_CPU_SAMPLER_H
#define CPAB_CPU_SAMPLER_H

#include <cstdint>

#include "../memory.h"
#include "../raster.h"

namespace cpab {

/* Immutable: many threads may use one. Pointers are to the first pixel of the image, and to the first of the
   n points and what belongs to it. */
template <typename T>
class Sampler : public OnHeap {
public:
    virtual void release() = 0;

    virtual void values(const T *data, const T *points, int64_t n, T *out) const = 0;

    /* How many bytes values_and_slopes() writes of n points; 0 if this sampler knows no slopes: where others
       are as quick, or too many. */
    virtual int64_t slope_bytes(int64_t n) const = 0;

    /* The values, and to memory without an alignment the derivatives of each by its point. */
    virtual void values_and_slopes(const T *data, const T *points, int64_t n, T *out,
                                   unsigned char *slopes) const = 0;

    /* The gradients with respect to points that gradients() gives, to the last bit, by these slopes. false if
       one of them is not finite: then they mean nothing. */
    virtual bool gradients_by_slopes(const unsigned char *slopes, const T *grad_out, int64_t n,
                                     T *grad_points) const = 0;

    /* The gradients of sum(grad_out * values): with respect to the data, added to grad_data, and to the
       points. Each may be NULL. */
    virtual void gradients(const T *data, const T *points, const T *grad_out, int64_t n, T *grad_data,
                           T *grad_points) const = 0;

    /* That of the data alone, for the pixels from `first` to `last` along the image's last axis. What a pixel
       is given, point after point, does not depend on which pixels are asked for. */
    virtual void band_gradients(const T *points, const T *grad_out, int64_t n, int64_t first, int64_t last,
                                T *grad_data) const = 0;

protected:
    ~Sampler() = default;
};

/* A sampler for the best instruction set that this processor has, or NULL if there is no memory. */
template <typename T>
Sampler<T> *make_sampler(const Raster &raster);

}  // namespace cpab

#endif
