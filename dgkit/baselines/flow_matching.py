"""Flow matching: a network learns which way to go from noise to the data; to sample, one goes there.

Lipman et al. 2023, "Flow matching for generative modeling", and Liu et al. 2023, "Flow straight and fast", in the one
form that both have. Between noise x_0 and a training sample x_1 lies a straight line, which is gone at one speed:

    x_t = (1 - t) x_0 + t x_1,  0 <= t <= 1;    loss = |v(x_t, t, condition) - (x_1 - x_0)|^2

There is nothing else to it: no second network, and a loss that falls. Many lines go through a point; what the network
learns there is their mean, and who follows it, dx/dt = v(x, t, condition), comes from noise to the distribution of the
data. The condition is a sample's attributes and length, drawn as they occur together (`shapes.Joint`), or given. Ours
are:

- there are two flows, as DoppelGANger has two generators: of a sample's numbers (level, spread, and how high and low
  each series goes: `shapes.Shapes`), and of its shapes, given these too. One-hot categories are columns of the shapes;
  the largest is taken in the end. Nothing past a series' end counts, in the loss or on the way;
- shapes become innovations first (`Innovations`): what a step has that a linear forecast from all steps before does not
  tell. Then x_0 and x_1 have the same covariance, and were the data Gaussian, (2 t - 1) / ((1 - t)^2 + t^2) x would be
  all of v. The network adds to that, and begins with zero: an untrained one makes Gaussian series of the right spectrum
  (a surrogate, nearly), and what it learns goes into what no spectrum tells;
- v is an MLP over the whole series, `BLOCKS` residual blocks of `units` (a third of it for the numbers); time comes as
  waves;
- Adam, its rate falling to 2 % along half a cosine; sampled with a moving average of the weights (decay 0.99, a plain
  mean at first), by `HEUN` steps of Heun's method. A training step is a batch of 256 series.

Left out: the guidance, distillation and latent codes of the image models, and a network that knows steps from each
other: at more than some thousand numbers a sample, one of attention or convolution would be the choice.

Letters for shapes: N samples in the batch, T steps, A attribute width, F feature width without the two flags, P numbers
of a sample, D the width of x (P, or T F), C that of the condition, H units.
"""

import copy
import math
from collections import deque
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from dgkit._checks import whole
from dgkit.baselines.protocol import Data, Made, descend, valid
from dgkit.baselines.shapes import Joint, Shapes
from dgkit.core.averages import average_into, average_share
from dgkit.core.encode import Encoder
from dgkit.core.optimise import Adam
from dgkit.schema import slices

STEPS = {"smoke": 20, "live": 600, "full": 5000}
UNITS, BLOCKS, WAVES = 384, 3, 16
BATCH, RATE, LAST, DECAY = 256, 1e-3, 0.02, 0.99
HEUN = 12
AT_ONCE = 250  # samples on their way together
WIDEST, RIDGE = 2048, 1e-2  # numbers whose covariance is taken together; what is added to each one's variance


