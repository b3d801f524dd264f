"""The conformance suite: what every backend of cpabx must do, as tests that its authors can run.

Needs ``pip install cpabx[testing]``. This is the whole test file of a plugin:

.. code-block:: python

    from cpabx.testing import backend_fixture
    from cpabx.testing.conformance import *

    backend = backend_fixture("jax")

The tests reach the backend as users do, through the registry, so the plugin must be installed. They
skip what ``Backend.supports`` does not declare, and never look at a name. Tolerances are part of the
contract: a backend that needs wider ones does not conform.

``CPABX_TEST_BACKENDS=torch,jax`` names backends that must be there: without it a missing one is a skip.

:mod:`cpabx.testing.oracle` is an integrator that is independent of libcpab, for tests of your own.
"""

import os

import pytest

# Before scipy and frameworks load their linear algebra: on small matrices threads only wait for each
# other, which takes many times as long on a busy machine. libcpab's own threads are not affected.
for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

_TOPICS = (
    "accuracy",
    "agreement",
    "bases",
    "borders",
    "cases",
    "complaints",
    "contract",
    "derivatives",
    "draws",
    "empty_input",
    "families",
    "flow",
    "gradients",
    "invalid_input",
    "layer_bounds",
    "layer_extras",
    "layer_inputs",
    "layers",
    "nonsense",
    "not_finite",
    "own_families",
    "priors",
    "public",
    "sampling",
    "too_large",
    "warping",
    "wrong_types",
)

# Before they are imported, so that their bare asserts say what they compared.
pytest.register_assert_rewrite(*(f"cpabx.testing.{topic}" for topic in _TOPICS))

from cpabx.testing.plugin import backend_fixture, known_backends  # noqa: E402

__all__ = ["backend_fixture", "known_backends"]
