"""What is public is explained: NumPy-style sections, and an example that the doctests of `make test` run.

The form of all docstrings is `numpydoc lint`'s to check, in `make lint`.
"""

import doctest
import importlib
import inspect
from pathlib import Path

import pytest
from numpydoc.validate import validate

import dgkit as dg

PARTS = [name for name in dg.__all__ if inspect.ismodule(getattr(dg, name))]


def public(module: str) -> dict:
    """Names of functions and classes: those in `__all__`, or else those that the module defines."""
    here = importlib.import_module(module)
    names = getattr(here, "__all__", None) or [
        name for name, value in vars(here).items() if name[0] != "_" and getattr(value, "__module__", None) == module
    ]
    values = {name: getattr(here, name) for name in names}
    return {v: f"{module}.{k}" for k, v in values.items() if inspect.isclass(v) or inspect.isfunction(v)}


PUBLIC = {
    value: name
    for module in ("dgkit", *(f"dgkit.{part}" for part in PARTS), "dgkit_widgets")
    for value, name in public(module).items()
}
# of numpydoc's checks those that `numpydoc lint` cannot ask of every function, private ones too (pyproject.toml)
ASKED_OF_PUBLIC_NAMES = {"GL08", "SS02", "SS06", "PR01", "PR02", "RT01", "EX01"}


@pytest.mark.filterwarnings("ignore:Unknown section Source", "ignore::DeprecationWarning")
def test_public_names_say_what_goes_in_and_what_comes_out_with_an_example_that_runs():
    faults = [
        f"{name}: {fault}"
        for name in PUBLIC.values()
        for code, fault in validate(name)["errors"]
        if code in ASKED_OF_PUBLIC_NAMES
    ]
    for value, name in PUBLIC.items():
        examples = doctest.DocTestParser().get_examples(value.__doc__ or "")
        if all(example.options.get(doctest.SKIP) for example in examples):
            faults.append(f"{name}: no example runs")
        for member in offered(value) if inspect.isclass(value) else ():
            if not inspect.getdoc(getattr(value, member)):
                faults.append(f"{name}.{member}: no docstring")

    assert faults == []


def offered(value: type) -> list[str]:
    """The public methods and properties that a class defines."""
    kinds = property | classmethod | staticmethod
    return [
        name
        for name, member in vars(value).items()
        if name[0] != "_" and (isinstance(member, kinds) or inspect.isfunction(member))
    ]


def test_the_reference_lists_every_public_name():
    rows = (Path(__file__).parents[2] / "REFERENCE.md").read_text(encoding="utf-8").splitlines()
    listed = {row.split("`")[1]: row for row in rows if row.startswith("| `dgkit")}

    missing = [
        name for name in PUBLIC.values() if f"`{name.rpartition('.')[2]}`" not in listed[name.rpartition(".")[0]]
    ]

    assert missing == []


def test_doctests_are_part_of_the_tests(request):
    assert request.config.getoption("doctestmodules")
    assert {"dgkit", "widgets/dgkit_widgets"} <= set(request.config.getini("testpaths"))
