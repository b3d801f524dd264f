"""What a call computes besides its tensors, in types that an operator of torch may take, and back.

A flow is (tessellation, time), of velocities (tessellation,); sampling is (Sampling,); and a warp is (tessellation,
time, output size, Sampling): see :mod:`cpabx.native.functions`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cpabx.sampling import Sampling
from cpabx.tessellation import Tessellation
from cpabx.tracing import kept

_FLOW = "SymInt[] cells, float[] domain, str outside"
_SAMPLING = "str mode, str padding_mode, bool align_corners"

#: Types and names of the plain options, by how many options a problem has and what it is of.
SCHEMAS: dict[tuple[str, int], str] = {
    ("flow", 1): _FLOW,
    ("flow", 2): f"{_FLOW}, float time",
    ("sampling", 1): _SAMPLING,
    ("warp", 4): f"{_FLOW}, float time, SymInt[] output_size, {_SAMPLING}",
}


def flat_flow(tessellation: Tessellation, *time: float) -> tuple[Any, ...]:
    """The plain options of a flow."""
    return tessellation.cells, [bound for pair in tessellation.domain for bound in pair], tessellation.outside, *time


def flat_sampling(sampling: Sampling) -> tuple[Any, ...]:
    """The plain options of sampling."""
    return sampling.mode, sampling.padding_mode, sampling.align_corners


def flat_warp(tessellation: Tessellation, time: float, output_size: Sequence[int], sampling: Sampling) -> Any:
    """The plain options of a warp."""
    return *flat_flow(tessellation, time), output_size, *flat_sampling(sampling)


def flow_of(cells: Sequence[int], domain: Sequence[float], outside: str, *time: float) -> tuple[Any, ...]:
    """A flow of its plain options."""
    # A compiler that lets numbers change would let these, too.
    return _tessellation(tuple(map(int, cells)), tuple(map(float, domain)), outside), *time


def sampling_of(mode: str, padding_mode: str, align_corners: bool) -> tuple[Any, ...]:
    """Sampling of its plain options."""
    return (Sampling(mode, padding_mode, align_corners),)


def warp_of(cells: Any, domain: Any, outside: str, time: float, output_size: Any, *sampling: Any) -> tuple[Any, ...]:
    """A warp of its plain options."""
    return *flow_of(cells, domain, outside, time), output_size, *sampling_of(*sampling)


#: By the kind of a function: to plain options, and back.
FLAT: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "flow": (flat_flow, flow_of),
    "sampling": (flat_sampling, sampling_of),
    "warp": (flat_warp, warp_of),
}


@kept(64)
def _tessellation(cells: tuple[int, ...], domain: tuple[float, ...], outside: str) -> Tessellation:
    return Tessellation(cells, domain=list(zip(domain[::2], domain[1::2], strict=True)), outside=outside)
