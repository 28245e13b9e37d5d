"""What the studio draws, as plain numbers: training curves, a picture of the model now, one batch on its way.

Pure functions of a trainer, a dataset and a choice of feature; nothing here changes what training does next.
Left out: drawing itself, which is widgets/js/src/studio.js.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import torch
import xarray as xr

from dgkit import Trainer, metrics
from dgkit.core.encode import Encoder
from dgkit.core.heads import harden
from dgkit.core.history import History
from dgkit.core.losses import critic_loss, generator_loss
from dgkit.core.networks import Generated
from dgkit.errors import SchemaError
from dgkit.metrics.autocorrelation import curve_errors
from dgkit.metrics.distributions import valid_feature
from dgkit.schema import Schema, Variable, lengths, validate

CURVES = (
    "discriminator_loss", "generator_loss", "auxiliary_loss", "wasserstein", "auxiliary_wasserstein",
    "discriminator_gradient", "generator_gradient",
)  # fmt: skip
CDF_OF = ("mid_range", "half_range", "value", "length")
POINTS = 300  # of a curve on the screen
BARS = 12  # of an attribute's categories; the rest is one bar


def f4(values: Any) -> bytes:
    return np.ascontiguousarray(values, np.float32).tobytes()


class Curves:
    """The history as float32 columns that grow with it, thinned to means of equally many steps for the screen."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._rows, self._n = np.empty((256, len(CURVES)), np.float32), 0

    def extend(self, history: History) -> None:
        """Take over the records that are new; a shorter history than before begins again."""
        if len(history) < self._n:
            self.clear()
        if len(history) > len(self._rows):
            more = np.empty((max(2 * len(self._rows), len(history)), len(CURVES)), np.float32)
            more[: self._n] = self._rows[: self._n]
            self._rows = more
        for k in range(self._n, len(history)):
            self._rows[k] = [getattr(history[k], name) for name in CURVES]
        self._n = len(history)

    def frame(self, points: int = POINTS) -> dict[str, Any]:
        """{"x": last step of each mean, "per": steps in a mean, name: values}, float32 bytes."""
        per = 1
        while self._n > per * points:
            per *= 2
        whole = self._n // per * per
        rows = self._rows[:whole].reshape(-1, per, len(CURVES)).mean(1) if per > 1 else self._rows[:whole]
        x = np.arange(per, whole + 1, per)
        if whole < self._n:  # the steps since, so that the last one is always there
            rows = np.vstack([rows, self._rows[whole : self._n].mean(0)])
            x = np.append(x, self._n)
        return {"x": f4(x), "per": per} | {name: f4(rows[:, k]) for k, name in enumerate(CURVES)}

    def limits(self) -> dict[str, list[float]]:
        """The vertical range of each chart of the history, and the horizontal one."""
        rows = self._rows[: self._n]
        charts = {"loss": CURVES[:3], "wasserstein": CURVES[3:5], "gradient": CURVES[5:]}
        found = {name: ends(rows[:, [CURVES.index(c) for c in columns]]) for name, columns in charts.items()}
        return found | {"step": [1.0, float(max(2, self._n))]}


def ends(values: Any) -> list[float]:
    """[smallest, largest] of the finite values, or [] if there is none."""
    values = np.asarray(values, np.float64)
    values = values[np.isfinite(values)]
    return [float(values.min()), float(values.max())] if values.size else []


def continuous(schema: Schema) -> list[str]:
    return [v.name for v in schema.features if v.kind == "continuous"]


