"""Measures of the recorded runs on real data: chance is what chance gives, and what differs is seen."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

import dgkit as dg
from dgkit._cells import assemble, name_of, points_of, stored
from dgkit.course import levers, open_run, real
from dgkit.course.__main__ import SIDE_BY_SIDE, blocks
from dgkit.errors import DgkitError
from tests.benchmarks import peers

DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="module")
def halves():
    return dg.split(dg.simulate.web(400, time=56), 0.5, seed=0)


def test_two_halves_are_not_told_apart_and_other_levels_or_an_other_order_are(halves):
    train, held_out = halves
    doubled = train.assign(views=3 * train.views)
    shuffled = train.copy(deep=True)
    np.random.default_rng(0).permuted(shuffled.views.values, axis=1, out=shuffled.views.values)

    assert 0.4 < real.told_apart(held_out, train) < 0.6
    assert real.told_apart(held_out, doubled) > 0.6
    assert real.told_apart(held_out, shuffled) > 0.95


def test_measures_of_two_halves_are_small_and_of_copies_say_so(halves):
    train, held_out = halves

    chance, copied = (real.measured(train, held_out, made) for made in (train, train.copy()))

    assert chance.copied_share == 0
    assert copied.copied_share == 1
    for name in ("step_wasserstein", "largest_rise_wasserstein", "value_wasserstein_relative"):
        assert chance[name].max() < 0.4
    assert set(chance.conditional_total.attribute.values) == {"domain", "access", "agent"}


def test_an_attribute_value_that_is_never_made_counts_as_the_median_of_all_totals(halves):
    held_out = halves[1].assign_coords(sample=np.arange(halves[1].sizes["sample"]))
    own = np.log10(held_out.views.sum("time"))
    classes = held_out.domain.values
    most = held_out.isel(sample=classes == "en.wikipedia.org")

    far = real._conditional(held_out, most, ["views"]).sel(feature="views", attribute="domain")
    none = real._conditional(held_out, held_out.assign(domain=held_out.domain.where(False, "xx")), ["views"])

    others = abs(own - own.median()).values[classes != "en.wikipedia.org"]
    assert 0 < others.size < classes.size
    np.testing.assert_allclose(far, others.sum() / abs(own - own.median()).sum())
    np.testing.assert_allclose(none.sel(attribute="domain"), 1)


def test_a_group_whose_totals_are_all_zero_has_a_distance(halves):
    quiet = halves[1].assign(views=halves[1].views.where(halves[1].agent != "spider", 0.0))

    for made in (quiet, halves[0]):
        far = real._conditional(quiet, made, ["views"]).sel(attribute="agent")
        assert (far == 0) if made is quiet else (far > 0.1)


def test_what_a_model_makes_of_zero_does_not_change_what_it_is_asked_for(halves):
    zeros = [ds.assign(views=ds.views.where(ds.views > ds.views.quantile(0.1), 0.0)) for ds in halves]
    least = float(zeros[1].views.where(zeros[1].views > 0).min())
    made = [zeros[0].assign(views=zeros[0].views.where(zeros[0].views > least, low)) for low in (0.0, 1e-6, least)]

    scores = [real.useful(one.assign(views=one.views.assign_attrs(zeros[0].views.attrs)), zeros[1]) for one in made]

    for one in scores[1:]:
        np.testing.assert_array_equal(one, scores[0])


def test_steps_and_largest_rises_are_those_of_a_loop():
    values = np.array([[1.0, 10.0, 0.0], [5.0, 50.0, np.nan]])
    series = xr.DataArray(values, dims=("sample", "time"))

    plain = real.changes(series, 0.1)
    log = real.changes(series.assign_attrs(scale="log"), 0.1)

    np.testing.assert_allclose(plain[0], [9, -10, 45])
    np.testing.assert_allclose(plain[1], [9, 45])
    np.testing.assert_allclose(log[0], [1, -2, 1])
    np.testing.assert_allclose(log[1], [1, 1])


def test_pages_that_are_not_there_are_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("DGKIT_CACHE", str(tmp_path))

    with pytest.raises(DgkitError, match="DGKIT_CACHE=FOLDER says where"):
        dg.course.experiments()["real"].data({"data": "pages", "seed": 0})


@pytest.mark.skipif(not (DATA / "gcut2011_merged.nc").exists(), reason="needs ../shared/data")
def test_jobs_have_lengths_and_the_attributes_that_series_may_tell(monkeypatch):
    monkeypatch.setenv("DGKIT_CACHE", str(DATA))

    jobs = dg.course.experiments()["real"].data({"data": "jobs", "seed": 0})

    assert set(jobs.data_vars) == {"cpu", "memory", "length", "end_event", "scheduling_class"}


def test_a_model_trains_until_its_seconds_are_spent_or_its_steps_are_done():
    train, settings = dg.simulate.web(100, time=28), {"data": "web", "seed": 0}

    for model in ("naive_gan", "doppelganger", "doppelganger, defaults", "flow_matching", "timegan"):
        point = settings | {"model": model}
        assert real.trained(train, dg.Config(steps=3), point | {"budget": 1000})[1] == 3
        assert real.trained(train, dg.Config(), point | {"budget": 1e-9})[1] == 1
    assert real.trained(train, dg.Config(), settings | {"model": "surrogate", "budget": 1000})[1] == 1


def test_steps_fit_into_the_seconds_whatever_a_step_takes(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(real.time, "process_time", lambda: clock[0])

    def begin(steps):
        clock[0] += 1.0  # what is done once
        for _ in range(steps):
            clock[0] += 0.25
            yield {}

    steps = real._steps_that_fit(begin, 60, 10**6)

    assert 0.9 * 60 < 1 + 0.25 * steps < 60


def test_steps_fit_where_the_last_third_takes_longer(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(real.time, "process_time", lambda: clock[0])

    def begin(steps):
        clock[0] += 0.1
        for step in range(steps):
            clock[0] += 0.2 if step < 2 * (steps // 3) else 2.7
            yield {}

    steps = real._steps_that_fit(begin, 60, 10**6)

    clock[0] = 0.0
    assert len(list(begin(steps))) == steps
    assert 0.85 * 60 < clock[0] < 60


def test_what_a_model_cannot_do_is_said_in_its_place(monkeypatch, halves):
    monkeypatch.setattr(real, "halves", lambda point: halves)
    grid = {"seed": (0,), "data": ("web",), "budget": (1,), "model": ("two halves", "ar")}
    cells = {}
    for point in points_of(grid):
        if point["model"] == "ar":
            monkeypatch.setattr(real, "trained", lambda *_: (_ for _ in ()).throw(DgkitError("it cannot do that")))
        cells[name_of(point)] = real._real_cell(halves[0], dg.Config(), point).assign(seconds=1.0)

    rows = real.table(assemble(cells, grid)).loc["web", "views", 1]

    assert rows.cannot.tolist() == ["", "it cannot do that"]
    assert rows["told apart"].notna().tolist() == [True, False]
    views, *all_features, said = blocks(real.table(assemble(cells, grid)))
    assert views.startswith("web, 1 s of CPU time, views\n") and len(all_features) == 2
    assert said == "ar: it cannot do that"
    assert re.search(r"^ar +- ", views, re.MULTILINE)
    assert max(len(line) for text in (views, *all_features) for line in text.splitlines()) <= 120


def test_budgets_stand_side_by_side_for_models_that_have_several():
    levels = pd.MultiIndex.from_product([["pages"], ["views"], [60, 600], ["ar", "hmm"]])
    rows = pd.DataFrame({name: [4.0, 3.0, 2.0, np.nan] for name in [*SIDE_BY_SIDE, "conditional"]}, index=levels)
    rows = rows.rename_axis(["data", "feature", "budget", "model"]).assign(
        attributes=0.0, useful=0.0, MB=1.0, seeds=1, cannot=""
    )
    rows["train s"] = 60.0

    last = list(blocks(rows))[-1]

    assert last.startswith("pages, views: CPU seconds side by side\n")
    assert "autocorrelation MSE 60 s" in last and "autocorrelation MSE 600 s" in last
    assert re.search(r"^ar +4 +2 ", last, re.MULTILINE) and "hmm" not in last


def test_what_a_peer_made_is_measured_as_ours_is_and_what_it_cannot_is_said(monkeypatch, tmp_path, halves):
    monkeypatch.setattr(real, "halves", lambda point: halves)
    monkeypatch.setenv("DGKIT_PEERS", str(tmp_path))
    point = {"seed": 0, "data": "web", "budget": 60, "model": "gretel dgan, defaults"}
    with pytest.raises(DgkitError, match=r"0-web-60-gretel-dgan-defaults.nc.*DGKIT_PEERS=FOLDER"):
        real._peer_cell(halves[0], dg.Config(), point)

    costs = {"steps": 400.0, "training_seconds": 60.5, "sampling_seconds": 2.0, "memory": 500.0}
    stored(halves[0].assign_attrs(cannot="", **costs), tmp_path / real.peer_file(point))
    cell = real._peer_cell(halves[0], dg.Config(), point)
    stored(xr.Dataset(attrs={"cannot": "finish an epoch", "memory": 1.0}), tmp_path / real.peer_file(point))

    assert cell.autocorrelation_mse == pytest.approx(real.measured(*halves, halves[0]).autocorrelation_mse, rel=1e-5)
    assert (int(cell.steps), float(cell.training_seconds), float(cell.memory)) == (400, 60.5, 500)
    assert real._peer_cell(halves[0], dg.Config(), point).cannot.item() == "finish an epoch"


@pytest.mark.parametrize("matched", [False, True])
def test_data_go_to_a_peer_and_come_back_as_they_were(matched):
    jobs = dg.simulate.cluster(40)
    jobs.cpu_rate.attrs["scale"] = "log"
    jobs.cpu_rate[0, 0] = 0

    there = peers.handed_over(jobs, matched)
    back = peers.brought_back(there, jobs, matched)

    dg.schema.validate(back)
    for name in ("cpu_rate", "length", "end_event"):
        np.testing.assert_array_equal(back[name].isnull(), jobs[name].isnull())
    np.testing.assert_allclose(back.cpu_rate, jobs.cpu_rate, rtol=1e-5)
    assert back.end_event.values.tolist() == jobs.end_event.values.tolist()
    assert back.length.values.tolist() == jobs.length.values.tolist()


def test_the_table_holds_all_its_runs_with_chance_first_and_other_libraries_last():
    rows = real.table()

    homes = rows.loc["mba", "traffic_bytes", 60]
    assert homes.index.tolist() == [*real.MODELS, *real.PEERS]
    assert rows.loc["web", "views", 15].index.tolist() == ["flow_matching"]
    assert rows.index.is_unique


def test_the_least_and_the_largest_of_the_seeds_stand_around_the_median():
    run = open_run("real")
    low, middle, high = (real.table(run, which).loc["mba", "traffic_bytes", 60] for which in ("min", "median", "max"))
    numbers = list(middle.columns[:-1])

    assert (low[numbers].le(middle[numbers]) | middle[numbers].isna()).all(axis=None)
    assert (middle[numbers].le(high[numbers]) | middle[numbers].isna()).all(axis=None)
    error = run.autocorrelation_mse.sel(data="mba", feature="traffic_bytes", model="hmm").values
    assert [low["autocorrelation MSE"]["hmm"], high["autocorrelation MSE"]["hmm"]] == [error.min(), error.max()]


def test_text_of_the_table_has_the_spread_of_several_seeds_and_none_of_one():
    text = real.spread().xs(60, level="budget")["autocorrelation MSE"]

    assert re.fullmatch(r"[\d.e-]+ \([\d.e-]+ to [\d.e-]+\)", text["pages", "views", "doppelganger"])


def test_a_discriminator_that_reads_by_passes_is_linear_in_each_and_reads_every_one_alike():
    config = dg.Config(sample_len=42, discriminator_units=20, batch_size=10)
    trainer = dg.Trainer(dg.simulate.web(20), config)
    inputs, width = trainer.encoder.inputs, 42 * 3  # views and two flags

    levers.read_by_passes(trainer)

    first = trainer.discriminator.layers[0]
    x = torch.randn(5, inputs)
    torch.testing.assert_close(first(x), x @ first.weight.T + first.bias)
    seen = first.weight[:, : 4 * width].unflatten(1, (4, width))  # (units, passes, columns)
    spaces = [torch.linalg.svd(seen[:, k], full_matrices=False).Vh[: levers.PROJECTIONS] for k in range(4)]
    for space in spaces[1:]:  # the same few directions
        torch.testing.assert_close(space @ spaces[0].T @ spaces[0], space, atol=1e-4, rtol=1e-4)
    before = first.each.detach().clone()
    for _ in zip(range(2), trainer, strict=False):
        pass
    assert not torch.equal(first.each, before) and trainer.model.sample(2).sizes["sample"] == 2


def test_rates_fall_and_the_best_on_data_held_out_is_kept(monkeypatch):
    train, config = dg.simulate.web(40), dg.Config(sample_len=84, batch_size=10, discriminator_units=8)
    rates, errors = [], iter([3.0, 1.0, 2.0, 4.0, 5.0, 6.0])
    monkeypatch.setattr(levers, "autocorrelation_error", lambda real, made: next(errors))
    kept = levers.Trainer.__next__

    def watched(trainer):
        rates.append(trainer.optimisers["generator"].rate)
        return kept(trainer)

    monkeypatch.setattr(levers.Trainer, "__next__", watched)
    _, steps, seconds = levers.pulled(train, config, "falling rates", 1.0)
    assert rates == sorted(rates, reverse=True) and rates[0] == 1e-3 > 2 * rates[-1] > 2e-4
    assert seconds >= 1.0 and steps == len(rates)

    model, steps, _ = levers.pulled(train, config, "best of six held out", 1.0)
    assert model.history.sizes["step"] == steps < len(rates)  # of the second look


def test_levers_are_compared_with_the_table_seed_by_seed():
    middle, nearer = levers.table()
    run = open_run("real_levers").sel(data="mba", feature="traffic_bytes").isel(budget=0)
    error = run.autocorrelation_mse

    assert middle.loc["mba", "traffic_bytes"].index.tolist() == list(levers.LEVERS)
    for lever in list(levers.LEVERS)[1:]:
        won = int((error.sel(lever=lever) < error.sel(lever=levers.NONE)).sum())
        assert nearer.loc["mba", "traffic_bytes"].loc[lever, "autocorrelation MSE"] == won
