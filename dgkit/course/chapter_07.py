"""Chapter 07: its recorded runs (how far the attributes may be shifted), and the checks of its exercises."""

import time
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from dgkit import metrics, simulate, whatif
from dgkit._cells import Point
from dgkit.core.config import Config
from dgkit.course.exercise import Wrong, copies, dataset, exercise
from dgkit.course.experiment import Experiment
from dgkit.course.measures import train_and_look
from dgkit.course.questions import Prediction, Quiz
from dgkit.course.systems import SYSTEMS, TRAINED, WAYS
from dgkit.datasets import open_dataset
from dgkit.errors import ConfigError

# --- recorded runs ---


def _what_if_cell(train: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    """Answers to "what if more of the jobs were large?" against the simulator's, from a slight shift to a large one."""
    _, training_seconds, model = next(train_and_look(train, config, 1))
    capacity, classes = point["capacity"], simulate.JOB_CLASSES
    today = simulate.cluster(10_000, seed=10_000, capacity=capacity)
    retraining = min(500, config.steps)
    shifts, rows = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5), []  # total variation, from small and medium to large
    for shift in shifts:
        mix = {name: job.share * (1 - shift / (1 - classes["large"].share)) for name, job in classes.items()}
        mix["large"] = classes["large"].share + shift
        target = {"job_class": mix}
        truth = simulate.cluster(10_000, seed=20_000, mix=target, capacity=capacity)
        start = time.perf_counter()
        changed = whatif.retrain_attributes(model, target, steps=retraining, seed=point["seed"], progress=False)
        seconds = time.perf_counter() - start
        odds = np.array([mix[name] / classes[name].share for name in today.job_class.values])
        answers = {
            "retrained model": changed.sample(4000, seed=1),
            # a model without error of today's P(series | attributes)
            "reweighted jobs": today.isel(sample=np.random.default_rng(0).choice(10_000, 4000, p=odds / odds.sum())),
            "truth again": simulate.cluster(4000, seed=30_000, mix=target, capacity=capacity),  # chance alone
        }
        distances = [_job_distances(truth, answer) for answer in answers.values()]
        made = [float((answers["retrained model"].job_class == name).mean()) for name in classes]
        rates = whatif.rejection_sample(model, target, 2000, seed=1).attrs
        row = {
            "true_cpu_used": _cpu_used(truth),
            "offered_load": simulate.cluster_load(target, capacity=capacity),
            "job_share": ("job_class", list(mix.values())),
            "retrained_job_share": ("job_class", made),
            "retraining_seconds": seconds,
            **{name: rates[name] for name in ("acceptance_rate", "expected_acceptance_rate")},
        }
        rows.append(xr.concat(distances, pd.Index(list(answers), name="answer")).assign(row))
    result = xr.concat(rows, pd.Index(shifts, name="shift")).assign_coords(job_class=list(classes))
    return result.assign(training_seconds=training_seconds)


def _job_distances(truth: xr.Dataset, answer: xr.Dataset) -> xr.Dataset:
    """How far an answer is from the truth: CPU rates, lengths and ends of the jobs; and the CPU that they use."""
    rates = [ds.cpu_rate.mean("time") for ds in (truth, answer)]
    return xr.Dataset(
        {
            "cpu_rate_wasserstein": ((), metrics.wasserstein(*rates), {"units": "1"}),
            "length_wasserstein": ((), metrics.wasserstein(truth.length, answer.length), {"units": "steps"}),
            "end_event_divergence": ((), metrics.jensen_shannon(truth.end_event, answer.end_event), {"units": "bits"}),
            "cpu_used": ((), _cpu_used(answer), {"units": "1", "long_name": "CPU used (share of a machine)"}),
        }
    )


def _cpu_used(jobs: xr.Dataset) -> float:
    """Share of a machine in use: the jobs that arrive in a step times what one uses in its life."""
    return simulate.ARRIVALS * float(jobs.cpu_rate.sum("time").mean())


SHIFTS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)


def _way_data(point: Point) -> xr.Dataset:
    system = SYSTEMS[point["system"]]()
    return system.seen(2000, point["seed"], system.mix(0.0))


@lru_cache(2 * len(SHIFTS))
def _truths(name: str, shift: float) -> tuple[xr.Dataset, xr.Dataset]:
    """What truly happens, and once more, to know what chance alone does."""
    system = SYSTEMS[name]()
    mix = system.mix(shift)
    return system.seen(10_000, 20_000, mix), system.seen(4000, 30_000, mix)


