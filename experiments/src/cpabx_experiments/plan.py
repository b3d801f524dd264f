"""``--dry-run``: what would be done."""

from __future__ import annotations

from cpabx_experiments.data.sources import SOURCES
from cpabx_experiments.kinds import FILES, OWN, kind
from cpabx_experiments.options import Options
from cpabx_experiments.output import folder
from cpabx_experiments.output.report import described, markdown
from cpabx_experiments.probes import speed
from cpabx_experiments.protocol.experiments import Protocol, expected_seconds
from cpabx_experiments.protocol.jobs import jobs, parameters
from cpabx_experiments.protocol.material import source_name
from cpabx_experiments.training.progress import duration


def plan(options: Options) -> str:
    """Text. Reads no data, loads no framework, and writes nothing."""
    if options.protocol is None:
        return f"{speed.__doc__}\n\n{_would_write(options, speed.FILES)}"
    return "\n".join(_lines(options, options.protocol))


def _lines(options: Options, protocol: Protocol) -> list[str]:
    networks = [[model, f"{n:,}"] for model, n in parameters(protocol).items()]
    todo, seconds = jobs(protocol), expected_seconds(options.name, protocol)
    known = (
        "not known" if seconds is None else f"{duration(seconds)} of one CPU core with torch, plus reading and testing"
    )
    return [
        f"{options.name} with {options.backend}. {described(options.name, protocol, full=options.full)}",
        "",
        markdown(["network", "parameters"], networks),
        f"{len(todo)} trainings, of which {folder.complete(options.out, protocol)} are complete in {options.out}.",
        f"Expected time: {known}.",
        f"Data: {_where(options, protocol)}",
        _would_write(options, (*FILES, *kind(options.name).files, *([OWN] if options.show else []))),
    ]


def _where(options: Options, protocol: Protocol) -> str:
    name = source_name(protocol)
    if name is None:
        return "they come with scikit-learn."
    path = options.data / name
    return f"{path}, which is {'there' if path.is_dir() else f'missing. {SOURCES[name].remedy}'}"


def _would_write(options: Options, files: tuple[str, ...]) -> str:
    return f"Would write to {options.out}: {', '.join(files)}."


__all__ = ["plan"]
