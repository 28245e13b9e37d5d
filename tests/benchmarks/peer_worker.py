"""Trains another library's model for so many CPU seconds and writes down what it makes, in that library's environment.

``python peer_worker.py dgan|par|argn in.npz out.npz '{"seconds": 60, "seed": 0, "matched": true, ...}'``; `peers.py`
makes the environments and calls this file. in.npz holds features (N, T, F), NaN after a series' end, and attributes
(N, A), texts; out.npz gets the same of n generated series, with steps, seconds, and what the library cannot do.

"matched" settings are ours as far as the library's go; without them its own defaults hold. CPU seconds count from the
data frame on: a library's own preparation of the data is a part of its training.
"""

import json
import os
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

FOREVER = 1_000_000  # epochs
TIMED = 10  # series that PAR makes in its own way
LONGEST = 3  # times the budget: who has not finished a step by then is ended


class TimeIsUp(Exception):
    pass


class CannotError(Exception):
    """What a library cannot do, in words for a cell of the table."""


class Clock:
    """CPU seconds of this process and its children since `start`, and a limit beyond which a library is stopped."""

    def __init__(self, seconds: float):
        self.seconds = seconds
        self.start()

    def start(self) -> None:
        self.began = self._now()

    @staticmethod
    def _now() -> float:
        return sum(os.times()[:4])

    @property
    def spent(self) -> float:
        return self._now() - self.began

    def stop_at(self, seconds: float) -> None:
        signal.signal(signal.SIGPROF, self._ring)
        signal.setitimer(signal.ITIMER_PROF, max(seconds, 0.01))
        _limit(int(self._now() + LONGEST * self.seconds))

    def release(self) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        _limit(resource.RLIM_INFINITY)

    @staticmethod
    def _ring(*_: Any) -> None:
        raise TimeIsUp


def _limit(seconds: int) -> None:
    """The system ends the process after so many CPU seconds, even inside a single step, where no signal is heard."""
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))


def long(features: np.ndarray, attributes: np.ndarray, names: list[str], given: list[str]) -> pd.DataFrame:
    """A row for each step that there is."""
    where, when = np.nonzero(~np.isnan(features[..., 0]))
    columns = {"id": where, "step": when}
    columns |= {name: features[where, when, k] for k, name in enumerate(names)}
    return pd.DataFrame(columns | {name: attributes[where, k] for k, name in enumerate(given)})


def wide(table: pd.DataFrame, names: list[str], n: int, time_steps: int) -> np.ndarray:
    """Features (n, T, F) of a long table, the rows of each series in their order."""
    made = np.full((n, time_steps, len(names)), np.nan)
    for k, (_, rows) in enumerate(table.groupby("id", sort=True)):
        values = rows[names].to_numpy(float)[:time_steps]
        made[k, : len(values)] = values
    return made


# --- gretel-synthetics' DGAN ------------------------------------------------------------------------------------------


def dgan(data: dict[str, np.ndarray], ask: dict[str, Any], clock: Clock) -> dict[str, Any]:
    """DoppelGANger; series of unequal length by way of its data frame, which adds the flag."""
    from gretel_synthetics.timeseries_dgan.config import DfStyle, DGANConfig, OutputType
    from gretel_synthetics.timeseries_dgan.dgan import DGAN

    features, attributes = data["features"], data["attributes"]
    time_steps = features.shape[1]
    names, given = [f"f{k}" for k in range(features.shape[2])], [f"a{k}" for k in range(attributes.shape[1])]
    settings: dict[str, Any] = {"max_sequence_len": time_steps, "sample_len": ask["sample_len"], "cuda": False}
    if ask["matched"]:  # the original's sizes; its discriminators keep one more hidden layer
        settings |= {
            "batch_size": 100, "epochs": FOREVER, "attribute_noise_dim": 5, "feature_noise_dim": ask["feature_noise"],
            "attribute_num_layers": 2,
        }  # fmt: skip
    steps = 0

    def watch(_: Any) -> None:
        nonlocal steps
        steps += 1
        if clock.spent > clock.seconds:
            raise TimeIsUp

    clock.start()
    clock.stop_at(2 * clock.seconds)
    model, ragged = DGAN(DGANConfig(**settings)), bool(np.isnan(features).any())
    try:
        if ragged:
            model.train_dataframe(
                long(features, attributes, names, given), attribute_columns=given, feature_columns=names,
                example_id_column="id", time_column="step", discrete_columns=given, df_style=DfStyle.LONG,
                progress_callback=watch,
            )  # fmt: skip
        else:
            model.train_numpy(
                features=features.copy(), attributes=attributes.astype(object),
                attribute_types=[OutputType.DISCRETE] * len(given),
                feature_types=[OutputType.CONTINUOUS] * len(names), progress_callback=watch,
            )  # fmt: skip
    except TimeIsUp:
        if not steps:
            raise CannotError(f"finish a step in {2 * clock.seconds:g} CPU seconds") from None
    clock.release()
    training = clock.spent

    clock.start()
    if ragged:
        table = model.generate_dataframe(ask["n"])
        made = wide(table, names, ask["n"], time_steps)
        chosen = table.groupby("id", sort=True)[given].first().to_numpy()
    else:
        chosen, drawn = model.generate_numpy(ask["n"])
        made = np.stack(drawn).astype(float)
    return {
        "features": made, "attributes": chosen.astype(str), "steps": steps, "training_seconds": training,
        "sampling_seconds": clock.spent,
    }  # fmt: skip


