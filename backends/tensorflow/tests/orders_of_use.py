"""Uses the families in one way, then in all others, and prints what went wrong: see :mod:`cpabx.testing.orders`.

test_orders.py starts a process for some first uses; without arguments each way comes before each other.
"""

import sys
import warnings

import tensorflow as tf

import cpabx
from cpabx.testing.orders import ALONG, IMAGES, POINTS, complaints, results


def f(theta):
    """A number made of warps and transforms of all families."""
    parts = results(theta, tf.constant(IMAGES), tf.constant(POINTS))
    return sum(tf.reduce_sum(warped**2) + tf.reduce_sum(tf.cos(moved)) for warped, moved in parts)


def with_gradient(theta, function=f):
    with tf.GradientTape() as tape:
        tape.watch(theta)
        value = function(theta)
    return value, tape.gradient(value, theta)


def twice(theta):
    with tf.GradientTape() as tape:
        tape.watch(theta)
        value, gradient = with_gradient(theta)
        along = tf.reduce_sum(gradient * ALONG)
    return value, gradient, tape.gradient(along, theta)


def jacobian(theta):
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(theta)
        values = tf.stack([f(theta), 2 * f(theta)])
    return values[0], tape.jacobian(values, theta, experimental_use_pfor=False)[0]


def old_graph(theta):
    """As in TensorFlow 1."""
    with tf.Graph().as_default():
        given = tf.compat.v1.placeholder(tf.float64, theta.shape)
        asked = with_gradient(given)
        with tf.compat.v1.Session() as session:
            return session.run(asked, {given: theta.numpy()})


def of_any_size(theta):
    signature = [tf.TensorSpec([None], tf.float64)]
    return tf.function(lambda t: with_gradient(tf.ensure_shape(t, theta.shape)), input_signature=signature)(theta)


def in_loop(theta):
    @tf.function
    def loop(theta):
        value, gradient = tf.zeros((), tf.float64), tf.zeros_like(theta)
        for _ in tf.range(2):
            value, gradient = with_gradient(theta)
        return value, gradient

    return loop(theta)


def in_branch(theta):
    either = tf.function(lambda t: tf.cond(t[0] < 1e9, lambda: f(t), lambda: 2 * f(t)))
    return with_gradient(theta, either)


def mapped(theta):
    return next(iter(tf.data.Dataset.from_tensors(theta).map(with_gradient)))


def symbolic(theta):
    given = tf.keras.Input(theta.shape, dtype="float64")
    number = tf.keras.layers.Lambda(lambda batch: f(batch[0]), output_shape=(), dtype="float64")(given)
    return (tf.keras.Model(given, number)(theta[None]),)


#: Each answers, as far as it goes: the value, the gradient, the Hessian along ALONG.
WAYS = {
    "eager": lambda t: (f(t),),
    "GradientTape": with_gradient,
    "tape within tape": twice,
    "jacobian": jacobian,
    "function": lambda t: (tf.function(f)(t),),
    "function of tape": lambda t: tf.function(with_gradient)(t),
    "tape of function": lambda t: with_gradient(t, tf.function(f)),
    "function of tape within tape": lambda t: tf.function(twice)(t),
    "function of any size": of_any_size,
    "loop": in_loop,
    "branch": in_branch,
    "Graph": old_graph,
    "Dataset.map": mapped,
    "map_fn": lambda t: tuple(a[0] for a in tf.map_fn(with_gradient, t[None], (tf.float64, tf.float64))),
    "vectorized_map": lambda t: (tf.vectorized_map(f, tf.stack([t, t]))[1],),
    "recompute_grad": lambda t: with_gradient(t, tf.recompute_grad(f)),
    "keras.Input": symbolic,
}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    cpabx.set_backend("tensorflow")
    for said in complaints(sys.argv[1:], WAYS, twice, tf.constant):
        print(said, flush=True)
