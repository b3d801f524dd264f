"""The small operations of :class:`cpabx.backend.Backend`, one by one against numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.linalg import expm

import cpabx
from cpabx.backend import ABILITIES, Backend
from cpabx.errors import BackendLoadError
from cpabx.plugins import Plugins, installed
from cpabx.testing.cases import Array, distance, each_dtype, needs, tensor

RNG = np.random.default_rng


class TestContract:
    def test_introduces_itself(self, backend: Backend) -> None:
        """``python -m cpabx info`` shows what is declared here."""
        # No other backend is loaded: that may take longer than all other tests of this class.
        alone = Plugins(lambda: {backend.name: installed()[backend.name]})
        (entry,) = alone.listed(load=True)
        assert entry.problem == ""
        assert entry.framework == backend.framework_version
        assert any(character.isdigit() for character in entry.framework)
        assert entry.supports == backend.supports <= ABILITIES
        assert entry.notes == backend.notes
        assert all(note == note.strip() and "\n" not in note for note in backend.notes)
        assert cpabx.get_backend(backend.name) is backend

    @each_dtype
    def test_tensors_come_and_go(self, backend: Backend, dtype: str) -> None:
        """The methods asarray and to_numpy are inverse, and the tensor belongs to this backend."""
        values = RNG(0).standard_normal((2, 3)).astype(dtype)
        t = backend.asarray(values, dtype=dtype)
        assert cpabx.registry.owner(t) == backend.name
        assert backend.dtype(t) == dtype
        assert backend.shape(t) == (2, 3)
        assert backend.to_numpy(t).dtype == dtype
        assert np.array_equal(backend.to_numpy(t), values)
        assert isinstance(backend.device(t), str)

    @each_dtype
    def test_asarray_takes_after_its_model(self, backend: Backend, dtype: str) -> None:
        """Lists, arrays of another type, and numpy scalars become like the model."""
        model = tensor(backend, [0.0], dtype)
        for values in ([[1, 2.5]], np.array([[1, 2.5]], "float64"), np.array([[1, 2.5]], "float32")):
            t = backend.asarray(values, like=model)
            assert backend.dtype(t) == dtype
            assert backend.device(t) == backend.device(model)
            assert np.array_equal(backend.to_numpy(t), [[1, 2.5]])

    def test_asarray_leaves_tensors_alone(self, backend: Backend) -> None:
        """A tensor keeps its type without being asked, so that mistakes can be reported."""
        for dtype in ("int32", "float32", "float64"):
            t = backend.asarray(np.ones((2, 2), dtype))
            assert backend.dtype(backend.asarray(t)) == dtype

    def test_what_is_ready_needs_no_look(self, backend: Backend) -> None:
        """A yes must be true: these are floats of one type, as they are. A no may always be said."""
        here, there = tensor(backend, [[0.0]], "float32"), tensor(backend, [0.0], "float64")
        for values in ((here,), (here, here), (there, there)):
            if backend.are_ready(*values):
                assert all(backend.asarray(value) is value for value in values)
        whole = backend.asarray(np.ones(2, "int32"))
        for wrong in ((here, there), (there, here), (whole,), (whole, whole), (here, whole), (here, [0.0]), ([0.0],)):
            assert not backend.are_ready(*wrong)

    def test_arrays_that_are_read_only_are_taken(self, backend: Backend) -> None:
        """Tables such as Tessellation.vertices are: no warning, no error."""
        values = np.arange(4.0)
        values.flags.writeable = False
        t = backend.asarray(values, like=tensor(backend, [0.0]))
        assert np.array_equal(backend.to_numpy(t + 1), values + 1)

    @each_dtype
    def test_constants_are_what_they_were_made_of(self, backend: Backend, dtype: str) -> None:
        """A backend may keep them, but not mistake one for another: ids of dead arrays are reused."""
        other = tensor(backend, [0.0], "float32" if dtype == "float64" else "float64")
        model = tensor(backend, [0.0], dtype)
        for k in range(50):
            values = np.full((3, 2), k / 7)
            values.flags.writeable = False
            for like in (model, other, model):
                t = backend.constant(values, like=like)
                assert backend.dtype(t) == backend.dtype(like)
                assert np.array_equal(backend.to_numpy(t), values.astype(backend.dtype(like)))
            del values

    def test_arithmetic_and_slices(self, backend: Backend) -> None:
        """The operators that the families use."""
        a, b = RNG(1).standard_normal((2, 3, 4)) + 3, RNG(2).standard_normal((2, 3, 1))
        s, t = tensor(backend, a), tensor(backend, b)
        pairs = [
            (s + t, a + b), (s - t, a - b), (s * t, a * b), (t / s, b / a), (-s, -a), (s * 2, a * 2), (s + 1, a + 1),
            (s[:, :, :2], a[:, :, :2]), (s[:, 1], a[:, 1]), (s[:, :1] * 0, a[:, :1] * 0), (s[:, ::2], a[:, ::2]),
        ]  # fmt: skip
        for got, expected in pairs:
            assert distance(backend.to_numpy(got), expected) <= 1e-14

    def test_shapes(self, backend: Backend) -> None:
        """reshape, concat, take, matrix_transpose."""
        a, b = RNG(3).standard_normal((2, 2, 3, 4))
        s, t = tensor(backend, a), tensor(backend, b)
        index = np.array([2, 0, 2])
        pairs = [
            (backend.reshape(s, (3, -1)), a.reshape(3, -1)),
            (backend.reshape(s, [-1]), a.reshape(-1)),
            (backend.concat([s, t], axis=1), np.concatenate([a, b], 1)),
            (backend.concat([s, t], axis=-1), np.concatenate([a, b], -1)),
            (backend.take(s, index, axis=1), np.take(a, index, 1)),
            (backend.take(s, index, axis=-1), np.take(a, index, -1)),
            (backend.matrix_transpose(s), np.swapaxes(a, -1, -2)),
        ]
        for got, expected in pairs:
            assert np.array_equal(backend.to_numpy(got), expected)

    def test_sums_and_products(self, backend: Backend) -> None:
        """Products broadcast over leading axes; sum drops the axis."""
        a, b = RNG(4).standard_normal((5, 2, 3)), RNG(5).standard_normal((5, 3, 4))
        for x, y in ((a, b), (a[:1], b), (a, b[0]), (a[0], b[0])):
            assert distance(backend.to_numpy(backend.matmul(tensor(backend, x), tensor(backend, y))), x @ y) <= 1e-14
        for axis in (0, 1, -1):
            assert distance(backend.to_numpy(backend.sum(tensor(backend, a), axis)), a.sum(axis)) <= 1e-14

    def test_where_and_log(self, backend: Backend) -> None:
        a = RNG(6).uniform(0.1, 2, (3, 4))
        t = tensor(backend, a)
        assert distance(backend.to_numpy(backend.log(t)), np.log(a)) <= 1e-14
        chosen = backend.where((t < 1.5) & (t > 0.5), t, -t)
        assert np.array_equal(backend.to_numpy(chosen), np.where((a < 1.5) & (a > 0.5), a, -a))

    @pytest.mark.parametrize("scale", [0.0, 1e-9, 1e-3, 1.0, 20.0])
    def test_expm(self, backend: Backend, scale: float) -> None:
        """scipy's, for a batch of matrices of any size."""
        a = scale * RNG(7).standard_normal((4, 3, 3))
        a[0] = 0
        got = backend.to_numpy(backend.expm(tensor(backend, a)))
        for one, matrix in zip(got, a, strict=True):
            expected = expm(matrix)
            # The condition number of expm is about |A|.
            assert np.abs(one - expected).max() <= 1e-13 * (1 + scale) * np.abs(expected).max()

    def test_expm_is_differentiable_at_zero(self, backend: Backend) -> None:
        """The derivative of expm at 0 is the identity."""
        needs(backend, "autograd")
        cotangent = RNG(8).standard_normal((2, 3, 3))
        (grad,) = backend.vjp(backend.expm, (tensor(backend, np.zeros((2, 3, 3))),), tensor(backend, cotangent))
        assert distance(backend.to_numpy(grad), cotangent) <= 1e-13

    def test_cpab_shares_or_pairs_points(self, backend: Backend) -> None:
        """The native call itself: at the vertices of a constant field, points + time * velocity."""
        tess = cpabx.Tessellation((2, 3))
        velocity = np.broadcast_to(np.array([[[0.25, -0.5]], [[0.5, 0.0]]]), (2, tess.n_vertices, 2))

        def call(points: Array, time: float) -> Array:
            return backend.to_numpy(backend.cpab(tensor(backend, points), tensor(backend, velocity), tess, time))

        points = RNG(9).uniform(-1, 1, (2, 5, 2))
        for time in (1.0, -2.0):
            expected = points + time * velocity[:, :1]
            assert distance(call(points, time), expected) <= 1e-13
            assert distance(call(points[:1], time), points[:1] + time * velocity[:, :1]) <= 1e-13

    def test_vjp_is_the_frameworks(self, backend: Backend) -> None:
        """Gradients of any function, in the order of its arguments."""
        needs(backend, "autograd")
        a, b, c = RNG(10).standard_normal((3, 2, 2))
        grads = backend.vjp(lambda s, t: s * s * t, (tensor(backend, a), tensor(backend, b)), tensor(backend, c))
        for got, expected in zip(grads, (2 * a * b * c, a * a * c), strict=True):
            assert distance(backend.to_numpy(got), expected) <= 1e-14

    def test_layers_exist_or_say_that_they_do_not(self, backend: Backend) -> None:
        """As classes, or there is an error that names the backend."""
        arguments: dict[str, list[Any]] = {"STParallel": [[]], "SpatialTransformer": [cpabx.Affine()]}
        for name in cpabx.layers.__all__:
            if "layers" in backend.supports:
                assert isinstance(getattr(backend.layers(), name), type)
            else:
                with pytest.raises(BackendLoadError, match=backend.name):
                    getattr(cpabx.layers, name)(*arguments.get(name, []), backend=backend.name)
