"""What is public is explained: NumPy-style sections, and an example that the doctests of `make test` run."""

import doctest
import importlib
import inspect
from pathlib import Path

import pytest

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
BUILT_IN = (Exception, dict)  # made as these are


@pytest.mark.parametrize("value", PUBLIC, ids=PUBLIC.get)
def test_it_says_what_goes_in_and_what_comes_out_with_an_example(value):
    text = value.__doc__ or ""
    known = inspect.isclass(value) and issubclass(value, BUILT_IN)
    described = () if known else inspect.signature(value).parameters.values()
    takes = [one.name for one in described if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    returns = inspect.isfunction(value) and inspect.signature(value).return_annotation is not None

    assert not takes or "Parameters\n    ---" in text
    assert all(name in text for name in takes)
    assert not returns or "Returns\n    ---" in text
    examples = doctest.DocTestParser().get_examples(text.partition("Examples\n    ---")[2])
    assert any(not example.options.get(doctest.SKIP) for example in examples)


@pytest.mark.parametrize("value", [value for value in PUBLIC if inspect.isclass(value)], ids=PUBLIC.get)
def test_what_a_class_offers_is_explained(value):
    offered = {name: member for name, member in vars(value).items() if name[0] != "_"}
    silent = [
        name
        for name, member in offered.items()
        if isinstance(member, property | classmethod | staticmethod) or inspect.isfunction(member)
        if not inspect.getdoc(getattr(value, name))
    ]

    assert silent == []


@pytest.mark.parametrize("name", PUBLIC.values())
def test_the_readme_lists_it(name):
    module, _, name = name.rpartition(".")
    rows = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8").splitlines()

    assert f"`{name}`" in next(row for row in rows if row.startswith(f"| `{module}` |"))


def test_doctests_are_part_of_the_tests(request):
    assert request.config.getoption("doctestmodules")
    assert {"dgkit", "widgets/dgkit_widgets"} <= set(request.config.getini("testpaths"))
