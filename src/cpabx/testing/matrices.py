"""Theta as matrices, and what is said about a theta of another shape."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cpabx import Affine, AffineDiffeo, Composition, Cpab, Homography, ThinPlateSpline, Transformation
from cpabx.backend import Backend
from cpabx.errors import MatrixError, ShapeError
from cpabx.testing.cases import (
    Array,
    distance,
    draw_images,
    draw_points,
    draw_theta,
    image_tensor,
    name_of,
    needs,
    pixels_of,
    tensor,
)
from cpabx.testing.complaints import complains
from cpabx.testing.gradients import STEP, TOLERANCE, relative_error

ROUNDING = 1e-12

AFFINE = tuple(make(ndim=ndim) for make in (Affine, AffineDiffeo) for ndim in (1, 2, 3))

#: Families with the forms of their theta for one map.
FORMS: tuple[tuple[Transformation, tuple[int, ...]], ...] = (
    *((family, (family.ndim + k, family.ndim + 1)) for family in AFFINE for k in (0, 1)),
    (Homography(), (3, 3)),
    (Homography(), (9,)),
)
each_form = pytest.mark.parametrize(
    ("family", "form"), FORMS, ids=[f"{name_of(family)}-{'x'.join(map(str, form))}" for family, form in FORMS]
)


def in_form(family: Transformation, theta: Array, form: tuple[int, ...]) -> Array:
    """Matrices of the form, of the maps of theta (N, d). Those of homographies have another scale."""
    if isinstance(family, Homography):
        full = np.concatenate([theta, np.ones_like(theta[:, :1])], axis=1)
        return np.asarray((full * np.linspace(-2, 3, len(theta))[:, None]).reshape(-1, *form))
    matrices = theta.reshape(-1, family.ndim, family.ndim + 1)
    if form[0] == family.ndim:
        return matrices
    last = np.tile(np.eye(form[0])[-1:] * isinstance(family, Affine), (len(theta), 1, 1))
    return np.concatenate([matrices, last], axis=1)


class TestMatrices:
    @each_form
    def test_matrices_are_theta(self, backend: Backend, family: Transformation, form: tuple[int, ...]) -> None:
        """The same points and pixels as with (N, d), also for N = 0."""
        flat, points = draw_theta(family, 3, 0), tensor(backend, draw_points(family, (6,), 0))
        images = image_tensor(backend, draw_images(3, *pixels_of(family, 4, 5, 6), 2, 0))
        theta, same = tensor(backend, in_form(family, flat, form)), tensor(backend, flat)
        for n in (3, 0):
            for got, expected in (
                (family.transform(points, theta[:n]), family.transform(points, same[:n])),
                (family.warp(images[:n], theta[:n]), family.warp(images[:n], same[:n])),
            ):
                assert distance(backend.to_numpy(got), backend.to_numpy(expected)) <= ROUNDING

    @each_form
    def test_vjp_has_their_form(self, backend: Backend, family: Transformation, form: tuple[int, ...]) -> None:
        """Differences in every entry; a last row that is given has no gradient."""
        flat, points = draw_theta(family, 2, 1), draw_points(family, (2, 6), 1)
        theta, cotangent = in_form(family, flat, form), np.random.default_rng(1).standard_normal(points.shape)
        grad_points, grad = family.vjp(*(tensor(backend, v) for v in (points, theta, cotangent)))
        expected = np.zeros_like(theta)
        fixed = theta.shape[1:] == (family.ndim + 1,) * 2 and not isinstance(family, Homography)
        for entry in np.ndindex(*form):
            if fixed and entry[0] == family.ndim:
                continue
            step = np.zeros_like(theta)
            step[(slice(None), *entry)] = STEP
            change = family.transform(points, theta + step) - family.transform(points, theta - step)
            expected[(slice(None), *entry)] = (cotangent * change).sum((1, 2)) / (2 * STEP)
        assert relative_error(backend.to_numpy(grad), expected) <= TOLERANCE
        assert relative_error(backend.to_numpy(grad_points), family.vjp(points, flat, cotangent)[0]) <= 1e-9

    @each_form
    def test_gradients_flow_to_them(self, backend: Backend, family: Transformation, form: tuple[int, ...]) -> None:
        """Through warp, as through a reshape."""
        needs(backend, "autograd")
        flat = draw_theta(family, 2, 2)
        images = image_tensor(backend, draw_images(2, *pixels_of(family, 4, 5, 6), 2, 2))
        (grad,) = backend.vjp(lambda t: family.warp(images, t), (tensor(backend, in_form(family, flat, form)),), images)
        (expected,) = backend.vjp(lambda t: family.warp(images, t), (tensor(backend, flat),), images)
        got, rows = backend.to_numpy(grad), backend.to_numpy(expected)
        if isinstance(family, Homography):  # the pull-back of a division
            scale = np.linspace(-2, 3, 2)[:, None]
            rows = np.concatenate([rows, -(rows * flat).sum(-1, keepdims=True)], axis=-1) / scale
        else:
            got = got[:, : family.ndim]
        assert distance(got.reshape(rows.shape), rows) <= 1e-10

    @pytest.mark.parametrize("family", AFFINE, ids=name_of)
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_other_last_rows(self, backend: Backend, family: Transformation, dtype: str) -> None:
        """Each entry of them: no error would be a silent wrong number. Rounding is no other row."""
        n, theta = family.ndim, in_form(family, draw_theta(family, 3, 3), (family.ndim + 1,) * 2)
        points = tensor(backend, draw_points(family, (4,), 3), dtype)
        for k in range(n + 1):
            for change, wrong in ((0.01, True), (np.finfo(dtype).eps, False)):
                other = theta.copy()
                other[1, n, k] += change
                if not wrong:
                    assert np.isfinite(backend.to_numpy(family.transform(points, tensor(backend, other, dtype)))).all()
                elif backend.known_values(points) is None:
                    got = backend.to_numpy(family.transform(points, tensor(backend, other, dtype)))
                    assert np.isnan(got[1]).all()
                    assert np.isfinite(got[[0, 2]]).all()
                else:
                    with complains(MatrixError, builtin=ValueError, match="item 1"):
                        family.transform(points, tensor(backend, other, dtype))

    @pytest.mark.parametrize("form", [(3, 3), (9,)], ids=str)
    def test_homographies_that_have_no_last_entry(self, backend: Backend, form: tuple[int, ...]) -> None:
        family, points = Homography(), draw_points(Homography(), (4,), 4)
        theta = in_form(family, draw_theta(family, 3, 4), form)
        theta.reshape(3, 9)[1, 8] = 0
        if backend.known_values(tensor(backend, theta)) is None:
            got = backend.to_numpy(family.transform(tensor(backend, points), tensor(backend, theta)))
            assert np.isnan(got[1]).all()
            assert np.isfinite(got[[0, 2]]).all()
        else:
            with complains(MatrixError, builtin=ValueError, match="item 1"):
                family.transform(tensor(backend, points), tensor(backend, theta))

    @each_form
    def test_entries_that_are_not_finite(self, backend: Backend, family: Transformation, form: tuple[int, ...]) -> None:
        """NaN for their item alone, as in (N, d)."""
        flat, points = draw_theta(family, 3, 5), tensor(backend, draw_points(family, (4,), 5))
        theta = in_form(family, flat, form)
        theta[1].reshape(-1)[1] = np.inf
        got = backend.to_numpy(family.transform(points, tensor(backend, theta)))
        assert np.isnan(got[1]).all()
        assert np.isfinite(got[[0, 2]]).all()

    @pytest.mark.parametrize(
        ("family", "shape", "hint"),
        [
            (Affine(), (3, 12), r"Affine\(ndim=3\)"),
            (Affine(), (3, 8), r"Homography\(\)"),
            (Affine(), (3, 58), r"Cpab\(\(4, 4\)\)"),
            (Affine(), (2, 3), r"theta\[None\]"),
            (Affine(), (3, 3), r"theta\[None\]"),
            (Affine(), (5, 3, 2), r"theta.reshape\(5, 6\)"),
            (AffineDiffeo(ndim=3), (3, 4), r"theta\[None\]"),
            (Affine(ndim=1), (3, 17), r"Cpab\(\(16,\)\)"),
            (Homography(), (3, 6), r"Affine\(ndim=2\)"),
            (Homography(), (3, 2, 3), "6|8 numbers"),
            (Homography(), (3, 3), r"theta\[None\]"),
            (Homography(), (9,), r"theta\[None\]"),
            (Homography(), (3, 2, 4), r"theta.reshape\(3, 8\)"),
            (ThinPlateSpline(), (3, 16, 2), r"theta.reshape\(3, 32\)"),
            (ThinPlateSpline(), (3, 4, 4, 2), r"theta.reshape\(3, 32\)"),
            (ThinPlateSpline(), (3, 18), r"ThinPlateSpline\(\(3, 3\)\)"),
            (Cpab(), (3, 32), r"ThinPlateSpline\(\(4, 4\)\)"),
            (Cpab(), (3, 20), r"Cpab\(\(2, 2\)\)"),
            (Cpab(), (3, 1, 58), r"theta.reshape\(3, 58\)"),
            (Cpab((2, 2), basis="nodal"), (3, 10, 2), r"theta.reshape\(3, 20\)"),
            (Composition(Affine(), Cpab((2, 2))), (3, 2, 13), r"theta.reshape\(3, 26\)"),
            (Affine(), (3, 7), "6 numbers"),
            (Cpab(), (), "58 numbers"),
        ],
        ids=lambda value: str(value) if isinstance(value, tuple) else name_of(value) or " ",
    )
    def test_other_shapes_get_a_hint(self, backend: Backend, family: Any, shape: tuple[int, ...], hint: str) -> None:
        """The reshape, or the family that has as many numbers."""
        with complains(ShapeError, builtin=ValueError, match=f"theta must be .*({hint})"):
            family.transform(tensor(backend, draw_points(family, (4,), 6)), tensor(backend, np.zeros(shape)))
