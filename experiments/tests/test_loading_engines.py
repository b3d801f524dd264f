"""Engines are loaded by name, and their frameworks with them alone."""

import subprocess
import sys

import pytest

from cpabx.errors import MissingPackageError, OptionError
from cpabx_experiments.training.engines import ENGINES, load_engine

CODE = """
import sys
from cpabx_experiments.protocol import initial, models
from cpabx_experiments.training.engines import batches, checkpoints, trainer
initial.initial_weights(models.network("ST-CPAB", "mnist"), 0)
print(sorted({"torch", "tensorflow", "keras"} & set(sys.modules)))
"""


def test_an_engine_that_is_none_is_refused():
    with pytest.raises(OptionError, match="torch, tensorflow"):
        load_engine("theano")


@pytest.mark.parametrize(("name", "package"), [("torch", "torch"), ("tensorflow", "keras")])
def test_a_framework_that_is_missing_is_named(name, package, monkeypatch):
    monkeypatch.delitem(sys.modules, f"cpabx_experiments.training.engines.{ENGINES[name]}", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=rf"{package}.*pip install cpabx\[{name}\]"):
        load_engine(name)


def test_everything_but_the_engines_does_without_a_framework():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"