class Look:
    """How series of one dataset are looked at: which feature, which number a series for the CDF, on which grid.

    Parameters
    ----------
    train : Dataset
    held_out : Dataset, optional
        Real series that are not trained on: how far apart real and real are.
    schema : Schema
    feature : str or None
        A continuous feature, None where there is none.
    of : str
        One of `CDF_OF`.
    shown : int
        Series in the gallery; the colour map shows `rows`.
    n : int
        Series that the measures are taken of.
    """

    def __init__(
        self,
        train: xr.Dataset,
        held_out: xr.Dataset | None,
        schema: Schema,
        feature: str | None,
        of: str,
        *,
        shown: int = 6,
        rows: int = 30,
        n: int = 200,
    ) -> None:
        self.schema, self.feature, self.of, self.shown, self.n = schema, feature, of, shown, n
        self.rows = min(rows, n)
        self.features = continuous(schema)
        self.time = train.sizes["time"]
        order = np.random.default_rng(0).permutation(train.sizes["sample"])
        self.real = train.isel(sample=order[:n])
        self.held_out = held_out
        self.log = feature is not None and train[feature].attrs.get("scale") == "log" and of != "length"
        self._train_acf = None if feature is None else _autocorrelation(train, feature)
        self._held_acf = None if feature is None or held_out is None else _autocorrelation(held_out, feature)
        self._train_numbers = self._numbers(train)
        self._bars = {v.name: _bar_edges(v, train) for v in schema.attributes}
        low, high = ends(self._train_numbers) or [0.0, 1.0]
        positive = self._train_numbers[self._train_numbers > 0]
        if self.log and positive.size:
            self.grid = np.geomspace(positive.min(), high, 100) if high > positive.min() else np.array([low, low + 1])
        else:
            self.log, self.grid = False, np.linspace(low, high if high > low else low + 1, 100)

    @classmethod
    def nearest(
        cls, train: xr.Dataset, held_out: xr.Dataset | None, feature: str | None = None, of: str = "mid_range"
    ) -> "Look":
        """The look asked for, as far as the data have it: else the first feature, and no length where all are equal."""
        schema = validate(train)
        known = continuous(schema)
        feature = feature if feature in known else next(iter(known), None)
        return cls(train, held_out, schema, feature, of if of != "length" or schema.variable_length else "mid_range")

    def reference(self) -> dict[str, Any]:
        """The real side, which training does not change."""
        found = self._of(self.real, self._train_acf, self._train_numbers)
        da = self.real[self.feature] if self.feature else xr.DataArray()
        held: dict[str, Any] = {}
        if self.held_out is not None and self.feature:
            numbers = self._numbers(self.held_out)
            held = {"held_acf": f4(self._drawn(self._held_acf)), "held_cdf": f4(self._cdf(numbers))} | self._distances(
                numbers, self._held_acf
            )
        unit = da.attrs.get("units", "1")
        return found | held | {
            "time": self.time,
            "features": self.features,
            "feature": self.feature or "",
            "unit": unit,
            "log_values": da.attrs.get("scale") == "log",
            "log": self.log,
            "of": self.of,
            "of_unit": "steps" if self.of == "length" else unit,
            "grid": f4(self.grid),
            "lags": self.time - 2,
        }  # fmt: skip

    def picture(self, trainer: Trainer) -> dict[str, Any]:
        """The model now: always the same noise, so that one sees the same series change."""
        fake = trainer.model.sample(self.n, seed=0)
        curve = _autocorrelation(fake, self.feature) if self.feature else None
        numbers = self._numbers(fake)
        return self._of(fake, curve, numbers) | self._distances(numbers, curve) | {"step": trainer.step}

    def _of(self, ds: xr.Dataset, curve: xr.DataArray | None, numbers: np.ndarray) -> dict[str, Any]:
        series: Any = np.asarray(valid_feature(ds, self.feature))[: self.rows] if self.feature else []
        some = ds.isel(sample=slice(self.shown))
        return {
            "series": f4(series),
            "titles": [_title(self.schema, some.isel(sample=k)) for k in range(some.sizes["sample"])],
            "acf": f4([] if self.feature is None else self._drawn(curve)),
            "cdf": f4(self._cdf(numbers)),
            "bars": [_bars(v, ds, self._bars[v.name]) for v in self.schema.attributes],
            "range": ends(series),
        }

    def _numbers(self, ds: xr.Dataset) -> np.ndarray:
        if self.of == "length":
            return np.asarray(lengths(ds), np.float64)
        if self.feature is None:
            return np.empty(0)
        da = valid_feature(ds, self.feature)
        values = {"mid_range": metrics.mid_range, "half_range": metrics.half_range}.get(self.of, lambda x: x)(da)
        values = np.asarray(values, np.float64).ravel()
        return values[np.isfinite(values)]

    def _cdf(self, numbers: np.ndarray) -> np.ndarray:
        return np.searchsorted(np.sort(numbers), self.grid, "right") / max(1, numbers.size)

    def _distances(self, numbers: np.ndarray, curve: xr.DataArray | None) -> dict[str, Any]:
        """How far from the training data, in the numbers that `dgkit.metrics` gives."""
        if self.feature is None:
            return {}
        gap = np.nan
        if numbers.size and self._train_numbers.size:
            scale = "log" if self.log else "linear"
            gap = metrics.wasserstein(self._train_numbers, numbers, scale=scale)
        error = np.nan
        if curve is not None and self._train_acf is not None:
            error = curve_errors(self._train_acf, curve)[""]
        return {"acf_mse": _finite(error), "distance": _finite(gap)}

    def _drawn(self, curve: xr.DataArray | None) -> np.ndarray:
        """At lags 1 to T - 2, NaN where no series is long enough."""
        values = np.full(max(0, self.time - 2), np.nan)
        if curve is not None:
            values[: curve.size] = curve.values
        return values


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _autocorrelation(ds: xr.Dataset, feature: str) -> xr.DataArray | None:
    """The paper's; None where all series are too short: an early generator may do that."""
    try:
        return metrics.autocorrelation(valid_feature(ds, feature), kind="paper")
    except SchemaError:
        return None


