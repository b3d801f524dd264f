"""What packages say of themselves, and what the checks of built files find."""

import io
import re
import subprocess
import sys
import tarfile
import zipfile

import pytest

import cpabx
from cpabx import native
from release import contents, sign_off, table
from release.projects import PLATFORMS, PROJECTS, ROOT, Project, version

METADATA = """Metadata-Version: 2.4
Name: cpabx-made
Version: {version}
License-Expression: MIT

# made

{description}
"""
MADE = Project("cpabx-made", "made", "everywhere", "made")


def wheel(folder, *, number=None, description="Nothing.", licence="cpabx_made-1.dist-info/licenses/LICENSE"):
    path = folder / "cpabx_made-1-py3-none-any.whl"
    said = METADATA.format(version=number or version(), description=description)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("cpabx_made-1.dist-info/METADATA", said)
        archive.writestr(licence, "")
    return path


def source(folder, *more):
    path = folder / "cpabx_made-1.tar.gz"
    said = METADATA.format(version=version(), description="Nothing.")
    with tarfile.open(path, "w:gz") as archive:
        for name, text in {"PKG-INFO": said, "LICENSE": "", **dict.fromkeys(more, "")}.items():
            entry = tarfile.TarInfo(f"cpabx_made-1/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return path


def test_good_files_have_nothing_wrong(tmp_path):
    good = wheel(
        tmp_path, description="[Here](https://example.org), [there](#made), ![this](http://example.org/a.png)."
    )
    assert [*contents.complaints(good, MADE)] == []
    assert [*contents.complaints(source(tmp_path, "src/made.py"), MADE)] == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"number": "0.0.1"}, "has version 0.0.1"),
        ({"licence": "LICENSE.template"}, "no licence"),
        ({"description": "[there](docs/there.md)"}, "cannot follow: docs/there.md"),
        ({"description": "![this](../this.png)"}, "cannot follow: ../this.png"),
    ],
)
def test_a_wheel_with_something_wrong_is_told(tmp_path, wrong, said):
    (complaint,) = contents.complaints(wheel(tmp_path, **wrong), MADE)
    assert said in complaint


@pytest.mark.parametrize("folder", contents.NOT_TO_SEND)
def test_a_source_distribution_with_what_does_not_build_it_is_told(tmp_path, folder):
    (complaint,) = contents.complaints(source(tmp_path, f"src/{folder}/file"), MADE)
    assert folder in complaint


def test_all_packages_have_the_version_of_the_library():
    assert cpabx.__version__ == version()
    assert native.load().version == version()


@pytest.mark.parametrize("project", PROJECTS, ids=lambda project: project.name)
def test_every_project_takes_version_and_licence_from_one_place(project):
    """A number that is written twice is wrong once."""
    settings = project.settings["project"]
    assert settings["name"] == project.name
    assert ("version" in settings.get("dynamic", ())) == project.follows
    assert (ROOT / project.folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert settings["license-files"] == ["LICENSE"]


@pytest.mark.parametrize("project", [p for p in PROJECTS if p.follows], ids=lambda project: project.name)
def test_descriptions_lead_nowhere_but_to_addresses(project):
    """As the index gets them: by the substitutions of the project's own settings."""
    hook = project.settings["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    text = (ROOT / project.folder / "README.md").read_text(encoding="utf-8")
    for rule in hook["substitutions"]:
        text = re.sub(rule["pattern"], rule["replacement"], text)
    assert contents.relative_links(text) == []
    assert "](https://" in text or project.name != "cpabx"


def test_platforms_are_told_apart():
    for of in ("tag", "target", "name"):
        assert len({getattr(platform, of) for platform in PLATFORMS}) == len(PLATFORMS)


@pytest.mark.parametrize(
    ("changelog", "expected"),
    [
        ("# Changelog\n\n## 2.0 (2030-01-02)\n\nnew\n\n## 1.0\n\nold\n", ("2.0 (2030-01-02)", "new")),
        ("## 1.0\n\nalone", ("1.0", "alone")),
        ("nothing", ("", "")),
    ],
)
def test_the_latest_section_of_a_changelog(changelog, expected):
    assert sign_off.latest(changelog) == expected


def test_what_is_missing_is_told():
    """Of this tree, which has no address yet; and of a wheel that nobody ran."""
    untried = table.Row("cpabx-1-py3-none-win_amd64.whl", "1.00", "passed", "not run", "not run")
    said = sign_off.missing([untried])
    assert any("cpabx-1-py3-none-win_amd64.whl" in line for line in said)
    assert all("ABI" not in line for line in said), "the changelog must name the interfaces' numbers"
    assert all("range of cpabx" not in line and "licence" not in line and "CITATION" not in line for line in said)


def test_the_table_is_put_between_its_marks(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    table.write([table.Row("a.whl", "1.00", "passed", "not run", "none")], page)
    assert page.read_text() == (
        f"before\n{table.BEGIN}\n| file | MB | looked into | installed and run | C tests |\n"
        f"| --- | --- | --- | --- | --- |\n| `a.whl` | 1.00 | passed | not run | none |\n{table.END}\nafter\n"
    )


@pytest.mark.slow
def test_the_program_for_fresh_environments_runs():
    done = subprocess.run(
        [sys.executable, ROOT / "release" / "smoke_program.py", "cpabx.layers"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "libcpab" in done.stdout
