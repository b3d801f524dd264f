"""What only TensorFlow has: variables, unknown sizes, empty tensors without a size to infer."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import cpabx
from cpabx.errors import DtypeError, ShapeError

BACKEND = cpabx.get_backend("tensorflow")
POINTS = np.random.default_rng(0).uniform(-1, 1, (7, 2)).astype("float32")


@pytest.mark.parametrize("make", [tf.constant, tf.Variable, keras.Variable], ids=["tensor", "tf", "keras"])
def test_tensors_and_variables_are_taken(make):
    theta = cpabx.Affine().sample(3, seed=0, backend="numpy")
    moved = cpabx.Affine().transform(tf.constant(POINTS), make(theta))
    np.testing.assert_allclose(moved, cpabx.Affine().transform(POINTS, theta), rtol=1e-6, atol=1e-6)
    assert BACKEND.dtype(make(theta)) == "float32"
    assert BACKEND.device(make(theta)) == "cpu"
    assert BACKEND.shape(make(theta)) == (3, 6)
    assert isinstance(BACKEND.to_numpy(make(theta)), np.ndarray)
    assert BACKEND.dtype(BACKEND.asarray([1, 2], like=make(theta))) == "float32"


@pytest.mark.parametrize("make", [tf.Variable, keras.Variable], ids=["tf", "keras"])
def test_gradient_reaches_variables(make):
    family = cpabx.Cpab((2, 2))
    theta = make(family.sample(2, seed=0, backend="numpy"))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(family.transform(POINTS.tolist(), theta) ** 2)
    (grad,) = tape.gradient(loss, [theta.value if isinstance(theta, keras.Variable) else theta])
    assert np.isfinite(grad).all()
    assert np.any(grad)


def test_unknown_sizes_are_none():
    seen = []

    @tf.function(input_signature=[tf.TensorSpec((None, 6), tf.float32)])
    def look(theta):
        seen.extend([BACKEND.shape(theta), BACKEND.device(theta)])
        return theta

    look(tf.zeros((2, 6)))
    assert seen == [(None, 6), "graph"]


@pytest.mark.parametrize("family", [cpabx.Affine(), cpabx.Homography()])
def test_matrices_that_are_none_become_nan_in_graphs(family):
    """Whose batch size is not known either; eagerly it is an error, as the suite checks."""
    bad = np.tile(np.eye(3, dtype="float32"), (3, 1, 1))
    bad[1, 2] = [1, 0, 0]

    @tf.function(input_signature=[tf.TensorSpec((None, 3, 3), tf.float32)])
    def move(theta):
        return family.transform(POINTS.tolist(), theta)

    moved = move(bad).numpy()
    assert np.isnan(moved[1]).all()
    np.testing.assert_allclose(moved[::2], np.stack([POINTS] * 2), rtol=0, atol=1e-6)


@pytest.mark.parametrize("family", [cpabx.Affine(), cpabx.Homography()])
def test_inverses_that_are_not_there_become_nan_in_graphs(family):
    theta = np.array(family.identity(3, backend="numpy"))
    theta[1, 0] = 0

    @tf.function(input_signature=[tf.TensorSpec((None, family.n_params), tf.float32)])
    def back(theta):
        return family.inverse(POINTS.tolist(), theta)

    assert np.isnan(back(theta).numpy()[1]).all()
    np.testing.assert_allclose(back(theta).numpy()[::2], np.stack([POINTS] * 2), rtol=0, atol=1e-6)


def test_fields_of_graphs_have_no_values_to_fit():
    with pytest.raises(DtypeError, match="field"):
        tf.function(cpabx.Cpab((2, 2)).from_velocity)(tf.zeros((1, 4, 4, 2)))


def test_unknown_rank_is_an_error_that_says_so():
    @tf.function(input_signature=[tf.TensorSpec(None, tf.float32)])
    def move(theta):
        return cpabx.Affine().transform(POINTS.tolist(), theta)

    with pytest.raises(ShapeError, match="number of axes"):
        move(tf.zeros((2, 6)))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [((0, 58), (-1, 29, 2), (0, 29, 2)), ((0, 2), (1, -1, 2), (1, 0, 2)), ((3, 0, 2), (-1, 0, 2), (0, 0, 2))],
)
def test_reshape_of_empty_tensors(before, after, expected):
    assert BACKEND.reshape(tf.zeros(before), after).shape == expected


@pytest.mark.parametrize("family", [cpabx.Affine(), cpabx.AffineDiffeo(), cpabx.Homography(), cpabx.Cpab((2, 2))])
@pytest.mark.parametrize(("n", "p"), [(0, 4), (2, 0), (0, 0)])
def test_empty_batches_and_no_points(family, n, p):
    theta, points = tf.zeros((n, family.n_params)), tf.zeros((p, 2))
    with tf.GradientTape() as tape:
        tape.watch([theta, points])
        moved = family.transform(points, theta)
    grads = tape.gradient(moved, [theta, points], unconnected_gradients=tf.UnconnectedGradients.ZERO)
    assert moved.shape == (n, p, 2)
    assert [g.shape for g in grads] == [theta.shape, points.shape]
    assert not any(np.any(g) for g in grads)


@pytest.mark.parametrize("values", [[[None, 1.0]], [["1", "2"]], [[1j, 0]]])
def test_what_is_no_number_is_refused(values):
    with pytest.raises(DtypeError):
        cpabx.Affine().transform(values, tf.zeros((1, 6)))


def test_symbolic_inputs_of_keras_need_a_layer():
    with pytest.raises(DtypeError, match=r"KerasTensor.* within the call method of a Keras layer"):
        cpabx.Affine().transform(POINTS.tolist(), keras.Input((6,)))


def test_constants_of_a_graph_do_not_leak():
    """The grid of a size that was first seen while tracing must work outside of the graph."""
    family, theta, images = cpabx.Affine(), tf.zeros((1, 6)), tf.ones((1, 9, 7, 1))
    traced = tf.function(lambda t: family.warp(images, t))(theta)
    np.testing.assert_allclose(family.warp(images, theta), traced, atol=1e-6)
