"""SavedModels are served by new processes that know the op library, and nothing of cpabx."""

import re
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

import cpabx
from cpabx import native
from cpabx.layers import LAYER_NAMES
from cpabx.sampling.options import Sampling
from cpabx_tensorflow import flow, layers, op_library
from cpabx_tensorflow.warp import warp

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(op_library.load() is None, reason="the op library is not built, or off"),
]

SHAPE = (9, 8, 2)
SERVE = """
    import sys
    import numpy as np, tensorflow as tf
    tf.load_op_library(sys.argv[1])  # which finds libcpab by CPABX_LIBRARY_DIR, or beside itself
    for name in sys.argv[2:]:
        serve = tf.saved_model.load(name).signatures["serving_default"]
        saved = np.load(f"{name}.npz")
        inputs = {key: tf.constant(saved[key]) for key in serve.structured_input_signature[1]}
        for key, found in serve(**inputs).items():
            np.testing.assert_array_equal(found, saved[key], err_msg=f"{name}: {key}")
    assert not any(module.startswith("cpabx") for module in sys.modules)
    print(*(line.split()[-1] for line in open("/proc/self/maps") if "libcpab.so" in line))
"""


def installed():
    """What a process that serves is told of the libcpab that is installed here."""
    return {"CPABX_LIBRARY_DIR": str(native.load().path.parent)}


def images(n):
    return np.random.default_rng(n).uniform(size=(n, *SHAPE)).astype("float32")


def trained(name):
    """A model whose layer is away from the identity."""
    model = keras.Sequential([keras.Input(SHAPE, name="images"), getattr(layers, name)(), keras.layers.Flatten()])
    rng = np.random.default_rng(0)
    model.set_weights([w + 0.05 * rng.standard_normal(w.shape) for w in model.get_weights()])
    return model


def export(model, directory, name):
    """The SavedModel, and what it gives for a batch of another size than any before."""
    model.export(directory / name, verbose=False)
    serve = tf.saved_model.load(directory / name).signatures["serving_default"]
    (key,) = serve.structured_input_signature[1]
    expected = serve(**{key: tf.constant(images(3))})
    np.testing.assert_allclose(next(iter(expected.values())), model(images(3)), rtol=0, atol=1e-5)
    np.savez(directory / f"{name}.npz", **{key: images(3)}, **expected)


def test_layers_are_served_from_the_installed_library(new_process, tmp_path):
    for name in LAYER_NAMES:
        export(trained(name), tmp_path, name)
    assert str(native.load().path) in new_process(SERVE, op_library.path(), *LAYER_NAMES, **installed())


def test_signals_volumes_and_several_layers_are_served(new_process, tmp_path):
    """Each with all results of a call, for a batch of another size."""
    options = {"localization": "fcn"}
    pair = [layers.STCPAB((2, 2), **options), layers.STAffineCPAB((2, 2), interpolate="twice", **options)]
    made = {
        "signals": (layers.STCPAB((4,), **options), (9, 2)),
        "recurrent": (layers.STRecurrent((3,), 2, **options), (9, 2)),
        "volumes": (layers.STCPAB((2, 1, 2), **options), (4, 3, 5, 1)),
        "affine_volumes": (layers.STAffineDiffeo(ndim=3, **options), (4, 3, 5, 1)),
        "side_by_side": (layers.STParallel(pair), SHAPE),
        "merged": (layers.STParallel(pair, merge="channels"), SHAPE),
    }
    for name, (layer, shape) in made.items():
        export_with_extras(layer, shape, tmp_path / name)
    new_process(SERVE, op_library.path(), *made, **installed())


def export_with_extras(layer, shape, path):
    """The SavedModel of a layer away from the identity, with theta and grid, and what it gives."""
    inputs = keras.Input(shape, name="images")
    outputs = tf.nest.flatten(layer(inputs, return_theta=True, return_grid=True))  # a signature nests none
    model = keras.Model(inputs, outputs)
    rng = np.random.default_rng(0)
    model.set_weights([w + 0.05 * rng.standard_normal(w.shape) for w in model.get_weights()])
    model.export(path, verbose=False)
    x = rng.uniform(size=(3, *shape)).astype("float32")
    serve = tf.saved_model.load(path).signatures["serving_default"]
    (key,) = serve.structured_input_signature[1]
    served = serve(**{key: tf.constant(x)})
    expected = tf.nest.flatten(model(x))
    assert len(served) == len(expected)
    for name, values in zip(sorted(served, key=lambda key: int(key.split("_")[-1])), expected, strict=True):
        np.testing.assert_allclose(served[name], values, rtol=0, atol=1e-5)
    np.savez(f"{path}.npz", **{key: x}, **served)


