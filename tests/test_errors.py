"""The exceptions: what they inherit, what they say, and that they travel."""

import pickle

import pytest

from cpabx import errors

BUILTIN = {
    "CpabxError": Exception,
    "ShapeError": ValueError,
    "DtypeError": TypeError,
    "DeviceError": ValueError,
    "OptionError": ValueError,
    "TessellationError": ValueError,
    "RangeError": ValueError,
    "DivergenceError": ArithmeticError,
    "NativeLibraryError": ImportError,
    "NativeMemoryError": MemoryError,
    "MatrixError": ValueError,
    "MissingPackageError": ImportError,
    "UnsupportedError": NotImplementedError,
    "BackendNotFoundError": ImportError,
    "BackendLoadError": ImportError,
    "BackendMismatchError": TypeError,
}


def test_all_are_listed():
    """A new exception gets its line above, and in the documentation."""
    assert set(errors.__all__) == set(BUILTIN)


@pytest.mark.parametrize("name", BUILTIN)
def test_each_is_a_cpabx_error_and_a_builtin_one(name):
    """Code that knows nothing of cpabx can catch them."""
    kind = getattr(errors, name)
    assert issubclass(kind, errors.CpabxError)
    assert issubclass(kind, BUILTIN[name])
    assert kind.__doc__


@pytest.mark.parametrize("name", BUILTIN)
def test_each_says_three_things_and_survives_pickling(name):
    """From a worker process to its parent, parts and all."""
    error = getattr(errors, name)("theta must be (N, 58)", "shape (8, 62)", "Check the boundary.")
    for same in (error, pickle.loads(pickle.dumps(error))):
        assert type(same) is type(error)
        assert (same.asked, same.received, same.remedy) == (
            "theta must be (N, 58)",
            "shape (8, 62)",
            "Check the boundary.",
        )
        assert str(same) == "theta must be (N, 58); got shape (8, 62). Check the boundary."


@pytest.mark.parametrize("name", BUILTIN)
def test_each_can_be_raised_again_with_more_to_say(name):
    """Keras makes a new error of the class, with the first argument and what the layer was called with."""
    error = getattr(errors, name)("theta must be (N, 58)", "shape (8, 62)", "Check the boundary.")
    again = type(error)(f"In layer 'a': {error.args[0]}")
    for same in (again, pickle.loads(pickle.dumps(again))):
        assert type(same) is type(error)
        assert str(same) == "In layer 'a': theta must be (N, 58); got shape (8, 62). Check the boundary."


def test_notes_travel():
    error = errors.ShapeError("a", "b", "c")
    error.add_note("in worker 3")
    assert pickle.loads(pickle.dumps(error)).__notes__ == ["in worker 3"]
