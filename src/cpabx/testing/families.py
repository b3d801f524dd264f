"""What every family of transformations does, and the formulas of each."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import expm

import cpabx
from cpabx import (
    Affine,
    AffineDiffeo,
    Composition,
    Cpab,
    Homography,
    Rigid,
    ScaleTranslate,
    Similarity,
    ThinPlateSpline,
    Transformation,
)
from cpabx.backend import Backend
from cpabx.testing.cases import (
    Array,
    distance,
    draw_images,
    draw_points,
    draw_theta,
    each_dtype,
    each_family,
    image_tensor,
    tensor,
)

ROUNDING = 1e-12

each_ndim = pytest.mark.parametrize("ndim", [1, 2, 3])


def moved(backend: Backend, family: Transformation, points: Array, theta: Array) -> Array:
    return backend.to_numpy(family.transform(tensor(backend, points), tensor(backend, theta)))


class TestFamilies:
    @each_dtype
    @each_family
    def test_identity_is_the_identity_bit_for_bit(self, backend: Backend, family: Transformation, dtype: str) -> None:
        """Layers start here, and must start exactly here."""
        theta = family.identity(3, backend=backend.name, dtype=dtype)
        points = tensor(backend, draw_points(family, (50,), 0), dtype)
        for item in backend.to_numpy(family.transform(points, theta)):
            assert np.array_equal(item, backend.to_numpy(points))

    @each_dtype
    @each_family
    def test_identity_and_sample_make_tensors(self, backend: Backend, family: Transformation, dtype: str) -> None:
        """(n, d) in the backend asked for, also for n = 0."""
        for n in (0, 1, 5):
            for theta in (
                family.identity(n, backend=backend.name, dtype=dtype),
                family.sample(n, seed=0, backend=backend.name, dtype=dtype),
            ):
                assert cpabx.registry.owner(theta) == backend.name
                assert backend.dtype(theta) == dtype
                assert backend.shape(theta) == (n, family.n_params)

    @each_dtype
    @each_family
    def test_a_seed_gives_the_same_bits_everywhere(self, backend: Backend, family: Transformation, dtype: str) -> None:
        """Experiments can change their framework and keep their numbers."""
        here, there = (
            family.sample(4, seed=3, scale=0.5, backend=name, dtype=dtype) for name in (backend.name, "numpy")
        )
        assert backend.to_numpy(here).tobytes() == there.tobytes()

    @each_family
    def test_samples_scatter_around_the_identity(self, backend: Backend, family: Transformation) -> None:
        """``scale`` is the standard deviation; other seeds give other numbers."""

        def draw(seed: int, scale: float = 0.1) -> Array:
            return backend.to_numpy(family.sample(200, seed=seed, scale=scale, backend=backend.name))

        noise = draw(seed=0, scale=0.5) - family.identity_theta()
        assert abs(noise.std() - 0.5) < 0.1
        assert abs(noise.mean()) < 0.1
        assert not np.array_equal(draw(seed=0), draw(seed=1))

    @each_dtype
    @each_family
    def test_results_are_like_their_input(self, backend: Backend, family: Transformation, dtype: str) -> None:
        """(N, P, n), of the framework, of the type and on the device of theta."""
        theta = tensor(backend, draw_theta(family, 3, 0), dtype)
        for shape in ((7,), (1, 7), (3, 7)):
            result = family.transform(tensor(backend, draw_points(family, shape, 0), dtype), theta)
            assert backend.shape(result) == (3, 7, family.ndim)
            assert backend.dtype(result) == dtype
            assert backend.device(result) == backend.device(theta)
            assert cpabx.registry.owner(result) == backend.name

    @each_family
    def test_items_of_a_batch_do_not_meet(self, backend: Backend, family: Transformation) -> None:
        """Item i depends on theta i and points i alone; shared points are repeated points."""
        theta, points = draw_theta(family, 4, 1), draw_points(family, (4, 9), 1)
        together = moved(backend, family, points, theta)
        for i in range(4):
            assert distance(moved(backend, family, points[i], theta[i : i + 1])[0], together[i]) <= ROUNDING
            shared = moved(backend, family, points[i], theta)
            assert distance(shared[i], together[i]) <= ROUNDING

    @each_ndim
    def test_theta_of_affine_maps_is_a_matrix_by_rows(self, backend: Backend, ndim: int) -> None:
        """T(x) = A x + b, a row of [A b] for each of (x, y, z): n * (n + 1) numbers, which are 2, 6, 12."""
        family = Affine(ndim=ndim)
        theta, points = draw_theta(family, 3, 2), draw_points(family, (9,), 2)
        assert theta.shape == (3, {1: 2, 2: 6, 3: 12}[ndim])
        rows = theta.reshape(3, ndim, ndim + 1)
        expected = np.einsum("nij,pj->npi", rows[:, :, :ndim], points) + rows[:, None, :, ndim]
        assert distance(moved(backend, family, points, theta), expected) <= ROUNDING

    def test_affine_is_equation_1(self, backend: Backend) -> None:
        """T(x) = [[th1, th2], [th4, th5]] x + [th3, th6]."""
        theta, points = draw_theta(Affine(), 3, 2), draw_points(Affine(), (9,), 2)
        a, b, c, d, e, f = theta.T[:, :, None]
        x, y = points.T
        expected = np.stack([a * x + b * y + c, d * x + e * y + f], axis=-1)
        assert distance(moved(backend, Affine(), points, theta), expected) <= ROUNDING

    def test_homography_divides_by_the_third_coordinate(self, backend: Backend) -> None:
        """Row by row, with the last entry 1."""
        theta, points = draw_theta(Homography(), 3, 3), draw_points(Homography(), (9,), 3)
        matrix = np.concatenate([theta, np.ones((3, 1))], axis=1).reshape(-1, 3, 3)
        projected = np.einsum("nij,pj->npi", matrix, np.column_stack([points, np.ones(9)]))
        expected = projected[..., :2] / projected[..., 2:]
        assert distance(moved(backend, Homography(), points, theta), expected) <= ROUNDING * 100

    def test_homography_is_finite_at_its_horizon(self, backend: Backend) -> None:
        """A denominator of 0 is held at 1e-6."""
        theta = np.array([[1.0, 0, 0, 0, 1, 0, 1, 0]])
        result = moved(backend, Homography(), np.array([[-1.0, 0.5]]), theta)
        assert distance(result, np.array([[[-1e6, 0.5e6]]])) <= ROUNDING

    def test_homographies_beside_others(self, backend: Backend) -> None:
        """Pixels and gradients do not change because another image of the batch shows its horizon."""
        near = np.array([1.0, 0.1, 0.05, -0.1, 0.9, 0, 0.3, 0.2])
        across = np.array([1.0, 0, 0, 0, 1, 0, 3, -2])
        images = image_tensor(backend, draw_images(2, 6, 7, 1, 3))
        cotangent = tensor(backend, np.random.default_rng(3).standard_normal(backend.to_numpy(images).shape))
        found = []
        for other in (near, across):
            theta = tensor(backend, np.stack([near, other]))
            found.append([backend.to_numpy(Homography().warp(images, theta))[0]])
            if "autograd" in backend.supports:
                grads = backend.vjp(Homography().warp, (images, theta), cotangent)
                found[-1] += [backend.to_numpy(grad)[0] for grad in grads]
        for alone, beside in zip(*found, strict=True):
            assert np.abs(alone).max() > 0
            assert distance(beside, alone) <= ROUNDING * 100

    @each_ndim
    def test_affine_diffeo_is_the_matrix_exponential(self, backend: Backend, ndim: int) -> None:
        """Eq. 4, for small and large theta; the inverse is -theta."""
        family = AffineDiffeo(ndim=ndim)
        points = draw_points(family, (9,), 4)
        for scale in (1e-3, 1.0, 5.0):
            theta = scale * draw_theta(family, 3, 4)
            for sign in (1, -1):
                fields = [np.vstack([t.reshape(ndim, ndim + 1), np.zeros(ndim + 1)]) for t in theta]
                matrices = [expm(sign * field) for field in fields]
                expected = np.stack([points @ m[:ndim, :ndim].T + m[:ndim, ndim] for m in matrices])
                assert distance(moved(backend, family, points, sign * theta), expected) <= ROUNDING * 100
            inverse = family.inverse(tensor(backend, points), tensor(backend, theta))
            assert distance(backend.to_numpy(inverse), expected) <= ROUNDING * 100

    def test_affine_diffeo_in_1d_has_a_closed_form(self, backend: Backend) -> None:
        """The solution of x' = a x + b at time 1: e^a x + b (e^a - 1) / a, and x + b for a = 0."""
        family, points = AffineDiffeo(ndim=1), np.linspace(-1, 1, 9)[:, None]
        a, b = np.array([0, 0.3, -2.0, 1e-9]), np.array([0.5, -0.7, 1, 0.25])
        slope = np.where(a == 0, 1, np.expm1(a) / np.where(a == 0, 1, a))
        expected = np.exp(a)[:, None] * points.T + (b * slope)[:, None]
        got = moved(backend, family, points, np.stack([a, b], axis=-1))
        assert distance(got[..., 0], expected) <= ROUNDING

    @pytest.mark.parametrize("axis", [0, 1, 2], ids="xyz")
    def test_affine_diffeo_in_3d_turns_about_an_axis(self, backend: Backend, axis: int) -> None:
        """A skew-symmetric field turns by its angle, right-handed in (x, y, z)."""
        u, v = (axis + 1) % 3, (axis + 2) % 3
        field, angle = np.zeros((3, 4)), 0.8
        field[v, u], field[u, v] = angle, -angle
        points = draw_points(AffineDiffeo(ndim=3), (9,), 14)
        expected = points.copy()
        expected[:, u] = np.cos(angle) * points[:, u] - np.sin(angle) * points[:, v]
        expected[:, v] = np.sin(angle) * points[:, u] + np.cos(angle) * points[:, v]
        got = moved(backend, AffineDiffeo(ndim=3), points, field.reshape(1, 12))
        assert distance(got[0], expected) <= ROUNDING

    def test_similarities_of_the_plane(self, backend: Backend) -> None:
        """(r, s, b_x, b_y): e^s and a turn from x towards y, on a spiral about the point that rests."""
        family = Similarity()
        theta, points = np.array([[0.8, 0.3, 0.5, -0.2], [-2.0, -1.0, 0.1, 0.4]]), draw_points(family, (9,), 20)
        turn = np.exp(theta[:, 1] + 1j * theta[:, 0])[:, None]
        z, b = points @ [1, 1j], (theta[:, 2:] @ [1, 1j])[:, None]
        expected = turn * z + b * (turn - 1) / np.log(turn)
        got = moved(backend, family, points, theta)
        assert distance(got @ np.array([1, 1j]), expected) <= ROUNDING * 100

    def test_similarities_of_space(self, backend: Backend) -> None:
        """(r, s, b): scipy's rotation vectors; the inverse of the translation is that of the field's integral."""
        from scipy.spatial.transform import Rotation

        family = Similarity(ndim=3)
        theta, points = np.random.default_rng(21).standard_normal((4, 7)), draw_points(family, (9,), 21)
        theta[3] = 0
        for item, got in zip(theta, moved(backend, family, points, theta), strict=True):
            linear = np.exp(item[3]) * Rotation.from_rotvec(item[:3]).as_matrix()
            nodes, weights = np.polynomial.legendre.leggauss(20)
            times = (nodes + 1) / 2
            integral = sum(
                w / 2 * np.exp(t * item[3]) * Rotation.from_rotvec(t * item[:3]).as_matrix()
                for t, w in zip(times, weights, strict=True)
            )
            assert distance(got, points @ linear.T + integral @ item[4:]) <= ROUNDING * 100

    @each_ndim
    def test_rigid_maps_are_similarities_without_scale(self, backend: Backend, ndim: int) -> None:
        """And keep distances; in 1D they are translations."""
        family, full = Rigid(ndim=ndim), Similarity(ndim=ndim)
        theta, points = draw_theta(family, 3, 22) * 5, draw_points(family, (9,), 22)
        turns = family.n_params - ndim
        got = moved(backend, family, points, theta)
        between, before = got[:, 1:] - got[:, :-1], points[1:] - points[:-1]
        assert distance((between**2).sum(-1), np.stack([(before**2).sum(-1)] * 3)) <= ROUNDING * 100
        assert distance(got, moved(backend, full, points, np.insert(theta, turns, 0, axis=1))) <= ROUNDING * 100
        if ndim == 1:
            assert distance(got, points + theta[:, None]) <= ROUNDING

    @each_ndim
    def test_scales_and_translations_axis_by_axis(self, backend: Backend, ndim: int) -> None:
        """The closed form of :class:`cpabx.ScaleTranslate`; where s is 0, x + b."""
        family = ScaleTranslate(ndim=ndim)
        theta, points = draw_theta(family, 3, 23) * 3, draw_points(family, (9,), 23)
        theta[1, 0] = 0
        s, b = theta[:, None, :ndim], theta[:, None, ndim:]
        slope = np.where(s == 0, 1, np.expm1(s) / np.where(s == 0, 1, s))
        assert distance(moved(backend, family, points, theta), np.exp(s) * points + b * slope) <= ROUNDING * 100

    def test_numbers_of_parameters(self, backend: Backend) -> None:
        """As the literature counts them; in 1D three families are one."""
        numbers = {Similarity: (2, 4, 7), Rigid: (1, 3, 6), ScaleTranslate: (2, 4, 6), AffineDiffeo: (2, 6, 12)}
        for make, sizes in numbers.items():
            assert tuple(make(ndim=n).n_params for n in (1, 2, 3)) == sizes
        theta, points = draw_theta(Similarity(ndim=1), 3, 24), draw_points(Similarity(ndim=1), (9,), 24)
        same = [moved(backend, make(ndim=1), points, theta) for make in (Similarity, ScaleTranslate, AffineDiffeo)]
        assert distance(same[0], same[1]) <= ROUNDING
        assert distance(same[0], same[2]) <= ROUNDING

    def test_thin_plate_spline_moves_its_control_points_by_theta(self, backend: Backend) -> None:
        """It interpolates; (dx, dy) per control point, x fastest."""
        for size in ((4, 4), (2, 3)):
            family = ThinPlateSpline(size)
            x, y = np.meshgrid(np.linspace(-1, 1, size[0]), np.linspace(-1, 1, size[1]))
            control = np.stack([x, y], axis=-1).reshape(-1, 2)
            theta = draw_theta(family, 3, 5)
            expected = control + theta.reshape(3, -1, 2)
            assert distance(moved(backend, family, control, theta), expected) <= ROUNDING * 100

    def test_thin_plate_spline_reproduces_affine_maps(self, backend: Backend) -> None:
        """The smoothest map through affine displacements is that affine map, everywhere."""
        family, matrix = ThinPlateSpline(), np.array([[0.2, -0.1, 0.3], [0.4, 0.1, -0.2]])
        x, y = np.meshgrid(np.linspace(-1, 1, 4), np.linspace(-1, 1, 4))
        control = np.stack([x, y, np.ones_like(x)], axis=-1).reshape(-1, 3)
        points = draw_points(family, (20,), 6)
        expected = points + np.column_stack([points, np.ones(20)]) @ matrix.T
        result = moved(backend, family, points, (control @ matrix.T).reshape(1, -1))
        assert distance(result[0], expected) <= ROUNDING * 100

    def test_thin_plate_spline_between_control_points(self, backend: Backend) -> None:
        """The thin plate itself: scipy's spline with the same kernel."""
        from scipy.interpolate import RBFInterpolator

        family = ThinPlateSpline()
        x, y = np.meshgrid(np.linspace(-1, 1, 4), np.linspace(-1, 1, 4))
        control = np.stack([x, y], axis=-1).reshape(-1, 2)
        theta, points = draw_theta(family, 1, 7), draw_points(family, (20,), 7)
        spline = RBFInterpolator(control, theta.reshape(-1, 2), kernel="thin_plate_spline")
        assert distance(moved(backend, family, points, theta)[0], points + spline(points)) <= ROUNDING * 100

    def test_composition_applies_inner_then_outer(self, backend: Backend) -> None:
        """T(x) = outer(inner(x)), with theta = (outer, inner)."""
        outer, inner = Affine(), Cpab((2, 2))
        a, c = draw_theta(outer, 3, 8), draw_theta(inner, 3, 8)
        points = draw_points(inner, (9,), 8)
        expected = moved(backend, outer, moved(backend, inner, points, c), a)
        result = moved(backend, Composition(outer, inner), points, np.concatenate([a, c], axis=1))
        assert distance(result, expected) <= ROUNDING

    def test_composition_of_many_parts(self, backend: Backend) -> None:
        """The last part acts first, theta is in the order of the parts, and brackets do not matter."""
        parts = [Cpab((3, 2)), AffineDiffeo(), Cpab((2, 2), boundary="sliding"), Affine()]
        thetas = [draw_theta(part, 3, 9 + i) for i, part in enumerate(parts)]
        points = expected = draw_points(parts[0], (9,), 9)
        for part, theta in zip(reversed(parts), reversed(thetas), strict=True):
            expected = moved(backend, part, expected, theta)
        theta = np.concatenate(thetas, axis=1)
        a, b, c, d = parts
        for family in (Composition(a, b, c, d), Composition(a, Composition(b, Composition(c, d)))):
            assert distance(moved(backend, family, points, theta), expected) <= ROUNDING
        assert Composition(Composition(a, b), Composition(c, d)) == Composition(a, b, c, d)
        assert Composition(a, b, c, d) != Composition(a, c, b, d)
