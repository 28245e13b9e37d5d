"""Data files cut short and with flipped bits: refused by name or read, in bounded time and memory, no process ended."""

import os
import subprocess
import sys

import numpy as np
import pytest

import dgkit as dg
from tests.conftest import small_dataset
from tests.unit.test_datasets import release

READ_ALL = """
import resource, sys
from pathlib import Path
import dgkit as dg

for line in sys.stdin:  # a path a line
    path = line.strip()
    try:
        ds = dg.from_npz(Path(path).parent) if path.endswith((".npz", ".pkl")) else dg.open_dataset(path)
        said = f"read {dg.datasets.data_hash(ds)}"
    except dg.DgkitError as error:
        assert len(str(error)) < 1500, "a message made of the file's content"
        said = "refused"
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(said, peak, flush=True)
"""


def damaged(whole, rng):
    """Cut, some bits flipped, or some bytes overwritten by noise or by ones."""
    content = bytearray(whole)
    kind = rng.integers(4)
    if kind == 0:
        return bytes(content[: rng.integers(len(content))])
    for at in rng.integers(0, len(content), 1 if kind < 3 else 8):
        if kind == 1:
            content[at] ^= 1 << rng.integers(8)
        elif kind == 2:
            content[at : at + 8] = b"\xff" * len(content[at : at + 8])
        else:
            content[at] = rng.integers(256)
    return bytes(content)


def answers(path, count):
    """What a process says of `count` damaged versions of a file, one after another in its place."""
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    reader = subprocess.Popen([sys.executable, "-W", "ignore", "-c", READ_ALL], stdin=-1, stdout=-1, text=True)
    found = []
    with reader:
        for k in range(count):
            path.write_bytes(damaged(whole, rng))
            reader.stdin.write(f"{path}\n")
            reader.stdin.flush()
            said = reader.stdout.readline()
            assert said, f"damaged file {k} of {path.name} ended the process, or an error is none of dgkit's"
            found.append(said.rsplit(" ", 1))
        reader.stdin.close()
    assert reader.returncode == 0
    assert max(int(peak) for _, peak in found) < 10**6  # kilobytes
    return [said for said, _ in found]


@pytest.mark.skipif(os.name == "nt", reason="Windows does not tell a child's memory")
@pytest.mark.parametrize("form", ["NETCDF4", "NETCDF3_64BIT"])
def test_damaged_netcdf_files(tmp_path, form):
    path = tmp_path / "x.nc"
    packed = {"views": {"zlib": True}} if form == "NETCDF4" else {}
    small_dataset().to_netcdf(path, format=form, encoding=packed)

    said = answers(path, 60)

    assert said.count("refused") > 20


@pytest.mark.skipif(os.name == "nt", reason="Windows does not tell a process's memory")
@pytest.mark.parametrize("name", ["data_train.npz", "data_feature_output.pkl", "data_attribute_output.pkl"])
def test_damaged_releases(tmp_path, name):
    release(tmp_path)
    whole = dg.datasets.data_hash(dg.from_npz(tmp_path))

    said = answers(tmp_path / name, 400)

    assert said.count("refused") > 100
    if name.endswith("npz"):
        assert set(said) <= {"refused", f"read {whole}"}  # zip's checksums tell
