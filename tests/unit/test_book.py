"""The book: a small site is built, widgets become what they are at rest, kept runs are used, faults are found."""

import runpy
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

pytest.importorskip("myst_nb", reason="needs the extra [book]")
pytest.importorskip("sphinx_book_theme", reason="needs the extra [book]")

from book import build, pictures, reference, run
from dgkit.course import real

ROOT = Path(__file__).parents[2]
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def small() -> nbformat.NotebookNode:
    text = "# 00 Small\n\nA call of `dg.errors.DgkitError`, and $e^\\varepsilon / (1 + \\hat x)$."
    picture = new_output("display_data", {"image/png": PIXEL, "text/plain": "a picture"})
    shown = new_code_cell("1 + 1", outputs=[picture])
    hidden = new_code_cell("secret = 42", metadata={"tags": ["solution"]})
    language = {"language_info": {"name": "python", "pygments_lexer": "ipython3"}}
    return new_notebook(cells=[new_markdown_cell(text), shown, hidden], metadata=language)


def test_a_small_book_has_pictures_formulas_and_links_to_the_reference_and_loads_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "BUILD", tmp_path)
    monkeypatch.setattr(reference, "modules", lambda: {"dgkit.errors": ["DgkitError"]})
    source, site = tmp_path / "source", tmp_path / "site"
    terms = build.glossary(
        [{"term": "lag", "means": "Steps between two times.", "chapter": "00"}], [Path("00_small.ipynb")]
    )

    for folder in ("notebooks", "api"):
        (source / folder).mkdir(parents=True)
    (source / "notebooks" / "00_small.ipynb").write_text(nbformat.writes(build.chapter(small())))
    (source / "api" / "dgkit.errors.rst").write_text(reference.page("dgkit.errors"))
    (source / "glossary.md").write_text(terms)
    (source / "index.md").write_text(
        "# Small\n" + build.toctree(["notebooks/00_small", "glossary", "api/dgkit.errors"])
    )
    faults = build.made(source, site)

    chapter = (site / "notebooks" / "00_small.html").read_text()
    assert faults == [] and build.problems(site) == []
    assert "<math" in chapter and "varepsilon" not in chapter
    assert 'href="../api/dgkit.errors.html#dgkit.errors.DgkitError"' in chapter
    assert "secret" not in chapter
    assert len(list((site / "_images").glob("*.png"))) == 1
    glossary = (site / "glossary.html").read_text()
    assert 'href="notebooks/00_small.html"' in glossary and '<dt id="term-lag">' in glossary
    assert "mybinder" not in chapter and "colab" not in chapter


def test_the_table_of_real_data_is_there_whole_and_its_frames_can_be_scrolled_by_keys():
    page = build.real_table()

    rows = real.table()
    for data, feature, budget in set(rows.index.droplevel("model")):
        assert f"### {data}, {budget:g} s: {feature}" in page
    assert page.count("<table") == page.count('tabindex="0"') == page.count("###")
    assert all(f"<th>{name}</th>" in page for name in [*rows.columns[:-1], *rows.index.unique("model")])


