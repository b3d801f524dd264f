"""The fixture ``backend``: a missing backend is skipped, a broken or required one fails."""

from __future__ import annotations

import os
import warnings
from typing import Any

import pytest

import cpabx
from cpabx.backend import Backend
from cpabx.errors import BackendLoadError, BackendNotFoundError

#: Backends of this project; others are found where they are installed.
OWN = ("numpy", "torch", "tensorflow")


def required_backends() -> frozenset[str]:
    """The names in ``CPABX_TEST_BACKENDS``."""
    names = os.environ.get("CPABX_TEST_BACKENDS", "").split(",")
    return frozenset(name.strip() for name in names if name.strip())


def known_backends() -> list[str]:
    """The project's own backends, those installed, and those required."""
    installed = [info.name for info in cpabx.available_backends(load=False)]
    return list(dict.fromkeys([*OWN, *installed, *sorted(required_backends())]))


def backend_or_skip(name: str) -> Backend:
    """The backend, or pytest's outcome: skipped if missing, failed if broken or required."""
    try:
        with warnings.catch_warnings():
            # What frameworks warn of while they are imported is not this suite's business.
            warnings.simplefilter("ignore")
            return cpabx.get_backend(name)
    except BackendNotFoundError as error:
        if name in required_backends():
            pytest.fail(f"CPABX_TEST_BACKENDS requires {name!r}: {error}", pytrace=False)
        pytest.skip(str(error))
    except BackendLoadError as error:
        pytest.fail(str(error), pytrace=False)


def backend_fixture(*names: str) -> Any:
    """A session fixture that is each of the named backends in turn; assign it to ``backend``."""

    @pytest.fixture(scope="session", params=names, name="backend")
    def backend(request: pytest.FixtureRequest) -> Backend:
        return backend_or_skip(request.param)

    return backend
