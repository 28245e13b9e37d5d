"""Dataset <-> tensors: one-hot categories, scaling, auto-normalisation and generation flags.

Follows `gan/util.py` of the original code (normalize_per_sample, add_gen_flag, renormalize_per_sample) and
Section 4 of Lin et al. 2020. Differences, each for a reason:
- a series' minimum and maximum are taken over its valid steps only (the original lets the zero padding leak in);
- T need not be a multiple of sample_len: the last pass is padded, and the padding counts as past the end;
- `minmax_scale` may put the level on a log scale and the half-range relative to it (where the feature asks for it).

Letters for shapes: N samples, T steps, S steps a pass (sample_len), R passes (R * S >= T), A attribute width,
M min/max width (two for each continuous feature), F feature width (one-hot widths included, flags not).
"""

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import torch
import xarray as xr

from dgkit._plain import check_names, made
from dgkit.core.networks import FLAG, Head
from dgkit.errors import ConfigError, FileFormatError, SchemaError
from dgkit.schema import Schema, Variable, blocks, bounds, cast, joined, lengths, validate

EPS = 1e-4  # widens a series' range so that a constant series does not divide by zero (original: gan/util.py)
BLOCK = 2**22  # numbers encoded or decoded together, at most: 16 MB of float32
ACTIVATIONS = {"minusone_one": "tanh", "zero_one": "sigmoid"}


@dataclass(frozen=True)
class Scale:
    """An invertible map of raw values onto the range of an activation, linear or logarithmic."""

    low: float
    high: float
    activation: str
    floor: float | None = None  # added before the logarithm; None: linear

    def encode(self, raw: np.ndarray) -> np.ndarray:
        values = raw if self.floor is None else np.log(raw + self.floor)
        unit = (values - self.low) / ((self.high - self.low) or 1.0)
        return unit * 2 - 1 if self.activation == "tanh" else unit

    def decode(self, scaled: np.ndarray) -> np.ndarray:
        unit = (scaled + 1) / 2 if self.activation == "tanh" else scaled
        values = unit * (self.high - self.low) + self.low
        return values if self.floor is None else np.exp(values) - self.floor


class Encoded(NamedTuple):
    """A dataset as the discriminators see it, float32."""

    attributes: torch.Tensor  # (N, A)
    minmax: torch.Tensor  # (N, M)
    features: torch.Tensor  # (N, R * S, F + 2), the generation flag last


