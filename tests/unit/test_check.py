"""Exercises: right answers pass, wrong and absurd ones get a hint, and what was passed is kept."""

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest

import dgkit as dg
from dgkit import check, downstream
from dgkit.errors import ConfigError
from dgkit.privacy import DP, epsilon, noise_for

WWT = {"sample_rate": 0.002, "delta": 1e-5}  # 50,000 samples in batches of 100


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def model():
    return dg.fit(dg.simulate.web(60), dg.Config(steps=2, sample_len=7, batch_size=10), progress=False)


def spent(noise, epochs):
    """Epsilon of both discriminators, as one release of less noise."""
    return epsilon(noise_multiplier=noise / 2**0.5, steps=500 * epochs, **WWT)


def private(noise, *, steps=600, **dp):
    return dg.Config(steps=steps, dp=DP(noise, **dp))


def english(model, n=50):
    return model.sample(n, attributes={"domain": "en.wikipedia.org", "access": "desktop", "agent": "all-agents"})


def reports(model):
    real = dg.simulate.web(60)
    far = model.sample(60)
    return dg.metrics.evaluate(real, far), dg.metrics.evaluate(real, dg.simulate.web(60, seed=1))


SAMPLE_LENS = (1, 2, 4, 7, 14, 28, 84, 168)


def pages():
    return dg.open_dataset("web").views.values.astype(float)


def levels():
    return (pages().max(1) + pages().min(1)) / 2


def recorded(name):
    """Autocorrelation MSE of a recorded run, the seeds in the second dim."""
    return dg.experiments.open_run(name).autocorrelation_mse.values


def failed(_):
    jobs = dg.simulate.cluster(9000, seed=77)
    return jobs.isel(sample=((jobs.job_class == "large") & (jobs.end_event == "FAIL")).values)


def evicted(_):
    """Other jobs than the shipped ones, half of which were evicted."""
    jobs = dg.simulate.cluster(9000, seed=77)
    which = (jobs.end_event == "EVICT").values
    half = np.flatnonzero(which)
    return jobs.isel(sample=np.concatenate([half, np.flatnonzero(~which)[: len(half)]]))


def crowded(_):
    """By bisection: the mix that fills the machines."""
    low, high = 0.0, 0.5
    for _step in range(40):
        shift = (low + high) / 2
        mix = {
            "job_class": {"small": (0.85 - shift) * 12 / 17, "medium": (0.85 - shift) * 5 / 17, "large": 0.15 + shift}
        }
        low, high = (shift, high) if dg.simulate.cluster_load(mix) < 1 else (low, shift)
    return mix


def autocorrelation_errors():
    run = dg.experiments.open_run("baselines").sel(dataset="web", budget="own", feature="views")
    return dict(zip(run.model.values, np.median(run.autocorrelation_mse, 1), strict=True))


def closest_other():
    finished = {"naive_gan", "hmm", "ar", "rnn", "market"}
    return min(error for name, error in autocorrelation_errors().items() if name in finished)


def at_most_55_percent():
    run = dg.experiments.open_run("membership").sel(attack="discriminator")
    rates = np.median(run.success_rate.transpose("samples", "seed", "target").values.mean(2), 1)
    return next(int(n) for n, rate in zip(run.samples.values, rates, strict=True) if rate <= 0.55)


def halves():
    return dg.split(dg.open_dataset("cluster"), 0.5, seed=0)


def majority():
    return float((halves()[1].end_event == "FINISH").mean())


def misleading():
    jobs = dg.experiments.open_run("baselines").sel(dataset="cluster", budget="own")
    agreement = np.median(jobs.rank_correlation, 1)
    taught = np.median(jobs.macro_f1.sel(setting="generated to real", classifier="MLP"), 1)
    rows = zip(taught, jobs.model.values.tolist(), agreement, strict=True)
    return min((f1, name) for f1, name, one in rows if one > 0.89)[1]


def mixed(pages):
    """The pages, with the attributes of others."""
    others = np.random.default_rng(3).permutation(pages.sizes["sample"])
    return pages.assign({key: ("sample", pages[key].values[others]) for key in ("domain", "access", "agent")})


