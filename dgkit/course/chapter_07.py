"""Chapter 07: its recorded runs (how far the attributes may be shifted), and the checks of its exercises."""

import math
import time
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from dgkit import metrics, simulate, whatif
from dgkit._cells import Point
from dgkit.core.config import Config
from dgkit.course.exercise import Wrong, copies, dataset, exercise, number
from dgkit.course.experiment import Experiment
from dgkit.course.measures import train_and_look
from dgkit.course.questions import Prediction, Quiz
from dgkit.course.systems import SYSTEMS, TRAINED, WAYS, System
from dgkit.datasets import open_dataset
from dgkit.errors import ConfigError
from dgkit.sweeps import train_model

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


_FINE = (0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)  # shifts at which the flag is asked


def _way_data(point: Point) -> xr.Dataset:
    system = SYSTEMS[point["system"]]()
    return system.seen(10_000, point["seed"], system.mix(0.0))


@lru_cache(2 * len(_FINE))
def _truths(name: str, shift: float, n: int) -> tuple[xr.Dataset, xr.Dataset]:
    """What truly happens, and once more, to know what chance alone does."""
    system = SYSTEMS[name]()
    mix = system.mix(shift)
    return system.seen(n, 20_000, mix), system.seen(n // 2, 30_000, mix)


def _way_cell(train: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    """One way to answer, held against the truth from no shift to a large one; of data as seen, also what is flagged."""
    name, way, seed = point["system"], point["way"], point["seed"]
    system = SYSTEMS[name]()
    n = 40_000 if config.steps > 100 else 4000  # fewer in the short run that the tests repeat
    learned = system.learned(train, way)
    if learned.sizes["sample"] < 100:
        what = list(system.distances(train, train))
        nan = xr.DataArray(np.nan, {"shift": list(SHIFTS), "what": what}, ("shift", "what"))
        return xr.Dataset({"distance": nan, "chance": nan, "rows_distance": nan, "series": learned.sizes["sample"]})
    rows_of_data, seconds = whatif.Rows(learned), np.nan
    models: dict[str, tuple[Any, Any]] = {"rows_distance": (rows_of_data, None)}
    if way in TRAINED:
        _, seconds, model = next(train_and_look(learned, config, 1))
        models["distance"] = system.pool(model, way, learned, n // 4, seed), learned
    rows = []
    for shift in SHIFTS:
        truth, again = _truths(name, shift, n)
        answers = {k: system.answers(m, way, shift, n // 2, seed, like) for k, (m, like) in models.items()}
        found = {k: system.distances(truth, answer) for k, answer in answers.items()}
        found["chance"] = system.distances(truth, again)
        row = xr.Dataset({k: ("what", list(v.values())) for k, v in found.items()}, {"what": list(found["chance"])})
        if system.attribute == "job_class":
            row = row.assign(used=_cpu_used(list(answers.values())[-1]), true_used=_cpu_used(truth))
        if way == "as seen":
            row = row.assign(_flagged(rows_of_data, system, shift, seed))
        rows.append(row)
    result = xr.concat(rows, pd.Index(SHIFTS, name="shift"))
    return result.assign(training_seconds=seconds, series=learned.sizes["sample"])


def _flagged(rows: whatif.Rows, system: System, shift: float, seed: int) -> dict[str, float]:
    told = whatif.trust(rows, {system.attribute: system.mix(shift)}, seed=seed, **system.limit)
    over = told.sums["over"].isel(feature=0)
    shares = {f"over_{mix}": float(over.sel(mix=mix)) for mix in ("today", "target")}
    return {"flag": float(not told), "effective": told.effective, **shares}


def _flag_data(point: Point) -> xr.Dataset:
    system = SYSTEMS[point["system"]]()
    return system.seen(2000, point["seed"], system.mix(0.0))


def _flag_cell(train: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    """What the data alone say of a shift, and how far they are from the truth: nothing is trained."""
    name, rows, found = point["system"], [], whatif.Rows(train.drop_vars("granted"))
    system = SYSTEMS[name]()
    for shift in _FINE:
        far = system.distances(_truths(name, shift, 20_000)[0], system.answers(found, "as seen", shift, 10_000, 0))
        row = xr.Dataset({"rows_distance": ("what", list(far.values()))}, {"what": list(far)})
        rows.append(row.assign(_flagged(found, system, shift, point["seed"])))
    return xr.concat(rows, pd.Index(_FINE, name="shift"))


CELLS = (0.0, 0.1, 0.2, 0.3)  # shifts of the four clusters that ran with different mixes


def _cells_data(point: Point) -> xr.Dataset:
    """Jobs of several mixes, with the load of each as an attribute: what jobs request when they are submitted."""
    parts = []
    for k, shift in enumerate(CELLS):
        mix = {"job_class": SYSTEMS["machines"]().mix(shift)}
        part = simulate.cluster(10_000 // len(CELLS), 100 * (k + 1) + point["seed"], mix=mix)
        attrs = {"units": "1", "long_name": "load", "valid_min": 0.0, "valid_max": 3.0}  # no more will be asked for
        load = np.full(part.sizes["sample"], simulate.cluster_load(mix))
        parts.append(part.drop_vars(["machine", "arrival"]).assign(load=("sample", load, attrs)))
    return xr.concat(parts, "sample", combine_attrs="override")


def _cells_cell(train: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    """A model of several mixes, asked for mixes between them and beyond, by their load."""
    n = 40_000 if config.steps > 100 else 4000  # fewer in the short run that the tests repeat
    system = SYSTEMS["machines"]()
    _, seconds, model = next(train_and_look(train, config, 1))
    rows = []
    for shift in SHIFTS:
        truth, _ = _truths("machines", shift, n)
        asked = _at_load(train, system.mix(shift), n // 4, point["seed"])
        far = system.distances(truth, model.sample(attributes=asked, seed=point["seed"]))
        rows.append(xr.Dataset({"distance": ("what", list(far.values()))}, {"what": list(far)}))
    return xr.concat(rows, pd.Index(SHIFTS, name="shift")).assign(training_seconds=seconds)


def _at_load(cells: xr.Dataset, mix: dict[str, float], n: int, seed: int) -> xr.Dataset:
    """Attributes of n jobs of a mix at its load; how jobs of each class end there, by a line through the cells."""
    rng, load = np.random.default_rng(seed), simulate.cluster_load({"job_class": mix})
    kind = rng.choice(list(mix), n, p=list(mix.values()))
    loads, end = np.unique(cells["load"].values), np.empty(n, "U8")
    for name in mix:
        of = cells.isel(sample=np.flatnonzero(cells.job_class == name))
        table = [[float((of.end_event[of["load"] == x] == e).mean()) for e in simulate.END_EVENTS] for x in loads]
        shares = np.clip([np.polyval(np.polyfit(loads, column, 1), load) for column in np.array(table).T], 0, None)
        end[kind == name] = rng.choice(list(simulate.END_EVENTS), int((kind == name).sum()), p=shares / shares.sum())
    attributes = {"job_class": kind, "end_event": end, "load": np.full(n, load)}
    return xr.Dataset({name: ("sample", values) for name, values in attributes.items()})


SHADOWS = 20  # models of as many secret mixes: the attack is trained on all but one, and asked for that one's
_RELEASES = ("retrained", "statistics anew", "trained on the released mix", "real rows")
_ATTACKS = ("batch norm", "trained on weights", "trained on samples")


def _secret_data(point: Point, number: int = 0) -> xr.Dataset:
    shares = 0.1 + 0.7 * np.random.default_rng(number).dirichlet([1, 1, 1])
    mix = {"job_class": dict(zip(simulate.JOB_CLASSES, (shares / shares.sum()).tolist(), strict=True))}
    return simulate.cluster(1500, 1000 + number, mix=mix, capacity=point["capacity"])


def _secret_cell(_: xr.Dataset, config: Config, point: Point) -> xr.Dataset:
    """How well attacks recover the hidden mix of a released model, or of samples: mean error of the shares.

    The attacker knows the other settings, the seed of the training too. Real rows, drawn with the released mix, are
    the samples of a model without error.
    """
    classes = list(simulate.JOB_CLASSES)
    third = {"job_class": dict.fromkeys(classes, 1 / len(classes))}
    known: dict[tuple[str, str], list[Any]] = {}
    secrets, shadows = [], SHADOWS if config.steps > 20 else 4  # fewer in the short run that the tests repeat
    for shadow in range(shadows):
        data = _secret_data(point, shadow)
        model = train_model(data, config)
        secrets.append([float((data.job_class == name).mean()) for name in classes])
        even = whatif.sample_target(whatif.Rows(data), third, 2000, seed=shadow)  # ends go with classes as in the data
        models: dict[str, Any] = {
            "retrained": whatif.retrain_attributes(model, even, steps=40, seed=shadow, progress=False),
            "statistics anew": whatif.release(model, even, steps=40, seed=shadow, progress=False),
            "trained on the released mix": train_model(even, config),
        }
        for name, given in models.items():
            parts = given.generator.state_dict().items()
            seen = [v.double().numpy().ravel() for k, v in parts if not k.startswith("attribute.")]
            known.setdefault((name, "batch norm"), []).append(whatif.recover_mix(given).sum("end_event").values)
            known.setdefault((name, "trained on weights"), []).append(np.concatenate(seen))
        samples = {name: whatif.sample_target(given, even, 2000, seed=shadow) for name, given in models.items()}
        for name, sample in (samples | {"real rows": even}).items():
            known.setdefault((name, "trained on samples"), []).append(_sayings(sample))
    truth = np.array(secrets)
    error, chance = np.full((2, len(_RELEASES), len(_ATTACKS)), np.nan)
    for (release, attack), found in known.items():
        at = _RELEASES.index(release), _ATTACKS.index(attack)
        if attack == "batch norm":
            error[at] = np.abs(np.array(found) - truth).mean()
        else:
            error[at], chance[at] = _attacked(np.array(found), truth)
    others = (truth.sum(0) - truth) / (shadows - 1)
    attrs = {"units": "1", "long_name": "mean error of the recovered shares"}
    return xr.Dataset(
        {
            "error": (("release", "attack"), error, attrs),
            "chance": (("release", "attack"), chance, attrs | {"long_name": "lowest 5 % with the secrets shuffled"}),
            "guess": ((), float(np.abs(others - truth).mean()), attrs | {"long_name": "error of the mean secret"}),
        },
        {"release": list(_RELEASES), "attack": list(_ATTACKS)},
    )


def _sayings(ds: xr.Dataset) -> np.ndarray:
    """What samples say of each class: means and spreads of the features, lengths, ends."""
    found = []
    for name in simulate.JOB_CLASSES:
        of = ds.isel(sample=np.flatnonzero(ds.job_class == name))
        for feature in ("cpu_rate", "memory", "assigned_memory"):
            means = of[feature].mean("time")
            found += [float(means.mean()), float(means.std()), float(of[feature].diff("time").std())]
        found += [float(of.length.mean()), float(of.length.std())]
        found += [float((of.end_event == event).mean()) for event in simulate.END_EVENTS]
    return np.array(found)


def _attacked(known: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Error of a ridge regression, each model left out once, with the penalty that serves the attack best.

    And the lowest twentieth of what it comes to with the secrets shuffled: what is not below that is chance.
    """
    rng, n = np.random.default_rng(0), len(truth)
    orders = np.stack([np.arange(n)] + [rng.permutation(n) for _ in range(200)])  # (1 + shuffles, N), the first is true
    secrets = truth[orders].transpose(1, 0, 2)  # (N, 1 + shuffles, shares)
    penalties = 10.0 ** np.arange(-3, 3)
    errors = np.zeros((len(penalties), len(orders)))
    for k in range(n):
        x, y = np.delete(known, k, 0), np.delete(secrets, k, 0)
        spread = np.maximum(x.std(0), 1e-9)
        standard, asked = ((v - x.mean(0)) / spread / np.sqrt(x.shape[1]) for v in (x, known[k]))
        near, by, mean = standard @ standard.T, asked @ standard.T, y.mean(0)
        for j, penalty in enumerate(penalties):
            weights = np.linalg.solve(near + penalty * np.eye(n - 1), (y - mean).reshape(n - 1, -1))
            said = np.clip((by @ weights).reshape(mean.shape) + mean, 0, 1)
            said /= np.maximum(said.sum(1, keepdims=True), 1e-9)
            errors[j] += np.abs(said - secrets[k]).mean(1) / n
    best = errors.min(0)
    return float(best[0]), float(np.quantile(best[1:], 0.05))


EXPERIMENTS = {
    "whatif_ways": Experiment(
        "Which way to ask 'what if?' holds where something runs out?",
        _way_data,
        _way_cell,
        Config(steps=2000, sample_len=5, ema=0.99),
        {"system": ("machines",), "way": WAYS, "seed": (0, 1, 2, 3, 4)},
        {"steps": 4, "system": "machines", "way": "demand", "seed": 0},
    ),
    "whatif_uplinks": Experiment(
        "Does the way out hold on a second system, homes that share an uplink?",
        _way_data,
        _way_cell,
        Config(steps=1500, sample_len=14, ema=0.99),
        {"system": ("uplinks",), "way": WAYS, "seed": (0, 1, 2, 3, 4)},
        {"steps": 4, "system": "uplinks", "way": "demand", "seed": 0},
    ),
    "whatif_flag": Experiment(
        "Does the flag fire before the error has doubled, and only where something runs out?",
        _flag_data,
        _flag_cell,
        Config(),
        {"system": tuple(SYSTEMS), "seed": tuple(range(20))},
        {"steps": 1, "system": "uplinks", "seed": 0},
    ),
    "whatif_mixes": Experiment(
        "How far does a model answer that was trained on a few mixes, with the load as an attribute?",
        _cells_data,
        _cells_cell,
        Config(steps=2000, sample_len=5, ema=0.99),
        {"seed": (0, 1, 2)},
        {"steps": 4, "seed": 0},
    ),
    "whatif_secret": Experiment(
        "What do a released model, and released samples, still say of the mix that was to be hidden?",
        _secret_data,
        _secret_cell,
        Config(steps=250, sample_len=20, ema=0.9, lstm_units=24, attribute_units=48, discriminator_units=48),
        {"capacity": (1.0, 1000.0)},
        {"steps": 4, "capacity": 1000.0},
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
        "There is no simulator. Which of these speaks for the answer?",
        "a",
        (
            (
                "Where what the jobs add up to stays well below a limit that you know.",
                "Then they are as little in each other's way as today. It is not enough: no sum shows a hidden cause.",
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


@exercise("07.5")
def _few_count_for_many(value: Any) -> str:
    given, share = number(value), float((open_dataset("web").domain == "www.mediawiki.org").mean())
    if not 0 < given < 1:
        raise Wrong("Give a share, a number between 0 and 1.")

    def rests_on(p: float) -> float:  # n_eff / n
        return 1 / (1 + (p - share) ** 2 / (share * (1 - share)))

    truth, half = (share + math.sqrt((times - 1) * share * (1 - share)) for times in (4, 2))
    if abs(given - half) < 0.01:
        raise Wrong(
            "There it rests on half of the pages. How many does it take for an error bar that is twice as wide?"
        )
    if abs(given - truth) > 0.01:
        raise Wrong(
            f"At {given:.2f} the answer rests on {3000 * rests_on(given):.0f} of 3,000 pages. Each page of a domain "
            "has the weight wanted / present; an error bar is as wide as 1 / the root of the number."
        )
    return (
        f"{truth:.2f}, from {share:.2f} today: {3000 * share:.0f} of 3,000 pages then carry {truth:.0%} of the answer. "
        "`trust` says how many it rests on, and a model that learned from them knows no more than they do."
    )
