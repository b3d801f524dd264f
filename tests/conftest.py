"""Settings for all tests of the frontend."""

import os
import zlib
from itertools import groupby

import pytest

# Before numpy is loaded: on small matrices its threads only wait for each other, which takes many times
# as long on a busy machine. Processes that tests start inherit it.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(variable, "1")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--sample",
        type=int,
        default=1,
        metavar="N",
        help="of the cases of each test in the conformance suite, run every Nth",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave at least one case of each test, beginning with another one from test to test."""
    every = config.getoption("--sample")
    kept, left_out = [], []
    for name, group in groupby(items, lambda item: item.nodeid.partition("[")[0]):
        cases = list(group)
        step = min(every, len(cases)) if "test_conformance.py" in name else 1
        first = zlib.crc32(name.encode()) % step
        kept += cases[first::step]
        left_out += [case for i, case in enumerate(cases) if i % step != first]
    if left_out:
        items[:] = kept
        config.hook.pytest_deselected(items=left_out)
