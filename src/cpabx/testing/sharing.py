"""One image with many theta, and one theta with many images or point sets: as if it were there many times."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cpabx import Affine, AffineDiffeo, Composition, Cpab, Homography, Rigid, ThinPlateSpline, Transformation
from cpabx.backend import Backend
from cpabx.errors import ShapeError
from cpabx.testing.cases import (
    Array,
    distance,
    draw_images,
    draw_points,
    draw_theta,
    each_dimension,
    each_mode,
    image_array,
    image_tensor,
    name_of,
    needs,
    pixels_of,
    tensor,
)
from cpabx.testing.complaints import complains

N = 3


def values(family: Transformation, which: str, seed: int) -> tuple[Array, Array]:
    """Images and theta, one of one of them, N of the other."""
    size = pixels_of(family, 3, 4, 5)
    images = draw_images(1 if which == "images" else N, *size, 2, seed)
    return images, draw_theta(family, 1 if which == "theta" else N, seed)


def repeated(array: Array) -> Array:
    return np.repeat(array, N // len(array), axis=0)


#: One of each way of computing a map at pixels, and of each number of dimensions.
KINDS = (
    Affine(),
    Homography(),
    ThinPlateSpline((2, 3)),
    Cpab((2, 2), outside="nearest", domain=((0, 1), (-2, 3))),
    Composition(Cpab((3, 2), boundary="fixed"), AffineDiffeo()),
    Rigid(ndim=3),
    Composition(Affine(ndim=1), Cpab(3)),
)
each_kind = pytest.mark.parametrize("family", KINDS, ids=name_of)
each_side = pytest.mark.parametrize("which", ["images", "theta"])


class TestOneForAll:
    @pytest.mark.parametrize("inverse", [False, True], ids=["there", "back"])
    @each_side
    @each_kind
    def test_warp(self, backend: Backend, family: Transformation, which: str, inverse: bool) -> None:
        """The numbers of the call in which the one is repeated."""
        if inverse and not family.has_inverse:
            return
        images, theta = values(family, which, 0)
        options: dict[str, Any] = {"padding_mode": "border", "inverse": inverse}
        for size in (None, pixels_of(family, 5, 3, 4)):
            got = family.warp(image_tensor(backend, images), tensor(backend, theta), size, **options)
            assert backend.shape(got)[0] == N
            expected = family.warp(
                image_tensor(backend, repeated(images)), tensor(backend, repeated(theta)), size, **options
            )
            # torch's exponential of a single matrix is exact to 1e-10 alone.
            assert distance(backend.to_numpy(got), backend.to_numpy(expected)) <= 1e-9

    @each_side
    @each_dimension
    def test_gradients_of_warp_add_up(
        self, backend: Backend, family: Cpab, size: tuple[int, ...], output_size: tuple[int, ...], which: str
    ) -> None:
        """The gradient of the one is the sum of those of its copies; of flows, affine maps and splines alike."""
        needs(backend, "autograd")
        for kind in (family, Affine(ndim=family.ndim)):
            images = draw_images(1 if which == "images" else N, *size, 2, 1)
            theta = draw_theta(kind, 1 if which == "theta" else N, 1)
            cotangent = np.random.default_rng(1).standard_normal((N, *output_size, 2))

            def warp(i: Any, t: Any, kind: Transformation = kind) -> Any:
                return kind.warp(i, t, output_size)

            def grads(i: Array, t: Array) -> list[Array]:
                pair = image_tensor(backend, i), tensor(backend, t)
                got = backend.vjp(warp, pair, image_tensor(backend, cotangent))  # noqa: B023
                return [image_array(backend, got[0]), backend.to_numpy(got[1])]

            got, expected = grads(images, theta), grads(repeated(images), repeated(theta))
            k = 0 if which == "images" else 1
            expected[k] = expected[k].sum(0, keepdims=True)
            for one, other in zip(got, expected, strict=True):
                assert distance(one, other) <= 1e-11

    @each_side
    @each_mode
    def test_options(self, backend: Backend, which: str, mode: str) -> None:
        """Modes, alignment, fill, and a theta that is not finite."""
        for family in (Cpab((2, 2)), Affine()):
            images, theta = values(family, which, 2)
            theta[-1, 0] = np.nan
            options: dict[str, Any] = {"mode": mode, "align_corners": True, "fill": (0.5, -1.0)}
            got = family.warp(image_tensor(backend, images), tensor(backend, theta), **options)
            expected = family.warp(image_tensor(backend, repeated(images)), tensor(backend, repeated(theta)), **options)
            assert distance(*(np.nan_to_num(backend.to_numpy(x), nan=7.0) for x in (got, expected))) <= 1e-12
            assert np.isnan(backend.to_numpy(got)[-1]).all()

    @each_side
    def test_label_maps(self, backend: Backend, which: str) -> None:
        for family in (Cpab((2, 2)), Affine()):
            images, theta = values(family, which, 3)
            labels = (images * 1e6).astype(np.int64)
            options: dict[str, Any] = {"mode": "nearest", "fill": -1}
            got = family.warp(image_tensor(backend, labels, "int64"), tensor(backend, theta), (6, 5), **options)
            expected = family.warp(
                image_tensor(backend, repeated(labels), "int64"), tensor(backend, repeated(theta)), (6, 5), **options
            )
            assert np.array_equal(backend.to_numpy(got), backend.to_numpy(expected))

    @each_side
    def test_series_of_different_lengths(self, backend: Backend, which: str) -> None:
        """One length for one series."""
        family = Cpab(4)
        images, theta = values(family, which, 4)
        lengths = [4] if which == "images" else [4, 5, 2]
        for size in (None, (6,)):
            got = family.warp(image_tensor(backend, images), tensor(backend, theta), size, lengths=lengths)
            expected = family.warp(
                image_tensor(backend, repeated(images)),
                tensor(backend, repeated(theta)),
                size,
                lengths=lengths * (N // len(lengths)),
            )
            assert distance(backend.to_numpy(got), backend.to_numpy(expected)) <= 1e-12

    @each_kind
    def test_points(self, backend: Backend, family: Transformation) -> None:
        """Of one theta, with all that maps do; gradients and derivatives included."""
        points, theta = draw_points(family, (N, 4), 5), draw_theta(family, 1, 5)
        many = repeated(theta)
        rng = np.random.default_rng(5)
        w, u, g = rng.standard_normal(points.shape), rng.standard_normal(theta.shape), rng.standard_normal(points.shape)
        p, q, qs = (tensor(backend, value) for value in (points, theta, many))
        tangents = tensor(backend, w), tensor(backend, u), tensor(backend, repeated(u))
        pairs = [
            (family.transform(p, q), family.transform(p, qs)),
            (family.jvp(p, q, *tangents[:2]), family.jvp(p, qs, tangents[0], tangents[2])),
            (family.jacobian(p, q), family.jacobian(p, qs)),
            (family.log_det_jacobian(p, q), family.log_det_jacobian(p, qs)),
        ]
        if family.has_inverse:
            pairs.append((family.inverse(p, q), family.inverse(p, qs)))
        for got, expected in pairs:
            assert distance(backend.to_numpy(got), backend.to_numpy(expected)) <= 1e-11
        one, several = (family.vjp(p, t, tensor(backend, g)) for t in (q, qs))
        assert distance(backend.to_numpy(one[0]), backend.to_numpy(several[0])) <= 1e-11
        summed = backend.to_numpy(several[1]).sum(0, keepdims=True)
        assert distance(backend.to_numpy(one[1]), summed) <= 1e-11

    def test_points_along_a_field(self, backend: Backend) -> None:
        family = Cpab((2, 2))
        points, theta = draw_points(family, (N, 4), 6), draw_theta(family, 1, 6)
        got = family.velocity_at(tensor(backend, points), tensor(backend, theta))
        expected = family.velocity_at(tensor(backend, points), tensor(backend, repeated(theta)))
        assert distance(backend.to_numpy(got), backend.to_numpy(expected)) <= 1e-12

    def test_of_none(self, backend: Backend) -> None:
        """One image for no theta, one theta for no image."""
        for family in (Cpab((2, 2)), Affine()):
            for images, theta in ((0, 1), (1, 0)):
                empty = image_tensor(backend, np.zeros((images, 4, 5, 2)))
                warped = family.warp(empty, tensor(backend, np.zeros((theta, family.n_params))), (3, 2))
                assert image_array(backend, warped).shape == (0, 3, 2, 2)
            none = tensor(backend, np.zeros((0, 4, 2)))
            assert backend.shape(family.transform(none, tensor(backend, np.zeros((1, family.n_params))))) == (0, 4, 2)

    def test_other_numbers_are_refused(self, backend: Backend) -> None:
        family = Cpab((2, 2))
        theta = tensor(backend, np.zeros((3, 20)))
        with complains(ShapeError, builtin=ValueError, match="one N"):
            family.warp(image_tensor(backend, np.zeros((2, 4, 4, 1))), theta)
        with complains(ShapeError, builtin=ValueError, match="one N"):
            family.transform(tensor(backend, np.zeros((2, 4, 2))), theta)

    def test_the_map_is_followed_once(self, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
        """One theta for many images costs one integration, not N."""
        family, followed = Cpab((2, 2)), []
        for name in ("cpab", "cpab_warp", "cpab_warp_by_theta"):
            function = getattr(backend, name)

            def spy(first: Any, fields: Any, *rest: Any, function: Any = function) -> Any:
                result = function(first, fields, *rest)
                if result is not None:
                    followed.append(backend.shape(fields)[0])
                return result

            monkeypatch.setattr(backend, name, spy)
        images, theta = values(family, "theta", 7)
        family.warp(image_tensor(backend, images), tensor(backend, theta))
        assert followed == [1]
