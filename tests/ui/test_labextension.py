"""The course in JupyterLab: cards, panel and commands, by mouse and by keyboard; nothing of the learner's is lost."""

import json
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import expect

from .conftest import Lab

ROOT = Path(__file__).parents[2]
LISTED = json.loads((ROOT / "widgets" / "labextension" / "course.json").read_text(encoding="utf-8"))
CHAPTERS, GLOSSARY = LISTED["chapters"], LISTED["glossary"]
FIRST = CHAPTERS[0]
CATEGORY = "dgkit: GANs for time series"
PANEL = "#dgkit-course"


@pytest.fixture
def start(browser, server, installed):
    """Call it to load JupyterLab on a folder: empty, or a checkout with the chapters in notebooks/."""
    opened: list[Lab] = []

    def start(*, chapters: bool, application: str = "lab", page: str = "lab?reset") -> Lab:
        for path in server.root.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if chapters:
            shutil.copytree(installed / "labextensions/dgkit-lab/chapters", server.root / "notebooks")
        lab = Lab(server, browser.new_page(viewport={"width": 1280, "height": 800}), application)
        opened.append(lab)
        lab.load(page)
        return lab

    yield start
    for lab in opened:
        if lab.changed_theme:
            lab.theme("JupyterLab Light")
        lab.close()
    assert [error for lab in opened for error in lab.errors] == []


def course(lab: Lab):
    """The panel, shown and filled."""
    lab.command("dgkit:open-course")
    lab.page.wait_for_selector(f"{PANEL} li")
    return lab.page.locator(PANEL)


def row(lab: Lab, chapter: dict):
    return lab.page.locator(f"{PANEL} li", has=lab.page.get_by_role("heading", name=chapter["title"]))


