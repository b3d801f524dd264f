"""Parameters of a family: those of the identity, and random ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cpabx import registry
from cpabx.backend import Backend, Tensor
from cpabx.tracing import constant_while_tracing, kept_by_owner
from cpabx.transforms.arguments import count, finite, float_name
from cpabx.transforms.draws import checked_noise, draw
from cpabx.transforms.family import Array, Family, frozen


class Parameters(Family):
    """Theta of the identity, and around it."""

    def identity(self, n: int = 1, *, backend: str | None = None, device: Any = None, dtype: str = "float32") -> Tensor:
        """Parameters of the identity map.

        Args:
            n: how many.
            backend: in which to return them; by default the one in force.
            device: as in :meth:`sample`.
            dtype: of the result.

        Returns:
            (n, d).
        """
        chosen = registry.backend_for(backend)
        return _repeated_identity(self, count(n), chosen.name, device, float_name(dtype))

    def sample(
        self,
        n: Any = 1,
        *,
        seed: int | None = None,
        generator: Any = None,
        scale: float = 0.1,
        backend: str | None = None,
        device: Any = None,
        dtype: str = "float32",
    ) -> Tensor:
        """Random parameters: those of the identity plus ``scale`` times N(0, 1).

        Without ``seed`` and ``generator`` the numbers are the framework's own, and follow its global seed:
        ``torch.manual_seed``; ``keras.utils.set_random_seed`` or ``tf.random.set_seed``; ``np.random.seed``. In a
        graph (``torch.compile``, ``torch.export``, ``tf.function``, ``tf.data``, Keras layers) they are drawn anew
        in each run. With a global seed, TensorFlow repeats them in each pass over a ``tf.data`` set and each new graph,
        as its own operations do. JAX has no such state: it draws numpy's numbers, and under ``jit`` needs a key.

        Args:
            n: how many; in a graph also a scalar of its framework.
            seed: a whole number, 0 or more. It gives the same numbers in every backend, those of
                ``np.random.default_rng(seed)``, at every call; in a graph they are a constant.
            generator: a ``torch.Generator``, ``tf.random.Generator``, ``keras.random.SeedGenerator`` or key of JAX,
                which also chooses the backend. A numpy ``Generator`` serves every backend, and with that seed
                gives the numbers of ``seed``; in a graph it is refused.
            scale: the standard deviation, a number. A tensor goes into :meth:`theta_from`.
            backend: in which to return them; by default the generator's, or else the one in force.
            device: where; by default where the framework puts new tensors, or a torch generator has its own.
            dtype: of the result.

        Returns:
            (n, d).

        Raises:
            OptionError: a seed, generator, scale or number that is none, or a seed and a generator.
            BackendMismatchError: a generator of another framework than the backend.
            DeviceError: the framework has no such device.
            UnsupportedError: the backend has no random numbers of its own, or they would become a constant of
                another framework's graph.
        """
        number = finite("scale", scale, "Pass a number; tensors go into theta_from(scale * noise, scale=1).")
        if seed is not None:  # a constant, also for a compiler that lets numbers change: this returns what it is given
            number = math.ldexp(*math.frexp(number))
        return draw(self, n, number, seed=seed, generator=generator, backend=backend, device=device, dtype=dtype)

    def theta_from(self, noise: Tensor, *, scale: float = 0.1, backend: str | None = None) -> Tensor:
        """The parameters of the identity plus ``scale`` times noise: :meth:`sample` of numbers that are given.

        Args:
            noise: (N, d).
            scale: a number.
            backend: only to insist on one; tensors bring their own.

        Returns:
            (N, d), with the dtype and device of noise, differentiable.

        Raises:
            ShapeError, DtypeError, BackendMismatchError: as in :meth:`transform`.
            OptionError: a scale that is no finite number.
        """
        number = finite("scale", scale, "Pass a number; multiply noise by tensors before.")
        chosen, noise = checked_noise(noise, self.n_params, backend)
        return self.theta_of_noise(chosen, noise, number)

    def theta_of_noise(self, backend: Backend, noise: Tensor, scale: float) -> Tensor:
        """What :meth:`theta_from` computes, of arguments that are checked.

        Args:
            backend: the one of noise.
            noise: (N, d).
            scale: a number.

        Returns:
            (N, d).
        """
        return backend.constant(_identity_of(self), like=noise) + scale * noise


@kept_by_owner
def _identity_of(family: Family) -> Array:
    return frozen(family.identity_theta())


@constant_while_tracing
def _repeated_identity(family: Family, n: int, backend: str, device: Any, dtype: str) -> Tensor:
    chosen = registry.get_backend(backend)
    return chosen.to_device(chosen.asarray(np.tile(family.identity_theta(), (n, 1)), dtype=dtype), device)
