"""The house: imports run one way, in no circle, and each loads no more than it needs."""

import subprocess
import sys
from pathlib import Path

import pytest

from dgkit._moved import MOVED
from tests.house import House, room

ROOT = Path(__file__).parents[2]
HOUSE = House(ROOT)
FLOORS = [  # from the ground up: what stands on a floor knows those below, and of its own only in one direction
    {"errors", "_threads", "_moved", "_netcdf_child", "_interrupts", "_text"},
    {"_atomic", "_plain", "_seeding", "_checks", "_netcdf"},
    {"_files", "_bounds"},
    {"schema"},
    {"_comparable"},
    {"readers", "simulate", "metrics", "core", "datasets", "plot", "downstream"},
    {"baselines", "whatif", "_keys", "_cells"},
    {"privacy", "sweeps"},
    {"reports"},
    {"course"},
    {"dgkit_widgets"},
]
BELOW = {  # on the same floor, what may know what
    ("datasets", "readers"), ("_cells", "_keys"), ("plot", "metrics"), ("core", "metrics"), ("metrics", "readers"),
    ("privacy", "sweeps"), ("_moved", "_interrupts"),
    ("_plain", "_checks"), ("_netcdf", "_atomic"),
}  # fmt: skip


def test_no_two_modules_import_each_other_by_whatever_way():
    assert HOUSE.circle() == []
    assert len(HOUSE.files) > 60


def test_nothing_in_the_library_imports_the_package_itself_or_a_higher_floor():
    floor = {name: k for k, names in enumerate(FLOORS) for name in names}
    wrong = []
    for module, others in HOUSE.imports.items():
        for other in others if module != "dgkit" else ():
            here, there = room(module), room(other)
            if other == "dgkit" and here != "dgkit_widgets":
                wrong.append(f"{module} imports the package itself")
            elif other != "dgkit" and here != there and floor[there] >= floor[here] and (here, there) not in BELOW:
                wrong.append(f"{module} imports {other}")

    assert wrong == []


def test_the_core_is_read_in_one_sitting():
    assert HOUSE.core() <= 700


def test_a_circle_is_seen_also_where_an_import_is_lazy(tmp_path):
    files = {
        "__init__": "",
        "a": "from dgkit import b",
        "b": "def f():\n    from dgkit.c import x",
        "c": "import dgkit.a",
    }
    for name, text in files.items():
        (tmp_path / "dgkit").mkdir(exist_ok=True)
        (tmp_path / "dgkit" / f"{name}.py").write_text(text)

    assert {"dgkit.a", "dgkit.b", "dgkit.c"} <= set(House(tmp_path).circle())


HEAVY = ("torch", "matplotlib", "seaborn", "sklearn", "opacus", "numba", "scipy.stats", "pooch", "xarray")
TWO_TABLES = """import pandas as pd
table = pd.DataFrame({'page': [0, 0, 0, 1, 1, 1], 'day': [1, 2, 3] * 2,
    'views': [3, 4, 2, 9, 7, 8], 'kind': list('aaabbb')})
dgkit.metrics.evaluate(table, table, sample='page', time='day', features=['views'], attributes=['kind'])"""


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("import dgkit", ""),
        ("import dgkit as dg; dg.open_dataset; dg.simulate; dg.schema", "xarray"),
        ("import dgkit as dg; dg.Config(steps=3)", ""),
        ("import dgkit.metrics", "xarray numba"),
        (f"import dgkit.metrics; {TWO_TABLES}", "xarray numba"),
        ("import dgkit as dg; dg.plot", "xarray numba matplotlib"),
        ("import dgkit as dg; dg.fit; dg.load", "xarray torch"),
        ("import dgkit as dg; dg.report", "xarray numba"),
        ("import dgkit as dg; dg.baselines.names(); dg.whatif", "xarray torch"),
        ("import dgkit as dg; dg.downstream", "xarray"),
        ("from dgkit import course; course.budget(1, 2); course.answer('00.1', None)", "xarray numba"),
        ("from dgkit import course; course.open_run('sample_len')", "xarray"),
    ],
)
def test_an_import_loads_no_more_than_it_needs(code, allowed):
    asks = f"import sys; {code}\nprint(*[name for name in {HEAVY} if name in sys.modules])"

    said = subprocess.run([sys.executable, "-c", asks], cwd=ROOT, capture_output=True, text=True, check=True)

    assert set(said.stdout.split()) <= set(allowed.split())


def test_widgets_without_their_extra_say_what_to_install():
    code = """
import sys
sys.modules["anywidget"] = None
try:
    import dgkit_widgets
except ImportError as error:
    print(type(error).__name__, error)
"""

    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, 'widgets'){code}"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert done.stdout.startswith("MissingExtraError") and "pip install dgkit[lab]" in done.stdout


def test_every_name_of_the_stub_is_there():
    code = "import dgkit as dg; print(*[name for name in dg.__all__ if getattr(dg, name) is None], len(dg.__all__))"

    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert int(said.stdout) > 25


@pytest.mark.parametrize(("old", "new"), sorted(MOVED.items()))
def test_a_module_that_has_moved_is_found_by_its_old_name(old, new):
    code = f"""
import importlib, pickle, sys, warnings
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    old = importlib.import_module({old!r})
new = importlib.import_module({new!r})
print(old is new, old.__spec__.name, old.__name__, [str(one.message) for one in said if "is now" in str(one.message)])
"""

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == f"True {new} {new} {[f'{old} is now {new}']}"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("dg.check.answer('01.1', None).passed", "course.answer('01.1', None).passed"),
        ("list(dg.check.EXERCISES)", "list(course.exercises())"),
        ("list(dg.experiments.EXPERIMENTS)", "list(course.experiments())"),
        ("dg.experiments.sweep", "dg.sweep"),
        ("dg.experiments.data_hash", "dg.datasets.data_hash"),
        ("dg.experiments.open_run('lent').sizes", "course.open_run('lent').sizes"),
        ("dg.budget(1, 2)", "course.budget(1, 2)"),
    ],
)
def test_names_of_before_still_work_and_say_what_they_are_now(old, new):
    code = f"import dgkit as dg; from dgkit import course\nprint({old} == {new})"

    said = subprocess.run([sys.executable, "-W", "always", "-c", code], cwd=ROOT, capture_output=True, text=True)

    assert said.stdout.strip() == "True"
    assert "DeprecationWarning: dgkit." in said.stderr and " is now dgkit." in said.stderr
