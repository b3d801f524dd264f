"""Warnings are errors here, but for those that TensorFlow and Keras cause by themselves."""

import pytest

NOT_OURS = [
    # Keras asks numpy for a copy of what cannot be had without one.
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning",
]


def pytest_configure(config: pytest.Config) -> None:
    for line in NOT_OURS:
        config.addinivalue_line("filterwarnings", line)
