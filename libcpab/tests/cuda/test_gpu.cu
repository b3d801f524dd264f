/* What gpu.h promises, one by one: on a device, and by the stand-in for one. */
#include "../../src/cuda/gpu.h"

#include <cmath>

#include "../check.h"
#include "numbers.h"

using namespace cpab;

namespace test {

constexpr int n_threads = gpu::threads_per_block;

/* A number that is the thread's own, in all of a grid. */
CPAB_DEVICE int64_t whole() {
    return (gpu::row() * gpu::blocks() + gpu::block()) * n_threads + gpu::thread();
}

CPAB_KERNEL places(int32_t *out) {
    int32_t *const own = out + 5 * whole();
    own[0] = gpu::thread();
    own[1] = gpu::warp();
    own[2] = gpu::lane();
    own[3] = int32_t(gpu::block());
    own[4] = int32_t(gpu::row());
}

/* Each lane asks another one, in many rounds without anything in between. */
template <typename T>
CPAB_KERNEL ask(T *out, int n_rounds) {
    T sum = 0;
    for (int round = 0; round < n_rounds; round++)
        sum += gpu::from_lane(T(gpu::thread() + 1000 * round), (gpu::lane() * 5 + round) % gpu::warp_size);
    out[whole()] = sum;
}

/* The sum over the warp, in all of its lanes. */
template <typename T>
CPAB_KERNEL sum_of_warp(T *out) {
    T sum = T(whole());
    for (int bits = gpu::warp_size / 2; bits > 0; bits /= 2) sum += gpu::from_partner(sum, bits);
    out[whole()] = sum;
}

CPAB_KERNEL votes(uint32_t *out) {
    const int lane = gpu::lane();
    uint32_t *const own = out + 4 * whole();
    own[0] = gpu::ballot(lane % 3 == 1);
    own[1] = gpu::ballot(false);
    own[2] = uint32_t(gpu::first_of(own[0]));
    own[3] = uint32_t(gpu::first_of(0x80000000u));
}

/* Whether some thread has a number of `row()`, by turns with a question that nobody says yes to. */
CPAB_KERNEL any(int32_t *out) {
    for (int i = 0; i < 4; i++) {
        const bool yes = gpu::any_in_block(i % 2 == 0 && gpu::thread() == 100 && gpu::row() == 1);
        out[4 * whole() + i] = yes;
    }
}

/* What a lane has written, any lane reads, and what a thread has written, any thread. */
CPAB_KERNEL mirror(int32_t *out) {
    int32_t *const room = gpu::shared<int32_t>();
    const int thread = gpu::thread(), first = gpu::warp() * gpu::warp_size;
    room[thread] = 3 * thread;
    gpu::sync_warp();
    const int32_t in_warp = room[first + (gpu::warp_size - 1 - gpu::lane())];
    gpu::sync_warp();
    room[thread] = in_warp;
    gpu::sync_block();
    out[whole()] = room[n_threads - 1 - thread];
}

/* What a thread has written before it asks, any thread reads afterwards. */
CPAB_KERNEL mirror_by_any(int32_t *out) {
    int32_t *const room = gpu::shared<int32_t>();
    room[gpu::thread()] = gpu::thread();
    gpu::any_in_block(false);
    out[whole()] = room[n_threads - 1 - gpu::thread()];
}

struct Sums {
    float *single;
    double *twice;
    int64_t *whole;
    uint32_t *least;
    uint64_t *most;
};

CPAB_KERNEL change(Sums sums) {
    gpu::add(sums.single, 0.25f);
    gpu::add(sums.twice, 0.5);
    gpu::add(sums.whole, gpu::thread() % 2 ? int64_t(-1) : int64_t(1) << 40);
    gpu::lower(sums.least, uint32_t(1000 - whole()));
    gpu::raise(sums.most, (uint64_t(1) << 60) + uint64_t(whole()));
}

/* More than registers hold, before and after others had their turn. */
CPAB_KERNEL remember(int32_t *out) {
    int32_t own[2048];
    for (int i = 0; i < 2048; i++) own[i] = (gpu::thread() + 1) * i;
    gpu::sync_block();
    int32_t sum = 0;
    for (int i = 0; i < 2048; i++) sum += own[(i * 7 + gpu::thread()) % 2048];
    out[whole()] = sum;
}

/* Threads that have nothing to do may return, if nobody waits for them later. */
CPAB_KERNEL some(int32_t *out, int n) {
    gpu::sync_block();
    if (whole() >= n) return;
    out[whole()] = 7;
}

struct Numbered {
    int32_t number;
};

CPAB_KERNEL append(int32_t *out, Numbered numbered) {
    if (whole() == 0) out[0] = out[0] * 10 + numbered.number;
}

}  // namespace test

using namespace test;

