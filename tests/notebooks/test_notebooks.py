"""Every chapter runs from top to bottom, fast and in full, within Binder's means, and is committed without outputs."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

from tests.notebooks.budget import table
from tests.notebooks.running import ONE_THREAD, Watch, client_of, errors, run, shows_picture

ROOT = Path(__file__).parents[2]
CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TAGS = {"parameters", "raises-exception", "hide-input", "exercise", "solution"}
MOST = 660 * 2**20  # bytes: what the texts promise, 600 MiB, and a tenth for other processors' libraries


def test_there_are_chapters():
    assert len(CHAPTERS) >= 2


@pytest.fixture(params=CHAPTERS, ids=lambda path: path.stem)
def chapter(request):
    return request.param


def test_chapter_is_committed_clean(chapter):
    notebook = nbformat.read(chapter, as_version=nbformat.NO_CONVERT)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]

    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    assert not any(cell.outputs or cell.execution_count for cell in code)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    assert {tag for cell in notebook.cells for tag in cell.metadata.get("tags", [])} <= TAGS
    assert max(len(cell.source.splitlines()) for cell in code) <= 12


def test_code_fits_a_window_of_1280_pixels_and_tasks_are_text(chapter):
    for cell in nbformat.read(chapter, as_version=4).cells:
        if cell.cell_type == "code":
            assert max(map(len, cell.source.splitlines())) <= 88, cell.id
            if "exercise" in cell.metadata.get("tags", []):
                assert not cell.source.startswith("#"), cell.id
        for drawn in re.findall(r"```\w*\n(.*?)```", cell.source, re.DOTALL):
            assert max(map(len, drawn.splitlines())) <= 88, cell.id


def code_cells(chapter):
    return {cell.id: cell.source for cell in nbformat.read(chapter, as_version=4).cells if cell.cell_type == "code"}


def called(source):
    """Every call in a cell: what is called, as it stands there, and the call."""
    plain = "\n".join(line for line in source.splitlines() if not line.startswith("%"))
    return [(ast.unparse(node.func), node) for node in ast.walk(ast.parse(plain)) if isinstance(node, ast.Call)]


def test_no_label_has_a_unit_of_one(chapter):
    for name, source in code_cells(chapter).items():
        assert not re.search(r"\(1\)[\"']", source), name


def test_every_training_shows_its_bar(chapter):
    for name, source in code_cells(chapter).items():
        for what, call in called(source):
            options = {one.arg: ast.unparse(one.value) for one in call.keywords}  # None: those of a mapping
            if what != "dg.sweep":  # whose second time takes no time
                assert options.get("progress") != "False", name
            if what == "baselines.fit" and ast.unparse(call.args[0]) != "'surrogate'":  # which trains nothing
                assert options.get("progress") == "True" or None in options, name


def test_a_control_reads_nothing_that_a_later_cell_assigns_anew(chapter):
    """It is moved when all cells have run."""
    trees = {
        name: ast.parse(re.sub(r"^[%!].*$", "", source, flags=re.M)) for name, source in code_cells(chapter).items()
    }
    functions = {
        node.name: (k, node) for k, tree in enumerate(trees.values()) for node in tree.body if is_function(node)
    }

    for control, (k, node) in functions.items():
        if "interact" not in "".join(map(ast.unparse, node.decorator_list)):
            continue
        read, todo = set(), {control}
        while todo:  # what it calls reads names, too
            read |= todo
            todo = {x for name in todo if name in functions for x in free(functions[name][1])} - read
        for name, tree in list(trees.items())[k + 1 :]:
            again = {x for part in tree.body if not is_function(part) for x in names_in(part, ast.Store)}
            assert not again & read, name


def free(function):
    """What a function reads from outside."""
    own = names_in(function, ast.Store) | {one.arg for one in function.args.args}
    return names_in(function, ast.Load) - own


def is_function(node):
    return isinstance(node, ast.FunctionDef)


def names_in(tree, context):
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, context)}


# in the others there is nothing to compare with, or it is one of the curves
NO_LINE = {"collapse-21", "baselines-11", "whatif-20", "privacy-25"}  # pages, seconds, counted against predicted, pages
ONE_OF_THEM = {"welcome-51", "first-71", "memory-22", "attributes-61", "baselines-61"}


def test_what_is_measured_stands_beside_what_is_real_or_chance(chapter):
    for name, source in code_cells(chapter).items():
        for what, call in called(source):
            if what == "dg.plot.against" and name not in NO_LINE | ONE_OF_THEM:
                assert "reference" in {one.arg for one in call.keywords}, name


OF_SEEDS = """
    collapse-33 collapse-62 memory-13 memory-28 memory-29 memory-30 attributes-12 attributes-21 attributes-23
    attributes-29 attributes-45 baselines-23 baselines-28 baselines-34 baselines-45 prediction-15 prediction-26
    prediction-34 whatif-44 privacy-23 privacy-30 privacy-34 privacy-39 privacy-54 privacy-64 privacy-74 privacy-86
    member-22 own-47 own-49 own-52 own-zeros-2
