"""What :mod:`cpabx.align` fits with: networks, or theta of each series, and their training."""

from cpabx_torch.alignment.models import fitted

__all__ = ["fitted"]
