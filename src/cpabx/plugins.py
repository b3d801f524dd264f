"""Find, load and check the plugins that provide backends."""

from __future__ import annotations

import contextlib
import difflib
import functools
import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from cpabx import hookspecs
from cpabx.backend import ABILITIES, Backend
from cpabx.errors import BackendLoadError, BackendNotFoundError, shown

#: Backends that the project itself offers, and how to get them.
_OFFERED = {"numpy": "cpabx", "torch": "cpabx-torch", "tensorflow": "cpabx-tensorflow"}
_ALIASES = {"pytorch": "torch", "tf": "tensorflow", "keras": "tensorflow", "np": "numpy"}

_NO_HOOK = "no such hook, or one that is not decorated with cpabx.hookimpl"
_REPORT = "Report this to its authors."

#: Entry points by the name of their backend. More than one provider of a name is an error of who asks for it.
Installed = dict[str, list[EntryPoint]]


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


def installed() -> Installed:
    """The entry points of all packages in this environment."""
    found: Installed = {}
    for entry in entry_points(group=hookspecs.ENTRY_POINT_GROUP):
        found.setdefault(entry.name, []).append(entry)
    return dict(sorted(found.items()))


def from_environment() -> str | None:
    """The name in the variable ``CPABX_BACKEND``, if there is one."""
    return os.environ.get("CPABX_BACKEND") or None


