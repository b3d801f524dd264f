"""What is counted is calls of cpabx, and no others."""

import cpabx
from benchmarks.overhead import numpy_transform, torch_layer, walk


def test_calls_of_others_do_not_count():
    assert walk(lambda: sorted([2, 1], key=lambda number: -number)) == (0, 0, 0)


def test_calls_files_and_moves():
    flow = cpabx.Cpab((2, 2))
    assert walk(lambda: flow.basis) == (1, 1, 0)
    for made in (numpy_transform(), torch_layer()):
        calls, files, moves = walk(made)
        assert calls > moves >= files - 1 > 3
