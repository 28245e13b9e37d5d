"""A report on generated data that somebody can sign: what was trained, a verdict a line, and why; one HTML file.

Each line holds generated samples against held-out ones, and what it finds against chance: what the same measure gives
for real samples dealt at random into two sets of these sizes, which no generator need undercut. `measures` says how far
apart two sets are, `lines` judges, `page` draws the file. Left out: a single score, and whether the data are good
enough for a use.
"""

import json
import platform
import time as clock
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from importlib.metadata import version
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from dgkit import _atomic, _checks
from dgkit._comparable import check_apart
from dgkit._text import number
from dgkit.datasets import codes_of, data_hash
from dgkit.errors import ConfigError
from dgkit.metrics.report import common_schema, datasets_of
from dgkit.reports.lines import ENTRY, FEWEST, Line, compared, kept, near, of_model, promised, some
from dgkit.reports.measures import KINDS
from dgkit.schema import Schema

__all__ = ["Report", "report"]

TIMES = 1.6  # how many times as far from the middle of chance as the farthest deal a line may lie
MOST, MOST_VALUES = 1000, 2_000_000  # samples drawn of each set, and values of it in memory
PACKAGES = ("dgkit", "torch", "numpy", "xarray")


class Report:
    """What `dgkit.report` found.

    Parameters
    ----------
    dataset : Dataset, dims (line,) and (entry,)
        Of each line `measured`, `chance` (the middle of the deals), `chance_worst` (the farthest), `threshold`,
        `verdict` ("pass", "fail", "not judged") and `why`; of each value of an attribute (entry) the same without a
        verdict. The attrs hold sizes, hashes, versions and settings.
    samples : mapping of Datasets
        Those that were drawn, for the pictures.

    Examples
    --------
    >>> import dgkit as dg
    >>> train, held_out = dg.split(dg.simulate.web(120, time=28), 0.5)
    >>> found = dg.report(train, train, held_out)
    >>> found.passed, found.dataset.line[found.dataset.verdict == "fail"].values.tolist()
    (False, ['copies', 'nearness'])
    """

    def __init__(self, dataset: xr.Dataset, samples: Mapping[str, xr.Dataset]):
        self.dataset, self._samples = dataset, dict(samples)

    @property
    def passed(self) -> bool | None:
        """False where a line fails; None where none does, but some could not be judged; else True."""
        verdicts = set(self.dataset.verdict.values.tolist())
        return False if "fail" in verdicts else None if "not judged" in verdicts else True

    @property
    def html(self) -> str:
        """The whole file, as `save` writes it."""
        from dgkit.reports.page import page

        return page(self.dataset, self._samples)

    def save(self, path: str | PathLike[str]) -> None:
        """Write one HTML file that needs no other, no network and no script. Raises SaveError."""
        _atomic.replace(path, [self.html.encode()])

    def __repr__(self) -> str:
        return f"Report: {counted(self.dataset)}\n\n{self._table().to_string(float_format=number, na_rep='')}"

    def _repr_html_(self) -> str:
        table = self._table().to_html(float_format=number, na_rep="", justify="left")
        return f"<p>Report: {counted(self.dataset)}</p>{table}"

    def _table(self) -> pd.DataFrame:
        lines = self.dataset.drop_dims("entry").to_dataframe()
        return lines[["measured", "chance", "threshold", "verdict"]].rename_axis(None)


def counted(found: xr.Dataset) -> str:
    """How many lines have which verdict.

    Examples
    --------
    >>> counted(xr.Dataset({"verdict": ("line", ["pass", "fail", "pass"])}))
    '2 lines pass, 1 fail, 0 not judged'
    """
    passing, failing, rest = ((found.verdict == verdict).sum().item() for verdict in ("pass", "fail", "not judged"))
    return f"{passing} lines pass, {failing} fail, {rest} not judged"


