"""What AutoGraph, the part of ``tf.function`` that rewrites Python, must know about cpabx."""

from __future__ import annotations

from tensorflow.python.autograph.core import config  # there is no public way; the wheel pins TensorFlow's minor

from cpabx.errors import CpabxError


def leave_alone() -> None:
    """Make AutoGraph run cpabx as it is, and pass its exceptions on as they are. May be called again."""
    # Our control flow never depends on a tensor's values, and AutoGraph warns of syntax it cannot rewrite.
    rules = [config.DoNotConvert(module) for module in ("cpabx", "cpabx_tensorflow")]
    known = {str(rule) for rule in config.CONVERSION_RULES}
    config.CONVERSION_RULES = (*(r for r in rules if str(r) not in known), *config.CONVERSION_RULES)
    # Without this attribute, exceptions that take several arguments leave a tf.function as StagingError.
    CpabxError.ag_pass_through = True  # type: ignore[attr-defined]
