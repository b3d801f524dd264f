"""The door through which cpabx comes in."""

import subprocess
import sys

import pytest

import cpabx


@pytest.mark.slow
def test_plugin_module_imports_no_torch():
    code = "import sys, cpabx_torch.plugin as p; p.cpabx_tensor_modules(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_backend_is_found_by_its_entry_point():
    found = {entry.name: entry for entry in cpabx.available_backends(load=False)}
    assert cpabx.get_backend("torch").framework_version.startswith("torch ")
    assert found["torch"].distribution.startswith("cpabx-torch ")
