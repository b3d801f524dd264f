"""``python -m release wheels`` builds and tries wheels; ``python -m release release`` all that an index would get."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from release import build, inspect_files, projects, sbom, sign_off, smoke, table, try_out
from release.projects import PLATFORMS, PROJECTS, ROOT, Platform


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m release", description=__doc__)
    parser.add_argument("what", choices=["wheels", "release"])
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="the folder of what is built")
    parser.add_argument("--builds", type=Path, required=True, help="a folder for what is compiled, to be kept")
    parser.add_argument("--project", nargs="+", choices=[p.name for p in PROJECTS], help="some alone")
    parser.add_argument("--platform", nargs="+", choices=[p.tag for p in PLATFORMS], help="some alone")
    parser.add_argument("--no-tests", action="store_true", help="do not run the C tests")
    parser.add_argument("--frameworks", action="store_true", help="install the wheels that bring frameworks, too")
    parser.add_argument("--write", action="store_true", help="put the table into docs/platforms.md")
    return parser.parse_args(arguments)


def wheels(chosen: argparse.Namespace) -> list[table.Row]:
    """Builds, looks into and tries the wheels that were asked for."""
    platforms = tuple(p for p in PLATFORMS if p.tag in (chosen.platform or [p.tag]))
    made: list[Path] = []
    for project in PROJECTS:
        if project.name in (chosen.project or [project.name]):
            made += build.wheels(project, chosen.out, chosen.builds, platforms)
    installed = _installed(made, chosen.builds, chosen.frameworks)
    return [_row(path, installed.get(path, "not run"), chosen) for path in made]


def _installed(made: list[Path], builds: Path, frameworks: bool) -> dict[Path, str]:
    """Which wheels work together in a fresh environment of this machine: the core's, and what needs nothing large."""
    core = [path for path in made if (p := inspect_files.platform_of(path)) and build.runner(p) == "this machine"]
    if not core:
        return {}
    projects = {path: inspect_files.project_of(path) for path in made}
    others = [path for path, p in projects.items() if p.builds != "platforms" and (frameworks or not p.framework)]
    tried = [*core, *others]
    given, imports = [f"{path}{projects[path].extra}" for path in tried], [projects[path].imports for path in tried]
    return dict.fromkeys(tried, f"{smoke.try_here(builds / 'fresh', given, imports)}, this machine")


def _row(path: Path, installed: str, chosen: argparse.Namespace) -> table.Row:
    found = list(inspect_files.complaints(path))
    for complaint in found:
        print(complaint, file=sys.stderr)
    platform = inspect_files.platform_of(path)
    return table.Row(path.name, table.size(path), "FAILED" if found else "passed", installed, _tests(platform, chosen))


def _tests(platform: Platform | None, chosen: argparse.Namespace) -> str:
    if platform is None:
        return "none"
    return "left out" if chosen.no_tests else try_out.c_tests(chosen.builds, platform)


def sources(chosen: argparse.Namespace) -> list[table.Row]:
    """Builds and looks into the source distributions."""
    return [_row(path, "not run", chosen) for path in build.all_sources(chosen.out)]


def main(arguments: list[str] | None = None) -> int:
    """Returns 0 if every file passed what was run on it and, for a release, nothing is missing."""
    chosen = parse(arguments)
    chosen.out, chosen.builds = chosen.out.resolve(), chosen.builds.resolve()
    rows = wheels(chosen)
    if chosen.what == "release":
        rows += sources(chosen)
        for project in PROJECTS:
            sbom.write(project, chosen.out)
    table.show(rows)
    if chosen.write:
        table.write(rows)
    missing = sign_off.missing(rows) if chosen.what == "release" else []
    for line in missing:
        print(f"missing: {line}")
    if chosen.what == "release":
        print(f"Nothing was uploaded. {projects.version()} is {'not ready' if missing else 'ready to be'}.")
    return int(bool(missing) or any("FAILED" in str(row) for row in rows))


if __name__ == "__main__":
    sys.exit(main())
