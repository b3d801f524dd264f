"""CPAB transformations in plain array operations, for what has no call of libcpab.

``with cpabx.export.portable(12):`` puts them in force; :func:`transform` is the walk itself.
"""

from cpabx.portable.operations import NumpyOperations, Operations
from cpabx.portable.strides import Strides
from cpabx.portable.walk import transform

__all__ = ["NumpyOperations", "Operations", "Strides", "transform"]