def _title(schema: Schema, one: xr.Dataset) -> str:
    parts = [one[v.name].item() for v in schema.attributes]
    return ", ".join(f"{part:.3g}" if isinstance(part, float) else str(part) for part in parts)


def _bar_edges(variable: Variable, train: xr.Dataset) -> Any:
    """The categories shown, most frequent first where there are many; the edges of a number's histogram."""
    values = np.asarray(train[variable.name].values)
    if variable.kind == "continuous":
        return np.histogram_bin_edges(values[np.isfinite(values)].astype(float), 8)
    if len(variable.categories) <= BARS:
        return list(variable.categories)
    counts = [(values == category).sum() for category in variable.categories]
    order = np.argsort(counts, kind="stable")[::-1][: BARS - 1]
    return [variable.categories[k] for k in order]


def _bars(variable: Variable, ds: xr.Dataset, edges: Any) -> dict[str, Any]:
    """{"name", "labels", "shares"} of an attribute."""
    values = np.asarray(ds[variable.name].values)
    if variable.kind == "continuous":
        inside = np.clip(values.astype(float), edges[0], edges[-1])
        labels = [f"{a:.3g} to {b:.3g}" for a, b in pairwise(edges)]
        counts = np.histogram(inside, edges)[0]
        return {"name": variable.name, "labels": labels, "shares": (counts / len(values)).tolist()}
    shares = [float((values == category).mean()) for category in edges]
    labels = [str(category) for category in edges]
    if len(edges) < len(variable.categories):
        labels.append(f"{len(variable.categories) - len(edges)} others")
        shares.append(max(0.0, 1 - sum(shares)))
    return {"name": variable.name, "labels": labels, "shares": shares}


