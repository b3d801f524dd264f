"""Building without a compiler: a sentence that says what is needed and how to get it, not CMake's words alone."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SOURCES = Path(__file__).parents[1] / "libcpab"


def configure(folder, **environment):
    """What CMake says that finds no program but those of its own."""
    cmake, ninja = shutil.which("cmake"), shutil.which("ninja")
    if cmake is None or ninja is None or os.name != "posix":
        pytest.skip("needs cmake and ninja, on a system where programs are found by PATH")
    clean = {name: value for name, value in os.environ.items() if name not in ("CC", "CXX", "CMAKE_GENERATOR")}
    command = [cmake, "-S", SOURCES, "-B", folder / "build", "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=clean | environment)
    assert done.returncode != 0
    return " ".join((done.stdout + done.stderr).split())


@pytest.mark.parametrize("variable", [None, "CC", "CXX"])
def test_a_missing_compiler(tmp_path, variable):
    """None on the PATH, or one that CC or CXX names and that is none."""
    (tmp_path / "bin").mkdir()
    said = configure(tmp_path, **({variable: "/nowhere/c++"} if variable else {"PATH": str(tmp_path / "bin")}))
    assert "libcpab needs a C compiler and one of C++17" in said
    assert (f"{variable}=/nowhere/c++" if variable else "found none") in said
    for system in ("apt-get install g++", "xcode-select --install", "Visual Studio Build Tools"):
        assert system in said
