"""Settings for all tests of the frontend."""

import os

# Before numpy is loaded: on small matrices its threads only wait for each other, which takes a hundred
# times as long on a busy machine. Processes that tests start inherit it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
