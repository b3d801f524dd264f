/* Arrays that answer a failed allocation with `false`: this library throws nothing. */
#ifndef CPAB_MEMORY_H
#define CPAB_MEMORY_H

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

namespace cpab {

/* For new (or_null) T: NULL if there is no memory. */
struct OrNull {};
inline constexpr OrNull or_null{};

/* What lies in malloc's memory: the operators of the C++ runtime, and std::nothrow beside them, are symbols
   that all libraries of a process share, where a linker cannot hide them. */
class OnHeap {
public:
    static void *operator new(size_t bytes, OrNull) noexcept { return std::malloc(bytes); }
    static void *operator new(size_t, std::align_val_t, OrNull) noexcept = delete;
    static void operator delete(void *memory) noexcept { std::free(memory); }
    static void operator delete(void *memory, OrNull) noexcept { std::free(memory); }
};

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

/* A stack of trivially copyable elements, aligned for any vector type. */
template <typename T>
class Stack {
public:
    Stack() = default;
    Stack(const Stack &) = delete;
    Stack &operator=(const Stack &) = delete;
    ~Stack() { std::free(memory_); }

    /* false if there is no memory for it. */
    bool push(const T &element) {
        if (size_ == capacity_ && !grow()) return false;
        elements_[size_++] = element;
        return true;
    }
    void clear() { size_ = 0; }
    int64_t size() const { return size_; }
    const T &operator[](int64_t i) const { return elements_[i]; }

private:
    static constexpr size_t alignment = 64;

    bool grow() {
        const int64_t wanted = capacity_ ? 2 * capacity_ : 32;
        void *memory = std::malloc(static_cast<size_t>(wanted) * sizeof(T) + alignment);
        if (!memory) return false;
        const uintptr_t address =
            (reinterpret_cast<uintptr_t>(memory) + alignment - 1) / alignment * alignment;
        T *elements = reinterpret_cast<T *>(address);
        if (size_)
            std::memcpy(static_cast<void *>(elements), elements_, static_cast<size_t>(size_) * sizeof(T));
        std::free(memory_);
        memory_ = memory;
        elements_ = elements;
        capacity_ = wanted;
        return true;
    }

    void *memory_ = nullptr;
    T *elements_ = nullptr;
    int64_t size_ = 0, capacity_ = 0;
};

/* What is released at the end of its scope; NULL if there was no memory for it. */
template <typename T>
class Owned {
public:
    explicit Owned(T *owned) : owned_(owned) {}
    Owned(const Owned &) = delete;
    Owned &operator=(const Owned &) = delete;
    ~Owned() {
        if (owned_) owned_->release();
    }
    explicit operator bool() const { return owned_ != nullptr; }
    T *operator->() const { return owned_; }
    T &operator*() const { return *owned_; }

private:
    T *owned_;
};

}  // namespace cpab

#endif
