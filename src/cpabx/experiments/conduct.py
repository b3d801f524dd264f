"""From options to files."""

from __future__ import annotations

import contextlib
import time

from cpabx.experiments import folder, own_pictures, progress, report, run
from cpabx.experiments.data.fetch import fetch
from cpabx.experiments.engines import load_engine
from cpabx.experiments.files import write_all
from cpabx.experiments.jobs import jobs
from cpabx.experiments.kinds import kind
from cpabx.experiments.material import material, source_name
from cpabx.experiments.options import Options
from cpabx.experiments.protocol import Protocol


def conduct(options: Options, protocol: Protocol) -> str:
    """Trains, writes all files, and returns what to tell.

    Raises:
        CpabxError: something about options, data or folder; nothing but finished epochs is then written.
    """
    start, name, out = time.perf_counter(), options.name, options.out
    mine = folder.settings(name, options.backend, protocol)
    own = own_pictures.read(options.show, jobs(protocol)[0].network(protocol).image) if options.show else None
    folder.prepare(out, mine, options.mode)
    if options.download and (wanted := source_name(protocol)):
        fetch(wanted, options.data)
    source = material(protocol, options.data, out / "cache")
    engine = load_engine(options.backend)
    engine.prepare(options.threads, options.device)
    leads, chosen = engine.rank == 0, kind(name)
    if leads:
        write_all(out, {folder.CONFIGURATION: folder.configuration(mine, protocol, engine)})
    task = run.Run(protocol, engine, source, out, chosen.probe, own)
    with progress.bar(protocol) if leads else contextlib.nullcontext(lambda job, record: None) as tick:
        results = run.perform(task, tick)
    files = chosen.finish(task, results)
    if not leads:
        return ""
    files |= {"epochs.csv": report.epochs_csv(results), "results.csv": report.results_csv(results)}
    files["results.md"] = report.results_md(name, protocol, results, engine, full=options.full).encode()
    write_all(out, files)
    written = ", ".join(str(out / file) for file in sorted(files))
    seconds = progress.duration(time.perf_counter() - start)
    return f"{report.table(name, results)}\nWrote {written} after {seconds}."


__all__ = ["conduct"]
