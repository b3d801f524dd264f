/*
 * A tape: the segments of trajectories, left by a forward call for the backward call in memory that
 * belongs to the caller. It holds blocks of points, as many as there is room for, in the order in which
 * threads came to them; which those are changes nothing but the time that the backward call takes.
 *
 * A header, the place of every block (0: not recorded), and the blocks themselves.
 */
#ifndef CPAB_CPU_TAPE_H
#define CPAB_CPU_TAPE_H

#include <atomic>
#include <cstdint>
#include <cstring>

namespace cpab {

/* Writes what there is room for, see Tape::reserve(). */
class TapeWriter {
public:
    explicit TapeWriter(unsigned char *to) : to_(to) {}
    explicit operator bool() const { return to_ != nullptr; }
    unsigned char *data() const { return to_; } /* of what there is room for, without an alignment */

    template <typename T>
    void put(const T *from, int64_t n) {
        std::memcpy(to_, from, size_t(n) * sizeof(T));
        to_ += size_t(n) * sizeof(T);
    }
    /* Writes numbers as those of another type. */
    template <typename Small, typename T>
    void put_as(const T *from, int64_t n) {
        for (int64_t i = 0; i < n; i++) {
            const Small small = Small(from[i]);
            std::memcpy(to_ + size_t(i) * sizeof small, &small, sizeof small);
        }
        to_ += size_t(n) * sizeof(Small);
    }

private:
    unsigned char *to_;
};

/* Reads what was written. Each function answers false, and does nothing, beyond the end of the tape. */
class TapeReader {
public:
    TapeReader() = default;
    TapeReader(const unsigned char *from, int64_t bytes) : from_(from), bytes_(bytes) {}

    /* So many bytes as they lie on the tape, or NULL. */
    const unsigned char *bytes(int64_t n) { return take(n, 1); }

    template <typename T>
    bool get(T *to, int64_t n) {
        const unsigned char *from = take(n, sizeof(T));
        if (from) std::memcpy(to, from, size_t(n) * sizeof(T));
        return from != nullptr;
    }
    template <typename Small, typename T>
    bool get_as(T *to, int64_t n) {
        const unsigned char *from = take(n, sizeof(Small));
        for (int64_t i = 0; from && i < n; i++) {
            Small small;
            std::memcpy(&small, from + size_t(i) * sizeof small, sizeof small);
            to[i] = T(small);
        }
        return from != nullptr;
    }

private:
    const unsigned char *take(int64_t n, int64_t size) {
        if (n < 0 || n > bytes_ / size) return nullptr;
        from_ += n * size;
        bytes_ -= n * size;
        return from_ - n * size;
    }

    const unsigned char *from_ = nullptr;
    int64_t bytes_ = 0;
};

/* What a tape was recorded for. */
struct TapeKey {
    int64_t number_size, ndim, outside, cells[3], n_batch, n_points, n_blocks;
    int64_t slope_bytes; /* of a block of pixels that a warp samples; -1 for points */
    double lower[3], upper[3], time;
};

struct TapeMemory {
    void *start = nullptr;
    int64_t bytes = 0;
};

class Tape {
public:
    explicit Tape(const TapeMemory &memory)
        : memory_(static_cast<unsigned char *>(memory.start)), bytes_(memory.start ? memory.bytes : 0) {}

    /* Gets ready to record: without blocks, and with room for them, maybe. */
    void record(const TapeKey &key) {
        const int64_t table = int64_t(sizeof(Header)) + key.n_blocks * int64_t(sizeof(int64_t));
        if (bytes_ >= int64_t(sizeof(Header))) {
            const Header header{magic, bytes_ >= table ? 1 : 0, key};
            std::memcpy(memory_, &header, sizeof header);
        }
        if (bytes_ < table) return;
        std::memset(memory_ + sizeof(Header), 0, size_t(table) - sizeof(Header));
        used_ = table;
        records_ = true;
    }

    /* Gets ready to read the blocks of an earlier call. false if that was not one of this key. */
    bool replay(const TapeKey &key) {
        if (bytes_ < int64_t(sizeof(Header))) return true; /* nor had that call room for a word */
        Header header;
        std::memcpy(&header, memory_, sizeof header);
        if (header.magic != magic || std::memcmp(&header.key, &key, sizeof key)) return false;
        replays_ = header.has_table != 0 &&
                   bytes_ >= int64_t(sizeof(Header)) + key.n_blocks * int64_t(sizeof(int64_t));
        return true;
    }

    bool records() const { return records_ && used_.load(std::memory_order_relaxed) < bytes_; }

    /* A writer of a block of so many bytes, which is false if the tape is full. */
    TapeWriter reserve(int64_t block, int64_t bytes) {
        const int64_t at = used_.fetch_add(bytes);
        if (bytes > bytes_ - at) return TapeWriter(nullptr);
        std::memcpy(place(block), &at, sizeof at);
        return TapeWriter(memory_ + at);
    }

    /* A reader that begins with a block; at the end of the tape if that was not recorded. */
    TapeReader find(int64_t block) const {
        int64_t at = 0;
        if (replays_) std::memcpy(&at, place(block), sizeof at);
        return at <= 0 || at >= bytes_ ? TapeReader() : TapeReader(memory_ + at, bytes_ - at);
    }

private:
    static constexpr int64_t magic = 0x6570617462617063; /* "cpabtape", from its last byte */
    struct Header {
        int64_t magic, has_table;
        TapeKey key;
    };

    unsigned char *place(int64_t block) const {
        return memory_ + sizeof(Header) + size_t(block) * sizeof(int64_t);
    }

    unsigned char *const memory_;
    const int64_t bytes_;
    std::atomic<int64_t> used_{0};
    bool records_ = false, replays_ = false;
};

/* The tape of a call, if it has one, and the number there of the first block that a worker is given. If the
   points of the call are the same for all items, `fixed` is that block's number among an item's. */
struct TapeBlocks {
    Tape *tape = nullptr;
    int64_t first = 0, fixed = -1;
    bool recurs = false; /* other items follow, so what is known of these points is worth keeping */
};

}  // namespace cpab

#endif