# --- SDV's PAR --------------------------------------------------------------------------------------------------------


def par(data: dict[str, np.ndarray], ask: dict[str, Any], clock: Clock) -> dict[str, Any]:
    """PARSynthesizer, an epoch of which is one step with all series."""
    from deepecho.models import par as deepecho
    from sdv.metadata import Metadata
    from sdv.sequential import PARSynthesizer

    features, attributes = data["features"], data["attributes"]
    time_steps = features.shape[1]
    names, given = [f"f{k}" for k in range(features.shape[2])], [f"a{k}" for k in range(attributes.shape[1])]
    kinds = {"id": "id"} | dict.fromkeys(names, "numerical") | dict.fromkeys(given, "categorical")
    columns = {name: {"sdtype": kind} for name, kind in kinds.items()}
    metadata = Metadata.load_from_dict({"tables": {"series": {"columns": columns, "sequence_key": "id"}}})
    epochs = 0

    def until_time_is_up(rounds: Iterable[int], **_: Any) -> Iterator[int]:
        nonlocal epochs
        for k in rounds:
            if clock.spent > clock.seconds:
                return
            yield k
            epochs += 1

    deepecho.tqdm = until_time_is_up  # in place of its progress bar
    if ask["matched"]:
        deepecho.PARNet.__init__.__defaults__ = (100,)  # hidden units
    own = {"epochs": FOREVER} if ask["matched"] else {}

    clock.start()
    clock.stop_at(2 * clock.seconds)
    model = PARSynthesizer(metadata, context_columns=given, cuda=False, **own)
    table = long(features, attributes, names, given).drop(columns="step")
    try:
        model.fit({"series": table})
    except TimeIsUp:
        raise CannotError(f"finish an epoch in {2 * clock.seconds:g} CPU seconds") from None
    clock.release()
    training = clock.spent
    if not epochs:
        raise CannotError(f"begin an epoch in {clock.seconds:g} CPU seconds: its preparation took {training:.0f}")

    # its own sampling goes through each series again at every step, one series at a time: ten are timed, and not used
    clock.start()
    context = model._model._context_to_tensor
    own_way, once = model._sample_from_par, 0.0

    def at_once(rows: pd.DataFrame, sequence_length: int | None = None) -> pd.DataFrame:
        nonlocal once
        listed = rows.set_index(model._sequence_key)[model.context_columns].to_numpy().tolist()
        began = time.process_time()  # finer than the clock's hundredths
        for values in listed[:TIMED]:
            model._model.sample_sequence(values)
        once = (time.process_time() - began) / len(listed[:TIMED])
        drawn = iter(_drawn(model._model, torch.stack([context(values) for values in listed])))
        model._model.sample_sequence = lambda *_: next(drawn)
        return own_way(rows, sequence_length)

    model._sample_from_par = at_once
    table = model.sample_sequences(ask["n"])["series"]
    chosen = table.groupby("id", sort=True)[given].first().to_numpy()
    return {
        "features": wide(table, names, ask["n"], time_steps), "attributes": chosen.astype(str), "steps": epochs,
        "training_seconds": training, "sampling_seconds": once * ask["n"],
    }  # fmt: skip


