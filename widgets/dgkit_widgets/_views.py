"""What the studio draws, as plain numbers: training curves, a picture of the model now, one batch on its way.

Pure functions of a trainer, a dataset and a choice of feature; nothing here changes what training does next.
Left out: drawing itself, which is widgets/js/src/studio.js.
"""

from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import xarray as xr

from dgkit import DoppelGANger, Trainer, metrics
from dgkit._text import apart, listed
from dgkit.core.batches import Batch
from dgkit.core.encode import Encoder
from dgkit.core.heads import harden
from dgkit.core.history import History
from dgkit.core.losses import critic_loss, input_gradient
from dgkit.core.networks import Generated, Noise, flat
from dgkit.errors import ConfigError, SchemaError
from dgkit.metrics.autocorrelation import curve_errors
from dgkit.metrics.distributions import valid_feature
from dgkit.schema import Schema, Variable, lengths, validate
from dgkit_widgets._widget import f4

CURVES = (
    "discriminator_loss", "generator_loss", "auxiliary_loss", "wasserstein", "auxiliary_wasserstein",
    "discriminator_gradient", "generator_gradient",
)  # fmt: skip
CHARTS = {
    "game": ("wasserstein", "generator_loss"),
    "loss": CURVES[:3],
    "wasserstein": CURVES[3:5],
    "gradient": CURVES[5:],
}
CDF_OF = ("mid_range", "half_range", "value", "length")
POINTS = 300  # of a curve on the screen
SHOWN = 6  # series that are drawn
JUDGED = 60  # samples whose scores are drawn
ARROWS, STEP_UP = 30, 0.5  # of the cloud, and how long a step they stand for, of encoded numbers
BARS = 60  # of an attribute's categories are counted; the rest together


