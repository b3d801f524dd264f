#include "order.h"

#include <cstdlib>
#include <cstring>
#include <utility>

#include "stop.h"

namespace stand_in {

namespace {

bool all_turned = false;

/* splitmix64: Steele, Lea and Flood 2014. */
uint64_t draw(uint64_t &state) {
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

}  // namespace

void turn_orders(bool turned) { all_turned = turned; }

Order::Order(int64_t n) : n_(n), reverse_(all_turned) {
    const char *const wanted = std::getenv("CPAB_GPU_ORDER");
    if (!wanted || !std::strcmp(wanted, "forward")) return;
    if (!std::strcmp(wanted, "reverse")) {
        reverse_ = !reverse_;
        return;
    }
    char *end;
    chance_ = std::strtoull(wanted, &end, 10);
    if (end == wanted || *end) stop("CPAB_GPU_ORDER must be forward, reverse or a number, and is %s", wanted);
    for (int64_t i = 0; i < n; i++) shuffled_.push_back(i);
    next();
}

void Order::next() {
    for (size_t i = shuffled_.size(); i > 1; i--) std::swap(shuffled_[i - 1], shuffled_[draw(chance_) % i]);
}

}  // namespace stand_in
