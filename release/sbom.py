"""A bill of materials in CycloneDX's form: the files of a project, and what they need or have in them."""

from __future__ import annotations

import hashlib
from importlib.metadata import version as installed
from pathlib import Path

from cyclonedx.factory.license import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL
from packaging.requirements import Requirement

from release import contents
from release.projects import Project


def write(project: Project, out: Path) -> Path:
    """Of the files of a project that lie in a folder, beside them."""
    files = sorted(path for path in out.glob(f"{project.file_name}-*") if path.suffix in (".whl", ".gz"))
    bom = bill(project, files)
    path = out / f"{project.file_name}.cdx.json"
    make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_to_file(str(path), allow_overwrite=True, indent=2)
    return path


def bill(project: Project, files: list[Path]) -> Bom:
    said = contents.metadata(files[0])
    root = _package(project.name, said["Version"])
    root.licenses.add(LicenseFactory().make_from_string(said["License-Expression"]))
    root.components.update(map(_file, files))
    bom = Bom()
    bom.metadata.component = root
    parts = [_needed(line) for line in said.get_all("Requires-Dist", []) if "extra ==" not in line]
    if project.builds == "platforms":
        parts += _compiled_in()
    bom.components.update(parts)
    bom.register_dependency(root, parts)
    return bom


def _package(name: str, version: str | None) -> Component:
    return Component(
        name=name,
        version=version,
        type=ComponentType.LIBRARY,
        bom_ref=name,
        purl=PackageURL("pypi", name=name, version=version),
    )


def _file(path: Path) -> Component:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    sums = [HashType(alg=HashAlgorithm.SHA_256, content=digest)]
    return Component(name=path.name, type=ComponentType.FILE, hashes=sums)


def _needed(line: str) -> Component:
    """Of a range of versions, which each installation decides in."""
    requirement = Requirement(line)
    part = _package(requirement.name, None)
    part.description = f"version {requirement.specifier}" if requirement.specifier else "any version"
    return part


def _compiled_in() -> list[Component]:
    """The compiler's runtimes, which wheels have in them as far as they use them."""
    runtimes = {"libc++": "Apache-2.0 WITH LLVM-exception", "compiler-rt of Zig": "MIT"}
    origin, made = f"of ziglang {installed('ziglang')}", []
    for name, licence in runtimes.items():
        part = Component(name=name, version=origin, type=ComponentType.LIBRARY, bom_ref=name)
        part.licenses.add(LicenseFactory().make_from_string(licence))
        made.append(part)
    return made