def test_launch_buttons_come_from_one_address(monkeypatch):
    def options(**variables):
        for name in ("DGKIT_REPOSITORY", "DGKIT_HUB", "DGKIT_BRANCH"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return runpy.run_path(str(ROOT / "book" / "conf.py"))["html_theme_options"]

    address = "https://github.com/owner/name"
    both = options(DGKIT_REPOSITORY=address + "/", DGKIT_HUB="https://hub.example.org")

    assert "launch_buttons" not in options() and "repository_url" not in options()
    assert both["repository_url"] == address
    assert set(both["launch_buttons"]) == {"binderhub_url", "colab_url", "jupyterhub_url", "notebook_interface"}
    assert "colab_url" not in options(DGKIT_REPOSITORY="https://git.example.org/owner/name")["launch_buttons"]


def view(model: str, text: str = "a widget") -> nbformat.NotebookNode:
    return new_output("display_data", {pictures.VIEW: {"model_id": model}, "text/plain": text})


def with_widgets(output: nbformat.NotebookNode, **models: dict) -> nbformat.NotebookNode:
    notebook = new_notebook(cells=[new_code_cell("show()", outputs=[output])])
    notebook.metadata["widgets"] = {pictures.STATE: {"state": models}}
    return notebook


def test_what_a_control_redraws_is_shown_with_the_names_of_its_controls():
    drawn = {"output_type": "display_data", "data": {"image/png": PIXEL}, "metadata": {}}
    notebook = with_widgets(
        view("box"),
        box={"model_name": "VBoxModel", "state": {"children": ["IPY_MODEL_choice", "IPY_MODEL_out"]}},
        choice={"model_name": "DropdownModel", "state": {"description": "domain"}},
        out={"model_name": "OutputModel", "state": {"outputs": [drawn]}},
    )

    said, picture = pictures.still(notebook).cells[0].outputs

    assert "domain" in said.data["text/plain"]
    assert picture.data["image/png"] == PIXEL
    assert "widgets" not in notebook.metadata


def test_a_question_is_shown_with_what_may_be_chosen():
    notebook = with_widgets(
        view("box", "VBox(children=...)"),
        box={"model_name": "VBoxModel", "state": {"children": ["IPY_MODEL_asked", "IPY_MODEL_choice"]}},
        asked={"model_name": "HTMLModel", "state": {"value": "Which is less than 3?"}},
        choice={"model_name": "RadioButtonsModel", "state": {"_options_labels": ["a < 3", "neither"]}},
    )

    (shown,) = pictures.still(notebook).cells[0].outputs

    assert "Which is less than 3?" in shown.data["text/html"] and "VBox" not in str(shown)
    assert "<li>a &lt; 3</li><li>neither</li>" in shown.data["text/html"]


def test_a_full_progress_bar_is_left_out():
    bar = {"model_name": "FloatProgressModel", "state": {}}
    notebook = with_widgets(
        view("box"), box={"model_name": "HBoxModel", "state": {"children": ["IPY_MODEL_bar"]}}, bar=bar
    )

    assert pictures.still(notebook).cells[0].outputs == []


def test_another_widget_is_named():
    notebook = with_widgets(view("play", "Play(value=250, step=250)"), play={"model_name": "PlayModel", "state": {}})

    assert pictures.still(notebook).cells[0].outputs[0].data["text/plain"] == "Play is live in the notebook."


def test_without_a_browser_a_widget_is_a_line_of_text():
    model = {"model_name": "AnyModel", "state": {"_esm": "export default {}"}}

    (line,) = pictures.still(with_widgets(view("one", "<Explorer. In code: ...>"), one=model)).cells[0].outputs

    assert line.data["text/plain"] == "Explorer is live in the notebook."


def test_a_widget_in_a_box_is_shown_with_the_answer_beside_it():
    notebook = with_widgets(
        view("box", "<WhatIfExplorer: truth. In code: ...>"),
        box={"model_name": "VBoxModel", "state": {"children": ["IPY_MODEL_painter", "IPY_MODEL_answer"]}},
        painter={"model_name": "AnyModel", "state": {"_esm": "export default {}"}},
        answer={"model_name": "HTMLModel", "state": {"value": "<svg></svg>"}},
    )

    line, answer = pictures.still(notebook).cells[0].outputs

    assert line.data["text/plain"] == "WhatIfExplorer: truth is live in the notebook."
    assert answer.data["text/html"] == "<svg></svg>"


def test_a_widget_is_drawn_from_its_state_without_a_kernel():
    buffers = [{"path": ["frame", "x"], "data": "AAAA", "encoding": "base64"}]
    state = {"_esm": "let a = '</script>'", "_css": ".a {}", "n": 3, "frame": {"y": 1}}
    page = pictures.page({"state": state, "buffers": buffers})

    assert page.count("</script>") == 1
    assert '"n":3' in page and '"x":{"base64":"AAAA"}' in page


def test_a_widget_with_a_page_of_its_own_stands_in_a_frame():
    notebook = with_widgets(view("one", "<Explorer. In code: ...>"), one={"model_name": "AnyModel", "state": {}})

    (shown,) = pictures.still(notebook, live={"one": "../live/03-1.html"}).cells[0].outputs

    assert '<iframe class="live" src="../live/03-1.html" title="Explorer, live"' in shown.data["text/html"]


@pytest.mark.slow
def test_what_a_widget_has_answered_in_a_thread_is_in_the_book(tmp_path):
    code = """
from dgkit import simulate
from dgkit_widgets import DistributionPainter, WhatIfExplorer
painter = DistributionPainter(simulate.cluster(100, seed=0), "job_class")
WhatIfExplorer(painter, {"truth": lambda mix: simulate.cluster(50, mix=mix)}, lambda ds: ds.length, "steps")
"""
    path = tmp_path / "00_small.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell(code)]), path)

    notebook = run.executed(path, kept=tmp_path / "kept")

    assert any("<svg" in shown.data.get("text/html", "") for shown in pictures.still(notebook).cells[0].outputs)


def test_a_chapter_is_run_again_only_when_it_has_changed(tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr(run.NotebookClient, "execute", lambda self: ran.append(self.nb.cells[0].source))
    monkeypatch.setattr(run, "made_with", lambda: "the same")
    chapter = tmp_path / "00_one.ipynb"

    for source in ("1", "1", "2"):
        nbformat.write(new_notebook(cells=[new_code_cell(source)]), chapter)
        run.executed(chapter, tmp_path / "kept")
    monkeypatch.setattr(run, "made_with", lambda: "another package")
    run.executed(chapter, tmp_path / "kept")

    assert ran == ["1", "2", "2"]
    assert len(list((tmp_path / "kept").iterdir())) == 1


def test_links_that_lead_nowhere_and_what_is_loaded_from_elsewhere_are_faults(tmp_path):
    (tmp_path / "a.html").write_text(
        '<h1 id="top">A</h1><a href="#top">1</a><a href="#no">2</a><a href="b.html">3</a><a href="b.html#there">4</a>'
        '<a href="c.html">5</a><a href="https://example.org">6</a><script src="https://example.org/x.js"></script>'
    )
    (tmp_path / "b.html").write_text('<p id="there">B</p>')

    assert build.problems(tmp_path) == [
        "a.html loads https://example.org/x.js",
        "a.html: no file for c.html",
        "a.html: no place for #no",
    ]


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("dg.errors.DgkitError", "dgkit.errors.DgkitError"),
        ("dg.SchemaError", "dgkit.errors.SchemaError"),
        ("course.open_run", "dgkit.course.open_run"),
        ("dg.open_dataset('web')", "dgkit.datasets.open_dataset"),
        ("dgkit.nothing", None),
        ("fit", None),
        ("dg", None),
    ],
)
def test_a_name_in_a_text_is_found_in_the_reference(written, name):
    assert reference.documented(written) == name


def test_every_name_of_the_reference_is_explained_once():
    explained = [f"{module}.{name}" for module, names in reference.modules().items() for name in names]

    assert len(explained) == len(set(reference.places().values())) > 100
    assert "dgkit.datasets.open_dataset" in explained and "dgkit.open_dataset" not in explained
