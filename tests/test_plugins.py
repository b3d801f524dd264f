"""Plugins through the real door: packages with entry points, in a fresh process.

Whatever is wrong with one, it gets a sentence that says what to do, and numpy goes on working.
"""

import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.slow

GOOD = """
    import cpabx
    from cpabx.numpy_backend import NumpyBackend

    class Fake(NumpyBackend):
        name = "fake"

    @cpabx.hookimpl
    def cpabx_tensor_modules():
        return ("fakeframework",)

    @cpabx.hookimpl
    def cpabx_backend():
        import fakeframework
        return Fake()
"""


def without(*members):
    """The same plugin with a class of its own that lacks these."""
    own = f"""
    from cpabx.backend import Backend
    needed = {{*Backend.__abstractmethods__, *Backend.__annotations__}} - {set(members)}
    Own = type("Own", (Backend,), {{**{{member: getattr(NumpyBackend, member) for member in needed}}, "name": "fake"}})
    """
    return GOOD.replace("return Fake()", "return Own()") + own


ASK = """
    import cpabx
    try:
        print("loaded", cpabx.get_backend("fake").name)
    except cpabx.errors.BackendLoadError as error:
        assert error.asked and error.received and error.remedy
        print(error)
    import numpy as np
    cpabx.Cpab((1, 1)).transform(np.zeros((1, 2)), np.zeros((1, 10)))
    print("numpy works")
"""


class Site:
    """A directory on sys.path, with packages as an installer leaves them."""

    def __init__(self, path):
        self.path = path
        path.mkdir(exist_ok=True)

    def module(self, name, code):
        (self.path / f"{name}.py").write_text(textwrap.dedent(code))

    def distribution(self, name="cpabx-fake", version="1.0", backend="fake", module="cpabx_fake", requires=()):
        info = self.path / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        needed = "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needed}")
        (info / "entry_points.txt").write_text(f"[cpabx.backends]\n{backend} = {module}\n")

    def run(self, code=ASK, *more):
        paths = [str(self.path), *map(str, more), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        environment.pop("CPABX_BACKEND", None)
        result = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, env=environment, check=False
        )
        assert result.returncode == 0, result.stderr
        return result.stdout


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path / "site")


def test_good_plugin_is_found_by_its_name(site):
    site.module("cpabx_fake", GOOD)
    site.module("fakeframework", "")
    site.distribution()
    assert site.run() == "loaded fake\nnumpy works\n"


def test_plugin_is_listed_without_being_imported(site):
    """Listing what is installed must not cost the import of every framework."""
    site.module("cpabx_fake", "raise SystemExit('imported')")
    site.distribution()
    listing = """
        import cpabx
        print([b.distribution for b in cpabx.available_backends(load=False) if b.name == "fake"])
    """
    assert site.run(listing) == "['cpabx-fake 1.0']\n"


def test_plugin_is_asked_about_tensors_without_its_framework(site):
    """A foreign tensor makes cpabx look at plugins; that imports no framework."""
    site.module("cpabx_fake", GOOD)
    site.distribution()
    looking = """
        import cpabx, sys
        class Unknown: pass
        print(cpabx.registry.owner(Unknown()), "fakeframework" in sys.modules, "cpabx_fake" in sys.modules)
    """
    assert site.run(looking) == "None False True\n"


def test_tensors_choose_their_backend(site):
    """A call follows its tensors, whatever was chosen; two frameworks, or another ``backend=``, are an error."""
    site.module("cpabx_fake", GOOD)
    site.module("fakeframework", "class Tensor:\n    pass\n")
    site.distribution()
    mixing = """
        import cpabx, numpy as np, fakeframework
        array, tensor = np.zeros((1, 6)), fakeframework.Tensor()
        cpabx.set_backend("numpy")
        print(cpabx.registry.backend_for(theta=tensor, points=[[0, 0]]).name)
        cpabx.set_backend("fake")
        print(cpabx.registry.backend_for(theta=array).name)
        for arguments in ({"theta": array, "points": tensor}, {"theta": tensor, "backend": "numpy"}):
            try:
                cpabx.registry.backend_for(**arguments)
            except cpabx.errors.BackendMismatchError as error:
                assert isinstance(error, TypeError)
                print(error)
    """
    tensor, array, mixed, contradiction = site.run(mixing).splitlines()
    assert (tensor, array) == ("fake", "numpy")
    assert "theta from numpy" in mixed
    assert "points from fake" in mixed
    assert "'numpy'" in contradiction
    assert "theta from fake" in contradiction


def test_subclass_of_a_tensor_belongs_to_its_framework(site):
    site.module("cpabx_fake", GOOD)
    site.module("fakeframework", "class Tensor:\n    pass\n")
    site.distribution()
    inherit = """
        import cpabx, fakeframework
        class Mine(fakeframework.Tensor): pass
        print(cpabx.registry.owner(Mine()))
    """
    assert site.run(inherit) == "fake\n"