@dataclass(frozen=True)
class Encoder:
    """How a dataset of one schema becomes tensors, and back; made by `Encoder.fit`, plain values throughout."""

    schema: Schema
    sample_len: int
    auto_normalise: bool
    activation: str  # "tanh" or "sigmoid", of variables whose attrs name no `normalise`
    scales: dict[str, Scale]  # of each continuous variable, over the whole training data
    minmax_scales: dict[str, tuple[Scale, Scale]]  # of each auto-normalised feature: mid-range, half-range

    @classmethod
    def fit(
        cls,
        ds: xr.Dataset,
        *,
        sample_len: int = 1,
        auto_normalise: bool = True,
        normalise: str = "minusone_one",
        minmax_scale: str = "auto",
    ) -> "Encoder":
        """Learn the ranges of `ds`; the arguments are those of `Config`. Raises SchemaError, ConfigError."""
        schema, length = validate(ds), lengths(ds)
        if sample_len > schema.time:
            raise ConfigError(f"sample_len={sample_len} is longer than the series ({schema.time} steps). Lower it.")
        scales, minmax_scales = {}, {}
        for variable in (*schema.features, *schema.attributes):
            if variable.kind == "continuous":
                activation = ACTIVATIONS[variable.attrs.get("normalise", normalise)]  # its own, or the setting's
                scales[variable.name] = Scale(*bounds(ds[variable.name], length), activation)
        for variable in schema.features if auto_normalise else ():
            if variable.kind == "continuous":
                log = minmax_scale == "log" or (minmax_scale == "auto" and variable.attrs.get("scale") == "log")
                minmax_scales[variable.name] = _minmax_scales(ds[variable.name], length, scales[variable.name], log)
        return cls(schema, sample_len, auto_normalise, ACTIVATIONS[normalise], scales, minmax_scales)

    @property
    def passes(self) -> int:
        """R, the LSTM passes a series takes."""
        return -(-self.schema.time // self.sample_len)

    @property
    def attribute_heads(self) -> list[Head]:
        return [self._head(variable) for variable in self.schema.attributes]

    @property
    def minmax_heads(self) -> list[Head]:
        return [
            Head(f"{name} {part}", 1, scale.activation)
            for name, pair in self.minmax_scales.items()
            for part, scale in zip(("mid-range", "half-range"), pair, strict=True)
        ]

    @property
    def feature_heads(self) -> list[Head]:
        return [*(self._head(variable) for variable in self.schema.features), FLAG]

    @property
    def narrow(self) -> int:
        """A + M, what the auxiliary discriminator reads."""
        return sum(head.width for head in (*self.attribute_heads, *self.minmax_heads))

    @property
    def inputs(self) -> int:
        """R * S * (F + 2) + A + M, what the discriminator reads of a sample."""
        return self.passes * self.sample_len * sum(head.width for head in self.feature_heads) + self.narrow

    def _head(self, variable: Variable) -> Head:
        if variable.kind == "categorical":
            return Head(variable.name, len(variable.categories), "softmax")
        return Head(variable.name, 1, self.scales[variable.name].activation)

    def encode(self, ds: xr.Dataset) -> Encoded:
        """Tensors of a dataset of this schema, all in one array (`rows`). Raises SchemaError where it is not."""
        return self._parts(self.rows(ds))

    def rows(self, ds: xr.Dataset) -> torch.Tensor:
        """`flat(*encode(ds))`, (N, inputs): a row a sample, as the discriminator reads them."""
        rows, filled = np.empty((ds.sizes["sample"], self.inputs), np.float32), 0
        for block in self.blocks(ds):
            rows[filled : filled + len(block)] = block
            filled += len(block)
        return torch.from_numpy(rows)

    def blocks(self, ds: xr.Dataset) -> Iterator[np.ndarray]:
        """The same some samples at a time, float32, for data that memory may not hold: dask reads chunk by chunk."""
        missing = [variable.name for variable in self.schema.features if variable.name not in ds]
        if missing or ds.sizes["time"] != self.schema.time:
            what = f"feature {missing[0]!r} is missing" if missing else f"the series have {ds.sizes['time']} steps"
            raise SchemaError(f"{what}; these data are not of the schema of {self.schema.time} steps trained on.")
        own = [v.name for v in (*self.schema.features, *self.schema.attributes) if v.name in ds]
        validate(ds[own + ["length"] * ("length" in ds)], training=False)
        length = lengths(ds)
        for some in blocks(ds[own]):
            read = ds[own].isel(sample=some).load()
            for part in self._slices(read.sizes["sample"]):
                yield self._block(read.isel(sample=part), length[some][part])

    def _slices(self, n: int) -> Iterator[slice]:
        """n samples in blocks of at most `BLOCK` numbers."""
        step = max(1, BLOCK // self.inputs)
        return (slice(start, start + step) for start in range(0, max(n, 1), step))

    def _block(self, ds: xr.Dataset, length: np.ndarray) -> np.ndarray:
        """The rows of a few samples."""
        rows = np.zeros((len(length), self.inputs), np.float32)
        attributes, minmax, features = (part.numpy() for part in self._parts(torch.from_numpy(rows)))  # views
        attributes[:] = self.encode_attributes(ds, within=False)
        features[..., -2:] = generation_flags(np.arange(features.shape[1]) < length[:, None], self.sample_len)

        # zero past a series' end, and where the last pass is padded
        valid = np.arange(self.schema.time) < length[:, None]  # (N, T)
        for variable, columns in _columns(self.schema.features, features[:, : self.schema.time]):
            raw = np.asarray(ds[variable.name].transpose("sample", "time").values)
            if variable.kind == "categorical":
                series = _one_hot(raw, variable, valid)  # (N, T, categories)
            elif variable.name in self.minmax_scales:
                series, pair = self._normalise_per_sample(variable.name, _numbers(raw, variable), valid)
                self._pair(minmax, variable.name)[:] = pair
            else:
                series = self.scales[variable.name].encode(_numbers(raw, variable))[..., None]
            np.copyto(columns, series, where=valid[..., None])
        return rows

    def _parts(self, rows: torch.Tensor) -> Encoded:
        """Views of rows (N, inputs)."""
        widths = [sum(head.width for head in heads) for heads in (self.attribute_heads, self.minmax_heads)]
        features, attributes, minmax = rows.split([self.inputs - self.narrow, *widths], 1)
        return Encoded(attributes, minmax, features.unflatten(1, (self.passes * self.sample_len, -1)))

    def _pair(self, minmax: np.ndarray, name: str) -> np.ndarray:
        """A feature's mid-range and half-range, (N, 2), a view of (N, M)."""
        first = 2 * list(self.minmax_scales).index(name)
        return minmax[:, first : first + 2]

    def encode_attributes(self, ds: xr.Dataset, *, within: bool = True) -> np.ndarray:
        """The attributes of `ds` alone, (N, A) float32: one-hot or scaled.

        Raises SchemaError for what no model can answer: an unknown category, and, with `within`, a number outside
        the range of the training data, or NaN.
        """
        encoded = np.empty((ds.sizes.get("sample", 0), sum(head.width for head in self.attribute_heads)), np.float32)
        for variable, columns in _columns(self.schema.attributes, encoded):
            if variable.name not in ds:
                raise SchemaError(f"attribute {variable.name!r} is missing; the model was trained with it. Add it.")
            if ds[variable.name].dims != ("sample",):
                raise SchemaError(
                    f"attribute {variable.name!r} has dims {ds[variable.name].dims}; its values belong on ('sample',)."
                )
            raw = np.asarray(ds[variable.name].values)
            if variable.kind == "categorical":
                columns[:] = _one_hot(raw, variable, np.ones(raw.shape, bool))
            else:
                scale, numbers = self.scales[variable.name], _numbers(raw, variable)
                if within:
                    _check_range(numbers, scale, variable)
                columns[:, 0] = scale.encode(numbers)
        return encoded

    def decode(self, attributes: Any, minmax: Any, features: Any, length: np.ndarray | None = None) -> xr.Dataset:
        """A Dataset of the schema from generated arrays.

        Parameters
        ----------
        attributes, minmax, features : Tensor, (N, A), (N, M), (N, R * S, F + 2)
            As the generator gives them; categories may be soft, the largest is taken.
        length : array of int, (N,), optional
            Valid steps; default all.

        Notes
        -----
        Mid-range and half-range are generated apart from each other, so that a series may leave the range of the
        training data (users of the original met this); continuous values are cut to that range.
        """
        parts = (
            self._decode(attributes[some], minmax[some], features[some], None if length is None else length[some])
            for some in self._slices(len(attributes))
        )
        return joined(parts, len(attributes))

    def _decode(self, attributes: Any, minmax: Any, features: Any, length: np.ndarray | None) -> xr.Dataset:
        values = self.decode_attributes(np.asarray(attributes))
        for variable, series in _columns(self.schema.features, np.asarray(features)[:, : self.schema.time]):
            if variable.name not in self.minmax_scales:
                values[variable.name] = self._decode_one(variable, series)
                continue

            # auto-normalisation undone: the series from its own range
            scale, (mid_scale, half_scale) = self.scales[variable.name], self.minmax_scales[variable.name]
            mid, half = np.split(self._pair(np.asarray(minmax, np.float64), variable.name), 2, 1)
            mid, half = mid_scale.decode(mid), half_scale.decode(half)
            if mid_scale.floor is not None:  # a share of the level
                half = half * (mid - scale.low + mid_scale.floor)
            unit = series[..., 0].astype(np.float64)
            unit = (unit + 1) / 2 if scale.activation == "tanh" else unit
            values[variable.name] = np.clip(unit * 2 * half + mid - half, scale.low, scale.high)
        return self.schema.dataset(values, length)

    def decode_attributes(self, attributes: np.ndarray) -> dict[str, np.ndarray]:
        """The attributes (N, A) alone, by name, in the schema's dtypes."""
        columns = _columns(self.schema.attributes, attributes)
        return {variable.name: cast(self._decode_one(variable, block), variable.dtype) for variable, block in columns}

    def _decode_one(self, variable: Variable, block: np.ndarray) -> np.ndarray:
        if variable.kind == "categorical":
            return np.asarray(variable.categories)[block.argmax(-1)]
        scale = self.scales[variable.name]
        return np.clip(scale.decode(block[..., 0].astype(np.float64)), scale.low, scale.high)

    def _normalise_per_sample(self, name: str, raw: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Auto-normalisation (paper, Section 4.2): (N, T, 1) in the activation's range; (N, 2) min/max attributes."""
        scale, (mid_scale, half_scale) = self.scales[name], self.minmax_scales[name]
        mid, half = _mid_half(np.where(valid, raw, np.nan), scale, mid_scale.floor)
        unit = (raw - (mid - half)[:, None]) / (2 * half)[:, None]
        series = unit * 2 - 1 if scale.activation == "tanh" else unit
        if mid_scale.floor is not None:
            half = half / (mid - scale.low + mid_scale.floor)
        return series[..., None], np.stack([mid_scale.encode(mid), half_scale.encode(half)], 1)

    def to_json(self) -> dict[str, Any]:
        """Plain values that `from_json` rebuilds the encoder from."""
        return {**json.loads(json.dumps(asdict(self))), "schema": self.schema.to_json()}

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> "Encoder":
        """The encoder that `to_json` made this of. Raises FileFormatError for anything else."""
        check_names(plain, [item.name for item in fields(cls)], "the encoder")
        encoder = made(cls, {**plain, "schema": Schema.from_json(plain["schema"])}, "the encoder")
        encoder._check_read()
        return encoder

    def _check_read(self) -> None:
        """FileFormatError unless all parts, which a file says, go with each other."""
        if not 1 <= self.sample_len <= self.schema.time:
            raise FileFormatError(f"the encoder has sample_len {self.sample_len}, for {self.schema.time} steps")
        if self.activation not in ACTIVATIONS.values():
            raise FileFormatError(f"the encoder has activation {self.activation!r:.40}, not 'tanh' or 'sigmoid'")

        # a scale for each number, two more for each series that is normalised by itself
        features, attributes = (
            [variable.name for variable in variables if variable.kind == "continuous"]
            for variables in (self.schema.features, self.schema.attributes)
        )
        wanted = set(features) | set(attributes), features if self.auto_normalise else []
        if (set(self.scales), list(self.minmax_scales)) != wanted:
            raise FileFormatError("the encoder's scales are not those of the schema's numbers")
        for name, scale in [*self.scales.items(), *((k, s) for k, pair in self.minmax_scales.items() for s in pair)]:
            floor = 1.0 if scale.floor is None else scale.floor
            top = 1e308 if scale.floor is None else math.log(1e308)  # a level on a log scale: nearly all of float64
            if not (
                scale.activation in ACTIVATIONS.values() and -1e308 <= scale.low <= scale.high <= top and floor > 0
            ):
                raise FileFormatError(f"the encoder's scale of {name!r} is no range of numbers: {scale!r:.150}")


def generation_flags(valid: np.ndarray, sample_len: int) -> np.ndarray:
    """The two flags the generator learns lengths from (original: add_gen_flag).

    Parameters
    ----------
    valid : array of bool, (N, R * S)
        True up to a series' end.

    Returns
    -------
    array, (N, R * S, 2)
        (1, 0) where the series goes on after this step; (0, 1) where it ends or has ended within this pass of S
        steps; (0, 0) after the last pass that was begun.
    """
    goes_on = np.concatenate([valid[:, 1:], np.zeros_like(valid[:, :1])], 1)
    begun = valid.reshape(len(valid), -1, sample_len).any(2).repeat(sample_len, 1)
    return np.stack([goes_on, ~goes_on & begun], 2).astype(np.float32)


def _columns(variables: Iterable[Variable], encoded: np.ndarray) -> Iterator[tuple[Variable, np.ndarray]]:
    """Each variable with its columns, a view: one for each category, or one."""
    first = 0
    for variable in variables:
        width = len(variable.categories) or 1
        yield variable, encoded[..., first : first + width]
        first += width


def _mid_half(series: np.ndarray, scale: Scale, floor: float | None) -> tuple[np.ndarray, np.ndarray]:
    """(max + min) / 2 and (max - min) / 2 of each series, the range widened by EPS."""
    top, bottom = np.nanmax(series, 1), np.nanmin(series, 1)
    if floor is None:  # as the original: EPS of the globally scaled range
        span = (scale.high - scale.low) or 1.0
        widen = EPS * span / (2 if scale.activation == "tanh" else 1)
    else:  # that would flatten series many decades below the largest: EPS of the series' own range
        widen = EPS * np.maximum((top - bottom) / 2, EPS * floor)
    return (top + bottom) / 2, (top - bottom) / 2 + widen


def _minmax_scales(da: xr.DataArray, length: np.ndarray, scale: Scale, log: bool) -> tuple[Scale, Scale]:
    span = (scale.high - scale.low) or 1.0
    if not log:  # as the original: mid-range like the feature, half-range always on 0 to 1
        return scale, Scale(0.0, span / 2 if scale.activation == "tanh" else span, "sigmoid")
    if scale.low < 0:
        raise ConfigError(
            f"feature {da.name!r} has negative values, so its level cannot be on a log scale. "
            "Use minmax_scale='linear', or delete its attrs['scale']."
        )
    floor = 1e-6 * span
    if {"valid_min", "valid_max"} <= set(da.attrs):  # public bounds: nothing of the data itself
        level = np.log(np.array([scale.low, scale.high]) + floor)
    else:  # and the half-range as a share of the level: no series reaches below scale.low
        level = np.concatenate([np.log(_mid_half(series, scale, floor)[0] + floor) for series in _series(da, length)])
    return Scale(float(level.min()), float(level.max()), scale.activation, floor), Scale(0.0, 1.0, "sigmoid")


def _series(da: xr.DataArray, length: np.ndarray) -> Iterator[np.ndarray]:
    """Some series at a time, float64, NaN past their ends."""
    for some in blocks(da):
        values = np.asarray(da.isel(sample=some).transpose("sample", "time").values, np.float64)
        yield np.where(np.arange(values.shape[1]) < length[some, None], values, np.nan)


def _numbers(raw: np.ndarray, variable: Variable) -> np.ndarray:
    """As float64; SchemaError where they are no numbers."""
    if raw.dtype.kind not in "fiub":
        name = variable.name
        raise SchemaError(
            f"{variable.role} {name!r} has dtype {raw.dtype}; the model was trained on numbers. "
            f"Mend: ds[{name!r}] = ds[{name!r}].astype(float)"
        )
    return raw.astype(np.float64)


def _check_range(numbers: np.ndarray, scale: Scale, variable: Variable) -> None:
    """SchemaError for an attribute that is, rounding aside, not within its scale."""
    slack = 1e-6 * (scale.high - scale.low)
    inside = (numbers >= scale.low - slack) & (numbers <= scale.high + slack)
    if not inside.all():
        i = int(inside.argmin())
        raise SchemaError(
            f"attribute {variable.name!r} is {numbers[i]:.10g} at sample {i} ({(~inside).sum()} such values), not in "
            f"the range {scale.low:.10g} to {scale.high:.10g} that the model was trained on. Leave these samples out, "
            "or train on data that hold such values."
        )


def _one_hot(raw: np.ndarray, variable: Variable, valid: np.ndarray) -> np.ndarray:
    """(..., categories); SchemaError for a value that is no category where `valid`."""
    table = raw[..., None] == np.asarray(variable.categories)
    unknown = valid & ~table.any(-1)
    if unknown.any():
        raise SchemaError(
            f"{variable.role} {variable.name!r} has the value {raw[unknown][0]!r}, which is none of the categories "
            f"the model knows: {', '.join(map(repr, variable.categories))}."
        )
    return table
