"""The JupyterLab extension as committed: built from the sources at hand, with the chapters that there are."""

import importlib.util
import json
import re
import shutil
import tomllib
from pathlib import Path

import pytest

import dgkit as dg

ROOT = Path(__file__).parents[2]
LAB = ROOT / "widgets" / "labextension"
BUILT = ROOT / "widgets" / "dgkit_widgets" / "labextension"


def module(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "widgets" / f"{name}.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture(scope="module")
def listing():
    return module("list_chapters")


@pytest.fixture
def chapter_file(tmp_path):
    """Write a chapter whose first cell is this text; returns its path."""

    def write(first, *code, metadata=None, name="05_baselines.ipynb"):
        cells = [{"cell_type": "markdown", "source": [first]}]
        cells += [{"cell_type": "code", "source": source.splitlines(keepends=True)} for source in code]
        path = tmp_path / name
        path.write_text(json.dumps({"cells": cells, "metadata": metadata or {}}))
        return path

    return write


def test_the_built_files_are_of_these_sources():
    build = module("build")

    assert (BUILT / "sources.sha256").read_text().strip() == build.digest(build.lab_sources()), (
        "widgets/labextension has changed since it was built: python widgets/build.py"
    )


def test_every_chapter_has_the_installing_cell_behind_its_title(listing):
    for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        text = path.read_text(encoding="utf-8")

        assert listing.with_install(text, path.name[:2]) == text, "python widgets/list_chapters.py"


@pytest.mark.parametrize("missing", [False, True])
def test_the_installing_cell_installs_where_dgkit_is_missing_and_else_does_nothing(listing, monkeypatch, missing):
    called = []
    monkeypatch.setattr("subprocess.check_call", called.append)
    if missing:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    exec(listing.CELL.format(address="https://example.org/dgkit"), {})

    asked = ["-m", "pip", "install", "-q", "anywidget", "git+https://example.org/dgkit"]
    assert [call[1:] for call in called] == ([asked] if missing else [])


def test_a_changed_source_changes_the_digest(tmp_path, monkeypatch):
    build = module("build")
    shutil.copytree(LAB / "src", tmp_path / "src")
    monkeypatch.setattr(build, "HERE", tmp_path)
    files = sorted(tmp_path.glob("src/*"))
    before = build.digest(files)
    files[0].write_bytes(files[0].read_bytes().replace(b"\n", b"\r\n"))

    assert build.digest(files) == before

    files[0].write_bytes(files[0].read_bytes() + b" ")
    assert build.digest(files) != before


def test_the_list_of_chapters_is_up_to_date(listing):
    message = "a chapter has changed since they were listed: python widgets/list_chapters.py"
    assert listing.COURSE.read_text(encoding="utf-8") == listing.text(), message
    assert listing.README.read_text(encoding="utf-8") == listing.readme(), message


def test_every_exercise_of_the_checks_is_in_its_chapter(listing):
    listed = {exercise: chapter["number"] for chapter in listing.chapters() for exercise in chapter["exercises"]}

    assert set(listed) == set(dg.course.exercises())
    assert all(exercise.split(".")[0] == number for exercise, number in listed.items())


def test_a_chapter_is_read_from_its_notebook(listing, chapter_file):
    path = chapter_file(
        "# 05 The *baselines*\n\n**The question.** Some are simple. Is\n[`hmm`](https://example.org) enough? Or not?\n",
        "course.answer('05.2', 1)",
        'answer = None\ndg.course.answer("05.1", answer)',
        metadata={"dgkit": {"minutes": 42}},
    )

    assert listing.chapter(path) == {
        "number": "05",
        "file": "05_baselines.ipynb",
        "title": "The baselines",
        "question": "Is hmm enough?",
        "minutes": 42,
        "exercises": ["05.1", "05.2"],
    }


def test_the_estimate_grows_with_text_cells_and_exercises(listing, chapter_file):
    first = "# 05 T\n\n**The question.** Why?\n\n"

    def minutes(*args):
        return listing.chapter(chapter_file(*args))["minutes"]

    assert minutes(first) == 5
    assert minutes(first + "word " * 1500) == 15
    assert minutes(first, *["1"] * 20) == 15
    assert minutes(first, "course.answer('05.1', 1)", "course.answer('05.2', 1)") == 15


@pytest.mark.parametrize(
    "first, said",
    [("# The baselines", "# 05 Title"), ("# 06 Other\n\n**The question.** Why?", "# 05 Title"), ("# 05 T", "question")],
)
def test_a_chapter_without_heading_or_question_is_named(listing, chapter_file, first, said):
    with pytest.raises(ValueError, match=r"05_baselines\.ipynb.*" + said):
        listing.chapter(chapter_file(first))


def test_a_learners_copies_are_no_chapters(listing, chapter_file):
    path = chapter_file("# 05 T\n\n**The question.** Why?")
    for name in ("05_baselines-copy1.ipynb", "studio.ipynb", "Untitled.ipynb"):
        shutil.copy(path, path.with_name(name))

    assert [chapter["file"] for chapter in listing.chapters(path.parent)] == ["05_baselines.ipynb"]


def test_the_wheel_installs_extension_list_and_chapters():
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    targets = {target: ROOT / source for source, target in build["shared-data"].items()}
    folder = "share/jupyter/labextensions/dgkit-lab"
    package = json.loads((targets[folder] / "package.json").read_text())

    assert (targets[folder] / package["jupyterlab"]["_build"]["load"]).is_file()
    assert json.loads(targets[f"{folder}/install.json"].read_text())["packageName"] == "dgkit"
    listed = json.loads(targets[f"{folder}/course.json"].read_text())["chapters"]
    assert all((targets[f"{folder}/chapters"] / chapter["file"]).is_file() for chapter in listed)
    assert package["version"] == json.loads((LAB / "package.json").read_text())["version"] == dg.__version__


def test_the_lock_file_names_no_registry():
    text = (LAB / "yarn.lock").read_text()

    assert text.count("resolution:") > 100
    assert "http" not in text


GLOSSARY = json.loads((ROOT / "dgkit" / "course" / "glossary.json").read_text(encoding="utf-8"))


# terms that a chapter may show in names of code before its prose has them
IN_CODE = {
    "Wasserstein distance": "wasserstein",
    "Jensen-Shannon divergence": "jensen_shannon",
    "nearest neighbour": "nearest_neighbour",
    "surrogate": "surrogate",
    "AUC": r"\bauc\b",
    "flow matching": "flow_matching",
    "range coverage": "range_coverage",
}


def prose(kinds: tuple[str, ...] = ("markdown",)) -> dict[str, str]:
    """What each chapter says, without its word on the next one."""
    said = {}
    for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] in kinds)
        said[path.name[:2]] = "\n\n".join(part for part in text.split("\n\n") if not part.startswith("Next"))
    return said