def open_path(lab: Lab, path: str) -> None:
    """Wait until the notebook at `path` is the one in front."""
    lab.page.wait_for_function("path => window.jupyterapp.shell.currentWidget?.context?.path === path", arg=path)
    lab.page.wait_for_selector(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell")


def shipped(chapter: dict) -> dict:
    return json.loads((ROOT / "notebooks" / chapter["file"]).read_text())


def test_launcher_has_a_card_for_each_chapter_in_order(start):
    lab = start(chapters=True)
    section = lab.page.locator(".jp-Launcher-section", has_text=CATEGORY)
    section.locator(".jp-LauncherCard").first.wait_for()

    labels = section.locator(".jp-LauncherCard-label").all_inner_texts()
    section.scroll_into_view_if_needed()
    lab.shot("course-launcher")
    section.get_by_text(f"{FIRST['number']} {FIRST['title']}").click()

    assert labels == ["Show the Course", *(f"{c['number']} {c['title']}" for c in CHAPTERS), "Training Studio"]
    open_path(lab, f"notebooks/{FIRST['file']}")


def test_keyboard_alone_opens_panel_and_chapter(start):
    lab = start(chapters=True)
    lab.page.wait_for_selector(".jp-Launcher-section")
    keys = lab.page.keyboard

    keys.press("Control+Shift+C")
    lab.page.wait_for_selector(".lm-CommandPalette-input")
    keys.type("show the course")
    keys.press("Enter")
    lab.page.wait_for_selector(f"{PANEL} li button:focus")
    keys.press("Tab")
    keys.press("Tab")
    focused = lab.page.evaluate("() => document.activeElement.getAttribute('aria-label')")
    outline = lab.page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
    keys.press("Enter")

    second = CHAPTERS[1]
    assert focused == f"Open: chapter {second['number']}, {second['title']}"
    assert outline == "solid"
    open_path(lab, f"notebooks/{second['file']}")


def test_opening_shows_the_learners_own_file_and_a_fresh_copy_leaves_it_alone(start):
    lab = start(chapters=True)
    folder = lab.server.root / "notebooks"
    own = shipped(FIRST)
    own["cells"][1]["source"] = ["mine = 'two hours of work'"]
    (folder / FIRST["file"]).write_text(json.dumps(own))
    course(lab)

    row(lab, FIRST).get_by_role("button", name="Open").click()
    open_path(lab, f"notebooks/{FIRST['file']}")
    lab.page.wait_for_selector(".jp-Cell >> text=two hours of work")
    stem = FIRST["file"].removesuffix(".ipynb")
    for n in (1, 2):
        row(lab, FIRST).get_by_role("button", name="Fresh copy").click()
        open_path(lab, f"notebooks/{stem}-copy{n}.ipynb")

    assert "two hours of work" in (folder / FIRST["file"]).read_text()
    for n in (1, 2):
        cells = json.loads((folder / f"{stem}-copy{n}.ipynb").read_text())["cells"]
        assert ["".join(cell["source"]) for cell in cells] == ["".join(c["source"]) for c in shipped(FIRST)["cells"]]
    assert not list(folder.glob("Untitled*"))
    assert f"{stem}-copy2.ipynb" in lab.page.locator(f"{PANEL} [role=status]").inner_text()


def test_a_name_taken_in_the_meantime_is_not_overwritten(start):
    lab = start(chapters=True)
    course(lab)
    taken = lab.server.root / "notebooks" / FIRST["file"].replace(".ipynb", "-copy1.ipynb")

    def take(route):  # another tab is faster, after this one has looked for a free name
        if route.request.method == "PATCH" and not taken.exists():
            taken.write_text("the other tab's")
        route.continue_()

    lab.page.route("**/api/contents/**", take)
    row(lab, FIRST).get_by_role("button", name="Fresh copy").click()
    open_path(lab, f"notebooks/{FIRST['file'].replace('.ipynb', '-copy2.ipynb')}")

    assert taken.read_text() == "the other tab's"
    assert len([error for error in lab.errors if "409" in error]) == 1
    lab.errors.clear()


def test_an_exercise_passed_in_the_kernel_shows_in_the_panel(start):
    lab = start(chapters=True)
    name = lab.notebook("import dgkit as dg\ndg.course.answer('00.1', 168)", name="notebooks/answer.ipynb")
    lab.open(name)
    course(lab)
    bar = row(lab, FIRST).get_by_role("progressbar")
    before = bar.get_attribute("aria-valuetext")

    lab.run_all()
    lab.page.wait_for_selector(f"{PANEL} li [role=progressbar][aria-valuenow='1']", timeout=10_000)

    count, total = len(FIRST["exercises"]), sum(len(chapter["exercises"]) for chapter in CHAPTERS)
    assert before == f"0 of {count} exercises passed"
    assert bar.get_attribute("aria-valuetext") == f"1 of {count} exercises passed"
    assert row(lab, FIRST).get_by_text(f"1 of {count} exercises passed").is_visible()
    overall = lab.page.locator(PANEL).get_by_role("progressbar", name="Exercises passed in all")
    assert overall.get_attribute("aria-valuetext") == f"1 of {total} exercises passed"

    (lab.server.root / "notebooks" / "dgkit-progress.json").write_text("{ damaged")
    lab.page.wait_for_selector(f"{PANEL} li [role=progressbar][aria-valuenow='1']", state="detached", timeout=10_000)


def test_an_empty_folder_is_offered_copies_that_overwrite_nothing(start):
    lab = start(chapters=False)
    own = lab.server.root / "dgkit-course" / CHAPTERS[1]["file"]
    panel = course(lab)
    lab.shot("course-empty", PANEL)

    lab.page.locator(".jp-LauncherCard", has_text=FIRST["title"]).click()
    dialog = lab.page.get_by_role("dialog")
    dialog.get_by_role("button", name="Cancel").click()
    assert not own.parent.exists()
    row(lab, FIRST).get_by_role("button", name="Place a copy").click()
    open_path(lab, f"dgkit-course/{FIRST['file']}")
    assert json.loads((own.parent / FIRST["file"]).read_text())["cells"][0]["id"] == shipped(FIRST)["cells"][0]["id"]

    own.write_text("mine, since the panel last looked")
    panel.get_by_role("button", name="Place the missing ones").click()
    panel.get_by_text("placed in dgkit-course.").wait_for()

    assert sorted(path.name for path in own.parent.glob("*.ipynb")) == [chapter["file"] for chapter in CHAPTERS]
    assert own.read_text() == "mine, since the panel last looked"
    assert row(lab, FIRST).get_by_role("button", name="Fresh copy").is_visible()


def test_a_reload_restores_panel_and_chapter(start):
    lab = start(chapters=True)
    course(lab)
    row(lab, FIRST).get_by_role("button", name="Open").click()
    open_path(lab, f"notebooks/{FIRST['file']}")
    lab.page.wait_for_timeout(2000)  # JupyterLab saves its layout a second after it changed

    lab.page.goto(f"{lab.server.url}/lab")
    lab.page.wait_for_selector(f"{PANEL} li")

    assert lab.page.locator(PANEL).is_visible()
    open_path(lab, f"notebooks/{FIRST['file']}")


def test_the_studio_opens_in_a_notebook_of_its_own_and_again_as_it_was_left(start):
    lab = start(chapters=True)
    file = lab.server.root / "studio.ipynb"

    lab.command("dgkit:open-studio")
    open_path(lab, "studio.ipynb")
    source = "".join(json.loads(file.read_text())["cells"][0]["source"])
    left = file.read_text().replace("TrainingStudio()", "TrainingStudio(), 'as it was left'")
    file.write_text(left)
    lab.load("lab?reset")
    lab.command("dgkit:open-studio")
    open_path(lab, "studio.ipynb")

    assert source == "from dgkit_widgets import TrainingStudio\n\nTrainingStudio()"
    lab.page.get_by_text("as it was left").wait_for()
    assert file.read_text() == left
    assert [path.name for path in lab.server.root.glob("*.ipynb")] == ["studio.ipynb"]


def test_panel_is_accessible_and_clips_no_text(start):
    lab = start(chapters=True)
    (lab.server.root / "notebooks" / "dgkit-progress.json").write_text(json.dumps({"passed": FIRST["exercises"]}))
    panel = course(lab)
    panel.get_by_text("✓").first.wait_for()
    clipped = (
        "el => [el, ...el.querySelectorAll('*')].filter(e => e.scrollWidth > e.clientWidth + 1 && e.clientWidth)"
        ".map(e => e.outerHTML.slice(0, 100))"
    )

    for theme in ("Light", "Dark"):
        lab.theme(f"JupyterLab {theme}")
        for width in (1280, 800):
            lab.page.set_viewport_size({"width": width, "height": 800})
            lab.page.wait_for_timeout(300)
            lab.shot(f"course-{width}-{theme.lower()}")
            assert panel.evaluate(clipped) == []
        assert lab.violations(PANEL) == []
    names = panel.get_by_role("button").evaluate_all("all => all.map(button => button.ariaLabel)")
    assert len(set(names)) == len(names) == 2 * len(CHAPTERS)


def test_the_glossary_opens_by_keyboard_and_says_every_term(start):
    lab = start(chapters=True)
    panel = course(lab)
    summary = panel.locator("summary")
    hidden = panel.locator("dd").first.is_visible()

    holds = "panel => panel.contains(document.activeElement)"  # which it takes once it has been drawn
    lab.page.wait_for_function(f"({holds})(document.querySelector('{PANEL}'))")
    for _ in range(20):  # on a busy machine the focus is elsewhere again before the key comes
        if panel.locator("details").evaluate("details => details.open"):
            break
        summary.press("Enter")
        lab.page.wait_for_timeout(500)
    panel.locator("dd").first.wait_for()
    summary.scroll_into_view_if_needed()
    lab.shot("course-glossary")

    assert not hidden
    assert panel.locator("dt").all_inner_texts() == [f"{one['term']} chapter {one['chapter']}" for one in GLOSSARY]
    assert panel.locator("dd").all_inner_texts() == [one["means"] for one in GLOSSARY]
    assert lab.violations(PANEL) == []


def test_panel_works_in_notebook_7_where_there_is_no_launcher(start):
    lab = start(chapters=True, application="notebook", page=f"notebooks/notebooks/{FIRST['file']}")
    lab.page.wait_for_selector(".jp-Notebook .jp-Cell")
    copy = FIRST["file"].replace(".ipynb", "-copy1.ipynb")

    course(lab)
    lab.shot("course-notebook7")
    with lab.page.context.expect_page() as opened:
        row(lab, FIRST).get_by_role("button", name="Fresh copy").click()

    opened.value.wait_for_selector(".jp-Notebook .jp-Cell")
    assert opened.value.url == f"{lab.server.url}/notebooks/notebooks/{copy}"
    assert json.loads((lab.server.root / "notebooks" / copy).read_text())["cells"] == shipped(FIRST)["cells"]


def test_sliders_and_play_of_ipywidgets_have_names_also_where_they_come_later(lab):
    one = "import ipywidgets as widgets\nslider = widgets.SelectionSlider(options=[1, 7, 84], description='S')\nslider"
    lab.run(one, "box = widgets.VBox([widgets.Play(show_repeat=True)])\nbox")
    page = lab.page

    handle = page.get_by_role("slider", name="S", exact=True)
    expect(handle).to_have_accessible_description("1")
    handle.focus()
    page.keyboard.press("ArrowRight")
    lab.wait_python("slider.value == 7")
    expect(handle).to_have_accessible_description("7")
    for name in ("Play or pause", "Stop", "Repeat"):
        expect(page.get_by_role("button", name=name, exact=True)).to_be_visible()

    lab.python("0", setup="box.children = (*box.children, widgets.IntSlider(description='step'))")
    expect(page.get_by_role("slider", name="step", exact=True)).to_be_visible()
    assert lab.violations(".jp-OutputArea") == []
