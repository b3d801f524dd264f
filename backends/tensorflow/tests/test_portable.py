"""The portable form: in XLA, in TFLite, and in processes that know nothing of cpabx; and errors that name it."""

import contextlib
import io

import keras
import numpy as np
import pytest
import tensorflow as tf

import cpabx
import cpabx.augment
from cpabx.errors import OptionError, UnsupportedError
from cpabx.export import onnx, portable
from cpabx_tensorflow import layers, op_library

SHAPES = {1: (11, 2), 2: (6, 7, 2), 3: (4, 3, 5, 1)}
MAKE = {
    "signals": lambda **options: layers.STCPAB((4,), **options),
    "images": lambda **options: layers.STCPAB((3, 2), **options),
    "volumes": lambda **options: layers.STCPAB((2, 1, 2), **options),
    "affine": lambda **options: layers.STAffineCPAB((2, 2), **options),
    "recurrent": lambda **options: layers.STRecurrent((3,), 2, **options),
    "parallel": lambda **options: layers.STParallel([layers.STCPAB((2, 2), **options)] * 2, merge="channels"),
    "exponential": lambda **options: layers.STAffineDiffeo(**options),
}
each_layer = pytest.mark.parametrize("name", MAKE)
TOLERANCE = 1e-5  # of images in [0, 1]


def model_and_images(name, n=3, **options):
    """A model whose layer is away from the identity, and as many images."""
    keras.utils.set_random_seed(0)
    layer = MAKE[name](localization="fcn", **options)
    first = layer.layers[0] if name == "parallel" else layer
    shape, rng = SHAPES[first.transformation.ndim], np.random.default_rng(0)
    inputs = keras.Input(shape, name="images")
    model = keras.Model(inputs, layer(inputs))
    model.set_weights([w + 0.1 * rng.standard_normal(w.shape) for w in model.get_weights()])
    return model, np.random.default_rng(n).uniform(size=(n, *shape)).astype("float32")


def pair(name, n=3):
    """A model in the portable form, images, and the results of the native one."""
    native, images = model_and_images(name, n)
    model, _ = model_and_images(name, n, export="portable")
    model.set_weights(native.get_weights())
    expected = np.asarray(native(images))
    assert np.abs(expected[..., : images.shape[-1]] - images).max() > 0.01
    return model, images, expected


def operations(function, *arguments):
    """The kinds of all operations, of loops and branches as well."""
    graph = tf.function(function).get_concrete_function(*arguments).graph.as_graph_def()
    nodes = [*graph.node, *(node for one in graph.library.function for node in one.node_def)]
    return {node.op for node in nodes}


@each_layer
def test_layers_do_the_same_in_the_portable_form(name):
    model, images, expected = pair(name)
    np.testing.assert_allclose(model(images), expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", ["images"])
def test_graphs_hold_no_operations_of_ours(name):
    model, images, expected = pair(name)
    x = tf.constant(images)
    assert not {kind for kind in operations(model, x) if kind.startswith("Cpabx") or "PyFunc" in kind}
    np.testing.assert_allclose(tf.function(model)(x), expected, rtol=0, atol=TOLERANCE)


def test_functions_follow_the_context():
    family = cpabx.Cpab((2, 2))
    theta, points = family.sample(3, seed=0, backend="tensorflow"), tf.constant([[0.1, 0.2], [0.3, -0.4]])
    with portable(20):
        kinds = operations(family.transform, points, theta)
        moved = family.transform(points, theta)
    assert "While" in kinds or "StatelessWhile" in kinds
    np.testing.assert_allclose(moved, family.transform(points, theta), rtol=0, atol=TOLERANCE)


def test_a_context_counts_more_than_the_layer():
    """Whoever exports knows how many strides there must be; too few are seen."""
    model, images, _ = pair("signals")
    with portable(1):
        assert np.isnan(model(images)).any()
    assert np.isfinite(model(images)).all()


@pytest.mark.parametrize("count", [1, 3])
def test_one_field_is_for_all_points(count):
    """And points for all fields, which are as many as a graph is given."""
    family = cpabx.Cpab((2, 2))
    theta = family.sample(count, seed=0, backend="tensorflow")
    points = tf.random.uniform((4 - count, 4, 2), -1, 1, seed=0)
    shapes = [(None, 4, 2), (1, family.n_params)] if count == 1 else [(1, 4, 2), (None, family.n_params)]
    specs = [tf.TensorSpec(shape) for shape in shapes]
    with portable(20):
        moved = tf.function(family.transform, input_signature=specs)(points, theta)
    np.testing.assert_allclose(moved, family.transform(points, theta), rtol=0, atol=TOLERANCE)


def gradients(model, images):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.sin(3 * model(images)))
    return tape.gradient(loss, model.trainable_variables)


