/* The bound on steps, which no field that is in range should meet: trajectories that do end nowhere. */
#define CPAB_ISA scalar
#define CPAB_LANE_BYTES 0
#include "../src/cpu/trajectory_batch.h"
#include "../src/field.h"
#include "check.h"

using namespace cpab::scalar;
using V = cpab::scalar::Lanes<double, 1>;

namespace {

/* Two points of the first cell, in units of cells. */
constexpr double starts[2][2] = {{0.5, 0.25}, {0.5, 0.125}};

struct Moved {
    double x[2], y[2];
};

/* How far they come with at most so many steps. */
Moved follow(const cpab_tessellation &tess, const Field<double, 2> &field, int64_t most) {
    const cpab::Records<double> &records = records_of<double>(tess);
    const Flow<V, 2> flow{records.start.data(), records.crossing.data(), field.flow(), nullptr};
    TrajectoryBatch<V, 2> batch;
    CHECK(batch.allocate());
    CHECK(batch.walk(flow, 2, most, false, [&](int first, Walker<V, 2> &walker) {
        const V offset[2] = {V(starts[first][0]), V(starts[first][1])};
        const auto cell = flow.cell(V::Index(0));
        walker = Walker<V, 2>(start<V, 2>(flow, cell, V::Index(0), offset));
        return cell;
    }));
    Moved result;
    for (int i = 0; i < 2; i++) {
        V moved[2];
        batch.moved().load(i, moved);
        result.x[i] = moved[0].v, result.y[i] = moved[1].v;
    }
    return result;
}

/* Straight through a row of rectangles, three triangles of each. */
void cut_short(const cpab_tessellation &tess, const Field<double, 2> &field, double length) {
    int64_t needed = 1;
    while (std::isnan(follow(tess, field, needed).x[0]) && needed < 1000) needed++;
    CHECK(needed > 10 && needed < 1000);
    for (int64_t most = 1; most < needed + 3; most++) {
        const Moved moved = follow(tess, field, most);
        for (int i = 0; i < 2; i++) {
            CHECK(std::isnan(moved.x[i]) == std::isnan(moved.y[i]));
            if (std::isnan(moved.x[i])) continue;
            CHECK_NEAR(moved.x[i], length, 1e-12);
            CHECK_NEAR(moved.y[i], 0, 1e-12);
        }
        CHECK(std::isnan(moved.x[0]) == (most < needed));
    }
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
    cpab_tessellation_sizes sizes{};
    sizes.struct_size = sizeof sizes;
    CHECK(cpab_tessellation_describe(tess, &sizes) == CPAB_OK && sizes.n_vertices == 20);
    Field<double, 2> field(*tess);
    CHECK(field.allocate());
    field.prepare(velocity[0], 1);
    cut_short(*tess, field, length);
    cpab_tessellation_destroy(tess);
    return check_result();
}