class Network(nn.Module):
    """Two flows, as DoppelGANger has two generators: of a sample's numbers, and of its series given these."""

    takes_attributes = True

    def __init__(self, encoder: Encoder, samples: int, units: int = UNITS):
        super().__init__()
        whole("units", units)
        self.joint, self.scales, self.time = Joint(encoder, samples), Shapes(encoder), encoder.passes
        count, given = self.scales.count, self.joint.rows.shape[1] + 2
        self.innovations = Innovations(self.time * self.scales.width)
        self.numbers = Velocity(count, given, -(-units // 3)) if count else None
        self.series = Velocity(self.time * self.scales.width, given + count, units)

    def condition(self, attributes: Tensor, lengths: Tensor) -> Tensor:  # (N, A), (N,) -> (N, A + 2)
        share = lengths[:, None] / self.time
        return torch.cat([attributes, share, share.log()], 1)

    def counted(self, lengths: Tensor) -> Tensor:
        """1.0 for what there is of a series, 0.0 past its end, (N,) -> (N, T F)."""
        return valid(lengths, self.time).repeat_interleave(self.scales.width, 1)

    def generate(self, n: int, rng: torch.Generator, given: Tensor | None = None) -> Made:
        attributes, lengths, numbers, features = self.draw(n, rng, given)
        for some in slices(n, AT_ONCE):
            x, numbers[some] = _end(self.way(attributes[some], lengths[some], numbers[some], features[some]))
            features[some] = self.decode(x, numbers[some], lengths[some])
        return Made(torch.cat([attributes, self.scales.minmax(numbers)], 1), features, lengths)

    def draw(self, n: int, rng: torch.Generator, given: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Attributes (N, A) and lengths (N,); noise for the numbers (N, P) and, in their place, features (N, T, F)."""
        attributes, source = self.joint.draw(n, rng, given)
        numbers = torch.randn((n, self.scales.count), generator=rng)
        features = torch.zeros(n, self.time, len(self.scales.kept) + 2)
        features[..., : self.scales.width].normal_(generator=rng)
        return attributes, self.joint.lengths[source], numbers, features

    def way(
        self, attributes: Tensor, lengths: Tensor, numbers: Tensor, features: Tensor
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """From what `draw` gives: x_t (N, T F) of the series at each step, and the numbers, which come first."""
        condition = self.condition(attributes, lengths)
        if self.numbers is not None:
            numbers = _end(path(self.numbers, numbers, condition))
        noise = features[..., : self.scales.width].flatten(1) * self.counted(lengths)
        for x in path(self.series, noise, torch.cat([condition, numbers], 1)):
            yield x, numbers

    def decode(self, x: Tensor, numbers: Tensor, lengths: Tensor) -> Tensor:
        """The features (N, T, F) that x_t would be."""
        shapes = self.innovations.decode(x).unflatten(1, (self.time, self.scales.width))
        return self.scales.decode(shapes, numbers, lengths)


def path(velocity: nn.Module, x: Tensor, condition: Tensor) -> Iterator[Tensor]:
    """x (N, D) at each step of the way from noise to a sample."""
    counted, step = (x != 0).float(), 1 / HEUN  # what is exactly zero, past an end, stays so
    yield x
    for k in range(HEUN):
        t = torch.full((len(x), 1), k * step)
        here = velocity(x, t, condition) * counted
        there = velocity(x + step * here, t + step, condition) * counted
        x = x + step * (here + there) / 2
        yield x


def _end(steps: Iterator[Any]) -> Any:
    """Where a way ends, without all its steps at once in memory."""
    return deque(steps, maxlen=1).pop()


def train(network: Network, data: Data, steps: int, rng: torch.Generator) -> Iterator[dict[str, float]]:
    """Mean squared error of either velocity; pi / 2 is what a Gaussian of unit variance leaves, and the start."""
    network.joint.fit(data)
    shapes, numbers = network.scales.fit(data, rng)
    counted = network.counted(data.lengths)
    network.innovations.fit(shapes.flatten(1), counted)
    series = network.innovations.encode(shapes.flatten(1), counted)
    condition = network.condition(network.joint.rows, data.lengths)  # of numbers; of series, these besides
    both = torch.cat([condition, numbers], 1)

    learner = copy.deepcopy(network)  # `network` holds a moving average of its weights
    optimiser = Adam(learner, rate=RATE)
    for n in range(steps):
        rows = torch.randint(len(series), (BATCH,), generator=rng)
        losses = {"loss": error(learner.series, series[rows], network.counted(data.lengths[rows]), both[rows], rng)}
        if learner.numbers is not None:
            losses["numbers_loss"] = error(learner.numbers, numbers[rows], torch.ones(()), condition[rows], rng)
        optimiser.rate = RATE * (LAST + (1 - LAST) * (1 + math.cos(math.pi * n / steps)) / 2)
        descend(optimiser, sum(losses.values(), torch.zeros(())))
        average_into(dict(network.named_parameters()), dict(learner.named_parameters()), average_share(DECAY, n))
        yield {name: loss.item() for name, loss in losses.items()}


def error(velocity: nn.Module, end: Tensor, counted: Tensor, condition: Tensor, rng: torch.Generator) -> Tensor:
    """The loss of flow matching, a mean over what is counted."""
    t = torch.rand((len(end), 1), generator=rng)
    start = torch.randn(end.shape, generator=rng) * counted
    found = velocity((1 - t) * start + t * end, t, condition)
    return ((found - (end - start)).square() * counted).sum() / counted.expand(end.shape).sum()


class Velocity(nn.Module):
    """v(x_t, t, condition): the best there is for Gaussian data, and what the network adds."""

    def __init__(self, size: int, given: int, units: int):
        super().__init__()
        self.enter = nn.Linear(size, units)
        self.told = nn.Sequential(nn.Linear(given + 2 * WAVES, units), nn.SiLU(), nn.Linear(units, units))
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(units), nn.Linear(units, units), nn.SiLU(), nn.Linear(units, units))
            for _ in range(BLOCKS)
        )
        self.norm, self.leave = nn.LayerNorm(units), nn.Linear(units, size)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:  # (N, D), (N, 1), (N, C) -> (N, D)
        angles = math.pi * t * torch.arange(1, WAVES + 1)
        told = self.told(torch.cat([condition, angles.sin(), angles.cos()], 1))  # (N, H)
        hidden = self.enter(x)
        for block in self.blocks:
            hidden = hidden + block(hidden + told)
        variance = (1 - t) ** 2 + t**2  # of x_t
        return (2 * t - 1) / variance * x + self.leave(self.norm(hidden + told)) / variance.sqrt()


class Innovations(nn.Module):
    """Series <-> what each step has that a linear forecast from all before it does not tell, of variance 1.

    With C C' the covariance of a series' steps, all features after one another at each step, and C lower triangular
    (Cholesky), series = mean + C innovations: a step needs none of those after it, and a series may end anywhere. Of
    more than `WIDEST` numbers, each such part of a series has a covariance of its own.
    """

    mean: Tensor  # (B K,), T F and what fills up the last of B blocks of K
    root: Tensor  # (B, K, K), C of each block

    def __init__(self, size: int):
        super().__init__()
        parts = -(-size // WIDEST)
        self.size, self.shape = size, (parts, -(-size // parts))
        self.register_buffer("mean", torch.zeros(self.shape[0] * self.shape[1]))
        self.register_buffer("root", torch.zeros(self.shape[0], self.shape[1], self.shape[1]))

    def cut(self, series: Tensor) -> Tensor:  # (N, T F) -> (B, K, N)
        filled = functional.pad(series, (0, len(self.mean) - self.size))
        return filled.unflatten(1, self.shape).permute(1, 2, 0)

    def fit(self, series: Tensor, counted: Tensor) -> None:
        """Of series (N, T F) and what there is of each: a step's numbers are shared by all that get there."""
        many = counted.sum(0).clamp_min(1)
        self.mean[: self.size] = (series * counted).sum(0) / many
        centred = self.cut((series - self.mean[: self.size]) * counted / many.sqrt())
        covariance = centred @ centred.mT + RIDGE * torch.eye(self.shape[1])
        self.root.copy_(torch.linalg.cholesky(covariance))
        deviation = torch.linalg.solve_triangular(self.root, centred, upper=False).square().sum(2).sqrt()
        self.root.mul_(deviation.clamp_min(1e-3)[:, None])

    def encode(self, series: Tensor, counted: Tensor) -> Tensor:
        centred = self.cut((series - self.mean[: self.size]) * counted)
        found = torch.linalg.solve_triangular(self.root, centred, upper=False)
        return found.permute(2, 0, 1).flatten(1)[:, : self.size] * counted

    def decode(self, innovations: Tensor) -> Tensor:
        return ((self.root @ self.cut(innovations)).permute(2, 0, 1).flatten(1) + self.mean)[:, : self.size]
