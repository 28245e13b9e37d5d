"""WhatIfExplorer: answers follow the drawing, the newest target wins, and what goes wrong is shown."""

import re
import threading

import numpy as np
import pytest
from dgkit_widgets import DistributionPainter, WhatIfExplorer

import dgkit as dg
from dgkit.errors import ConfigError
from tests.conftest import RunningCell


@pytest.fixture
def painter():
    return DistributionPainter(dg.open_dataset("cluster").isel(sample=slice(0, 200)), "job_class")


def answer(target):
    shares = target["job_class"]
    kinds = np.repeat(list(shares), [round(100 * share) for share in shares.values()])
    jobs = dg.open_dataset("cluster")
    return jobs.isel(sample=[int(np.flatnonzero(jobs.job_class == kind)[0]) for kind in kinds])


def test_answers_follow_the_drawing(painter):
    ways = {"truth": answer, "what-if": answer}
    share = {"large": lambda ds: float((ds.job_class == "large").mean())}
    explorer = WhatIfExplorer(painter, ways, lambda ds: ds.length, "length (steps)", share)

    assert explorer.wait(60)
    painter.target = {"job_class": {"small": 0.25, "large": 0.75}}

    assert explorer.wait(60)
    assert float((explorer.answers["truth"].job_class == "large").mean()) == 0.75
    picture = explorer.children[1].value
    assert picture.count("<polyline") == 2 and "length (steps)" in picture
    assert re.findall(r"<td>([\d.]+)</td>", picture) == ["0.75", "0.75"]
    assert 'role="img"' in picture and "truth: median" in picture
    explorer.close()


def test_painter_picture_and_table_are_one_file(painter, tmp_path):
    explorer = WhatIfExplorer(painter, {"truth": answer}, lambda ds: ds.length, "length (steps)")
    assert explorer.wait(60)

    explorer.to_html(tmp_path / "what_if.html")

    text = (tmp_path / "what_if.html").read_text(encoding="utf-8")
    assert explorer.children[1].value in text and "default-src 'none'" in text
    explorer.close()


def test_the_newest_target_wins_while_an_older_is_answered(painter):
    going, free = threading.Event(), threading.Event()

    def slow(target):
        going.set()
        free.wait(60)
        return answer(target)

    explorer = WhatIfExplorer(painter, {"truth": slow}, lambda ds: ds.length, "length")
    assert going.wait(60)
    painter.target = {"job_class": {"large": 1.0}}
    free.set()

    assert explorer.wait(60)
    assert set(explorer.answers["truth"].job_class.values) == {"large"}
    explorer.close()


def test_what_goes_wrong_is_shown_and_the_next_target_is_answered(painter):
    def fails(target):
        if target["job_class"]["large"] == 1:
            raise ConfigError("too <many> of them")
        return answer(target)

    explorer = WhatIfExplorer(painter, {"truth": fails}, lambda ds: ds.length, "length")
    painter.target = {"job_class": {"large": 1.0}}
    assert explorer.wait(60)
    shown = explorer.children[1].value
    painter.target = {"job_class": {"small": 1.0}}
    assert explorer.wait(60)

    assert 'role="alert"' in shown and "too &lt;many&gt; of them" in shown
    assert explorer.error == "" and "<svg" in explorer.children[1].value
    explorer.close()


def test_after_an_error_no_answers_to_an_older_target_stay(painter):
    def fails(target):
        if target["job_class"]["large"] == 1:
            raise SystemExit("no such jobs")
        return answer(target)

    explorer = WhatIfExplorer(painter, {"truth": fails}, lambda ds: ds.length, "length")
    assert explorer.wait(60) and list(explorer.answers) == ["truth"]

    painter.target = {"job_class": {"large": 1.0}}

    assert explorer.wait(60)
    assert explorer.answers == {} and "no such jobs" in explorer.error
    painter.target = {"job_class": {"small": 1.0}}  # whatever was raised, the next one is answered
    assert explorer.wait(60) and list(explorer.answers) == ["truth"]
    explorer.close()


def test_a_file_written_right_after_drawing_has_the_answers_to_what_was_drawn(painter, tmp_path):
    share = {"large": lambda ds: float((ds.job_class == "large").mean())}
    explorer = WhatIfExplorer(painter, {"truth": answer}, lambda ds: ds.length, "length (steps)", share)
    assert explorer.wait(60)

    painter.target = {"job_class": {"small": 0.25, "large": 0.75}}
    explorer.to_html(tmp_path / "what_if.html")

    text = (tmp_path / "what_if.html").read_text(encoding="utf-8")
    assert "<td>0.75</td>" in text and '"probabilities":[0.25,0.0,0.75]' in text
    explorer.close()


def test_closing_ends_the_thread_and_whoever_waits_for_an_answer(painter):
    going, free = threading.Event(), threading.Event()

    def slow(target):
        going.set()
        free.wait(60)
        return answer(target)

    before = set(threading.enumerate())
    explorer = WhatIfExplorer(painter, {"truth": slow}, lambda ds: ds.length, "length")
    (thread,) = set(threading.enumerate()) - before
    assert going.wait(60)
    found = []
    waiting = threading.Thread(target=lambda: found.append(explorer.wait(60)), daemon=True)
    waiting.start()

    explorer.close()

    waiting.join(5)
    assert found == [False]
    free.set()
    thread.join(20)
    assert not thread.is_alive() and explorer.answers == {}


def test_a_cell_that_runs_again_ends_its_earlier_explorer(painter, monkeypatch):
    asked = []

    def run(message):
        def way(target):
            asked.append(message)
            return answer(target)

        monkeypatch.setattr("dgkit_widgets._lifetime.get_ipython", lambda: RunningCell("cell-1", message))
        return WhatIfExplorer(painter, {"truth": way}, lambda ds: ds.length, "length")

    explorers = [run("run-1"), run("run-2"), run("run-3")]
    assert explorers[-1].wait(60)
    asked.clear()
    painter.target = {"job_class": {"large": 1.0}}
    assert explorers[-1].wait(60)

    assert asked == ["run-3"]
    explorers[-1].close()


def test_ways_are_functions_by_name(painter):
    for ways in ({}, {"truth": 3}, {str(k): answer for k in range(6)}):
        with pytest.raises(ConfigError, match="one to 5 functions"):
            WhatIfExplorer(painter, ways, lambda ds: ds.length, "length")


def test_a_way_without_a_value_has_no_line(painter):
    ways = {"truth": answer, "nothing": lambda target: answer(target).assign(cpu_rate=lambda ds: ds.cpu_rate * np.nan)}
    explorer = WhatIfExplorer(painter, ways, lambda ds: ds.cpu_rate.mean("time"), "mean CPU rate")
    assert explorer.wait(60)

    drawn, empty = re.findall(r'<polyline points="([^"]*)"', explorer.children[1].value)

    assert drawn and not empty and "nothing: none" in explorer.children[1].value
    explorer.close()


def test_values_below_zero_are_drawn_where_they_are(painter):
    def below(target):
        return dg.open_dataset("cluster").isel(sample=slice(100))

    numbers = {"share": lambda ds: 0.004}
    explorer = WhatIfExplorer(painter, {"one": below}, lambda ds: np.linspace(-30, -10, 100), "temperature", numbers)
    assert explorer.wait(60) and not explorer.error
    picture = explorer.children[1].value
    assert ">-20</text>" in picture and ">0.004</td>" in picture
    across = [float(point.split(",")[0]) for point in re.search('points="([^"]+)"', picture)[1].split()]
    assert len(set(across)) > 100  # not on an edge
    explorer.close()
    explorer.close()  # twice does no harm
