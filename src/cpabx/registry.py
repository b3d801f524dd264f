"""Find, load and choose backends."""

from __future__ import annotations

import contextlib
import difflib
import functools
import os
import re
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from cpabx import hookspecs
from cpabx.backend import ABILITIES, Backend
from cpabx.errors import BackendLoadError, BackendMismatchError, BackendNotFoundError, shown
from cpabx.tracing import constant_while_tracing, forget

#: Backends that the project itself offers, and how to get them.
_OFFERED = {"numpy": "cpabx", "torch": "cpabx-torch", "tensorflow": "cpabx-tensorflow"}
_ALIASES = {"pytorch": "torch", "tf": "tensorflow", "keras": "tensorflow", "np": "numpy"}

_NO_HOOK = "no such hook, or one that is not decorated with cpabx.hookimpl"
_REPORT = "Report this to its authors."

_manager = pluggy.PluginManager("cpabx")
_manager.add_hookspecs(hookspecs)
_lock = threading.RLock()
_plugins: dict[str, Any] = {}
_backends: dict[str, Backend] = {}
_chosen: list[str] = []  # by set_backend: one name, or none
_chosen_here: ContextVar[str | None] = ContextVar("cpabx_backend", default=None)


@dataclass(frozen=True)
class BackendInfo:
    """One line of :func:`available_backends`.

    Attributes:
        name: what to ask for.
        distribution: the package that provides it, with its version.
        framework: the framework and its version; empty if not loaded.
        supports: the declared abilities.
        problem: why it cannot be loaded; empty if it can.
        notes: what else the backend says of itself.
    """

    name: str
    distribution: str
    framework: str = ""
    supports: frozenset[str] = frozenset()
    problem: str = ""
    notes: tuple[str, ...] = ()


# -- finding -------------------------------------------------------------------------------------


def _installed() -> dict[str, list[EntryPoint]]:
    found: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(group=hookspecs.ENTRY_POINT_GROUP):
        found.setdefault(entry.name, []).append(entry)
    return dict(sorted(found.items()))


