"""The whole course, one chapter after another under Binder's limits, as a table: `make course`.

One thread, and 2 GiB that a process may have of its own: RLIMIT_DATA, which counts what is allocated (heap and private
mappings), not the libraries. `ulimit -v` would count those too, and address space that is reserved and never used. A
cgroup limits what is resident, which is less; it needs rights that a user need not have. Left out: Binder's slower CPU.
"""

import argparse
import math
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from nbclient.exceptions import CellExecutionError

import dgkit as dg
from tests.notebooks.running import ONE_THREAD, Run, run
from widgets.list_chapters import chapter as about

ROOT = Path(__file__).parents[2]
LIMIT = 2 * 2**30  # bytes
TABLE = ROOT / "instructor" / "budget.md"
HEAD = """\
# What the chapters take

Written by `make course`, which runs all chapters one after another under Binder's limits: one thread, and at most 2 GiB
for a process. "In class" is reading, running and solving, as the course panel shows it; the rest was measured with
dgkit {version} on {machine}, Python {python}. Memory is what is resident at most; "of its own" leaves out what is read
from files (libraries), which the system takes back where memory is short. mybinder.org guarantees 450 MB (429 MiB).
Numba's kernels were compiled before, as `binder/postBuild` does it; where they are not, the first chapter that needs
one takes up to 80 MiB more. The first picture is counted from the first cell's start.

| chapter | in class (min) | CPU (s) | memory (MiB) | of its own (MiB) | wall (s) | first picture (s) |
|---|---:|---:|---:|---:|---:|---:|
"""


def limit_memory(size: int = LIMIT) -> bool:
    """Limit this process and those it starts; False where the system cannot."""
    try:
        import resource  # not on Windows

        resource.setrlimit(resource.RLIMIT_DATA, (size, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    except (ImportError, AttributeError, ValueError, OSError):
        return False
    return platform.system() == "Linux"  # elsewhere it is set and not enforced


def compile_kernels() -> None:
    """As Binder's image has them."""
    script = (ROOT / "binder" / "postBuild").read_text(encoding="utf-8").split("<<'PYTHON'\n")[1].split("\nPYTHON")[0]
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True, stderr=subprocess.DEVNULL)


def table(chapters: list[Path], out: Path | None) -> bool:
    """Run the chapters, print the table and write it to a file; whether all went well."""
    os.environ.update(ONE_THREAD, DGKIT_FAST="0", PYTHONWARNINGS="ignore")
    rows, runs, failed = [], [], []
    for path in chapters:
        known = about(path)
        name = f"{known['number']} {known['title']}"
        try:
            with tempfile.TemporaryDirectory() as folder:
                took = run(path, Path(folder))
            failed += [f"{name}: a widget shows {error}" for error in took.errors]
        except CellExecutionError as error:
            failed.append(f"{name}: {error.ename}: {error.evalue}")
            continue
        rows.append(row(name, known["minutes"], took))
        runs.append((known["minutes"], took))
        print(rows[-1], flush=True)
    minutes = [one for one, _ in runs]
    whole = Run(
        sum(took.cpu_seconds for _, took in runs),
        max((took.bytes for _, took in runs), default=0),
        max((took.own for _, took in runs), default=0),
        sum(took.wall_seconds for _, took in runs),
        [],
        max((took.picture_seconds for _, took in runs), default=math.inf),
    )
    rows.append(row("**all**", sum(minutes), whole))
    print(rows[-1])
    for line in failed:
        print("FAILED", line)
    machine = f"{platform.system()} {platform.machine()}"
    head = HEAD.format(version=dg.__version__, machine=machine, python=platform.python_version())
    if out and not failed:
        out.write_text(head + "\n".join(rows) + "\n", encoding="utf-8")
    return not failed


def row(name: str, minutes: int, took: Run) -> str:
    memory = f"{took.bytes / 2**20:.0f} | {took.own / 2**20:.0f}"
    wall = f"{took.wall_seconds:.0f} | {took.picture_seconds:.0f}"
    return f"| {name} | {minutes} | {took.cpu_seconds:.0f} | {memory} | {wall} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make course", description=__doc__.splitlines()[0])
    parser.add_argument("chapters", nargs="*", help="numbers of chapters: these are shown, and no file is written")
    only = parser.parse_args().chapters
    if not limit_memory():
        print("This system does not limit memory; the table says what was used.", file=sys.stderr)
    compile_kernels()
    paths = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    chosen = [path for path in paths if not only or path.name[:2] in only]
    sys.exit(0 if table(chosen, None if only else TABLE) else 1)
