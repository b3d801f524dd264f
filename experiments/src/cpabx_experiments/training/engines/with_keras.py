"""Networks in Keras with TensorFlow: built, trained, asked."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

import cpabx
from cpabx.errors import DeviceError
from cpabx_experiments.protocol.network import Features, Network
from cpabx_experiments.training.engines import Array, Augment, Trainer, Training
from cpabx_experiments.training.engines.batches import Batch, Share
from cpabx_experiments.training.engines.checkpoints import State
from cpabx_experiments.training.engines.trainer import BaseTrainer


def features(part: Features) -> keras.Sequential:
    """The layers that make features of images (N, H, W, C)."""
    stack: list[keras.Layer] = [layers.AveragePooling2D(part.reduce)] if part.reduce > 1 else []
    for one in part.convolutions:
        # The maximum first: it leaves ReLU a quarter of the numbers, and the result is the same.
        stack += [layers.Conv2D(one.filters, one.size, padding="same"), layers.MaxPooling2D(one.pool), layers.ReLU()]
    stack.append(layers.Flatten())
    stack += [layers.Dense(width, activation="relu") for width in part.dense]
    return keras.Sequential(stack)


def view(network: Network) -> keras.Layer:
    """From the image to what the classifier sees."""
    if network.transformer is None:
        return layers.AveragePooling2D(network.block) if network.block > 1 else layers.Identity()
    nets = [features(network.transformer.localization) for _ in network.transformer.stages]
    return getattr(cpabx.layers, network.transformer.layer)(
        localization=nets if len(nets) > 1 else nets[0],
        input_shape=network.image,
        output_size=network.seen[:2],
        backend="tensorflow",
        **network.transformer.options,
    )


class Adam(keras.optimizers.Adam):  # type: ignore[misc]
    """Adam as its authors and torch have it, epsilon beside the corrected root; Keras puts it beside the other one.

    Source: Kingma and Ba, ICLR 2015, algorithm 1. The difference shows where gradients are small, as those of a
    localization network are that has just left the identity.
    """

    def update_step(self, gradient: tf.Tensor, variable: Any, learning_rate: tf.Tensor) -> None:
        step = tf.cast(self.iterations + 1, variable.dtype)
        index = self._get_variable_index(variable)
        mean, square = self._momentums[index], self._velocities[index]
        self.assign_add(mean, (gradient - mean) * (1 - self.beta_1))
        self.assign_add(square, (gradient * gradient - square) * (1 - self.beta_2))
        root = tf.sqrt(square / (1 - self.beta_2**step)) + self.epsilon
        self.assign_sub(variable, learning_rate / (1 - self.beta_1**step) * mean / root)


class KerasTrainer(BaseTrainer):
    """See :class:`cpabx_experiments.training.engines.Trainer`."""

    def __init__(
        self, network: Network, training: Training, seed: int, augment: Augment | None, share: Share, strategy: Any
    ) -> None:
        self._strategy = strategy
        super().__init__(network, training, seed, augment, share)

    def _build(self) -> None:
        with self._strategy.scope():
            self._eye, self._features = view(self.network), features(self.network.classifier)
            self._last = layers.Dense(self.network.outputs)
            self._eye.build((None, *self.network.image))
            self._features.build((None, *self.network.seen))
            self._last.build((None, self.network.classifier.outputs(self.network.seen)))
            parts = (self._eye, self._features, self._last)
            self._variables = [variable for part in parts for variable in part.trainable_variables]
            self._optimizer = Adam(self.training.learning_rate, epsilon=1e-8)  # torch's epsilon
            self._optimizer.build(self._variables)
        self.parameters = sum(int(np.prod(variable.shape)) for variable in self._variables)
        self._compile()

    def _compile(self) -> None:
        """Graphs for batches of every size, so that the last one of an epoch needs no other."""
        images = tf.TensorSpec((None, *self.network.image))
        classes = self.network.task == "classes"
        targets = tf.TensorSpec((None,), tf.int64) if classes else tf.TensorSpec((None, self.network.outputs))
        graph = functools.partial(tf.function, autograph=False)  # no condition depends on a tensor
        parts = [images, targets, tf.TensorSpec((None, None)), tf.TensorSpec((None,)), tf.TensorSpec(())]
        self._run_step = graph(self._distributed_step, input_signature=parts)
        self._run_model = graph(self._model, input_signature=[images])
        self._run_eye = graph(self._eye, input_signature=[images])
        self._run_sum = graph(self._distributed_sum, input_signature=[tf.TensorSpec((2,), tf.float64)])
        if self.network.transformer:
            self._run_theta = graph(self._eye.theta, input_signature=[images])

    def _model(self, images: tf.Tensor, keep: tf.Tensor | None = None) -> tf.Tensor:
        """Images to logits; of pairs, the left images first, then the right ones."""
        found = self._features(self._eye(images))
        if self.network.task == "pairs":
            left, right = tf.split(found, 2)
            found = tf.abs(left - right)
        return self._last(found if keep is None else found * keep)

    # -- training --------------------------------------------------------------------------------

    def _step(self, batch: Batch) -> tuple[float, Array]:
        self._optimizer.learning_rate = batch.rate
        loss, logits = self._run_step(batch.images, batch.targets, batch.keep, batch.weights, np.float32(batch.size))
        return float(loss), np.asarray(logits)

    def _distributed_step(self, *batch: tf.Tensor) -> Any:
        """On the one replica of this process; the gradients are summed over all."""
        return self._strategy.run(self._replica_step, args=batch)

    def _replica_step(
        self, images: tf.Tensor, targets: tf.Tensor, keep: tf.Tensor, weights: tf.Tensor, size: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        values = [variable.value for variable in self._variables]
        with tf.GradientTape() as tape:
            logits = self._model(images, keep)
            loss = tf.reduce_sum(self._losses(logits, targets) * weights)
            share = loss / size
        self._optimizer.apply(tape.gradient(share, values), self._variables)
        return loss, logits

    def _losses(self, logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """(N,), of each image or pair."""
        if self.network.task == "classes":
            return tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
        return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(targets, logits), axis=1)

    def _logits(self, images: Array) -> Array:
        return np.asarray(self._run_model(images))

    def _view(self, images: Array) -> Array:
        return np.asarray(self._run_eye(images))

    def _theta(self, images: Array) -> Array:
        return np.asarray(self._run_theta(images))

    def _sum(self, numbers: Array) -> Array:
        if self.share.world == 1:
            return numbers

        return np.asarray(self._run_sum(numbers))

    def _distributed_sum(self, numbers: tf.Tensor) -> Any:
        return self._strategy.run(self._replica_sum, args=(numbers,))

    @staticmethod
    def _replica_sum(numbers: tf.Tensor) -> tf.Tensor:
        # The identity puts them on a device, without which there is nothing to reduce to.
        return tf.distribute.get_replica_context().all_reduce("sum", tf.identity(numbers))

    def _diverged(self, error: Exception) -> bool:
        # The native operation has one class of errors; it is this advice that tells them apart.
        return isinstance(error, tf.errors.InvalidArgumentError) and "Make theta or the time smaller" in str(error)

    # -- state -----------------------------------------------------------------------------------

    def weights(self) -> list[Array]:
        return _arrays(self._variables)

    def _assign(self, weights: Sequence[Array]) -> None:
        _assign(self._variables, weights)

    def _state(self) -> State:
        adam = self._optimizer
        means, squares = _arrays(adam._momentums), _arrays(adam._velocities)
        return State(self.epoch, int(adam.iterations.numpy()), self.weights(), means, squares)

    def _restore(self, state: State) -> None:
        _assign(self._optimizer._momentums, state.means)
        _assign(self._optimizer._velocities, state.squares)
        self._optimizer.iterations.assign(state.step)


def _arrays(variables: Sequence[Any]) -> list[Array]:
    return [np.array(variable.numpy()) for variable in variables]


def _assign(variables: Sequence[Any], values: Sequence[Array]) -> None:
    for variable, array in zip(variables, values, strict=True):
        variable.assign(array)


class KerasEngine:
    """See :class:`cpabx_experiments.training.engines.Engine`."""

    name = "tensorflow"
    version = f"TensorFlow {tf.__version__}, Keras {keras.__version__}"
    rank = 0
    world = 1

    def __init__(self) -> None:
        self._strategy: Any = None

    def prepare(self, threads: int | None = None, device: str | None = None) -> None:
        if threads is not None:
            with contextlib.suppress(RuntimeError):  # TensorFlow runs already, with as many as somebody else chose
                tf.config.threading.set_intra_op_parallelism_threads(threads)
        if device is not None:
            self._see(device.lower())
        if "TF_CONFIG" in os.environ and self._strategy is None:
            self._strategy = tf.distribute.MultiWorkerMirroredStrategy()
            resolver = self._strategy.cluster_resolver
            self.rank, self.world = resolver.task_id, self._strategy.num_replicas_in_sync
        tf.config.experimental.enable_op_determinism()
        tf.random.set_seed(0)  # random operations are errors without: the engine has none, but others may

    def meet(self) -> None:
        if self.world > 1:
            one = tf.ones((1,), tf.float64)
            tf.function(lambda: self._strategy.run(KerasTrainer._replica_sum, args=(one,)))()

    @staticmethod
    def _see(device: str) -> None:
        """Hides all devices but one; the CPU is always there."""
        gpus = {f"gpu:{i}": gpu for i, gpu in enumerate(tf.config.list_physical_devices("GPU"))}
        wanted = "gpu:0" if device == "gpu" else device
        if wanted not in ("cpu", *gpus):
            found = ", ".join(["cpu", *gpus])
            raise DeviceError(f"device must be one of this machine, {found}", repr(device), "Choose one of these.")
        if gpus:
            tf.config.set_visible_devices([gpus[wanted]] if wanted in gpus else [], "GPU")

    def trainer(self, network: Network, training: Training, seed: int, augment: Augment | None = None) -> Trainer:
        strategy = self._strategy or tf.distribute.get_strategy()
        return KerasTrainer(network, training, seed, augment, Share(self.rank, self.world), strategy)


ENGINE = KerasEngine()
