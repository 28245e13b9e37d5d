"""Flow matching: a network learns which way to go from noise to the data; to sample, one goes there.

Lipman et al. 2023, "Flow matching for generative modeling", and Liu et al. 2023, "Flow straight and fast", in the one
form that both have. Between noise x_0 and a training sample x_1 lies a straight line, which is gone at one speed:

    x_t = (1 - t) x_0 + t x_1,  0 <= t <= 1;    loss = |v(x_t, t, condition) - (x_1 - x_0)|^2

There is nothing else to it: no second network, and a loss that falls. Many lines go through a point; what the network
learns there is their mean, and who follows it, dx/dt = v(x, t, condition), comes from noise to the distribution of the
data. Ours are:

- models stand in a row, as DoppelGANger's generators do, each given what was made before. First come a sample's
  attributes (`Attributes`), unless they are given, and how long it is (`Lengths`), where that differs. A flow makes its
  numbers: level, spread, and how high and low each series goes (`shapes.Shapes`). Another makes its shapes. A step's
  one-hot categories are columns of the shapes; the largest is taken in the end. Nothing past a series' end counts, in
  the loss or on the way;
- shapes become innovations first (`Innovations`): what a step has that a linear forecast from all steps before does not
  tell. Then x_0 and x_1 have the same covariance, and were the data Gaussian, (2 t - 1) / ((1 - t)^2 + t^2) x would be
  all of v. The network adds to that, and begins with zero: an untrained one makes Gaussian series of the right spectrum
  (a surrogate, nearly), and what it learns goes into what no spectrum tells. So do categories and lengths: an
  untrained one draws each by its own frequency;
- v is an MLP over the whole series, `BLOCKS` residual blocks of `units` (a third of it for the numbers); time comes as
  waves;
- Adam, its rate falling to 2 % along half a cosine; sampled with a moving average of the weights (decay 0.99, a plain
  mean at first), by `HEUN` steps of Heun's method. A training step is a batch of 256 series.

Nothing keeps it from learning its samples by heart: after all its steps on 300 homes 6 to 11 % of what it makes count
as copies, of 125 jobs 10 to 16 % (chapter 11). On so few series train less, or look at the copies; tails that few
series reach it has by heart first.

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
from dgkit.baselines.protocol import Data, Made, descend, drawn, mlp, valid
from dgkit.baselines.shapes import FEW, Scores, Shapes, categorical
from dgkit.core.averages import average_into, average_share
from dgkit.core.encode import Encoder
from dgkit.core.heads import widths
from dgkit.core.optimise import Adam
from dgkit.schema import slices

STEPS = {"smoke": 20, "live": 600, "full": 5000}
UNITS, BLOCKS, WAVES = 384, 3, 16
BATCH, RATE, LAST, DECAY = 256, 1e-3, 0.02, 0.99
HEUN = 12
NEVER = 1e-6  # how often, at first, a category that no training sample has
LENGTHS = 64  # kinds of lengths at most
AT_ONCE = 250  # samples on their way together
WIDEST, RIDGE = 2048, 1e-2  # numbers whose covariance is taken together; what is added to each one's variance


class Network(nn.Module):
    """Attributes and length of a sample, its numbers given these, and its series given all.

    It keeps no series beside what its weights learn: means and covariances are of steps that at least `FEW` reach.
    """

    takes_attributes = True

    def __init__(self, encoder: Encoder, samples: int, units: int = UNITS):
        super().__init__()
        whole("units", units)
        few, width = -(-units // 3), widths(encoder.attribute_heads)
        self.scales, self.time = Shapes(encoder), encoder.passes
        count, given = self.scales.count, width + 2
        self.innovations = Innovations(self.time * self.scales.width)
        self.attributes = Attributes(encoder, few)
        self.lengths = Lengths(width, few) if encoder.schema.variable_length else None
        self.numbers = Velocity(count, given, few) if count else None
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
            x = _end(self.way(attributes[some], lengths[some], numbers[some], features[some]))
            features[some] = self.decode(x, numbers[some], lengths[some])
        return Made(torch.cat([attributes, self.scales.minmax(numbers)], 1), features, lengths)

    def draw(self, n: int, rng: torch.Generator, given: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Attributes (N, A), lengths (N,), numbers (N, P); in place of features (N, T, F) the noise they begin as."""
        attributes = self.attributes.draw(n, rng) if given is None else given
        lengths = torch.full((n,), self.time) if self.lengths is None else self.lengths.draw(attributes, rng)
        lengths = lengths.clamp(1, self.time)
        numbers = torch.randn((n, self.scales.count), generator=rng)
        if self.numbers is not None:
            follow(self.numbers, numbers, self.condition(attributes, lengths))
        features = torch.zeros(n, self.time, len(self.scales.kept) + 2)
        features[..., : self.scales.width].normal_(generator=rng)
        return attributes, lengths, numbers, features

    def way(self, attributes: Tensor, lengths: Tensor, numbers: Tensor, features: Tensor) -> Iterator[Tensor]:
        """From what `draw` gives: x_t (N, T F) of the series at each step."""
        noise = features[..., : self.scales.width].flatten(1) * self.counted(lengths)
        return path(self.series, noise, torch.cat([self.condition(attributes, lengths), numbers], 1))

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


