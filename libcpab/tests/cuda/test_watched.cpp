/*
 * Every function, small enough for sanitizers to watch, in shapes that make kernels do all that they do:
 * several items, blocks and warps, and a last block that is not full; tables in shared memory, and tables too
 * large for it; more steps than a trail has room for; more cells in 1D than a block has threads.
 *
 * What is checked are adjoints: what a function makes of tangents t, and its gradient of cotangents g, have
 * the same product <J t, g> = <t, J^T g>.
 */
#include <cmath>
#include <cstdio>
#include <vector>

#include "../call.h"
#include "../check.h"
#include "../rng.h"

namespace {

/* Fields wave, and carry points so many cells along the first axis. What takes long is not done in all ways.
 */
struct Shape {
    int32_t ndim;
    int64_t cells[3];
    double carries;
    bool large;
};

const Shape shapes[] = {
    {1, {7, 1, 1}, 2, false},   {1, {300, 1, 1}, 20, true}, {2, {3, 2, 1}, 1, false},
    {2, {33, 32, 1}, 24, true}, {3, {2, 1, 2}, 1, false},
};

constexpr int64_t n_batch = 2, n_points = 150;

template <typename T>
constexpr int32_t dtype = sizeof(T) == 4 ? CPAB_FLOAT32 : CPAB_FLOAT64;
/* In float32, points that begin next to a face may have the derivative of the other side of it. */
template <typename T>
constexpr double tolerance = sizeof(T) == 4 ? 1e-4 : 1e-11;

class Space {
public:
    explicit Space(const Shape &shape) : shape_(shape) {
        cpab_tessellation_options options = {};
        options.struct_size = sizeof options;
        options.ndim = shape.ndim;
        for (int d = 0; d < 3; d++) {
            options.cells[d] = shape.cells[d];
            options.lower[d] = -1, options.upper[d] = 1;
        }
        CHECK(cpab_tessellation_create(&options, &tess_) == CPAB_OK);
        sizes_.struct_size = sizeof sizes_;
        CHECK(cpab_tessellation_describe(tess_, &sizes_) == CPAB_OK);
    }
    ~Space() { cpab_tessellation_destroy(tess_); }
    Space(const Space &) = delete;
    Space &operator=(const Space &) = delete;

    const cpab_tessellation *tess() const { return tess_; }
    int ndim() const { return shape_.ndim; }
    int64_t field_size() const { return sizes_.n_vertices * shape_.ndim; }

    template <typename T>
    std::vector<T> fields() const {
        std::vector<double> vertices(static_cast<size_t>(field_size()));
        CHECK(cpab_tessellation_geometry(tess_, vertices.data(), nullptr) == CPAB_OK);
        std::vector<T> fields;
        for (int64_t b = 0; b < n_batch; b++)
            for (int64_t i = 0; i < field_size(); i++) {
                const int64_t d = i % shape_.ndim, other = i - d + (d + 1) % shape_.ndim;
                const double width = 2.0 / double(shape_.cells[d]),
                             wave = std::sin(2 * vertices[size_t(other)]);
                const double carried = d == 0 ? shape_.carries * width : 0;
                fields.push_back(T(carried + 0.2 * wave * double(b + 1)));
            }
        return fields;
    }

private:
    const Shape shape_;
    cpab_tessellation *tess_ = nullptr;
    cpab_tessellation_sizes sizes_ = {};
};

template <typename T>
std::vector<T> random_numbers(rng &r, int64_t n) {
    std::vector<T> numbers(static_cast<size_t>(n));
    for (T &number : numbers) number = T(rng_uniform(&r, -1, 1));
    return numbers;
}

/* <a, b>, and the sum of the products without their signs. */
struct Product {
    double sum = 0, size = 0;

    template <typename T>
    void add(const std::vector<T> &a, const std::vector<T> &b) {
        CHECK(a.size() == b.size());
        for (size_t i = 0; i < a.size(); i++) {
            sum += double(a[i]) * double(b[i]);
            size += std::fabs(double(a[i]) * double(b[i]));
        }
    }
};

template <typename T>
void are_adjoint(const Product &there, const Product &back) {
    CHECK(there.size > 1);
    CHECK_NEAR(there.sum, back.sum, tolerance<T> * (there.size + back.size));
}

template <typename T>
void are_finite(const std::vector<T> &numbers) {
    for (const T number : numbers) CHECK(std::isfinite(number));
}

template <typename T>
class Flow {
public:
    Flow(const Space &space, rng &r)
        : D_(space.ndim()),
          call_(call_make(space.tess(), dtype<T>, n_batch, n_points, n_batch, 1)),
          fields_(space.fields<T>()),
          points_(random_numbers<T>(r, cloud())),
          grad_out_(random_numbers<T>(r, cloud())),
          to_fields_(random_numbers<T>(r, int64_t(fields_.size()))),
          to_points_(random_numbers<T>(r, cloud())),
          grad_points_(points_.size()),
          grad_fields_(fields_.size()) {}