def test_layers_are_served_from_copies_of_two_libraries(new_process, tmp_path):
    """Where nothing of ours is installed: the op library finds libcpab beside itself."""
    export(trained("STCPAB"), tmp_path, "STCPAB")
    (tmp_path / "libraries").mkdir()
    copies = [shutil.copy(path, tmp_path / "libraries") for path in (op_library.path(), native.load().path)]
    assert set(new_process(SERVE, copies[0], "STCPAB", CPABX_LIBRARY_DIR="").split()) == {str(copies[1])}


@pytest.mark.parametrize("folder", ["", "elsewhere"])
def test_a_library_without_libcpab_is_an_error_that_says_where_it_looked(new_process, tmp_path, folder):
    export(trained("STCPAB"), tmp_path, "STCPAB")
    (tmp_path / "alone").mkdir()
    alone = shutil.copy(op_library.path(), tmp_path / "alone")
    looked = re.escape(str(folder or tmp_path / "alone"))
    with pytest.raises(AssertionError, match=rf"need libcpab; got {looked}/libcpab\.so.*CPABX_LIBRARY_DIR"):
        new_process(SERVE, alone, "STCPAB", CPABX_LIBRARY_DIR=folder)


def test_functions_and_their_derivatives_are_served(new_process, tmp_path):
    """All operations, in float64: what is exported is a graph, gradients included."""
    family = cpabx.Cpab((2, 2), domain=(0.1, 0.7))
    tess = family.tessellation

    class Everything(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, None, 2), "float64", "points"),
                                      tf.TensorSpec((None, tess.n_vertices, 2), "float64", "velocity"),
                                      tf.TensorSpec((None, *SHAPE), "float64", "images")])  # fmt: skip
        def serve(self, points, velocity, images):
            with tf.GradientTape() as outer:
                outer.watch(velocity)
                with tf.GradientTape() as inner:
                    inner.watch(velocity)
                    moved = flow.transform(points, velocity, tess, 0.3)
                    loss = tf.reduce_sum(tf.sin(moved))
                first = inner.gradient(loss, velocity)
            with tf.GradientTape() as tape:
                tape.watch(velocity)
                warped = warp(images, velocity, tess, 1.0, (5, 6), Sampling(padding_mode="border"))
            return {
                "moved": moved,
                "second": outer.gradient(first, velocity),
                "by_warp": tape.gradient(warped, velocity),
                "at_points": flow.velocity(points, velocity, tess),
                "log_det": flow.jacobian(points, velocity, tess, 0.3)[1],
            }

    rng = np.random.default_rng(0)
    inputs = {
        "points": rng.uniform(0, 0.8, (2, 5, 2)),
        "velocity": 0.1 * rng.standard_normal((2, tess.n_vertices, 2)),
        "images": images(2).astype("float64"),
    }
    module = Everything()
    kinds = {node.type for node in module.serve.get_concrete_function().graph.get_operations()}
    assert len({kind for kind in kinds if kind.startswith("Cpabx")}) == 8
    tf.saved_model.save(module, tmp_path / "everything", signatures=module.serve)
    np.savez(tmp_path / "everything.npz", **inputs, **module.serve(**inputs))
    new_process(SERVE, op_library.path(), "everything", **installed())


def test_loaded_models_can_be_trained_on_where_the_backend_is(tmp_path):
    """Gradients are registered by name, so that loading a graph is enough."""
    model = trained("STCPAB")
    model.export(tmp_path / "model", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "model")

    def gradient(function):
        x = tf.constant(images(2))
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(function(x) ** 2)
        return tape.gradient(loss, x)

    np.testing.assert_allclose(gradient(loaded.serve), gradient(model), rtol=0, atol=1e-5)
