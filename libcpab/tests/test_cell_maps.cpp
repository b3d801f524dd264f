/* Maps of whole steps: a point that takes one never leaves its cell on the way, and ends where the series
 * ends. */
#define CPAB_ISA scalar
#define CPAB_LANE_BYTES 0
#include "../src/cpu/cell_maps.h"
#include "../src/field.h"
#include "check.h"
#include "rng.h"

using namespace cpab::scalar;

namespace {

struct Seen {
    int64_t stay, dip, taken; /* points that stay, that only leave in between, and that the maps take */
};

/* The lowest coordinate on the way, and where all are at its end. */
template <typename T, int D>
T lowest_on_the_way(const Cell<Lanes<T, 1>, D> &cell, const Lanes<T, 1> *l, Lanes<T, 1> *x) {
    using V = Lanes<T, 1>;
    V v[D];
    for (int d = 0; d < D; d++) v[d] = cell.velocity_at(l, d);
    const Motion<V, D> motion = expand<V, D>(cell.linear, v, V(1));
    T lowest = 1;
    for (int i = 0; i <= 64; i++) {
        for (int d = 0; d < D; d++) x[d] = motion.at(V(T(i) / 64), d);
        for (int k = 0; k <= D; k++) {
            const T now = (l[k] + dot<D>(cell.gradient[k], x)).v;
            lowest = now < lowest ? now : lowest;
        }
    }
    return lowest;
}

template <typename T, int D>
void follow(const cpab_tessellation &tess, const Field<T, D> &field, rng *r, T rounding, Seen *seen) {
    using V = Lanes<T, 1>;
    constexpr int n = 2000;
    const Domain<T, D> domain(tess.cells, tess.lower, tess.scale);
    const cpab::Records<T> &records = records_of<T>(tess);
    const Flow<V, D> flow{records.start.data(), records.crossing.data(), field.flow(), nullptr};
    static T points[n * D];
    for (T &x : points) { /* many near the faces of boxes, where turning fields make them dip */
        x = T(rng_uniform(r, 0, 3));
        if (rng_below(r, 2)) x = T(std::floor(x / T(1.5)) * 1.5 + rng_uniform(r, 0, 0.1));
    }
    SortedPoints<V, D> sorted;
    CellMaps<V, D> maps(tess.n_inner_cells);
    CHECK(sorted.sort(flow, domain, tess.n_cells, points, n) && maps.prepare(flow, sorted));
    for (int i = 0; i < sorted.n_runs(); i++) {
        const auto run = sorted.run(i);
        if (!maps.has(flow, run.cell)) continue;
        const Cell<V, D> cell = flow.cell(typename V::Index(run.cell));
        const CellMap<V, D> map = maps.map(flow, i, run.cell);
        for (int slot = run.first; slot < run.first + run.count; slot++) {
            V l[D + 1], x[D], end[D];
            sorted.load(slot, l);
            const bool taken = map.stays(l, x)[0];
            const T lowest = lowest_on_the_way<T, D>(cell, l, end);
            bool inside = true;
            for (int k = 0; k <= D; k++) inside = inside && (l[k] + dot<D>(cell.gradient[k], end)).v >= 0;
            seen->stay += lowest >= 0, seen->dip += inside && lowest < -rounding, seen->taken += taken;
            CHECK(!taken || lowest >= -rounding);
            for (int d = 0; d < D && taken; d++) CHECK_NEAR(x[d].v, end[d].v, rounding);
        }
    }
}

/* A field that turns around some point, and is a little rough. */
template <typename T, int D>
void turn(const cpab_tessellation &tess, rng *r, T *velocity) {
    double centre[D];
    for (double &c : centre) c = rng_uniform(r, -1, 4);
    const double rate = rng_uniform(r, -0.7, 0.7);
    for (int64_t v = 0; v < tess.n_vertices; v++) {
        const double *at = &tess.node[v * D];
        for (int d = 0; d < D; d++) velocity[v * D + d] = T(rng_uniform(r, -0.05, 0.05));
        velocity[v * D] += T(rate * (1.5 * at[1] - centre[1]));
        velocity[v * D + 1] -= T(rate * (1.5 * at[0] - centre[0]));
    }
}

template <typename T, int D>
void test(T rounding) {
    cpab_tessellation_options options{};
    options.struct_size = sizeof options;
    options.ndim = D;
    for (int d = 0; d < D; d++) options.cells[d] = 2, options.upper[d] = 3;
    cpab_tessellation *tess = nullptr;
    CHECK(cpab_tessellation_create(&options, &tess) == CPAB_OK);
    if (!tess) return;
    rng r = {1234};
    Seen seen{};
    for (int trial = 0; trial < 40; trial++) {
        static T velocity[100 * D];
        turn<T, D>(*tess, &r, velocity);
        Field<T, D> field(*tess);
        CHECK(field.allocate());
        field.prepare(velocity, 1);
        follow<T, D>(*tess, field, &r, rounding, &seen);
    }
    CHECK(seen.dip > 50); /* or nothing could have been missed */
    CHECK(seen.taken > 0.8 * double(seen.stay));
    cpab_tessellation_destroy(tess);
}

}  // namespace

int main() {
    test<float, 2>(4e-6f);
    test<double, 2>(1e-12);
    test<float, 3>(4e-6f);
    test<double, 3>(1e-12);
    return check_result();
}