class Plugins:
    """What is installed, which plugins are imported, and the backends that they gave.

    A plugin module is imported when somebody asks for its backend or for the owner of a tensor, which does not import
    its framework; a backend is made, once, when somebody asks for it by name or by a tensor of its own.

    Args:
        installed: finds the entry points; it is asked again each time, as packages may be installed meanwhile.
    """

    #: By name, the backends that are loaded and checked.
    backends: dict[str, Backend]

    def __init__(self, installed: Callable[[], Installed] = installed) -> None:
        self.installed = installed
        self.backends = {}
        self._hooks: dict[str, pluggy.HookRelay] = {}
        self._lock = threading.RLock()
        #: Name of the backend whose tensors a type belongs to, see :meth:`_find_owner`.
        self.owner_of: Callable[..., str | None] = functools.lru_cache(maxsize=1024)(self._find_owner)
        #: That of all types that belong to one, if it is the same.
        self.sole_owner_of: Callable[..., str | None] = functools.lru_cache(maxsize=1024)(self._find_sole_owner)

    # -- backends --------------------------------------------------------------------------------

    def load(self, name: Any) -> Backend:
        """The backend of a name.

        Raises:
            BackendNotFoundError, BackendLoadError: it is not installed, or cannot be used.
        """
        with self._lock:
            if not isinstance(name, str) or name not in self.backends:
                entry = self.entry(name)
                hooks = self._hooks_of(name)
                with calling(entry):
                    backend = hooks.cpabx_backend()
                checked = _checked(entry, backend)
                self.tensor_modules(name)
                self.backends[name] = checked
            return self.backends[name]

    def listed(self, *, load: bool) -> tuple[BackendInfo, ...]:
        """One line for each backend that is installed, by name."""
        result = []
        for name, entries in self.installed().items():
            providers = " and ".join(_distribution(e) for e in entries)
            info = BackendInfo(name, providers)
            if load:
                try:
                    made = self.load(name)
                    with calling(entries[0]):
                        info = BackendInfo(name, providers, made.framework_version, made.supports, notes=made.notes)
                except BackendLoadError as error:
                    info = BackendInfo(name, providers, problem=str(error))
            result.append(info)
        return tuple(result)

    def entry(self, name: Any) -> EntryPoint:
        """The one entry point of a name.

        Raises:
            BackendNotFoundError, BackendLoadError: there is none, or there are several.
        """
        found = self.installed()
        if not isinstance(name, str) or name not in found:
            advice = _advice(name, found) if isinstance(name, str) else "Pass the name of one."
            raise BackendNotFoundError(
                f"a backend must be one of those installed ({', '.join(found)})", _said(name), advice
            )
        if len(found[name]) > 1:
            both = " and ".join(_distribution(e) for e in found[name])
            raise BackendLoadError(f"backend {name!r} must have one provider", both, "Uninstall one of them.")
        return found[name][0]

    def _hooks_of(self, name: str) -> pluggy.HookRelay:
        """The hooks of one plugin, whose module is imported and checked; its framework is not imported.

        Each has a manager of its own: pluggy checks a plugin's hooks here, and never calls those of several.
        """
        with self._lock:
            if name not in self._hooks:
                with calling(self.entry(name)) as entry:
                    manager = pluggy.PluginManager("cpabx")
                    manager.add_hookspecs(hookspecs)
                    manager.register(entry.load(), name=name)
                    manager.check_pending()
                self._hooks[name] = manager.hook
            return self._hooks[name]

    # -- tensors ---------------------------------------------------------------------------------

    def tensor_modules(self, name: str) -> tuple[str, ...]:
        """The modules that define a backend's tensors, as its plugin says.

        Raises:
            BackendLoadError: the plugin cannot say so.
        """
        hooks = self._hooks_of(name)
        with calling(self.entry(name)):
            modules = hooks.cpabx_tensor_modules()
        if not isinstance(modules, tuple) or not all(isinstance(module, str) for module in modules):
            raise BackendLoadError(
                f"{_who(self.entry(name))} must return a tuple of module names from its hook cpabx_tensor_modules",
                _NO_HOOK if modules is None else repr(modules),
                _REPORT,
            )
        return modules

    def _find_owner(self, kind: type[Any]) -> str | None:
        """Name of the backend whose tensors a type belongs to: the first that knows one of its classes."""
        modules = tuple(dict.fromkeys(base.__module__.partition(".")[0] for base in kind.__mro__ if base is not object))
        for module in modules:
            if name := self._claimant(module, modules):
                return name
        for module in modules:
            if module in _OFFERED:  # its tensors are here, the backend is not: say so
                return module
        return None

    def _find_sole_owner(self, kinds: tuple[type[Any], ...]) -> str | None:
        owners = {self.owner_of(kind) for kind in kinds} - {None}
        return owners.pop() if len(owners) == 1 else None

    def _claimant(self, module: str, likely: tuple[str, ...]) -> str | None:
        """Name of the backend whose tensors a module defines; ``likely`` ones need no other's consent.

        Raises:
            BackendLoadError: two backends say that it is theirs, and neither is named like it.
        """
        found, claimants = self.installed(), []
        # A backend named like the module most likely owns it; asking it first keeps the others unloaded.
        for name in sorted(found, key=lambda n: n not in likely):
            try:
                if module in self.tensor_modules(name):
                    claimants.append(name)
            except BackendLoadError:
                continue  # a broken plugin must not break the others
            if name in claimants and name in likely:
                return name
        if len(claimants) > 1:
            raise BackendLoadError(
                f"tensors of {module!r} must belong to one backend",
                " and ".join(_who(found[name][0]) for name in claimants),
                "Uninstall one of them.",
            )
        return claimants[0] if claimants else None


# -- what is wrong -------------------------------------------------------------------------------


def _distribution(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown package"


def _who(entry: EntryPoint) -> str:
    return f"backend {entry.name!r} ({_distribution(entry)})"


def _said(name: Any) -> str:
    """A name that was asked for, and where, if it was not by an argument."""
    return f"{name!r} from CPABX_BACKEND" if isinstance(name, str) and name == from_environment() else shown(name)


def _advice(name: str, installed: Installed) -> str:
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


@contextlib.contextmanager
def calling(entry: EntryPoint, who: str = "") -> Iterator[EntryPoint]:
    """While code of a plugin runs, whatever it raises is an error about it: SystemExit does not end this process.

    Args:
        entry: of the plugin.
        who: what the error calls it; by default a backend.

    Raises:
        BackendLoadError: the plugin raised anything else than KeyboardInterrupt, which is its user's.
    """
    try:
        yield entry
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        said = f"{type(error).__name__}: {error}"
        raise BackendLoadError(f"{who or _who(entry)} must load", said, _repair(entry, error)) from error


def _repair(entry: EntryPoint, error: BaseException) -> str:
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
