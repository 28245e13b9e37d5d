"""The course as a static site in build/book: `make book` (`ARGS="00 03"`: only these chapters with their outputs).

Chapters are run (book/run.py keeps what has not changed), their widgets live pages or pictures (book/pictures.py), the
reference comes from the docstrings (book/reference.py), the glossary from the package. Sphinx then makes the site. A
warning, a link that leads nowhere, or a file that a page would load from elsewhere is an error. No network is used.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pandas as pd

from book import pictures, reference, run
from dgkit.course import outputs, real

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
TABLE = """What chapter 11 shows a part of: how near each model's series are to those that it has not seen, after as
many CPU-seconds of one thread. Of several seeds there is the median, and in brackets the least and the largest. The
first row is chance, the second a model that learns nothing. What the columns mean is said in the docstring of
`dgkit.course.real.table`; values, mid-range and half-range are in decades where a feature's scale is logarithmic, other
distances of series are shares of how far real ones are from their median. "-": there is no such number."""
LOADS = {("script", "src"), ("img", "src"), ("iframe", "src"), ("link", "href"), ("source", "src")}
NOT_LOADED = {"canonical", "search", "next", "prev", "author", "license"}  # <link rel>


def main() -> int:
    parser = argparse.ArgumentParser(prog="make book", description=__doc__.splitlines()[0])
    parser.add_argument(
        "chapters", nargs="*", help="numbers of chapters: only these are run, the others have no outputs"
    )
    parser.add_argument("--fresh", action="store_true", help="run what has been run before, too")
    given = parser.parse_args()
    if given.fresh:
        shutil.rmtree(run.KEPT, ignore_errors=True)
        shutil.rmtree(BUILD / "doctrees", ignore_errors=True)
    started = time.perf_counter()
    source, site = BUILD / "book-source", BUILD / "book"
    chapters = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    shown = {path for path in chapters if not given.chapters or path.name[:2] in given.chapters}

    live = prepare(source, chapters, shown)
    faults = made(source, site)
    put(site, live, only="live")
    faults = faults or problems(site)
    print("\n".join(faults))
    size = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
    print(f"{site / 'index.html'}: {size / 2**20:.0f} MB, {time.perf_counter() - started:.0f} s")
    return 1 if faults else 0


def prepare(source: Path, chapters: list[Path], shown: set[Path]) -> dict[str, str]:
    """Write all pages' sources; returns the pages of live widgets, which are no sources."""
    live: dict[str, str] = {}
    pages = {"README.md": (ROOT / "README.md").read_text(encoding="utf-8")}
    with pictures.camera() as camera:
        for path in chapters:
            notebook = run.executed(path) if path in shown else nbformat.read(path, as_version=4)
            names = {
                model: f"live/{path.stem}-{k}.html" for k, model in enumerate(notebook.metadata.get("live", {}), 1)
            }
            live |= {names[model]: text for model, text in notebook.metadata.pop("live", {}).items()}
            addresses = {model: f"../{name}" for model, name in names.items()}
            pages[f"notebooks/{path.name}"] = nbformat.writes(chapter(notebook, camera, addresses))
    pages |= {f"api/{module}.rst": reference.page(module) for module in reference.modules()}
    pages |= {"reference.md": reference.table(), "data.md": (ROOT / "data" / "README.md").read_text(encoding="utf-8")}
    if (terms := ROOT / "dgkit" / "course" / "glossary.json").exists():
        pages["glossary.md"] = glossary(json.loads(terms.read_text(encoding="utf-8")), chapters)
    pages["table.md"] = real_table()
    guide, _, _ = (ROOT / "GUIDE.md").read_text(encoding="utf-8").partition("## Where things are")
    pages["guide.md"] = guide.replace("(REFERENCE.md)", "(reference.md)")
    rest = [name for name in ("guide", "glossary", "table", "reference", "data") if f"{name}.md" in pages]
    pages["index.md"] = (ROOT / "book" / "index.md").read_text(encoding="utf-8") + toctree(rest)

    put(source, pages)
    return live


def put(folder: Path, files: dict[str, str], only: str = "") -> None:
    """A folder, or one in it, has these files; those that say the same stay: Sphinx reads only what has changed."""
    for old in (folder / only).rglob("*"):
        if old.is_file() and old.relative_to(folder).as_posix() not in files:
            old.unlink()
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")


