"""``python -m cpabx experiment NAME``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from cpabx.errors import CpabxError
from cpabx_experiments.options import Options, parse


def main(arguments: Sequence[str] | None = None) -> int:
    """Does an experiment. Returns the exit status: 0, 2 for what the user can mend, or 130 after Ctrl-C."""
    # Two threads that wait for each other by spinning are slower than one as soon as a core is shared.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # no word about instruction sets
    options = None
    try:
        options = parse(arguments)
        print(_said(options))
    except (CpabxError, ImportError, OSError) as error:  # such as a full disk
        print(" ".join([f"cpabx experiment: {error}", *_notes(error)]), file=sys.stderr)
        return 2
    except MemoryError as error:
        said = f"the memory does not suffice{f': {error}' if str(error) else ''}. Choose fewer images by --subset."
        print(" ".join([f"cpabx experiment: {said}", *_notes(error)]), file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupt:
        said = " ".join(_notes(interrupt)) or _how_to_go_on(options)
        print(f"\ncpabx experiment: interrupted. {said}", file=sys.stderr)
        return 130
    return 0


def _notes(error: BaseException) -> list[str]:
    """What became of the folder."""
    return getattr(error, "__notes__", [])


def _said(options: Options) -> str:
    from cpabx_experiments import conduct, plan
    from cpabx_experiments import options as checks
    from cpabx_experiments.probes import speed

    if options.dry_run:
        return plan.plan(options)
    checks.check_packages(options.name)
    return speed.perform(options) if options.protocol is None else conduct.conduct(options, options.protocol)


def _how_to_go_on(options: Options | None) -> str:
    from cpabx_experiments.output import folder
    from cpabx_experiments.protocol.jobs import jobs

    if options is None or options.protocol is None:
        return "Nothing was written."
    done, all_of_them = folder.complete(options.out, options.protocol), len(jobs(options.protocol))
    return (
        f"{done} of {all_of_them} trainings are complete in {options.out}, and of the one at hand all whole epochs. "
        "The same command goes on from there (without --fresh, if it had that)."
    )


__all__ = ["main"]
