"""Every backend does what cpabx promises; a missing one is a skip, a broken one a failure.

All that are known are tested, or those that ``CPABX_TEST_BACKENDS`` names, which must then be there.
"""

from cpabx.testing import backend_fixture, known_backends
from cpabx.testing.conformance import *  # noqa: F403
from cpabx.testing.plugin import required_backends

backend = backend_fixture(*(sorted(required_backends()) or known_backends()))
