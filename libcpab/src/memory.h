/* Arrays that answer a failed allocation with `false`: this library throws nothing. */
#ifndef CPAB_MEMORY_H
#define CPAB_MEMORY_H

#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace cpab {

template <typename T>
class Array {
public:
    Array() = default;
    Array(const Array &) = delete;
    Array &operator=(const Array &) = delete;
    ~Array() { std::free(data_); }

    /* Room for n zeroed elements; what was there before is gone. */
    bool allocate(int64_t n) {
        std::free(data_);
        data_ = static_cast<T *>(std::calloc(n > 0 ? static_cast<size_t>(n) : 1, sizeof(T)));
        size_ = data_ ? n : 0;
        return data_ != nullptr;
    }

    /* Room for at least n elements; contents stay, and growth is geometric. */
    bool reserve(int64_t n) {
        if (n <= size_) return true;
        const int64_t wanted = n > 2 * size_ ? n : 2 * size_;
        void *grown = std::realloc(data_, static_cast<size_t>(wanted) * sizeof(T));
        if (!grown) return false;
        data_ = static_cast<T *>(grown);
        size_ = wanted;
        return true;
    }

    void zero() { std::memset(data_, 0, static_cast<size_t>(size_) * sizeof(T)); }

    T *data() { return data_; }
    const T *data() const { return data_; }
    int64_t size() const { return size_; }
    T &operator[](int64_t i) { return data_[i]; }
    const T &operator[](int64_t i) const { return data_[i]; }

private:
    T *data_ = nullptr;
    int64_t size_ = 0;
};

}  // namespace cpab

#endif