class Curves:
    """The history as float32 columns that grow with it, thinned to means of equally many rows for the screen.

    A half step that belongs to no full step has a row of its own, half a step wide.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._rows = np.empty((256, 1 + len(CURVES)), np.float32)  # where each ends, in steps, and what it measured
        self._n = self._records = 0
        self._halves: tuple[int, Any] = (0, None)  # how many, and the last

    def extend(self, history: History, halves: Sequence[tuple[int, str, dict[str, float]]] = ()) -> None:
        """Take over what is new; with a shorter history than before, or other half steps, all of it."""
        last = halves[-1] if halves else None
        if len(history) < self._records or len(halves) != self._halves[0] or last is not self._halves[1]:
            self.clear()
            self._halves = len(halves), last
            apart = deque(halves)
        else:
            apart = deque()
        for k in range(self._records, len(history) + 1):
            while apart and apart[0][0] <= k:
                measured = apart.popleft()[2]
                self._append(0.5, [measured.get(name, np.nan) for name in CURVES])
            if k < len(history):
                self._append(1.0, [getattr(history[k], name) for name in CURVES])
        self._records = len(history)

    def _append(self, width: float, measured: list[float]) -> None:
        if self._n == len(self._rows):
            self._rows = np.concatenate([self._rows, np.empty_like(self._rows)])
        before = self._rows[self._n - 1, 0] if self._n else 0.0
        self._rows[self._n] = [before + width, *measured]
        self._n += 1

    def frame(self, points: int = POINTS) -> dict[str, Any]:
        """{"x": where each mean ends, "per": rows in a mean, name: values}, float32 bytes."""
        per = 1
        while self._n > per * points:
            per *= 2
        cuts = range(0, self._n, per)  # the last may have fewer rows, so that the last one is always there
        x, rows = self._rows[: self._n, 0], self._rows[: self._n, 1:]
        if per > 1:
            x = x[[min(cut + per, self._n) - 1 for cut in cuts]]
            known = np.isfinite(rows)
            totals, counts = (np.add.reduceat(part, cuts) for part in (np.where(known, rows, 0), known * 1))
            rows = np.where(counts > 0, totals / np.maximum(counts, 1), np.nan)
        return {"x": f4(x), "per": per} | {name: f4(rows[:, k]) for k, name in enumerate(CURVES)}

    def limits(self) -> dict[str, list[float]]:
        """The vertical range of each chart of the history, and the horizontal one."""
        rows = self._rows[: self._n]
        found = {name: ends(rows[:, [1 + CURVES.index(c) for c in columns]]) for name, columns in CHARTS.items()}
        first, last = (rows[0, 0], rows[-1, 0]) if self._n else (1.0, 1.0)
        return found | {"step": [float(first), float(max(2.0, last))]}


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
        Series that are drawn.
    n : int
        Series that are generated to be measured; of the real ones, those in the cloud and before the discriminators.
        All other real numbers are of all that is trained on.
    """

    def __init__(
        self,
        train: xr.Dataset,
        held_out: xr.Dataset | None,
        schema: Schema,
        feature: str | None,
        of: str,
        *,
        shown: int = SHOWN,
        n: int = 200,
    ) -> None:
        self.schema, self.feature, self.of, self.shown, self.n = schema, feature, of, shown, n
        self.features = continuous(schema)
        self.time = train.sizes["time"]
        order = np.random.default_rng(0).permutation(train.sizes["sample"])
        self.order = np.sort(order[:n])
        self.train, self.held_out = train, held_out
        self.some = train.isel(sample=order[:shown]).load()
        self.log_values = feature is not None and train[feature].attrs.get("scale") == "log"
        self.log = self.log_values and of != "length"
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
        found = self._of(self.train, self.some, self._train_acf, self._train_numbers)
        da = self.train[self.feature] if self.feature else xr.DataArray()
        held: dict[str, Any] = {}
        if self.held_out is not None and self.feature:
            numbers = self._numbers(self.held_out)
            held = {"held_acf": f4(self._drawn(self._held_acf)), "held_cdf": f4(self._cdf(numbers))} | self._distances(
                numbers, self._held_acf
            )
        unit = da.attrs.get("units", "1")
        return found | held | {
            "time": self.time,
            "n": self.train.sizes["sample"],
            "held_out": 0 if self.held_out is None else self.held_out.sizes["sample"],
            "cloud": f4(self._points(self.train.isel(sample=self.order))),
            "values": self._value_range(),
            "features": self.features,
            "varies": self.schema.variable_length,
            "feature": self.feature or "",
            "unit": unit,
            "log_values": self.log_values,
            "log": self.log,
            "of": self.of,
            "of_unit": "steps" if self.of == "length" else unit,
            "grid": f4(self.grid),
            "lags": self.time - 2,
        }  # fmt: skip

    def picture(self, trainer: Trainer, sample: int = 0) -> dict[str, Any]:
        """The model now, and one sample on its way through it: always the same noise, so that one sees them change."""
        model = trainer.model
        batch = self._batch(trainer, model)
        whole = batch.made.lengths.clamp(max=self.time).numpy().astype(np.int64)  # as `DoppelGANger.sample`
        last = whole if self.schema.variable_length else None
        fake = trainer.encoder.decode(*batch.made[:3], last)
        with torch.no_grad():
            pushed = self._pushed(trainer, model, batch, last)
            passing = flow(trainer, model, _first(batch, JUDGED), self.feature, sample)
        return self.generated(fake) | {"step": trainer.step, "pushed": f4(pushed), "flow": clean(passing)}

    def sampled(self, name: str, model: Any) -> xr.Dataset:
        """What another model generates. Raises ConfigError where that is other data."""
        fake: xr.Dataset = model.sample(self.n, seed=0)
        wanted = [variable.name for variable in (*self.schema.features, *self.schema.attributes)]
        missing = [one for one in wanted if one not in fake]
        if missing or fake.sizes["time"] != self.time:
            made = ", ".join(map(str, fake))
            raise ConfigError(
                f"models[{name!r}] was trained on other data: it makes {fake.sizes['time']} steps of {made}, "
                f"and here are {self.time} steps of {', '.join(wanted)}."
            )
        return fake

    def generated(self, fake: xr.Dataset) -> dict[str, Any]:
        """What is seen of generated data, whatever model made them."""
        curve = _autocorrelation(fake, self.feature) if self.feature else None
        numbers = self._numbers(fake)
        found = self._of(fake, fake.isel(sample=slice(self.shown)), curve, numbers)
        more = {"n": fake.sizes["sample"], "cloud": f4(self._points(fake))}
        return found | more | self._distances(numbers, curve)

    def _batch(self, trainer: Trainer, model: DoppelGANger) -> Batch:
        """What `model.sample(n, seed=0)` makes, before it is decoded, and as many real samples; always the same."""
        rng = torch.Generator().manual_seed(0)
        with torch.no_grad():
            noise = model.generator.draw(self.n, rng)
            made = model.generator(noise, None, not self.schema.variable_length)
        real = trainer.real[torch.from_numpy(np.resize(self.order, self.n))].cpu()  # again where there are fewer
        alphas = [torch.rand((self.n, 1), generator=rng) for _ in range(2)]
        return Batch(real, noise, made, flat(*made[:3]), alphas)

    def _points(self, ds: xr.Dataset) -> np.ndarray:
        """Level and amplitude of each series, (N, 2): on a log scale the amplitude is a share of the level."""
        if self.feature is None:
            return np.empty((0, 2))
        da = valid_feature(ds, self.feature)
        level, amplitude = np.asarray(metrics.mid_range(da)), np.asarray(metrics.half_range(da))
        if self.log_values:
            amplitude = amplitude / np.where(level > 0, level, np.nan)
        return np.stack([level, amplitude], 1)

    def _pushed(self, trainer: Trainer, model: DoppelGANger, batch: Batch, last: np.ndarray | None) -> np.ndarray:
        """Where the first series' points would be after a short step up the discriminators' scores, (N, 2)."""
        few = slice(ARROWS)
        made = Generated(*(part[few] for part in batch.made))
        slope = _slope(trainer, model, batch.fake[few])
        slope = STEP_UP * slope / slope.norm(dim=1, keepdim=True).clamp(min=1.0)
        features, attributes, minmax = slope.split([made.features[0].numel(), *(p.shape[1] for p in made[:2])], 1)

        # within what the heads can make
        least = [-1.0 if head.activation == "tanh" else 0.0 for head in trainer.encoder.minmax_heads]
        own = (made.minmax + minmax).clamp(torch.tensor(least), torch.tensor(1.0))
        steps = made.features + features.view_as(made.features)
        lasts = None if last is None else last[few]
        return self._points(trainer.encoder.decode(made.attributes + attributes, own, steps, lasts))

    def _value_range(self) -> list[float]:
        """Of the feature; on a log scale from the smallest that is above zero."""
        if self.feature is None:
            return []
        da = valid_feature(self.train, self.feature)
        da = da.where(da > 0) if self.log_values else da
        return ends([float(da.min()), float(da.max())])

    def _of(self, ds: xr.Dataset, some: xr.Dataset, curve: xr.DataArray | None, numbers: np.ndarray) -> dict[str, Any]:
        series: Any = np.asarray(valid_feature(some, self.feature)) if self.feature else []
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
    return listed(one[v.name].item() for v in schema.attributes)


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
        labels = [f"{a} to {b}" for a, b in pairwise(apart(edges.tolist()))]
        counts = np.histogram(inside, edges)[0]
        return {"name": variable.name, "labels": labels, "shares": (counts / len(values)).tolist()}
    shares = [float((values == category).mean()) for category in edges]
    labels = [str(category) for category in edges]
    if len(edges) < len(variable.categories):
        labels.append(f"{len(variable.categories) - len(edges)} others")
        shares.append(max(0.0, 1 - sum(shares)))
    return {"name": variable.name, "labels": labels, "shares": shares}


