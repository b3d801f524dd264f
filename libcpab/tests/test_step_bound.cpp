/* The bound on steps, which no field that is in range should meet: a walk that does says which lanes are
 * lost. */
#define CPAB_ISA scalar
#include "../src/walk.h"
#include "check.h"

using namespace cpab::scalar;
using V = cpab::scalar::Lanes<double, 1>;

namespace {

struct Walk {
    bool lost;
    int64_t n_steps;
    double x, y;
};

/* From (1/2, 1/4) in the first cell, in units of cells, with at most so many steps. */
Walk follow(const cpab_tessellation &tess, const Field<double, 2> &field, int64_t most) {
    const cpab::Records<double> &records = records_of<double>(tess);
    const Flow<V, 2> flow{
        records.place.data(), records.crossing.data(), field.rates(), field.reverse(), nullptr, nullptr};
    const V offset[2] = {V(0.5), V(0.25)};
    V from[2], to[2];
    Trajectory<V, 2> at = start<V, 2>(flow, V::Index(0), offset, from);
    int64_t n_steps = 0;
    const auto lost = walk<V, 2>(flow, most, at, [&](const Segment<V, 2> &) { return ++n_steps > 0; });
    position<V, 2>(flow, at, to);
    return {any(lost), n_steps, to[0].v, to[1].v};
}

/* Straight through a row of rectangles, three triangles of each. */
void cut_short(const cpab_tessellation &tess, const Field<double, 2> &field, double length) {
    const Walk whole = follow(tess, field, 1000);
    CHECK(!whole.lost && whole.n_steps > 10);
    CHECK_NEAR(whole.x, 0.5 + length, 1e-12);
    double x = 0.5;
    for (int64_t most = 1; most < whole.n_steps; most++) {
        const Walk part = follow(tess, field, most);
        CHECK(part.lost && part.n_steps == most);
        CHECK(part.x > x && part.x < whole.x);
        CHECK_NEAR(part.y, 0.25, 1e-12);
        x = part.x;
    }
    CHECK(!follow(tess, field, whole.n_steps).lost);
}

}  // namespace

int main() {
    cpab_tessellation_options options{};
    options.struct_size = sizeof options;
    options.ndim = 2;
    options.cells[0] = 6, options.cells[1] = 1;
    options.upper[0] = 6, options.upper[1] = 1;
    cpab_tessellation *tess = nullptr;
    CHECK(cpab_tessellation_create(&options, &tess) == CPAB_OK);
    if (!tess) return check_result();
    const double length = 5;
    double velocity[20][2] = {};
    for (auto &v : velocity) v[0] = length;
    CHECK(cpab_tessellation_n_vertices(tess) == 20);
    Field<double, 2> field(*tess);
    CHECK(field.allocate(true));
    field.prepare(velocity[0], 1);
    cut_short(*tess, field, length);
    cpab_tessellation_destroy(tess);
    return check_result();
}
