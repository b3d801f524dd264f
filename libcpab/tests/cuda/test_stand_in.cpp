/* What the stand-in promises beyond gpu.h: orders, work that waits, and that it finds what CUDA leaves
 * undefined. */
#include <thread>

#include "../../src/cuda/gpu.h"
#include "../check.h"
#include "child.h"
#include "numbers.h"
#include "sanitizers.h"

using namespace cpab;

namespace test {

constexpr int n_threads = gpu::threads_per_block;

/* -- orders ------------------------------------------------------------------------------------- */

struct Trace {
    int64_t *places;
    int64_t *n;
};

/* Where threads are, in the order in which they come: of the stand-in's threads, only one runs at a time. */
CPAB_KERNEL trace(Trace trace) {
    for (int round = 0; round < 2; round++) {
        trace.places[(*trace.n)++] = (gpu::row() * gpu::blocks() + gpu::block()) * n_threads + gpu::thread();
        gpu::sync_block();
    }
}

CPAB_KERNEL note(int32_t *out) {
    if (gpu::thread() == 0) out[0] = 1;
}

CPAB_KERNEL count(int64_t *out) {
    for (int i = 0; i < 3; i++) {
        gpu::add(out, int64_t(1));
        gpu::sync_warp();
    }
}

/* -- faults ------------------------------------------------------------------------------------- */

CPAB_KERNEL two_lines(int32_t *) {
    if (gpu::thread() < 70)
        gpu::sync_block();
    else
        gpu::sync_block();
}

CPAB_KERNEL two_groups(int32_t *) {
    if (gpu::thread() == 40)
        gpu::sync_warp();
    else
        gpu::sync_block();
}

CPAB_KERNEL early_return(int32_t *) {
    if (gpu::thread() == 90) return;
    gpu::sync_block();
}

CPAB_KERNEL lanes_gone(int32_t *out) {
    if (gpu::lane() < 4) return;
    out[gpu::thread()] = gpu::from_lane(1, 5);
}

CPAB_KERNEL ballot_of_some(int32_t *out) {
    if (gpu::lane() % 2) out[gpu::thread()] = int32_t(gpu::ballot(true));
}

CPAB_KERNEL one_round_less(int32_t *out) {
    for (int i = 0; i < (gpu::lane() ? 3 : 2); i++) out[gpu::thread()] = gpu::from_partner(i, 1);
}

CPAB_KERNEL no_such_lane(int32_t *out) { out[gpu::thread()] = gpu::from_lane(1, 32); }

CPAB_KERNEL no_such_partner(int32_t *out) { out[gpu::thread()] = gpu::from_partner(1, 32); }

CPAB_KERNEL misaligned(int32_t *out) {
    gpu::add(reinterpret_cast<float *>(reinterpret_cast<unsigned char *>(out) + 2), 1.0f);
}

CPAB_KERNEL beyond_shared(int32_t *out) { out[gpu::thread()] = gpu::shared<int32_t>()[gpu::thread()]; }

CPAB_KERNEL beyond_array(int32_t *out) { out[gpu::thread() + 1] = 0; }

/* Of the next two, only the second orders what lanes write. */
CPAB_KERNEL race_of_lanes(int32_t *out) {
    out[gpu::thread()] = 1;
    gpu::from_partner(1, 1);
    out[gpu::thread() ^ 1] = 2;
}

CPAB_KERNEL order_of_lanes(int32_t *out) {
    out[gpu::thread()] = 1;
    gpu::from_partner(1, 1);
    gpu::sync_warp();
    out[gpu::thread() ^ 1] = 2;
}

CPAB_KERNEL race_of_warps(int32_t *out) {
    out[gpu::thread()] = 1;
    gpu::sync_warp();
    out[gpu::thread() ^ 32] = 2;
}

CPAB_KERNEL race_of_blocks(int32_t *out) {
    if (gpu::thread() == 0) out[0] = int32_t(gpu::block());
    gpu::sync_block();
}

}  // namespace test

using namespace test;

