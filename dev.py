"""Set up dgkit and run its tasks, on any system with Python 3.11+ and git: `python dev.py lab`, `python dev.py test`.

Each task makes what it needs first: a virtual environment in .venv, torch without CUDA packages where there is no
GPU, and dgkit itself. A second run finds all that done and starts at once; an interrupted one goes on.
Standard library only.
"""

from __future__ import annotations  # so that an older Python gets as far as saying that it is too old

import argparse
import hashlib
import http.client
import os
import platform
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
TORCH = "2.13.0"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
TASKS = {
    "setup": "make the environment and nothing else",
    "lab": "open the course in JupyterLab (further arguments go to it, e.g. --no-browser)",
    "quick": "the unit tests that train nothing, in two or three minutes (further arguments go to pytest)",
    "test": "lint, type-check and run all tests but the long ones (with arguments for pytest: these tests alone)",
    "test-all": "the same with the long ones: whole trainings, full chapters, kills, processes of their own",
    "lint": "ruff, mypy, the form of docstrings, and the check that notebooks hold no outputs",
    "format": "ruff's form for all sources, and what it can mend by itself",
    "bench": "the benchmarks, in one table (further arguments: which)",
    "record": "compute recorded runs, but for finished cells in build/cells (further arguments: which; all: a day)",
    "course": "run all chapters under Binder's limits and write instructor/budget.md (further arguments: only these)",
    "book": "the course as a static site in build/book, chapters run (further arguments: only these)",
    "build": "bundle the widgets' JavaScript and the JupyterLab extension (needs Node; using dgkit does not)",
}
TESTS = ("quick", "test", "test-all", "lint", "format", "course", "build")
EXTRAS = (
    dict.fromkeys(("setup", "lab", "record"), "lab")
    | dict.fromkeys(TESTS, "test")
    | {"bench": "test,bench", "book": "book"}
)
GET_CHROMIUM = "Debian: apt install chromium; elsewhere install Chrome, or name a browser in DGKIT_CHROMIUM."
BROWSERS = (
    *("chromium", "chromium-browser", "google-chrome", "chrome"),
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
)


def main() -> int:
    if sys.version_info < (3, 11):  # noqa: UP036 (run by whatever Python there is)
        sys.exit(f"dgkit needs Python 3.11 or newer; this is {platform.python_version()}.")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=TASKS, help="; ".join(f"{name}: {what}" for name, what in TASKS.items()))
    task, rest = parser.parse_known_args()
    python = set_up(EXTRAS[task.task])
    tasks = {"lab": lab, "quick": quick, "test": test, "test-all": test_all, "lint": lint}
    tasks |= {"format": form, "bench": bench, "record": record, "course": course, "book": book, "build": build}
    return tasks[task.task](python, rest) if task.task in tasks else 0


