"""Every chapter runs from top to bottom, fast and in full, within Binder's means, and is committed without outputs."""

import shutil
import threading
from pathlib import Path

import nbformat
import psutil
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

CHAPTERS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
TAGS = {"parameters", "raises-exception", "hide-input", "exercise", "solution"}
GIBIBYTE = 2**30
WIDGETS = "application/vnd.jupyter.widget-state+json"


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


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["fast", "full"])
def test_chapter_runs_on_one_thread_within_a_gibibyte(chapter, mode, tmp_path, monkeypatch, capsys):
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("DGKIT_FAST", "1" if mode == "fast" else "0")
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    shutil.copy(chapter, tmp_path)
    notebook = nbformat.read(chapter, as_version=4)
    client = NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(tmp_path)}})

    with Watch(client) as seen:
        client.execute()

    with capsys.disabled():
        print(f"\n{chapter.stem}, {mode}: {seen.seconds:.0f} CPU-seconds, {seen.memory / 2**20:.0f} MiB", end=" ")
    assert errors(notebook) == []
    assert 0 < seen.memory < GIBIBYTE


def errors(notebook) -> list:
    """Error outputs in cells, and those that an ipywidgets callback has shown in the widget."""
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    for model in notebook.metadata.get("widgets", {}).get(WIDGETS, {}).get("state", {}).values():
        outputs += model["state"].get("outputs", [])
    return [out["ename"] for out in outputs if out["output_type"] == "error"]


def test_an_error_in_a_widget_is_noticed(tmp_path):
    source = "import ipywidgets\n@ipywidgets.interact(x=[0, 1])\ndef f(x): 1 / x"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])

    NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}}).execute()

    assert errors(notebook) == ["ZeroDivisionError"]


def test_a_chapter_that_fails_is_noticed(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")])

    with pytest.raises(CellExecutionError):
        NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}}).execute()


class Watch:
    """CPU time and largest resident memory of the client's kernel, sampled while it runs."""

    def __init__(self, client: NotebookClient):
        self.client, self.seconds, self.memory = client, 0.0, 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.before = {child.pid for child in psutil.Process().children(recursive=True)}

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()

    def _watch(self):
        while not self.stop.wait(0.05):
            for child in psutil.Process().children(recursive=True):
                if child.pid in self.before:
                    continue
                try:
                    self.memory = max(self.memory, child.memory_info().rss)
                    self.seconds = max(self.seconds, sum(child.cpu_times()[:2]))
                except (psutil.NoSuchProcess, psutil.AccessDenied):
                    continue


def test_watching_measures_the_kernel(tmp_path):
    source = (
        "x = bytearray(300 * 2**20)\nimport time\nend = time.process_time() + 1\nwhile time.process_time() < end: pass"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    client = NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}})

    with Watch(client) as seen:
        client.execute()

    assert seen.memory > 300 * 2**20
    assert seen.seconds >= 1
