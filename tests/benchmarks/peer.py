"""Runs gretel-synthetics' DGAN in its own environment; `training.py` makes that environment and calls this file.

    python peer.py speed  in.npz out.npz seconds sample_len seed threads device
    python peer.py fit    in.npz out.npz seconds sample_len seed threads device

in.npz holds features (N, T, 1) and attributes (N, k) of integers; out.npz gets steps, seconds and, for "fit", 2,000
generated samples. Sizes are set to the original code's as far as its settings go (its discriminators keep one more
hidden layer; the flags of variable length are not there).
"""

import contextlib
import sys
import time

import numpy as np
import torch
from gretel_synthetics.timeseries_dgan.config import DGANConfig, OutputType
from gretel_synthetics.timeseries_dgan.dgan import DGAN


class TimeIsUp(Exception):
    pass


def main(mode, source, target, seconds, sample_len, seed, threads, device):
    torch.set_num_threads(int(threads))
    torch.manual_seed(int(seed))
    np.random.seed(int(seed))  # noqa: NPY002 (it draws from the global stream)
    data = np.load(source)
    model = DGAN(
        DGANConfig(
            max_sequence_len=data["features"].shape[1], sample_len=int(sample_len), batch_size=100, epochs=10**6,
            attribute_noise_dim=5, feature_noise_dim=5, attribute_num_layers=2, attribute_num_units=100,
            feature_num_layers=1, feature_num_units=100, apply_feature_scaling=True, apply_example_scaling=True,
            use_attribute_discriminator=True, cuda=device == "cuda",
        )
    )  # fmt: skip
    marks: list[float] = []

    def watch(_):
        marks.append(time.perf_counter())
        if marks[-1] - start > float(seconds):
            raise TimeIsUp

    start = time.perf_counter()
    with contextlib.suppress(TimeIsUp):
        model.train_numpy(
            features=data["features"].copy(), attributes=data["attributes"].astype(float),
            attribute_types=[OutputType.DISCRETE] * data["attributes"].shape[1],
            feature_types=[OutputType.CONTINUOUS] * data["features"].shape[2], progress_callback=watch,
        )  # fmt: skip
    steps = np.diff(marks)[5:]  # without start-up
    result = {"steps": len(marks), "seconds_a_step": np.median(steps), "steps_per_second": len(steps) / steps.sum()}
    if mode == "fit":
        attributes, features = model.generate_numpy(2000)
        result |= {"features": np.stack(features)[..., 0], "attributes": attributes}
    np.savez(target, **result)


if __name__ == "__main__":
    main(*sys.argv[1:])