def report(
    train: xr.Dataset | Any,
    fake: xr.Dataset | Any,
    held_out: xr.Dataset | Any | None = None,
    *,
    model: Any = None,
    constraints: Mapping[str, Callable[[xr.Dataset], Any]] | None = None,
    by: str | Sequence[str] = (),
    thresholds: Mapping[str, float] | None = None,
    seed: int = 0,
    features: Sequence[str] | Mapping[str, str | Sequence[str]] | None = None,
    sample: str | None = None,
    time: str | None = None,
    attributes: Sequence[str] = (),
    units: Mapping[str, str] | None = None,
    fill: str | None = None,
) -> Report:
    """A report on generated data for whoever has to sign: a verdict a line, each with its threshold.

    Parameters
    ----------
    train, fake : Dataset, or table of pandas, polars or another library that narwhals reads
        What the generator was trained on, and what it made; of any generator. As `dgkit.metrics.evaluate` takes them.
    held_out : Dataset or table, optional
        Real data that the generator never saw, such as the other part that `dgkit.split` gives. Without it nothing
        says how real data differ among themselves, and most lines read "not judged".
    model : DoppelGANger or Baseline, optional
        What made `fake`: for its settings, the membership attack and, if its training was private, epsilon.
    constraints : mapping, optional
        By name, functions of a Dataset that give True for each sample that keeps the constraint. Declared bounds
        (attrs `valid_min`, `valid_max` of the training data) are constraints without being named.
    by : str or sequence of str
        What samples belong together by: attributes or coordinates on (sample,), such as the device. Where training and
        held-out data have none in common, as `dgkit.split` with this `by` cuts them, whole devices are dealt (see
        Notes); else the device's effect on the series is looked at beside the attributes'. Default: of `windows` the
        series that they were cut from, where the two have none in common; else nothing.
    thresholds : mapping, optional
        Limits to judge by, in what a line measures: for a kind of lines (``{"values": 0.1}``) or one line
        (``{"values: views": 0.1}``, by the names in ``report.dataset.line``). "chance": how many times as far from the
        middle of chance as the farthest of 50 deals a line without a limit of its own may lie; default 1.6. See Notes.
    seed : int
        Of the samples drawn and dealt.
    features, sample, time, attributes, units, fill
        Of tables: which columns are what, as `dgkit.from_table` takes it.

    Returns
    -------
    Report
        `passed`, `dataset`, and `save(path)`.

    Raises
    ------
    ConfigError
        Unknown names in `thresholds` or `by`; a constraint that fails or does not give a boolean for each sample; a
        model of other variables; `held_out` holds training samples.
    SchemaError
        Not datasets of the same variables, units and steps, or no tables that can be read as such.

    Notes
    -----
    Up to 1,000 samples of each set are drawn (fewer of very long ones). All real ones are put together and dealt at
    random into two sets, as large as the held-out and the generated one, 50 times. A line is judged by the middle of
    what this gives and the farthest (or what the farthest of so many is on average, if by luck all lay nearer), or what
    training and held-out data give if that is farther, since these may differ, by device say. Real data pass a line
    nearly always: in 40 trials with others of the same kind 6 of about 2,000 lines failed, in 5 of the reports. How
    much a line lets pass depends on how many samples there are. Samples of one device are alike: where whole devices
    are dealt, days of devices that neither set knows pass a line nearly always, and how much it lets pass depends on
    how many devices there are. Attributes are dealt by single samples too: all devices may have the same calendar, but
    samples drawn one by one have not. Constraints are counted over all samples, copies and the attack
    over up to 500 of each set, with chances of their own. Epsilon alone is held against a constant, 10.

    Examples
    --------
    >>> import dgkit as dg
    >>> data = dg.simulate.web(300, time=28)
    >>> train, rest = dg.split(data, 1 / 3)
    >>> held_out, others = dg.split(rest, 0.5)
    >>> rules = {"never negative": lambda ds: (ds.views >= 0).all("time")}
    >>> found = dg.report(train, others, held_out, constraints=rules)
    >>> found.dataset.verdict.sel(line="constraint: never negative").item()
    'pass'
    >>> found.passed is None, found.dataset.why.sel(line="membership").item()
    (True, 'no model was given')
    """
    # what was given
    limits = _limits(thresholds)
    given = {"real": train, "generated": fake} | ({} if held_out is None else {"held_out": held_out})
    read, read_as = datasets_of(
        given, features, sample=sample, time=time, attributes=attributes, units=units, fill=fill
    )
    sets = {"training": read["real"], "generated": read["generated"]}
    sets |= {"held-out": read["held_out"]} if held_out is not None else {}
    schemas = [common_schema(sets["training"], ds, name) for name, ds in list(sets.items())[1:]]
    if held_out is not None:
        check_apart(sets["training"], sets["held-out"])
    schema, random = schemas[0], np.random.default_rng(_checks.seed(seed))
    _check_model(model, schema)
    if constraints is not None and not isinstance(constraints, Mapping):
        raise ConfigError(f"constraints={_checks.shown(constraints)} must be a mapping of names to functions.")
    grouped, lacking, together = _groups(sets, by)

    # every line
    samples = _drawn(sets, schema, grouped, random, together)
    lines, entries = compared(samples, schema, grouped, limits, random, together)
    lines += [Line("effect", f"{name} on series", why=why) for name, why in lacking.items()]
    lines += kept(sets, schema, constraints or {}, limits, random, together)
    lines += [*near(sets, limits, random, together), *of_model(model, sets, limits, random, together)]
    names = [line.name for line in lines]
    if unknown := [name for name in limits if ": " in name and name not in names]:
        raise ConfigError(f"thresholds: there is no line {unknown[0]!r}. The lines are {', '.join(map(repr, names))}.")

    # as a Dataset
    columns: dict[str, Any] = {
        field.name: ("line", [getattr(line, field.name) for line in lines]) for field in fields(Line)
    }
    columns |= {f"entry_{name}": ("entry", [entry[name] for entry in entries]) for name in ENTRY}
    attrs: dict[str, Any] = {"title": str(sets["training"].attrs.get("title", "")), "seed": seed, "read_as": read_as}
    attrs |= {"made": clock.strftime("%Y-%m-%d %H:%M UTC", clock.gmtime())}
    for name, ds in sets.items():
        of = name.replace("-", "_")
        attrs |= {f"{of}_samples": ds.sizes["sample"], f"{of}_drawn": samples[name].sizes["sample"]}
        attrs |= {f"{of}_hash": data_hash(ds)}
        attrs |= {f"{of}_groups": np.unique(ds[together]).size} if together and name != "generated" else {}
    attrs["dealt"] = together or "sample"
    versions = {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}
    n = sets["training"].sizes["sample"]
    attrs |= {"thresholds": json.dumps(limits), "model": _said_of(model, n), "versions": json.dumps(versions)}
    return Report(xr.Dataset(columns, {"line": names}, attrs), samples)


