/* An array in the device's memory, between bytes that nobody may change. */
#ifndef CPAB_TESTS_DEVICE_ARRAY_H
#define CPAB_TESTS_DEVICE_ARRAY_H

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "device_memory.h"
#include "sanitizers.h"

namespace adapter {

/* AddressSanitizer watches the ends of the memory itself, as translated kernels do, which may not even read
 * there. */
inline const int64_t guard_bytes = CPAB_WATCHES_ADDRESSES || std::getenv("CPAB_GPU_KERNELS") ? 0 : 256;

using Bytes = std::vector<unsigned char>;

inline bool are_blank(const unsigned char *bytes, int64_t n) {
    return std::all_of(bytes, bytes + n, [](unsigned char byte) { return byte == 0xff; });
}

/* Of results, this is NaN: what a call must overwrite. */
inline bool are_blank(const Bytes &bytes) { return are_blank(bytes.data(), int64_t(bytes.size())); }

class DeviceArray {
public:
    /* Starts `offset` bytes behind an address that is a multiple of 16, full of 0xff. */
    DeviceArray(int64_t bytes, int64_t offset, void *stream)
        : bytes_(bytes), front_(guard_bytes + offset), stream_(stream) {
        memory_ = static_cast<unsigned char *>(device::allocate(front_ + bytes_ + guard_bytes));
    }

    /* A large input, which stays where it is. */
    DeviceArray(const void *host, int64_t bytes, void *stream)
        : bytes_(bytes),
          front_(0),
          stream_(stream),
          memory_(static_cast<unsigned char *>(const_cast<void *>(host))),
          is_own_(false) {
        device::lend(memory_, bytes_);
    }

    ~DeviceArray() {
        if (is_own_)
            device::release(memory_);
        else
            device::take_back(memory_);
    }
    DeviceArray(const DeviceArray &) = delete;
    DeviceArray &operator=(const DeviceArray &) = delete;

    void *data() { return memory_ + front_; }
    int64_t size() const { return bytes_; }

    void fill(const void *host) { device::copy_to_device(data(), host, bytes_, stream_); }

    Bytes read() {
        Bytes bytes(static_cast<size_t>(bytes_));
        device::copy_to_host(bytes.data(), data(), bytes_, stream_);
        return bytes;
    }

    /* Whether nobody has written to the bytes around it. */
    bool is_intact() {
        if (!is_own_) return true;
        Bytes front(static_cast<size_t>(front_)), back(static_cast<size_t>(guard_bytes));
        device::copy_to_host(front.data(), memory_, front_, stream_);
        device::copy_to_host(back.data(), memory_ + front_ + bytes_, guard_bytes, stream_);
        return are_blank(front) && are_blank(back);
    }

private:
    const int64_t bytes_, front_;
    void *const stream_;
    unsigned char *memory_;
    const bool is_own_ = true;
};

}  // namespace adapter

#endif
