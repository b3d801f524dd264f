"""`import cpabx` is cheap and silent: it costs no framework, and needs none."""

import json
import subprocess
import sys

import pytest

UNWANTED = [
    "torch",
    "tensorflow",
    "keras",
    "jax",
    "matplotlib",
    "scipy",
    "pytest",
    "sklearn",
    "PIL",
    "rich",
    "cpabx_torch",
    "cpabx_experiments",
]


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


@pytest.mark.slow
def test_libcpab_cuda_is_opened_by_none_but_tensors_of_its_devices():
    code = "import cpabx; from cpabx.native import library; cpabx.Cpab().sample(2, seed=0, backend='numpy')"
    assert python(f"{code}; print(library.load_cuda.cache_info().misses)").stdout.strip() == "0"


@pytest.mark.slow
@pytest.mark.parametrize(
    "use",
    [
        "import cpabx",
        "import cpabx; cpabx.available_backends(load=False)",
        "import cpabx; cpabx.Affine().sample(2); cpabx.layers.STCPAB",
        "import cpabx, numpy; cpabx.Cpab((2, 2)).transform(numpy.zeros((1, 2)), numpy.zeros((1, 20)))",
    ],
)
def test_no_framework_is_imported(use):
    """Also not by using numpy: asking for one backend never imports another."""
    result = python(f"{use}\nimport sys, json; print(json.dumps(sorted(sys.modules)))")
    modules = json.loads(result.stdout)
    assert "cpabx" in modules
    assert [name for name in UNWANTED if name in modules] == []


@pytest.mark.slow
def test_nothing_is_printed():
    result = python("import cpabx")
    assert result.stdout == ""
    assert result.stderr == ""


def test_public_names_exist():
    """`__all__` is what `import *` gives, everywhere."""
    import cpabx

    for module in (cpabx, cpabx.errors, cpabx.layers, cpabx.registry, cpabx.transforms, cpabx.native):
        assert len(set(module.__all__)) == len(module.__all__)
        for name in module.__all__:
            assert hasattr(module, name)