def test_gradients_are_those_of_libcpab():
    native, images = model_and_images("images")
    model, _ = model_and_images("images", export="portable")
    model.set_weights(native.get_weights())
    for got, expected in zip(gradients(model, images), gradients(native, images), strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


# -- XLA -------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", ["images", "recurrent"])
def test_xla_compiles_layers(name):
    model, images, expected = pair(name)
    compiled = tf.function(model, jit_compile=True)
    np.testing.assert_allclose(compiled(tf.constant(images)), expected, rtol=0, atol=TOLERANCE)


@pytest.mark.slow
def test_xla_compiles_training():
    """Which Keras leaves to others where a layer says that it cannot be compiled."""
    model, images, expected = pair("signals")
    model.compile("sgd", "mse", jit_compile=True)
    assert model.jit_compile
    wanted = [w - 0.01 * g for w, g in zip(model.get_weights(), of_squares(model, images, expected + 1), strict=True)]
    model.fit(images, expected + 1, batch_size=3, verbose=0)
    for got, weights in zip(model.get_weights(), wanted, strict=True):
        np.testing.assert_allclose(got, weights, rtol=0, atol=1e-5)


def of_squares(model, images, targets):
    """Gradients of the mean squared error, eagerly."""
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(images) - targets) ** 2)
    return tape.gradient(loss, model.trainable_variables)


def test_without_it_xla_is_an_error_that_names_it():
    model, images = model_and_images("images")
    with pytest.raises(UnsupportedError, match=r"XLA.*warp of libcpab.*export='portable'"):
        tf.function(model, jit_compile=True)(tf.constant(images))
    family = cpabx.Cpab((2, 2))
    with pytest.raises(UnsupportedError, match=r"transform of libcpab.*cpabx\.export\.portable"):
        tf.function(family.transform, jit_compile=True)(tf.zeros((3, 2)), tf.zeros((1, family.n_params)))


# -- files -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def nothing_printed():
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def interpreter(content):
    """Of LiteRT, or of TensorFlow where that is not installed."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        Interpreter = tf.lite.Interpreter
    return Interpreter(model_content=content)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ["images", "exponential"])
def test_tflite_takes_batches_of_any_size(name):
    model, *_ = pair(name)
    with nothing_printed():
        running = interpreter(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    entry, result = running.get_input_details()[0]["index"], running.get_output_details()[0]["index"]
    for n in (1, 7):
        _, images, expected = pair(name, n)
        running.resize_tensor_input(entry, images.shape)
        running.allocate_tensors()
        running.set_tensor(entry, images)
        running.invoke()
        np.testing.assert_allclose(running.get_tensor(result), expected, rtol=0, atol=TOLERANCE)


@pytest.mark.slow
@pytest.mark.skipif(op_library.load() is None, reason="needs the op library")
def test_tflite_names_an_operation_of_ours():
    """The converter's own error, which README.md explains: what it converts is a graph that is fit for others."""
    model, images = model_and_images("images")
    graph = tf.function(model).get_concrete_function(tf.TensorSpec((None, *images.shape[1:])))
    with nothing_printed(), pytest.raises(Exception, match="CpabxWarp"):
        tf.lite.TFLiteConverter.from_concrete_functions([graph]).convert()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_onnx_takes_batches_of_any_size(tmp_path):
    """And what is not finite is NaN there, too, its own item alone."""
    pytest.importorskip("tf2onnx")
    runtime = pytest.importorskip("onnxruntime")
    model, images, _ = pair("signals")
    onnx(model, (tf.constant(images),), tmp_path / "model.onnx")
    session = runtime.InferenceSession(tmp_path / "model.onnx")
    for n in (1, 7):
        _, images, expected = pair("signals", n)
        images[-1, 0, 0] = np.nan if n == 7 else images[-1, 0, 0]
        (found,) = session.run(None, {session.get_inputs()[0].name: images})
        np.testing.assert_allclose(found[:6], expected[:6], rtol=0, atol=TOLERANCE)
        assert np.isnan(found[6:]).all()