def _way_cell(train: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    """One way to answer, held against the truth from no shift to a large one; of data as seen, also what is flagged."""
    system, way, seed = SYSTEMS[point["system"]](), point["way"], point["seed"]
    nothing_cut = not system.runs_out and way != "as seen"  # and so nothing to take out
    learned = train.isel(sample=[]) if nothing_cut else system.learned(train, way)
    if learned.sizes["sample"] < 100:
        what = list(system.distances(train, train))
        nan = xr.DataArray(np.nan, {"shift": list(SHIFTS), "what": what}, ("shift", "what"))
        return xr.Dataset({"distance": nan, "chance": nan, "rows_distance": nan, "series": learned.sizes["sample"]})
    models: dict[str, Any] = {"rows_distance": whatif.Rows(learned)}
    seconds = np.nan
    if way in TRAINED:
        _, seconds, models["distance"] = next(train_and_look(learned, config, 1))
    rows = []
    for shift in SHIFTS:
        truth, again = _truths(point["system"], shift)
        answers = {name: system.answers(model, way, learned, shift, 4000, seed) for name, model in models.items()}
        found = {name: system.distances(truth, answer) for name, answer in answers.items()}
        found["chance"] = system.distances(truth, again)
        row = xr.Dataset({k: ("what", list(v.values())) for k, v in found.items()}, {"what": list(found["chance"])})
        if system.attribute == "job_class":
            row = row.assign(used=_cpu_used(list(answers.values())[-1]), true_used=_cpu_used(truth))
        if way == "as seen":
            target = {system.attribute: system.mix(shift)}
            told = whatif.trust(models["distance"], target, seed=seed, **system.limit)
            over = told.sums["over"].isel(feature=0, drop=True)
            row = row.assign(flag=int(not told), effective=told.effective)
            row = row.assign({f"over_{mix}": over.sel(mix=mix, drop=True) for mix in ("today", "target")})
        rows.append(row)
    result = xr.concat(rows, pd.Index(SHIFTS, name="shift"))
    return result.assign(training_seconds=seconds, series=learned.sizes["sample"])


EXPERIMENTS = {
    "whatif_ways": Experiment(
        "Which way to ask 'what if?' holds where something runs out, and what tells beforehand that it does?",
        _way_data,
        _way_cell,
        Config(steps=700, sample_len=5, ema=0.99),
        {
            "system": {
                "machines": {},
                "machines of 5": {"steps": 200},
            },
            "way": WAYS,
            "seed": (0, 1, 2, 3, 4),
        },
        {"steps": 4, "system": "machines", "way": "demand", "seed": 0},
    ),
    "whatif_uplinks": Experiment(
        "Does the way out hold on a second system, homes that share an uplink?",
        _way_data,
        _way_cell,
        Config(steps=400, sample_len=7, ema=0.99),
        {"system": ("uplinks",), "way": WAYS, "seed": (0, 1, 2)},
        {"steps": 4, "system": "uplinks", "way": "demand", "seed": 0},
    ),
    "whatif": Experiment(
        "How far may the attributes be shifted before P(series | attributes) no longer holds?",
        lambda point: simulate.cluster(2000, seed=point["seed"], capacity=point["capacity"]),
        _what_if_cell,
        Config(steps=1500, sample_len=5, ema=0.99),
        {"capacity": (1.0, 1000.0), "seed": (0, 1, 2, 3, 4)},  # a machine of 1000 is never exhausted
        {"steps": 4, "capacity": 1.0, "seed": 0},
    ),
}


# --- questions ---

PREDICTION = Prediction(
    "More and more jobs are large. Which part of the retrained model's answer goes wrong by the most?",
    ("the mix of jobs", "the CPU that all jobs use together", "none, since the conditionals are kept"),
    "b",
    "The mix is met. But the model adds up what single jobs would like: at the largest shift it says that 1.68 of a "
    "machine are in use (median of five models), where in truth it is 0.95, and more cannot be.",
)
QUIZZES = {
    "07.a": Quiz(
        "A model was retrained for twice as many large jobs. What has it learned anew?",
        "c",
        (
            ("What a large job does where many others run.", "It has seen no such cluster, neither before nor now."),
            ("How long a large job lasts.", "That is made by the parts that stay: same attributes, same series."),
            ("How often each combination of attributes occurs.", "Nothing else: no series was needed for it."),
        ),
    ),
    "07.b": Quiz(
        "There is no simulator. When is the answer to be believed?",
        "a",
        (
            (
                "Where what the jobs add up to stays well below a limit that you know.",
                "Then they are as little in each other's way as today, and P(series | attributes) is what it was.",
            ),
            ("Where the attributes meet the target.", "They do at every shift. The series are the question."),
            (
                "Where the model was trained for long.",
                "Real jobs of today, reweighted, are as wrong: it is not the learning that fails.",
            ),
        ),
    ),
}


# --- exercises ---


@exercise("07.1")
def _kept(value: Any) -> str:
    jobs, wanted = open_dataset("cluster"), {"small": 0.05, "medium": 0.05, "large": 0.9}
    largest = max(share / float((jobs.job_class == name).mean()) for name, share in wanted.items())
    if isinstance(value, np.ndarray | xr.DataArray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < 1:
        raise Wrong("Give a share, a number between 0 and 1.")
    if abs(value - 1 / largest) > 0.05 / largest:
        raise Wrong("For which class is wanted / present share the largest? The share kept is 1 over that ratio.")
    return f"One draw in {largest:.1f}, which is the ratio for the large jobs."


@exercise("07.2")
def _full(value: Any) -> str:
    try:
        load = simulate.cluster_load(value)
    except ConfigError as error:
        raise Wrong(f'That is not a mix, {{"job_class": {{class: share}}}}: {error}') from error
    if value is None or abs(load - 1) > 0.01:
        raise Wrong(f"This mix brings a load of {load:.3f}. A few more large jobs raise it, a few less lower it.")
    shares, classes = value["job_class"], simulate.JOB_CLASSES
    if abs(shares["small"] / shares["medium"] - classes["small"].share / classes["medium"].share) > 0.1:
        raise Wrong("The load is right. Keep the proportion of small to medium jobs as it is in JOB_CLASSES.")
    used = _cpu_used(simulate.cluster(4000, seed=8, mix=value))
    return (
        f"With {shares['large']:.3f} large jobs instead of {classes['large'].share:.3f}, as much work arrives as can "
        f"be done. In use is {used:.2f} of a machine: the load counts each job as if it ran to its end, and jobs fail, "
        "get stuck and are evicted."
    )


@exercise("07.3")
def _evicted(value: Any) -> str:
    ask = "Pass a Dataset: one that whatif.sample_target, or a retrained model, returns."
    value, real = dataset(value, ask, "These are not generated jobs", "end_event"), open_dataset("cluster")
    ends, events = value["end_event"].values, real["end_event"].values
    if len(ends) < 500:
        raise Wrong(f"There are only {len(ends)} jobs; generate at least 500.")
    evicted = float((ends == "EVICT").mean())
    if abs(evicted - 0.5) > 0.07:
        raise Wrong(f"Of these jobs {evicted:.2f} were evicted; the target names EVICT, and half.")
    for event in ("FAIL", "FINISH", "KILL"):
        shares = [float((some == event).sum() / (some != "EVICT").sum()) for some in (ends, events)]
        if abs(shares[0] - shares[1]) > 0.1:
            raise Wrong(
                f"Of the jobs that were not evicted, {shares[0]:.2f} end with {event}; in the data {shares[1]:.2f}."
            )
    if value.sizes["time"] == real.sizes["time"] and copies(value["cpu_rate"].values, real["cpu_rate"].values):
        raise Wrong("These are real jobs. Let the model generate some.")
    large, usual = (float((jobs["job_class"] == "large").mean()) for jobs in (value, real))
    return (
        f"And {large:.2f} of them are large, where {usual:.2f} of the real jobs are: this target asks which jobs are "
        "evicted, not what happens when more are."
    )


@exercise("07.4")
def _asked_for(value: Any) -> str:
    ask = "Give a pair (steps, rate): how long the job would have been alone, and the CPU it asked for in each step."
    try:
        steps, rate = (float(part) for part in value)
    except (TypeError, ValueError) as error:
        raise Wrong(ask) from error
    if abs(steps * rate - 6) > 0.06:
        raise Wrong(
            f"{steps:g} steps of {rate:g} are {steps * rate:.3g} of CPU in all. The job finished its work, and that "
            "took 30 steps of 0.2: the work is the same, however fast it is done."
        )
    if abs(steps - 20) > 0.2:
        raise Wrong("The work is right. It went on at two thirds of its pace: how many steps at full pace is that?")
    return (
        "20 steps of 0.3. What a machine takes from a job that waits is time, not work: demand_of makes it higher and "
        "shorter. Of traffic that is dropped, the rest is gone, and only the height is given back."
    )
