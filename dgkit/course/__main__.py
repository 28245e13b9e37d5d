"""The course on the command line: recorded runs (`list`, `record`, `table`), grading (`export`, `collect`), `room`."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from dgkit import _atomic
from dgkit._cells import points_of
from dgkit.course import grading, handout
from dgkit.course.chapters import NUMBERS, experiments, of
from dgkit.course.real import short, table
from dgkit.course.rooms import room
from dgkit.course.runs import CELLS, record, record_checkpoint
from dgkit.course.store import folder
from dgkit.errors import DgkitError

SIDE_BY_SIDE = ("autocorrelation MSE", "values", "changes", "told apart")  # measures at each budget


def main(arguments: list[str] | None = None) -> None:
    """`python -m dgkit.course list | record NAME ... | table real | export FORM FOLDER | collect FOLDER | room ...`."""
    known = experiments()
    parser = argparse.ArgumentParser(
        prog="python -m dgkit.course", description="The course: its recorded runs, and its exercises to be graded."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="what there is, and whether it was recorded")
    recording = commands.add_parser("record", help="run what is missing, and write the files; may be stopped any time")
    recording.add_argument("names", nargs="*", metavar="NAME", help=", ".join([*known, "checkpoints"]))
    recording.add_argument("--all", action="store_true", help="all of them")
    recording.add_argument("--jobs", type=int, default=1, help="processes, one thread each (default: 1)")
    recording.add_argument("--out", type=Path, default=folder(), help="folder to write to (default: %(default)s)")
    recording.add_argument("--cells", type=Path, default=CELLS, help="folder of cells (default: %(default)s)")
    showing = commands.add_parser("table", help="a recorded run as a table")
    showing.add_argument("name", choices=["real"])
    showing.add_argument("--seeds", choices=["median", "min", "max"], default="median", help="(default: %(default)s)")
    asking = commands.add_parser("room", help="what a room predicted, from its progress files; runs nobody's code")
    asking.add_argument("folder", type=Path, metavar="FOLDER")
    asking.add_argument("chapters", nargs="*", metavar="NN", help="numbers of chapters (default: all)")
    asking.add_argument("--reveal", action="store_true", help="what came out, too")
    _grading(commands)
    options = parser.parse_args(arguments)
    if options.command == "record":
        options.names = [*known, "checkpoints"] if options.all else options.names
        unknown = [name for name in options.names if name not in (*known, "checkpoints")]
        if unknown or not options.names:
            parser.error(f"{f'no experiment {unknown[0]!r}' if unknown else 'no NAME'}; see `list`, or use --all")
    ask = {
        "list": _list, "record": _record, "table": _table, "export": _export, "collect": _collect, "room": _room,
    }  # fmt: skip
    try:
        ask[options.command](options)
    except DgkitError as error:
        parser.exit(1, f"{error}\n")


def _list(options: argparse.Namespace) -> None:
    for name, experiment in experiments().items():
        done = "recorded" if (folder() / f"{name}.nc").exists() else "missing"
        print(f"{name:14} {done:9} {len(points_of(experiment.grid)):3} cells  {experiment.question}")


def _record(options: argparse.Namespace) -> None:
    for name in options.names:
        if name == "checkpoints":
            record_checkpoint(options.out / "checkpoints" / "web_s7.state")
        else:
            path = record(name, out=options.out, cells=options.cells, jobs=options.jobs)
            print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


def _table(options: argparse.Namespace) -> None:
    print(*blocks(table(seeds=options.seeds)), sep="\n\n")


def _grading(commands: Any) -> None:
    """The arguments of `export` and `collect`."""
    exporting = commands.add_parser("export", help="the exercises for nbgrader or otter: stub, solution, check, points")
    exporting.add_argument("form", choices=["nbgrader", "otter", "plain"])
    collecting = commands.add_parser(
        "collect",
        help="grade handed-in notebooks; EXECUTES THE LEARNERS' CODE",
        description="Run the answers of handed-in notebooks again and print a table. This EXECUTES THE LEARNERS' CODE, "
        "as your user, in processes with limits on time and memory that are no sandbox: use a machine or a container "
        "that holds nothing else. FOLDER has a folder for each learner, or notebooks side by side.",
    )
    for one in (exporting, collecting):
        one.add_argument("folder", type=Path, metavar="FOLDER")
        one.add_argument(
            "--points", type=_points, default={}, metavar="01.4=3,...", help="in place of 1, or 2 for a function"
        )
        one.add_argument("--chapters", type=Path, help="folder of the chapters (default: those of this dgkit)")
        one.add_argument(
            "--instructor", type=Path, default=handout.CHECKOUT / "instructor", help="folder of the solutions"
        )
    exporting.add_argument("--only", nargs="+", metavar="NN", help="numbers of chapters (default: all)")
    collecting.add_argument("--csv", type=Path, help="file for the table")
    collecting.add_argument(
        "--read", type=Path, help="file for what has to be read: functions, free answers (Markdown)"
    )
    collecting.add_argument("--seconds", type=int, default=120, help="processor time for a notebook (default: 120)")
    collecting.add_argument("--memory", type=int, default=4096, help="limit in MiB (default: 4096)")
    collecting.add_argument("--jobs", type=int, default=1, help="notebooks at a time (default: 1)")


def _room(options: argparse.Namespace) -> None:
    for chapter in options.chapters or [number for number in NUMBERS if of(number, "PREDICTION", None)]:
        print(f"{chapter}  {room(options.folder, chapter, reveal=options.reveal)}\n")


def _points(text: str) -> dict[str, int]:
    return {name: int(points) for name, points in (part.split("=") for part in text.split(","))}


def _export(options: argparse.Namespace) -> None:
    where = {"notebooks": options.chapters, "instructor": options.instructor}
    for path in handout.export(options.form, options.folder, only=options.only, points=options.points, **where):
        print(path)


def _collect(options: argparse.Namespace) -> None:
    worth = handout.worth(options.chapters, options.points)  # first: it may be mistyped
    limits = grading.Limits(options.seconds, options.memory * 2**20)
    graded = grading.collect(
        options.folder,
        limits=limits,
        jobs=max(1, options.jobs),
        notebooks=options.chapters,
        instructor=options.instructor,
        done=lambda one: print(f"{one.name}: {len(one.passed)} passed", file=sys.stderr, flush=True),
    )
    table = grading.rows(graded, worth)
    print(grading.shown(table))
    if options.csv:
        _atomic.replace(options.csv, [grading.as_csv(table).encode()])
    if options.read:
        rubrics = options.instructor / "free_answers.md"
        questions = handout.free_questions(rubrics.read_text("utf-8")) if rubrics.exists() else {}
        _atomic.replace(options.read, [grading.to_read(graded, questions).encode()])


def blocks(rows: pd.DataFrame) -> Iterator[str]:
    """`table` as texts of at most 120 columns: of each feature what is its own, of all what belongs to no feature.

    At the end, of data with several budgets, some measures at each of them side by side.
    """

    def text(part: pd.DataFrame) -> str:
        return part.dropna(axis=1, how="all").rename_axis(None).to_string(float_format=short, na_rep="-")

    for (data, budget), some in rows.groupby(["data", "budget"], sort=False):
        said = f"{data}, {budget:g} s of CPU time"
        for feature, of_one in some.droplevel(["data", "budget"]).groupby("feature", sort=False):
            of_one = of_one.droplevel("feature")
            yield f"{said}, {feature}\n{text(of_one.loc[:, :'conditional'])}"
        yield f"{said}, all features\n{text(of_one.loc[:, 'attributes':'useful'])}"
        yield f"{said}, what it took, and seeds\n{text(of_one.loc[:, 'train s':'seeds'])}"
        cannot = of_one.cannot[of_one.cannot != ""]
        yield from (f"{model}: {reason}" for model, reason in cannot.items())

    for (data, name), some in rows.groupby(["data", "feature"], sort=False):
        several = {
            f"{measure} {budget:g} s": of_one[measure].droplevel(["data", "feature", "budget"])
            for measure in SIDE_BY_SIDE
            for budget, of_one in some.groupby("budget")
        }
        if len(several) > len(SIDE_BY_SIDE):
            of_all = pd.DataFrame(several).reindex(some.index.unique("model"))
            both = of_all.count(axis=1) > len(SIDE_BY_SIDE)  # models with more than one budget
            yield f"{data}, {name}: CPU seconds side by side\n{text(of_all[both])}"


if __name__ == "__main__":
    main()