SERVE = """
    import sys
    import numpy as np, tensorflow as tf
    saved = np.load("results.npz")
    model = tf.saved_model.load("model")
    found = model.serve(tf.constant(saved["images"]))
    np.testing.assert_allclose(found, saved["expected"], rtol=0, atol=1e-5)
    assert not any(module.startswith("cpabx") for module in sys.modules)
"""


@pytest.mark.slow
def test_saved_models_need_no_library(new_process, tmp_path):
    model, images, expected = pair("affine", 5)
    model.export(tmp_path / "model", verbose=False)
    np.savez(tmp_path / "results.npz", images=images, expected=expected)
    new_process(SERVE)


WITHOUT_LIBRARY = """
    import keras, cpabx
    cpabx.set_backend("tensorflow")
    model = keras.Sequential([keras.Input((5, 1)), cpabx.layers.STCPAB((2,), localization="fcn")])
    try:
        model.export("model", verbose=False)
    except cpabx.errors.UnsupportedError as error:
        print(error)
"""


@pytest.mark.slow
def test_without_either_saving_is_an_error_that_names_it(new_process):
    """Not one of the process that loads it."""
    told = new_process(WITHOUT_LIBRARY, CPABX_TENSORFLOW_OP="off")
    assert "op library switched off" in told
    assert "export='portable'" in told


def test_models_keep_the_form(tmp_path):
    model, images, _ = pair("affine")
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    assert restored.layers[-1].export == "portable"
    np.testing.assert_array_equal(restored(images), model(images))


# -- options ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("export", ["onnx", True, np.zeros(2)], ids=str)
@pytest.mark.parametrize("make", [lambda **options: layers.STCPAB((2, 2), **options), layers.CPABActivation])
def test_other_forms_are_refused(make, export):
    with pytest.raises(OptionError, match="export must be None or 'portable'"):
        make(export=export)


@pytest.mark.slow
def test_activations_have_the_option():
    """They compile by XLA, and keep it."""
    native, values = layers.CPABActivation(cells=4), tf.linspace(-4.0, 4.0, 99)
    native.theta.assign(tf.random.normal(native.theta.shape, seed=0))
    layer = layers.CPABActivation.from_config({**native.get_config(), "export": "portable"})
    layer.theta.assign(native.theta)
    assert layer.get_config()["export"] == "portable"
    np.testing.assert_allclose(layer(values), native(values), rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(tf.function(layer, jit_compile=True)(values), native(values), rtol=0, atol=TOLERANCE)
    with pytest.raises(UnsupportedError, match="export='portable'"):
        tf.function(native, jit_compile=True)(values)


@pytest.mark.slow
def test_augmentations_have_the_form_of_the_block_around_them():
    """With all that is marked in images; XLA compiles them there, and draws other maps."""
    images = tf.random.uniform((3, 9, 8, 1), seed=0)
    data = {
        "images": images,
        "segmentation_masks": tf.cast(3 * images[..., 0], tf.int32),
        "keypoints": tf.random.uniform((3, 4, 2), maxval=8, seed=1),
        "bounding_boxes": tf.constant([[[1.0, 1, 5, 6]]] * 3),
    }
    native, same = (cpabx.augment.RandomCPAB((3, 3), seed=0, backend="tensorflow") for _ in range(2))
    with portable(50):
        found = same(data)
        compiled = tf.function(same, jit_compile=True)(data)
    assert set(compiled) == set(data)
    assert np.isfinite(compiled["images"]).all()
    assert not np.array_equal(compiled["images"], images)
    for name, expected in native(data).items():
        np.testing.assert_allclose(found[name], expected, rtol=0, atol=TOLERANCE)
    with pytest.raises(OptionError, match=r"cpabx\.export\.portable"):
        cpabx.augment.RandomCPAB((3, 3), backend="tensorflow", export="portable")


@pytest.mark.parametrize("name", ["jacobian", "velocity_at", "log_det_jacobian"])
def test_what_has_no_portable_form_says_so(name):
    family = cpabx.Cpab((2, 2))
    theta, points = family.sample(1, seed=0, backend="tensorflow"), tf.zeros((3, 2))
    with portable(9), pytest.raises(UnsupportedError, match="the portable form is of"):
        getattr(family, name)(points, theta)
