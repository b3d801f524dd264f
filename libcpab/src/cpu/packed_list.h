/* Lists of what lanes hold, without the gaps between lanes. */
#ifndef CPAB_CPU_PACKED_LIST_H
#define CPAB_CPU_PACKED_LIST_H

#include <type_traits>

#include "../dual.h"
#include "../lane.h"
#include "../memory.h"
#include "packing.h"
#include "tape.h"

namespace cpab {
namespace CPAB_ISA {

/* Calls visit(lanes) for the lanes that a number is made of. */
template <typename N, typename Visit>
CPAB_INLINE void each_lane(N &number, Visit &visit) {
    if constexpr (Number<std::remove_const_t<N>>::is_dual) {
        visit(number.a);
        visit(number.b);
    } else {
        visit(number);
    }
}

/* A list of structs of lanes, in columns. Element::each(element, visit) calls visit(lanes) for all their
   members, which are n_numbers Lanes and n_indices Indices. */
template <typename Element, typename V>
class PackedList : public OnHeap {
    using T = typename V::Scalar;
    using Index = typename V::Index;
    using Integer = typename Index::Integer;
    static constexpr int W = V::width;

public:
    /* Makes an empty list with room for n elements; false if there is no memory. */
    bool reserve(int n) {
        size_ = 0;
        if (n + W <= length_) return true; /* a whole vector is written at the end */
        length_ = n + W;
        return numbers_.allocate(int64_t(Element::n_numbers) * length_) &&
               indices_.allocate(int64_t(Element::n_indices) * length_);
    }

    int size() const { return size_; }
    void clear() { size_ = 0; }

    /* Appends the chosen lanes. */
    CPAB_INLINE void push(const Element &element, const Packing<T, W> &chosen) {
        Cursor to = cursor(size_);
        Element::each(element, [&](const auto &lanes) { chosen.store(lanes, to.next(lanes)); });
        size_ += chosen.count;
    }

    /* Appends the first `count` lanes. */
    CPAB_INLINE void push(const Element &element, int count) {
        Cursor to = cursor(size_);
        Element::each(element, [&](const auto &lanes) { lanes.store(to.next(lanes)); });
        size_ += count;
    }

    /* Loads W elements; where there are less, the other lanes are zero. May be called while new elements take
       the places of those that were loaded. */
    CPAB_INLINE void load(int at, const typename V::Bits &there, Element &element) const {
        Cursor from = cursor(at);
        Element::each(element, [&](auto &lanes) {
            using Lanes = std::remove_reference_t<decltype(lanes)>;
            lanes = select(there, Lanes::load(from.next(lanes)), Lanes(0));
        });
    }

    /* How many bytes the list takes on a tape, where an index is a Small, and without one of the numbers. */
    template <typename Small>
    int64_t bytes(bool lean) const {
        const int64_t numbers = Element::n_numbers - lean;
        return int64_t(size_) * (numbers * int64_t(sizeof(T)) + Element::n_indices * int64_t(sizeof(Small)));
    }

    /* Without number `left_out`, unless that is -1. */
    template <typename Small>
    void save(TapeWriter &to, int left_out) const {
        for (int64_t i = 0; i < Element::n_numbers; i++)
            if (i != left_out) to.put(&numbers_[i * length_], size_);
        for (int64_t i = 0; i < Element::n_indices; i++)
            to.template put_as<Small>(&indices_[i * length_], size_);
    }

    /* Reads a list of n elements, for which there must be room. false if the tape does not have it. */
    template <typename Small>
    bool restore(TapeReader &from, int n, int left_out) {
        size_ = n;
        for (int64_t i = 0; i < Element::n_numbers; i++)
            if (i != left_out && !from.get(&numbers_[i * length_], n)) return false;
        for (int64_t i = 0; i < Element::n_indices; i++)
            if (!from.template get_as<Small>(&indices_[i * length_], n)) return false;
        return true;
    }

    /* Makes number D what is left of 1 by those before it. */
    template <int D>
    void fill_rest() {
        T *rest = &numbers_[int64_t(D) * length_];
        for (int i = 0; i < size_; i++) {
            T left = 1;
            for (int k = 0; k < D; k++) left = left - numbers_[int64_t(k) * length_ + i];
            rest[i] = left;
        }
    }

    /* Whether all indices of a kind are below `end`. */
    bool indices_below(int64_t kind, int64_t end) const {
        std::make_unsigned_t<Integer> most = 0; /* where negative ones are large */
        for (int64_t i = kind * length_; i < kind * length_ + size_; i++) {
            const auto index = static_cast<std::make_unsigned_t<Integer>>(indices_[i]);
            most = index > most ? index : most;
        }
        return size_ == 0 || most < static_cast<uint64_t>(end);
    }

private:
    struct Cursor {
        T *number;
        Integer *index;
        int length;
        T *next(const V &) { return (number += length) - length; }
        Integer *next(const Index &) { return (index += length) - length; }
    };
    Cursor cursor(int at) const {
        return {const_cast<T *>(&numbers_[at]), const_cast<Integer *>(&indices_[at]), length_};
    }

    Array<T> numbers_;
    Array<Integer> indices_;
    int length_ = 0, size_ = 0;
};

}  // namespace CPAB_ISA
}  // namespace cpab

#endif
