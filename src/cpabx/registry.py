"""Choose a backend: by name, by a context, or by the tensors of a call."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from cpabx.backend import Backend
from cpabx.errors import BackendMismatchError, OptionError, shown
from cpabx.plugins import BackendInfo, Plugins, from_environment
from cpabx.tracing import constant_while_tracing, forget

_plugins = Plugins()
_chosen: str | None = None  # by set_backend
_chosen_here: ContextVar[str | None] = ContextVar("cpabx_backend", default=None)  # by use_backend


def available_backends(*, load: bool = True) -> tuple[BackendInfo, ...]:
    """All installed backends, their versions, and why one cannot be used.

    Args:
        load: import each framework to see whether it works. False only lists what is installed.

    Returns:
        One line for each, by name.
    """
    return _plugins.listed(load=load)


def set_backend(name: str, *, fallback: str | None = None) -> None:
    """Choose the backend for what has no tensor yet: layers, ``sample``, ``identity``.

    Args:
        name: of an installed backend, as ``"torch"``.
        fallback: what becomes of its tensors on devices that cpabx does not work on, such as Apple's. By default CPAB
            transformations of them are a DeviceError. ``"cpu"`` copies them to the CPU for each call, and results
            back: slow, with the bits of the CPU, and differentiable. It holds until this function is called for the
            same backend again.

    Raises:
        BackendNotFoundError, BackendLoadError: it cannot be used; the choice stays as it was.
        OptionError: another fallback.
        UnsupportedError: a backend that has none.
    """
    global _chosen  # noqa: PLW0603 - the one choice of this process
    if fallback not in (None, "cpu"):
        raise OptionError("fallback must be None or 'cpu'", shown(fallback), "Leave it out.")
    _plugins.load(name).set_fallback(fallback)
    _chosen = name


def get_backend(backend: str | None = None) -> Backend:
    """The backend in force: the argument, ``use_backend``, ``set_backend``, the environment variable
    ``CPABX_BACKEND``, and numpy last.

    Args:
        backend: a name, to load that one.

    Returns:
        What a plugin provides; see :class:`cpabx.backend.Backend`.

    Raises:
        BackendNotFoundError, BackendLoadError: it cannot be used.
    """
    if backend is not None:
        return _plugins.load(backend)
    return _plugins.load(_chosen_here.get() or _chosen or from_environment() or "numpy")


@contextlib.contextmanager
def use_backend(name: str) -> Iterator[Backend]:
    """Choose a backend inside a ``with`` block, for this thread or task only.

    Args:
        name: of an installed backend.

    Returns:
        A context manager, which gives the backend.

    Raises:
        BackendNotFoundError, BackendLoadError: it cannot be used.
    """
    backend = _plugins.load(name)
    token = _chosen_here.set(name)
    try:
        yield backend
    finally:
        _chosen_here.reset(token)


def clear_caches() -> None:
    """Frees what was computed for later calls and can be computed again: grids of pixels and the like.

    It is at most 12 MiB of arrays by itself (beside one that is larger alone, such as that of a spline with 1300
    control points), 30 MiB with their twins in a framework, of which each lives as long as its array. The basis of a
    :class:`cpabx.Cpab` belongs to it, and lives and dies with it; this frees its twins alone.
    """
    forget()
    for backend in list(_plugins.backends.values()):
        backend.clear_caches()


def check_device_errors() -> None:
    """Raises what has failed on a device in an earlier call; it does not wait.

    Work on a GPU is done after the call that asked for it. What the CPU refuses at once, a field that is too large or a
    trajectory that overflows, is NaN there, for its items of the batch alone, and becomes an error in a later call of
    cpabx on that device, or here. To be sure of all calls so far, wait for the device before: with
    ``torch.cuda.synchronize()``. The environment variable ``CPABX_CHECK=now`` makes every call wait, and raise its own
    errors. While a CUDA graph is captured nothing is raised.

    Raises:
        RangeError: a velocity field was too large; the message names the item of the batch.
        DivergenceError: a trajectory left the range of its number type.
    """
    for backend in list(_plugins.backends.values()):
        backend.check_device_errors()


# -- by tensors ----------------------------------------------------------------------------------


def owner(value: Any) -> str | None:
    """Name of the backend that a tensor belongs to; None for lists, numbers and the like."""
    if isinstance(value, (list, tuple, int, float, bool, type(None))):
        return None
    return _owner(type(value))


@constant_while_tracing
def _owner(kind: Any) -> str | None:
    return _plugins.owner_of(kind)


def backend_for(backend: str | None = None, **tensors: Any) -> Backend:
    """The backend of a call: that of its tensors, or the one in force if there are none.

    Raises:
        BackendMismatchError: the tensors belong to two frameworks, or ``backend`` contradicts them.
    """
    return _plugins.backends[_loaded(backend, tuple(tensors), tuple(map(type, tensors.values())))]


@constant_while_tracing
def _loaded(backend: str | None, arguments: tuple[str, ...], kinds: tuple[Any, ...]) -> str:
    """Name of the backend of a call whose arguments have these names and types, after it was loaded."""
    sole = _plugins.sole_owner_of(kinds) if backend is None else None
    if sole is not None and sole in _plugins.backends:  # most calls
        return sole
    owners = {}
    for argument, kind in zip(arguments, kinds, strict=True):
        if name := _plugins.owner_of(kind):
            owners[argument] = name
    names = set(owners.values())
    if len(names) > 1:
        raise BackendMismatchError(
            "all tensors of a call must come from one framework", _listed(owners), "Convert them to one of the two."
        )
    if backend is not None and not isinstance(backend, str):
        _plugins.entry(backend)  # says what it must be
    if backend is not None and names and names != {backend}:
        raise BackendMismatchError(
            f"backend={shown(backend)} was asked for", _listed(owners), "Leave out backend=, or convert the tensors."
        )
    name = names.pop() if names else backend
    return name if name in _plugins.backends else get_backend(name).name


def _listed(owners: dict[str, str]) -> str:
    return ", ".join(f"{argument} from {name}" for argument, name in owners.items())


@constant_while_tracing
def tracing_but_for(name: str) -> str | None:
    """A loaded backend of another name whose framework makes a graph of this call; None if there is none."""
    return next((other for other, backend in _plugins.backends.items() if other != name and backend.tracing()), None)


__all__ = [
    "BackendInfo",
    "available_backends",
    "backend_for",
    "check_device_errors",
    "clear_caches",
    "get_backend",
    "owner",
    "set_backend",
    "tracing_but_for",
    "use_backend",
]
