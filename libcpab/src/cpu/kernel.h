/*
 * The workers of one instruction set. The build defines CPAB_ISA, the name of its namespace, and
 * CPAB_LANE_BYTES, the width of its vectors (0: plain numbers).
 */
#ifndef CPAB_CPU_KERNEL_H
#define CPAB_CPU_KERNEL_H

#include "lane_count.h"
#include "line_worker.h"
#include "walk_worker.h"

namespace cpab {
namespace CPAB_ISA {

template <typename T, typename LanesWorker>
Worker<T> *make(const cpab_tessellation &tess, const Needs &needs) {
    auto *worker = new (or_null) LanesWorker(tess);
    if (worker && !worker->allocate(needs)) {
        worker->release();
        return nullptr;
    }
    return worker;
}

template <typename T, int D>
Worker<T> *make_worker(const cpab_tessellation &tess, const Needs &needs) {
    using V = Lanes<T, lane_count<T>>;
    using Wide = Lanes<double, lane_count<double>>;
    if constexpr (D == 1)
        return make<T, LineWorker<V, Wide, WalkWorker<V, 1>>>(tess, needs);
    else
        return make<T, WalkWorker<V, D>>(tess, needs);
}

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
