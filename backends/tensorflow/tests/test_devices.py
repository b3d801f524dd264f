"""Tensors on a CUDA device, without one: a device of TensorFlow's in the memory of the CPU. See device_double.py."""

import os
import shutil
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager import context
from tensorflow.python.framework.config import disable_op_determinism
from tensorflow.python.framework.kernels import get_registered_kernels_for_op

import cpabx
from backends.tensorflow.tests import device_double
from cpabx import native
from cpabx.errors import DivergenceError, OptionError, RangeError
from cpabx.sampling import Sampling
from cpabx_tensorflow import flow, op_library
from cpabx_tensorflow.warp import warp

DEVICE = device_double.device()

cpabx.get_backend("tensorflow")


def on(device, *tensors):
    with tf.device(device):
        return [tf.identity(tensor) for tensor in tensors]


@pytest.fixture
def everything_on_gpu(monkeypatch):
    """Eager calls are for the GPU wherever their tensors are: the double has no kernels that add, for instance."""
    monkeypatch.setattr(op_library, "gpu_of", lambda tensors: "/GPU:0")
    monkeypatch.setattr(type(cpabx.get_backend("tensorflow")), "device", lambda self, tensor: "cpu")


def kernels_of(run):
    """Which operations of ours run() has on which devices."""
    context.enable_run_metadata()
    context.export_run_metadata()  # of what ran before
    try:
        run()
        graphs = context.export_run_metadata().partition_graphs
    finally:
        context.disable_run_metadata()
    nodes = [node for graph in graphs for node in graph.node if node.op.startswith("Cpabx")]
    return {node.op: node.device.rpartition("device:")[2] for node in nodes}


def assert_alike(there, here, tolerance):
    assert len(there) == len(here)
    for a, b in zip(there, here, strict=True):
        np.testing.assert_allclose(b, a, rtol=tolerance, atol=tolerance)


# -- numbers ---------------------------------------------------------------------------------------

CELLS = [(5,), (3, 2), (2, 2, 2)]


def all_functions(family):
    """Points, velocities, Jacobians and warps, with first and second derivatives."""

    def compute(theta, points, images):
        results = []
        for function, given in ((family.transform, points), (family.warp, images)):
            with tf.GradientTape() as outer:
                outer.watch([given, theta])
                with tf.GradientTape() as inner:
                    inner.watch([given, theta])
                    out = function(given, theta)
                    loss = tf.reduce_sum(tf.sin(out))
                grads = inner.gradient(loss, [given, theta])
                squares = sum(tf.reduce_sum(grad * grad) for grad in grads)
            results += [out, *grads, *outer.gradient(squares, [given, theta])]
        for function in (family.jacobian, family.log_det_jacobian, family.velocity_at):
            with tf.GradientTape() as tape:
                tape.watch([points, theta])
                out = function(points, theta)
                loss = tf.reduce_sum(tf.sin(out))
            zero = tf.UnconnectedGradients.ZERO
            results += [out, *tape.gradient(loss, [points, theta], unconnected_gradients=zero)]
        return results

    return compute


def some_input(family, dtype="float64"):
    rng, n = np.random.default_rng(1), family.ndim
    theta = family.sample(3, seed=0, backend="numpy", dtype=dtype)
    points, images = rng.uniform(-1.1, 1.1, (9, n)), rng.uniform(size=(3, *[5] * n, 2))
    return on("CPU:0", *(tf.constant(array, dtype) for array in (theta, points, images)))


@pytest.mark.parametrize("cells", CELLS, ids=str)
@pytest.mark.parametrize("basis", ["orthonormal", "nodal"])
def test_numbers_are_those_of_the_cpu(cells, basis, request):
    family = cpabx.Cpab(cells, basis=basis)
    compute, given = all_functions(family), some_input(family)
    there = compute(*given)
    in_graph = tf.function(compute)
    assert set(kernels_of(lambda: in_graph(*given)).values()) == {"GPU:0"}
    assert_alike(there, in_graph(*given), 1e-9)
    request.getfixturevalue("everything_on_gpu")
    assert_alike(there, compute(*given), 1e-9)


