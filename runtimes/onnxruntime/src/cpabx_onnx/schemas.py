r"""The operators as ONNX describes operators: what each takes and gives, and its attributes.

========================= =============================================== ==========================================
operator                  inputs                                          outputs
========================= =============================================== ==========================================
``CpabTransform``         points (1 or N, P, n), velocity (N, V, n)       out (N, P, n)
``CpabVelocity``          points (1 or N, P, n), velocity (N, V, n)       out (N, P, n)
``CpabJacobian``          points (1 or N, P, n), velocity (N, V, n)       jacobian (N, P, n, n), log_det (N, P)
``CpabSample``            images (N, C, \*size), points (1 or N, P, n)    out (N, C, P)
``CpabWarp``              images (N, C, \*size), velocity (N, V, n),      out (N, C, \*output_size)
                          size (n,), unless the node says output_size
========================= =============================================== ==========================================

Arrays are float32, or all float64. Every attribute must be there. Real numbers are tensors of doubles, since those in
attributes of type FLOAT have 32 bits; and the domain of a tessellation is called its bounds, since ONNX means another
thing by a domain.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from onnx.defs import OpSchema

_TYPES = ["tensor(float)", "tensor(double)"]
_FIELD = {"cells": "INTS", "bounds": "TENSOR", "outside": "STRING"}
_FLOW = {**_FIELD, "time": "TENSOR"}
_SAMPLING = {"mode": "STRING", "padding_mode": "STRING", "align_corners": "INT"}
_OPTIONAL = ("size", "output_size")


@functools.cache
def schemas() -> dict[str, OpSchema]:
    """By name of the operator."""
    warp = {**_FLOW, "output_size": "INTS", **_SAMPLING}
    made = [
        _schema("CpabTransform", ["points", "velocity"], ["out"], _FLOW),
        _schema("CpabVelocity", ["points", "velocity"], ["out"], _FIELD),
        _schema("CpabJacobian", ["points", "velocity"], ["jacobian", "log_det"], _FLOW),
        _schema("CpabSample", ["images", "points"], ["out"], _SAMPLING),
        _schema("CpabWarp", ["images", "velocity", "size"], ["out"], warp),
    ]
    return {schema.name: schema for schema in made}


def _schema(name: str, inputs: Sequence[str], outputs: Sequence[str], attributes: dict[str, str]) -> OpSchema:
    optional = OpSchema.FormalParameterOption.Optional
    whole = OpSchema.FormalParameter("size", "tensor(int64)", param_option=optional)
    return OpSchema(
        name,
        "cpabx",
        1,
        inputs=[whole if name in _OPTIONAL else OpSchema.FormalParameter(name, "T") for name in inputs],
        outputs=[OpSchema.FormalParameter(name, "T") for name in outputs],
        type_constraints=[("T", _TYPES, "all arrays")],
        attributes=[
            OpSchema.Attribute(key, getattr(OpSchema.AttrType, kind), required=key not in _OPTIONAL)
            for key, kind in attributes.items()
        ],
    )
