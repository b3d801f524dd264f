"""Networks in torch: built, trained, asked."""

from __future__ import annotations

import atexit
import os
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

import cpabx
from cpabx.errors import DeviceError, DivergenceError, RangeError
from cpabx_experiments.protocol.network import Features, Network, Size
from cpabx_experiments.training.engines import Array, Augment, Trainer, Training
from cpabx_experiments.training.engines.batches import Batch, Share
from cpabx_experiments.training.engines.checkpoints import State
from cpabx_experiments.training.engines.trainer import BaseTrainer


class Flat(nn.Module):
    """(N, C, H, W) to (N, H * W * C): channels last, as the other framework has them."""

    def forward(self, images: Tensor) -> Tensor:
        return images.permute(0, 2, 3, 1).flatten(1)


def features(part: Features, image: Size) -> nn.Sequential:
    """The layers that make features of images (N, C, H, W)."""
    layers: list[nn.Module] = [nn.AvgPool2d(part.reduce)] if part.reduce > 1 else []
    channels, width = image[2], part.flat(image)
    for one in part.convolutions:
        # The maximum first: it leaves ReLU a quarter of the numbers, and the result is the same.
        layers += [nn.Conv2d(channels, one.filters, one.size, padding="same"), nn.MaxPool2d(one.pool), nn.ReLU()]
        channels = one.filters
    layers.append(Flat())
    for dense in part.dense:
        layers += [nn.Linear(width, dense), nn.ReLU()]
        width = dense
    return nn.Sequential(*layers)


def view(network: Network) -> nn.Module:
    """From the image to what the classifier sees."""
    height, width, channels = network.image
    if network.transformer is None:
        return nn.AvgPool2d(network.block) if network.block > 1 else nn.Identity()
    nets = [features(network.transformer.localization, network.image) for _ in network.transformer.stages]
    layer: nn.Module = getattr(cpabx.layers, network.transformer.layer)(
        localization=nets if len(nets) > 1 else nets[0],
        input_shape=(channels, height, width),
        output_size=network.seen[:2],
        backend="torch",
        **network.transformer.options,
    )
    return layer


