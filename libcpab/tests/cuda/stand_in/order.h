/* In which order blocks and threads come, of all the orders that a device may choose. */
#ifndef CPAB_TESTS_STAND_IN_ORDER_H
#define CPAB_TESTS_STAND_IN_ORDER_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace stand_in {

/* From now on, orders are the other way round, or no longer. */
void turn_orders(bool turned);

/* An order of the numbers from 0 to n - 1: the one that the environment asks for. */
class Order {
public:
    explicit Order(int64_t n);

    int64_t operator[](int64_t i) const {
        if (reverse_) i = n_ - 1 - i;
        return shuffled_.empty() ? i : shuffled_[size_t(i)];
    }

    /* The order of the next round: another one, if it is one of chance. */
    void next();

private:
    int64_t n_;
    bool reverse_;
    uint64_t chance_ = 0;
    std::vector<int64_t> shuffled_; /* or empty: in order */
};

}  // namespace stand_in

#endif
