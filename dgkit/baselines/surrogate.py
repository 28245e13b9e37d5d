"""Surrogate: real spectra with random phases, and no training: the null model that every generative model has to beat.

Theiler et al. 1992, "Testing for nonlinearity in time series: the method of surrogate data", keep a series' power
spectrum, and so its autocorrelation, and draw everything else: x' = F^-1(|F x| e^(i phi)), phi uniform. Schreiber and
Schmitz 1996, "Improved surrogate data for nonlinearity tests", keep its values too, taking turns: give the series the
spectrum, then give each step the value of its rank. Several features are turned by the same phi, which keeps how they
move together (Prichard and Theiler 1994). Ours, to make a generator of samples of it:

- each generated sample has a training sample for its source, drawn at random: from there come its attributes and its
  length, as they are, and its numbers (attributes that are numbers, level and spread of each series), a little moved:
  y' = (y + h e) / sqrt(1 + h^2), e normal, of normal scores y, which leaves the distribution of each as it is;
- with given attributes, the source is one of the samples with the same categories (if none has, with as many as can
  be) and, of these, one of the `NEAR` nearest in numbers;
- values are compared as normal scores, and each series by its own level and spread in them (`Scores`, `Shapes`): a
  feature of many decades needs no logarithm;
- the mean shape of all samples with the same categories is kept as far as it is beyond its own noise, and only what is
  left is turned: a weekend stays a weekend. Fewer than `FEW` samples have the mean shape of all;
- a categorical feature is one series of 0 and 1 for each category; the first category gets as many steps as it had,
  those where its series is highest, then the second of the steps left, and so on.

It cannot make what is no spectrum: bursts, or anything that only happens after something else. And it *is* the training
data (they are in its file): values and lengths are theirs, in another order. No privacy of any kind.

Letters for shapes: N training samples, n generated ones, T steps, L steps of a series, A attribute width, F feature
width without the two flags, C continuous ones of F, M min/max width, K nodes of a table.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from dgkit.baselines.protocol import Data, Made, by_blocks, valid
from dgkit.core.encode import Encoder
from dgkit.core.heads import Head, widths

STEPS = {"smoke": 1, "live": 1, "full": 1}
ROUNDS = 3  # turns of spectrum and values
MOVED = 0.1  # h
FEW, NEAR = 10, 5
FURTHEST, NODES, VALUES = 5.0, 501, 2**20  # of a table of scores: from -5 to 5; values that it is made of at most


class Network(nn.Module):
    """The training data, as sources of new samples: nothing is learned."""

    shapes: Tensor  # (N, T, F)
    numbers: Tensor  # (N, 2 C + M), normal scores

    def __init__(self, encoder: Encoder, samples: int):
        super().__init__()
        self.time, self.variable = encoder.passes, encoder.schema.variable_length
        self.joint, self.scales = Joint(encoder, samples), Shapes(encoder)
        self.register_buffer("shapes", torch.zeros(samples, self.time, len(self.scales.continuous_here)))
        self.register_buffer("numbers", torch.zeros(samples, self.scales.width))

    def generate(self, n: int, rng: torch.Generator, given: Tensor | None = None) -> Made:
        source = self.joint.sources(n, rng, given)  # (n,)
        attributes = self.joint.attributes(source, rng) if given is None else given
        numbers = moved(self.numbers[source], rng)
        phases = torch.rand((n, self.time // 2 + 1), generator=rng) * 2 * math.pi
        lengths, (mean, group) = self.joint.lengths[source], self.mean_shapes()

        def series(some: slice) -> Tensor:
            rows = source[some]
            shapes = torch.zeros(len(rows), self.time, self.shapes.shape[2])
            for length in lengths[some].unique().tolist():  # one transform for all series of the same length
                at = (lengths[some] == length).nonzero()[:, 0]
                kept, real = mean[group[rows[at]], :length], self.shapes[rows[at], :length]
                shapes[at, :length] = turned(real, kept, phases[some][at], self.scales.categories)
            return self.scales.decode(shapes, numbers[some])

        features = by_blocks(series, n)
        return Made(torch.cat([attributes, self.scales.minmax(numbers)], 1), features, lengths)

    def mean_shapes(self) -> tuple[Tensor, Tensor]:
        """Mean shapes (groups, T, F) beyond their noise, the first of all samples; and the group of each, (N,)."""
        group = self.joint.categories().unique(dim=0, return_inverse=True)[1] + 1
        group = group * (group.bincount()[group] >= FEW)
        here = valid(self.joint.lengths, self.time)[..., None]  # (N, T, 1)
        count, first, second = (
            values.new_zeros(int(group.max()) + 1, *values.shape[1:]).index_add_(0, group, values)
            for values in (here, self.shapes * here, self.shapes.square() * here)
        )
        for sums in (count, first, second):
            sums[0] = sums.sum(0)
        mean = first / count.clamp_min(1)  # (groups, T, F)
        noise = (second / count.clamp_min(1) - mean.square()) / count.clamp_min(1)

        # per frequency, what is beyond twice its noise
        waves = cosines(self.time)
        spectrum = torch.einsum("kt,gtf->gkf", waves, mean)
        share = 1 - 4 * noise.mean(1, keepdim=True) / spectrum.square().clamp_min(1e-12)
        return torch.einsum("kt,gkf->gtf", waves, spectrum * share.clamp_min(0)), group


def train(network: Network, data: Data, steps: int, rng: torch.Generator) -> Iterator[dict[str, float]]:
    """Takes the data in; then the share of the shapes' variance that no mean shape tells and random phases make."""
    order = torch.randperm(len(data.lengths), generator=rng)  # nothing is to be told from the order of samples
    data = Data(*(part[order] for part in data))
    network.joint.fit(data)
    network.scales.fit(data, rng)
    shapes, numbers = network.scales.encode(data)
    network.shapes.copy_(shapes)
    network.numbers.copy_(numbers)
    mean, group = network.mean_shapes()
    here = valid(data.lengths, network.time)[..., None]
    left = ((shapes - mean[group]) * here).square().sum() / (shapes * here).square().sum().clamp_min(1e-12)
    while True:
        yield {"left_to_chance": left.item()}


