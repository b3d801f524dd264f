/* Numbers in the device's memory, for tests of kernels. */
#ifndef CPAB_TESTS_NUMBERS_H
#define CPAB_TESTS_NUMBERS_H

#include <vector>

#include "device_memory.h"

template <typename T>
class Numbers {
public:
    /* Full of 0xff. */
    explicit Numbers(int64_t n) : n_(n), memory_(device::allocate(n * int64_t(sizeof(T)))) {}
    explicit Numbers(const std::vector<T> &numbers) : Numbers(int64_t(numbers.size())) {
        device::copy_to_device(memory_, numbers.data(), n_ * int64_t(sizeof(T)), nullptr);
    }
    ~Numbers() { device::release(memory_); }
    Numbers(const Numbers &) = delete;
    Numbers &operator=(const Numbers &) = delete;

    T *data() const { return static_cast<T *>(memory_); }

    /* When all work of the stream is done. */
    std::vector<T> read(void *stream) const {
        std::vector<T> numbers(static_cast<size_t>(n_));
        device::copy_to_host(numbers.data(), memory_, n_ * int64_t(sizeof(T)), stream);
        return numbers;
    }

private:
    const int64_t n_;
    void *const memory_;
};

#endif
