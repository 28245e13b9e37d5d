"""Surrogate: real spectra with random phases, and no training: the null model that every generative model has to beat.

Theiler et al. 1992, "Testing for nonlinearity in time series: the method of surrogate data", keep a series' power
spectrum, and with it the autocorrelation, and let chance have the rest: x' = F^-1(|F x| e^(i phi)), all phases phi
uniform. Schreiber and Schmitz 1996, "Improved surrogate data for nonlinearity tests", keep its values too, by taking
turns: give the series the spectrum, then give each step the value of its rank. All features of a sample are turned by
the same angles, which keeps how they move together (Prichard and Theiler 1994). A test asks whether a series has
anything that its surrogates have not; here the question is whether a model's series have anything more. Ours are:

- a new sample is made of a training sample, drawn as `Joint` says, which gives it categories and length as they
  are, and attributes that are numbers, level and spread of its series, and min/max a little moved (`shapes.moved`).
  What is turned is the series' shape in normal scores (`shapes.Shapes`);
- the mean shape of all samples of the same categories is kept, as far as it is beyond its own noise, and only what
  differs from it is turned: a weekend stays a weekend. Kinds of fewer than `FEW` samples,
  and a kind's steps that fewer reach, have the mean shape of all; steps that fewer than `FEW` of all reach have none;
- a categorical feature is a series of 0 and 1 for each category. The first one gets as many steps as it had, those
  where its series is highest, the second one as many of those that are left, and so on.

What it cannot make is whatever no spectrum holds: bursts, or what only happens after something else. It *is* the
training data (they are in its file), with each series' values in another order: no series of more than a few steps is a
copy, and nobody's privacy is kept. A training has one step.

Letters for shapes: N training samples, n new ones, T steps, L steps of a series, A attribute width without min/max, F
feature width without the two flags, P numbers of a sample.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from dgkit.baselines.protocol import Data, Made, by_blocks, valid
from dgkit.baselines.shapes import FEW, Scores, Shapes, categorical, moved
from dgkit.core.encode import Encoder
from dgkit.core.heads import widths

STEPS = {"smoke": 1, "live": 1, "full": 1}
ROUNDS = 3  # turns of spectrum and values
NEAR = 5  # training samples that numbers given are answered from


class Network(nn.Module):
    """The training data; nothing is learned."""

    takes_attributes = True

    shapes: Tensor  # (N, T, F)
    numbers: Tensor  # (N, P), scores

    def __init__(self, encoder: Encoder, samples: int):
        super().__init__()
        self.joint, self.scales, self.time = Joint(encoder, samples), Shapes(encoder), encoder.passes
        self.register_buffer("shapes", torch.zeros(samples, self.time, self.scales.width))
        self.register_buffer("numbers", torch.zeros(samples, self.scales.count))

    def generate(self, n: int, rng: torch.Generator, given: Tensor | None = None) -> Made:
        attributes, source = self.joint.draw(n, rng, given)
        lengths, numbers = self.joint.lengths[source], self.numbers[source]
        numbers = torch.where(self.scales.heights, numbers, moved(numbers, rng))
        angles = 2 * math.pi * torch.rand((n, self.time // 2 + 1), generator=rng)
        kept, group = self.mean_shapes()

        def series(some: slice) -> Tensor:
            rows, shapes = source[some], torch.zeros(len(source[some]), self.time, self.scales.width)
            for length in lengths[some].unique().tolist():  # one transform for all that are equally long
                at = (lengths[some] == length).nonzero()[:, 0]
                real, mean = self.shapes[rows[at], :length], kept[group[rows[at]], :length]
                shapes[at, :length] = turned(real, mean, angles[some][at], self.scales.categories)
            return self.scales.decode(shapes, numbers[some], lengths[some])

        features = by_blocks(series, n)
        return Made(torch.cat([attributes, self.scales.minmax(numbers)], 1), features, lengths)

    def mean_shapes(self) -> tuple[Tensor, Tensor]:
        """Mean shapes (groups, T, F), the first one of all samples; and the group that each sample is in, (N,)."""
        group = kinds(self.joint.rows[:, self.joint.categorical])[1] + 1
        group = group * (group.bincount()[group] >= FEW)
        here = valid(self.joint.lengths, self.time)[..., None]
        count, total, squares = (
            part.new_zeros(int(group.max()) + 1, *part.shape[1:]).index_add_(0, group, part)
            for part in (here, self.shapes * here, self.shapes.square() * here)
        )
        for part in (count, total, squares):
            part[0] = part.sum(0)  # its own and those of all other groups
        # the mean of a step that few reach would be these few's own series: of a kind that of all, of all none
        few = count < FEW
        count, total, squares = (torch.where(few, part[:1], part) for part in (count, total, squares))
        known = count >= FEW
        mean = total / count.clamp_min(1) * known
        noise = (squares / count.clamp_min(1) - mean.square()) / count.clamp_min(1) * known  # variance of each mean

        # of each frequency, what is beyond twice its noise: 1 - 4 noise / power (mirrored, so that ends need not meet)
        spectrum = torch.fft.rfft(torch.cat([mean, mean.flip(1)], 1), dim=1)  # (groups, T + 1, F)
        power = spectrum.abs().square() / (2 * self.time)
        share = (1 - 4 * noise.mean(1, keepdim=True) / power.clamp_min(1e-12)).clamp_min(0)
        return torch.fft.irfft(spectrum * share, 2 * self.time, dim=1)[:, : self.time], group


def train(network: Network, data: Data, steps: int, rng: torch.Generator) -> Iterator[dict[str, float]]:
    """Takes the data in; the share of the shapes' variance that is in no mean shape, and left to random phases."""
    order = torch.randperm(len(data.lengths), generator=rng)  # a sample's place is to tell nothing
    data = Data(*(part[order] for part in data))
    network.joint.fit(data)
    shapes, numbers = network.scales.fit(data, rng)
    network.shapes.copy_(shapes)
    network.numbers.copy_(numbers)
    mean, group = network.mean_shapes()
    rest = (shapes - mean[group]) * valid(data.lengths, network.time)[..., None]
    while True:
        yield {"left_to_chance": (rest.square().sum() / shapes.square().sum().clamp_min(1e-12)).item()}


