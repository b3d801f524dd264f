"""Nodes of models that are written by hand."""

from __future__ import annotations

from collections.abc import Sequence

from onnx import NodeProto, helper

from cpabx.errors import OptionError
from cpabx.options import one_of
from cpabx.sampling import Sampling
from cpabx.tessellation import Tessellation
from cpabx_onnx.attributes import of_problem
from cpabx_onnx.schemas import schemas


def node(
    operator: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    *,
    tessellation: Tessellation | None = None,
    time: float | None = None,
    output_size: Sequence[int] | None = None,
    sampling: Sampling | None = None,
) -> NodeProto:
    """A node of domain ``cpabx``.

    Args:
        operator: its name; :mod:`.schemas` tells what each takes and gives.
        inputs: names of its inputs. A ``CpabWarp`` with a third one finds the size of its output there.
        outputs: names of its outputs. One that is empty, or left out at the end, is not computed.
        tessellation: of all but ``CpabSample``; ``cpabx.Cpab(...).tessellation`` is one.
        time: of the flow, where there is one.
        output_size: of a ``CpabWarp`` without a third input: (W,), (H, W) or (D, H, W).
        sampling: of ``CpabSample`` and ``CpabWarp``.

    Raises:
        OptionError: no such operator, or not the options that it has.
    """
    schema = schemas()[one_of("operator", operator, tuple(schemas()))]
    attributes = of_problem(tessellation, time, output_size, sampling)
    wanted = set(schema.attributes) - ({"output_size"} if len(inputs) > 2 else set())
    if set(attributes) != wanted:
        had, needs = (", ".join(sorted(names)) or "none" for names in (set(attributes), wanted))
        raise OptionError(f"{operator} must have the attributes {needs}", had, "Pass what they are made of.")
    return helper.make_node(operator, inputs, outputs, domain=schema.domain, **attributes)
