"""What the sources of libcpab_cuda may do: a call allocates nothing, copies nothing and waits for nothing."""

import re
from pathlib import Path

import pytest

LIBCPAB = Path(__file__).parents[1] / "libcpab"
FAULTS = LIBCPAB / "tests" / "cuda" / "faults"
SOURCES = sorted((LIBCPAB / "src").rglob("*.[hc]*"))
GPU = [path for path in SOURCES if path.parent.name == "cuda"]
#: All that there is of CUDA's own interface on the host: none of these waits, but for a device that is lost.
HOST_INTERFACE = {"cudaGetLastError", "cudaMemsetAsync", "cudaStream_t", "cudaSuccess"}


def code_of(path):
    text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.sub(r"//.*", "", text)


def test_there_are_sources():
    """A guard for the tests below."""
    assert {"gpu.h", "flow_part.cu"} <= {path.name for path in GPU}


def test_one_file_names_cuda():
    of_cuda = r"\bcuda[A-Z_]|<<<|\bthreadIdx\b|__shfl|__sync|\batomic[A-Z]"
    names = {path.name for path in GPU if re.search(of_cuda, code_of(path))}
    assert names == {"gpu.h"}


def test_nothing_is_allocated_copied_or_waited_for():
    (gpu,) = (path for path in GPU if path.name == "gpu.h")
    assert set(re.findall(r"\bcuda\w+", code_of(gpu))) - {"cuda_runtime"} == HOST_INTERFACE
    for path in GPU:
        assert not re.search(r"\b(malloc|calloc|new|thread_local|static\s+\w+\s+\w+\s*=)\b", code_of(path)), path


@pytest.mark.parametrize("capability", [75, 80, 86, 87, 89, 90, 100, 103, 110, 120, 121, 130])
def test_there_is_code_for_each_gpu(capability):
    """Machine code is for its generation, from its own capability on; PTX is for all from there on."""
    text = (LIBCPAB / "cuda.cmake").read_text(encoding="utf-8")
    (default,) = re.findall(r'set\(CPAB_CUDA_ARCHITECTURES "([^"]+)"', text)
    compiled = [re.fullmatch(r"(\d+)(-real|-virtual)?", entry).groups() for entry in default.split(";")]
    machine_code = {int(number) for number, kind in compiled if kind != "-virtual"}
    ptx = {int(number) for number, kind in compiled if kind != "-real"}
    runs = {number for number in machine_code if number // 10 == capability // 10 and number <= capability}
    assert runs or {number for number in ptx if number <= capability}


def test_seeded_faults_keep_up_with_the_sources(monkeypatch):
    """faults.toml says what the sources have exactly once, and the page shows what it says."""
    monkeypatch.syspath_prepend(FAULTS)
    import faults

    everything = faults.read()
    assert len(everything) >= 14
    assert {fault.build for fault in everything if fault.ci} == {"plain", "address", "thread"}
    for fault in everything:
        text = (faults.LIBCPAB / fault.path).read_text(encoding="utf-8")
        assert faults.seeded(fault, text).count("seeded::") >= 1, fault.name
    assert faults.TABLE.read_text(encoding="utf-8") == faults.written(everything), "nox -s faults -- --write"
