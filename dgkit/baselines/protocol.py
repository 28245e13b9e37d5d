"""What all baselines share: the data as tensors, the training loop, and the trained model with its file.

A baseline's own file holds two things:

- `Network(encoder, samples, **options)`, a torch module that holds everything learned, and whose
  `generate(n, rng)` makes n encoded samples; with `takes_attributes = True`, `generate(n, rng, given)` makes them for
  given attributes too;
- `train(network, data, steps, rng)`, an iterator that does one training step at a time and yields its losses.

Attributes here include the two min/max attributes of each feature where `auto_normalise` is on. It is off by default:
auto-normalisation is an idea of DoppelGANger's, and the switch shows how much of the difference it makes.

Letters for shapes: N samples, T steps, A attribute width (min/max included), F feature width with the two flags.
"""

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from os import PathLike
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from dgkit import _checks, _files
from dgkit._checks import whole
from dgkit._seeding import seeded
from dgkit.core import optimise
from dgkit.core.encode import Encoder
from dgkit.core.given import as_given, asked_of
from dgkit.core.heads import Head, widths
from dgkit.core.history import dataset_of
from dgkit.core.networks import until_end
from dgkit.core.optimise import Adam, glorot
from dgkit.errors import ConfigError, DivergenceError

BLOCK = 1000  # samples that a network makes at a time


class Data(NamedTuple):
    """The training data, encoded; float32 but for the lengths."""

    attributes: Tensor  # (N, A)
    features: Tensor  # (N, T, F), zero past the end; the last two are the generation flags
    lengths: Tensor  # (N,), int64, at least 1


class Made(NamedTuple):
    """What a network generates. Categories may be soft: the largest is taken."""

    attributes: Tensor  # (N, A)
    features: Tensor  # (N, T, F); what lies past the end does not matter
    lengths: Tensor  # (N,), valid steps


class Network(Protocol):
    """What a baseline's network offers beside being a torch module; what `takes_attributes` has more in `generate`."""

    def generate(self, n: int, rng: torch.Generator) -> Made:
        """n samples; everything random is drawn from `rng`. Of what is as large as the features it holds no other."""


@dataclass(frozen=True)
class Baseline:
    """A trained baseline.

    Parameters
    ----------
    name : str
        One of `dgkit.baselines.names()`.
    encoder : Encoder
    network : Module
        With everything learned.
    options : dict
        The network's own, by which it is built again.
    history : Dataset, dims (step,)
        Losses of the training, by the names the model's file explains.

    Examples
    --------
    >>> from dgkit.baselines import fit
    >>> from dgkit.simulate import web
    >>> model = fit("ar", web(30), steps=2)
    >>> model.name, model.sample(3, seed=1).views.shape
    ('ar', (3, 168))
    """

    name: str
    encoder: Encoder
    network: nn.Module
    options: dict[str, Any] = field(default_factory=dict)
    history: xr.Dataset = field(default_factory=xr.Dataset)

    @torch.no_grad()
    def sample(
        self, n: int | None = None, seed: int = 0, *, attributes: xr.Dataset | Mapping[str, Any] | None = None
    ) -> xr.Dataset:
        """Generate series.

        Parameters
        ----------
        n : int
            How many; may be left out where `attributes` has rows.
        seed : int
            Of everything random: the same n, seed and attributes give the same samples.
        attributes : Dataset or mapping, optional
            Generate for these, as `DoppelGANger.sample` does. Of the surrogate and flow matching.

        Returns
        -------
        Dataset
            Of the training data's schema.

        Raises
        ------
        ConfigError
            n is missing, below 1, or not the number of rows of `attributes`; this model cannot be given attributes.
        SchemaError
            `attributes` lacks an attribute, or has a category the model never saw or a number outside its range.
        """
        schema, width = self.encoder.schema, widths(self.encoder.attribute_heads)
        asked, given = None, {}
        if attributes is not None:
            if not getattr(self.network, "takes_attributes", False):
                raise ConfigError(
                    f"{self.name} cannot be given attributes. Leave them out and select from what it generates, or use "
                    "'surrogate', 'flow_matching' or a DoppelGANger."
                )
            asked, rows = asked_of(schema, attributes, n)
            n, given = rows.sizes["sample"], {"given": torch.from_numpy(self.encoder.encode_attributes(rows))}
        n, rng = _checks.many(n, schema.time, len(schema.features)), torch.Generator().manual_seed(_checks.seed(seed))
        made = self.network.generate(n, rng, **given)  # type: ignore[operator]
        length = made.lengths.numpy().astype(np.int64) if schema.variable_length else None
        ds = self.encoder.decode(made.attributes[:, :width], made.attributes[:, width:], made.features, length)
        return as_given(ds, asked)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the model to one file (safetensors), which `dgkit.baselines.load` reads."""
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        tensors |= {f"history.{name}": torch.tensor(values.values) for name, values in self.history.items()}
        options = {k: v.item() if isinstance(v, np.generic) else v for k, v in self.options.items()}
        plain = {"name": self.name, "encoder": self.encoder.to_json(), "options": options}
        _files.write(path, "baseline", tensors, plain)


class Training:
    """A training on its way: an iterator of the losses of each step, as `dgkit.Trainer` is for DoppelGANger.

    Parameters
    ----------
    name : str
    module : module
        The baseline's own, with `Network` and `train`.
    ds : Dataset
        As `dgkit.schema` describes.
    seed : int
        Of weights, batches and noise.
    steps : int
    auto_normalise : bool
    options : dict
        The network's own.

    Raises
    ------
    SchemaError, ConfigError
        At construction; DivergenceError where a loss becomes NaN or infinite.

    Examples
    --------
    >>> from dgkit.baselines import training
    >>> from dgkit.simulate import web
    >>> run = training("ar", web(30), steps=3)  # makes a Training
    >>> losses = next(run)
    >>> run.step, run.model.history.sizes["step"]
    (1, 1)
    """

    def __init__(
        self,
        name: str,
        module: Any,
        ds: xr.Dataset,
        *,
        seed: int,
        steps: int,
        auto_normalise: bool,
        options: dict[str, Any],
    ):
        whole("steps", steps)
        seed = _checks.seed(seed)
        self.name, self.steps, self.step = name, int(steps), 0
        self.encoder = Encoder.fit(ds, sample_len=1, auto_normalise=auto_normalise)
        encoded = self.encoder.encode(ds)
        attributes = torch.cat([encoded.attributes, encoded.minmax], 1)
        self.data = Data(attributes, encoded.features, ends(encoded.features))
        self.options = {"samples": len(attributes), **options}
        rng = torch.Generator().manual_seed(seed)
        with seeded(seed):
            self.network = module.Network(self.encoder, **self.options)
        self._losses: list[dict[str, float]] = []
        self._run = module.train(self.network, self.data, self.steps, rng)

    def __iter__(self) -> Iterator[dict[str, float]]:
        return self

    @torch.enable_grad()
    def __next__(self) -> dict[str, float]:
        if self.step == self.steps:
            raise StopIteration
        losses: dict[str, float] = next(self._run)
        self.step += 1
        self._losses.append(losses)
        wrong = [name for name, loss in losses.items() if not math.isfinite(loss)]
        if wrong:
            raise DivergenceError(
                f"{self.name} diverged at step {self.step}: its {wrong[0]} is {losses[wrong[0]]:g}. Try another seed.",
                self.step,
            )
        return losses

    @property
    def model(self) -> Baseline:
        """The model as it is now; sampling from it does not disturb the training. ConfigError before the first step."""
        if self.step == 0:
            raise ConfigError(f"{self.name} has learned nothing yet, not even from the data's rows: take a step first.")
        network = copy.deepcopy(self.network).eval().requires_grad_(False)
        return Baseline(self.name, self.encoder, network, self.options, dataset_of(self._losses))


# --- parts -----------------------------------------------------------------------------------------------------------


def heads(encoder: Encoder) -> tuple[list[Head], list[Head]]:
    """Of the attributes (min/max included), and of a step's features (flags included)."""
    return encoder.attribute_heads + encoder.minmax_heads, encoder.feature_heads