namespace {

/* -- orders ------------------------------------------------------------------------------------- */

std::vector<int64_t> order_of(const char *wanted) {
    const gpu::Grid grid{3, 2};
    setenv("CPAB_GPU_ORDER", wanted, 1);
    Numbers<int64_t> places(2 * 6 * n_threads), n(std::vector<int64_t>{0});
    gpu::launch(trace, grid, 0, nullptr, Trace{places.data(), n.data()});
    unsetenv("CPAB_GPU_ORDER");
    return places.read(nullptr);
}

void test_orders() {
    const std::vector<int64_t> forward = order_of("forward"), reverse = order_of("reverse");
    const int64_t last = 6 * n_threads - 1;
    for (size_t i = 0; i < n_threads; i++) {
        CHECK(forward[i] == int64_t(i));
        CHECK(reverse[i] == last - int64_t(i));
    }
    CHECK(forward.back() / n_threads == 5 && reverse.back() / n_threads == 0);
    const std::vector<int64_t> chance = order_of("7");
    CHECK(chance == order_of("7") && chance != order_of("8"));
    for (const auto &places : {forward, reverse, chance}) {
        std::vector<int> times(size_t(last) + 1);
        for (const int64_t place : places) times[size_t(place)]++;
        for (const int t : times) CHECK(t == 2);
    }
    device::turn_orders(true);
    CHECK(order_of("forward") == reverse && order_of("reverse") == forward);
    device::turn_orders(false);
    CHECK(order_of("forward") == forward);
}

/* -- streams ------------------------------------------------------------------------------------ */

void test_deferred() {
    setenv("CPAB_GPU_DEFER", "1", 1);
    void *const first = device::make_stream(), *const second = device::make_stream();
    Numbers<int32_t> a(1), b(1);
    gpu::launch(note, gpu::Grid{1, 1}, 0, first, a.data());
    gpu::launch(note, gpu::Grid{1, 1}, 0, second, b.data());
    gpu::zero(b.data(), sizeof(int32_t), second);
    CHECK(gpu::took());
    CHECK(a.data()[0] == -1 && b.data()[0] == -1);
    device::wait_for(second);
    CHECK(a.data()[0] == -1 && b.data()[0] == 0);
    CHECK(a.read(first)[0] == 1);
    device::destroy_stream(first);
    device::destroy_stream(second);
    unsetenv("CPAB_GPU_DEFER");
}

void test_threads_of_the_host() {
    Numbers<int64_t> n(std::vector<int64_t>{0});
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++)
        threads.emplace_back([&]() {
            for (int k = 0; k < 5; k++) gpu::launch(count, gpu::Grid{2, 1}, 0, nullptr, n.data());
            gpu::launch(count, gpu::Grid{0, 1}, 0, nullptr, n.data());
            if (gpu::took()) std::abort(); /* a refusal is the thread's own */
        });
    for (std::thread &thread : threads) thread.join();
    CHECK(gpu::took());
    CHECK(n.read(nullptr)[0] == 4 * 5 * 2 * n_threads * 3);
}

/* -- faults ------------------------------------------------------------------------------------- */

/* A kernel must end the program with a message that has these parts, in any order of its threads. */
void expect_fault(void (*kernel)(int32_t *), std::initializer_list<const char *> parts) {
    for (const char *order : {"forward", "reverse", "1"}) {
        bool well;
        const std::string text = from_child(well, [&]() {
            setenv("CPAB_GPU_ORDER", order, 1);
            Numbers<int32_t> out(n_threads);
            gpu::launch(kernel, gpu::Grid{1, 1}, 16, nullptr, out.data());
        });
        CHECK(!well);
        expect(text, parts);
    }
}

void test_faults() {
    expect_fault(two_lines, {"test::two_lines", "block 0", "waits for its block", "others wait elsewhere"});
    expect_fault(two_groups, {"test::two_groups", "sync_warp", "sync_block", __FILE__});
    expect_fault(early_return, {"test::early_return", "block", "return", "sync_block"});
    expect_fault(lanes_gone, {"test::lanes_gone", "warp", "return", "from_lane"});
    expect_fault(ballot_of_some, {"test::ballot_of_some", "warp", "return", "ballot"});
    expect_fault(one_round_less, {"test::one_round_less", "warp", "return", "from_lane"});
    expect_fault(no_such_lane, {"test::no_such_lane", "lane 32"});
    expect_fault(no_such_partner, {"test::no_such_partner", "lane"});
    expect_fault(misaligned, {"test::misaligned", "not aligned to 4 bytes"});
    bool well;
    expect(from_child(well, []() { gpu::launch(note, gpu::Grid{1, 1}, 0, &check_failures, nullptr); }),
           {"is not a stream"});
    expect(from_child(well, []() { gpu::zero(&check_failures, 4, nullptr); }), {"not memory of the device"});
    expect(from_child(well,
                      []() {
                          Numbers<int32_t> out(4);
                          gpu::zero(out.data(), 17, nullptr);
                      }),
           {"not memory of the device"});
    expect(from_child(well, []() { order_of("backward"); }), {"CPAB_GPU_ORDER", "backward"});
}

void test_overruns() {
    expect_fault(beyond_shared, {"heap-buffer-overflow"});
    expect_fault(beyond_array, {"heap-buffer-overflow"});
}

/* What ThreadSanitizer says of two blocks of a kernel. */
std::string races_in(void (*kernel)(int32_t *)) {
    bool well;
    return from_child(well, [&]() {
        Numbers<int32_t> out(n_threads);
        gpu::launch(kernel, gpu::Grid{kernel == race_of_blocks ? 2 : 1, 1}, 0, nullptr, out.data());
        out.read(nullptr);
    });
}

void test_races() {
    expect(races_in(race_of_lanes), {"data race", "race_of_lanes"});
    expect(races_in(race_of_warps), {"data race", "race_of_warps"});
    expect(races_in(race_of_blocks), {"data race", "race_of_blocks"});
    CHECK(races_in(order_of_lanes).empty());
}

}  // namespace

int main() {
    if (CPAB_WATCHES_RACES)
        test_races();
    else
        test_orders(); /* whose kernel is a race */
    if (CPAB_WATCHES_ADDRESSES) test_overruns();
    test_deferred();
    test_threads_of_the_host();
    test_faults();
    return check_result();
}
