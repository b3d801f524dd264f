/* Memory of the device that translated kernels have come across, so that each access is not a search. */
#ifndef CPAB_TESTS_PTX_REACH_H
#define CPAB_TESTS_PTX_REACH_H

#include <cstddef>
#include <cstdint>

#include "../stand_in/memory.h"

namespace ptx {

class Reach {
public:
    /* Whether all of these bytes are of one piece of the device's memory. */
    bool has(uintptr_t address, size_t bytes) {
        if (n_released_ != stand_in::n_released) forget();
        stand_in::Piece &piece = pieces_[address / 256 % n_pieces];
        if (!piece.has(address, bytes)) piece = stand_in::piece_at(address);
        return piece.has(address, bytes);
    }

private:
    static constexpr size_t n_pieces = 1024;

    void forget() {
        for (stand_in::Piece &piece : pieces_) piece = {};
        n_released_ = stand_in::n_released;
    }

    stand_in::Piece pieces_[n_pieces] =
        {}; /* by their addresses; only the latest of those that share a place */
    uint64_t n_released_ = 0;
};

inline Reach reach;

}  // namespace ptx

#endif