def within_25_seconds():
    run = dg.experiments.open_run("sample_len")
    error, seconds = (np.median(run[key], 1) for key in ("autocorrelation_mse", "training_seconds"))
    return SAMPLE_LENS[np.where(seconds <= 25, error, np.inf).min(1).argmin()]


def of_a_sweep():
    return dg.experiments.open_run("sample_len").seconds.values


RIGHT = {
    "00.1": lambda model: dg.open_dataset("web").sizes["time"],
    "00.2": lambda model: "domain",
    "00.3": lambda model: np.int64(7),
    "01.1": lambda model: 24,
    "01.2": english,
    "01.3": lambda model: dict(zip(("sample_len 1", "sample_len 7"), reports(model), strict=True)),
    "02.1": lambda model: float(np.log10(levels().max() / levels().min())),
    "02.2": lambda model: np.median(np.ptp(pages(), axis=1)) / np.ptp(pages()),
    "02.3": lambda model: 2 * (pages()[0] - pages()[0].min()) / np.ptp(pages()[0]) - 1,
    "03.1": lambda model: 3,
    "03.2": lambda model: SAMPLE_LENS[np.median(recorded("sample_len")[:, :, -1], axis=1).argmin()],
    "03.3": lambda model: np.divide(*np.median(recorded("training_size"), axis=1)[[0, 2]]),
    "04.1": lambda model: len(
        {*zip(*(dg.open_dataset("cluster")[k].values for k in ("job_class", "end_event")), strict=True)}
    ),
    "04.2": lambda model: "EVICT",
    "04.3": failed,
    "05.1": lambda model: closest_other() / autocorrelation_errors()["doppelganger"],
    "05.2": lambda model: "rnn",
    "05.3": lambda model: dg.baselines.fit("hmm", dg.open_dataset("broadband"), budget="smoke").sample(500, seed=0),
    "06.1": lambda model: majority() / downstream.predict_events(*halves()).accuracy.max(),
    "06.2": lambda model: {1, 0.5, -0.5, -1},
    "06.3": lambda model: misleading(),
    "07.1": lambda model: (dg.open_dataset("cluster").job_class == "large").mean() / 0.9,
    "07.2": crowded,
    "07.3": evicted,
    "08.1": lambda model: noise_for(epsilon=1.0, steps=7500, releases=2, **WWT),
    "08.2": lambda model: next(e for e in range(1, 999) if spent(2.0, e + 1) > 1),
    "08.3": lambda model: spent(2.0, 15) + spent(4.0, 20),
    "08.4": lambda model: private(noise_for(epsilon=1.0, sample_rate=0.01, steps=600, delta=1e-5, releases=2)),
    "09.1": lambda model: 10,
    "09.2": lambda model: at_most_55_percent(),
    "09.3": lambda model: math.log(1.5),
    "10.1": lambda model: dg.datasets.windows(dg.open_dataset("web"), 28, 14),
    "10.2": lambda model: mixed(dg.simulate.web(600, seed=5)),
    "10.3": lambda model: within_25_seconds(),
    "10.4": lambda model: of_a_sweep().sum() / of_a_sweep().max(),
}
WRONG = {
    "00.1": ([3000, 167, 168.5, "168"], "number of pages"),
    "00.2": (["access", "views", 3], "there is one with more"),
    "00.3": ([14, 84, "a week"], "peaks"),
    "01.1": ([168, 7, 23], "Each pass makes 7"),
    "01.2": ([dg.simulate.web(60), 3], "There are pages of"),
    "01.3": ([{"sample_len 1": 1, "sample_len 7": 2}, {}, 5], "The values are reports"),
    "02.1": ([3000.0, 1, "three"], "A decade is a factor of ten"),
    "02.2": ([0.5, 1, {}], "largest less smallest"),
    "02.3": ([np.zeros(168), pages()[0], 3], "Take the mid-range away"),
    "03.1": ([10, 55, 4], "55 passes"),
    "03.2": ([1, 7.5, "best"], "median over seeds"),
    "03.3": ([1e4, -1, True], "divided by"),
    "04.1": ([7, 4, "twelve"], "different pairs"),
    "04.2": (["FINISH", "evict", 4], "divide the recorded share"),
    "04.3": ([dg.open_dataset("cluster").isel(sample=slice(200)), 3, dg.simulate.web(60)], "give both attributes"),
    "05.1": ([1.0, 1 / 15, "ten"], "divided by DoppelGANger's"),
    "05.2": (["ar", "hmm", "doppelganger"], "Look at innovation"),
    "05.3": (
        [
            3,
            dg.simulate.web(500),
            dg.simulate.broadband(50, seed=9),
            dg.open_dataset("broadband").isel(sample=slice(600)),
        ],
        "Pass the Dataset",
    ),
    "06.1": ([majority(), 1.0, 80], "The share of FINISH"),
    "06.2": ([[1, 0, -1], [1, 0.5, -0.5], (0.5, 1, -1, -0.5, 0)], "six orders"),
    "06.3": (["doppelganger", "hmm", "the naive GAN", 3], "lowest macro_f1"),
    "07.1": ([0.9, 0.15, 6, "a sixth"], "For which class"),
    "07.2": (
        [
            {"job_class": {"small": 0.2, "medium": 0.2, "large": 0.6}},
            {"job_class": {"small": 0.0, "medium": 0.78, "large": 0.22}},
            {"job_class": {"small": 0.5}},
        ],
        "brings a load of",
    ),
    "07.3": ([dg.simulate.cluster(600, seed=5), dg.simulate.cluster(20), dg.simulate.web(600), 3], "were evicted"),
    "08.1": ([1.0, noise_for(epsilon=1.0, steps=7500, **WWT), 0.01, 40, "two"], "With this noise epsilon is"),
    "08.2": ([15, 15.5, 1e6, "fifteen"], "After 15 it is"),
    "08.3": ([spent(2.0, 15), spent(2.0, 15) + 2 * spent(4.0, 20), 1e-3], "one of the two models alone"),
    "08.4": (
        [
            private(1.0),
            dg.Config(steps=600),
            private(5.0, steps=20),
            private(5.0, delta=1e-3),
            private(5.0, sampling="replacement"),
            private(0.0),
            1.0,
        ],
        "promises an epsilon of",
    ),
    "09.1": ([30, 20, 10.5], "30 of them are"),
    "09.2": ([50, 5000, 100.5], "the first at most 0.55"),
    "09.3": ([0.6, 1.5, math.log(0.6)], "the odds of 60 %"),
    "10.1": (
        [
            dg.datasets.windows(dg.open_dataset("web"), 28),
            dg.datasets.windows(dg.open_dataset("web"), 14),
            dg.datasets.windows(dg.simulate.web(3000, seed=1), 28, 14),
            dg.open_dataset("web"),
            28,
        ],
        "How far do two windows begin apart",
    ),
    "10.2": (
        [
            dg.open_dataset("web"),
            mixed(dg.simulate.web(400)),
            mixed(dg.simulate.web(600, decades=1.0)),
            dg.open_dataset("web").isel(time=slice(None, None, -1)).isel(sample=slice(600)),
            3,
        ],
        "A domain still tells the level",
    ),
    "10.3": ([1, 168, 7.5], "the smallest"),
    "10.4": ([24, 8, 1.0, "twelve"], "the slowest"),
}