"""


def test_numbers_of_recorded_seeds_are_told_with_their_spread():
    cells = {name: source for path in CHAPTERS for name, source in code_cells(path).items()}

    assert not [name for name in OF_SEEDS.split() if "course.spread" not in cells[name]]


def test_a_picture_comes_before_any_training(chapter):
    cells = [cell for cell in nbformat.read(chapter, as_version=4).cells if not cell.id.startswith("install-")]
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    draws = ("dg.plot.", "axis.scatter(", "sketches.models()")
    first = next(k for k, source in enumerate(code) if any(call in source for call in draws))

    assert first <= 5
    assert not any(call in source for source in code[: first + 1] for call in (".fit(", "Trainer(", "learn("))


@pytest.mark.parametrize(
    ("data", "is_one"),
    [
        ({"image/png": "", "text/plain": "<Figure>"}, True),
        ({"application/vnd.jupyter.widget-view+json": {}, "text/plain": "FloatProgress"}, False),
        ({"text/html": "<table>"}, False),
    ],
)
def test_a_figure_is_a_picture_and_a_bar_or_a_table_is_none(data, is_one):
    cell = nbformat.v4.new_code_cell("", outputs=[nbformat.v4.new_output("display_data", data)])

    assert shows_picture(cell) is is_one
    assert not shows_picture(nbformat.v4.new_markdown_cell(""))


def test_what_a_control_redraws_is_returned(chapter):
    """`interact` shows what its function returns; a figure that is only made would wait for the next cell to run."""
    for cell in nbformat.read(chapter, as_version=4).cells:
        if cell.cell_type == "code" and "interact(" in cell.source:
            made = [node for node in ast.parse(cell.source).body if isinstance(node, ast.FunctionDef)]
            assert made and all(isinstance(function.body[-1], ast.Return) for function in made)


LONG = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.mark.parametrize("fast", [pytest.param("1", id="fast"), pytest.param("0", id="full", marks=LONG)])
def test_chapter_runs_on_one_thread_within_its_memory(chapter, fast, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DGKIT_FAST", fast)
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    for name, value in ONE_THREAD.items():
        monkeypatch.setenv(name, value)

    took = run(chapter, tmp_path, timeout=200 if fast == "1" else 900)  # a cell; before pytest's, which knows no cell

    with capsys.disabled():
        print(f"\n{chapter.stem}: {took.cpu_seconds:.0f} CPU-seconds, {took.bytes / 2**20:.0f} MiB", end=" ")
    assert took.errors == []
    assert 0 < took.bytes < MOST


def test_an_error_in_a_widget_is_noticed(tmp_path):
    source = "import ipywidgets\n@ipywidgets.interact(x=[0, 1])\ndef f(x): 1 / x"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])

    client_of(notebook, tmp_path).execute()

    assert errors(notebook) == ["ZeroDivisionError"]


def test_a_chapter_that_fails_is_noticed(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")])

    with pytest.raises(CellExecutionError):
        client_of(notebook, tmp_path).execute()


def test_watching_measures_the_kernel(tmp_path):
    source = (
        "x = bytearray(300 * 2**20)\nimport time\nend = time.process_time() + 1\nwhile time.process_time() < end: pass"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    client = client_of(notebook, tmp_path)

    with Watch() as seen:
        client.execute()

    assert seen.memory > 300 * 2**20
    assert seen.seconds >= 1


def test_watching_adds_up_what_a_kernel_starts(tmp_path):
    worker = "x = bytearray(150 * 2**20); import time; time.sleep(2)"
    source = (
        f"import subprocess, sys\ncommand = [sys.executable, '-c', {worker!r}]\n"
        "[p.wait() for p in [subprocess.Popen(command), subprocess.Popen(command)]]"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])

    with Watch() as seen:
        client_of(notebook, tmp_path).execute()

    assert 300 * 2**20 < seen.memory < 600 * 2**20


def small(folder: Path, name: str, source: str) -> Path:
    first = nbformat.v4.new_markdown_cell(f"# {name[:2]} Small\n\n**The question.** Does it run?")
    path = folder / f"{name}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[first, nbformat.v4.new_code_cell(source)]), path)
    return path


HOLDS_200_MIB = "x = b'1' * (200 * 2**20)\nimport time\ntime.sleep(0.5)"  # long enough to be seen


def test_the_course_becomes_a_table(tmp_path):
    chapters = [small(tmp_path, "00_one", HOLDS_200_MIB), small(tmp_path, "01_two", "1 + 1")]

    went_well = table(chapters, tmp_path / "budget.md")

    rows = [line.split("|") for line in (tmp_path / "budget.md").read_text().splitlines() if line.startswith("|")]
    assert went_well
    assert [row[1].strip() for row in rows[2:]] == ["00 Small", "01 Small", "**all**"]
    for column in (4, 5):  # all, and what is its own
        memory = [int(row[column]) for row in rows[2:]]
        assert memory[0] > memory[1] + 150 and memory[2] == memory[0]


def test_a_failing_chapter_leaves_the_table_as_it_was(tmp_path, capsys):
    (tmp_path / "budget.md").write_text("before")

    went_well = table([small(tmp_path, "00_one", "1 / 0")], tmp_path / "budget.md")

    assert not went_well
    assert "00 Small: ZeroDivisionError" in capsys.readouterr().out
    assert (tmp_path / "budget.md").read_text() == "before"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to RLIMIT_DATA")
def test_a_chapter_beyond_the_limit_fails(tmp_path):
    chapter, out = small(tmp_path, "00_one", "x = bytearray(700 * 2**20)"), tmp_path / "budget.md"
    code = (
        "from tests.notebooks.budget import Path, limit_memory, table\n"
        f"print(limit_memory(600 * 2**20), table([Path({str(chapter)!r})], Path({str(out)!r})))"
    )

    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)

    assert "FAILED 00 Small: MemoryError" in said.stdout, said.stderr
    assert said.stdout.endswith("True False\n")
    assert not out.exists()