def test_missing_framework(site):
    """What the plugin's own ImportError says reaches the user."""
    site.module(
        "cpabx_fake", GOOD.replace("import fakeframework", "raise ImportError('no fakeframework: pip install it')")
    )
    site.distribution()
    message, numpy = site.run().splitlines()
    assert "no fakeframework: pip install it" in message
    assert "cpabx-fake 1.0" in message
    assert "-U" not in message  # nothing is too old
    assert numpy == "numpy works"


@pytest.mark.parametrize(
    ("requires", "command"),
    [([], "pip install fakeframework"), (["fakeframework>=2"], 'pip install "fakeframework>=2"')],
)
def test_missing_module_is_what_to_install(site, requires, command):
    """Not the plugin again, nor a newer one: it is there."""
    site.module("cpabx_fake", GOOD)
    site.distribution(requires=requires)
    message, _ = site.run().splitlines()
    assert f"This Python has no fakeframework: {command}" in message
    assert "-U" not in message


@pytest.mark.parametrize(
    ("code", "parts"),
    [
        ("1 / 0", ["ZeroDivisionError", "pip install -U cpabx-fake"]),
        ("import nowhere_to_be_found", ["nowhere_to_be_found"]),
        ("def :", ["SyntaxError"]),
        ("", ["no such hook"]),
        (GOOD.replace("def cpabx_backend", "def cpabx_bakend"), ["cpabx_bakend"]),
        (GOOD.replace('name = "fake"', 'name = "other"'), ["own name", "'other'"]),
        (
            GOOD.replace('name = "fake"', 'name = "fake"; supports = frozenset({"autograd", "telepathy"})'),
            ["telepathy"],
        ),
        (GOOD.replace("return Fake()", "return Fake"), ["Backend"]),
        (GOOD.replace("return Fake()", "return 'a string'"), []),
        (
            GOOD.replace("return Fake()", "import types; return types.SimpleNamespace(api_version=1)"),
            ["SimpleNamespace", "must return a cpabx.backend.Backend"],
        ),
        (GOOD.replace("return Fake()", "raise RuntimeError('driver too old')"), ["RuntimeError: driver too old"]),
        (GOOD.replace("@cpabx.hookimpl\n    def cpabx_backend", "def cpabx_backend"), ["cpabx.hookimpl"]),
        (GOOD.replace("def cpabx_backend()", "def cpabx_backend(device)"), ["cpabx_backend", "device"]),
        (GOOD.replace("@cpabx.hookimpl", "", 1), ["cpabx_tensor_modules", "no such hook"]),
        (GOOD.replace('("fakeframework",)', '"fakeframework"'), ["tuple of module names", "'fakeframework'"]),
        (GOOD.replace('return ("fakeframework",)', "import nowhere"), ["ModuleNotFoundError", "nowhere"]),
        (without("log"), ["TypeError", "abstract method", "log"]),
        (without("supports", "channels_last"), ["without supports and channels_last", "name, api_version, supports"]),
        (
            GOOD.replace('name = "fake"', 'name = "fake"; supports = {"layers"}'),
            ["frozenset", "{'layers'}"],
        ),
        (GOOD.replace('name = "fake"', 'name = "fake"; supports = frozenset({"autograd"})'), ["'autograd'", "vjp"]),
        (
            GOOD.replace('name = "fake"', 'name = "fake"; supports = frozenset({"layers"})'),
            ["method layers"],
        ),
    ],
    ids=[
        "raises at import",
        "imports what is missing",
        "syntax error",
        "no hooks",
        "misspelt hook",
        "wrong name",
        "unknown ability",
        "class instead of instance",
        "wrong type",
        "other wrong type",
        "raises in the hook",
        "hook without its decorator",
        "hook with a parameter",
        "no tensor modules",
        "tensor modules without their comma",
        "raises in the other hook",
        "missing method",
        "missing attributes",
        "abilities in a set",
        "autograd without vjp",
        "layers without layers",
    ],
)
def test_broken_plugin_gets_a_sentence_and_breaks_nothing(site, code, parts):
    site.module("cpabx_fake", code)
    site.module("fakeframework", "")
    site.distribution()
    output = site.run()
    message, _, numpy = output.strip().rpartition("\n")
    assert numpy == "numpy works"
    assert message.startswith("backend 'fake' (cpabx-fake 1.0) must")
    for part in parts:
        assert part in message


@pytest.mark.parametrize("version", [0, 2, None])
def test_plugin_of_another_api_version(site, version):
    """Both numbers and both packages, and which to upgrade."""
    import cpabx

    site.module("cpabx_fake", GOOD.replace('name = "fake"', f'name = "fake"; api_version = {version}'))
    site.module("fakeframework", "")
    site.distribution()
    message, _ = site.run().splitlines()
    assert f"plugin API {version}" in message
    assert f"plugin API 1 of cpabx {cpabx.__version__}" in message
    assert "cpabx-fake 1.0" in message
    assert "pip install -U cpabx cpabx-fake" in message