class Unsayable(Exception):
    def __str__(self):
        raise RuntimeError("no")


class Odd(dict):
    def __eq__(self, other):
        raise RuntimeError("no")

    def __iter__(self):
        raise Unsayable

    __hash__ = None


def test_every_exercise_has_a_right_answer_here():
    assert set(RIGHT) == set(WRONG) == set(check.EXERCISES)


@pytest.mark.parametrize("number", RIGHT)
def test_right_answers_pass_and_are_remembered(number, model):
    result = check.answer(number, RIGHT[number](model))

    assert result.passed, result
    assert check.progress()[number]
    assert json.loads(Path("dgkit-progress.json").read_text()) == {"passed": [number]}


LONG = pytest.param("06.1", marks=pytest.mark.training)  # each answer to it trains five predictors


@pytest.mark.parametrize("number", [LONG, *(number for number in WRONG if number != "06.1")])
def test_wrong_and_absurd_answers_get_a_hint_and_are_not_remembered(number):
    answers, hint = WRONG[number]
    results = [check.answer(number, value) for value in answers]

    assert hint in results[0].message
    for value in (None, [], {}, np.zeros(3), Odd(), object(), float("nan"), -np.inf, 7j, True, check, "x" * 1000):
        results.append(check.answer(number, value))
    assert not any(result.passed for result in results)
    assert all(result.message for result in results)
    assert not Path("dgkit-progress.json").exists()


