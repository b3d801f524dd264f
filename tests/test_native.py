"""The native library as Python sees it: header, symbols, loading, threads, status codes."""

import inspect
import re
import shutil
import subprocess
import threading

import numpy as np
import pytest

import cpabx
from cpabx import errors, native
from cpabx.errors import CpabxError, NativeLibraryError, OptionError
from cpabx.native import functions, library
from cpabx.native.status import raise_for_status

LOADED = native.load()
HEADER = (LOADED.path.parent / "cpab.h").read_text(encoding="utf-8")

# Without comments, the header's functions are what CPAB_API precedes.
CODE = re.sub(r"/\*.*?\*/", "", HEADER, flags=re.DOTALL)
DECLARED = set(re.findall(r"^CPAB_API\s[^(;]*?\b(cpab_\w+)\s*\(", CODE, flags=re.MULTILINE))


# -- the interface -------------------------------------------------------------------------------


def test_header_declares_the_interface():
    """A guard for the tests below: the pattern finds what there is."""
    assert {"cpab_library_describe", "cpab_transform", "cpab_jacobian", "cpab_tessellation_create"} <= DECLARED


def test_every_declared_function_is_exported():
    for name in DECLARED:
        assert callable(getattr(LOADED.lib, name))


def test_nothing_else_is_exported():
    """Torch and TensorFlow bring their own C++ runtimes: ours must not meet them."""
    nm = shutil.which("nm")
    if nm is None:
        pytest.skip("needs nm")
    listing = subprocess.run(
        [nm, "--dynamic", "--defined-only", str(LOADED.path)], capture_output=True, text=True, check=True
    )
    assert {line.split()[-1].partition("@")[0] for line in listing.stdout.splitlines()} == DECLARED


def test_no_runtime_is_needed():
    """A wheel for every Python and framework: libc and libm only."""
    objdump = shutil.which("objdump")
    if objdump is None or LOADED.path.suffix != ".so":
        pytest.skip("needs objdump, and ELF")
    listing = subprocess.run([objdump, "-p", str(LOADED.path)], capture_output=True, text=True, check=True)
    needed = re.findall(r"NEEDED\s+(\S+)", listing.stdout)
    allowed = ("libc.", "libm.", "libpthread.", "ld-linux", "linux-vdso")
    assert [name for name in needed if not name.startswith(allowed)] == []


def test_cffi_reads_what_python_was_told():
    """Every function in the part that bindings parse; nothing is declared twice, here and there."""
    assert (
        set(re.findall(r"\b(cpab_\w+)\s*\(", re.sub(r"/\*.*?\*/", "", library.declarations(HEADER), flags=re.DOTALL)))
        == DECLARED
    )


def test_versions():
    assert LOADED.abi_version == LOADED.lib.CPAB_ABI_VERSION
    assert LOADED.version == cpabx.__version__
    assert LOADED.build_info


STATUSES = {
    name: int(value) for name, value in re.findall(r"\b(CPAB_E_\w+)\s*=\s*(\d+)", CODE)
}  # fmt: skip


@pytest.mark.parametrize("name", STATUSES)
def test_every_status_is_an_exception(name):
    """One to one, each with what to do."""
    with pytest.raises(CpabxError) as caught:
        raise_for_status(LOADED, STATUSES[name], item=3, time=2.0)
    assert caught.value.asked
    assert caught.value.received
    assert caught.value.remedy


def test_statuses_have_texts_of_their_own():
    def required(code):
        return LOADED.ffi.string(LOADED.lib.cpab_explain(code).required).decode()

    texts = [required(code) for code in (0, *STATUSES.values())]
    assert len(set(texts)) == len(texts) == len(STATUSES) + 1
    assert required(999)


def test_limits_name_item_and_time():
    with pytest.raises(errors.RangeError, match=r"batch item 3 .*time 2"):
        raise_for_status(LOADED, STATUSES["CPAB_E_RANGE"], item=3, time=2.0)
    with pytest.raises(errors.DivergenceError, match=r"batch item 3 .*time 2"):
        raise_for_status(LOADED, STATUSES["CPAB_E_DIVERGED"], item=3, time=2.0)


