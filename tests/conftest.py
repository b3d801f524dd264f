"""Settings for all tests of the frontend."""

import os

# Before numpy is loaded: on small matrices its threads only wait for each other, which takes many times
# as long on a busy machine. Processes that tests start inherit it.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
