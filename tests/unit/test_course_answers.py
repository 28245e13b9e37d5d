"""Exercises: wrong and absurd answers get a hint, and what was passed is kept; right ones are in `test_solutions`."""

import itertools
import json
import math
import os
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import dgkit as dg
from dgkit import _atomic, course
from dgkit.course import answers, chapters, exercise
from dgkit.course.__main__ import main
from dgkit.errors import ConfigError
from dgkit.privacy import DP, epsilon, noise_for

ROOT = Path(__file__).parents[2]
WWT = {"sample_rate": 0.002, "delta": 1e-5}  # 50,000 samples in batches of 100


NO_PIPES = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def model():
    return dg.fit(dg.simulate.web(60), dg.Config(steps=2, sample_len=7, batch_size=10), progress=False)


def spent(noise, epochs):
    """Epsilon of both discriminators, as one release of less noise."""
    return epsilon(noise_multiplier=noise / 2**0.5, steps=500 * epochs, accountant="prv", **WWT)


def private(noise, *, steps=600, **dp):
    return dg.Config(steps=steps, dp=DP(noise, **dp))


def english(model, n=50):
    given = {"access": "all-access", "agent": "all-agents"}
    return [
        model.sample(n, attributes={"domain": f"{site}.org", **given}) for site in ("en.wikipedia", "www.mediawiki")
    ]


def reports(model):
    real = dg.simulate.web(60)
    far = model.sample(60)
    return dg.metrics.evaluate(real, far), dg.metrics.evaluate(real, dg.simulate.web(60, seed=1))


SAMPLE_LENS = (1, 2, 4, 7, 14, 28, 84, 168)


def pages():
    return dg.open_dataset("web").views.values.astype(float)


def halves():
    return dg.split(dg.open_dataset("cluster"), 0.5, seed=0)


def majority():
    return float((halves()[1].end_event == "FINISH").mean())


def merged(**kept):
    """All homes, of each attribute one value and the rest."""
    homes = dg.open_dataset("broadband")
    return homes.assign({name: ("sample", np.where(homes[name] == one, one, "another")) for name, one in kept.items()})


def mixed(pages):
    """The pages, with the attributes of others."""
    others = np.random.default_rng(3).permutation(pages.sizes["sample"])
    return pages.assign({key: ("sample", pages[key].values[others]) for key in ("domain", "access", "agent")})


def of_domain(domain, n):
    """Real pages of it, as often as it takes to be n."""
    web = dg.open_dataset("web")
    kept = np.flatnonzero(((web.domain == domain) & (web.access == "all-access") & (web.agent == "all-agents")).values)
    return web.isel(sample=np.resize(kept, n))


def simulated(domain):
    """Others of it, which are no copies."""
    pages = of_domain(domain, 300)
    return pages.assign(views=(1.01 * pages.views).assign_attrs(pages.views.attrs))


