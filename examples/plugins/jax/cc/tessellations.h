/*
 * Tessellations by the numbers that define them, which is what programs hold. Addresses would not do:
 * programs outlive what they were made from, in JAX's caches, in those on disk, and in files that other
 * processes read.
 */
#ifndef CPABX_JAX_TESSELLATIONS_H
#define CPABX_JAX_TESSELLATIONS_H

#include <algorithm>
#include <cstring>
#include <list>
#include <memory>
#include <mutex>
#include <utility>

#include "library.h"

namespace cpabx {

using Tessellation = std::shared_ptr<const cpab_tessellation>;

/* Those of a library that were used last. A call holds what it uses. */
class Tessellations {
public:
    /* The tessellation of these options, whose padding and unused entries are zeros. */
    cpab_status get(const Library &library, const cpab_tessellation_options &options, Tessellation *found) {
        const std::lock_guard<std::mutex> lock(mutex_);
        const auto place = std::find_if(kept_.begin(), kept_.end(), [&](const Kept &kept) {
            return std::memcmp(&kept.first, &options, sizeof(options)) == 0;
        });
        if (place != kept_.end()) {
            kept_.splice(kept_.begin(), kept_, place);
        } else {
            cpab_tessellation *made = nullptr;
            const cpab_status status = CPABX_FUNCTION(library, cpab_tessellation_create)(&options, &made);
            if (status != CPAB_OK) return status;
            kept_.emplace_front(options,
                                Tessellation(made, CPABX_FUNCTION(library, cpab_tessellation_destroy)));
            if (kept_.size() > 64) kept_.pop_back();
        }
        *found = kept_.front().second;
        return CPAB_OK;
    }

private:
    using Kept = std::pair<cpab_tessellation_options, Tessellation>;

    std::mutex mutex_;
    std::list<Kept> kept_;
};

}  // namespace cpabx

#endif
