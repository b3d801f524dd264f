/* What cpab.h promises of calls for a device beyond those of libcpab: tables, scratch, streams and reports.
 */
#include <algorithm>
#include <cmath>
#include <memory>

#include "../call.h"
#include "../check.h"
#include "numbers.h"

namespace {

/* A tessellation, with its tables on the device. */
class Space {
public:
    Space(int ndim, int64_t nx, int64_t ny) {
        cpab_tessellation_options options = {};
        options.struct_size = sizeof options;
        options.ndim = ndim;
        options.cells[0] = nx, options.cells[1] = ny, options.cells[2] = 1;
        for (int d = 0; d < 3; d++) options.lower[d] = -1, options.upper[d] = 1;
        CHECK(cpab_tessellation_create(&options, &tess_) == CPAB_OK);
        sizes_.struct_size = sizeof sizes_;
        CHECK(cpab_tessellation_describe(tess_, &sizes_) == CPAB_OK);
    }
    ~Space() { cpab_tessellation_destroy(tess_); }
    Space(const Space &) = delete;
    Space &operator=(const Space &) = delete;

    const cpab_tessellation *tess() const { return tess_; }
    int64_t field_size() const { return sizes_.n_vertices * sizes_.ndim; }
    int64_t ndim() const { return sizes_.ndim; }

    std::vector<unsigned char> tables(int32_t dtype) const {
        std::vector<unsigned char> bytes(size_t(cpab_tables(tess_, dtype, nullptr)));
        CHECK(!bytes.empty());
        CHECK(cpab_tables(tess_, dtype, bytes.data()) == int64_t(bytes.size()));
        return bytes;
    }

private:
    cpab_tessellation *tess_ = nullptr;
    cpab_tessellation_sizes sizes_ = {};
};

/* x' = rate x along the first axis. */
std::vector<float> slope(const Space &space, float rate) {
    const int64_t n = space.ndim();
    std::vector<double> vertices(static_cast<size_t>(space.field_size()));
    CHECK(cpab_tessellation_geometry(space.tess(), vertices.data(), nullptr) == CPAB_OK);
    std::vector<float> field;
    for (int64_t i = 0; i < space.field_size(); i++)
        field.push_back(i % n ? 0 : rate * float(vertices[size_t(i)]));
    return field;
}

std::vector<float> join(const std::vector<std::vector<float>> &parts) {
    std::vector<float> all;
    for (const auto &part : parts) all.insert(all.end(), part.begin(), part.end());
    return all;
}

/* Gradients of transformations, on a stream: the call has all kinds of memory. */
class Job {
public:
    Job(const Space &space, const std::vector<float> &velocity, int64_t n_points, cpab_report *report)
        : stream_(device::make_stream()),
          tables_(space.tables(CPAB_FLOAT32)),
          velocity_(velocity),
          n_batch_(int64_t(velocity.size()) / space.field_size()),
          n_points_(n_points),
          cloud_(n_points * space.ndim()),
          points_(points()),
          grad_points_(n_batch_ * cloud_),
          grad_velocity_(int64_t(velocity.size())),
          call(call_make(space.tess(), CPAB_FLOAT32, n_batch_, n_points, 1, 1)) {
        call.device = CPAB_CUDA;
        call.tables = tables_.data();
        call.stream = stream_;
        call.report = report;
        scratch_bytes_ = cpab_scratch_bytes(&call, CPAB_TRANSFORM_VJP);
        CHECK(scratch_bytes_ > 0);
        scratch_ = device::allocate(scratch_bytes_);
        call.scratch = scratch_;
        call.scratch_bytes = scratch_bytes_;
        /* every item has the same cotangents */
        std::vector<float> grads;
        for (int64_t i = 0; i < n_batch_ * cloud_; i++) grads.push_back(std::cos(float(i % cloud_)));
        grad_out_.reset(new Numbers<float>(grads));
    }
    ~Job() {
        device::wait_for(stream_);
        device::release(scratch_);
        device::destroy_stream(stream_);
    }
    Job(const Job &) = delete;
    Job &operator=(const Job &) = delete;

    cpab_status start() {
        call.failed_item = NO_ANSWER;
        return cpab_transform_vjp(&call, points_.data(), velocity_.data(), grad_out_->data(),
                                  grad_points_.data(), grad_velocity_.data());
    }

