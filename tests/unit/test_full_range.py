"""`Config.full_range`: generated series reach both ends of their own range, in training and when sampled."""

import numpy as np
import pytest
import torch
import xarray as xr

import dgkit as dg
from dgkit.core import full_range
from dgkit.errors import ConfigError
from tests.conftest import small_dataset

TINY = {"sample_len": 5, "batch_size": 10, "lstm_units": 8, "attribute_units": 8, "discriminator_units": 8}


def trained(ds, **changes):
    return dg.fit(ds, dg.Config(steps=3, full_range=True, **TINY, **changes), progress=False)


def reached(series: xr.DataArray) -> np.ndarray:
    """The highest less the lowest value of each series."""
    return (series.max("time") - series.min("time")).values


@pytest.mark.parametrize("normalise", ["minusone_one", "zero_one"])
def test_each_series_is_stretched_over_its_steps_alive_and_nothing_else_changes(normalise):
    ds, config = small_dataset(), dg.Config(full_range=True, normalise=normalise, **TINY)
    trainer = dg.Trainer(ds, config)
    plain = dg.Trainer(ds, dg.Config(normalise=normalise, **TINY))
    noise = trainer.draws.noise(trainer.generator)

    made, before = trainer.generator(noise), plain.generator(noise)

    bottom = -1.0 if normalise == "minusone_one" else 0.0
    assert trainer.generator.stretched == [(0, bottom), (1, bottom)]  # views and cpu
    assert torch.equal(made.lengths, before.lengths) and torch.equal(made.features[..., 2:], before.features[..., 2:])
    for steps, raw, n in zip(made.features[..., :2], before.features[..., :2], made.lengths.int(), strict=True):
        if n > 1:
            np.testing.assert_allclose(steps[:n].amin(0).detach(), [bottom] * 2, atol=1e-5)
            np.testing.assert_allclose(steps[:n].amax(0).detach(), [1.0] * 2, atol=1e-5)
            assert torch.equal(steps[:n].argsort(0), raw[:n].argsort(0))
        else:
            np.testing.assert_allclose(steps[0].detach(), [(1 + bottom) / 2] * 2)
        assert (steps.abs() <= 1).all()


def test_a_series_stretched_has_the_gradient_of_its_formula():
    steps = torch.rand(3, 7, 2, dtype=torch.float64, requires_grad=True)
    alive = torch.ones(3, 7, dtype=torch.float64)
    alive[1, 4:] = 0

    assert torch.autograd.gradcheck(lambda x: full_range.stretched(x, alive, [(0, -1.0)]) * alive[..., None], steps)


def test_sampled_series_reach_their_generated_range_also_after_saving(tmp_path):
    model = trained(small_dataset(variable=False), minmax_scale="linear")

    model.save(tmp_path / "model.dgkit")
    again = dg.load(tmp_path / "model.dgkit")

    made, same = model.sample(20, seed=1), again.sample(20, seed=1)
    assert made.identical(same)
    noise = model.generator.eval().draw(20, torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert float(model.generator(noise, fixed_length=True).features[..., 0].amax(1).min()) > 1 - 1e-5
    plain = dg.Trainer(small_dataset(variable=False), dg.Config(**TINY, minmax_scale="linear"))
    assert reached(made.views).mean() > reached(plain.model.sample(20, seed=1).views).mean()


def test_it_is_refused_where_no_series_has_a_range_of_its_own():
    ds = small_dataset()
    with pytest.raises(ConfigError, match="needs a feature of numbers, and auto_normalise=True"):
        trained(ds, auto_normalise=False)
    with pytest.raises(ConfigError, match="needs a feature of numbers"):
        trained(ds[["state", "domain", "length"]])
    ds["views"].attrs["zeros"] = "inflated"
    with pytest.raises(ConfigError, match=r"does not go with attrs\['zeros'\]"):
        trained(ds)
