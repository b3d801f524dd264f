/* A point in an image, as the thread that samples there sees it. */
#ifndef CPAB_CUDA_SAMPLE_TAPS_H
#define CPAB_CUDA_SAMPLE_TAPS_H

#include "../free_taps.h"
#include "sample_job.h"

namespace cpab {
namespace CPAB_ISA {

/* The corners of one point. Where they are is kept by axes: 64 addresses would not fit registers. */
template <typename T, int D, int n_taps>
struct PointTaps : CornerWeights<Lanes<T, 1>, D, n_taps> {
    using Weights = CornerWeights<Lanes<T, 1>, D, n_taps>;
    using Lane = Lanes<T, 1>;
    int64_t along[D][n_taps]; /* in elements */

    /* Where a corner is in a channel that begins at a place: an address, or elements from one. */
    template <typename Place>
    CPAB_DEVICE Place at(Place channel, int corner) const {
        int per_tap = Weights::corners;
        CPAB_UNROLL
        for (int d = D - 1; d >= 0; d--) {
            per_tap /= n_taps;
            channel += along[d][corner / per_tap % n_taps];
        }
        return channel;
    }

    /* As in CornerWeights. What is rare works on a copy in memory, so that the rest can stay in registers. */
    CPAB_DEVICE Lane combined(const Lane *at_corner, int along_axis) const {
        const Lane all = this->sum_of_all(at_corner, along_axis);
        if (is_finite(all)[0]) return all;
        const Weights weights = *this;
        Lane copy[Weights::corners];
        CPAB_UNROLL
        for (int k = 0; k < Weights::corners; k++) copy[k] = at_corner[k];
        return weights.sum_of_used(copy, along_axis);
    }

    CPAB_DEVICE void find(const SampleJob<T, D> &job, const T *point) {
        Lane x[D];
        CPAB_UNROLL
        for (int d = 0; d < D; d++) {
            x[d] = Lane(point[d]);
            const Lane nothing = x[d] * Lane(0);
            this->nan_or_zero = d == 0 ? nothing : this->nan_or_zero + nothing;
        }
        this->not_finite = ~(this->nan_or_zero == Lane(0));
        CPAB_UNROLL
        for (int d = 0; d < D; d++)
            find_along(d, job, select(this->not_finite, Lane(job.axis[d].lower), x[d]));
        CPAB_UNROLL
        for (int t = 0; t < n_taps; t++) {
            this->weight[0][t] = this->weight[0][t] + this->nan_or_zero;
            this->change[0][t] = this->change[0][t] + this->nan_or_zero;
        }
    }

private:
    CPAB_DEVICE void find_along(int d, const SampleJob<T, D> &job, Lane x) {
        const ImageAxis<T> &axis = job.axis[d];
        const int32_t padding = job.raster.padding;
        if constexpr (n_taps <= 2)
            if (has_pairs(padding, n_taps)) {
                Taps<Lane, n_taps> taps;
                set_taps(axis, position_on(axis, padding, x), taps);
                CPAB_UNROLL
                for (int t = 0; t < n_taps; t++) {
                    this->weight[d][t] = taps.weight[t];
                    this->change[d][t] = taps.change[t];
                    along[d][t] = int64_t(taps.base[0]) * axis.stride + t * axis.step;
                }
                return;
            }
        Lane pixel[n_taps];
        set_free_taps(axis, padding, x, this->weight[d], this->change[d], pixel);
        CPAB_UNROLL
        for (int t = 0; t < n_taps; t++) along[d][t] = int64_t(truncated(pixel[t])[0]) * axis.stride;
    }
};

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