    void first_derivatives() {
        std::vector<T> out(points_.size()), tangents(points_.size());
        CHECK(cpab_velocity(&call_, points_.data(), fields_.data(), out.data()) == CPAB_OK);
        are_finite(out);
        CHECK(cpab_transform(&call_, points_.data(), fields_.data(), out.data()) == CPAB_OK);
        are_finite(out);
        CHECK(cpab_transform_jvp(&call_, points_.data(), fields_.data(), to_points_.data(), to_fields_.data(),
                                 tangents.data()) == CPAB_OK);
        CHECK(cpab_transform_vjp(&call_, points_.data(), fields_.data(), grad_out_.data(),
                                 grad_points_.data(), grad_fields_.data()) == CPAB_OK);
        Product there, back;
        there.add(tangents, grad_out_);
        back.add(to_points_, grad_points_);
        back.add(to_fields_, grad_fields_);
        are_adjoint<T>(there, back);
    }

    /* Of points alone: J t by the matrices. */
    void jacobians() {
        std::vector<T> jacobians(points_.size() * size_t(D_)), log_det(points_.size() / size_t(D_));
        std::vector<T> tangents(points_.size()), products(points_.size());
        CHECK(cpab_transform_jvp(&call_, points_.data(), fields_.data(), to_points_.data(), nullptr,
                                 tangents.data()) == CPAB_OK);
        CHECK(cpab_jacobian(&call_, points_.data(), fields_.data(), jacobians.data(), log_det.data()) ==
              CPAB_OK);
        are_finite(log_det);
        for (size_t i = 0; i < jacobians.size(); i++) {
            const size_t row = i / size_t(D_), column = row / size_t(D_) * size_t(D_) + i % size_t(D_);
            products[row] += jacobians[i] * to_points_[column];
        }
        Product there, back;
        there.add(tangents, grad_out_);
        back.add(products, grad_out_);
        are_adjoint<T>(there, back);
        CHECK(cpab_jacobian_vjp(&call_, points_.data(), fields_.data(), jacobians.data(), log_det.data(),
                                grad_points_.data(), grad_fields_.data()) == CPAB_OK);
        are_finite(grad_points_);
        are_finite(grad_fields_);
    }

    void second_derivatives() {
        CHECK(cpab_transform_vjp_jvp(&call_, points_.data(), fields_.data(), grad_out_.data(),
                                     to_points_.data(), to_fields_.data(), grad_points_.data(),
                                     grad_fields_.data()) == CPAB_OK);
        are_finite(grad_points_);
        are_finite(grad_fields_);
    }

private:
    int64_t cloud() const { return n_batch * n_points * D_; }

    const int D_;
    cpab_call call_;
    const std::vector<T> fields_, points_, grad_out_, to_fields_, to_points_;
    std::vector<T> grad_points_, grad_fields_;
};

/* Values are linear in images. */
template <typename T>
void images(const Space &space, int32_t interpolation, int32_t deterministic, rng &r) {
    const int D = space.ndim();
    cpab_image image = {};
    image.struct_size = sizeof image;
    image.ndim = D, image.channels = 2, image.interpolation = interpolation;
    image.padding = interpolation == CPAB_INTERPOLATION_LINEAR ? CPAB_PADDING_BORDER : CPAB_PADDING_WRAP;
    int64_t pixels = 1, outputs = 1;
    for (int d = 0; d < D; d++) {
        image.size[d] = 5, image.output_size[d] = D == 1 ? 150 : D == 2 ? 12 : 6;
        pixels *= image.size[d], outputs *= image.output_size[d];
    }
    cpab_call call = call_make(space.tess(), dtype<T>, n_batch, outputs, 1, 1);
    call.image = &image;
    call.deterministic = deterministic;
    const std::vector<T> given = random_numbers<T>(r, n_batch * 2 * pixels), fields = space.fields<T>();
    const std::vector<T> grad_out = random_numbers<T>(r, n_batch * 2 * outputs);
    const std::vector<T> points = random_numbers<T>(r, outputs * D);
    std::vector<T> out(grad_out.size()), grad_images(given.size()), grad_fields(fields.size());
    std::vector<T> grad_points(points.size() * n_batch);
    const auto check = [&]() {
        Product there, back;
        there.add(out, grad_out);
        back.add(given, grad_images);
        are_adjoint<T>(there, back);
    };
    CHECK(cpab_sample(&call, given.data(), points.data(), out.data()) == CPAB_OK);
    CHECK(cpab_sample_vjp(&call, given.data(), points.data(), grad_out.data(), grad_images.data(),
                          grad_points.data()) == CPAB_OK);
    are_finite(grad_points);
    check();
    call.n_points = 0;
    CHECK(cpab_warp(&call, given.data(), fields.data(), out.data()) == CPAB_OK);
    CHECK(cpab_warp_vjp(&call, given.data(), fields.data(), grad_out.data(), grad_images.data(),
                        grad_fields.data()) == CPAB_OK);
    are_finite(grad_fields);
    check();
}

template <typename T>
void all_of(const Shape &shape) {
    rng r = {41};
    const Space space(shape);
    Flow<T> flow(space, r);
    flow.first_derivatives();
    if (shape.large) return;
    flow.jacobians();
    flow.second_derivatives();
    images<T>(space, CPAB_INTERPOLATION_LINEAR, 0, r);
    images<T>(space, CPAB_INTERPOLATION_CUBIC, 1, r);
}

}  // namespace

int main() {
    for (const Shape &shape : shapes) {
        const int before = check_failures;
        all_of<float>(shape);
        if (!shape.large) all_of<double>(shape);
        if (check_failures != before)
            std::fprintf(stderr, "    ... in %dD with %d cells along the first axis\n", shape.ndim,
                         int(shape.cells[0]));
    }
    return check_result();
}
