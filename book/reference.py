"""The reference: REFERENCE.md's table with links, and a page a module made from the docstrings.

What is public is what that table lists (a test holds it to the code). A name that stands in two modules is explained in
the inner one: `dg.open_dataset` in `dgkit.datasets`.
"""

import importlib
import inspect
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROW = re.compile(r"^\| `(dgkit[\w.]*)` \| (.+) \|$", re.MULTILINE)


@cache
def modules() -> dict[str, list[str]]:
    """For each module of REFERENCE.md the names that its page explains."""
    rows = dict(ROW.findall((ROOT / "REFERENCE.md").read_text(encoding="utf-8")))
    found: dict[str, list[str]] = {}
    seen: set[int] = set()
    for module in sorted(rows, key=lambda name: -name.count(".")):
        here = importlib.import_module(module)
        listed = {name: getattr(here, name) for name in re.findall(r"`(\w+)`", rows[module]) if hasattr(here, name)}
        found[module] = [
            name for name, value in listed.items() if id(value) not in seen and not inspect.ismodule(value)
        ]
        seen |= {id(value) for value in listed.values()}
    return {module: found[module] for module in rows}


@cache
def places() -> dict[int, str]:
    """By identity of what is explained: its name in the reference."""
    named = ((f"{module}.{name}", module, name) for module, names in modules().items() for name in names)
    return {id(getattr(importlib.import_module(module), name)): full for full, module, name in named}


def documented(text: str) -> str | None:
    """The name in the reference of what is written as `dg.fit(...)`, `course.open_run` or `dgkit.Trainer.save`."""
    match = re.match(r"(dg|dgkit|course|dgkit_widgets)((?:\.[A-Za-z_]\w*)*)(?:\(|$)", text)
    if match is None:
        return None
    name = {"dg": "dgkit", "course": "dgkit.course"}.get(match[1], match[1])
    value, full = importlib.import_module(name), name
    for part in match[2].split(".")[1:]:
        if not hasattr(value, part):
            return None
        value = getattr(value, part)
        full = f"{full}.{part}"
        full = places().get(id(value), full) if not inspect.ismodule(value) else value.__name__
    if inspect.ismodule(value):
        return full if full in modules() and match[2] else None
    owner, _, member = full.rpartition(".")
    explained = full in places().values() or (owner in places().values() and inspect.getdoc(value))
    return full if explained and member[0] != "_" else None


def table() -> str:
    """REFERENCE.md, its modules and names with links, and the pages under it."""

    def linked(row: re.Match) -> str:
        module = row[1]

        def link(name: re.Match) -> str:
            full = documented(f"{module}.{name[1]}") or documented(name[1])
            return f"{{py:obj}}`{name[1]} <{full}>`" if full else name[0]

        names = re.sub(r"`([\w.]+)`", link, row[2])
        return f"| {{py:mod}}`{module}` | {names} |"

    text = ROW.sub(linked, (ROOT / "REFERENCE.md").read_text(encoding="utf-8"))
    return f"{text}\n```{{toctree}}\n:hidden:\n{chr(10).join(f'api/{module}' for module in modules())}\n```\n"


def page(module: str) -> str:
    """A module's page, in reStructuredText."""
    here = importlib.import_module(module)
    lines = [module, "=" * len(module), "", f".. automodule:: {module}", "", ".. currentmodule:: " + module, ""]
    if modules()[module]:
        lines += [".. autosummary::", "   :nosignatures:", "", *(f"   {name}" for name in modules()[module]), ""]
    for name in modules()[module]:
        value = getattr(here, name)
        kind = "class" if inspect.isclass(value) else "function" if callable(value) else "data"
        lines += [name, "-" * len(name), "", f".. auto{kind}:: {name}"]
        lines += ["   :members:", ""] if kind == "class" else ["   :no-value:", ""] if kind == "data" else [""]
    return "\n".join(lines)