WRONG = {
    "00.1": ([3000, 167, 168.5, "168"], "number of pages"),
    "00.2": ([["value_wasserstein"], "range_coverage", ["views"], 3], "does not change"),
    "00.3": ([14, 168, 60, "a season"], "That is the week"),
    "00.4": ([0.41, 0.0, 1, "a clock"], "with the hours in it"),
    "01.1": (
        [
            lambda x, V, b, w: np.tile(w @ V, (len(x), 1)),
            lambda x, V, b, w: (x @ V.T + b) @ V,
            lambda *given: 1 / 0,
            lambda *given: 3,
            print,
            168,
        ],
        "relu that is at 0 passes nothing on",
    ),
    "01.2": (
        [
            dg.simulate.web(60),
            3,
            (dg.simulate.web(600), dg.simulate.web(600, seed=1), 1.0),
            (of_domain("en.wikipedia.org", 900), of_domain("www.mediawiki.org", 900), 1.0),
            (simulated("en.wikipedia.org"), simulated("www.mediawiki.org"), 0.5),
        ],
        "Pass three things",
    ),
    "01.3": ([{"sample_len 1": 1, "sample_len 7": 2}, {}, 5], "The values are reports"),
    "01.4": ([lambda *given: given[1].mean(), lambda *given: 1 / 0, lambda *given: 3, print, 1.0], "mean D(fake)"),
    "01.5": (["abc", "bcb", "bc", 3], "Question 1"),
    "01.6": (
        [
            lambda levels: levels,
            lambda levels: 2 * np.abs(levels - 8.5),
            lambda levels: -np.abs(levels - 8.5),
            lambda levels: levels[:3],
            lambda levels: 1 / 0,
            print,
            8.5,
        ],
        "A straight line tells two clouds apart",
    ),
    "02.1": (
        [["autocorrelation_mse"], ["range_coverage"], "distinct_modes_ratio", ["views"], 3000.0],
        "notices",
    ),
    "02.2": ([dg.open_dataset("web"), dg.open_dataset("web").isel(sample=slice(600)), 3], "kinds of pages are left"),
    "02.3": ([(50, 5000), (1, 100), (0.5, 0.5), (0.5,), 3, pages()[0], ("a", "b")], "that is in views"),
    "02.4": (
        [
            dict.fromkeys("ABCD", "collapse"),
            {"A": "nothing", "B": "saturation", "C": "a kind is missing", "D": "collapse"},
            {"A": "nothing"},
            dict.fromkeys("ABCD", "a fault"),
            "collapse",
        ],
        "3 of 4 are not right",
    ),
    "03.1": ([7, 120, 672, 0], "a multiple of 24"),
    "03.2": ([1, 84, 3, 7.5, "best"], "more than twice the least"),
    "03.3": ([9, -1, True], "Compare each"),
    "03.4": (
        [
            chapters.of("03", "BROKEN", None),
            dg.Config(steps=1000, sample_len=7, penalty=0.0, ema=0.99, seed=0),
            dg.Config(steps=1000, sample_len=7, generator_lr=0.1, ema=0.99, seed=0),
            dg.Config(steps=1000, sample_len=168, ema=0.99, seed=0),
            dg.Config(steps=5000, sample_len=7, ema=0.99, seed=0),
            "dg.Config()",
        ],
        "falls to nothing",
    ),
    "03.5": ([4, 26, 52, 364, 5, 0, -4, "a week"], "56 passes of 4 steps"),
    "04.1": (
        [
            dg.open_dataset("cluster"),
            dg.simulate.cluster(3000, seed=4),
            dg.open_dataset("cluster").isel(sample=slice(500)),
            dg.simulate.web(1000),
            12,
        ],
        "What ties a job's class to its end",
    ),
    "04.2": ([146, 130, 100, "EVICT", 4.5], "Half of all perfect models make fewer"),
    "04.3": ([dg.open_dataset("cluster").isel(sample=slice(200)), 3, dg.simulate.web(60)], "Pass two things"),
    "04.4": ([300 * 6**2, 300, 735, 6000, "many"], "with the root of the number"),
    "05.1": (
        [
            lambda x: (x[:, 1:] - x[:, :-1]).var() / x.var(),
            lambda x: 1 - (x[:, 1:] * x[:, :-1]).mean() ** 2 / (x[:, :-1] ** 2).mean() / x.var(),  # through the origin
            lambda x: x,
            lambda x: 1 / 0,
            15.0,
        ],
        "One straight line for all pairs",
    ),
    "05.2": ([["doppelganger", "ar"], ["hmm"], "doppelganger", ["timegan"], ["rnn", "gan"], 3], "ar is dominated"),
    "05.3": (
        [
            3,
            dg.open_dataset("web"),
            dg.simulate.web(400, seed=3),
            dg.simulate.web(600, seed=9),
            dg.simulate.web(600, decades=1.0, seed=9).isel(time=slice(None, None, -1)),
            dg.simulate.broadband(500),
        ],
        "Pass a Dataset",
    ),
    "06.1": ([majority(), 2 * majority() / (1 + majority()), 1.0, 80], "its accuracy, and its precision"),
    "06.2": ([[1, 0, -1], [1, 0.5, -0.5], (0.5, 1, -1, -0.5, 0)], "six orders"),
    "06.3": (
        [
            [0.8, 0.79, 0.6, 0.59, 0.58],
            [0.79, 0.8, 0.6, 0.59, 0.58],
            [0.79, 0.78, 0.6, 0.59, 0.8],
            [0.8] * 5,
            [0.8, 0.7],
            "abcde",
            itertools.count(),
        ],
        "loses 0.00",
    ),
    "06.4": (
        [
            lambda past: np.tile(past[:, -4:], 2),
            lambda past: np.ones((len(past), 8)),
            lambda past: past,
            lambda past: 1 / 0,
            print,
            0.3,
        ],
        "as on the day before",
    ),
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
    "07.4": ([(30, 0.3), (30, 0.2), (15, 0.4), 20, None, "a pair"], "the work is"),
    "07.5": ([0.264, 0.05, 0.97, 42, -1, "most"], "rests on half of the pages"),
    "08.1": ([1.0, noise_for(epsilon=1.0, steps=7500, **WWT), 1.486, 0.01, 40, "two"], "With this noise epsilon is"),
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
    "08.5": (
        [
            dict.fromkeys("ABCD", "nothing"),
            {"A": "batch clipped", "B": "nothing", "C": "noise halved", "D": "batch clipped"},
            {"A": "nothing"},
            dict.fromkeys("ABCD", "a bug"),
            "nothing",
        ],
        "one long along one number",
    ),
    "08.6": (
        [
            [2, 3, 5],
            [1, 2, 3, 5, 6],
            [2, 3, 4, 5, 6],
            [],
            list(range(1, 8)),
            [0, 2],
            [2.5],
            ["2"],
            {2},
            2,
            "2, 3",
            None,
        ],
        "without this person's page",
    ),
    "08.7": ([0, 5, 20, 3.5, "few"], "Are 20 counts 20 releases"),
    "09.1": ([0.525, 0.05, 0.5, 51.25, "half"], "how often it is right about a member"),
    "09.2": ([1, 44, 43, 10_001, 4.5, -3, "months"], "right in 0.55"),
    "09.3": ([0.6, 1.5, math.log(0.6)], "the odds of 60 %"),
    "09.4": ([0.5, 0.6, 0.983, 0.01, "few"], "Which share of them all"),
    "09.5": ([2, 5, 7, 56, 57, 0, "a week"], "finds the right home in"),
    "10.1": ([2**32 / 300 / 1e3, 1000, 4.3e9, "a gigabit"], "What rate fills it"),
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
    "10.3": ([0.04, 0.0687, 0.31, "smaller"], "Draw twenty numbers"),
    "10.4": (
        [
            dg.open_dataset("broadband"),
            merged(isp="ISP 01", state="CA"),
            merged(technology="Cable", state="CA"),
            merged(technology="none", state="CA"),
            dg.open_dataset("broadband").drop_vars("isp"),
            dg.open_dataset("broadband").isel(sample=slice(1000)),
            dg.open_dataset("web"),
            20,
        ],
        "The rarest: Cable",
    ),
    "11.1": (["days backwards", "none", "every page", 3], "which lines are beyond the threshold"),
    "11.2": ([["values", "level", "effect"], ["rises"], ["copies"], "values"], "There are more"),
    "11.3": ([4, -4.0, 8, 1, "zero"], "the velocity of one of the lines"),
    "11.4": ([0.08, 16, 0.54, "many"], "the standard deviation is"),
    "11.5": (
        [
            lambda series: series.std(1),
            lambda series: series[:, 0] - series[:, 3],
            lambda series: series,
            lambda series: 1 / 0,
            print,
            0.9,
        ],
        "without their order",
    ),
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


def test_every_exercise_has_wrong_answers_here():
    assert set(WRONG) == set(course.exercises())


@pytest.mark.parametrize("number", WRONG)
def test_wrong_and_absurd_answers_get_a_hint_and_are_not_remembered(number):
    answers, hint = WRONG[number]
    results = [course.answer(number, value) for value in answers]

    assert hint in results[0].message
    for value in (None, [], {}, np.zeros(3), Odd(), object(), float("nan"), -np.inf, 7j, True, course, "x" * 1000):
        results.append(course.answer(number, value))
    assert not any(result.passed for result in results)
    assert all(result.message for result in results)
    assert not Path("dgkit-progress.json").exists()


def test_real_pages_are_not_taken_for_generated_ones():
    english, other = of_domain("en.wikipedia.org", 300), of_domain("www.mediawiki.org", 300)
    wide = english.assign(views=english.views.astype("f8"))

    assert "real pages" in course.answer("01.2", (english, other, 1.0)).message
    assert "real pages" in course.answer("01.2", (wide, other, 1.0)).message


@pytest.mark.parametrize("number", ["02.2", "04.1", "05.3"])
def test_other_data_are_told_in_words_which_variable_is_not_there(number):
    missing = "job_class" if number == "04.1" else "views"

    said = course.answer(number, dg.open_dataset("broadband")).message

    assert f": there is no {missing} among traffic_bytes, ping_loss, " in said


def test_a_number_may_come_as_an_array_without_dims():
    curve = dg.metrics.autocorrelation(dg.open_dataset("web").views)

    assert course.answer("00.3", curve.sel(lag=slice(80, 90)).idxmax("lag")).passed
    assert course.answer("00.1", np.array(168)).passed
    assert "this is float" in course.answer("00.1", np.array(168.5)).message


@pytest.mark.training
def test_a_report_measures_of_chapter_elevens_faults_what_its_exercises_say():
    train, held_out = dg.split(dg.open_dataset("web"), 0.5, seed=0)
    pages = dg.simulate.web(1500, seed=11)
    backwards = pages.assign(views=pages.views.copy(data=pages.views.values[:, ::-1]))
    repeated = pages.isel(sample=np.arange(1500) % 750)

    found, turned, twice = (dg.report(train, ds, held_out).dataset for ds in (pages, backwards, repeated))

    kinds = found.line.to_series().str.split(":").str[0]
    for kind in ("values", "level", "autocorrelation", "effect"):
        lines = kinds.index[kinds == kind]
        np.testing.assert_allclose(turned.measured.sel(line=lines), found.measured.sel(line=lines), rtol=1e-3)
    for line in ("rises: views (log)", "shape: views"):
        assert float(turned.measured.sel(line=line)) > 2 * float(found.measured.sel(line=line))
    assert "fail" not in twice.verdict.values


def test_too_few_pages_and_swapped_reports_are_refused(model):
    far, near = reports(model)

    assert "generate 200" in course.answer("01.2", (*english(model, 20), 0.5)).message
    assert "same time" in course.answer("01.3", {"sample_len 1": near, "sample_len 7": far}).message


def test_a_lead_that_another_seed_may_turn_is_none():
    def report(error):
        return dg.metrics.Report({"autocorrelation_mse": ("feature", [error])})

    given = {factor: {"sample_len 1": report(0.01 * factor), "sample_len 7": report(0.01)} for factor in (1.4, 1.6)}

    assert "long enough" in course.answer("01.3", given[1.4]).message
    assert "a factor of 1.6" in course.answer("01.3", given[1.6]).message


def test_results_read_without_colour_and_escape_what_is_in_them():
    result = course.Result("00.1", False, "<b>no</b>")

    assert repr(result).startswith("✗ not yet: exercise 00.1.")
    assert "&lt;b&gt;" in result._repr_html_()
    assert "✓ passed" in course.Result("00.1", True, "yes")._repr_html_()


@pytest.mark.parametrize("unknown", ["99.1", 1.1, [], None])
def test_unknown_exercises_are_named(unknown):
    with pytest.raises(ConfigError, match=r"no exercise .*; there are 00.1, 00.2, .*01.3"):
        course.answer(unknown, 3)


def test_progress_reads_as_text_and_as_a_table():
    course.answer("00.2", ["autocorrelation_mse"])

    assert "00.1  · open\n00.2  ✓ passed\n" in repr(course.progress())
    assert repr(course.progress()).endswith(f"1 of {len(course.exercises())} passed")
    assert "<td>00.2</td><td>✓ passed</td>" in course.progress()._repr_html_()


def test_progress_is_written_beside_and_renamed(monkeypatch):
    course.answer("00.2", ["autocorrelation_mse"])
    before = Path("dgkit-progress.json").read_text()

    def full(*_):
        raise OSError(28, "no space left")

    monkeypatch.setattr(_atomic.os, "replace", full)
    with pytest.warns(UserWarning, match="no space left"):
        assert course.answer("00.1", 168).passed

    assert Path("dgkit-progress.json").read_text() == before
    assert sorted(os.listdir()) == [".dgkit-progress.lock", "dgkit-progress.json"]


@pytest.mark.parametrize("damaged", [b"{", b"[]", b'{"passed": 3}', b'{"passed": [1]}', b"\0", b"[" * 200_000, b"\xff"])
def test_a_damaged_progress_file_is_kept_aside(damaged):
    Path("dgkit-progress.json.bak").write_text("of before")
    Path("dgkit-progress.json").write_bytes(damaged)

    with pytest.warns(UserWarning, match="is damaged"):
        assert not any(course.progress().values())
    assert Path("dgkit-progress.json").read_bytes() == damaged  # who only looks changes nothing
    assert course.answer("00.2", ["autocorrelation_mse"]).passed

    assert Path("dgkit-progress.json.bak").read_text() == "of before"
    assert Path("dgkit-progress.json.bak1").read_bytes() == damaged
    assert course.progress() == {number: number == "00.2" for number in course.exercises()}


def test_two_notebooks_at_once_lose_no_note():
    names = list(course.exercises())
    code = "import sys; from dgkit.course import answers\nfor name in sys.argv[1:]: answers._remember(name)"

    both = [subprocess.Popen([sys.executable, "-c", code, *names[k::2]]) for k in range(2)]
    with ThreadPoolExecutor(4) as pool:  # and threads of this one
        list(pool.map(answers._remember, names[:8]))

    assert [one.wait() for one in both] == [0, 0]
    assert all(course.progress().values())


def test_a_file_that_cannot_be_opened_for_a_moment_loses_no_note(monkeypatch):
    course.answer("00.1", 168)

    def busy(path, *rest, **options):
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(answers, "open", busy, raising=False)
        with pytest.warns(UserWarning, match="Too many open files"):
            course.progress()
        with pytest.warns(UserWarning, match="could not be noted"):
            assert course.answer("00.2", ["autocorrelation_mse"]).passed

    assert course.progress()["00.1"]
    assert sorted(os.listdir()) == [".dgkit-progress.lock", "dgkit-progress.json"]


@pytest.mark.parametrize("make", [Path.mkdir, pytest.param(getattr(os, "mkfifo", None), marks=NO_PIPES)])
@pytest.mark.parametrize("name", ["dgkit-progress.json", ".dgkit-progress.lock"])
def test_what_is_in_the_place_of_a_file_of_ours_stays_and_is_named(make, name, monkeypatch):
    monkeypatch.setattr(answers, "PATIENCE", 0.1)
    make(Path(name))

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert course.answer("00.2", ["autocorrelation_mse"]).passed
        passed = course.progress()["00.2"]

    assert passed or any(name.lstrip(".")[:14] in str(one.message) for one in said)
    assert Path(name).is_dir() == (make is Path.mkdir)


class Ends:
    """Ends the process, whatever is asked of it."""

    def _end(self, *_):
        raise SystemExit("good bye")

    __eq__ = __len__ = __iter__ = __float__ = __array__ = __bool__ = __repr__ = __contains__ = __getitem__ = _end
    __hash__ = None

    @property
    def __class__(self):
        raise SystemExit


@pytest.mark.parametrize("number", WRONG)
def test_answers_that_end_the_process_or_never_end_get_a_hint(number):
    many = np.broadcast_to(np.float32(1), (10**6, 10**6))
    endless = xr.Dataset({"views": (("sample", "time"), many)})
    for value in (
        Ends(),
        range(10**9),
        range(10**30),
        itertools.count(),
        "x" * 10**7,
        many,
        endless,
        10**400,
        [0] * 10**6,
    ):
        result = course.answer(number, value)
        assert not result.passed and result.message


def test_a_learner_may_interrupt_a_check(monkeypatch):
    def interrupted(value):
        raise KeyboardInterrupt

    course.exercises()  # all are registered
    monkeypatch.setitem(exercise.EXERCISES, "00.1", interrupted)
    with pytest.raises(KeyboardInterrupt):
        course.answer("00.1", 3)


def quizzes():
    return {number: quiz for name in chapters.NUMBERS for number, quiz in chapters.of(name, "QUIZZES", {}).items()}


PREDICTIONS = {name: made for name in chapters.NUMBERS if (made := chapters.of(name, "PREDICTION", None))}


def shown(call, number):
    """Which cell of its chapter calls this for the number."""
    (path,) = (ROOT / "notebooks").glob(f"{number[:2]}_*.ipynb")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [k for k, cell in enumerate(cells) if f'course.{call}("{number}")' in "".join(cell["source"])]


@pytest.mark.parametrize("number", sorted(quizzes()))
def test_a_quiz_has_one_right_choice_says_why_of_each_and_stands_in_its_chapter(number):
    quiz = course.quiz(number)

    assert quiz.right in "abcdef"[: len(quiz.choices)] and 2 <= len(quiz.choices) <= 6
    assert all(choice and why for choice, why in quiz.choices)
    html = quiz._repr_html_()
    assert html.count("<details") == len(quiz.choices) and html.count("Right.") == 1
    assert html.count("script") == 0 and "http" not in html
    assert len(shown("quiz", number)) == 1


def test_chapters_with_quizzes_have_two():
    of_chapter = [number.split(".")[0] for number in quizzes()]

    assert {name: of_chapter.count(name) for name in of_chapter} == dict.fromkeys(of_chapter, 2)
    assert {"00", "01", "02", "03", "04", "05", "06"} <= set(of_chapter) == set(PREDICTIONS)


@pytest.mark.parametrize("chapter", sorted(PREDICTIONS))
def test_a_prediction_is_kept_beside_what_was_passed_and_taken_up_at_the_end(chapter):
    asked = PREDICTIONS[chapter]
    answers._remember("00.1")

    before = course.recall(chapter)
    box = course.predict(chapter)
    box.children[1].index = 1
    again = course.predict(chapter)
    after = course.recall(chapter)
    answers._remember("00.2")

    assert "kept no prediction" in before and asked.because in before
    assert again.children[1].index == 1 and f"You predicted {asked.named('b')}" in after
    assert answers.predicted() == {chapter: "b"}
    assert [number for number, passed in course.progress().items() if passed] == ["00.1", "00.2"]
    (asking,), (taken_up,) = shown("predict", chapter), shown("recall", chapter)
    assert asking < 8 and taken_up - asking > 10


def test_a_prediction_that_cannot_be_kept_is_not_said_to_be():
    Path("dgkit-progress.json").mkdir()
    box = course.predict("04")

    with pytest.warns(UserWarning, match="the prediction could not be noted"):
        box.children[1].index = 1

    assert box.children[2].value.startswith("Not kept: the prediction could not be noted in dgkit-progress.json")
    Path("dgkit-progress.json").rmdir()
    box.children[1].index = 0
    assert box.children[2].value.startswith("Kept.") and answers.predicted() == {"04": "a"}


def test_what_was_predicted_reads_without_colour_and_escapes_what_is_in_it():
    said = course.Recalled("a < b\nc")

    assert repr(said) == "a < b\nc" and "a &lt; b<br>c" in said._repr_html_()


@pytest.mark.parametrize("held", ['{"passed": [], "predicted": 3}', '{"passed": [], "predicted": {"04": 3}}'])
def test_predictions_that_are_none_count_as_damage(held):
    Path("dgkit-progress.json").write_text(held)

    assert answers.predicted() == {}


def test_a_kept_letter_that_is_no_choice_is_none():
    answers.keep_prediction("04", "z")

    assert course.predict("04").children[1].value is None
    assert "kept no prediction" in course.recall("04")


def handed_in(folder, **letters):
    """A progress file of each learner, as `predict` keeps it."""
    for name, letter in letters.items():
        (folder / name).mkdir(parents=True)
        held = {"passed": [], "predicted": {"02": letter}} if letter else {"passed": ["00.1"]}
        (folder / name / "dgkit-progress.json").write_text(json.dumps(held))


def test_a_teacher_sees_what_the_room_predicted_and_what_came_out_only_at_the_end(tmp_path):
    handed_in(tmp_path, ann="b", bob="a", cid="b", dan="", eve="z", fay="b")
    (tmp_path / "gus.json").write_text('{"passed": [], "predicted": {"02": "a"}}')
    (tmp_path / "hal.json").write_text("{")
    (tmp_path / "ida").symlink_to(tmp_path / "ann")

    before, after = course.room(tmp_path, "02"), course.room(tmp_path, "02", reveal=True)

    assert before.counts == (2, 3, 0)
    assert (before.silent, before.unread) == (2, 1)
    lines = repr(before).splitlines()
    assert lines[0] == PREDICTIONS["02"].question and lines[2].split()[-2] == "3" and lines[2].count("█") == 30
    assert lines[1].count("█") == 20 and lines[4] == "  5 predictions, 2 without one, 1 could not be read"
    assert "What came out" not in repr(before) + before._repr_html_()
    assert PREDICTIONS["02"].because in repr(after) and "✓ (b)" in after._repr_html_()


def test_of_several_files_of_a_learner_the_last_prediction_counts(tmp_path):
    handed_in(tmp_path, ann="a")
    handed_in(tmp_path / "ann", later="c", last="")
    for k, inside in enumerate((".", "later", "last")):
        os.utime(tmp_path / "ann" / inside / "dgkit-progress.json", (k, k))

    assert course.room(tmp_path, "02").counts == (0, 0, 1)


def test_the_command_shows_every_chapter_that_asks(tmp_path, capsys):
    handed_in(tmp_path, ann="b")

    main(["room", str(tmp_path)])
    said = capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["room", str(tmp_path / "nowhere"), "02"])

    assert all(asked.question in said for asked in PREDICTIONS.values()) and "1 prediction\n" in said
    assert "no folder at" in capsys.readouterr().err


