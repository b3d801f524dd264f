"""From options to files."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from cpabx_experiments.data.fetch import fetch
from cpabx_experiments.files import write_all
from cpabx_experiments.kinds import FILES, OWN, kind
from cpabx_experiments.options import Options
from cpabx_experiments.output import folder, own_pictures, report
from cpabx_experiments.protocol.experiments import Protocol
from cpabx_experiments.protocol.jobs import Job, jobs
from cpabx_experiments.protocol.material import material, source_name
from cpabx_experiments.training import progress, run
from cpabx_experiments.training.engines import load_engine
from cpabx_experiments.training.records import Record


def conduct(options: Options, protocol: Protocol) -> str:
    """Trains, writes all files, and returns what to tell.

    Raises:
        CpabxError: something about options, data or folder; nothing but finished epochs is then written.
    """
    start, name, out, chosen = time.perf_counter(), options.name, options.out, kind(options.name)
    own = own_pictures.read(options.show, jobs(protocol)[0].network(protocol).image) if options.show else None
    reports = (*FILES, *chosen.files, *([OWN] if options.show else []))
    mine = folder.settings(name, options.backend, protocol)
    claim = folder.Claim(out, mine, folder.files_of(out, protocol, reports), options.mode)
    folder.check(claim)
    if options.download and (wanted := source_name(protocol)):
        fetch(wanted, options.data)
    source = material(protocol, options.data, out / "cache")
    engine = load_engine(options.backend)
    engine.prepare(options.threads, options.device)
    leads = engine.rank == 0
    task = run.Run(protocol, engine, source, out, chosen.probe, own)
    with folder.taken(claim, engine, protocol) if leads else contextlib.nullcontext(_nothing) as forget:
        engine.meet()  # nobody reads a checkpoint before the folder is this run's
        with progress.bar(protocol) if leads else contextlib.nullcontext(_no_bar) as tick:
            results = run.perform(task, _both(tick, forget))
        files = chosen.finish(task, results)
        if not leads:
            return ""
        files |= {"epochs.csv": report.epochs_csv(results), "results.csv": report.results_csv(results)}
        files["results.md"] = report.results_md(name, protocol, results, engine, full=options.full).encode()
        write_all(out, files)
    written = ", ".join(str(out / file) for file in sorted(files))
    seconds = progress.duration(time.perf_counter() - start)
    left = folder.others(out) if options.mode == "fresh" else ""
    untouched = f"\nLeft alone in {out}, for no run wrote it: {left}." if left else ""
    return f"{report.table(name, results)}\nWrote {written} after {seconds}.{untouched}"


def _both(tick: run.Tick, forget: Callable[[], None]) -> run.Tick:
    """Results from before are forgotten as soon as there is an epoch of this run."""

    def told(job: Job, record: Record) -> None:
        if record.rows or record.diverged:
            forget()
        tick(job, record)

    return told


def _no_bar(job: Job, record: Record) -> None:
    pass


def _nothing() -> None:
    pass


__all__ = ["conduct"]
