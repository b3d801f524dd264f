"""Everything that cpabx asks of a backend."""

from cpabx.testing import backend_fixture
from cpabx.testing.conformance import *  # noqa: F403

backend = backend_fixture("template")
