"""Chapter 10's cells on other data than its own: Kaggle's file in one call, and days at any step."""

from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import dgkit as dg

ROOT = Path(__file__).parents[2]
KAGGLE = ROOT.parent / "shared" / "data" / "kaggle_form.csv.gz"
CELLS = {
    cell.id: cell.source for cell in nbformat.read(ROOT / "notebooks" / "10_your_own_data.ipynb", as_version=4).cells
}


@pytest.mark.skipif(not KAGGLE.exists(), reason="Kaggle's file is not here")
def test_kaggles_form_is_read_by_the_cells_one_call(capsys):
    names = {"datasets": dg.datasets, "dg": dg}
    cell = CELLS["own-kaggle-2"].replace("MY_FILE = None", f"MY_FILE = {str(KAGGLE)!r}")
    cell = cell.replace('"attributes"] = ["domain", "access", "agent"]', '"attributes"] = []')  # of one kind each here

    exec(cell, names)

    raw = pd.read_csv(KAGGLE, index_col="Page").dropna(how="all")
    assert names["pages"].views.shape == raw.shape == (392, 550)
    np.testing.assert_array_equal(names["pages"].views.values, raw.to_numpy())
    assert "392 samples of up to 550 steps" in capsys.readouterr().out


@pytest.mark.parametrize("step", ["5min", "15min", "1h"])
def test_days_begin_at_midnight_of_the_clock_and_know_their_weekday_at_any_step(step):
    """Two weeks in which the clocks go back, of a device that begins at midnight and one that does not."""
    utc = pd.date_range("2024-10-20 22:00", "2024-11-03 23:00", freq=step, tz="UTC", inclusive="left")
    times = utc.tz_convert("Europe/Berlin")
    shown = times.hour + 100 * times.day  # what the clock shows
    table = pd.DataFrame({"device": "a", "t": utc, "busy": shown.astype(float) + 0.5})
    table = pd.concat([table, table[utc >= "2024-10-22 09:00"].assign(device="b")])
    series = dg.from_table(table, sample="device", time="t", features=["busy"], step=step)
    names = {"pd": pd, "np": np, "xr": xr, "datasets": dg.datasets, "series": series}
    names |= {"zone": "Europe/Berlin", "begins": "00:00", "choices": {"step": step}, "reading": {"features": ["busy"]}}

    for cell in ("own-snmp-11", "own-snmp-12"):
        exec(CELLS[cell], names)
    cut = names["days"].copy()
    exec(CELLS["own-snmp-14"], names)

    days, per_day = names["days"], pd.Timedelta("1D") // pd.Timedelta(step)
    assert cut.busy.shape == (14 + 12, per_day)
    day, hour = np.divmod(cut.busy.values[:, 0], 100)
    dates = pd.to_datetime([f"2024-{10 if one > 19 else 11}-{int(one):02}" for one in day])
    assert (hour == 0.5).all()
    assert (days.day.values == np.where(dates.day_of_week >= 5, "weekend", "workday")).all()
    assert days.sizes["time"] == min(per_day, 24)
