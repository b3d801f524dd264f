"""``tf.function`` rewrites Python; not ours."""

import pytest
import tensorflow as tf
from tensorflow.python.autograph.core import config
from tensorflow.python.autograph.utils import ag_logging

import cpabx
from cpabx.errors import ShapeError

FAMILIES = [cpabx.Affine(), cpabx.AffineDiffeo(), cpabx.Homography(), cpabx.ThinPlateSpline(), cpabx.Cpab((2, 2))]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: type(f).__name__)
def test_nothing_is_rewritten_or_warned_of(family, monkeypatch):
    cpabx.get_backend("tensorflow")
    said = []
    monkeypatch.setattr(ag_logging, "warning", lambda message, *rest: said.append(message % rest))

    @tf.function
    def warp(images, theta):
        if tf.reduce_sum(theta) > 100:  # which does make AutoGraph rewrite this function
            theta = theta * 0
        return family.warp(images, theta)

    theta = family.identity(2, backend="tensorflow")
    assert warp(tf.ones((2, 5, 4, 1)), theta).shape == (2, 5, 4, 1)
    assert said == []


FIRST = """
import cpabx, tensorflow as tf
from tensorflow.python.autograph.utils import ag_logging

said, family = [], cpabx.Cpab((2, 2))
ag_logging.warning = lambda message, *rest: said.append(message % rest)


def bend(number):
    theta = family.sample(1, backend="tensorflow")
    return family.transform([[0.1, 0.2]], theta), family.warp(tf.ones((1, 4, 4, 1)), theta)


moved, warped = next(iter(tf.data.Dataset.range(1).map(bend)))
print(moved.shape, warped.shape, said)
"""


def test_the_backend_is_loaded_inside_of_a_graph(tmp_path, new_process):
    """Before that, AutoGraph does not know that it is to leave cpabx alone."""
    (tmp_path / "first.py").write_text(FIRST)
    assert new_process("import first") == "(1, 1, 2) (1, 4, 4, 1) []\n"


def test_errors_keep_their_class():
    with pytest.raises(ShapeError, match="theta must be"):
        tf.function(lambda: cpabx.Affine().transform([[0.0, 0.0]], tf.zeros((2, 5))))()


def test_rules_are_added_once():
    cpabx.get_backend("tensorflow").__init__()
    names = [str(rule) for rule in config.CONVERSION_RULES]
    assert len([name for name in names if "cpabx" in name]) == 2