def turned(real: Tensor, kept: Tensor, phases: Tensor, categories: list[slice]) -> Tensor:
    """Series with the spectra of what `real` (n, L, F) has beyond `kept`, by these phases, and with its values."""
    length = real.shape[1]
    spectrum = torch.fft.rfft(real - kept, dim=1)  # (n, L / 2 + 1, F)
    turn = torch.polar(torch.ones_like(phases), phases)[:, : spectrum.shape[1], None]
    turn[:, 0] = 1  # the mean stays
    size, series = spectrum.abs(), torch.fft.irfft(spectrum * turn, length, dim=1)
    for _ in range(ROUNDS):
        spectrum = torch.fft.rfft(with_values(series + kept, real, categories) - kept, dim=1)
        series = torch.fft.irfft(torch.polar(size, spectrum.angle()), length, dim=1)
    return with_values(series + kept, real, categories)


def with_values(series: Tensor, real: Tensor, categories: list[slice]) -> Tensor:
    """The values of `real` (n, L, F) in the order of `series`: the highest where that is highest."""
    result = torch.zeros_like(series).scatter_(1, series.argsort(1), real.sort(1).values)
    for columns in categories:
        free, chosen = series[..., columns].clone(), torch.zeros_like(series[..., columns])
        for k, count in enumerate(real[..., columns].sum(1).T):  # of each category, (n,)
            rank = free[..., k].argsort(1, descending=True).argsort(1)
            chosen[..., k] = (rank < count[:, None]).float()
            free[chosen[..., k] > 0] = -torch.inf
        result[..., columns] = chosen
    return result


def moved(scores: Tensor, rng: torch.Generator) -> Tensor:
    """Normal scores a little off, of the same distribution: y' = (y + h e) / sqrt(1 + h^2)."""
    return (scores + MOVED * torch.randn(scores.shape, generator=rng)) / math.sqrt(1 + MOVED**2)