def test_no_error_says_itself_twice():
    """What was asked is not repeated as what came, and each has all three parts."""
    for name, status in STATUSES.items():
        if name == "CPAB_OK":
            continue
        with pytest.raises(errors.CpabxError) as caught:
            raise_for_status(LOADED, status, item=0)
        error = caught.value
        assert all((error.asked, error.received, error.remedy)), name
        shared = set(error.asked.split()) & set(error.received.split())
        assert len({word for word in shared if len(word) > 3}) <= 2, str(error)
        assert " must " not in error.received or "valid" in error.asked, str(error)


# -- the table -----------------------------------------------------------------------------------

#: By name without the prefix, the arrays that a function takes which computes: (written to, name) each.
COMPUTING = {
    name: [(not constant, array) for constant, array in re.findall(r"(const )?void \*(\w+)", rest)]
    for name, rest in re.findall(r"CPAB_API cpab_status cpab_(\w+)\(cpab_call \*call,([^;]*)\);", CODE)
}
ROWS = {function.name: function for function in functions.all_functions()}


def test_every_function_that_computes_has_a_row():
    assert len(COMPUTING) > 8
    assert set(ROWS) == set(COMPUTING)
    assert all(getattr(functions, name) is row for name, row in ROWS.items())


@pytest.mark.parametrize("name", COMPUTING)
def test_rows_say_what_the_header_says(name):
    """The same arrays by the same names in the same order, inputs before results."""
    row = ROWS[name]
    expected = [(False, array) for array in row.inputs] + [(True, array) for array in row.outputs]
    assert COMPUTING[name] == expected


@pytest.mark.parametrize("name", COMPUTING)
def test_functions_of_arrays_take_what_rows_say(name):
    """And help() shows it."""
    row = ROWS[name]
    taken = inspect.signature(getattr(native.arrays, name)).parameters
    positional = [p for p, kind in taken.items() if kind.kind not in (kind.KEYWORD_ONLY, kind.VAR_KEYWORD)]
    assert tuple(positional) == (*row.inputs, *row.problem)
    assert len(row.problem) == row.n_options


# -- loading -------------------------------------------------------------------------------------


def load_from(directory, monkeypatch):
    monkeypatch.setenv("CPABX_LIBRARY_DIR", str(directory))
    return library.load.__wrapped__()


def test_directory_can_be_chosen(tmp_path, monkeypatch):
    for name in (LOADED.path.name, "cpab.h"):
        shutil.copy(LOADED.path.parent / name, tmp_path)
    other = load_from(tmp_path, monkeypatch)
    assert other.path == tmp_path / LOADED.path.name
    assert other.version == LOADED.version


@pytest.mark.parametrize("missing", ["library", "header", "directory"])
def test_missing_files_say_where_they_were_sought(tmp_path, monkeypatch, missing):
    directory = tmp_path / "here"
    if missing != "directory":
        directory.mkdir()
        shutil.copy(LOADED.path.parent / ("cpab.h" if missing == "library" else LOADED.path.name), directory)
    with pytest.raises(NativeLibraryError, match=re.escape(str(directory))) as caught:
        load_from(directory, monkeypatch)
    assert isinstance(caught.value, ImportError)
    assert "CPABX_LIBRARY_DIR" in caught.value.remedy  # who sent us there


@pytest.mark.parametrize("header", [b"", b"int x;", b"\xff\xfe", b"/* cdef begin */ no C; /* cdef end */"], ids=str)
def test_file_that_is_no_header(tmp_path, monkeypatch, header):
    shutil.copy(LOADED.path, tmp_path)
    (tmp_path / "cpab.h").write_bytes(header)
    with pytest.raises(NativeLibraryError, match="must be the header of libcpab") as caught:
        load_from(tmp_path, monkeypatch)
    assert "CPABX_LIBRARY_DIR" in caught.value.remedy


def test_library_that_is_another(tmp_path, monkeypatch):
    """It loads, and has none of the functions."""
    compiler = shutil.which("cc")
    if compiler is None or LOADED.path.suffix != ".so":
        pytest.skip("needs a C compiler called cc")
    shutil.copy(LOADED.path.parent / "cpab.h", tmp_path)
    (tmp_path / "stub.c").write_text("int other(void) { return 1; }\n")
    command = [compiler, "-shared", "-fPIC", "-o", str(tmp_path / LOADED.path.name), str(tmp_path / "stub.c")]
    subprocess.run(command, check=True)
    with pytest.raises(NativeLibraryError, match="must load"):
        load_from(tmp_path, monkeypatch)