def turned(real: Tensor, mean: Tensor, angles: Tensor, categories: list[slice]) -> Tensor:
    """Series with the values of `real` (n, L, F), and with the spectra of what it has beyond `mean` (n, L, F)."""
    length = real.shape[1]
    spectrum = torch.fft.rfft(real - mean, dim=1)  # (n, L / 2 + 1, F)
    angles = angles[:, : spectrum.shape[1], None].clone()
    angles[:, 0] = 0  # a mean cannot be turned
    size, angle, values = spectrum.abs(), spectrum.angle() + angles, real.sort(1).values
    for _ in range(ROUNDS):
        series = torch.fft.irfft(torch.polar(size, angle), length, dim=1) + mean
        series = with_values(series, values, categories)
        angle = torch.fft.rfft(series - mean, dim=1).angle()
    return series


def with_values(series: Tensor, values: Tensor, categories: list[slice]) -> Tensor:
    """These values, sorted (n, L, F), in the order of `series`: the highest one where that is highest."""
    result = torch.empty_like(series).scatter_(1, series.argsort(1), values)
    for columns in categories:
        left, chosen = series[..., columns].clone(), torch.zeros_like(series[..., columns])
        for k, steps in enumerate(values[..., columns].sum(1).T):  # of each category, (n,)
            chosen[..., k] = left[..., k].argsort(1, descending=True).argsort(1) < steps[:, None]
            left[chosen[..., k] > 0] = -torch.inf
        result[..., columns] = chosen
    return result


class Joint(nn.Module):
    """The training data's attributes and lengths as they occur together, without min/max.

    A new sample has the attributes and the length of a training sample drawn at random: categories and length as they
    are, numbers `moved`. To attributes that are given belongs a training sample with the same categories, or, where
    none has these, with as many of them as can be; of several, one of the `NEAR` nearest in numbers.
    """

    rows: Tensor  # (N, A)
    steps: Tensor  # (N,), lengths

    def __init__(self, encoder: Encoder, samples: int):
        super().__init__()
        heads, self.time = encoder.attribute_heads, encoder.passes
        self.categorical = categorical(heads)  # of each column
        self.numbers = [not one for one in self.categorical]
        self.register_buffer("rows", torch.zeros(samples, widths(heads)))
        self.register_buffer("steps", torch.full((samples,), self.time))
        self.scores = Scores(sum(self.numbers))

    def fit(self, data: Data) -> None:
        self.rows.copy_(data.attributes[:, : self.rows.shape[1]])
        self.steps.copy_(data.lengths)
        self.scores.fit(self.rows[:, self.numbers])

    @property
    def lengths(self) -> Tensor:
        return self.steps.clamp(1, self.time)

    def draw(self, n: int, rng: torch.Generator, given: Tensor | None) -> tuple[Tensor, Tensor]:
        """Attributes of n samples (n, A), or those given; and the training sample that each belongs to, (n,)."""
        chance = torch.rand(n, generator=rng)
        if given is None:
            source = (chance * len(self.rows)).long().clamp(max=len(self.rows) - 1)
            attributes = self.rows[source]
            attributes[:, self.numbers] = self.scores.decode(
                moved(self.scores.encode(attributes[:, self.numbers]), rng)
            )
            return attributes, source
        asked, which = kinds(given)
        source = torch.empty(n, dtype=torch.long)
        for k, row in enumerate(asked):
            alike, here = self.alike(row), which == k
            source[here] = alike[(chance[here] * len(alike)).long().clamp(max=len(alike) - 1)]
        return given, source

    def alike(self, row: Tensor) -> Tensor:
        """The training samples that attributes (A,) are answered from."""
        apart = (self.rows - row).square()
        others = apart[:, self.categorical].sum(1)
        alike = (others == others.min()).nonzero()[:, 0]
        return alike[apart[alike][:, self.numbers].sum(1).argsort()[:NEAR]] if any(self.numbers) else alike


def kinds(rows: Tensor) -> tuple[Tensor, Tensor]:
    """The different ones among rows (N, width), and which of them each is, (N,)."""
    if not rows.shape[1]:
        return rows[:1], torch.zeros(len(rows), dtype=torch.long)
    different, which = rows.unique(dim=0, return_inverse=True)
    return different, which
