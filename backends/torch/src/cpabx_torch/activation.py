"""Activations that are learnt: a diffeomorphism of the line, of each value."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx, nn

from cpabx.errors import DtypeError
from cpabx.layers.activation import activation_family, check_channels, checked_channels
from cpabx.portable.option import checked_export
from cpabx_torch import localization, tracers
from cpabx_torch.exporting import exported
from cpabx_torch.precision import at_least_single, without_autocast


class CPABActivation(nn.Module):
    """Each value goes to T^theta of itself; see :func:`cpabx.layers.CPABActivation`.

    Args:
        channels: None for one theta, or the number of channels, (N, C, ...), with one each.
        cells: of the field, or a :class:`cpabx.Cpab` in 1D.
        export: ``"portable"`` computes the flow in torch's own operations, as in all layers.
        device, dtype: of the parameters.

    Attributes:
        theta: (1 or C, d), zero at the start.
    """

    def __init__(
        self,
        channels: int | None = None,
        cells: Any = 10,
        *,
        export: str | None = None,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        localization.check_dtype(dtype)
        self.export = checked_export(export)
        self.transformation = activation_family(cells)
        self.channels = checked_channels(channels)
        size = (self.channels or 1, self.transformation.n_params)
        self.theta = nn.Parameter(torch.zeros(size, device=device, dtype=dtype))

    def reset_parameters(self) -> None:
        """Starts anew, from the identity."""
        nn.init.zeros_(self.theta)

    def forward(self, values: Tensor) -> Tensor:
        """The activations.

        Args:
            values: of any shape, or (N, C, ...) with a theta for each channel.

        Returns:
            The same shape and type. Half precision is computed in float32.

        Raises:
            ShapeError: another number of channels.
            DtypeError: no tensor of floats.
        """
        return tracers.leaf(self, values) if isinstance(values, fx.Proxy) else self._through(values, 1.0)

    def inverse(self, values: Tensor) -> Tensor:
        """What :meth:`forward` came from, exactly; arguments and result are alike."""
        return self._through(values, -1.0)

    def _through(self, values: Tensor, time: float) -> Tensor:
        if not isinstance(values, Tensor) or not values.is_floating_point():
            kind = str(values.dtype) if isinstance(values, Tensor) else f"a {type(values).__name__}"
            raise DtypeError("values must be a tensor of floats", kind, "Convert it.")
        check_channels(tuple(values.shape), 1, self.channels)
        with without_autocast(values), exported(self.export):
            x = at_least_single(values)
            theta = self.theta.to(x.dtype)
            if self.channels is None:
                y: Tensor = self.transformation.transform(x.reshape(1, -1, 1), theta, time=time).reshape(x.shape)
            else:
                first = x.movedim(1, 0)
                moved = self.transformation.transform(first.reshape(self.channels, -1, 1), theta, time=time)
                y = moved.reshape(first.shape).movedim(0, 1)
            return y.to(values.dtype)

    __prepare_scriptable__ = tracers.refuse_script

    def extra_repr(self) -> str:
        form = "" if self.export is None else f", export={self.export!r}"
        return f"channels={self.channels}, {self.transformation!r}{form}"
