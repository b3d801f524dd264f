/* When a coordinate becomes negative: against bisection, and for each lane as if all were like it. */
#define CPAB_ISA scalar
#define CPAB_LANE_BYTES 0
#include "../src/face_crossing.h"
#include "check.h"
#include "rng.h"

using namespace cpab::scalar;

namespace {

/* A coordinate that falls from l0 at first to less than 0 at the end of the step, as trajectories do: a sum
   of two exponentials. */
template <typename T>
Series<Lanes<T, 1>> some_series(rng *r) {
    Series<Lanes<T, 1>> l;
    double value;
    do {
        const double a = rng_uniform(r, -0.8, 0.8), b = rng_uniform(r, -0.8, 0.8);
        const double f = rng_uniform(r, -3, 3), g = rng_uniform(r, -3, 3), start = rng_uniform(r, 0.01, 1);
        double x = f, y = g;
        l.c[0] = Lanes<T, 1>(T(start)), value = double(l.c[0].v);
        for (int i = 1; i <= l.order; i++) {
            x *= a / i, y *= b / i;
            l.c[i] = Lanes<T, 1>(T(x + y)), value += double(l.c[i].v);
        }
    } while (!(value < -0.01 && l.c[1].v < 0));
    return l;
}

template <typename T>
double bisected(const Series<Lanes<T, 1>> &l) {
    double low = 0, high = 1;
    for (int i = 0; i < 60; i++) {
        const double middle = (low + high) / 2;
        double value = 0;
        for (int k = l.order; k >= 0; k--) value = value * middle + double(l.c[k].v);
        (value > 0 ? low : high) = middle;
    }
    return low;
}

template <typename T, int W>
void test(double rounding) {
    using One = Lanes<T, 1>;
    using V = Lanes<T, W>;
    rng r = {99};
    for (int trial = 0; trial < 5000; trial++) {
        Series<V> all;
        Series<One> l[W];
        T column[W], last[W];
        for (int i = 0; i < W; i++) l[i] = some_series<T>(&r);
        for (int k = 0; k <= all.order; k++) {
            for (int i = 0; i < W; i++) column[i] = l[i].c[k].v;
            all.c[k] = V::load(column);
        }
        for (int i = 0; i < W; i++) last[i] = l[i].value(One(1)).v;
        const V times = refine(all, first_guess(all.c[0], all.c[1], V::load(last)), ~V::Bits::none());
        for (int i = 0; i < W; i++) {
            Series<V> one;
            for (int k = 0; k <= one.order; k++) one.c[k] = V(l[i].c[k].v);
            const V alone = refine(one, first_guess(one.c[0], one.c[1], V(last[i])), ~V::Bits::none());
            CHECK(times[i] == alone[i]);
            CHECK_NEAR(double(times[i]), bisected<T>(l[i]), rounding);
        }
    }
}

}  // namespace

int main() {
#if CPAB_HAS_VECTORS
    test<float, 4>(1e-4);
    test<double, 2>(1e-12);
#else
    test<float, 1>(1e-4);
    test<double, 1>(1e-12);
#endif
    return check_result();
}