def test_eager_tensors_on_the_device():
    """Without a word about it, and the results are there, too."""
    tess = cpabx.Tessellation((3, 2))
    points = tf.random.stateless_normal((1, 6, 2), (1, 1), dtype="float64")
    velocity = tf.random.stateless_normal((3, len(tess.vertices), 2), (1, 2), dtype="float64")
    expected = flow.transform(*on("CPU:0", points, velocity), tess, 0.5)
    result = flow.transform(*on("GPU:0", points, velocity), tess, 0.5)
    assert result.device.endswith("GPU:0")
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-12)


def test_tensors_on_the_cpu_stay_there():
    family = cpabx.Cpab((3, 2))
    theta, points, _ = some_input(family)
    with tf.device("CPU:0"):
        assert family.transform(points, theta).device.endswith("CPU:0")
        placed = kernels_of(lambda: tf.function(family.transform)(points, theta))
    assert placed == {"CpabxTransform": "CPU:0"}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_of_shared_points_are_added_up(dtype):
    """Batches of all sizes through one kernel, none and one included."""
    tess = cpabx.Tessellation((3, 2))
    points = tf.constant(np.random.default_rng(2).uniform(-1, 1, (1, 6, 2)), dtype)
    grad = tf.function(
        lambda points, velocity, grad_out: flow.transform_vjp(points, velocity, grad_out, tess, 1.0),
        input_signature=[tf.TensorSpec((1, None, 2), dtype), *[tf.TensorSpec((None, None, 2), dtype)] * 2],
    )
    for n in (2, 40, 3, 1, 0):
        velocity, grad_out = (
            tf.random.stateless_normal((n, k, 2), (n, k), dtype=dtype) for k in (len(tess.vertices), 6)
        )
        shared, by_velocity = grad(points, velocity, grad_out)
        each, also = flow.transform_vjp(tf.repeat(points, n, axis=0), velocity, grad_out, tess, 1.0)
        tolerance = 1e-4 if dtype == "float32" else 1e-12
        assert_alike((each.numpy().sum(0), also), (shared[0], by_velocity), tolerance)
    assert grad.experimental_get_tracing_count() == 1


def test_what_is_not_finite_is_added_up_too():
    tess = cpabx.Tessellation((2, 2))
    points, velocity = tf.zeros((1, 2, 2)), tf.zeros((3, len(tess.vertices), 2))
    grad_out = tf.constant(np.where(np.arange(12).reshape(3, 2, 2) == 5, np.nan, 1.0), "float32")
    by_points, _ = tf.function(flow.transform_vjp)(points, velocity, grad_out, tess, 1.0)
    np.testing.assert_array_equal(by_points[0], [[np.nan, np.nan], [3, 3]])


def test_forward_mode(everything_on_gpu):
    family = cpabx.Cpab((3, 2))
    theta, points, images = some_input(family)

    def tangents():
        results = []
        for function, given in ((family.transform, points), (family.warp, images)):
            with tf.autodiff.ForwardAccumulator(theta, tf.cos(theta)) as accumulator:
                out = function(given, theta)
            results += [out, accumulator.jvp(out)]
        return results

    here = tangents()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(op_library, "gpu_of", lambda tensors: None)
        there = tangents()
    assert_alike(there, here, 1e-10)


def test_training_the_network_of_the_readme():
    """Three steps, of which the second and third move away from the identity; all in a graph."""
    rng = np.random.default_rng(5)
    images, labels = on("CPU:0", tf.constant(rng.uniform(size=(6, 42, 42, 1)), "float32"), tf.range(6))

    def trained(device):
        keras.utils.set_random_seed(0)
        with tf.device("CPU:0"):  # variables, which have no kernels on the double
            layer = cpabx.layers.STCPAB((4, 4))
            model = keras.Sequential([keras.Input((42, 42, 1)), layer, keras.layers.Flatten(), keras.layers.Dense(10)])
            optimizer = keras.optimizers.SGD(0.05)
            optimizer.build(model.trainable_variables)

        @tf.function
        def step():
            with tf.GradientTape() as tape:
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, model(images, training=True))
                loss = tf.reduce_mean(losses)
            grads = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(grads, model.trainable_variables, strict=True))
            return loss

        losses = []
        with tf.device(device):
            placed = kernels_of(lambda: losses.append(step()))
            losses += [step(), step()]
        assert placed == {"CpabxWarp": device, "CpabxWarpVjp": device}
        return [*losses, *(variable.numpy() for variable in model.trainable_variables)]

    with cpabx.use_backend("tensorflow"):
        there, here = trained("CPU:0"), trained("GPU:0")
    assert there[0] != there[2]
    assert_alike(there, here, 1e-5)