# --- what was given --------------------------------------------------------------------------------------------------


def _limits(thresholds: Mapping[str, float] | None) -> dict[str, float]:
    """The thresholds asked for, "chance" among them; ConfigError for an unknown kind, or what is no number."""
    limits = {"chance": TIMES}
    for name, limit in (thresholds or {}).items():
        if not isinstance(name, str) or name.partition(": ")[0] not in (*KINDS.index, "chance"):
            raise ConfigError(
                f"thresholds: {_checks.shown(name)} is no line. Kinds of lines are {', '.join(KINDS.index)}; "
                "'kind: name' is one line, and 'chance' how many times the spread of chance the others may lie away."
            )
        limits[name] = _checks.number(f"thresholds: {name}", limit)
    return limits


def _check_model(model: Any, schema: Schema) -> None:
    """ConfigError for what is no model, or one of other variables; one that says nothing of them is taken as it is."""
    if model is not None and not hasattr(model, "sample"):
        raise ConfigError(f"model={_checks.shown(model)} has no sample(n, seed=...). Give the model that made `fake`.")
    own = getattr(getattr(model, "encoder", None), "schema", None)
    if isinstance(own, Schema):
        told, found = ([v.name for v in (*one.features, *one.attributes)] for one in (own, schema))
        if sorted(told) != sorted(found):
            raise ConfigError(f"the model was trained on {told}, the data have {found}. Give the model that made them.")