class Model(nn.Module):
    """Images (N, C, H, W) to logits; of pairs, the left images first, then the right ones."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.pairs = network.task == "pairs"
        self.view = view(network)
        self.features = features(network.classifier, network.seen)
        self.last = nn.Linear(network.classifier.outputs(network.seen), network.outputs)

    def forward(self, images: Tensor, keep: Tensor | None = None) -> Tensor:
        found: Tensor = self.features(self.view(images))
        if self.pairs:
            left, right = found.chunk(2)
            found = (left - right).abs()
        logits: Tensor = self.last(found if keep is None else found * keep)
        return logits


class TorchTrainer(BaseTrainer):
    """See :class:`cpabx_experiments.training.engines.Trainer`."""

    def __init__(
        self,
        network: Network,
        training: Training,
        seed: int,
        augment: Augment | None,
        share: Share,
        device: torch.device,
    ) -> None:
        self._device = device
        super().__init__(network, training, seed, augment, share)

    def _build(self) -> None:
        # Convolutions are up to ten times as fast with channels last, and flat features need no copy.
        self._model = Model(self.network).to(self._device)
        self._model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._parameters = list(self._model.parameters())
        self.parameters = sum(parameter.numel() for parameter in self._parameters)
        self._optimizer = torch.optim.Adam(self._parameters)
        self._forward: nn.Module = DistributedDataParallel(self._model) if self.share.world > 1 else self._model

    def _step(self, batch: Batch) -> tuple[float, Array]:
        keep, targets, weights = map(self._tensor, (batch.keep, batch.targets, batch.weights))
        self._optimizer.zero_grad()
        logits = self._forward(self._images(batch.images), keep)
        loss = (self._losses(logits, targets) * weights).sum()
        # The factor: DistributedDataParallel takes the mean over processes, not the sum.
        (loss * (self.share.world / batch.size)).backward()  # type: ignore[no-untyped-call]
        self._optimizer.param_groups[0]["lr"] = batch.rate
        self._optimizer.step()
        return loss.item(), _array(logits)

    def _losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """(N,), of each image or pair."""
        if self.network.task == "classes":
            return nn.functional.cross_entropy(logits, targets, reduction="none")
        return nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(1)

    def _logits(self, images: Array) -> Array:
        with torch.inference_mode():
            return _array(self._model(self._images(images)))

    def _view(self, images: Array) -> Array:
        with torch.inference_mode():
            return _array(self._model.view(self._images(images)).permute(0, 2, 3, 1))

    def _theta(self, images: Array) -> Array:
        with torch.inference_mode():
            return _array(self._model.view.theta(self._images(images)))  # type: ignore[operator]

    def _tensor(self, array: Array) -> Tensor:
        return torch.from_numpy(array).to(self._device)

    def _images(self, images: Array) -> Tensor:
        return self._tensor(images).permute(0, 3, 1, 2)

    def _sum(self, numbers: Array) -> Array:
        if self.share.world == 1:
            return numbers
        tensor = self._tensor(numbers)
        distributed.all_reduce(tensor)
        return _array(tensor)

    def _diverged(self, error: Exception) -> bool:
        return isinstance(error, (RangeError, DivergenceError))

    # -- state -----------------------------------------------------------------------------------

    def weights(self) -> list[Array]:
        return [_canonical(parameter) for parameter in self._parameters]

    def _assign(self, weights: Sequence[Array]) -> None:
        for parameter, values in zip(self._parameters, weights, strict=True):
            _fill(parameter, values)

    def _state(self) -> State:
        states = [self._optimizer.state[parameter] for parameter in self._parameters]
        if not states[0]:
            zeros = [np.zeros_like(weight) for weight in self.weights()]
            return State(self.epoch, 0, self.weights(), zeros, zeros)
        means, squares = ([_canonical(state[name]) for state in states] for name in ("exp_avg", "exp_avg_sq"))
        return State(self.epoch, int(states[0]["step"]), self.weights(), means, squares)

    def _restore(self, state: State) -> None:
        for parameter, mean, square in zip(self._parameters, state.means, state.squares, strict=True):
            self._optimizer.state[parameter] = {
                "step": torch.tensor(float(state.step)),
                "exp_avg": _fill(torch.zeros_like(parameter), mean),
                "exp_avg_sq": _fill(torch.zeros_like(parameter), square),
            }


def _array(tensor: Tensor) -> Array:
    return tensor.detach().cpu().numpy()


def _canonical(weight: Tensor) -> Array:
    """A copy in the layout of :func:`cpabx_experiments.protocol.network.shapes`."""
    order = {4: (2, 3, 1, 0), 2: (1, 0)}.get(weight.ndim, (0,))
    return np.array(_array(weight.permute(order)))


def _fill(weight: Tensor, values: Array) -> Tensor:
    """The other way round, in place."""
    order = {4: (3, 2, 0, 1), 2: (1, 0)}.get(weight.ndim, (0,))
    with torch.no_grad():
        return weight.copy_(torch.from_numpy(np.asarray(values, np.float32).transpose(order)))


def _device(name: str) -> torch.device:
    """Raises DeviceError if there is none of the name."""
    try:
        device = torch.device(name)
        if device.type == "cuda" and device.index is None:
            device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was built with CUDA
        first = str(error).splitlines()[0]
        raise DeviceError(f"device must be one that torch can use, not {name!r}", first, "Try 'cpu'.") from error
    return device


class TorchEngine:
    """See :class:`cpabx_experiments.training.engines.Engine`."""

    name = "torch"
    version = f"torch {torch.__version__}"
    rank = 0
    world = 1

    def __init__(self) -> None:
        self._device = torch.device("cpu")

    def prepare(self, threads: int | None = None, device: str | None = None) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # or CUDA's products are not deterministic
        torch.use_deterministic_algorithms(True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # it takes time
        self._device = _device(device or "cpu")
        if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not distributed.is_initialized():
            distributed.init_process_group("nccl" if self._device.type == "cuda" else "gloo")
            atexit.register(distributed.destroy_process_group)
        if distributed.is_initialized():
            self.rank, self.world = distributed.get_rank(), distributed.get_world_size()

    def meet(self) -> None:
        if self.world > 1:
            distributed.barrier()

    def trainer(self, network: Network, training: Training, seed: int, augment: Augment | None = None) -> Trainer:
        return TorchTrainer(network, training, seed, augment, Share(self.rank, self.world), self._device)


ENGINE = TorchEngine()
