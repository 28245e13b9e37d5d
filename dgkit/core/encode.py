"""Dataset <-> tensors: one-hot categories, scaling, auto-normalisation and generation flags.

Follows `gan/util.py` of the original code (normalize_per_sample, add_gen_flag, renormalize_per_sample) and
Section 4 of Lin et al. 2020. Differences, each for a reason:
- T need not be a multiple of sample_len: the last pass is padded, and the padding counts as past the end;
- those of `scales` (auto-normalisation).

Letters for shapes: N samples, T steps, S steps a pass (sample_len), R passes (R * S >= T), A attribute width,
M min/max width (two for each continuous feature), F feature width (one-hot widths included, flags not).
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
import xarray as xr

from dgkit import _bounds
from dgkit.core import alike
from dgkit.core.columns import Columns, generation_flags, split
from dgkit.core.heads import FLAG, Head, widths
from dgkit.core.scales import ACTIVATIONS, Scale, relative
from dgkit.errors import ConfigError
from dgkit.schema import Schema, blocks, cast, joined, lengths, slices, validate

SETTINGS = ("sample_len", "auto_normalise", "normalise", "minmax_scale")  # of `Config`, that `Encoder.fit` takes
BLOCK = 2**20  # numbers encoded or decoded together, at most: 4 MB of float32


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

        # the range of each number, in shares of its bound where it has one
        learned = []
        for variable in (*schema.features, *schema.attributes):
            values = relative(ds[variable.name], _bounds.of(variable, schema.attributes, ds))
            learned.append(Columns.fit(variable, values, length, auto_normalise, normalise, minmax_scale))
        scales = {found.variable.name: found.scale for found in learned if found.scale}
        pairs = {found.variable.name: found.pair for found in learned if found.pair}
        return cls(schema, sample_len, auto_normalise, ACTIVATIONS[normalise], scales, pairs)

    @property
    def passes(self) -> int:
        """R, the LSTM passes a series takes."""
        return -(-self.schema.time // self.sample_len)

    @property
    def attribute_heads(self) -> list[Head]:
        return [head for attribute in self._attributes for head in attribute.heads]

    @property
    def minmax_heads(self) -> list[Head]:
        return [head for feature in self._features for head in feature.own_heads]

    @property
    def feature_heads(self) -> list[Head]:
        return [*(head for feature in self._features for head in feature.heads), FLAG]

    @property
    def narrow(self) -> int:
        """A + M, what the auxiliary discriminator reads."""
        return widths([*self.attribute_heads, *self.minmax_heads])

    @property
    def inputs(self) -> int:
        """R * S * (F + 2) + A + M, what the discriminator reads of a sample."""
        return self.passes * self.sample_len * widths(self.feature_heads) + self.narrow

    @property
    def _attributes(self) -> list[Columns]:
        return [Columns(v, self.scales.get(v.name)) for v in self.schema.attributes]

    @property
    def _features(self) -> list[Columns]:
        return [Columns(v, self.scales.get(v.name), self.minmax_scales.get(v.name)) for v in self.schema.features]

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
            for some in slices(read.sizes["sample"], BLOCK // self.inputs):
                yield self._block(read.isel(sample=some), length[chunk][some])

    def _block(self, ds: xr.Dataset, length: np.ndarray) -> np.ndarray:
        """The rows of a few samples."""
        rows = np.zeros((len(length), self.inputs), np.float32)
        attributes, minmax, features = (part.numpy() for part in self._parts(torch.from_numpy(rows)))  # views
        attributes[:] = self.encode_attributes(ds, within=False)
        features[..., -2:] = generation_flags(np.arange(features.shape[1]) < length[:, None], self.sample_len)

        # zero past a series' end, and where the last pass is padded
        valid = np.arange(self.schema.time) < length[:, None]  # (N, T)
        for feature, steps, own in self._series(minmax, features):
            raw = np.asarray(ds[feature.variable.name].transpose("sample", "time").values)
            bound = _bounds.of(feature.variable, self.schema.attributes, ds)
            encoded, own[:] = feature.encode(raw, valid, bound)
            np.copyto(steps, encoded, where=valid[..., None])
        return rows

    def _parts(self, rows: torch.Tensor) -> Encoded:
        """Views of rows (N, inputs)."""
        a, m = widths(self.attribute_heads), widths(self.minmax_heads)
        features, attributes, minmax = rows.split([self.inputs - a - m, a, m], 1)
        return Encoded(attributes, minmax, features.unflatten(1, (self.passes * self.sample_len, -1)))

    def _series(self, minmax: np.ndarray, features: np.ndarray) -> Iterator[tuple[Columns, np.ndarray, np.ndarray]]:
        """Each feature with its own steps (N, T, ...) and what its series have once (N, ...), views."""
        steps = split(features[:, : self.schema.time], (feature.heads for feature in self._features))
        own = split(minmax, (feature.own_heads for feature in self._features))
        return zip(self._features, steps, own, strict=True)

    def encode_attributes(self, ds: xr.Dataset, *, within: bool = True) -> np.ndarray:
        """The attributes of `ds` alone, (N, A) float32: one-hot or scaled.

        Raises SchemaError for what no model can answer: an unknown category, and, with `within`, a number outside
        the range of the training data, or NaN.
        """
        encoded = np.empty((ds.sizes.get("sample", 0), widths(self.attribute_heads)), np.float32)
        parts = split(encoded, (attribute.heads for attribute in self._attributes))
        for attribute, part in zip(self._attributes, parts, strict=True):
            raw = alike.attribute_of(attribute.variable, ds)
            if within and attribute.scale is not None:
                alike.check_range(raw, attribute.scale, attribute.variable)
            part[:], _ = attribute.encode(raw)
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
        attributes, minmax, features = (np.asarray(part) for part in (attributes, minmax, features))

        def decoded(some: slice) -> xr.Dataset:
            values = self.decode_attributes(attributes[some])
            ends = None if length is None else length[some]
            for feature, steps, own in self._series(minmax[some], features[some]):
                bound = _bounds.of(feature.variable, self.schema.attributes, values)
                values[feature.variable.name] = feature.decode(steps, own, bound, ends)
            return self.schema.dataset(values, ends)

        # some at a time, so that memory stays near the result's
        return joined(map(decoded, slices(len(attributes), BLOCK // self.inputs)), len(attributes))

    def decode_attributes(self, attributes: np.ndarray) -> dict[str, np.ndarray]:
        """The attributes (N, A) alone, by name, in the schema's dtypes."""
        parts = zip(self._attributes, split(attributes, (one.heads for one in self._attributes)), strict=True)
        return {one.variable.name: cast(one.decode(part), one.variable.dtype) for one, part in parts}

    def to_json(self) -> dict[str, Any]:
        """Plain values that `loading.encoder_of` makes the encoder of again."""
        return {**json.loads(json.dumps(asdict(self))), "schema": self.schema.to_json()}
