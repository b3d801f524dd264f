/* Before and after sums in fixed point (sample_sums.h). The build compiles this file for each type of number,
   with CPAB_NUMBER defined. */
#include <algorithm>

#include "sample_launch.h"
#include "sample_sums.h"

namespace cpab {
namespace CPAB_ISA {

namespace {

/* What all threads of a row go through together. */
CPAB_DEVICE int64_t first_place() { return gpu::block() * gpu::threads_per_block + gpu::thread(); }
CPAB_DEVICE int64_t places_on() { return gpu::blocks() * gpu::threads_per_block; }

}  // namespace

/* One change of memory for each warp. */
template <typename T>
CPAB_KERNEL largest_kernel(Raster raster, int64_t n_points, const T *__restrict__ grad_out,
                           uint64_t *largest) {
    const T *of_item = grad_out + gpu::row() * raster.out_item_size;
    uint64_t most = 0;
    for (int64_t point = first_place(); point < n_points; point += places_on())
        for (int64_t c = 0; c < raster.channels; c++) {
            const T grad = of_item[point * raster.out_point_stride + c * raster.out_channel_stride];
            const uint64_t bits = SumUnits<T>::magnitude_bits(grad);
            if (bits < SumUnits<T>::infinite && bits > most) most = bits;
        }
    for (int other = 1; other < gpu::warp_size; other *= 2) {
        const uint64_t theirs = gpu::from_partner(most, other);
        most = theirs > most ? theirs : most;
    }
    if (gpu::lane() == 0) gpu::raise(largest + gpu::row(), most);
}

template <typename T>
CPAB_KERNEL add_sums_kernel(int64_t item_size, FixedSums<T> all_sums) {
    const auto sums = of_item(all_sums, gpu::row(), item_size);
    for (int64_t i = first_place(); i < item_size; i += places_on())
        sums.grad_images[i] += sums.units.number(sums.sums[i]);
}

/* -- on the host ----------------------------------------------------------------------------------- */

namespace {

/* Rows of blocks for items with n places, a few places for each thread. */
gpu::Grid rows_for(int64_t n_items, int64_t n) {
    constexpr int64_t places_per_block = 8 * gpu::threads_per_block, most_blocks = 4096;
    return {std::min((n + places_per_block - 1) / places_per_block, most_blocks), n_items};
}

}  // namespace

template <typename T>
void launch_largest(const Sampling<T> &s, const T *grad_out, const FixedSums<T> &sums) {
    gpu::launch(largest_kernel<T>, rows_for(s.n_batch, s.n_points), 0, s.stream, s.raster, s.n_points,
                grad_out, sums.largest);
}

template <typename T>
void launch_add_sums(const Sampling<T> &s, const FixedSums<T> &sums) {
    const int64_t item_size = s.raster.item_size;
    gpu::launch(add_sums_kernel<T>, rows_for(s.n_batch, item_size), 0, s.stream, item_size, sums);
}

using Number = CPAB_NUMBER;
template void launch_largest(const Sampling<Number> &, const Number *, const FixedSums<Number> &);
template void launch_add_sums(const Sampling<Number> &, const FixedSums<Number> &);

}  // namespace CPAB_ISA
}  // namespace cpab
