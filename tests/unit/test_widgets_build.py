"""What the browser runs is made from these sources and asks no network; widgets say what to do without a browser."""

import importlib.util
import inspect
import re
from pathlib import Path

import dgkit_widgets
import numpy as np
import pytest
import xarray as xr
from dgkit_widgets._widget import Widget

import dgkit as dg

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "widgets" / "dgkit_widgets" / "static"
PUBLIC = {name: getattr(dgkit_widgets, name) for name in dgkit_widgets.__all__}
WIDGETS = {name: found for name, found in PUBLIC.items() if inspect.isclass(found) and issubclass(found, Widget)}
BUNDLES = sorted([*STATIC.glob("*.js"), *STATIC.glob("*.css")])


def example(name: str) -> Widget:
    ds = dg.open_dataset("cluster").isel(sample=slice(0, 40))
    arguments = {
        "DistributionPainter": (ds, "end_event"),
        "Explorer": (xr.Dataset({"error": (("seed", "lag"), np.ones((2, 3)))}),),
        "PrivacyDial": (ds,),
        "SeriesBrowser": (ds,),
        "TrainingStudio": (ds,),
    }
    return WIDGETS[name](*arguments[name])


@pytest.fixture(scope="module")
def build():
    spec = importlib.util.spec_from_file_location("widgets_build", ROOT / "widgets" / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_bundles_are_of_these_sources(build):
    recorded = (STATIC / "sources.sha256").read_text().strip()

    assert recorded == build.digest(build.js_sources()), "sources changed since the bundles were made: make build"


def test_there_is_a_bundle_for_each_source_and_no_other(build):
    sources = {path.stem for path in (build.JS / "src").glob("*.js")}

    assert {path.stem for path in BUNDLES} == sources


@pytest.mark.parametrize("name", WIDGETS)
def test_a_widget_runs_its_committed_bundle(name):
    widget = example(name)

    texts = {path.name: path.read_text() for path in BUNDLES}
    assert str(widget._esm) in [text for file, text in texts.items() if file.endswith(".js")]
    assert str(widget._css) in [text for file, text in texts.items() if file.endswith(".css")]


@pytest.mark.parametrize("path", BUNDLES, ids=lambda path: path.name)
def test_bundles_name_no_address(path):
    found = re.findall(r"(?:https?:)?//[\w.-]+\.[a-z]{2,}[^\"'`\s)]*", path.read_text())

    assert set(found) <= {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("name", WIDGETS)
def test_a_widget_is_one_file_that_asks_nobody_and_says_what_it_can_do(name, tmp_path):
    file = tmp_path / "widget.html"

    example(name).to_html(file)

    text = file.read_text(encoding="utf-8")
    live = name in ("Explorer", "PrivacyDial", "SeriesBrowser")
    assert set(re.findall(r"https?://[\w.-]+", text)) <= {"http://www.w3.org"}
    assert "default-src 'none'" in text
    assert ("Live without a kernel" in text, "live in a notebook" in text) == (live, not live)
    with pytest.raises(dg.errors.SaveError):
        example(name).to_html(tmp_path / "no" / "folder.html")


@pytest.mark.parametrize("name", WIDGETS)
def test_a_widget_says_what_to_do_without_a_browser(name):
    widget = example(name)

    data = widget._repr_mimebundle_()[0]

    assert data["text/plain"] == repr(widget)
    assert name in data["text/plain"] and widget.without_browser() in data["text/plain"]
    assert "In code" in data["text/html"] and "make lab" in data["text/html"]
    assert widget.without_browser() != Widget.without_browser(widget)  # its own words
    calls = re.findall(r"\bdg\.([\w.]+)", widget.without_browser())
    for call in calls:
        found = dg
        for part in call.rstrip(".").split("."):
            found = getattr(found, part)
