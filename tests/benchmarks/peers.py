"""Other libraries' models on the data of the recorded run `real`, each in an environment of its own.

``DGKIT_CACHE=DATA python -m tests.benchmarks.peers build/peers`` makes the environments build/peers/NAME (once, from
PyPI), lets each peer train for 60 CPU seconds on one thread and generate as many series as are held out, and writes a
file for each cell into build/peers/made as soon as it is done; it may be stopped and called again. Then
``DGKIT_PEERS=build/peers/made python -m dgkit.course record real_peers`` measures them as it does our own models. Of
each peer there are two cells: by its own defaults, and with settings matched to ours as far as its own go
(`peer_worker.py` says which).
"""

import dgkit as dg  # isort: skip  # noqa: F401 (before torch)

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from dgkit import datasets
from dgkit._cells import points_of, read, stored
from dgkit.course import real
from dgkit.course.chapters import experiment_of
from dgkit.schema import validate
from tests.benchmarks.peer_worker import LONGEST

TORCH = "torch==2.13.0"  # first, so that nothing asks for another one
ENVIRONMENTS = {  # name: groups of packages, "-" before those without what they ask for
    "dgan": [  # which asks for packages of 2022
        ["numpy<1.24", "pandas<2", "category-encoders==2.4.0", "rdt==1.3.0", "scipy<1.11", "tqdm"],  # rdt 1.2 is gone
        ["--no-deps", "gretel-synthetics==0.22.20"],
    ],
    "par": [["sdv==2.0.0", "deepecho==0.8.1"]],
    "argn": [  # without what only its language models need
        ["numpy>=2", "pandas>=2.2", "pyarrow", "scikit-learn", "joblib", "psutil<6", "opacus>=1.6", "tqdm"],
        ["transformers", "datasets", "peft", "accelerate", "json-repair"],
        ["--no-deps", "mostlyai-engine==2.7.3"],
    ],
}

NOT_RUN = "not run"
SETTINGS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT"), "1")
SETTINGS |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def interpreter(name: str, folder: Path) -> Path:
    """Of a peer's environment, which is made where there is none."""
    python = folder / name / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    done = folder / name / "complete"
    if not done.exists():
        venv.create(folder / name, with_pip=True)
        for packages in ([TORCH], *ENVIRONMENTS[name]):
            subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        done.write_text("")
    return python


# --- data, there and back ---------------------------------------------------------------------------------------------


def handed_over(ds: xr.Dataset, matched: bool) -> dict[str, np.ndarray]:
    """Arrays for `peer_worker.py`; matched: logarithms, where ours has them too."""
    schema = validate(ds)
    features = []
    for variable in schema.features:
        values = ds[variable.name].transpose("sample", "time").values.astype(np.float64)
        if matched and logs(ds, variable.name):
            values = np.log10(np.maximum(values, floor(ds[variable.name])))
        features.append(values)
    stacked = np.stack(features, -1)
    if "length" in ds:
        stacked[np.arange(stacked.shape[1]) >= ds.length.values[:, None]] = np.nan
    attributes = [ds[variable.name].values.astype(str) for variable in schema.attributes]
    return {"features": stacked, "attributes": np.stack(attributes, 1)}


def brought_back(made: dict[str, np.ndarray], like: xr.Dataset, matched: bool) -> xr.Dataset:
    """The same as a Dataset of the schema."""
    schema, data = validate(like), {}
    for k, variable in enumerate(schema.features):
        values = made["features"][..., k]
        if matched and logs(like, variable.name):
            values = 10.0**values
            if float(like[variable.name].min()) == 0:  # less than what the data have is nothing
                values = np.where(values < 1.5 * floor(like[variable.name]), 0, values)
        data[variable.name] = (("sample", "time"), values.astype(np.float32), like[variable.name].attrs)
    for k, variable in enumerate(schema.attributes):
        values, attrs = made["attributes"][:, k].astype(str), dict(like[variable.name].attrs)
        if set(values) - set(attrs.get("categories", values)):  # "_RARE_", which TabularARGN puts in place of others
            del attrs["categories"]
        data[variable.name] = ("sample", values, attrs)
    if "length" in like:
        length = (~np.isnan(made["features"][..., 0])).sum(1)
        data["length"] = ("sample", length.astype(np.int32), like.length.attrs)
    return xr.Dataset(data)


def logs(ds: xr.Dataset, name: str) -> bool:
    return ds[name].attrs.get("scale") == "log"


def floor(series: xr.DataArray) -> float:
    """What a logarithm takes for zero: half of the smallest value above it."""
    return float(series.where(series > 0).min()) / 2


# --- cells ------------------------------------------------------------------------------------------------------------


def make(path: Path, point: dict[str, Any], environments: Path) -> str:
    """What a peer generates at a point, as a file; what it cannot, or ""."""
    name, matched = real.PEERS[point["model"]]
    train, held_out = datasets.split(real.real_data(point["data"]), 0.5, point["seed"])
    ours = real.doppelganger(point["data"])
    ask = {
        "seconds": point["budget"], "seed": point["seed"], "matched": matched, "n": held_out.sizes["sample"],
        "sample_len": ours["sample_len"], "feature_noise": ours.get("feature_noise", 5),
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.npz"), Path(folder, "out.npz")
        np.savez(source, **handed_over(train, matched))
        worker = Path(__file__).with_name("peer_worker.py")
        command = [interpreter(name, environments), worker, name, source, target, json.dumps(ask)]
        done = subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, env=os.environ | SETTINGS
        )
        if done.returncode == -signal.SIGXCPU:
            cannot = f"cannot finish its first step in {LONGEST * point['budget']} CPU seconds"
            stored(xr.Dataset(attrs={"cannot": cannot, "memory": np.nan}), path)
            return cannot
        if done.returncode:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_suffix(".txt").write_text(done.stderr)
            return f"FAILED, see {path.with_suffix('.txt')}"
        made = dict(np.load(target))
    cannot = str(made.get("cannot", ""))
    ds = xr.Dataset() if cannot else brought_back(made, train, matched)
    ds.attrs = {"cannot": cannot, "memory": float(made["memory"])}
    if not cannot:
        ds.attrs |= {name: float(made[name]) for name in ("steps", "training_seconds", "sampling_seconds")}
    stored(ds, path)
    return cannot


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="of the environments, and in it what the peers made")
    parser.add_argument("--only", nargs="+", help="names of models, data or seeds")
    parser.add_argument("--rest", metavar="WHY", help="run none, and let the cells that are missing say why")
    options = parser.parse_args()
    for point in points_of(experiment_of("real_peers").grid):
        path = options.folder / "made" / real.peer_file(point)
        done = path.exists() and not read(path).attrs["cannot"].startswith(NOT_RUN)
        if done or (options.only and not {str(value) for value in point.values()} & set(options.only)):
            continue
        if options.rest:
            stored(xr.Dataset(attrs={"cannot": f"{NOT_RUN}: {options.rest}", "memory": np.nan}), path)
            continue
        start = time.monotonic()
        said = make(path, point, options.folder)
        print(f"{time.strftime('%H:%M:%S')} {time.monotonic() - start:5.0f} s {path.stem} {said}", flush=True)


if __name__ == "__main__":
    main()
