"""CPAB maps as bijectors of TensorFlow Probability, where that is installed; without it, an error that says so."""

import sys

import numpy as np
import pytest
import tensorflow as tf

import cpabx
from cpabx.distributions import CPABElementwise, CPABFlow, CPABTransform
from cpabx.errors import MissingPackageError, OptionError, ShapeError, UnsupportedError

LINE, PLANE = cpabx.Cpab(5), cpabx.Cpab((3, 2))


def theta_of(family, *batch, scale=0.4):
    theta = family.sample(int(np.prod(batch, dtype=int)), seed=3, scale=scale, dtype="float64", backend="tensorflow")
    return tf.reshape(theta, (*batch, family.n_params))


def points_of(*shape):
    return tf.constant(np.random.default_rng(0).normal(size=shape))


def test_without_the_package_an_error_names_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "cpabx_tensorflow.distributions", raising=False)
    monkeypatch.setitem(sys.modules, "tensorflow_probability", None)
    with pytest.raises(MissingPackageError, match=r"cpabx\[probability\]"):
        CPABTransform(PLANE, theta_of(PLANE))


@pytest.fixture(scope="module")
def tfp():
    return pytest.importorskip("tensorflow_probability")


@pytest.mark.parametrize(("batch", "sample"), [((), (6,)), ((4,), (4,)), ((4,), (5, 4)), ((3, 1), (2, 3, 4))])
@pytest.mark.usefixtures("tfp")
def test_vectors_go_by_their_own_theta_and_back(batch, sample):
    theta, x = theta_of(PLANE, *batch), points_of(*sample, 2)
    bijector = CPABTransform(PLANE, theta)
    y = bijector.forward(x)
    shape = np.broadcast_shapes(sample, batch)
    each, own = np.broadcast_to(x, (*shape, 2)), np.broadcast_to(theta, (*shape, PLANE.n_params))
    for index in np.ndindex(shape):
        one = PLANE.transform(each[index][None], own[index][None])[0, 0]
        np.testing.assert_allclose(y[index], one, atol=1e-12)
        expected = PLANE.log_det_jacobian(each[index][None], own[index][None])[0, 0]
        np.testing.assert_allclose(bijector.forward_log_det_jacobian(x)[index], expected, atol=1e-12)
    back = CPABTransform(PLANE, theta).inverse(y)  # of a bijector that has not seen x
    np.testing.assert_allclose(back, each, atol=1e-11)
    log_det = CPABTransform(PLANE, theta).inverse_log_det_jacobian(y)
    np.testing.assert_allclose(log_det, -bijector.forward_log_det_jacobian(x), atol=1e-11)


@pytest.mark.usefixtures("tfp")
def test_numbers():
    theta, x = theta_of(LINE, 3), points_of(5, 3)
    bijector = CPABElementwise(LINE, theta)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = bijector.forward(x)
    np.testing.assert_allclose(bijector.forward_log_det_jacobian(x), tf.math.log(tape.gradient(y, x)), atol=1e-11)
    np.testing.assert_allclose(CPABElementwise(LINE, theta).inverse(y), x, atol=1e-11)


def test_a_density_in_a_graph(tfp):
    theta = tf.Variable(theta_of(PLANE, 2))
    normal = tfp.distributions.MultivariateNormalDiag(tf.zeros(2, tf.float64), tf.ones(2, tf.float64))

    def log_prob(x):
        bijector = CPABTransform(PLANE, theta)
        return tfp.distributions.TransformedDistribution(normal, bijector).log_prob(x)

    x = points_of(4, 2, 2)
    expected = log_prob(x)
    graph = tf.function(log_prob, input_signature=[tf.TensorSpec((None, 2, 2), tf.float64)])
    np.testing.assert_allclose(graph(x), expected, atol=1e-12)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(log_prob(x))
    gradient, step = tape.gradient(total, theta), 1e-5
    direction = points_of(*theta.shape)
    theta.assign_add(step * direction)
    up = tf.reduce_sum(log_prob(x))
    theta.assign_add(-2 * step * direction)
    down = tf.reduce_sum(log_prob(x))
    np.testing.assert_allclose(tf.reduce_sum(gradient * direction), (up - down) / (2 * step), rtol=1e-6)


@pytest.mark.usefixtures("tfp")
def test_refusals():
    with pytest.raises(OptionError, match=r"needs a cpabx\.Cpab"):
        CPABTransform(cpabx.Affine(), tf.zeros(6))
    with pytest.raises(OptionError, match="in 1D"):
        CPABElementwise(PLANE, tf.zeros(PLANE.n_params))
    with pytest.raises(ShapeError, match=str(PLANE.n_params)):
        CPABTransform(PLANE, tf.zeros(3))
    with pytest.raises(ShapeError, match="broadcast"):
        CPABTransform(PLANE, theta_of(PLANE, 4)).forward(points_of(3, 2))
    with pytest.raises(UnsupportedError, match="exists in torch"):
        CPABFlow((2, 2), backend="tensorflow")
