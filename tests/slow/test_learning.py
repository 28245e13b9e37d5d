"""That it learns: short runs whose results are far from chance; the full-size figures come from `make bench`."""

import numpy as np
import pytest
import torch

import dgkit as dg
from tests.unit.test_datasets import MBA, needs_mba


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_the_weekly_rhythm_the_levels_and_the_attributes_of_web_are_learned():
    web = dg.open_dataset("web")
    untrained = dg.Trainer(web, dg.Config(sample_len=7)).model

    model = dg.fit(web, dg.Config(steps=500, sample_len=7, ema=0.99), progress=False)

    before, after = (dg.metrics.evaluate(web, m.sample(1500, seed=1)) for m in (untrained, model))
    assert before.autocorrelation_mse.item() > 0.1
    assert after.autocorrelation_mse.item() < 0.04
    assert float(after.attribute_jensen_shannon.max()) < 0.03
    fake = model.sample(1500, seed=1)
    for name in ("domain", "access", "agent"):
        assert set(fake[name].values.tolist()) == set(web[name].values.tolist())
    levels = [np.log10(dg.metrics.mid_range(ds.views)).quantile([0.05, 0.95]) for ds in (web, fake)]
    np.testing.assert_allclose(levels[1], levels[0], atol=0.5)  # decades


def test_two_modes_of_length_are_learned_from_cluster():
    cluster = dg.open_dataset("cluster")
    trainer = dg.Trainer(cluster, dg.Config(steps=400, sample_len=5, ema=0.99))
    untrained = trainer.model.sample(1500, seed=1)
    for _ in trainer:
        pass

    fake = trainer.model.sample(1500, seed=1)

    before, after = (float(dg.metrics.evaluate(cluster, ds).length_wasserstein) for ds in (untrained, fake))
    assert after < before / 2
    assert 0.1 < float((fake.length > 25).mean()) < 0.5  # of the real jobs, a quarter is long
    assert float((fake.length < 15).mean()) > 0.3


@needs_mba
def test_the_real_mba_arrays_train_and_sample():
    names = {"features": [("traffic", {"units": "byte", "scale": "log"}), "loss"], "attributes": ["a", "b", "c"]}
    ds = dg.from_npz(MBA, names=names)

    fake = dg.fit(ds, dg.Config(steps=300, sample_len=4, ema=0.99), progress=False).sample(600, seed=1)

    assert all(bool(np.isfinite(fake[name]).all()) for name in ("traffic", "loss"))
    bytes_of = [np.log10(part.traffic).quantile([0.1, 0.5, 0.9]).values for part in (ds, fake)]
    np.testing.assert_allclose(bytes_of[1], bytes_of[0], atol=1)  # decades
    report = dg.metrics.evaluate(ds, fake)
    assert np.isfinite(report.autocorrelation_mse).all()
