"""Operations in graphs beside the same functions through cffi: bits, static shapes, errors, tracing."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import cpabx
from cpabx.errors import CpabxError
from cpabx.sampling.options import Sampling
from cpabx_tensorflow import flow, layers, op_library
from cpabx_tensorflow.problem import Warp
from cpabx_tensorflow.warp import warp

pytestmark = pytest.mark.skipif(op_library.load() is None, reason="the op library is not built, or off")

# Bounds and times that 32 bits cannot hold.
TESSELLATIONS = {
    1: cpabx.Tessellation((5,), domain=(0.1, 0.7)),
    2: cpabx.Tessellation((3, 2), domain=((-0.3, 0.9), (0.1, 1.3)), outside="nearest"),
    3: cpabx.Tessellation((2, 1, 2), domain=(-0.7, 0.3)),
}
SIZES = {1: (7,), 2: (4, 5), 3: (3, 2, 4)}
TIME = 0.3
each_ndim = pytest.mark.parametrize("ndim", [1, 2, 3])
each_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])
each_sharing = pytest.mark.parametrize("shared", [False, True], ids=["paired", "shared"])


def problem(ndim, dtype="float64", shared=False, n=3, p=6):
    """Points, velocities, a cotangent, and tangents of both inputs."""
    rng, tess = np.random.default_rng(0), TESSELLATIONS[ndim]
    points = rng.uniform(tess.lower - 0.1, tess.upper + 0.1, (1 if shared else n, p, ndim))
    velocity = 0.3 * rng.standard_normal((n, tess.n_vertices, ndim))
    others = [rng.standard_normal(shape) for shape in ((n, p, ndim), points.shape, velocity.shape)]
    return [tf.constant(values, dtype) for values in (points, velocity, *others)]


def _gradients(function, *inputs):
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        loss = tf.reduce_sum(tf.sin(function()))
    return tape.gradient(loss, inputs)


def every_function(tess):
    """Each operation on points, as a function of what ``problem`` gives."""
    return {
        "transform": lambda p, v, g, u, w: flow.transform(p, v, tess, TIME),
        "transform_vjp": lambda p, v, g, u, w: flow.transform_vjp(p, v, g, tess, TIME),
        "transform_jvp": lambda p, v, g, u, w: flow.transform_jvp(p, v, u, w, tess, TIME),
        "transform_vjp_jvp": lambda p, v, g, u, w: flow.transform_vjp_jvp(p, v, g, u, w, tess, TIME),
        "velocity": lambda p, v, g, u, w: flow.velocity(p, v, tess),
        "jacobian": lambda p, v, g, u, w: flow.jacobian(p, v, tess, TIME),
        "gradient of jacobian": lambda p, v, g, u, w: _gradients(lambda: flow.jacobian(p, v, tess, TIME)[0], p, v),
        "gradient of log_det": lambda p, v, g, u, w: _gradients(lambda: flow.jacobian(p, v, tess, TIME)[1], p, v),
    }


def assert_same(function, inputs):
    """In a graph as eagerly, to the last bit; and static shapes are those of the results."""
    traced = tf.function(function)
    static = tf.nest.flatten(traced.get_concrete_function(*inputs).structured_outputs)
    results = zip(static, tf.nest.flatten(traced(*inputs)), tf.nest.flatten(function(*inputs)), strict=True)
    for shape, got, expected in results:
        assert got.dtype == expected.dtype
        assert shape.shape == got.shape == expected.shape
        np.testing.assert_array_equal(got, expected)


@each_ndim
@each_dtype
@each_sharing
@pytest.mark.parametrize("name", every_function(None))
def test_points_move_as_they_do_eagerly(name, ndim, dtype, shared):
    assert_same(every_function(TESSELLATIONS[ndim])[name], problem(ndim, dtype, shared))


@each_sharing
@pytest.mark.parametrize(("n", "p"), [(0, 4), (2, 0), (1, 3)])
@pytest.mark.parametrize("name", every_function(None))
def test_sizes_of_zero_and_one(name, n, p, shared):
    assert_same(every_function(TESSELLATIONS[2])[name], problem(2, shared=shared, n=n, p=p))


@pytest.mark.parametrize("name", every_function(None))
def test_many_points_on_all_threads(name):
    assert_same(every_function(TESSELLATIONS[2])[name], problem(2, p=3000))


@each_ndim
@each_dtype
@pytest.mark.parametrize("mode", ["linear", "nearest", "cubic"])
@pytest.mark.parametrize(
    ("padding_mode", "align_corners"), [("zeros", False), ("border", True), ("reflection", False), ("wrap", True)]
)
def test_images_are_warped_as_they_are_eagerly(ndim, dtype, mode, padding_mode, align_corners):
    tess, rng = TESSELLATIONS[ndim], np.random.default_rng(1)
    sampling = Sampling(mode, padding_mode, align_corners)
    images = tf.constant(rng.uniform(size=(3, *SIZES[ndim], 2)), dtype)
    size = tuple(n + 2 for n in SIZES[ndim])

    def with_gradients(images, velocity):
        with tf.GradientTape() as tape:
            tape.watch([images, velocity])
            warped = warp(images, velocity, tess, TIME, size, sampling)
            loss = tf.reduce_sum(warped * warped)
        return warped, *tape.gradient(loss, [images, velocity])

    assert_same(with_gradients, [images, problem(ndim, dtype)[1]])


@each_ndim
def test_attributes_keep_the_problem(ndim):
    """All 64 bits of time and domain."""
    asked = Warp(TESSELLATIONS[ndim], TIME, SIZES[ndim], Sampling("nearest", "reflection", True))
    velocity = problem(ndim)[1]
    with tf.Graph().as_default() as graph:
        warp(tf.zeros((3, *SIZES[ndim], 1), "float64"), velocity.numpy(), *asked)
    (node,) = (operation for operation in graph.get_operations() if operation.type == "CpabxWarp")
    assert Warp.of(node) == asked


# -- what does not fit -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("points", "velocity"),
    [((1, 3, 3), (2, 18, 2)), ((3, 2), (2, 18, 2)), ((1, 3, 2), (18, 2)), ((1, 3, 2), (2, 18, 3))],
    ids=str,
)
def test_shapes_are_checked_while_tracing(points, velocity):
    with pytest.raises(ValueError, match=r"Dimension must be 2|must be rank 3"):
        tf.function(lambda p, v: flow.transform(p, v, TESSELLATIONS[2], 1.0)).get_concrete_function(
            tf.TensorSpec(points), tf.TensorSpec(velocity)
        )


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((1, 3, 2), (2, 17, 2)), r"velocity must be \(2, 18, 2\)"),
        (((3, 3, 2), (2, 18, 2)), r"points must be \(1 or 2, 3, 2\)"),
    ],
    ids=["vertices", "batch"],
)
def test_shapes_are_checked_when_the_graph_runs(shapes, message):
    move = tf.function(lambda p, v: flow.transform(p, v, TESSELLATIONS[2], 1.0))
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        move(*map(tf.zeros, shapes))


@pytest.mark.parametrize("rate", [100.0, 1e6], ids=["overflow", "range"])
def test_errors_have_the_words_of_eager_ones(rate):
    tess = cpabx.Tessellation((2, 2))
    points, velocity = tf.constant([[[0.9, 0.8]]]), tf.constant(rate * tess.vertices[None], "float32")
    with pytest.raises(CpabxError) as eager:
        flow.transform(points, velocity, tess, 1.0)
    with pytest.raises(tf.errors.InvalidArgumentError) as in_graph:
        tf.function(lambda p, v: flow.transform(p, v, tess, 1.0))(points, velocity)
    assert str(eager.value) in in_graph.value.message


# -- tracing ---------------------------------------------------------------------------------------


def test_batches_of_all_sizes_share_one_trace():
    family = cpabx.Cpab((2, 2))
    traced = tf.function(
        family.warp, input_signature=[tf.TensorSpec((None, 5, 4, 1)), tf.TensorSpec((None, family.n_params))]
    )
    for n in (1, 2, 5, 0):
        assert traced(tf.ones((n, 5, 4, 1)), tf.zeros((n, family.n_params))).shape == (n, 5, 4, 1)
    assert traced.experimental_get_tracing_count() == 1


def test_an_epoch_with_a_smaller_last_batch_traces_once_more_at_most():
    traces = []

    class Counted(layers.STCPAB):
        def call(self, images, training=None):
            traces.append(images.shape)
            return super().call(images, training)

    x = np.zeros((10, 6, 5, 1), "float32")
    model = keras.Sequential([keras.Input(x.shape[1:]), Counted((2, 2), localization="fcn")])
    model.compile("sgd", "mse")
    model.fit(x, x, batch_size=4, epochs=1, verbose=0)
    before = len(traces)
    model.fit(x, x, batch_size=4, epochs=2, verbose=0)
    assert len(traces) == before
    assert traces[-1] == (None, 6, 5, 1)


def test_vectorized_map_is_the_batch():
    family = cpabx.Cpab((2, 2))
    theta, images = family.sample(3, seed=0, backend="tensorflow"), tf.random.uniform((3, 5, 4, 2), seed=0)
    mapped = tf.vectorized_map(lambda pair: family.warp(pair[0][None], pair[1][None])[0], (images, theta))
    np.testing.assert_allclose(mapped, family.warp(images, theta), rtol=0, atol=1e-6)


# -- XLA -------------------------------------------------------------------------------------------


def test_keras_goes_without_xla():
    model = keras.Sequential([keras.Input((6, 5, 1)), layers.STCPAB((2, 2), localization="fcn")])
    with pytest.warns(UserWarning, match="doesn't support `jit_compile=True`"):
        model.compile("sgd", "mse", jit_compile=True)
    assert not model.jit_compile