def _groups(sets: Mapping[str, xr.Dataset], by: str | Sequence[str]) -> tuple[list[str], dict[str, str], str | None]:
    """The coordinates to group by that all sets have, why others cannot be, and what is dealt whole, if anything.

    Attributes are looked at anyway.
    """
    train, held_out = sets["training"], sets.get("held-out")
    known = [str(one) for one in train.variables if train[one].dims == ("sample",) and one != "length"]
    named, grouped, lacking = [by] if isinstance(by, str) else _checks.several("by", by), [], {}
    apart: dict[str, int] = {}  # how many values of each that training and held-out data do not share
    for name in named or [one for one in ["series"] if one in known]:
        if name not in known:
            raise ConfigError(f"by={name!r} is nothing on (sample,); the training data have {known}.")
        if held_out is not None and name in held_out.variables and held_out[name].dims == ("sample",):
            ours, theirs = (codes_of(ds, name, "by")[1] for ds in (train, held_out))
            if not set(ours.tolist()) & set(theirs.tolist()):
                apart[name] = len(ours) + len(theirs)
                continue
        without = [of for of, ds in sets.items() if name not in ds.variables or ds[name].dims != ("sample",)]
        if named and without:
            lacking[name] = f"the {without[0]} data have no {name!r}"
        elif named and name in train.coords:
            grouped.append(name)
    return grouped, lacking, min(apart, key=lambda name: apart[name], default=None)  # of several the coarsest


def _drawn(
    sets: Mapping[str, xr.Dataset],
    schema: Schema,
    grouped: list[str],
    random: np.random.Generator,
    together: str | None,
) -> dict[str, xr.Dataset]:
    """Samples of each set, in memory: no more generated than training ones, so that chance can be dealt."""
    most = min(MOST, max(FEWEST, MOST_VALUES // (schema.time * len(schema.features))))
    sizes = {name: min(most, ds.sizes["sample"]) for name, ds in sets.items()}
    sizes["generated"] = min(sizes["generated"], sizes["training"])
    names = [*(v.name for v in (*schema.features, *schema.attributes)), *grouped]
    found = {}
    for name, ds in sets.items():
        wanted = ds.reset_coords()[[*names, *(["length"] if "length" in ds else [])]]
        if together and name != "generated" and together not in wanted.variables:
            wanted = wanted.assign_coords({together: ds[together].variable})
        found[name] = some(wanted, random, sizes[name]).compute()
    return found


def _said_of(model: Any, n: int) -> str:
    """What a model says of itself and its training on n samples, as JSON."""
    if model is None:
        return ""
    config: Any = getattr(model, "config", getattr(model, "options", None))
    settings = asdict(config) if is_dataclass(config) and not isinstance(config, type) else dict(config or {})
    history = getattr(model, "history", None)
    steps = int(history.sizes.get("step", 0)) if isinstance(history, xr.Dataset) else None
    told = {"kind": type(model).__name__, "name": getattr(model, "name", None), "steps": steps, "settings": settings}
    if (promise := promised(model, n)) is not None:
        from dgkit.core.accounting import listed, ranged

        told |= promise._asdict()
        if hasattr(model, "encoder"):
            told |= {"ranged": ranged(model.encoder.schema), "listed": listed(model.encoder.schema)}
    elif not hasattr(model, "encoder"):
        told["private"] = "The model does not say whether its training was private."
    else:
        told["private"] = "Training was not private: no epsilon bounds what the generated data tell."
    return json.dumps({name: value for name, value in told.items() if value is not None}, default=str)
