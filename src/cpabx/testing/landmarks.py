"""Fits of landmarks in every framework: the same maps, of its own tensors."""

from __future__ import annotations

import numpy as np
import pytest

import cpabx
from cpabx.backend import Backend
from cpabx.errors import BackendMismatchError, DtypeError
from cpabx.testing.cases import each_dtype, tensor

SOURCE = np.random.default_rng(0).uniform(-0.9, 0.9, (12, 2))
TARGET = np.stack([SOURCE + 0.1 * np.sin(3 * SOURCE[:, ::-1]), SOURCE + 0.05])


class TestLandmarks:
    @each_dtype
    def test_maps_sources_to_targets(self, backend: Backend, dtype: str) -> None:
        fitted = cpabx.fit_landmarks(tensor(backend, SOURCE, dtype), tensor(backend, TARGET, dtype), (8, 8), weight=0)
        expected = cpabx.fit_landmarks(SOURCE.astype(dtype), TARGET.astype(dtype), (8, 8), weight=0)
        assert cpabx.registry.owner(fitted.theta) == backend.name
        assert backend.dtype(fitted.theta) == dtype
        np.testing.assert_allclose(backend.to_numpy(fitted.theta), expected.theta, rtol=0, atol=1e-6)
        assert fitted.message == expected.message
        moved = backend.to_numpy(fitted(tensor(backend, SOURCE, dtype)))
        tolerance = 1e-6 if dtype == "float64" else 1e-5
        np.testing.assert_allclose(moved, TARGET, rtol=0, atol=tolerance)
        back = backend.to_numpy(fitted.inverse(tensor(backend, moved, dtype)))
        np.testing.assert_allclose(back, np.stack([SOURCE] * 2), rtol=0, atol=tolerance)

    def test_lists_take_after_tensors(self, backend: Backend) -> None:
        fitted = cpabx.fit_landmarks(SOURCE.tolist(), tensor(backend, TARGET), (4, 4))
        assert cpabx.registry.owner(fitted.theta) == backend.name

    def test_refusals(self, backend: Backend) -> None:
        with pytest.raises(DtypeError):
            cpabx.fit_landmarks(tensor(backend, SOURCE), tensor(backend, SOURCE, "float32"))
        if backend.name != "numpy":
            with pytest.raises(BackendMismatchError):
                cpabx.fit_landmarks(tensor(backend, SOURCE), SOURCE)