@pytest.mark.parametrize("unknown", ["99.a", "04.z", "", None, 4])
def test_unknown_quizzes_and_predictions_are_named(unknown):
    with pytest.raises(ConfigError, match="no quiz"):
        course.quiz(unknown)
    with pytest.raises(ConfigError, match="asks for no prediction"):
        course.predict({"04.z": "99"}.get(unknown, unknown))


FINISH = 2 * majority() / (1 + majority())
MENDED = {"steps": 1000, "ema": 0.99, "seed": 0}


@pytest.mark.parametrize(
    ("number", "value", "hint"),
    [
        ("00.3", 60, "without the first six days"),
        ("01.1", lambda x, V, b, w: (x @ V.T + b) @ V, "Autograd finds another gradient"),
        ("01.1", lambda x, V, b, w: w, "a gradient for each point"),
        ("01.1", lambda x, V, b, w: 1 / 0, "Your function fails: ZeroDivisionError"),
        ("02.1", ["range_coverage", "distinct_modes_ratio"], "Not all: 2 more"),
        ("02.1", ["range_coverage", "value_wasserstein"], "value_wasserstein notices"),
        ("03.1", 672, "take at least two"),
        ("03.4", dg.Config(sample_len=7, penalty=0.0, **MENDED), "still run away"),
        ("03.4", dg.Config(sample_len=7, generator_lr=0.1, **MENDED), "still jump"),
        ("03.4", dg.Config(sample_len=168, **MENDED), "way back"),
        ("03.4", dg.Config(sample_len=7, batch_size=50, **MENDED), "changes batch_size too"),
        (
            "04.1",
            dg.simulate.cluster(3000, mix={"job_class": {"small": 0.2, "medium": 0.4, "large": 0.4}}),
            "shares of",
        ),
        ("04.2", 135, "more than one in twenty"),
        ("04.2", 110, "there is a larger number"),
        ("05.1", lambda series: series, "Give a number"),
        ("05.2", ["hmm"], "Not all: of 1 more"),
        ("05.2", ["gan"], "Give a list of names"),
        ("06.1", FINISH, "mean over all 4 kinds"),
        ("06.3", [0.58, 0.59, 0.6, 0.79, 0.8], "The rank correlation is -1.0"),
        ("06.3", [0.8] * 5, "all different"),
    ],
)
def test_a_wrong_answer_is_told_what_is_wrong_with_it(number, value, hint):
    result = course.answer(number, value)

    assert not result.passed and hint in result.message


@pytest.mark.parametrize(
    ("number", "value"), [("09.1", 0.51), ("09.1", 0.513), ("09.3", 0.4), ("09.3", 0.41), ("09.3", 0.405)]
)
def test_a_right_answer_may_be_rounded(number, value):
    assert course.answer(number, value).passed


def test_09_3_asks_for_the_largest_epsilon_and_says_so_of_a_smaller_one():
    (path,) = (ROOT / "notebooks").glob("09_*.ipynb")

    assert "Which is the largest" in path.read_text(encoding="utf-8")
    result = course.answer("09.3", 0.3)
    assert not result.passed and "57.4%" in result.message and "a larger epsilon" in result.message


def test_05_2_says_which_of_the_attributes_differences_are_chance():
    assert (
        "Four of the six draw their attributes from the data" in course.answer("05.2", ["doppelganger", "hmm"]).message
    )
