/* What translated kernels do in memory and together, and what must stop them: those of kernels.ptx. */
#include <numeric>
#include <string>

#include "../child.h"
#include "../numbers.h"
#include "launch.h"
#include "numbers.h"

namespace {

constexpr int n_threads = cpab::gpu::threads_per_block, n_lanes = cpab::gpu::warp_size;

void test_places() {
    Numbers<uint32_t> out(2 * 3 * n_threads * 8);
    ptx::launch("places", {3, 2}, 0, out.data());
    const std::vector<uint32_t> actual = out.read(nullptr);
    for (uint32_t row = 0; row < 2; row++)
        for (uint32_t block = 0; block < 3; block++)
            for (uint32_t thread = 0; thread < n_threads; thread++) {
                const std::vector<uint32_t> expected = {thread, n_threads, block,           3,
                                                        row,    2,         thread % n_lanes};
                CHECK(std::equal(expected.begin(), expected.end(),
                                 actual.begin() + ((row * 3 + block) * n_threads + thread) * 8));
            }
}

/* By which lane each lane should be answered, and whether there is one in its segment. */
void expect_answers(const uint32_t *answers, int thread, int step, int width) {
    const int lane = thread % n_lanes, warp = thread - lane, first = lane / width * width;
    const int wanted[] = {first + step % width, lane ^ (step % n_lanes), lane + step % n_lanes,
                          lane - step % n_lanes};
    for (int mode = 0; mode < 4; mode++) {
        const bool valid = mode == 3 ? wanted[mode] >= first : wanted[mode] < first + width;
        CHECK(answers[2 * mode] == uint32_t(3 * (warp + (valid ? wanted[mode] : lane))));
        CHECK(answers[2 * mode + 1] == uint32_t(valid));
    }
}

void test_shuffles() {
    for (const int step : {0, 1, 3, 7, 8, 13, 16, 31, 33, 40}) {
        Numbers<uint32_t> out(n_threads * 16);
        ptx::launch("shuffles", {1, 1}, 0, out.data(), uint32_t(step));
        const std::vector<uint32_t> actual = out.read(nullptr);
        for (int thread = 0; thread < n_threads; thread++) {
            expect_answers(actual.data() + 16 * thread, thread, step, n_lanes);
            expect_answers(actual.data() + 16 * thread + 8, thread, step, 8);
        }
    }
}

void test_votes() {
    for (const uint32_t which : {0u, 127u, 128u}) {
        Numbers<uint32_t> out(n_threads * 4);
        ptx::launch("votes", {1, 1}, 0, out.data(), which);
        const std::vector<uint32_t> actual = out.read(nullptr);
        for (size_t thread = 0; thread < n_threads; thread++) {
            uint32_t lanes = 0;
            for (size_t lane = 0; lane < n_lanes; lane++)
                lanes |= uint32_t((thread / n_lanes * n_lanes + lane) % 3 == 0) << lane;
            CHECK(actual[4 * thread] == lanes);
            CHECK(actual[4 * thread + 1] == uint32_t(which < n_threads));
            CHECK(actual[4 * thread + 2] ==
                  uint32_t(thread % 3 == 0)); /* the outer of two registers of a name */
        }
    }
}

void test_spaces() {
    Numbers<double> out(n_threads * 2);
    ptx::launch("spaces", {1, 1}, n_threads * 16, out.data());
    const std::vector<double> actual = out.read(nullptr);
    for (size_t thread = 0; thread < n_threads; thread++) {
        CHECK(actual[2 * thread] == double(thread ^ 1));
        CHECK(actual[2 * thread + 1] == -double(thread ^ 1));
    }
}

void test_widths() {
    struct In {
        uint8_t byte;
        int8_t signed_byte;
        int16_t signed_short;
        int32_t number;
        float pair[2];
        uint64_t halves;
    };
    struct Out {
        uint32_t byte;
        int32_t signed_byte;
        float pair[2];
        int64_t signed_short, number;
        uint64_t halves;
        int16_t low_short;
        uint8_t low_byte, untouched;
        int32_t again;
    };
    const In in = {200, -100, -30000, -2000000000, {1.5f, -2.5f}, 0x1122334455667788};
    Numbers<Out> out(n_threads);
    ptx::launch("widths", {1, 1}, 0, out.data(), in);
    for (const Out &actual : out.read(nullptr)) {
        CHECK(actual.byte == 200 && actual.signed_byte == -100);
        CHECK(actual.signed_short == -30000 && actual.number == -2000000000);
        CHECK(actual.pair[0] == -2.5f && actual.pair[1] == 1.5f);
        CHECK(actual.halves == 0x5566778811223344);
        CHECK(actual.low_short == -100 && actual.again == -100);
        CHECK(actual.low_byte == uint8_t(-2000000000) && actual.untouched == 0xff);
    }
}

void test_loops() {
    Numbers<uint32_t> out(n_threads);
    ptx::launch("loops", {1, 1}, 0, out.data());
    const std::vector<uint32_t> actual = out.read(nullptr);
    for (uint32_t thread = 0; thread < n_threads; thread++)
        CHECK(actual[thread] == thread * (thread + 1) / 2);
}

void test_atomics() {
    std::vector<uint64_t> start(12 + n_threads);
    start[4] = start[8] = 1000;
    Numbers<uint64_t> out(start);
    ptx::launch("atomics", {1, 1}, 0, out.data());
    const std::vector<uint64_t> actual = out.read(nullptr);
    const auto as_float = [](uint64_t bits) { return ptx::as<float>(uint32_t(bits)); };
    CHECK(actual[0] == 127 * 64);
    CHECK(actual[1] == uint64_t(-64)); /* of numbers from -64 to 63 */
    CHECK(as_float(actual[2]) == -64);
    CHECK(ptx::as<double>(actual[3]) == -64);
    CHECK(actual[4] == 0 && actual[5] == uint32_t(-1));
    CHECK(actual[6] == uint32_t(-64) && actual[7] == 63);
    CHECK(actual[8] == 0 && actual[9] == uint64_t(-1));
    CHECK(actual[10] == uint64_t(-64) && actual[11] == 63);
    std::vector<uint64_t> found(actual.begin() + 12,
                                actual.end()); /* by max: what was there, thread by thread */
    for (size_t thread = 0; thread < n_threads; thread++)
        CHECK(found[thread] == (thread <= 65 ? 0 : thread - 65)); /* zero, and then the thread before */
}

void expect_fault(uint32_t which, std::initializer_list<const char *> parts) {
    bool well;
    const std::string text = from_child(well, [which]() {
        Numbers<uint32_t> out(64);
        ptx::launch("faults", {1, 1}, 64, out.data(), which);
    });
    CHECK(!well);
    expect(text, {"kernels.ptx:"});
    expect(text, parts);
}

void test_faults() {
    bool well;
    CHECK(from_child(well, []() {
              Numbers<uint32_t> out(64);
              ptx::launch("faults", {1, 1}, 64, out.data(), 0u);
          }).empty());
    CHECK(well);
    expect_fault(1, {"4 bytes", "global"});
    expect_fault(2, {"4 bytes", "global"});
    expect_fault(3, {"misaligned 16 bytes", "global"});
    expect_fault(4, {"8 bytes", "global"});
    expect_fault(5, {"4 bytes", "shared"});
    expect_fault(6, {"4 bytes", "global"}); /* an address of shared memory, as if it were a generic one */
    expect_fault(7, {"4 bytes", "local"});
    expect_fault(8, {"4 bytes", "global"});
    expect_fault(9, {"4 bytes", "param"});
    expect_fault(10, {"0xffff", "bar.warp.sync"});
    expect_fault(11, {"returns", "bar.warp.sync"});
    expect_fault(12, {"global"}); /* by a register that has no value */
    expect_fault(13, {"misaligned 8 bytes", "shared"});
    const std::string text = from_child(well, []() { ptx::launch("loops", {1, 1}, 0, 1.0f); });
    CHECK(!well);
    expect(text, {"argument 0 of kernel loops has 4 bytes", "translation's 8"});
    expect(from_child(well, []() { ptx::launch("loops", {1, 1}, 0); }), {"0 arguments", "1 parameters"});
}

}  // namespace

int main() {
    test_places();
    test_shuffles();
    test_votes();
    test_spaces();
    test_widths();
    test_loops();
    test_atomics();
    test_faults();
    return check_result();
}
