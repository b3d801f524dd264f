"""The portable form, of backends that have it, gives what libcpab gives."""

from __future__ import annotations

import numpy as np
import pytest

from cpabx import Cpab
from cpabx.backend import Backend
from cpabx.errors import UnsupportedError
from cpabx.portable.context import portable
from cpabx.portable.counting import strides_of
from cpabx.testing.cases import draw_points, draw_theta, each_cpab, points_on_faces, tensor


def _check_has_it(backend: Backend) -> None:
    try:
        backend.portable_operations()
    except UnsupportedError as error:
        pytest.skip(str(error))


@each_cpab
class TestPortable:
    def test_points_end_where_libcpab_takes_them(self, backend: Backend, family: Cpab) -> None:
        _check_has_it(backend)
        theta = draw_theta(family, 3, 0).astype(np.float32)
        tess = family.tessellation
        points = np.concatenate([draw_points(family, (20,), 0), points_on_faces(tess, 10, 0)]).astype(np.float32)
        strides = strides_of(points[None], np.asarray(family.velocity(theta)), tess, 1.0)
        given = tensor(backend, points, "float32"), tensor(backend, theta, "float32")
        wanted = backend.to_numpy(family.transform(*given))
        with portable(strides.with_margin()):
            got = backend.to_numpy(family.transform(*given))
        extent = (tess.upper - tess.lower).max()
        assert (np.abs(got - wanted) / np.maximum(np.abs(wanted), extent)).max() <= 1e-5