def _end(steps: Iterator[Tensor]) -> Tensor:
    """Where a way ends, without all its steps at once in memory."""
    return deque(steps, maxlen=1).pop()


def follow(velocity: nn.Module, x: Tensor, condition: Tensor) -> None:
    """Puts in the place of noise (N, D) the ends of its ways, some at a time."""
    for some in slices(len(x), AT_ONCE):
        x[some] = _end(path(velocity, x[some], condition[some]))


def train(network: Network, data: Data, steps: int, rng: torch.Generator) -> Iterator[dict[str, float]]:
    """Mean squared error of each velocity; pi / 2 is what a Gaussian of unit variance leaves, and the start.

    Of attributes it is that of their numbers and the cross-entropy of each category, added; of lengths the latter.
    """
    shapes, numbers = network.scales.fit(data, rng)
    counted = network.counted(data.lengths)
    network.innovations.fit(shapes.flatten(1), counted)
    series = network.innovations.encode(shapes.flatten(1), counted)
    attributes = data.attributes[:, : network.scales.narrow]
    condition = network.condition(attributes, data.lengths)  # of numbers; of series, these besides
    both = torch.cat([condition, numbers], 1)
    known = network.attributes.fit(attributes)
    kinds = network.lengths.fit(data.lengths) if network.lengths is not None else data.lengths

    learner = copy.deepcopy(network)  # `network` holds a moving average of its weights
    optimiser = Adam(learner, rate=RATE)
    for n in range(steps):
        rows = torch.randint(len(series), (BATCH,), generator=rng)
        losses = {"loss": error(learner.series, series[rows], network.counted(data.lengths[rows]), both[rows], rng)}
        if learner.numbers is not None:
            losses["numbers_loss"] = error(learner.numbers, numbers[rows], torch.ones(()), condition[rows], rng)
        if known.shape[1]:
            losses["attributes_loss"] = learner.attributes.loss(known[rows], rng)
        if learner.lengths is not None:
            losses["lengths_loss"] = functional.cross_entropy(learner.lengths(attributes[rows]), kinds[rows])
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


class Attributes(nn.Module):
    """p(first) p(second | first) ... of the categories, then the numbers, by a flow of their scores given these."""

    def __init__(self, encoder: Encoder, units: int):
        super().__init__()
        heads = encoder.attribute_heads
        self.categorical = categorical(heads)  # of each column
        self.others = [not one for one in self.categorical]
        self.heads = [head for head in heads if head.activation == "softmax"]
        self.next = nn.ModuleList(  # a 1, and what stands before, tell each
            mlp(1 + widths(self.heads[:k]), head.width, units=units, hidden=1) for k, head in enumerate(self.heads)
        )
        self.scores = Scores(sum(self.others))
        self.numbers = Velocity(sum(self.others), widths(self.heads), units) if any(self.others) else None

    def parts(self, categories: Tensor) -> list[Tensor]:
        return list(categories.split([head.width for head in self.heads], 1)) if self.heads else []

    def fit(self, attributes: Tensor) -> Tensor:
        """Starts each category at its frequency, makes the table of scores; (N, A), categories first, then scores."""
        categories, numbers = attributes[:, self.categorical], attributes[:, self.others]
        for net, part in zip(self.next, self.parts(categories), strict=True):
            start_at(net, (part > 0).float().mean(0))
        self.scores.fit(numbers)
        return torch.cat([categories, self.scores.encode(numbers)], 1)

    def loss(self, known: Tensor, rng: torch.Generator) -> Tensor:
        categories, scores = known.split([widths(self.heads), sum(self.others)], 1)
        told, loss = torch.ones(len(known), 1), torch.zeros(())
        for net, part in zip(self.next, self.parts(categories), strict=True):
            loss = loss + functional.cross_entropy(net(told), part.argmax(1))
            told = torch.cat([told, part], 1)
        if self.numbers is not None:
            loss = loss + error(self.numbers, scores, torch.ones(()), categories, rng)
        return loss

    def draw(self, n: int, rng: torch.Generator) -> Tensor:
        """Attributes as the encoder has them, (n, A)."""
        told, scores = torch.ones(n, 1), torch.randn((n, sum(self.others)), generator=rng)
        for net, head in zip(self.next, self.heads, strict=True):
            told = torch.cat([told, drawn(net(told).softmax(1), [head], rng)], 1)
        if self.numbers is not None:
            follow(self.numbers, scores, told[:, 1:])
        attributes = torch.empty(n, len(self.categorical))
        attributes[:, self.categorical], attributes[:, self.others] = told[:, 1:], self.scores.decode(scores)
        return attributes


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


