"""Tensors that are no arrays of numbers side by side: one error at the door, with the argument and the layout."""

import pytest
import tensorflow as tf

import cpabx
from cpabx.errors import DtypeError

FAMILY = cpabx.Cpab((2, 1))
THETA, POINTS, IMAGES = tf.ones((2, FAMILY.n_params)), tf.ones((2, 3, 2)), tf.ones((2, 4, 4, 1))

LAYOUTS = {
    "SparseTensor": tf.sparse.from_dense,
    "RaggedTensor": tf.RaggedTensor.from_tensor,
    "IndexedSlices": lambda dense: tf.IndexedSlices(dense, tf.range(2)),
    "TensorArray": lambda dense: tf.TensorArray(tf.float32, 2).unstack(dense),
}


@pytest.mark.parametrize("kind", LAYOUTS)
@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
def test_other_layouts_are_refused_by_name(kind, graph):
    def everything():
        theta, points, images = map(LAYOUTS[kind], (THETA, POINTS, IMAGES))
        for name, call in {
            "theta": lambda: FAMILY.transform(POINTS, theta),
            "points": lambda: FAMILY.transform(points, THETA),
            "images": lambda: FAMILY.warp(images, THETA),
            "cotangent": lambda: FAMILY.vjp(POINTS, THETA, points),
            "tangent_theta": lambda: FAMILY.jvp(POINTS, THETA, None, theta),
        }.items():
            with pytest.raises(DtypeError, match=f"{name} must be a dense array of numbers; got a {kind}"):
                call()
        with pytest.raises(DtypeError, match="theta must be"):
            FAMILY.velocity(theta)
        return 0

    tf.function(everything, autograph=False)() if graph else everything()
