/* What all threads are told that sample images. */
#ifndef CPAB_CUDA_SAMPLE_JOB_H
#define CPAB_CUDA_SAMPLE_JOB_H

#include "../image_axis.h"
#include "gpu.h"

namespace cpab {
namespace CPAB_ISA {

template <typename T, int D>
struct SampleJob {
    ImageAxis<T> axis[D];
    Raster raster;
    int64_t n_points;
    int64_t cloud_size; /* elements from an item's points to the next one's; 0 if they are shared */
};

/* Where padding lets pairs of taps be neighbours in the image (sample.h), they are. */
CPAB_HD inline bool has_pairs(int32_t padding, int n_taps) {
    return n_taps <= 2 && padding != CPAB_PADDING_WRAP;
}

template <typename T, int D, int n_taps>
SampleJob<T, D> sample_job(const Raster &raster, int64_t n_points, bool shared_points) {
    SampleJob<T, D> job;
    for (int d = 0; d < D; d++)
        job.axis[d] = has_pairs(raster.padding, n_taps)
                          ? image_axis<T, n_taps>(raster, d, 0, raster.size[d] - 1)
                          : image_axis<T, 1>(raster, d, 0, raster.size[d] - 1);
    job.raster = raster;
    job.n_points = n_points;
    job.cloud_size = shared_points ? 0 : n_points * D;
    return job;
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