class Lengths(nn.Module):
    """How long a sample is, given its attributes: p(kind | attributes), then any length of that kind, equally likely.

    Of up to `LENGTHS` different lengths each is a kind; more of them are put together, so many of the samples in each.
    """

    shortest: Tensor  # (LENGTHS,), of each kind
    longest: Tensor

    def __init__(self, given: int, units: int):
        super().__init__()
        self.chances = mlp(1 + given, LENGTHS, units=units, hidden=1)
        self.register_buffer("shortest", torch.ones(LENGTHS, dtype=torch.long))
        self.register_buffer("longest", torch.ones(LENGTHS, dtype=torch.long))

    def fit(self, lengths: Tensor) -> Tensor:
        """Makes the kinds, and starts each at its frequency; which one each length is of, (N,)."""
        ends = lengths.unique()
        if len(ends) > LENGTHS:
            ends = lengths.sort().values[len(lengths) * torch.arange(1, LENGTHS + 1) // LENGTHS - 1].unique()
        kinds = torch.searchsorted(ends, lengths)
        for k in range(len(ends)):
            here = lengths[kinds == k]
            self.shortest[k], self.longest[k] = here.min(), here.max()
        start_at(self.chances, kinds.bincount(minlength=LENGTHS) / len(kinds))
        return kinds

    def forward(self, attributes: Tensor) -> Tensor:  # (N, A) -> (N, LENGTHS), logarithms of chances
        return self.chances(torch.cat([attributes, torch.ones(len(attributes), 1)], 1))

    def draw(self, attributes: Tensor, rng: torch.Generator) -> Tensor:  # (N, A) -> (N,)
        kinds = torch.multinomial(self(attributes).softmax(1), 1, generator=rng)[:, 0]
        part = torch.rand(len(kinds), generator=rng)
        return self.shortest[kinds] + (part * (self.longest - self.shortest + 1)[kinds]).long()


def start_at(net: Any, shares: Tensor) -> None:
    """Let an untrained network say these shares, as logarithms, whatever it is told."""
    last = net[-1]
    nn.init.zeros_(last.weight)
    last.bias.data = shares.clamp_min(NEVER).log()


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
        """Of series (N, T F) and what there is of each: a step's numbers are shared by all that get there.

        One that fewer than `FEW` reach has none: mean 0, variance 1, no covariance. It would be these few's series.
        """
        many = counted.sum(0)
        known, many = (many >= FEW).float(), many.clamp_min(1)
        self.mean[: self.size] = (series * counted).sum(0) / many * known
        centred = self.cut((series - self.mean[: self.size]) * counted * known / many.sqrt())
        unknown = self.cut(1 - known[None])[..., 0]  # (B, K), the variance of what few have: that of any shape
        self.root.copy_(torch.linalg.cholesky(centred @ centred.mT + torch.diag_embed(unknown + RIDGE)))
        found = torch.linalg.solve_triangular(self.root, centred, upper=False).square().sum(2)
        deviation = (found + unknown).sqrt()
        self.root.mul_(deviation.clamp_min(1e-3)[:, None])

    def encode(self, series: Tensor, counted: Tensor) -> Tensor:
        centred = self.cut((series - self.mean[: self.size]) * counted)
        found = torch.linalg.solve_triangular(self.root, centred, upper=False)
        return found.permute(2, 0, 1).flatten(1)[:, : self.size] * counted

    def decode(self, innovations: Tensor) -> Tensor:
        return ((self.root @ self.cut(innovations)).permute(2, 0, 1).flatten(1) + self.mean)[:, : self.size]
