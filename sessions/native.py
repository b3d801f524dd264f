"""The tests of libcpab on processors."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import nox


def build_c(
    session: nox.Session, name: str, *options: str, env: dict[str, str] | None = None, target: str = "all"
) -> Path:
    """Libcpab with its own CMake project, built in a directory of this name."""
    session.install("cmake>=3.24,<4", "ninja")
    build = Path(session.create_tmp()).resolve() / name
    session.run("cmake", "-S", "libcpab", "-B", str(build), "-G", "Ninja", *options, env=env)
    session.run("cmake", "--build", str(build), "--target", target)
    return build


@nox.session(tags=["c"])
@nox.parametrize("sanitize", ["", "address,undefined"], ids=["plain", "sanitized"])
def c(session: nox.Session, sanitize: str) -> None:
    """The C tests of libcpab, plain and under AddressSanitizer and UndefinedBehaviorSanitizer."""
    options = [f"-DCPAB_SANITIZE={sanitize}", f"-DCMAKE_BUILD_TYPE={'Debug' if sanitize else 'Release'}"]
    build = build_c(session, "sanitized" if sanitize else "plain", "-DCPAB_BUILD_TESTS=ON", *options)
    session.run("ctest", "--test-dir", str(build), "--parallel", "2", "--output-on-failure")


@nox.session
def arm(session: nox.Session) -> None:
    """The C tests on 64-bit Arm, whose lanes are NEON's: cross-compiled, and run in qemu."""
    if not (shutil.which("aarch64-linux-gnu-g++") and shutil.which("qemu-aarch64")):
        session.error("needs a cross-compiler and qemu. On Debian: apt install g++-aarch64-linux-gnu qemu-user")
    toolchain = Path("libcpab/cmake/aarch64.cmake").resolve()
    build = build_c(session, "arm", "-DCPAB_BUILD_TESTS=ON", f"-DCMAKE_TOOLCHAIN_FILE={toolchain}")
    session.run("ctest", "--test-dir", str(build), "--parallel", "2", "--output-on-failure")


@nox.session
def fuzz(session: nox.Session) -> None:
    """The C ABI, driven by libFuzzer under sanitizers for 10 minutes or ``-- --seconds N``. Needs Clang."""
    parser = argparse.ArgumentParser(prog="nox -s fuzz --")
    parser.add_argument("--seconds", type=int, default=600)
    seconds = parser.parse_args(session.posargs).seconds
    suffix = next((s for s in ("", *(f"-{n}" for n in range(30, 13, -1))) if shutil.which(f"clang++{s}")), None)
    if suffix is None:
        session.error("needs Clang with libFuzzer. On Debian: apt install clang libclang-rt-14-dev")
    sanitizers = "-DCPAB_SANITIZE=address,undefined,float-cast-overflow"
    options = ["-DCPAB_FUZZ=ON", "-DCMAKE_BUILD_TYPE=RelWithDebInfo", sanitizers]
    build = build_c(session, "fuzz", *options, env={"CC": f"clang{suffix}", "CXX": f"clang++{suffix}"})
    corpus, found = Path("libcpab/fuzz/corpus").resolve(), build / "found"
    found.mkdir(exist_ok=True)
    limits = [f"-max_total_time={seconds}", "-timeout=30", "-max_len=160", "-len_control=0", "-print_final_stats=1"]
    with session.chdir(build):  # where libFuzzer leaves an input that it objects to
        session.run(str(build / "fuzz" / "fuzz_abi"), *limits, str(found), str(corpus), external=True)