def events(some: list[Head]) -> list[int]:
    """Where the events of `zeros` begin in a record; the value of each is the column before it."""
    starts = accumulate((head.width for head in some), initial=0)
    return [start for start, head in zip(starts, some, strict=False) if head.gates]


def ends(features: Tensor) -> Tensor:
    """Lengths by the generation flags, (N, T, F) -> (N,): steps up to and including the first that says "ends here"."""
    return until_end(features).sum(1).long()


def valid(lengths: Tensor, steps: int) -> Tensor:
    """1.0 up to each series' end, (N,) -> (N, T)."""
    return (torch.arange(steps) < lengths[:, None]).float()


def drawn(values: Tensor, some: list[Head], rng: torch.Generator) -> Tensor:
    """Categories drawn by their probabilities, (N, width) -> (N, width) with one-hot categories; the rest as it is."""
    parts = [
        torch.zeros_like(part).scatter_(1, torch.multinomial(part, 1, generator=rng), head.weight)
        if head.activation == "softmax"
        else part
        for head, part in zip(some, values.split([head.width for head in some], 1), strict=True)
    ]
    return torch.cat(parts, 1)


def blocks(n: int) -> list[slice]:
    """n samples, some at a time."""
    return [slice(start, min(start + BLOCK, n)) for start in range(0, n, BLOCK)]


def by_blocks(make: Callable[[slice], Tensor], n: int) -> Tensor:
    """What `make` gives for n samples, some at a time, in one tensor made once: memory for its working is bounded."""
    whole = torch.empty(0)
    for some in blocks(n):
        part = make(some)
        whole = whole if some.start else part.new_empty(n, *part.shape[1:])
        whole[some] = part
    return whole


def batches(data: Data, size: int, rng: torch.Generator) -> Iterator[Data]:
    """Random batches without end, drawn with replacement, as the original draws them."""
    while True:
        rows = torch.randint(len(data.attributes), (size,), generator=rng)
        yield Data(*(part[rows] for part in data))


def descend(optimiser: Adam, loss: Tensor) -> float:
    """One step down the gradient of `loss` for the optimiser's parameters and no others; the loss."""
    optimise.descend(optimiser, loss)
    return loss.item()


def mlp(inputs: int, outputs: int, *, units: int = 200, hidden: int = 4) -> nn.Sequential:
    """`hidden` layers of ReLU and a linear one, started as TensorFlow does: Glorot-uniform weights, zero biases."""
    sizes = [inputs, *[units] * hidden]
    layers: list[nn.Module] = []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return glorot(nn.Sequential(*layers, nn.Linear(sizes[-1], outputs)))


class Empirical(nn.Module):
    """The training data's attributes, min/max included: rows are drawn from them as they are, with replacement.

    The joint distribution is the data's own, whatever the series do: what the paper gives the models that cannot
    generate attributes. Whatever is drawn so is a copy of a training sample's attributes (of numbers, in float32).
    """

    rows: Tensor

    def __init__(self, samples: int, width: int):
        super().__init__()
        self.register_buffer("rows", torch.zeros(samples, width))

    def fit(self, attributes: Tensor) -> None:
        self.rows.copy_(attributes)

    def forward(self, n: int, rng: torch.Generator) -> Tensor:  # (n, A)
        return self.rows[torch.randint(len(self.rows), (n,), generator=rng)]
