import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.resident import MALLOC

PROGRAM = """
import json
import numpy as np
from benchmarks.resident import with_peak

def step():
    np.ones(40 * 2**17)  # 40 MiB, freed at once
    return np.ones(10 * 2**17)

print(json.dumps([with_peak(step)[1], with_peak(lambda: None)[1]]))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs /proc")
def test_the_peak_counts_what_was_freed_again_and_nothing_from_before():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, **MALLOC},
    )
    grown, nothing = json.loads(done.stdout)
    assert 39.5 < grown < 42  # the kernel counts pages in batches
    assert nothing < 0.5