def test_two_packages_with_one_name(site):
    """Neither wins by accident of order."""
    site.module("cpabx_fake", GOOD)
    site.module("other_fake", GOOD)
    site.distribution()
    site.distribution("other-fake", "2.0", module="other_fake")
    message, _ = site.run().splitlines()
    assert "cpabx-fake 1.0" in message
    assert "other-fake 2.0" in message
    assert "Uninstall one of them" in message


def test_two_packages_with_the_same_tensors(site):
    """Tensors name no backend then; who asks for one by name is not concerned."""
    for name in ("fake", "other"):
        site.module(f"cpabx_{name}", GOOD.replace('name = "fake"', f'name = "{name}"'))
        site.distribution(f"cpabx-{name}", backend=name, module=f"cpabx_{name}")
    site.module("fakeframework", "class Tensor:\n    pass\n")
    asking = """
        import cpabx, fakeframework
        print(cpabx.get_backend("fake").name, cpabx.get_backend("other").name)
        try:
            cpabx.registry.backend_for(theta=fakeframework.Tensor())
        except cpabx.errors.BackendLoadError as error:
            print(error)
    """
    names, message = site.run(asking).splitlines()
    assert names == "fake other"
    assert "tensors of 'fakeframework' must belong to one backend" in message
    assert "'fake' (cpabx-fake 1.0) and backend 'other' (cpabx-other 1.0)" in message
    assert "Uninstall one of them" in message


def test_namesake_of_a_framework_owns_its_tensors(site):
    """Other backends may use them, too, as one that changes a detail of it does."""
    site.module("cpabx_fake", GOOD.replace('"fakeframework",', '"fake",'))
    site.module("cpabx_other", GOOD.replace('"fakeframework",', '"fake",'))
    site.distribution()
    site.distribution("cpabx-another", backend="another", module="cpabx_other")
    site.module("fake", "class Tensor:\n    pass\n")
    assert site.run("import cpabx, fake; print(cpabx.registry.owner(fake.Tensor()))") == "fake\n"


def test_array_that_is_derived_from_another_frameworks(site):
    """The most derived class that a backend knows decides, not the one that has a backend of its name."""
    site.module("cpabx_fake", GOOD)
    site.module("fakeframework", "import numpy as np\nclass Tensor(np.ndarray):\n    pass\n")
    site.distribution()
    derived = """
        import cpabx, fakeframework, numpy as np
        class Mine(np.ndarray): pass
        array = np.zeros(3)
        print([cpabx.registry.owner(a) for a in (array, array.view(Mine), array.view(fakeframework.Tensor))])
    """
    assert site.run(derived) == "['numpy', 'numpy', 'fake']\n"


def test_one_package_found_twice_is_one(site, tmp_path):
    """As with an editable install, or a directory that is on sys.path under two names."""
    second = Site(tmp_path / "again")
    for s in (site, second):
        s.module("cpabx_fake", GOOD)
        s.module("fakeframework", "")
        s.distribution()
    assert site.run(ASK, second.path) == "loaded fake\nnumpy works\n"


@pytest.mark.parametrize("answer", ["1 / 0", "return 'numpy'", "return None", "return (1,)"])
def test_a_plugin_that_cannot_tell_its_tensors_breaks_no_others(site, answer):
    site.module("cpabx_fake", GOOD.replace('return ("fakeframework",)', answer))
    site.module("fakeframework", "class Tensor:\n    pass\n")
    site.distribution()
    foreign = """
        import cpabx, fakeframework, numpy as np
        print(cpabx.registry.owner(fakeframework.Tensor()), cpabx.registry.owner(np.zeros(3)))
    """
    assert site.run(foreign) == "None numpy\n"


def test_a_failed_plugin_can_be_asked_for_again(site):
    """The same sentence, not a complaint about a plugin that is registered already."""
    site.module("cpabx_fake", "1 / 0")
    site.distribution()
    twice = """
        import cpabx
        messages = set()
        for _ in range(2):
            try:
                cpabx.get_backend("fake")
            except cpabx.errors.BackendLoadError as error:
                messages.add(str(error))
        print(len(messages))
    """
    assert site.run(twice) == "1\n"


def test_listing_tells_what_is_wrong(site):
    """`available_backends` loads what it can and explains the rest."""
    site.module("cpabx_fake", "1 / 0")
    site.distribution()
    listing = """
        import cpabx
        from cpabx.plugins import Plugins, installed
        found = {name: installed()[name] for name in ("fake", "numpy")}  # the others are slow
        cpabx.registry._plugins = Plugins(lambda: found)
        for b in cpabx.available_backends():
            print(b.name, b.framework.split()[:1], "ZeroDivisionError" in b.problem, sorted(b.supports))
    """
    assert site.run(listing) == "fake [] True []\nnumpy ['numpy'] False ['random_state']\n"
