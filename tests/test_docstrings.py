"""What every public name says of itself: its arguments, each by name, and what it returns."""

import inspect
import re

import pytest

import cpabx
from cpabx.testing.public import SUBJECTS

#: As in Google's style: sections whose lines are indented.
SECTION = re.compile(r"^(Args|Returns|Raises):(.*(?:\n(?:[ \t]+.*)?)*)", re.MULTILINE)
#: "Arguments and errors as in ...": what the function that it names says holds here, too.
REFERENCE = re.compile(r"(?:Arguments|Args|arguments)[^.]* as in[^.]* :meth:`(?:~?cpabx\.\w+\.)?(\w+)`")


def functions():
    """By label, the public functions and methods, with the class that a method is of."""
    found = {}
    for name in cpabx.__all__:
        exported = getattr(cpabx, name)
        if inspect.isfunction(exported):
            found[name] = (exported, None)
    for kind in {type(subject): None for subject in SUBJECTS}:
        for name, member in inspect.getmembers(kind, callable):
            if not name.startswith("_"):
                found[f"{kind.__name__}.{name}"] = (member, kind)
    return found


FUNCTIONS = functions()
each_function = pytest.mark.parametrize("label", FUNCTIONS)


def described(label):
    """(names of the arguments in a docstring, whether it says what it returns), references followed."""
    function, kind = FUNCTIONS[label]
    text = inspect.getdoc(function) or ""
    sections = dict(SECTION.findall(text))
    names = set(re.findall(r"^[ \t]+([\w*, ]+):", sections.get("Args", ""), re.MULTILINE))
    names = {part.strip(" *") for name in names for part in name.split(",")}
    if (other := REFERENCE.search(text)) and other[1] != function.__name__:
        names |= described(f"{kind.__name__}.{other[1]}")[0]
    return names, "Returns" in sections or text.startswith("(")


def taken(function):
    parameters = inspect.signature(function).parameters
    return [name for name in parameters if name not in ("self", "cls")]


@each_function
def test_says_what_it_does(label):
    assert inspect.getdoc(FUNCTIONS[label][0])


@each_function
def test_says_what_its_arguments_are(label):
    missing = [name for name in taken(FUNCTIONS[label][0]) if name not in described(label)[0]]
    assert not missing, f"{label} says nothing of {', '.join(missing)}"


@each_function
def test_says_what_it_returns(label):
    function = FUNCTIONS[label][0]
    if taken(function) and inspect.signature(function).return_annotation not in (None, "None"):
        assert described(label)[1], f"{label} does not say what it returns"