def chapter(notebook: nbformat.NotebookNode, camera=None, live=None) -> nbformat.NotebookNode:
    """As the book shows it: widgets live or at rest, no solutions."""
    notebook.cells = [cell for cell in notebook.cells if "solution" not in cell.metadata.get("tags", [])]
    return pictures.still(notebook, camera, live)


def glossary(terms: list[dict[str, str]], chapters: list[Path]) -> str:
    """The glossary's page from its one source, each term with the chapter that first uses it."""
    files = {path.name[:2]: path.name for path in chapters}
    entries = [
        f"{one['term']}\n  {one['means']} [Chapter {one['chapter']}](notebooks/{files[one['chapter']]})\n"
        for one in terms
    ]
    return "\n".join(["# Glossary", "", "```{glossary}", *entries, "```", ""])


def real_table() -> str:
    """The page of chapter 11's table, whole: of each data set and feature the distances, then what belongs to all."""
    rows, said = real.spread(), real.table().cannot
    parts = ["# The table: models on real and simulated data", TABLE]
    for (data, budget), some in rows.groupby(["data", "budget"], sort=False):
        here = f"{data}, {budget:g} s"
        parts.append(f"## {here} of CPU time")
        for feature, part in some.groupby("feature", sort=False):
            part = part.droplevel(["data", "feature", "budget"]).rename_axis(None)
            parts += [f"### {here}: {feature}", scrolled(part.loc[:, :"conditional"], f"{here}, {feature}")]
        parts += [f"### {here}: all features", scrolled(part.loc[:, "attributes":], f"{here}, all features")]
        reasons = said.loc[data, feature, budget]
        parts += [f"- {model}: {reason}" for model, reason in reasons[reasons != ""].items()]
    return "\n\n".join(parts)


def scrolled(part: pd.DataFrame, name: str) -> str:
    """A table as HTML in a frame that scrolls, without the columns that have nothing."""
    held = part.loc[:, (part != "-").any()]
    frame = outputs.FRAME.replace('"Table"', f'"Table: {name}"')
    return frame + held.to_html(border=0).replace("\n", "") + "</div>"


def toctree(names: list[str]) -> str:
    head = ["", "```{toctree}", ":maxdepth: 1", ":caption: To look things up", ""]
    return "\n".join([*head, *names, "```", ""])


def made(source: Path, site: Path) -> list[str]:
    """Run Sphinx; what went wrong, if anything did."""
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-n", "-W", "--keep-going", "-q"]
    command += ["-c", str(ROOT / "book"), "-d", str(BUILD / "doctrees"), str(source), str(site)]
    return ["Sphinx found fault; see above."] if subprocess.run(command, cwd=ROOT).returncode else []


class Page(HTMLParser):
    """The links of a page, what it loads, and the places that a link may lead to."""

    def __init__(self, text: str):
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.places |= {given.get("id", ""), given.get("name", "") if tag == "a" else ""}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        self.loads += [
            given[name]
            for kind, name in LOADS
            if kind == tag and name in given and not NOT_LOADED & set(given.get("rel", "").split())
        ]


def problems(site: Path) -> list[str]:
    """Links within the site that lead nowhere, and what a page would load from elsewhere.

    Left out: the theme's templates in _static, and places that listings of source code lead back to, since viewcode
    takes all of a file to be explained in one module (`Config` is in dgkit, `DP` in dgkit.privacy).
    """
    found = [path for path in site.rglob("*.html") if "_static" not in path.relative_to(site).parts]
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in found}
    faults = []
    for path, page in pages.items():
        name = path.relative_to(site)
        faults += [f"{name} loads {one}" for one in page.loads if urlsplit(one).netloc]
        for link in [*page.links, *(one for one in page.loads if not one.startswith("data:"))]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.exists():
                faults.append(f"{name}: no file for {link}")
            elif (
                name.parts[0] != "_modules"
                and parts.fragment
                and target in pages
                and unquote(parts.fragment) not in pages[target].places
            ):
                faults.append(f"{name}: no place for {link}")
    return sorted(set(faults))


if __name__ == "__main__":
    sys.exit(main())