def walk(trainer: Trainer, feature: str | None) -> dict[str, Any]:
    """The batch of the next discriminator half step on its way through the networks, with its real numbers: a `flow`.

    Rows, noise and the points of the gradient penalty come from a copy of the trainer's random generator, and go
    through copies of its networks (in training mode, batch norm counting the batch), so that neither changes. The
    losses are those before that half step's update; with one round of the discriminator `step_discriminator` then
    reports the same. Not for private training, whose batches are secret.
    """
    with torch.no_grad():
        return flow(trainer, trainer, trainer.peek(), feature) | {"exact": trainer.step + 1}


def flow(
    trainer: Trainer, nets: Trainer | DoppelGANger, batch: Batch, feature: str | None, sample: int = 0
) -> dict[str, Any]:
    """One batch on its way through the networks `nets`; of a private run without what is measured on real samples.

    Parameters
    ----------
    trainer : Trainer
        Not being trained meanwhile.
    feature : str or None
        The continuous feature shown.
    sample : int
        Of the batch: the one that is shown.
    """
    config, encoder, private = trainer.config, trainer.encoder, trainer.config.private
    noise, fake, real = batch.noise, batch.fake, batch.real
    one = slice(sample, sample + 1)
    pairs = {"main": (nets.discriminator, real, fake, batch.alphas[0], config.penalty)}
    if nets.auxiliary is not None:
        narrow = real[:, -encoder.narrow :], fake[:, -encoder.narrow :]
        pairs["auxiliary"] = nets.auxiliary, *narrow, batch.alphas[1], config.auxiliary_penalty
    judged: dict[str, Any] = {}
    for name, (net, ours, theirs, alpha, weight) in pairs.items():
        loss = None if private else critic_loss(net, ours, theirs, alpha, weight)
        scores = net(theirs)
        judged[name] = {
            "real": [] if private else net(ours).tolist(),
            "fake": scores.tolist(),
            "loss": None if loss is None else float(loss.loss),
            "wasserstein": None if loss is None else float(loss.wasserstein),
            "penalty": None if loss is None else float(loss.penalty),
            "weight": weight,
            "generator_loss": -float(scores.mean()),
        }
    loss = judged["main"]["generator_loss"]
    if "auxiliary" in judged:
        loss += config.auxiliary_weight * judged["auxiliary"]["generator_loss"]
    made = Generated(*(part[one].cpu() for part in batch.made))
    return {
        "step": trainer.step,
        "batch": len(fake),
        "sample": sample,
        "noise": {"attribute": noise.attribute[sample].tolist(), "minmax": noise.minmax[sample].tolist(),
                  "feature": noise.feature[:, sample].tolist()},
        "attributes": _flow_attributes(encoder, made.attributes),
        "judged": judged,
        "auxiliary_weight": config.auxiliary_weight,
        "generator_loss": loss,
        "series": _flow_series(encoder, made, feature, _slope(trainer, nets, fake[one])),
    }  # fmt: skip