def test_file_that_is_no_library(tmp_path, monkeypatch):
    (tmp_path / LOADED.path.name).write_text("not a library")
    shutil.copy(LOADED.path.parent / "cpab.h", tmp_path)
    with pytest.raises(NativeLibraryError, match="must load"):
        load_from(tmp_path, monkeypatch)


ANOTHER_ABI = """
#include "cpab.h"
cpab_status cpab_library_describe(cpab_library *library) {
    library->abi_version = 999;
    return CPAB_E_ABI;
}
"""


def test_library_of_another_abi(tmp_path, monkeypatch):
    """Both numbers: a library of tomorrow beside a header of today."""
    compiler = shutil.which("cc")
    if compiler is None or LOADED.path.suffix != ".so":
        pytest.skip("needs a C compiler called cc")
    shutil.copy(LOADED.path.parent / "cpab.h", tmp_path)
    (tmp_path / "stub.c").write_text(ANOTHER_ABI)
    command = [compiler, "-shared", "-fPIC", "-o", str(tmp_path / LOADED.path.name), str(tmp_path / "stub.c")]
    subprocess.run(command, check=True)
    with pytest.raises(NativeLibraryError) as caught:
        load_from(tmp_path, monkeypatch)
    assert f"ABI version {LOADED.abi_version}" in caught.value.asked
    assert "version 999" in caught.value.received
    assert "CPABX_LIBRARY_DIR" in caught.value.remedy


def test_libcpab_cuda_that_is_not_there(monkeypatch):
    monkeypatch.setattr(library, "_CUDA_FILE_NAME", "libcpab_cuda_that_is_not_there.so")
    with pytest.raises(NativeLibraryError, match=re.escape(f"none in {LOADED.path.parent}")) as caught:
        library.load_cuda.__wrapped__()
    assert "CPAB_CUDA=ON" in caught.value.remedy


def test_libcpab_is_for_no_cuda_device():
    with pytest.raises(NativeLibraryError, match="must be for CUDA devices"):
        library.open_cuda(LOADED.path)


def test_functions_have_the_numbers_of_the_header():
    assert set(LOADED.functions) == set(ROWS)
    assert {name: getattr(LOADED.lib, f"CPAB_{name.upper()}") for name in ROWS} == LOADED.functions


def test_libcpab_needs_no_tables():
    assert native.tables_of(LOADED, cpabx.Tessellation((2, 2)), 8).size == 0


@pytest.mark.parametrize("setting", ["nonsense", "AVX2", "avx2,baseline", " baseline"])
def test_instruction_set_that_does_not_exist(monkeypatch, setting):
    """An error that names those that do, not the best one in silence."""
    monkeypatch.setenv("CPAB_ISA", setting)
    with pytest.raises(OptionError, match="CPAB_ISA") as caught:
        library.load.__wrapped__()
    assert "baseline" in caught.value.asked
    assert caught.value.received == repr(setting)
    assert "unset" in caught.value.remedy


@pytest.mark.parametrize("setting", [None, "", "best", "baseline"])
def test_instruction_set_that_exists(monkeypatch, setting):
    monkeypatch.delenv("CPAB_ISA", raising=False)
    best = library.load.__wrapped__().build_info
    if setting is not None:
        monkeypatch.setenv("CPAB_ISA", setting)
    chosen = library.load.__wrapped__().build_info
    assert "baseline" in chosen if setting == "baseline" else chosen == best


# -- threads -------------------------------------------------------------------------------------


def test_number_of_threads_from_the_environment(monkeypatch):
    monkeypatch.setenv("CPABX_NUM_THREADS", "3")
    assert native.default_threads() == 3
    monkeypatch.delenv("CPABX_NUM_THREADS")
    assert native.default_threads() >= 1


@pytest.mark.parametrize("setting", ["0", "-1", "two", "", "1.5", " 2", "9" * 20, "9" * 5000])
def test_number_of_threads_that_is_none(monkeypatch, setting):
    """An error rather than a guess: a silent 1 would look like a slow library."""
    monkeypatch.setenv("CPABX_NUM_THREADS", setting)
    with pytest.raises(OptionError, match="CPABX_NUM_THREADS") as caught:
        native.default_threads()
    assert caught.value.received.startswith(repr(setting)[:20])
    assert len(str(caught.value)) < 400