def cosines(time: int) -> Tensor:
    """The orthonormal cosine transform (DCT-II) as a matrix, (T frequencies, T steps)."""
    step = torch.arange(time) + 0.5
    waves = torch.cos(math.pi / time * torch.arange(time)[:, None] * step) * math.sqrt(2 / time)
    waves[0] /= math.sqrt(2)
    return waves


class Scores(nn.Module):
    """Numbers <-> normal scores, column by column: the place of a number among the training data's, as if normal.

    The score of x is Phi^-1 of the share of the data below x, where ties count half. Back, a score finds the value at
    its place: never one outside the data's range, and a value that many have (no loss at all) comes back exactly.
    """

    table: Tensor  # (columns, K), the values at the scores from -FURTHEST to FURTHEST

    def __init__(self, columns: int):
        super().__init__()
        self.register_buffer("table", torch.zeros(columns, NODES))

    def fit(self, values: Tensor) -> None:  # (R, columns)
        share = torch.special.ndtr(torch.linspace(-FURTHEST, FURTHEST, NODES, dtype=torch.float64))
        share[0], share[-1] = 0, 1
        place = share * (len(values) - 1)
        low = place.long()
        ordered = values.sort(0).values
        above = ordered[(low + 1).clamp(max=len(values) - 1)]
        self.table.copy_(torch.lerp(ordered[low], above, (place - low).float()[:, None]).T)

    def encode(self, values: Tensor) -> Tensor:  # (..., columns)
        scores = torch.empty_like(values)
        for column, table in enumerate(self.table):
            x = values[..., column].contiguous()
            left, right = torch.searchsorted(table, x), torch.searchsorted(table, x, right=True)
            low, high = (left - 1).clamp(min=0), left.clamp(max=NODES - 1)
            between = ((x - table[low]) / (table[high] - table[low]).clamp_min(1e-12)).clamp(0, 1)
            share = torch.special.ndtr(_score(low + between * (high - low)))
            tied = (torch.special.ndtr(_score(left)) + torch.special.ndtr(_score(right - 1))) / 2
            scores[..., column] = torch.special.ndtri(torch.where(right > left, tied, share))
        return scores

    def decode(self, scores: Tensor) -> Tensor:  # (..., columns)
        place = ((scores + FURTHEST) * (NODES - 1) / (2 * FURTHEST)).clamp(0, NODES - 1)
        low = place.long().clamp(max=NODES - 2)
        values = torch.empty_like(scores)
        for column, table in enumerate(self.table):
            at = low[..., column]
            values[..., column] = torch.lerp(table[at], table[at + 1], place[..., column] - at)
        return values


def _score(node: Tensor) -> Tensor:
    return node * (2 * FURTHEST / (NODES - 1)) - FURTHEST


class Joint(nn.Module):
    """The training data's attributes and lengths as they occur together."""

    rows: Tensor  # (N, A), without min/max
    lengths: Tensor  # (N,)

    def __init__(self, encoder: Encoder, samples: int):
        super().__init__()
        self.heads = encoder.attribute_heads
        self.time = encoder.passes
        self.hot = hot(self.heads)
        self.register_buffer("rows", torch.zeros(samples, widths(self.heads)))
        self.register_buffer("lengths", torch.full((samples,), self.time))
        self.scores = Scores(len(self.hot) - sum(self.hot))

    def fit(self, data: Data) -> None:
        self.rows.copy_(data.attributes[:, : self.rows.shape[1]])
        self.lengths.copy_(data.lengths)
        self.scores.fit(self.numbers())

    def categories(self) -> Tensor:
        return self.rows[:, torch.tensor(self.hot, dtype=torch.bool)]

    def numbers(self) -> Tensor:
        return self.rows[:, ~torch.tensor(self.hot, dtype=torch.bool)]

    def sources(self, n: int, rng: torch.Generator, given: Tensor | None) -> Tensor:
        """Of n new samples, (n,): which training sample each has its attributes from; or one alike to those given."""
        chance = torch.rand(n, generator=rng)
        if given is None:
            return (chance * len(self.rows)).long()
        asked, which = given.unique(dim=0, return_inverse=True)
        source = torch.empty(n, dtype=torch.long)
        kind = torch.tensor(self.hot, dtype=torch.bool)
        for k, row in enumerate(asked):
            apart = (self.rows - row).square()
            different = apart[:, kind].sum(1)
            alike = (different == different.min()).nonzero()[:, 0]
            if not kind.all():
                alike = alike[apart[alike][:, ~kind].sum(1).argsort()[:NEAR]]
            source[which == k] = alike[(chance[which == k] * len(alike)).long()]
        return source

    def attributes(self, source: Tensor, rng: torch.Generator) -> Tensor:
        """Those of the sources, numbers a little moved."""
        rows = self.rows[source]
        kind = torch.tensor(self.hot, dtype=torch.bool)
        rows[:, ~kind] = self.scores.decode(moved(self.scores.encode(rows[:, ~kind]), rng))
        return rows