def _first(batch: Batch, n: int) -> Batch:
    """Its first samples."""
    noise = Noise(*(part[:n] for part in batch.noise[:2]), *(part[:, :n] for part in batch.noise[2:]))
    made = Generated(*(part[:n] for part in batch.made))
    return Batch(batch.real[:n], noise, made, batch.fake[:n], [alpha[:n] for alpha in batch.alphas])


def _slope(trainer: Trainer, nets: Trainer | DoppelGANger, samples: torch.Tensor) -> torch.Tensor:
    """d score / d sample, (N, inputs), as the generator follows it: with the auxiliary discriminator's share."""
    slope = input_gradient(nets.discriminator, nets.discriminator.layers[0](samples)).clone()
    if nets.auxiliary is not None and (narrow := trainer.encoder.narrow):
        own = input_gradient(nets.auxiliary, nets.auxiliary.layers[0](samples[:, -narrow:]))
        slope[:, -narrow:] += trainer.config.auxiliary_weight * own
    return slope.cpu()


def _flow_attributes(encoder: Encoder, soft: torch.Tensor) -> list[dict[str, Any]]:
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


def _flow_series(encoder: Encoder, made: Generated, feature: str | None, slope: torch.Tensor) -> dict[str, Any]:
    """A sample's series, as the LSTM makes it and in its unit, its own range, and the score's slope at each step."""
    if feature is None:
        return {}
    time = encoder.schema.time
    length = np.clip(made.lengths.numpy(), 1, time).astype(int)
    if not encoder.schema.variable_length:
        length[:] = time
    names = [head.name for head in encoder.feature_heads]
    column = sum(head.width for head in encoder.feature_heads[: names.index(feature)])
    own = [head.name for head in encoder.minmax_heads]
    low = -1.0 if encoder.scales[feature].activation == "tanh" else 0.0
    parts = [made.features, torch.full_like(made.features, low), torch.ones_like(made.features)]
    attributes, minmax = (part.repeat_interleave(3, 0) for part in made[:2])
    raw, least, most = encoder.decode(attributes, minmax, torch.cat(parts), length.repeat(3))[feature].values
    slope_of_series = slope[:, : made.features[0].numel()].view_as(made.features)[0, :time, column]
    auto = feature in encoder.minmax_scales
    place = own.index(f"{feature} mid-range") if auto else 0
    own_slope = slope[0, slope.shape[1] - len(made.minmax[0]) :] if auto else torch.zeros(2)
    return {
        "feature": feature,
        "unit": next(v.attrs.get("units", "1") for v in encoder.schema.features if v.name == feature),
        "scaled": made.features[0, :time, column].tolist(),
        "scaled_range": [low, 1.0],
        "raw": raw.tolist(),
        "length": int(length[0]),
        "sample_len": encoder.sample_len,
        "passes": encoder.passes,
        "range": [float(least[0]), float(most[0])] if auto else [],
        "slope": slope_of_series.tolist(),
        "slope_of_range": own_slope[place : place + 2].tolist() if auto else [],  # of level, of amplitude
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