def moved(n_threads, dtype, n, p):
    """Transform and vjp of n * p points, all outputs."""
    family = cpabx.Cpab((4, 4))
    theta = family.sample(n, seed=0, scale=1.0, dtype=dtype)
    velocity = family.velocity(theta)
    points = np.random.default_rng(0).uniform(-1.2, 1.2, (n, p, 2)).astype(dtype)
    grad_out = np.random.default_rng(1).standard_normal((n, p, 2)).astype(dtype)
    flow = (family.tessellation, 1.0)
    out = native.arrays.transform(points, velocity, *flow, n_threads=n_threads)
    return out, *native.arrays.transform_vjp(points, velocity, grad_out, *flow, n_threads=n_threads)


@pytest.mark.parametrize(("n", "p"), [(1, 20_000), (7, 3_001), (200, 101)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_number_of_threads_gives_the_same_bits(dtype, n, p):
    """One item for many threads, many items for each, and neither dividing the other."""
    expected = moved(1, dtype, n, p)
    for n_threads in (2, 3, 8):
        for a, b in zip(moved(n_threads, dtype, n, p), expected, strict=True):
            assert a.tobytes() == b.tobytes()


def test_calls_from_many_threads_at_once():
    """cffi releases the lock, so the calls really run beside each other on one tessellation."""
    expected, wrong = moved(1, "float64", 4, 2_000), []

    def work():
        for _ in range(3):
            for a, b in zip(moved(2, "float64", 4, 2_000), expected, strict=True):
                if a.tobytes() != b.tobytes():
                    wrong.append(1)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []


# -- derivatives on arrays -----------------------------------------------------------------------


def arguments(shared):
    """Points, velocities, a tangent of each, and cotangents, of three items."""
    rng, tess = np.random.default_rng(3), cpabx.Tessellation((3, 2))
    points = rng.uniform(-1.1, 1.1, (1 if shared else 3, 6, 2))
    velocity = 0.5 * rng.standard_normal((3, tess.n_vertices, 2))
    tangents = (rng.standard_normal(points.shape), rng.standard_normal(velocity.shape))
    return tess, points, velocity, *tangents, rng.standard_normal((3, 6, 2))


@pytest.mark.parametrize("shared", [False, True], ids=["paired", "shared"])
def test_second_derivatives_are_differences_of_the_first(shared):
    tess, points, velocity, along_points, along_velocity, cotangent = arguments(shared)
    h = 1e-6
    for s, t in ((1, 1), (1, 0), (0, 1)):
        tangents = (along_points if s else None, along_velocity if t else None)
        got = native.arrays.transform_vjp_jvp(points, velocity, cotangent, *tangents, tess, 0.75)
        ahead, behind = (
            native.arrays.transform_vjp(
                points + d * s * along_points, velocity + d * t * along_velocity, cotangent, tess, 0.75
            )
            for d in (h, -h)
        )
        for second, a, b, like in zip(got, ahead, behind, (points, velocity), strict=True):
            assert second.shape == like.shape
            np.testing.assert_allclose(second, (a - b) / (2 * h), rtol=0, atol=1e-6 * np.abs(second).max())


@pytest.mark.parametrize("shared", [False, True], ids=["paired", "shared"])
def test_vjp_of_velocity_and_jacobian_are_adjoint_to_differences(shared):
    tess, points, velocity, along_points, along_velocity, _ = arguments(shared)
    h, rng = 1e-6, np.random.default_rng(4)
    cases = (
        (
            lambda p, v: native.arrays.velocity(p, v, tess),
            lambda c: native.arrays.velocity_vjp(points, velocity, c, tess),
        ),
        (
            lambda p, v: native.arrays.jacobian(p, v, tess, -0.5)[0],
            lambda c: native.arrays.jacobian_vjp(points, velocity, c, None, tess, -0.5),
        ),
    )
    for function, pull_back in cases:
        ahead, behind = (function(points + d * along_points, velocity + d * along_velocity) for d in (h, -h))
        cotangent = rng.standard_normal(ahead.shape)
        grad_points, grad_velocity = pull_back(cotangent)
        terms = cotangent * (ahead - behind) / (2 * h)
        got = (grad_points * along_points).sum() + (grad_velocity * along_velocity).sum()
        assert np.abs(terms).sum() > 1
        assert abs(got - terms.sum()) <= 1e-6 * np.abs(terms).sum()
