"""Draws in graphs: tf.function, tf.data, Keras layers, SavedModel; and the seeds and generators that they follow."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import cpabx
from cpabx.errors import BackendMismatchError, OptionError, UnsupportedError

FAMILY = cpabx.Cpab((2, 2))
PRIOR = cpabx.SmoothPrior(FAMILY, length_scale=0.5)
each_source = pytest.mark.parametrize("source", [FAMILY, PRIOR], ids=["family", "prior"])

GENERATORS = {
    "global": lambda: None,
    "tf": lambda: tf.random.Generator.from_seed(0),
    "keras": lambda: keras.random.SeedGenerator(0),
}
each_generator = pytest.mark.parametrize("make", GENERATORS.values(), ids=list(GENERATORS))


@pytest.fixture(autouse=True)
def _tensorflow():
    tf.random.set_seed(None)  # other tests may have left one
    with cpabx.use_backend("tensorflow"):
        yield


def different(rows):
    return len({np.asarray(row).tobytes() for row in rows})


@each_generator
@each_source
def test_each_call_of_a_function_draws(source, make):
    """For a number of parameter vectors that is known when it runs."""
    generator = make()

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32)])
    def draw(n):
        theta = source.sample(n, generator=generator)
        assert theta.shape.as_list() == [None, FAMILY.n_params]
        return theta

    draws = [draw(n).numpy() for n in (2, 2, 5)]
    assert [len(theta) for theta in draws] == [2, 2, 5]
    assert different([row for theta in draws for row in theta]) == 9


@each_generator
def test_each_image_of_a_data_set_is_warped_anew(make):
    generator = make()

    def bend(image):
        return FAMILY.warp(image[None], FAMILY.sample(1, generator=generator, scale=0.5))[0]

    image = np.random.default_rng(0).uniform(size=(8, 8, 1)).astype("float32")
    data = tf.data.Dataset.from_tensor_slices(np.stack([image] * 16)).map(bend).batch(16)
    epochs = [next(iter(data)).numpy() for _ in range(2)]
    assert different([row for epoch in epochs for row in epoch]) == 32


def test_a_global_seed_starts_each_pass_over_a_data_set_anew():
    """So TensorFlow's own operations do; a generator goes on."""
    tf.random.set_seed(0)
    generator = tf.random.Generator.from_seed(0)
    for given, n_different in ((None, 4), (generator, 8)):
        data = tf.data.Dataset.range(4).map(lambda _, given=given: FAMILY.sample(1, generator=given)[0])
        assert different([row for _ in range(2) for row in data]) == n_different


@keras.saving.register_keras_serializable("cpabx_tests")
class Bend(keras.layers.Layer):
    """Random warps, as a user would write them."""

    def call(self, images):
        return FAMILY.warp(images, FAMILY.sample(tf.shape(images)[0], scale=0.5))


def test_a_layer_draws_in_each_batch(tmp_path, new_process):
    """In predict, in fit, and in a process that knows the SavedModel alone."""
    image = np.random.default_rng(0).uniform(size=(8, 8, 1)).astype("float32")
    images = np.stack([image] * 8)
    model = keras.Sequential([keras.Input((8, 8, 1)), Bend(), keras.layers.Flatten(), keras.layers.Dense(1)])
    bent = keras.Model(model.inputs, model.layers[0].output)
    assert different([*bent.predict(images, batch_size=2, verbose=0), *bent.predict(images, verbose=0)]) == 16
    model.compile("sgd", "mse")
    # Nothing but the warps differs from step to step.
    model.optimizer.learning_rate = 0.0
    losses = []
    record = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: losses.append(logs["loss"]))
    model.fit(images, np.zeros((8, 1)), epochs=3, verbose=0, callbacks=[record])
    assert len(set(losses)) == 3
    bent.export(str(tmp_path / "bend"), verbose=False)
    np.save(tmp_path / "images.npy", images)
    code = """
        import cpabx, numpy as np, tensorflow as tf
        cpabx.set_backend("tensorflow")
        model, images = tf.saved_model.load("bend"), tf.constant(np.load("images.npy"))
        print(len({row.tobytes() for _ in range(2) for row in model.serve([images]).numpy()}))
    """
    assert new_process(code) == "16\n"


@pytest.mark.parametrize("seed", [keras.utils.set_random_seed, tf.random.set_seed], ids=["keras", "tensorflow"])
@each_source
def test_global_seeds_are_followed(source, seed):
    draws = []
    for number in (7, 7, 8):
        seed(number)
        graph = tf.function(lambda: source.sample(2))
        draws.append((source.sample(2).numpy(), graph().numpy(), graph().numpy()))
    first, again, other = draws
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert different([*first, *other]) == 6


@each_source
def test_a_seed_is_a_constant_of_a_graph(source):
    graph = tf.function(lambda: source.sample(2, seed=3))
    assert np.array_equal(graph(), graph())
    assert np.array_equal(graph(), source.sample(2, seed=3, backend="numpy"))


@each_source
def test_numbers_of_the_host_are_refused_in_a_graph(source):
    """Numpy's, and those of other frameworks: they would be those of the tracing, for ever."""
    for options in ({"generator": np.random.default_rng(0)}, {"backend": "numpy"}):
        assert source.sample(1, **options).shape == (1, FAMILY.n_params)
        with pytest.raises(UnsupportedError, match="tensorflow"):
            tf.function(lambda options=options: source.sample(1, **options))()
        data = tf.data.Dataset.range(2)
        with pytest.raises(UnsupportedError, match="tensorflow"):
            data.map(lambda _, options=options: tf.constant(source.sample(1, **options)))
    # What runs eagerly inside of a graph may draw on the host.
    on_host = tf.function(lambda: tf.numpy_function(lambda: source.sample(1, backend="numpy"), [], tf.float32))
    assert different([on_host(), on_host()]) == 2


def test_a_number_that_is_not_known_needs_a_generator():
    with pytest.raises(OptionError, match="known while tracing"):
        tf.function(lambda n: FAMILY.sample(n, seed=0))(tf.constant(2))
    with pytest.raises(OptionError, match="n must be"):
        tf.function(lambda n: FAMILY.sample(n))(tf.constant(2.5))
    with pytest.raises(OptionError, match="n must be"):
        tf.function(lambda n: FAMILY.sample(n))(tf.constant([2]))


@pytest.mark.parametrize("make", [GENERATORS["tf"], GENERATORS["keras"]], ids=["tf", "keras"])
def test_a_generator_chooses_the_backend(make):
    with cpabx.use_backend("numpy"):
        assert tf.is_tensor(FAMILY.sample(1, generator=make()))
    with pytest.raises(BackendMismatchError, match="tensorflow"):
        FAMILY.sample(1, generator=make(), backend="numpy")


def test_devices():
    for device in ("CPU:0", "cpu", "/device:CPU:0"):
        for theta in (FAMILY.sample(1, device=device), FAMILY.sample(1, seed=0, device=device), FAMILY.identity(1)):
            assert theta.device.endswith("device:CPU:0")
    mean = tf.Variable(tf.zeros(FAMILY.n_params))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(PRIOR.sample(3, mean=mean, device="CPU:0"))
    assert np.array_equal(tape.gradient(loss, mean), np.full(FAMILY.n_params, 3.0))