def lab(python: str, rest: list[str]) -> int:
    settings = VENV / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    settings.parent.mkdir(parents=True, exist_ok=True)  # no prompt for news over the first chapter
    settings.write_text('{"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}\n')
    command = [python, "-m", "jupyterlab", "--ip=127.0.0.1", f"--ServerApp.root_dir={ROOT}"]
    command += ["--LabApp.default_url=/lab/tree/notebooks/00_welcome.ipynb"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    return run([*command, *rest])


def quick(python: str, rest: list[str]) -> int:
    return pytest(python, ["tests/unit", "-m", "not training and not slow", *rest])


def test(python: str, rest: list[str]) -> int:
    return pytest(python, rest) if rest else everything(python, "-m", "not slow")


def test_all(python: str, rest: list[str]) -> int:
    return everything(python, *rest)


def everything(python: str, *arguments: str) -> int:
    """Lint, then the tests; says first what cannot be tested here."""
    if chromium() is None:
        print(f"No Chromium: the widgets are not tested in a browser (tests/ui). {GET_CHROMIUM}", flush=True)
    return lint(python, []) or pytest(python, arguments)


def pytest(python: str, arguments: Sequence[str]) -> int:
    """In several processes, unless the arguments ask for another number (-n 0: one, for a debugger).

    Each process gets a row of neighbours, which share fixtures; one that is done takes from another's end.
    """
    workers = min(4, os.cpu_count() or 1)
    return run([python, "-m", "pytest", "-n", str(workers), "--dist", "worksteal", *arguments])


def chromium() -> str | None:
    """The browser that tests/ui drives: the one named by DGKIT_CHROMIUM, or the first that is found."""
    return os.environ.get("DGKIT_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)


def lint(python: str, _: list[str]) -> int:
    notebooks = files("notebooks/*.ipynb", "apps/*.ipynb")
    sources = files("dgkit/**/*.py", "widgets/dgkit_widgets/**/*.py")
    commands = [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
        ["numpydoc", "lint", *sources],
        ["nbstripout", "--verify", "--keep-id", *notebooks],
    ]
    return max([run([python, "-W", "ignore:Unknown section", "-m", *command]) for command in commands])


def form(python: str, _: list[str]) -> int:
    return max([run([python, "-m", "ruff", *task, "."]) for task in (["check", "--fix"], ["format"])])


def files(*patterns: str) -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for pattern in patterns for path in ROOT.glob(pattern))


def bench(python: str, rest: list[str]) -> int:
    return run([python, "tests/benchmarks/run.py", *rest])


def record(python: str, rest: list[str]) -> int:
    return run([python, "-m", "dgkit.course", "record", *(rest or ["--all"])])


def course(python: str, rest: list[str]) -> int:
    return run([python, "-m", "tests.notebooks.budget", *rest])


def book(python: str, rest: list[str]) -> int:
    return run([python, "-m", "book.build", *rest])


def build(python: str, rest: list[str]) -> int:
    return run([python, "widgets/build.py", *rest])


def set_up(extras: str) -> str:
    """The environment's Python, with torch and dgkit[extras] installed."""
    python = str(VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    if subprocess.run([python, "-c", "import pip"], capture_output=True).returncode if Path(python).exists() else True:
        print("Making the environment in .venv ...", flush=True)
        if run([sys.executable, "-m", "venv", "--clear", str(VENV)]):
            sys.exit("That failed. On Debian and Ubuntu: sudo apt install python3-venv")
    stamp = VENV / f"dgkit-{extras.replace(',', '-')}.done"
    # what an installation copies, its version with it
    installed = [ROOT / "pyproject.toml", ROOT / "dgkit/__init__.py"]
    installed.append(ROOT / "widgets/labextension/course.json")
    installed.append(ROOT / "widgets/dgkit_widgets/labextension/sources.sha256")
    state = hashlib.sha256(b"".join(path.read_bytes() for path in installed)).hexdigest()
    if stamp.exists() and stamp.read_text() == state:
        return python
    if subprocess.run([python, "-c", "import torch"], capture_output=True).returncode:
        gpu = platform.system() == "Darwin" or shutil.which("nvidia-smi") is not None
        commands = torch_commands(gpu, not gpu and reachable(CPU_INDEX))
        print("Installing torch ...", flush=True)
        if all(run([python, *command]) for command in commands):
            sys.exit("torch could not be installed. Is there a network? Then: https://pytorch.org/get-started/locally")
    print(f"Installing dgkit[{extras}] ...", flush=True)
    if run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-e", f".[{extras}]"]):
        sys.exit("The installation failed; the message above says why. Run the same command again to go on.")
    stamp.write_text(state)
    return python


def torch_commands(gpu: bool, cpu_index: bool) -> list[list[str]]:
    """pip's arguments to try in turn, until one works. Without a GPU the CPU build: no CUDA packages."""
    plain = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    exact, newer = [*plain, f"torch=={TORCH}"], [*plain, "torch>=2.6"]
    if gpu or not cpu_index:
        return [exact, newer]
    return [[*command, "--index-url", CPU_INDEX] for command in (exact, newer)] + [exact]


def reachable(address: str, seconds: float = 4) -> bool:
    try:
        with urllib.request.urlopen(urllib.request.Request(address + "/torch/", method="HEAD"), timeout=seconds):
            return True
    except (OSError, http.client.HTTPException):
        return False


def run(command: list[str]) -> int:
    """The command's exit code. Ctrl-C and SIGTERM are for the command to answer; nothing is run after them."""
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as dgkit/_threads.py, for kernels that import torch first
    stopped = False

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True
        child.terminate()

    with subprocess.Popen(command, cwd=ROOT) as child:
        before = signal.signal(signal.SIGTERM, stop)
        while child.returncode is None:
            try:
                child.wait()
            except KeyboardInterrupt:  # the child has had it too: JupyterLab asks back, pytest sums up
                stopped = True
    signal.signal(signal.SIGTERM, before)
    if stopped:
        sys.exit(child.returncode or 130)
    return child.returncode


if __name__ == "__main__":
    sys.exit(main())