def test_every_term_of_the_glossary_is_first_used_where_it_says():
    wrong, said = [], prose()
    for entry in GLOSSARY:
        whole = re.compile(rf"(?<![\w-]){re.escape(entry['term'])}(e?s)?(?![\w-])", re.IGNORECASE)
        first = next((number for number, text in said.items() if whole.search(text)), None)
        if first != entry["chapter"]:
            wrong.append(f"{entry['term']}: chapter {first}, not {entry['chapter']}")

    assert wrong == []


@pytest.mark.parametrize("term", IN_CODE)
def test_a_term_that_names_of_code_show_is_said_no_later_than_they_do(term):
    entry = next(entry for entry in GLOSSARY if entry["term"] == term)
    shown = [number for number, text in prose(("code", "markdown")).items() if re.search(IN_CODE[term], text)]

    assert entry["chapter"] <= min(shown)


def test_a_term_is_said_in_one_line_and_the_panel_has_them_all(listing):
    assert all(len(entry["means"]) <= 110 and entry["means"].endswith(".") for entry in GLOSSARY)
    assert len({entry["term"].lower() for entry in GLOSSARY}) == len(GLOSSARY)
    shown = json.loads(listing.COURSE.read_text(encoding="utf-8"))["glossary"]
    assert sorted(shown, key=lambda one: one["term"]) == sorted(GLOSSARY, key=lambda one: one["term"])
