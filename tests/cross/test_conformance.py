"""Every installed backend does what cpabx promises; a missing one is a skip, a broken one a failure."""

from cpabx.testing import backend_fixture, known_backends
from cpabx.testing.conformance import *  # noqa: F403

backend = backend_fixture(*known_backends())
