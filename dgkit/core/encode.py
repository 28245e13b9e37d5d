"""Dataset <-> tensors: one-hot categories, scaling, auto-normalisation and generation flags.

Follows `gan/util.py` of the original code (normalize_per_sample, add_gen_flag, renormalize_per_sample) and
Section 4 of Lin et al. 2020. Differences, each for a reason:
- T need not be a multiple of sample_len: the last pass is padded, and the padding counts as past the end;
- those of `scales` (auto-normalisation).

Letters for shapes: N samples, T steps, S steps a pass (sample_len), R passes (R * S >= T), A attribute width,
M min/max width (two for each continuous feature), F feature width (one-hot widths included, flags not).
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
import xarray as xr

from dgkit import _bounds
from dgkit.core import alike, zeros
from dgkit.core.heads import FLAG, Head, widths
from dgkit.core.scales import ACTIVATIONS, Scale, counted, minmax_scales, relative
from dgkit.core.series import decoded, encoded, range_heads
from dgkit.errors import ConfigError
from dgkit.schema import Schema, Variable, blocks, bounds, cast, joined, lengths, validate

BLOCK = 2**22  # numbers encoded or decoded together, at most: 16 MB of float32


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

        # the range of each continuous variable over all samples
        scales, pairs, read = {}, {}, {v.name: ds[v.name] for v in (*schema.features, *schema.attributes)}
        for variable in (v for v in schema.features if _bounds.named(v.attrs)):
            read[variable.name] = relative(ds[variable.name], _bounds.of(variable, schema.attributes, ds))
        for variable in (*schema.features, *schema.attributes):
            if variable.kind == "continuous":
                activation = ACTIVATIONS[variable.attrs.get("normalise", normalise)]  # its own, or the setting's
                scales[variable.name] = Scale(*bounds(read[variable.name], length), activation)

        # and, where each series is scaled by its own, the ranges of those
        for name in (v.name for v in schema.features if auto_normalise and v.kind == "continuous"):
            log = minmax_scale == "log" or (minmax_scale == "auto" and ds[name].attrs.get("scale") == "log")
            pairs[name] = minmax_scales(read[name], length, scales[name], log=log)
        return cls(schema, sample_len, auto_normalise, ACTIVATIONS[normalise], scales, pairs)

    @property
    def passes(self) -> int:
        """R, the LSTM passes a series takes."""
        return -(-self.schema.time // self.sample_len)

    @property
    def attribute_heads(self) -> list[Head]:
        return [self._head(variable) for variable in self.schema.attributes]

    @property
    def minmax_heads(self) -> list[Head]:
        return [head for heads in self._ranges.values() for head in heads]

    @property
    def feature_heads(self) -> list[Head]:
        heads = ([self._head(v), *zeros.step_heads(v)] for v in self.schema.features)
        return [*(head for own in heads for head in own), FLAG]

    @property
    def narrow(self) -> int:
        """A + M, what the auxiliary discriminator reads."""
        return widths([*self.attribute_heads, *self.minmax_heads])

    @property
    def inputs(self) -> int:
        """R * S * (F + 2) + A + M, what the discriminator reads of a sample."""
        return self.passes * self.sample_len * widths(self.feature_heads) + self.narrow

    @property
    def _ranges(self) -> dict[str, list[Head]]:
        """What the series of each feature have of their own."""
        features = (v for v in self.schema.features if v.name in self.minmax_scales)
        return {v.name: range_heads(v, self.minmax_scales[v.name]) for v in features}

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
        own, length = alike.series_of(self.schema, ds), lengths(ds)
        for chunk in blocks(own):
            read = own.isel(sample=chunk).load()
            for some in self._slices(read.sizes["sample"]):
                yield self._block(read.isel(sample=some), length[chunk][some])

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
        own: dict[str, np.ndarray | None] = {}
        for variable, columns in _columns(self.schema.features, features[:, : self.schema.time]):
            raw = np.asarray(ds[variable.name].transpose("sample", "time").values)
            if variable.kind == "categorical":
                series = alike.one_hot(raw, variable, valid)  # (N, T, categories)
            else:
                numbers = alike.numbers(raw, variable)
                if _bounds.named(variable.attrs):
                    numbers = numbers / _bounds.of(variable, self.schema.attributes, ds)[:, None]
                scale, pair = self.scales[variable.name], self.minmax_scales.get(variable.name)
                series, own[variable.name] = encoded(variable, numbers, valid, scale, pair)
            np.copyto(columns, series, where=valid[..., None])
        for name, columns in self._own(minmax).items():
            columns[:] = own[name]
        return rows

    def _parts(self, rows: torch.Tensor) -> Encoded:
        """Views of rows (N, inputs)."""
        a, m = widths(self.attribute_heads), widths(self.minmax_heads)
        features, attributes, minmax = rows.split([self.inputs - a - m, a, m], 1)
        return Encoded(attributes, minmax, features.unflatten(1, (self.passes * self.sample_len, -1)))

    def _own(self, minmax: np.ndarray) -> dict[str, np.ndarray]:
        """What the series of each feature have of their own, views of (N, M)."""
        ends = np.cumsum([widths(heads) for heads in self._ranges.values()])
        return dict(zip(self._ranges, np.split(minmax, ends[:-1], 1), strict=True)) if len(ends) else {}

    def encode_attributes(self, ds: xr.Dataset, *, within: bool = True) -> np.ndarray:
        """The attributes of `ds` alone, (N, A) float32: one-hot or scaled.

        Raises SchemaError for what no model can answer: an unknown category, and, with `within`, a number outside
        the range of the training data, or NaN.
        """
        encoded = np.empty((ds.sizes.get("sample", 0), widths(self.attribute_heads)), np.float32)
        for variable, columns in _columns(self.schema.attributes, encoded):
            raw = alike.attribute_of(variable, ds)
            if variable.kind == "categorical":
                columns[:] = alike.one_hot(raw, variable)
                continue
            scale, numbers = self.scales[variable.name], alike.numbers(raw, variable)
            if within:
                alike.check_range(numbers, scale, variable)
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
        values, own = self.decode_attributes(np.asarray(attributes)), self._own(np.asarray(minmax))
        for variable, series in _columns(self.schema.features, np.asarray(features)[:, : self.schema.time]):
            name, attrs, bound = variable.name, variable.attrs, None
            if variable.kind == "categorical":
                values[name] = self._decode_one(variable, series)
                continue
            if _bounds.named(attrs):
                bound = _bounds.of(variable, self.schema.attributes, values)
            scale, pair = self.scales[name], self.minmax_scales.get(name)
            values[name] = decoded(variable, series, own.get(name), scale, pair, length, bound)
        return self.schema.dataset(values, length)

    def decode_attributes(self, attributes: np.ndarray) -> dict[str, np.ndarray]:
        """The attributes (N, A) alone, by name, in the schema's dtypes."""
        columns = _columns(self.schema.attributes, attributes)
        return {variable.name: cast(self._decode_one(variable, block), variable.dtype) for variable, block in columns}

    def _decode_one(self, variable: Variable, block: np.ndarray) -> np.ndarray:
        if variable.kind == "categorical":
            return np.asarray(variable.categories)[block.argmax(-1)]
        scale = self.scales[variable.name]
        values = scale.ranged(block[..., 0])
        return counted(values, scale) if variable.attrs.get("counts") else values

    def to_json(self) -> dict[str, Any]:
        """Plain values that `loading.encoder_of` makes the encoder of again."""
        return {**json.loads(json.dumps(asdict(self))), "schema": self.schema.to_json()}


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
        width = (len(variable.categories) or 1) + widths(zeros.step_heads(variable))
        yield variable, encoded[..., first : first + width]
        first += width