def test_a_saved_model_is_served_there(new_process, tmp_path):
    """By a process that knows neither cpabx nor Keras."""
    family = cpabx.Cpab((3, 2), domain=(0.1, 0.7))
    theta, _, images = some_input(family, "float32")
    module = tf.Module()
    module.warp = tf.function(family.warp, input_signature=[tf.TensorSpec((None, 5, 5, 2)), tf.TensorSpec(theta.shape)])
    tf.saved_model.save(module, str(tmp_path / "saved"))
    np.savez(tmp_path / "given.npz", images=images, theta=theta)
    library = tmp_path / "ours"
    library.mkdir()
    folder = native.load().path.parent
    for file in (op_library.path(), folder / "libcpab.so", folder / "libcpab_cuda.so"):
        shutil.copy(file, library)
    code = """
        import sys, numpy as np, tensorflow as tf
        from tensorflow.python.framework.load_library import load_pluggable_device_library
        load_pluggable_device_library(sys.argv[2])
        tf.load_op_library(sys.argv[1] + "/libcpabx_tensorflow.so")
        given = np.load("given.npz")
        warped = tf.saved_model.load("saved").warp(given["images"], given["theta"])
        assert "cpabx" not in sys.modules and warped.device.endswith("GPU:0"), warped.device
        np.save("warped.npy", warped)
    """
    new_process(code, library, os.environ[device_double.VARIABLE], CPABX_LIBRARY_DIR="")
    np.testing.assert_allclose(np.load(tmp_path / "warped.npy"), family.warp(images, theta), rtol=0, atol=1e-6)


# -- what is asked of the device -------------------------------------------------------------------


def test_nothing_waits_and_the_second_call_copies_nothing(monkeypatch):
    monkeypatch.delenv("CPABX_CHECK", raising=False)
    tess = cpabx.Tessellation((4, 3))
    given = on("GPU:0", tf.zeros((1, 5, 2)), tf.ones((2, len(tess.vertices), 2)), tf.ones((2, 5, 2)))
    flow.transform_vjp(*given, tess, 0.25)
    before = DEVICE.waits(), DEVICE.copies_to_host(), DEVICE.bytes_to_device()
    by_points, _ = flow.transform_vjp(*given, tess, 0.25)
    assert (DEVICE.waits(), DEVICE.copies_to_host(), DEVICE.bytes_to_device()) == before
    monkeypatch.setenv("CPABX_CHECK", "now")
    flow.transform_vjp(*given, tess, 0.25)
    assert DEVICE.waits() > before[0]
    assert by_points.shape == (1, 5, 2)


def test_tables_are_copied_once():
    tess = cpabx.Tessellation((4, 4))
    size = len(native.tables_of(native.load_cuda(), tess, 4))
    given = on("GPU:0", tf.zeros((1, 5, 2)), tf.ones((2, len(tess.vertices), 2)))
    before = DEVICE.bytes_to_device()
    flow.transform(*given, tess, 0.125)
    assert DEVICE.bytes_to_device() - before == size
    flow.transform(*given, tess, 0.125)
    assert DEVICE.bytes_to_device() - before == size