@torch.no_grad()
def _drawn(model: Any, contexts: torch.Tensor) -> list[list[list[float]]]:
    """What `PARModel.sample_sequence` draws, of all series at once and with the network's state kept."""
    net, count = model._model, len(contexts)
    token = model._data_map["<TOKEN>"]["indices"]
    x = torch.zeros(count, model._data_dims)
    x[:, token["<START>"]] = 1
    state, rows = None, []
    length = torch.full((count,), model._max_length)
    for step in range(1, model._max_length + 1):
        hidden = net.down(torch.cat([x, contexts], 1))
        hidden, state = net.rnn(hidden[None], state)
        y = net.up(hidden[0])
        x = torch.zeros_like(y)
        for props in model._data_map.values():
            if props["type"] == "continuous":
                middle, spread, missing = props["indices"]
                gone = torch.bernoulli(torch.sigmoid(y[:, missing]))
                value = torch.normal(y[:, middle], torch.nn.functional.softplus(y[:, spread]))
                x[:, middle], x[:, missing] = value * (1 - gone), gone
            else:
                index = list(props["indices"].values())
                chosen = torch.multinomial(torch.softmax(y[:, index], 1), 1)
                x[:, index] = torch.zeros(count, len(index)).scatter_(1, chosen, 1)
        ended = (x[:, token["<END>"]] > 0) & (step >= model._min_length) & (length > step)
        length[ended] = step
        rows.append(x)
    values = torch.stack(rows, 1)
    props = [p for key, p in model._data_map.items() if key != "<TOKEN>"]
    return [
        [(one[:stop, p["indices"][0]] * p["std"] + p["mu"]).tolist() for p in props]
        for one, stop in zip(values, length.tolist(), strict=True)
    ]


# --- mostlyai-engine's TabularARGN ------------------------------------------------------------------------------------


def argn(data: dict[str, np.ndarray], ask: dict[str, Any], clock: Clock) -> dict[str, Any]:
    """A model of the attributes, and one of the series given them; the first one's seconds count too."""
    from types import SimpleNamespace

    from mostlyai import engine
    from mostlyai.engine._tabular import training as loop

    features, attributes = data["features"], data["attributes"]
    n, time_steps, _ = features.shape
    names, given = [f"f{k}" for k in range(features.shape[2])], [f"a{k}" for k in range(attributes.shape[1])]
    loop.time = SimpleNamespace(time=clock._now)  # its limit is one of CPU seconds then
    series = long(features, attributes, names, given)[["id", *names]]
    who = pd.DataFrame(attributes, columns=given).assign(id=np.arange(n))
    rest = {"value_protection": ask.get("protected", not ask["matched"])}
    own = {"max_epochs": float(FOREVER), "max_sequence_window": time_steps} if ask["matched"] else {}
    engine.set_random_state(ask["seed"])

    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder, "attributes"), Path(folder, "series")
        clock.start()
        clock.stop_at(2 * clock.seconds)
        try:
            engine.split(who[given], workspace_dir=first)
            _fitted(engine, first, rest, {}, clock, clock.seconds / 6)
            engine.split(
                series, ctx_data=who, ctx_primary_key="id", tgt_context_key="id", workspace_dir=second,
            )  # fmt: skip
            _fitted(engine, second, rest, own, clock, clock.seconds)
        except TimeIsUp:
            raise CannotError(f"finish its first step in {2 * clock.seconds:g} CPU seconds") from None
        clock.release()
        training = clock.spent
        steps = int(pd.read_csv(next(second.rglob("*progress-messages*.csv"))).steps.max())

        clock.start()
        engine.generate(sample_size=ask["n"], workspace_dir=first)
        chosen = pd.read_parquet(first / "SyntheticData")[given].astype(str)
        engine.generate(ctx_data=chosen.assign(id=np.arange(ask["n"])), workspace_dir=second)
        table = pd.read_parquet(second / "SyntheticData")
        table["id"] = table.id.astype(int)
        sampling = clock.spent
    made = wide(table, names, ask["n"], time_steps)
    there = np.sort(table.id.unique())  # it may leave one empty
    return {
        "features": made[: len(there)], "attributes": chosen.to_numpy().astype(str)[there], "steps": steps,
        "training_seconds": training, "sampling_seconds": sampling,
    }  # fmt: skip


def _fitted(engine: Any, folder: Path, rest: dict, own: dict, clock: Clock, until: float) -> None:
    engine.analyze(workspace_dir=folder, **rest)
    engine.encode(workspace_dir=folder)
    left = max(until - clock.spent, 0.1)
    engine.train(workspace_dir=folder, max_training_time=left / 60, device="cpu", **own)


MODELS: dict[str, Callable[[dict[str, np.ndarray], dict[str, Any], Clock], dict[str, Any]]] = {
    "dgan": dgan, "par": par, "argn": argn,
}  # fmt: skip


def main(name: str, source: str, target: str, asked: str) -> None:
    warnings.simplefilter("ignore")
    ask = json.loads(asked)
    torch.set_num_threads(1)
    torch.manual_seed(ask["seed"])
    np.random.seed(ask["seed"])  # noqa: NPY002 (the libraries draw from the global stream)
    data = dict(np.load(source))
    try:
        result = MODELS[name](data, ask, Clock(ask["seconds"]))
    except CannotError as error:
        result = {"cannot": f"cannot {error}"}
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            result["memory"] = int(line.split()[1]) / 1000
    np.savez(target, **result)


if __name__ == "__main__":
    main(*sys.argv[1:])
