"""Recorded runs on the command line: `python -m dgkit.course list`, `... record NAME`, `... table real`."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from dgkit._cells import points_of
from dgkit.course.chapters import experiments
from dgkit.course.real import table
from dgkit.course.runs import CELLS, record, record_checkpoint
from dgkit.course.store import folder


def main(arguments: list[str] | None = None) -> None:
    """`python -m dgkit.course list | record NAME ... [--all] [--jobs N] [--out data/runs] | table real`."""
    known = experiments()
    parser = argparse.ArgumentParser(prog="python -m dgkit.course", description="The course's recorded runs.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="what there is, and whether it was recorded")
    recording = commands.add_parser("record", help="run what is missing, and write the files; may be stopped any time")
    recording.add_argument("names", nargs="*", metavar="NAME", help=", ".join([*known, "checkpoints"]))
    recording.add_argument("--all", action="store_true", help="all of them")
    recording.add_argument("--jobs", type=int, default=1, help="processes, one thread each (default: 1)")
    recording.add_argument("--out", type=Path, default=folder(), help="folder to write to (default: %(default)s)")
    recording.add_argument("--cells", type=Path, default=CELLS, help="folder of cells (default: %(default)s)")
    commands.add_parser("table", help="a recorded run as a table").add_argument("name", choices=["real"])
    options = parser.parse_args(arguments)
    if options.command == "table":
        print(*blocks(table()), sep="\n\n")
        return
    if options.command == "list":
        for name, experiment in known.items():
            done = "recorded" if (folder() / f"{name}.nc").exists() else "missing"
            print(f"{name:14} {done:9} {len(points_of(experiment.grid)):3} cells  {experiment.question}")
        return
    names = [*known, "checkpoints"] if options.all else options.names
    unknown = [name for name in names if name not in (*known, "checkpoints")]
    if unknown or not names:
        parser.error(f"{f'no experiment {unknown[0]!r}' if unknown else 'no NAME'}; see `list`, or use --all")
    for name in names:
        if name == "checkpoints":
            record_checkpoint(options.out / "checkpoints" / "web_s7.state")
        else:
            path = record(name, out=options.out, cells=options.cells, jobs=options.jobs)
            print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


def blocks(rows: pd.DataFrame) -> Iterator[str]:
    """`table` as texts of at most 120 columns: of each feature what is its own, of all what belongs to no feature."""

    def text(part: pd.DataFrame) -> str:
        return part.dropna(axis=1, how="all").rename_axis(None).to_string(float_format=_short, na_rep="-")

    for (data, budget), some in rows.groupby(["data", "budget"], sort=False):
        said = f"{data}, {budget:g} s of CPU time"
        for feature, of_one in some.droplevel(["data", "budget"]).groupby("feature", sort=False):
            of_one = of_one.droplevel("feature")
            yield f"{said}, {feature}\n{text(of_one.loc[:, :'conditional'])}"
        yield f"{said}, all features\n{text(of_one.loc[:, 'attributes':'useful'])}"
        yield f"{said}, what it took\n{text(of_one.loc[:, 'train s':'MB'])}"
        cannot = of_one.cannot[of_one.cannot != ""]
        yield from (f"{model} cannot: {reason}" for model, reason in cannot.items())


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:.2g}"


if __name__ == "__main__":
    main()