FAMILIES = [
    cpabx.Affine(),
    cpabx.Homography(),
    cpabx.ThinPlateSpline((3, 3)),
    cpabx.Cpab((2, 2), basis="nodal", boundary="sliding"),
    cpabx.Cpab((2, 2), domain=(0, 2)),
]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: type(family).__name__)
@pytest.mark.parametrize("options", [{}, {"mode": "cubic", "fill": 0.5}], ids=["linear", "cubic"])
def test_no_arithmetic_is_left_to_the_host(family, options):
    """TensorFlow's kernels for int32 on any GPU take numbers from the host: those of shapes, but not of pixels."""

    def with_gradients(images, theta):
        with tf.GradientTape() as tape:
            tape.watch([images, theta])
            loss = tf.reduce_sum(tf.sin(family.warp(images, theta, **options)))
        return tape.gradient(loss, [images, theta])

    images, theta = tf.TensorSpec((None, 6, 5, 2)), tf.TensorSpec((None, family.n_params))
    graph = tf.function(with_gradients).get_concrete_function(images, theta).graph
    assert {node.type for node in graph.get_operations() if node.type in ("While", "StatelessWhile")} == set()
    for node in graph.get_operations():
        for output, declared in zip(node.outputs, node.op_def.output_arg, strict=False):
            if output.dtype == tf.int32 and (output.shape.rank is None or output.shape.rank > 1):
                kernels = get_registered_kernels_for_op(node.type).kernel
                host = [kernel for kernel in kernels if declared.name in kernel.host_memory_arg]
                assert not host, node


@pytest.mark.parametrize("deterministic", [False, True])
def test_deterministic_gradients(deterministic, monkeypatch):
    """Sums of floats depend on the order of threads, those in fixed point do not."""
    tess, sampling = cpabx.Tessellation((2, 2)), Sampling("linear", "zeros", True)
    images, grads = (tf.random.stateless_normal((1, n, n, 1), (n, 2)) for n in (3, 40))
    velocity = 0.3 * tf.random.stateless_normal((1, len(tess.vertices), 2), (5, 6))

    @tf.function
    def gradient():
        with tf.GradientTape() as tape:
            tape.watch(images)
            warped = warp(images, velocity, tess, 1.0, (40, 40), sampling)
        return tape.gradient(warped, images, grads)

    if deterministic:
        tf.config.experimental.enable_op_determinism()
    try:
        results = []
        for order in ("forward", "reverse", "5"):
            monkeypatch.setenv("CPAB_GPU_ORDER", order)  # of the stand-in
            results.append(gradient().numpy())
    finally:
        disable_op_determinism()
    assert all(np.array_equal(results[0], other) for other in results[1:]) is deterministic
    assert_alike([results[0]] * 2, results[1:], 1e-4)


def test_threads_have_scratch_of_their_own():
    family = cpabx.Cpab((3, 3))
    theta, _, images = some_input(family)
    expected, warp = family.warp(images, theta), tf.function(family.warp)
    warp(images, theta)
    results = [None] * 4

    def work(i):
        results[i] = warp(images, theta)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_alike([expected] * 4, results, 1e-12)


# -- errors ----------------------------------------------------------------------------------------

FAMILY = cpabx.Cpab((2, 2))
#: Three fields, of which the second is too large.
TOO_LARGE = np.zeros((3, FAMILY.n_params), "float32")
TOO_LARGE[1] = 1e6
FINE, POINTS = np.zeros((1, FAMILY.n_params), "float32"), np.zeros((4, 2), "float32")


def moved(theta, points=POINTS):
    return FAMILY.transform(*on("GPU:0", tf.constant(points), tf.constant(theta)))


def test_an_earlier_call_is_meant():
    result = moved(TOO_LARGE).numpy()
    assert np.isnan(result[1]).all()
    assert np.isfinite(result[[0, 2]]).all()
    with pytest.raises(RangeError, match=r"batch item 1 of an earlier call, on GPU:0\..*CPABX_CHECK=now"):
        moved(FINE)
    moved(FINE)  # it is told once
    moved(TOO_LARGE)
    with pytest.raises(RangeError, match="item 1 of an earlier call") as caught:
        cpabx.check_device_errors()
    assert caught.value.received == "a larger one at batch item 1 of an earlier call, on GPU:0"
    cpabx.check_device_errors()


def test_errors_in_graphs():
    transform = tf.function(FAMILY.transform)
    assert np.isnan(transform(POINTS, TOO_LARGE)[1]).all()
    with pytest.raises(tf.errors.InvalidArgumentError, match="batch item 1 of an earlier call, on GPU:0"):
        transform(POINTS, FINE)
    transform(POINTS, TOO_LARGE)
    with pytest.raises(RangeError, match="item 1 of an earlier call"):
        cpabx.check_device_errors()


