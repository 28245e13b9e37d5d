"""The cache of compiled kernels saves time where it works, and is no more than a miss where it does not."""

import importlib.util
import shutil
from itertools import count

import numpy as np
import pytest
from numba.core.caching import CacheImpl

COUNT = count()
SOURCE = """
from dgkit.metrics._compiled import compiled

@compiled()
def total(values):
    whole = 0.0
    for value in values:
        whole += value
    return whole
"""


@pytest.fixture
def session(tmp_path, monkeypatch):
    """Import a kernel anew, as a later session would; its cache is in the returned folder."""
    monkeypatch.setattr("numba.core.config.CACHE_DIR", "")
    path = tmp_path / "kernel.py"
    path.write_text(SOURCE)

    def begun():
        spec = importlib.util.spec_from_file_location(f"kernel_{next(COUNT)}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.total

    return begun, tmp_path / "__pycache__"


def used(kernel):
    assert kernel(np.arange(4.0)) == 6
    return sum(kernel.stats.cache_hits.values())


def test_a_later_session_compiles_nothing(session):
    begun, _ = session

    assert [used(begun()), used(begun())] == [0, 1]


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def swap(path):
    path.unlink()
    path.mkdir()


DAMAGES = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:100]),
    "empty": lambda path: path.write_bytes(b""),
    "a flipped bit": flip,
    "other content": lambda path: path.write_bytes(b"\x80\x04K\x01." * 100),
    "gone": lambda path: path.unlink(),
    "a folder": swap,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_cache_is_compiled_anew_and_mended(session, damage):
    begun, folder = session
    used(begun())
    (file,) = folder.glob("*.nbc")
    DAMAGES[damage](file)

    assert used(begun()) == 0
    assert used(begun()) == (damage != "a folder")


def test_code_of_another_source_is_not_run(session):
    begun, folder = session
    used(begun())
    source = folder.parent / "kernel.py"
    source.write_text(SOURCE.replace("0.0", "10.0"))

    assert begun()(np.arange(4.0)) == 16
    assert len(list(folder.glob("*.nbc"))) == 1  # the old one is overwritten


def test_a_disk_that_takes_nothing_costs_the_cache_alone(session):
    begun, folder = session
    kernel = begun()
    shutil.rmtree(folder)  # Python may have left its own cache there
    folder.write_text("no folder")

    assert used(kernel) == 0


def test_where_no_folder_can_be_written_kernels_have_no_cache(session, monkeypatch):
    begun, folder = session
    monkeypatch.setattr(CacheImpl, "_locator_classes", [])

    assert used(begun()) == 0
    assert not list(folder.glob("*.nbc"))