def hot(heads: list[Head]) -> list[bool]:
    """Of each column, whether it is one of a category's."""
    return [head.activation == "softmax" for head in heads for _ in range(head.width)]


class Shapes(nn.Module):
    """Encoded series <-> shapes, each by its own level and spread in normal scores; categories stay as they are."""

    def __init__(self, encoder: Encoder):
        super().__init__()
        heads, first = encoder.feature_heads[:-1], 0  # without the flags
        self.categories: list[slice] = []
        for head in heads:
            if head.activation == "softmax":
                self.categories.append(slice(first, first + head.width))
            first += head.width
        self.continuous_here = [not one for one in hot(heads)]
        c, self.time = sum(self.continuous_here), encoder.passes
        self.values = Scores(c)
        self.numbers = Scores(2 * c + widths(encoder.minmax_heads))
        self.width = self.numbers.table.shape[0]
        self.attributes = widths(encoder.attribute_heads)

    def fit(self, data: Data, rng: torch.Generator) -> None:
        values = data.features[..., :-2][..., self.continuous_here]  # (N, T, C)
        here = valid(data.lengths, self.time).bool()
        every = values[here]
        if len(every) > VALUES:
            every = every[torch.randint(len(every), (VALUES,), generator=rng)]
        self.values.fit(every)
        self.numbers.fit(self._numbers(data)[1])

    def _numbers(self, data: Data) -> tuple[Tensor, Tensor]:
        """Scores (N, T, C), and level, spread, min/max (N, 2 C + M)."""
        scores = self.values.encode(data.features[..., :-2][..., self.continuous_here])
        here = valid(data.lengths, self.time)[..., None]
        steps = data.lengths[:, None]
        level = (scores * here).sum(1) / steps
        spread = (((scores - level[:, None]) * here).square().sum(1) / steps).sqrt()
        return scores, torch.cat([level, spread, data.attributes[:, self.attributes :]], 1)

    def encode(self, data: Data) -> tuple[Tensor, Tensor]:
        """Shapes (N, T, F), zero past the end, and scores of level, spread and min/max, (N, 2 C + M)."""
        shapes = data.features[..., :-2].clone()
        scores, numbers = self._numbers(data)
        level, spread = numbers[:, None].split([scores.shape[2], scores.shape[2], numbers.shape[1] - 2 * scores.shape[2]], 2)[:2]
        shapes[..., self.continuous_here] = (scores - level) / spread.clamp_min(1e-3)
        return shapes * valid(data.lengths, self.time)[..., None], self.numbers.encode(numbers)

    def decode(self, shapes: Tensor, numbers: Tensor) -> Tensor:
        """Features (n, T, F + 2) of shapes (n, T, F) and scores; the flags are left zero."""
        c = sum(self.continuous_here)
        level, spread = self.numbers.decode(numbers)[:, None, : 2 * c].split(c, 2)
        features = torch.nn.functional.pad(shapes, (0, 2))
        here = torch.tensor([*self.continuous_here, False, False])
        features[..., here] = self.values.decode(shapes[..., here[:-2]] * spread + level)
        return features

    def minmax(self, numbers: Tensor) -> Tensor:
        return self.numbers.decode(numbers)[:, 2 * sum(self.continuous_here) :]