def walk(trainer: Trainer, feature: str | None) -> dict[str, Any]:
    """One batch on its way through the networks, with its real numbers.

    It is the batch that the next discriminator half step will draw: rows, noise and the points of the gradient penalty
    come from a copy of the trainer's random generator, and go through copies of its networks (in training mode, batch
    norm counting the batch), so that neither changes. The losses are those before that half step's update; with one
    round of the discriminator `step_discriminator` then reports the same. (Under differential privacy batches vary in
    size; then it is a batch of `batch_size` drawn at random instead.)

    Parameters
    ----------
    trainer : Trainer
        Not being trained meanwhile.
    feature : str or None
        The continuous feature shown, of the batch's first sample.
    """
    config, encoder = trainer.config, trainer.encoder
    with torch.no_grad():
        batch = trainer.peek()
        real, noise, fake, inputs = batch.real, batch.noise, batch.made, batch.fake
        pairs = {"main": (trainer.discriminator, real, inputs, batch.alphas[0], config.penalty)}
        if trainer.auxiliary is not None:
            narrow = real[:, -trainer.narrow :], inputs[:, -trainer.narrow :]
            pairs["auxiliary"] = trainer.auxiliary, *narrow, batch.alphas[1], config.auxiliary_penalty
        judged: dict[str, Any] = {}
        for name, (net, ours, theirs, alpha, weight) in pairs.items():
            loss = critic_loss(net, ours, theirs, alpha, weight)
            judged[name] = {
                "real": net(ours).tolist(),
                "fake": net(theirs).tolist(),
                "loss": float(loss.loss),
                "wasserstein": float(loss.wasserstein),
                "penalty": float(loss.penalty),
                "weight": weight,
                "generator_loss": float(generator_loss(net, theirs)),
            }
    loss = judged["main"]["generator_loss"]
    if "auxiliary" in judged:
        loss += config.auxiliary_weight * judged["auxiliary"]["generator_loss"]
    return {
        "step": trainer.step + 1,
        "batch": config.batch_size,
        "noise": {"attribute": noise.attribute[0].tolist(), "minmax": noise.minmax[0].tolist(),
                  "feature": noise.feature[:, 0].tolist()},
        "attributes": _walk_attributes(encoder, fake.attributes[:1].cpu()),
        "judged": judged,
        "auxiliary_weight": config.auxiliary_weight,
        "generator_loss": loss,
        "series": _walk_series(encoder, fake, feature),
    }  # fmt: skip


def _walk_attributes(encoder: Encoder, soft: torch.Tensor) -> list[dict[str, Any]]:
    hard, position, found = harden(soft, encoder.attribute_heads), 0, []
    for variable, head in zip(encoder.schema.attributes, encoder.attribute_heads, strict=True):
        part = slice(position, position + head.width)
        position += head.width
        if variable.kind == "categorical":
            chosen = int(hard[0, part].argmax())
            labels = [str(category) for category in variable.categories]
            found.append({"name": head.name, "labels": labels, "shares": soft[0, part].tolist(), "chosen": chosen})
        else:
            value = float(encoder.scales[head.name].decode(soft[0, part].numpy().astype(float))[0])
            found.append({"name": head.name, "value": value, "unit": variable.attrs.get("units", "1")})
    return found


def _walk_series(encoder: Encoder, fake: Generated, feature: str | None) -> dict[str, Any]:
    """The first sample's series, as the LSTM makes it and in its unit; its range where it is auto-normalised."""
    if feature is None:
        return {}
    attributes, minmax, features = (part[:1].cpu() for part in fake[:3])
    length = np.clip(fake.lengths[:1].cpu().numpy(), 1, encoder.schema.time).astype(int)
    if not encoder.schema.variable_length:
        length[:] = encoder.schema.time
    position = 0
    for head in encoder.feature_heads[:-1]:
        if head.name == feature:
            break
        position += head.width
    scaled = features[0, : encoder.schema.time, position]
    low = -1.0 if encoder.scales[feature].activation == "tanh" else 0.0
    made = [
        encoder.decode(attributes, minmax, part, length)[feature].values[0]
        for part in (features, torch.full_like(features, low), torch.ones_like(features))
    ]
    auto = feature in encoder.minmax_scales
    return {
        "feature": feature,
        "unit": next(v.attrs.get("units", "1") for v in encoder.schema.features if v.name == feature),
        "scaled": scaled.tolist(),
        "scaled_range": [low, 1.0],
        "raw": [None if not np.isfinite(v) else float(v) for v in made[0]],
        "length": int(length[0]),
        "sample_len": encoder.sample_len,
        "passes": encoder.passes,
        "range": [float(made[1][0]), float(made[2][0])] if auto else [],
    }


def clean(value: Any) -> Any:
    """As JSON, which has no NaN."""
    if isinstance(value, dict):
        return {name: clean(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [clean(part) for part in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