    std::vector<float> grad_points() const { return grad_points_.read(stream_); }
    std::vector<float> grad_velocity() const { return grad_velocity_.read(stream_); }
    void *stream() const { return stream_; }
    int64_t cloud() const { return cloud_; }
    int64_t n_batch() const { return n_batch_; }
    int64_t scratch_bytes() const { return scratch_bytes_; }

private:
    std::vector<float> points() const {
        std::vector<float> points;
        for (int64_t i = 0; i < cloud_; i++) points.push_back(std::sin(3 * float(i)));
        return points;
    }

    void *const stream_;
    Numbers<unsigned char> tables_;
    Numbers<float> velocity_;
    const int64_t n_batch_, n_points_, cloud_;
    Numbers<float> points_, grad_points_, grad_velocity_;
    std::unique_ptr<Numbers<float>> grad_out_;
    int64_t scratch_bytes_ = 0;
    void *scratch_ = nullptr;

public:
    cpab_call call;
};

bool are_blank(const std::vector<float> &numbers) {
    for (const float number : numbers)
        if (!std::isnan(number)) return false;
    return true;
}

/* Items whose field is out of range, or whose points overflow, and others. */
const float too_steep = 2 * CPAB_MAX_RATE, overflows = 200, gentle = 0.5f;

void bad_memory(const Space &space) {
    Job job(space, slope(space, gentle), 20, nullptr);
    const cpab_call good = job.call;
    const auto refused = [&](cpab_status status, auto change) {
        change(job.call);
        CHECK(job.start() == status);
        CHECK(job.call.failed_item == -1);
        job.call = good;
    };
    refused(CPAB_E_NULL, [](cpab_call &call) { call.tables = nullptr; });
    refused(CPAB_E_SCRATCH, [](cpab_call &call) { call.scratch = nullptr; });
    refused(CPAB_E_SCRATCH, [](cpab_call &call) { call.scratch_bytes--; });
    refused(CPAB_E_SCRATCH, [](cpab_call &call) { call.scratch_bytes = 0; });
    refused(CPAB_E_SCRATCH, [](cpab_call &call) { call.scratch_bytes = INT64_MIN; });
    refused(CPAB_E_SCRATCH, [](cpab_call &call) {
        call.scratch = static_cast<unsigned char *>(call.scratch) + 8;
        call.scratch_bytes += 8;
    });
    refused(CPAB_E_OPTION, [](cpab_call &call) { call.deterministic = 2; });
    refused(CPAB_E_DEVICE, [](cpab_call &call) { call.device = CPAB_CPU; });
    device::wait_for(job.stream());
    CHECK(are_blank(job.grad_points()) && are_blank(job.grad_velocity()));
    CHECK(job.start() == CPAB_OK && job.call.failed_item == -1);
    for (const float number : job.grad_points()) CHECK(std::isfinite(number));
    for (const float number : job.grad_velocity()) CHECK(std::isfinite(number));
}

/* What the device does not take is answered by the call that has given it, and forgotten. */
void refused_work(const Space &space) {
    Job job(space, slope(space, gentle), 20, nullptr);
    device::refuse();
    CHECK(job.start() == CPAB_E_LAUNCH && job.call.failed_item == -1);
    CHECK(job.start() == CPAB_OK);

    cpab_image image = {};
    image.struct_size = sizeof image;
    image.ndim = 2, image.channels = 1;
    for (int d = 0; d < 2; d++) image.size[d] = 2, image.output_size[d] = 2;
    Numbers<float> pixels(std::vector<float>{1, 2, 3, 4}), points(std::vector<float>(8, 0.5f)), out(4),
        grad_images(4);
    const std::vector<float> field = slope(space, gentle);
    Numbers<float> velocity(field), grad_velocity(int64_t(field.size()));
    cpab_call call = job.call;
    call.image = &image, call.n_points = 4, call.points_batch = 1;
    const auto refused = [&](cpab_function function, auto start) {
        call.scratch_bytes = cpab_scratch_bytes(&call, function);
        Numbers<unsigned char> scratch(call.scratch_bytes);
        call.scratch = scratch.data();
        device::refuse();
        CHECK(start() == CPAB_E_LAUNCH);
        CHECK(start() == CPAB_OK);
        device::wait_for(job.stream());
    };
    refused(CPAB_SAMPLE, [&] { return cpab_sample(&call, pixels.data(), points.data(), out.data()); });
    refused(CPAB_SAMPLE_VJP, [&] {
        return cpab_sample_vjp(&call, pixels.data(), points.data(), out.data(), grad_images.data(), nullptr);
    });
    refused(CPAB_WARP, [&] { return cpab_warp(&call, pixels.data(), velocity.data(), out.data()); });
    refused(CPAB_WARP_VJP, [&] {
        return cpab_warp_vjp(&call, pixels.data(), velocity.data(), out.data(), grad_images.data(),
                             grad_velocity.data());
    });
}

/* The size depends neither on memory nor on what the device has to do with it. */
void sizes_of_scratch(const Space &space) {
    Job job(space, slope(space, gentle), 20, nullptr);
    cpab_call call = call_make(space.tess(), CPAB_FLOAT32, job.n_batch(), 20, 1, 1);
    call.device = CPAB_CUDA;
    CHECK(cpab_scratch_bytes(&call, CPAB_TRANSFORM_VJP) == job.scratch_bytes());
    for (int f = CPAB_TRANSFORM; f <= CPAB_WARP_VJP; f++)
        CHECK(cpab_scratch_bytes(nullptr, cpab_function(f)) == 0);
    CHECK(cpab_scratch_bytes(&call, cpab_function(-1)) == 0);
    CHECK(cpab_scratch_bytes(&call, cpab_function(CPAB_WARP_VJP + 1)) == 0);
    call.n_points = -1;
    CHECK(cpab_scratch_bytes(&call, CPAB_TRANSFORM) == 0);
    call.n_points = 20, call.dtype = 2;
    CHECK(cpab_scratch_bytes(&call, CPAB_TRANSFORM) == 0);
    call.dtype = CPAB_FLOAT32, call.struct_size--;
    CHECK(cpab_scratch_bytes(&call, CPAB_TRANSFORM) == 0);
    CHECK(cpab_tables(nullptr, CPAB_FLOAT32, nullptr) == 0);
    CHECK(cpab_tables(space.tess(), 2, nullptr) == 0);
}

/* An image whose pixels can be counted, but not the bytes of where they end, and that has no channels: no
   array of the caller's is too large for him. */
void uncountable_scratch(const Space &space) {
    cpab_image image = {};
    image.struct_size = sizeof image;
    image.ndim = 2;
    image.size[0] = image.size[1] = 1;
    image.output_size[0] = int64_t(1) << 30, image.output_size[1] = (int64_t(1) << 29) - 1;
    Numbers<double> velocity(std::vector<double>(static_cast<size_t>(space.field_size()))),
        grad_velocity(space.field_size());
    Numbers<unsigned char> tables(space.tables(CPAB_FLOAT64)), scratch(64);
    cpab_call call = call_make(space.tess(), CPAB_FLOAT64, 1, 0, 1, 1);
    call.device = CPAB_CUDA;
    call.image = &image;
    call.tables = tables.data();
    call.scratch = scratch.data();
    call.scratch_bytes = 64;
    for (call.deterministic = 0; call.deterministic < 2; call.deterministic++) {
        const int64_t needed = cpab_scratch_bytes(&call, CPAB_WARP_VJP);
        CHECK(needed > int64_t(1) << 60);
        if (needed < 0) continue; /* it would begin */
        CHECK(cpab_warp_vjp(&call, nullptr, velocity.data(), nullptr, nullptr, grad_velocity.data()) ==
              CPAB_E_SCRATCH);
    }
}

/* The lowest items, also of calls that share a report; what failed is NaN, what did not is what it always is.
 */
void reports(const Space &space) {
    const std::vector<float> good = slope(space, gentle), range = slope(space, too_steep),
                             far = slope(space, overflows);
    Numbers<cpab_report> report(std::vector<cpab_report>{{-1, -1}});
    Job alone(space, good, 50, nullptr),
        one(space, join({good, good, far, range, far, range}), 50, report.data()),
        two(space, join({good, far, good}), 50, report.data()),
        none(space, join({good, good}), 50, report.data());
    CHECK(none.start() == CPAB_OK);
    cpab_report now = report.read(none.stream())[0];
    CHECK(now.out_of_range_item == -1 && now.diverged_item == -1);
    CHECK(alone.start() == CPAB_OK && one.start() == CPAB_OK && two.start() == CPAB_OK &&
          none.start() == CPAB_OK);
    for (const Job *job : {&alone, &one, &two, &none}) {
        CHECK(job->call.failed_item == -1);
        device::wait_for(job->stream());
    }
    now = report.read(none.stream())[0];
    CHECK(now.out_of_range_item == 3);
    CHECK(now.diverged_item == 1);
    const std::vector<float> expected = alone.grad_points();
    const auto check = [&](const Job &job, std::initializer_list<bool> fails) {
        const std::vector<float> found = job.grad_points();
        size_t at = 0;
        for (const bool failed : fails)
            for (const float number : expected) {
                CHECK(failed ? std::isnan(found[at]) : found[at] == number);
                at++;
            }
    };
    check(one, {false, false, true, true, true, true});
    check(two, {false, true, false});
    check(none, {false, false});
}

/* More items than the scratch has room for at a time, with a failure in the last: all others are as the
 * first. */
void many_fields() {
    const Space space(2, 96, 96);
    const int64_t n_batch = 40;
    std::vector<std::vector<float>> fields(n_batch - 1, slope(space, gentle));
    fields.push_back(slope(space, too_steep));
    Numbers<cpab_report> report(std::vector<cpab_report>{{-1, -1}});
    Job job(space, join(fields), 5, report.data());
    cpab_call twice = job.call;
    twice.n_batch *= 2;
    CHECK(cpab_scratch_bytes(&twice, CPAB_TRANSFORM_VJP) == job.scratch_bytes());
    CHECK(job.start() == CPAB_OK);
    const std::vector<float> points = job.grad_points(), velocity = job.grad_velocity();
    const size_t cloud = size_t(job.cloud()), field = size_t(space.field_size());
    for (size_t i = 0; i < points.size() - cloud; i++)
        CHECK(points[i] == points[i % cloud] && std::isfinite(points[i]));
    for (size_t i = 0; i < velocity.size() - field; i++)
        CHECK(velocity[i] == velocity[i % field] && std::isfinite(velocity[i]));
    for (size_t i = 0; i < cloud; i++) CHECK(std::isnan(points[points.size() - 1 - i]));
    for (size_t i = 0; i < field; i++) CHECK(std::isnan(velocity[velocity.size() - 1 - i]));
    const cpab_report found = report.read(job.stream())[0];
    CHECK(found.out_of_range_item == n_batch - 1 && found.diverged_item == -1);
}

/* More items than a grid has rows: velocities at a point, each field's own, and an image's values there with
   their gradient. */
void many_items() {
    const Space line(1, 1, 1);
    const int64_t n_batch = 65535 + 70;
    std::vector<float> numbers;
    for (int64_t b = 0; b < n_batch; b++) numbers.push_back(float(b)), numbers.push_back(float(b + 1));
    Numbers<float> fields(numbers), point(std::vector<float>{0.5f}), out(n_batch);
    Numbers<unsigned char> tables(line.tables(CPAB_FLOAT32));
    cpab_call call = call_make(line.tess(), CPAB_FLOAT32, n_batch, 1, 1, 1);
    call.device = CPAB_CUDA;
    call.tables = tables.data();
    call.scratch_bytes = cpab_scratch_bytes(&call, CPAB_VELOCITY);
    Numbers<unsigned char> scratch(call.scratch_bytes);
    call.scratch = scratch.data();
    CHECK(cpab_velocity(&call, point.data(), fields.data(), out.data()) == CPAB_OK);
    std::vector<float> found = out.read(nullptr);
    for (int64_t b = 0; b < n_batch; b++) CHECK_NEAR(found[size_t(b)], double(b) + 0.75, 0.02);

    cpab_image image = {};
    image.struct_size = sizeof image;
    image.ndim = 1, image.align_corners = 1, image.channels = 1, image.size[0] = 2;
    call.image = &image;
    CHECK(cpab_sample(&call, fields.data(), point.data(), out.data()) == CPAB_OK);
    found = out.read(nullptr);
    for (int64_t b = 0; b < n_batch; b++) CHECK_NEAR(found[size_t(b)], double(b) + 0.75, 0.02);

    call.deterministic = 1;
    call.scratch_bytes = cpab_scratch_bytes(&call, CPAB_SAMPLE_VJP);
    Numbers<unsigned char> sums(call.scratch_bytes);
    call.scratch = sums.data();
    Numbers<float> grads(2 * n_batch);
    CHECK(cpab_sample_vjp(&call, fields.data(), point.data(), out.data(), grads.data(), nullptr) == CPAB_OK);
    const std::vector<float> of_pixels = grads.read(nullptr);
    for (int64_t b = 0; b < n_batch; b++) {
        const double grad = double(found[size_t(b)]);
        CHECK_NEAR(of_pixels[size_t(2 * b)], 0.25 * grad, 1e-6 * grad);
        CHECK_NEAR(of_pixels[size_t(2 * b + 1)], 0.75 * grad, 1e-6 * grad);
    }
}

/* More pixels than scratch has places for at a time: each item has its own image, its own field, and its own
   gradients. The field of the last is out of range. */
void many_pixels() {
    const Space space(3, 1, 1);
    const int64_t n_batch = 2, side = 112, pixels = side * side * side;
    cpab_image image = {};
    image.struct_size = sizeof image;
    image.ndim = 3, image.channels = 1;
    for (int d = 0; d < 3; d++) image.size[d] = 1, image.output_size[d] = side;
    image.padding = CPAB_PADDING_BORDER;
    cpab_call call = call_make(space.tess(), CPAB_FLOAT64, n_batch, 0, 1, 1);
    call.device = CPAB_CUDA;
    call.image = &image;
    std::vector<double> numbers(static_cast<size_t>(n_batch * space.field_size()));
    const std::vector<float> steep = slope(space, too_steep);
    std::copy(steep.begin(), steep.end(), numbers.end() - space.field_size());
    Numbers<double> images(std::vector<double>{3, 2}), fields(numbers), out(n_batch * pixels),
        grad_images(n_batch), grad_fields(int64_t(numbers.size()));
    Numbers<unsigned char> tables(space.tables(CPAB_FLOAT64));
    Numbers<cpab_report> report(std::vector<cpab_report>{{-1, -1}});
    call.tables = tables.data(), call.report = report.data();
    call.scratch_bytes = cpab_scratch_bytes(&call, CPAB_WARP_VJP);
    cpab_call one = call;
    one.n_batch = 1;
    CHECK(cpab_scratch_bytes(&one, CPAB_WARP_VJP) == call.scratch_bytes); /* they go one by one */
    Numbers<unsigned char> scratch(call.scratch_bytes);
    call.scratch = scratch.data();

    CHECK(cpab_warp(&call, images.data(), fields.data(), out.data()) == CPAB_OK);
    const std::vector<double> found = out.read(nullptr);
    for (int64_t i = 0; i < n_batch * pixels; i++) {
        const int64_t b = i / pixels;
        CHECK(b == n_batch - 1 ? std::isnan(found[size_t(i)]) : found[size_t(i)] == 3);
    }
    CHECK(report.read(nullptr)[0].out_of_range_item == n_batch - 1);
    /* what was found is the cotangent: each item's own */
    CHECK(cpab_warp_vjp(&call, images.data(), fields.data(), out.data(), grad_images.data(),
                        grad_fields.data()) == CPAB_OK);
    const std::vector<double> of_images = grad_images.read(nullptr), of_fields = grad_fields.read(nullptr);
    for (int64_t b = 0; b < n_batch; b++)
        CHECK(of_images[size_t(b)] == (b == n_batch - 1 ? 0 : double(3 * pixels)));
    for (int64_t i = 0; i < int64_t(of_fields.size()); i++)
        CHECK(i / space.field_size() == n_batch - 1 ? std::isnan(of_fields[size_t(i)])
                                                    : of_fields[size_t(i)] == 0);
}

}  // namespace

int main() {
    const Space space(2, 3, 2);
    bad_memory(space);
    refused_work(space);
    sizes_of_scratch(space);
    uncountable_scratch(space);
    reports(space);
    many_fields();
    many_items();
    many_pixels();
    return check_result();
}
