"""Every piece of Python in README.md and docs/ runs, page by page, and says what it is said to.

A block ```python is executed, one ```pycon compared with what it prints. The blocks of a page share their names. A
page is run once for each framework that it speaks of, without the blocks about others; what it says about other
projects is run where these are installed (``nox -s peers``).
"""

import doctest
import importlib
import importlib.util
import re
from pathlib import Path

import pytest

import cpabx
from cpabx.testing import backend_fixture, known_backends
from cpabx.testing.plugin import required_backends

ROOT = Path(__file__).parents[2]
#: But for docs/backends.md: its blocks are parts of a package, and test_backend_docs.py holds them beside the code.
PAGES = [ROOT / "README.md", *(p for p in sorted((ROOT / "docs").glob("*.md")) if p.name != "backends.md")]
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: What a block is about: words in its code, comments apart.
TOPICS = {
    "torch": re.compile(r"\btorch\b"),
    "tensorflow": re.compile(r"\b(tensorflow|tf|keras)\b"),
    "peers": re.compile(r"\b(libcpab|difw)\b"),
    "torchvision": re.compile(r"\btorchvision\b"),
    "cpabx_onnx": re.compile(r"\bcpabx_onnx\b"),
    "onnxruntime": re.compile(r"\bonnxruntime\b"),
    "ai_edge_litert": re.compile(r"\bai_edge_litert\b"),
}
#: Packages that a block may need beside a framework, with all that their use imports; the others are left to a test.
BESIDE = {
    "torchvision": ("torchvision",),
    "cpabx_onnx": ("cpabx_onnx", "onnxruntime", "onnxscript"),
    "onnxruntime": ("onnxruntime", "onnxscript"),
    "ai_edge_litert": ("ai_edge_litert",),
}
#: Directives of Sphinx, and languages that are not run here.
NOT_PYTHON = re.compile(r"\{[a-z-]+\}.*|toml|bash|c|text")

backend = backend_fixture(*(sorted(required_backends()) or known_backends()))


class Block:
    """Code of a page, and the topics that it needs."""

    def __init__(self, page, found):
        self.page, (self.kind, self.code) = page, found.groups()
        self.line = page.read_text()[: found.start(2)].count("\n")
        code = re.sub("#.*", "", self.code)
        self.topics = {name for name, words in TOPICS.items() if words.search(code)}

    def run(self, names):
        if self.kind == "python":
            exec(compile("\n" * self.line + self.code, str(self.page), "exec"), names)
            return
        test = doctest.DocTestParser().get_doctest(self.code, names, self.page.name, str(self.page), self.line)
        report = []
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
        runner.run(test, out=report.append, clear_globs=False)
        names.update(test.globs)
        assert not runner.failures, "".join(report)


def blocks_of(page):
    found = [Block(page, match) for match in FENCE.finditer(page.read_text())]
    return [block for block in found if block.kind in ("python", "pycon")]


def runs_of(page):
    """The backends that a page is run for; what it says in torch about other projects needs these, not a backend."""
    topics = set().union(*(block.topics for block in blocks_of(page)))
    return ["numpy"] if "peers" in topics else sorted(topics - set(BESIDE)) or ["numpy"]


def is_there(topic):
    """Whether its packages are there, and were built for the framework that is."""
    try:
        for name in BESIDE[topic]:
            importlib.import_module(name)
    except (ImportError, RuntimeError):
        return False
    return True


@pytest.fixture
def _on_its_own(monkeypatch, tmp_path):
    """Pages call set_backend, and write files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cpabx.registry, "_chosen", None)
    monkeypatch.setenv("MPLBACKEND", "agg")


def given(page, backend):
    """Names that the README leaves to the reader."""
    if page.name != "README.md":
        return {}
    size = (3, 8, 8) if not backend.channels_last else (8, 8, 3)
    values = cpabx.Affine().sample(200, seed=0, dtype="float32", backend="numpy")
    points, w = (backend.asarray(values[k : k + 5, :2]) for k in (0, 5))
    images = backend.asarray(values.ravel()[:192].reshape(1, *size).repeat(8, axis=0))
    field = backend.asarray(values.ravel()[:1024].reshape(8, 8, 8, 2))
    return {"points": points, "w": w, "images": images, "field": field}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
@pytest.mark.usefixtures("_on_its_own")
def test_page(page, backend):
    if backend.name not in runs_of(page):
        pytest.skip(f"says nothing about {backend.name}")
    names = {"__name__": "__main__", **given(page, backend)}
    blocks = blocks_of(page)
    beside = set().union(*(block.topics for block in blocks)) & set(BESIDE)
    here = {backend.name, *(topic for topic in beside if is_there(topic))}
    for block in blocks:
        if block.topics <= here:
            block.run(names)


@pytest.mark.parametrize(
    "page", [p for p in PAGES if any("peers" in b.topics for b in blocks_of(p))], ids=lambda p: p.name
)
@pytest.mark.usefixtures("_on_its_own")
def test_what_a_page_says_about_other_projects(page):
    for name in ("libcpab", "difw"):
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:  # a folder of that name, such as this project's own libcpab
            pytest.skip(f"{name} is not installed; nox -s peers has it")
    names = {"__name__": "__main__"}
    for block in blocks_of(page):
        block.run(names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_nothing_is_left_out(page):
    """A block of another name would not be run: ```py, ```Python, or none."""
    kinds = [match[1] for match in FENCE.finditer(page.read_text())]
    assert len(kinds) == page.read_text().count("\n```") / 2
    assert [k for k in kinds if k not in ("python", "pycon") and not NOT_PYTHON.fullmatch(k)] == []


def test_pages_hold_what_they_show():
    """Where pages are read as they are, what they include would be missing, and links by roles lead nowhere."""
    names = {page.stem for page in PAGES}
    for page in PAGES:
        assert "{include}" not in page.read_text(), page.name
        assert not names & set(re.findall(r"\{doc\}`([a-z-]+)`", page.read_text())), page.name


def test_links_lead_somewhere():
    for page in PAGES:
        text = re.sub(r"`[^`\n]*`", "code", page.read_text())  # in which brackets are no links
        for target in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (page.parent / target).exists(), (page.name, target)


def test_a_wrong_page_fails(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A page\n\n```python\nx = 2\n```\n\n```pycon\n>>> x\n2\n```\n\n```pycon\n>>> x + 1\n4\n```\n")
    first, second, third = blocks_of(page)
    names = {}
    first.run(names)
    second.run(names)
    with pytest.raises(AssertionError, match="Expected"):
        third.run(names)
    page.write_text("\n\n```python\n\nraise ValueError\n```\n")
    with pytest.raises(ValueError, match=r"^$") as caught:
        blocks_of(page)[0].run({})
    assert caught.traceback[-1].lineno + 1 == 5