def test_real_pages_are_not_taken_for_generated_ones():
    web = dg.open_dataset("web")
    real = web.isel(sample=web.domain == "en.wikipedia.org")

    assert "real pages" in check.answer("01.2", real).message
    assert "real pages" in check.answer("01.2", real.assign(views=real.views.astype("f8"))).message


def test_a_number_may_come_as_an_array_without_dims():
    curve = dg.metrics.autocorrelation(dg.open_dataset("web").views, lags=20)

    assert check.answer("00.3", curve.sel(lag=slice(4, 20)).idxmax("lag")).passed
    assert check.answer("01.1", np.array(24)).passed
    assert "this is float" in check.answer("01.1", np.array(24.5)).message


def test_too_few_pages_and_swapped_reports_are_refused(model):
    far, near = reports(model)

    assert "generate 50" in check.answer("01.2", english(model, 20)).message
    assert "same time" in check.answer("01.3", {"sample_len 1": near, "sample_len 7": far}).message


def test_a_lead_that_another_seed_may_turn_is_none():
    def report(error):
        return dg.metrics.Report({"autocorrelation_mse": ("feature", [error])})

    given = {factor: {"sample_len 1": report(0.01 * factor), "sample_len 7": report(0.01)} for factor in (1.4, 1.6)}

    assert "long enough" in check.answer("01.3", given[1.4]).message
    assert "2 times closer" in check.answer("01.3", given[1.6]).message


def test_results_read_without_colour_and_escape_what_is_in_them():
    result = check.Result("00.1", False, "<b>no</b>")

    assert repr(result).startswith("✗ not yet: exercise 00.1.")
    assert "&lt;b&gt;" in result._repr_html_()
    assert "✓ passed" in check.Result("00.1", True, "yes")._repr_html_()


@pytest.mark.parametrize("unknown", ["99.1", 1.1, [], None])
def test_unknown_exercises_are_named(unknown):
    with pytest.raises(ConfigError, match=r"no exercise .*; there are 00.1, 00.2, .*01.3"):
        check.answer(unknown, 3)


def test_progress_reads_as_text_and_as_a_table():
    check.answer("00.2", "domain")

    assert "00.1  · open\n00.2  ✓ passed\n" in repr(check.progress())
    assert repr(check.progress()).endswith(f"1 of {len(check.EXERCISES)} passed")
    assert "<td>00.2</td><td>✓ passed</td>" in check.progress()._repr_html_()


def test_progress_is_written_beside_and_renamed(monkeypatch):
    check.answer("00.2", "domain")
    before = Path("dgkit-progress.json").read_text()

    def full(self, *_):
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.warns(UserWarning, match="no space left"):
        assert check.answer("01.1", 24).passed

    assert Path("dgkit-progress.json").read_text() == before
    assert os.listdir() == ["dgkit-progress.json"]


@pytest.mark.parametrize("damaged", ["{", "[]", '{"passed": 3}', '{"passed": [1]}', "\x00", "[" * 200_000])
def test_a_damaged_progress_file_is_kept_aside(damaged):
    Path("dgkit-progress.json").write_text(damaged)

    assert check.answer("00.2", "domain").passed

    assert Path("dgkit-progress.json.bak").read_text() == damaged
    assert check.progress() == {number: number == "00.2" for number in check.EXERCISES}


def test_progress_that_cannot_be_noted_is_a_warning():
    Path(f"dgkit-progress.{os.getpid()}").mkdir()  # in the way of the file that is written beside

    with pytest.warns(UserWarning, match="could not be noted"):
        assert check.answer("00.2", "domain").passed
