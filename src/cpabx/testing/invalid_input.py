"""Bad input is answered by an exception of :mod:`cpabx.errors`, unusual input by a result."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cpabx
from cpabx import Affine, Cpab, Transformation
from cpabx.backend import Backend
from cpabx.errors import BackendMismatchError, BackendNotFoundError, DtypeError, OptionError, ShapeError
from cpabx.options import MEMORY
from cpabx.testing.cases import (
    distance,
    draw_images,
    draw_points,
    draw_theta,
    each_family,
    image_array,
    image_tensor,
    name_of,
    tensor,
)
from cpabx.testing.complaints import complains

FAMILY = Cpab((2, 2))  # d = 20
two_families = pytest.mark.parametrize("family", [Affine(), FAMILY], ids=name_of)


def zeros(backend: Backend, *shape: int, dtype: str = "float64") -> Any:
    return backend.asarray(np.zeros(shape, dtype))


class TestInvalidInput:
    @pytest.mark.parametrize("shape", [(20,), (3, 19), (3, 21), (3, 1, 20), (3, 0), ()], ids=str)
    def test_shape_of_theta(self, backend: Backend, shape: tuple[int, ...]) -> None:
        """(N, d) and nothing else, wherever theta goes in."""
        theta, points = zeros(backend, *shape), zeros(backend, 4, 2)
        images = zeros(backend, 3, 4, 4, 4)
        for call in (
            lambda: FAMILY.transform(points, theta),
            lambda: FAMILY.inverse(points, theta),
            lambda: FAMILY.vjp(points, theta, zeros(backend, 3, 4, 2)),
            lambda: FAMILY.warp(images, theta),
            lambda: FAMILY.velocity(theta),
        ):
            with complains(ShapeError, builtin=ValueError, match="20"):
                call()

    def test_dimension_of_another_boundary_is_recognised(self, backend: Backend) -> None:
        """The most likely mistake gets its own remedy."""
        with pytest.raises(ShapeError, match="14 is the dimension with boundary='sliding'"):
            FAMILY.transform(zeros(backend, 4, 2), zeros(backend, 3, 14))

    def test_forgotten_batch_axis_is_recognised(self, backend: Backend) -> None:
        with pytest.raises(ShapeError, match=r"theta\[None\]"):
            FAMILY.transform(zeros(backend, 4, 2), zeros(backend, 20))

    @two_families
    @pytest.mark.parametrize("shape", [(2,), (4, 3), (4, 1), (1, 3, 4, 2), (2, 4, 2), (4, 4, 2), ()], ids=str)
    def test_shape_of_points(self, backend: Backend, family: Transformation, shape: tuple[int, ...]) -> None:
        """(P, 2) or (N, P, 2), with N that of theta."""
        theta = zeros(backend, 3, family.n_params)
        with complains(ShapeError, builtin=ValueError):
            family.transform(zeros(backend, *shape), theta)
        with complains(ShapeError, builtin=ValueError):
            family.vjp(zeros(backend, *shape), theta, zeros(backend, 3, 4, 2))

    @two_families
    @pytest.mark.parametrize("shape", [(4, 2), (1, 4, 2), (3, 5, 2), (3, 4, 1), (3, 4)], ids=str)
    def test_shape_of_the_cotangent(self, backend: Backend, family: Transformation, shape: tuple[int, ...]) -> None:
        """That of the result: no silent broadcasting of gradients."""
        with complains(ShapeError, builtin=ValueError):
            family.vjp(zeros(backend, 4, 2), zeros(backend, 3, family.n_params), zeros(backend, *shape))

    @two_families
    @pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4), (2, 4, 4, 4), (3, 4, 4, 4, 4)], ids=str)
    def test_shape_of_images(self, backend: Backend, family: Transformation, shape: tuple[int, ...]) -> None:
        """Four axes, with N that of theta."""
        with complains(ShapeError, builtin=ValueError):
            family.warp(zeros(backend, *shape), zeros(backend, 3, family.n_params))

    @pytest.mark.parametrize("size", [(0, 4), (4, 0)], ids=str)
    def test_images_without_pixels(self, backend: Backend, size: tuple[int, int]) -> None:
        """There is nothing to sample."""
        images = image_tensor(backend, np.zeros((3, *size, 1)))
        with complains(ShapeError, builtin=ValueError):
            Affine().warp(images, zeros(backend, 3, 6), (4, 4))

    @two_families
    @pytest.mark.parametrize("dtype", ["int32", "int64", "float16", "bool", "complex64"])
    def test_dtype_of_anything(self, backend: Backend, family: Transformation, dtype: str) -> None:
        """Transformations are computed in float32 or float64, and do not convert in silence."""
        points, theta, images = (4, 2), (3, family.n_params), (3, 4, 4, 4)
        with complains(DtypeError, builtin=TypeError, match=dtype):
            family.transform(zeros(backend, *points, dtype=dtype), zeros(backend, *theta))
        with complains(DtypeError, builtin=TypeError, match=dtype):
            family.transform(zeros(backend, *points), zeros(backend, *theta, dtype=dtype))
        with complains(DtypeError, builtin=TypeError, match=dtype):
            family.transform(zeros(backend, *points, dtype=dtype), zeros(backend, *theta, dtype=dtype))
        with complains(DtypeError, builtin=TypeError, match=dtype):
            family.warp(zeros(backend, *images, dtype=dtype), zeros(backend, *theta))

    @two_families
    def test_two_dtypes_in_one_call(self, backend: Backend, family: Transformation) -> None:
        """float32 beside float64 is a mistake, not a wish."""
        for a, b in (("float32", "float64"), ("float64", "float32")):
            theta = zeros(backend, 3, family.n_params, dtype=a)
            with complains(DtypeError, builtin=TypeError, match="float32"):
                family.transform(zeros(backend, 4, 2, dtype=b), theta)
            with complains(DtypeError, builtin=TypeError, match="float64"):
                family.warp(zeros(backend, 3, 4, 4, 4, dtype=b), theta)

    @pytest.mark.parametrize("values", [[["a", "b"]], [[1.0], [1.0, 2.0]], [[1j, 0.0]]], ids=str)
    def test_lists_that_are_not_numbers(self, backend: Backend, values: Any) -> None:
        """Frameworks raise all kinds of errors here; ours is one."""
        with complains(DtypeError, builtin=TypeError):
            FAMILY.transform(values, zeros(backend, 3, 20))

    @pytest.mark.parametrize("time", [float("nan"), float("inf"), "soon", None], ids=str)
    def test_time(self, backend: Backend, time: Any) -> None:
        with complains(OptionError, builtin=ValueError, match="time"):
            FAMILY.transform(zeros(backend, 4, 2), zeros(backend, 3, 20), time=time)

    @pytest.mark.parametrize("mode", ["periodic", "", None, "Zeros", 0, ["zeros"]], ids=str)
    def test_padding_mode(self, backend: Backend, mode: Any) -> None:
        with complains(OptionError, builtin=ValueError, match="zeros, border, reflection"):
            FAMILY.warp(zeros(backend, 3, 4, 4, 4), zeros(backend, 3, 20), padding_mode=mode)

    @pytest.mark.parametrize("mode", ["trilinear", "tricubic", "biliner", "", None, "Linear", 0, ["linear"]], ids=str)
    def test_mode(self, backend: Backend, mode: Any) -> None:
        with complains(OptionError, builtin=ValueError, match="linear|cubic"):
            FAMILY.warp(zeros(backend, 3, 4, 4, 4), zeros(backend, 3, 20), mode=mode)

    @pytest.mark.parametrize("cells", [3, (1, 1, 1)], ids=str)
    def test_signals_and_volumes(self, backend: Backend, cells: Any) -> None:
        """The axes that they need are named, and sizes have as many numbers."""
        family = Cpab(cells)
        theta, kind = zeros(backend, 3, family.n_params), {1: "signals", 3: "volumes"}[family.ndim]
        axes = (4,) * (family.ndim + 1)
        for shape in ((3, 4, 4, 4), (3, 4), (3, *axes, 4)):
            with complains(ShapeError, builtin=ValueError, match=f"{kind} must be"):
                family.warp(zeros(backend, *shape), theta)
        with complains(ShapeError, builtin=ValueError, match="one N"):
            family.warp(zeros(backend, 2, *axes), theta)
        with complains(ShapeError, builtin=ValueError, match="one pixel"):
            family.warp(image_tensor(backend, np.zeros((3, *axes[:-2], 0, 1))), theta)
        for size in ((4, 4), 4, (0,) * family.ndim, (4,) * (family.ndim + 1)):
            with complains(OptionError, builtin=ValueError, match="output_size must be"):
                family.warp(zeros(backend, 3, *axes), theta, size)  # type: ignore[arg-type]

    @pytest.mark.parametrize("size", [(0, 4), (4, -1), (4,), (4, 4, 4), 4, (2.5, 4), "44", ("4", "4")], ids=str)
    def test_output_size(self, backend: Backend, size: Any) -> None:
        with complains(OptionError, builtin=ValueError, match="output_size"):
            FAMILY.warp(zeros(backend, 3, 4, 4, 4), zeros(backend, 3, 20), size)

    @pytest.mark.parametrize(
        "size", [(2**30 + 1, 4), (4, 2**63), (10**400, 4), (2**30, 2**30), (10**5000, 1)], ids=["1", "2", "3", "4", "5"]
    )
    def test_huge_output_size(self, backend: Backend, size: Any) -> None:
        """Refused before anybody tries to allocate it, in the words of no allocator, by every family."""
        for family in (FAMILY, Affine()):
            images, theta = zeros(backend, 3, 4, 4, 4), zeros(backend, 3, family.n_params)
            with complains(OptionError, builtin=ValueError, match="output_size"):
                family.warp(images, theta, size)

    def test_output_size_of_too_many_images(self, backend: Backend) -> None:
        """One would fit in memory, but not all of them."""
        size = (2**16, MEMORY // 4 // 2**16)
        with complains(OptionError, builtin=ValueError, match="fits in memory"):
            FAMILY.warp(zeros(backend, 3, 4, 4, 4), zeros(backend, 3, 20), size)

    @pytest.mark.parametrize("n", [-1, 1.5, "3", None, (2,), 10**20, 10**400], ids=lambda n: str(n)[:9])
    def test_number_of_parameters(self, backend: Backend, n: Any) -> None:
        for make in (FAMILY.identity, FAMILY.sample):
            with complains(OptionError, builtin=ValueError, match="n must be"):
                make(n, backend=backend.name)

    @pytest.mark.parametrize("dtype", ["float16", "int32", "double", "", None, np.float32], ids=str)
    def test_dtype_by_name(self, backend: Backend, dtype: Any) -> None:
        for make in (FAMILY.identity, FAMILY.sample):
            with complains(DtypeError, builtin=TypeError, match="float32 or float64"):
                make(2, backend=backend.name, dtype=dtype)

    def test_backend_that_contradicts_the_tensor(self, backend: Backend) -> None:
        """``backend=`` insists; it does not convert."""
        other = "numpy" if backend.name != "numpy" else "torch"  # which need not be installed
        with complains(BackendMismatchError, builtin=TypeError, match=f"(?s)(?=.*{other})(?=.*{backend.name})"):
            FAMILY.transform(zeros(backend, 4, 2), zeros(backend, 3, 20), backend=other)

    def test_backend_that_does_not_exist(self, backend: Backend) -> None:
        with complains(BackendNotFoundError, builtin=ImportError, match=backend.name):
            FAMILY.identity(backend="no such backend")

    def test_two_frameworks_in_one_call(self, backend: Backend) -> None:
        """Arrays are numpy's tensors: beside another framework's they are a mistake."""
        if cpabx.registry.owner(np.zeros(1)) == backend.name:
            pytest.skip("arrays are this backend's own tensors")
        with complains(BackendMismatchError, builtin=TypeError, match=f"(?s)(?=.*numpy)(?=.*{backend.name})"):
            FAMILY.transform(np.zeros((4, 2)), zeros(backend, 3, 20))
        with complains(BackendMismatchError, builtin=TypeError, match=f"(?s)(?=.*numpy)(?=.*{backend.name})"):
            FAMILY.warp(np.zeros((3, 4, 4, 4)), zeros(backend, 3, 20))


class TestUnusualInput:
    @each_family
    def test_lists_become_tensors_like_their_neighbour(self, backend: Backend, family: Transformation) -> None:
        """Points are often typed by hand."""
        points, theta = [[0.25, 0.5, 0.0][: family.ndim], [0.0, -1.0, 1.0][: family.ndim]], draw_theta(family, 2, 0)
        expected = family.transform(np.array(points), theta)
        for given in ((points, tensor(backend, theta)), (tensor(backend, points), theta.tolist())):
            result = family.transform(*given)
            assert backend.dtype(result) == "float64"
            assert distance(backend.to_numpy(result), expected) <= 1e-12

    @each_family
    def test_lists_alone_follow_the_backend_in_force(self, backend: Backend, family: Transformation) -> None:
        """No tensor anywhere: the context decides, and the type is float32."""
        points, theta = [[0, 1, 1][: family.ndim], [1, 0, 0][: family.ndim]], draw_theta(family, 2, 1)
        with cpabx.use_backend(backend.name):
            result = family.transform(points, theta.tolist())
        assert cpabx.registry.owner(result) == backend.name
        assert backend.dtype(result) == "float32"
        assert distance(backend.to_numpy(result), family.transform(np.array(points, float), theta)) <= 1e-5

    @each_family
    def test_arrays_that_are_not_contiguous(self, backend: Backend, family: Transformation) -> None:
        """Slices and transposes: the native call wants dense memory, the user need not know."""
        theta, points = draw_theta(family, 3, 2), draw_points(family, (3, 5), 2)
        cotangent = np.random.default_rng(2).standard_normal(points.shape)
        expected, grads = family.transform(points, theta), family.vjp(points, theta, cotangent)

        def sliced(values: Any) -> Any:
            return tensor(backend, np.repeat(values, 2, axis=-1))[..., ::2]

        def transposed(values: Any) -> Any:
            return backend.matrix_transpose(tensor(backend, np.swapaxes(values, -1, -2)))

        for loose in (sliced, transposed):
            result = family.transform(loose(points), loose(theta))
            assert distance(backend.to_numpy(result), expected) <= 1e-12
            got = family.vjp(loose(points), loose(theta), loose(cotangent))
            for a, b in zip(got, grads, strict=True):
                assert np.abs(backend.to_numpy(a) - b).max() <= 1e-12 * np.abs(b).max()

    def test_images_that_are_not_contiguous(self, backend: Backend) -> None:
        theta, images = draw_theta(FAMILY, 2, 3), draw_images(2, 5, 6, 4, 3)
        dense = image_tensor(backend, images)
        loose = backend.matrix_transpose(backend.matrix_transpose(dense) + 0)
        expected = FAMILY.warp(dense, tensor(backend, theta))
        result = FAMILY.warp(loose, tensor(backend, theta))
        assert distance(image_array(backend, result), image_array(backend, expected)) <= 1e-12