namespace {

void test_places() {
    const gpu::Grid grid{3, 2};
    Numbers<int32_t> out(6 * n_threads * 5);
    gpu::launch(places, grid, 0, nullptr, out.data());
    CHECK(gpu::took());
    const std::vector<int32_t> found = out.read(nullptr);
    for (int i = 0; i < 6 * n_threads; i++) {
        const int32_t *own = found.data() + 5 * i;
        CHECK(own[0] == i % n_threads && own[1] == i % n_threads / 32 && own[2] == i % 32);
        CHECK(own[3] == i / n_threads % 3 && own[4] == i / n_threads / 3);
    }
}

template <typename T>
void test_exchanges() {
    const int n_rounds = 50;
    Numbers<T> out(2 * n_threads);
    gpu::launch(ask<T>, gpu::Grid{2, 1}, 0, nullptr, out.data(), n_rounds);
    const std::vector<T> asked = out.read(nullptr);
    for (int i = 0; i < 2 * n_threads; i++) {
        T sum = 0;
        for (int round = 0; round < n_rounds; round++)
            sum += T(i % n_threads / 32 * 32 + (i % 32 * 5 + round) % 32 + 1000 * round);
        CHECK(asked[size_t(i)] == sum);
    }
    gpu::launch(sum_of_warp<T>, gpu::Grid{2, 1}, 0, nullptr, out.data());
    const std::vector<T> sums = out.read(nullptr);
    for (int i = 0; i < 2 * n_threads; i++) CHECK(sums[size_t(i)] == T(i / 32 * 32 * 32 + 31 * 16));
    CHECK(gpu::took());
}

void test_votes() {
    Numbers<uint32_t> out(4 * n_threads);
    gpu::launch(votes, gpu::Grid{1, 1}, 0, nullptr, out.data());
    const std::vector<uint32_t> found = out.read(nullptr);
    for (size_t i = 0; i < n_threads; i++) {
        CHECK(found[4 * i] == 0x92492492u && found[4 * i + 1] == 0);
        CHECK(found[4 * i + 2] == 1 && found[4 * i + 3] == 31);
    }
    Numbers<int32_t> answers(2 * n_threads * 4);
    gpu::launch(any, gpu::Grid{1, 2}, 0, nullptr, answers.data());
    const std::vector<int32_t> answered = answers.read(nullptr);
    for (size_t i = 0; i < 2 * n_threads * 4; i++) CHECK(answered[i] == (i >= n_threads * 4 && i % 2 == 0));
    CHECK(gpu::took());
}

void test_shared_memory() {
    Numbers<int32_t> out(4 * n_threads);
    gpu::launch(mirror, gpu::Grid{4, 1}, n_threads * int64_t(sizeof(int32_t)), nullptr, out.data());
    std::vector<int32_t> found = out.read(nullptr);
    for (int i = 0; i < 4 * n_threads; i++) {
        const int other = n_threads - 1 - i % n_threads;
        CHECK(found[size_t(i)] == 3 * (other / 32 * 32 + 31 - other % 32));
    }
    gpu::launch(mirror_by_any, gpu::Grid{4, 1}, gpu::most_shared, nullptr, out.data());
    found = out.read(nullptr);
    for (int i = 0; i < 4 * n_threads; i++) CHECK(found[size_t(i)] == n_threads - 1 - i % n_threads);
    CHECK(gpu::took());
}

void test_atomics() {
    const int64_t n = 5 * n_threads;
    Numbers<float> single(std::vector<float>{1});
    Numbers<double> twice(std::vector<double>{1});
    Numbers<int64_t> whole(std::vector<int64_t>{0});
    Numbers<uint32_t> least(std::vector<uint32_t>{999999});
    Numbers<uint64_t> most(std::vector<uint64_t>{5});
    const Sums sums{single.data(), twice.data(), whole.data(), least.data(), most.data()};
    gpu::launch(change, gpu::Grid{5, 1}, 0, nullptr, sums);
    CHECK(single.read(nullptr)[0] == 1 + float(n) / 4);
    CHECK(twice.read(nullptr)[0] == 1 + double(n) / 2);
    CHECK(whole.read(nullptr)[0] == n / 2 * ((int64_t(1) << 40) - 1));
    CHECK(least.read(nullptr)[0] == 1000 - (n - 1));
    CHECK(most.read(nullptr)[0] == (uint64_t(1) << 60) + uint64_t(n - 1));
    CHECK(gpu::took());
}

void test_frames() {
    Numbers<int32_t> out(2 * n_threads);
    gpu::launch(remember, gpu::Grid{2, 1}, 0, nullptr, out.data());
    const std::vector<int32_t> found = out.read(nullptr);
    for (int i = 0; i < 2 * n_threads; i++) CHECK(found[size_t(i)] == (i % n_threads + 1) * (2047 * 1024));
    Numbers<int32_t> few(2 * n_threads);
    gpu::launch(some, gpu::Grid{2, 1}, 0, nullptr, few.data(), 150);
    const std::vector<int32_t> done = few.read(nullptr);
    for (int i = 0; i < 2 * n_threads; i++) CHECK(done[size_t(i)] == (i < 150 ? 7 : -1));
    CHECK(gpu::took());
}

/* A stream does what it is given in that order, with arguments as they were. */
void test_streams() {
    void *const stream = device::make_stream();
    Numbers<int32_t> out(1);
    gpu::zero(out.data(), sizeof(int32_t), stream);
    for (Numbered numbered{1}; numbered.number < 6; numbered.number++)
        gpu::launch(append, gpu::Grid{2, 1}, 0, stream, out.data(), numbered);
    CHECK(out.read(stream)[0] == 12345);
    gpu::zero(nullptr, 0, stream);
    CHECK(gpu::took());
    device::destroy_stream(stream);
}

void test_refusals() {
    Numbers<int32_t> out(1);
    const Numbered numbered{1};
    const gpu::Grid grids[] = {{0, 1}, {1, 0}, {1, gpu::most_rows + 1}};
    for (const gpu::Grid grid : grids) {
        gpu::launch(append, grid, 0, nullptr, out.data(), numbered);
        CHECK(!gpu::took());
        CHECK(gpu::took()); /* forgotten */
    }
    gpu::launch(append, gpu::Grid{1, 1}, gpu::most_shared + 16, nullptr, out.data(), numbered);
    CHECK(!gpu::took());
    CHECK(out.read(nullptr)[0] == -1);
}

}  // namespace

int main() {
    test_places();
    test_exchanges<float>();
    test_exchanges<double>();
    test_exchanges<int32_t>();
    test_exchanges<uint32_t>();
    test_exchanges<int64_t>();
    test_votes();
    test_shared_memory();
    test_atomics();
    test_frames();
    test_streams();
    test_refusals();
    return check_result();
}