def _distribution(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown package"


def _who(entry: EntryPoint) -> str:
    return f"backend {entry.name!r} ({_distribution(entry)})"


def _entry(name: Any) -> EntryPoint:
    installed = _installed()
    if not isinstance(name, str) or name not in installed:
        advice = _advice(name, installed) if isinstance(name, str) else "Pass the name of one."
        raise BackendNotFoundError(
            f"a backend must be one of those installed ({', '.join(installed)})", _said(name), advice
        )
    if len(installed[name]) > 1:
        both = " and ".join(_distribution(e) for e in installed[name])
        raise BackendLoadError(f"backend {name!r} must have one provider", both, "Uninstall one of them.")
    return installed[name][0]


def _said(name: Any) -> str:
    """A name that was asked for, and where, if it was not by an argument."""
    return f"{name!r} from CPABX_BACKEND" if isinstance(name, str) and name == _environment() else shown(name)


def _environment() -> str | None:
    return os.environ.get("CPABX_BACKEND") or None


def _advice(name: str, installed: dict[str, list[EntryPoint]]) -> str:
    wanted = _ALIASES.get(name.lower(), name.lower())
    if wanted not in {*installed, *_OFFERED}:
        close = difflib.get_close_matches(wanted, [*installed, *_OFFERED], n=1)
        wanted = close[0] if close else ""
    meant = f"Did you mean {wanted!r}? " if wanted and wanted != name else ""
    if wanted in installed:
        return f"Did you mean {wanted!r}?"
    if wanted in _OFFERED:
        return f"{meant}Install it: pip install {_OFFERED[wanted]}"
    return "Install a package that provides it, or ask for one of these."


# -- loading -------------------------------------------------------------------------------------


def _plugin(name: str) -> Any:
    """The plugin module, imported and registered; its framework is not."""
    with _lock:
        if name not in _plugins:
            entry = _entry(name)
            try:
                module = entry.load()
                _manager.register(module, name=name)
                _manager.check_pending()
            except Exception as error:
                if _manager.has_plugin(name):
                    _manager.unregister(name=name)
                raise _broken(entry, error) from error
            _plugins[name] = module
        return _plugins[name]


def _call(name: str, hook: str) -> Any:
    """The result of one plugin's hook, or None if it does not have it."""
    plugin = _plugin(name)
    others = [p for p in _manager.get_plugins() if p is not plugin]
    return _manager.subset_hook_caller(hook, remove_plugins=others)()


def _tensor_modules(name: str) -> tuple[str, ...]:
    """What the plugin's hook of that name answers, checked."""
    try:
        modules = _call(name, "cpabx_tensor_modules")
    except BackendLoadError:
        raise
    except Exception as error:
        raise _broken(_entry(name), error) from error
    if not isinstance(modules, tuple) or not all(isinstance(module, str) for module in modules):
        raise BackendLoadError(
            f"{_who(_entry(name))} must return a tuple of module names from its hook cpabx_tensor_modules",
            _NO_HOOK if modules is None else repr(modules),
            _REPORT,
        )
    return modules


def _broken(entry: EntryPoint, error: Exception) -> BackendLoadError:
    return BackendLoadError(
        f"{_who(entry)} must load",
        f"{type(error).__name__}: {error}",
        _repair(entry, error),
    )


def _repair(entry: EntryPoint, error: Exception) -> str:
    """What to do about an error of a plugin: install what it needs, if that is what is missing."""
    package = entry.dist.name if entry.dist else entry.name
    if isinstance(error, ModuleNotFoundError) and error.name:
        module = error.name.partition(".")[0]
        needed = [line.partition(";")[0].strip() for line in (entry.dist.requires or [] if entry.dist else [])]
        named = [line for line in needed if re.fullmatch(rf"{re.escape(module)}\b.*", line.replace("-", "_"))]
        return f"This Python has no {module}: pip install {_quoted(named[0] if named else module)}"
    if isinstance(error, ImportError) and "pip install" in str(error):  # it says what to install
        return "Install that, then try again."
    return f"Repair or upgrade it: pip install -U {package}"


def _quoted(requirement: str) -> str:
    """For a shell."""
    return f'"{requirement}"' if set(requirement) & set("<>[]!~ ") else requirement


def _load(name: str) -> Backend:
    with _lock:
        if not isinstance(name, str) or name not in _backends:
            entry = _entry(name)
            _plugin(name)
            try:
                backend = _call(name, "cpabx_backend")
            except Exception as error:
                raise _broken(entry, error) from error
            checked = _checked(entry, backend)
            _tensor_modules(name)
            _backends[name] = checked
        return _backends[name]


def _checked(entry: EntryPoint, backend: Any) -> Backend:
    who = _who(entry)
    if not isinstance(backend, Backend):
        raise BackendLoadError(
            f"{who} must return a cpabx.backend.Backend from its hook cpabx_backend",
            _NO_HOOK if backend is None else type(backend).__name__,
            _REPORT,
        )
    version = getattr(backend, "api_version", None)
    if version != hookspecs.API_VERSION:
        from cpabx import __version__

        raise BackendLoadError(
            f"{who} must be written for plugin API {hookspecs.API_VERSION} of cpabx {__version__}",
            f"plugin API {version}",
            f"Upgrade the older of the two: pip install -U cpabx {entry.dist.name if entry.dist else ''}".rstrip(),
        )
    _check_declarations(who, entry.name, backend)
    return backend


def _check_declarations(who: str, name: str, backend: Backend) -> None:
    """Raises BackendLoadError unless the class attributes are there, and true as far as can be seen."""
    missing = [attribute for attribute in Backend.__annotations__ if not hasattr(backend, attribute)]
    if missing:
        raise BackendLoadError(
            f"{who} must have the class attributes {', '.join(Backend.__annotations__)}",
            f"a class without {' and '.join(missing)}",
            _REPORT,
        )
    supports = backend.supports
    if not isinstance(supports, frozenset) or supports - ABILITIES or backend.name != name:
        declared = sorted(supports) if isinstance(supports, frozenset) else repr(supports)
        raise BackendLoadError(
            f"{who} must declare its own name and a frozenset of known abilities ({', '.join(sorted(ABILITIES))})",
            f"name {backend.name!r}, abilities {declared}",
            _REPORT,
        )
    for ability, method in (("autograd", "vjp"), ("layers", "layers")):
        if ability in supports and getattr(type(backend), method) is getattr(Backend, method):
            raise BackendLoadError(
                f"{who} must have the method {method}, as it declares the ability {ability!r}",
                "a class without",
                _REPORT,
            )


def available_backends(*, load: bool = True) -> tuple[BackendInfo, ...]:
    """All installed backends, their versions, and why one cannot be used.

    Args:
        load: import each framework to see whether it works. False only lists what is installed.

    Returns:
        One line for each, by name.
    """
    result = []
    for name, entries in _installed().items():
        providers = " and ".join(_distribution(e) for e in entries)
        info = BackendInfo(name, providers)
        if load:
            try:
                backend = _load(name)
                info = BackendInfo(name, providers, backend.framework_version, backend.supports, notes=backend.notes)
            except BackendLoadError as error:
                info = BackendInfo(name, providers, problem=str(error))
        result.append(info)
    return tuple(result)


# -- choosing ------------------------------------------------------------------------------------


def set_backend(name: str) -> None:
    """Choose the backend for what has no tensor yet: layers, ``sample``, ``identity``.

    Args:
        name: of an installed backend, as ``"torch"``.

    Raises:
        BackendNotFoundError, BackendLoadError: it cannot be used; the choice stays as it was.
    """
    _load(name)
    _chosen[:] = [name]


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
        return _load(backend)
    everywhere = _chosen[0] if _chosen else None
    return _load(_chosen_here.get() or everywhere or _environment() or "numpy")


def clear_caches() -> None:
    """Frees what was computed for later calls and can be computed again: grids of pixels and the like.

    It is at most 12 MiB of arrays by itself (beside one that is larger alone, such as that of a spline with 1300
    control points), 30 MiB with their twins in a framework, of which each lives as long as its array. The basis of a
    :class:`cpabx.Cpab` belongs to it, and lives and dies with it; this frees its twins alone.
    """
    forget()
    for backend in list(_backends.values()):
        backend.clear_caches()


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
    backend = _load(name)
    token = _chosen_here.set(name)
    try:
        yield backend
    finally:
        _chosen_here.reset(token)


@constant_while_tracing
def _owner(kind: Any) -> str | None:
    """Name of the backend whose tensors a type belongs to: the first that knows one of its classes."""
    return _found_owner(kind)


@functools.lru_cache(maxsize=1024)
def _found_owner(kind: type[Any]) -> str | None:
    modules = tuple(dict.fromkeys(base.__module__.partition(".")[0] for base in kind.__mro__ if base is not object))
    for module in modules:
        if name := _claimant(module, modules):
            return name
    for module in modules:
        if module in _OFFERED:  # its tensors are here, the backend is not: say so
            return module
    return None


def _claimant(module: str, likely: tuple[str, ...]) -> str | None:
    """Name of the backend whose tensors a module defines; ``likely`` ones need no other's consent.

    Raises:
        BackendLoadError: two backends say that it is theirs, and neither is named like it.
    """
    installed, claimants = _installed(), []
    # A backend named like the module most likely owns it; asking it first keeps the others unloaded.
    for name in sorted(installed, key=lambda n: n not in likely):
        try:
            if module in _tensor_modules(name):
                claimants.append(name)
        except BackendLoadError:
            continue  # a broken plugin must not break the others
        if name in claimants and name in likely:
            return name
    if len(claimants) > 1:
        raise BackendLoadError(
            f"tensors of {module!r} must belong to one backend",
            " and ".join(_who(installed[name][0]) for name in claimants),
            "Uninstall one of them.",
        )
    return claimants[0] if claimants else None


def owner(value: Any) -> str | None:
    """Name of the backend that a tensor belongs to; None for lists, numbers and the like."""
    if isinstance(value, (list, tuple, int, float, bool, type(None))):
        return None
    return _owner(type(value))


def backend_for(backend: str | None = None, **tensors: Any) -> Backend:
    """The backend of a call: that of its tensors, or the one in force if there are none.

    Raises:
        BackendMismatchError: the tensors belong to two frameworks, or ``backend`` contradicts them.
    """
    return _backends[_loaded(backend, tuple(zip(tensors, map(type, tensors.values()), strict=True)))]


@constant_while_tracing
def _loaded(backend: str | None, kinds: tuple[tuple[str, Any], ...]) -> str:
    """Name of the backend of a call whose arguments have these names and types, after it was loaded."""
    owners = {}
    for argument, kind in kinds:
        if name := _found_owner(kind):
            owners[argument] = name
    names = set(owners.values())
    if len(names) > 1:
        raise BackendMismatchError(
            "all tensors of a call must come from one framework", _listed(owners), "Convert them to one of the two."
        )
    if backend is not None and not isinstance(backend, str):
        _entry(backend)  # says what it must be
    if backend is not None and names and names != {backend}:
        raise BackendMismatchError(
            f"backend={shown(backend)} was asked for", _listed(owners), "Leave out backend=, or convert the tensors."
        )
    return get_backend(names.pop() if names else backend).name


def _listed(owners: dict[str, str]) -> str:
    return ", ".join(f"{argument} from {name}" for argument, name in owners.items())


@constant_while_tracing
def tracing_but_for(name: str) -> str | None:
    """A loaded backend of another name whose framework makes a graph of this call; None if there is none."""
    return next((other for other, backend in _backends.items() if other != name and backend.tracing()), None)


__all__ = [
    "BackendInfo",
    "available_backends",
    "backend_for",
    "clear_caches",
    "get_backend",
    "owner",
    "set_backend",
    "tracing_but_for",
    "use_backend",
]