def test_a_divergence():
    """A field that doubles distances each time it is passed, until they overflow."""
    theta, points = 40 * FAMILY.sample(2, seed=0, backend="numpy"), np.full((1, 2), 1e38, "float32")
    with pytest.raises(DivergenceError, match="batch item 0"):
        FAMILY.transform(points, theta)
    moved(theta, points)
    with pytest.raises(DivergenceError, match="batch item 0 of an earlier call"):
        cpabx.check_device_errors()


def test_each_call_can_be_waited_for(monkeypatch):
    monkeypatch.setenv("CPABX_CHECK", "now")
    moved(FINE)
    with pytest.raises(RangeError) as there:
        moved(TOO_LARGE)
    cpabx.check_device_errors()
    with pytest.raises(RangeError) as here:
        FAMILY.transform(POINTS, TOO_LARGE)
    assert str(here.value) == str(there.value)
    with pytest.raises(tf.errors.InvalidArgumentError) as in_graph:
        tf.function(FAMILY.transform)(POINTS, TOO_LARGE)
    assert str(here.value) in in_graph.value.message


def test_unknown_checks(monkeypatch):
    monkeypatch.setenv("CPABX_CHECK", "sometimes")
    with pytest.raises(OptionError, match="CPABX_CHECK must be deferred or now; got 'sometimes'"):
        moved(FINE)


# -- the library -----------------------------------------------------------------------------------

PROCESS = """
    import os, sys, tensorflow as tf
    from tensorflow.python.framework.load_library import load_pluggable_device_library
    load_pluggable_device_library(os.environ["CPABX_TEST_GPU_DOUBLE"])
    import cpabx
    family = cpabx.Cpab((2, 2))
    with tf.device("GPU:0"):
        theta, points = tf.identity(tf.zeros((1, family.n_params))), tf.identity(tf.zeros((4, 2)))
    for transform in (family.transform, tf.function(family.transform)):
        try:
            print(float(tf.reduce_max(abs(transform(points, theta)))))
        except Exception as error:
            print(type(error).__name__, str(error).replace("\\n", " "))
    print(cpabx.get_backend("tensorflow").notes[0])
"""


@pytest.fixture
def own_folder(tmp_path):
    """A directory with libcpab, to which CPABX_LIBRARY_DIR can point."""
    folder = tmp_path / "library"
    folder.mkdir()
    for name in ("libcpab.so", "cpab.h"):
        shutil.copy(native.load().path.parent / name, folder)
    return folder


def test_without_the_library_the_cpu_works(new_process, own_folder):
    """As with any operation that has no kernel for GPUs."""
    eager, graph, note = new_process(PROCESS, CPABX_LIBRARY_DIR=str(own_folder)).splitlines()
    assert float(eager) == float(graph) == 0
    assert "CUDA" not in note


def test_a_library_that_is_none(new_process, own_folder):
    (own_folder / "libcpab_cuda.so").write_text("no library")
    eager, graph, _ = new_process(PROCESS, CPABX_LIBRARY_DIR=str(own_folder)).splitlines()
    assert eager.startswith("DeviceError CPAB transformations on CUDA devices need libcpab_cuda; got tensors on /job")
    assert "Or move points and theta to the CPU." in eager
    assert graph.startswith("FailedPreconditionError")
    assert "CPAB transformations on CUDA devices need a libcpab_cuda of the same build as libcpab" in graph


def test_a_library_for_another_device(new_process, own_folder):
    shutil.copy(own_folder / "libcpab.so", own_folder / "libcpab_cuda.so")
    eager, graph, _ = new_process(PROCESS, CPABX_LIBRARY_DIR=str(own_folder)).splitlines()
    assert "must be for CUDA devices; got a library for device 0" in eager
    assert "libcpab_cuda.so for device 0" in graph


def test_a_gpu_that_is_not_cudas(new_process):
    eager, graph, _ = new_process(PROCESS, CPABX_TEST_GPU_PLATFORM="ROCM").splitlines()
    for line in (eager, graph):
        assert "run on the CPU and on CUDA devices; got" in line
        assert "device:GPU:0 of ROCM" in line
