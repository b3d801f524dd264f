"""Fixtures for the tests of the experiments."""

import pytest

from experiments.tests.engine_cases import engine_of


@pytest.fixture(scope="module", params=["torch", "tensorflow"])
def engine(request):
    """Either engine, or a skip where its framework is not installed."""
    return engine_of(request.param)
