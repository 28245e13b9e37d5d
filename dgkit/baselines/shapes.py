"""What the surrogate and flow matching do alike: numbers as normal scores, and series as shapes.

A number's normal score is its place among the training data's, as if they were normal: Phi^-1 of the share that lies
below it. Of scores neither logarithms nor ranges need be known (a feature may go over many decades, or be zero nearly
always), and what a model makes of them comes back within the range of the data. The price: where there are no values
between two levels, nothing is between their scores, and a number at one edge may come back at the other.

A series is told by four numbers and its shape. Level and spread are mean and standard deviation of its scores, the
shape is what is left, and the other numbers are how high and how low that goes, which a shape that a model made is
stretched to. It is the idea of DoppelGANger's auto-normalisation, which these two need not be lent. Where it is
(`auto_normalise=True`) the shape is that of the normalised series, and min/max are numbers beside the four.

Exact zeros need no event of their own here (`zeros="inflated"`, core/zeros.py): scores know ties. So where a step has
no event its value is `NOTHING`, below all others, and the event's two columns are no part of a shape.

Letters for shapes: N samples, T steps, A attribute width without min/max, M min/max width, F feature width without the
two flags and without events, C continuous ones of F, P numbers of a sample (4 C + M), K nodes of a table.
"""

import math

import torch
from torch import Tensor, nn

from dgkit.baselines.protocol import Data, valid
from dgkit.core.encode import Encoder
from dgkit.core.heads import Head, widths

FURTHEST, NODES, VALUES = 5.0, 501, 2**18  # scores of a table's ends, its nodes, the values it is made of at most
STEP = 2 * FURTHEST / (NODES - 1)  # from node to node
MOVED = 0.1  # h of `moved`
FLAT = 1e-3  # the least spread that a shape is divided by, and the least height
STRETCH = 3.0  # at most
NOTHING = -3.0  # the value of a step without an event; others are -1 to 1
FEW = 10  # samples: a mean of fewer would be these samples themselves


class Scores(nn.Module):
    """Numbers <-> normal scores, column by column.

    Of values that many have (no loss at all) the ties count half, and all scores about there come back as that value.
    """

    table: Tensor  # (columns, K), the values at scores from -FURTHEST to FURTHEST

    def __init__(self, columns: int):
        super().__init__()
        self.register_buffer("table", torch.zeros(columns, NODES))

    def fit(self, values: Tensor) -> None:  # (R, columns)
        place = (_share(torch.arange(NODES)) * len(values) - 0.5).clamp(0, len(values) - 1)
        low, ordered = place.long(), values.sort(0).values
        above = ordered[(low + 1).clamp(max=len(values) - 1)]
        self.table.copy_(torch.lerp(ordered[low], above, (place - low).float()[:, None]).T)

    def encode(self, values: Tensor) -> Tensor:  # (..., columns)
        scores = torch.empty_like(values)
        for column, table in enumerate(self.table):
            x = values[..., column].contiguous()
            left, right = torch.searchsorted(table, x), torch.searchsorted(table, x, right=True)
            low, high = (left - 1).clamp(min=0), left.clamp(max=NODES - 1)
            part = ((x - table[low]) / (table[high] - table[low]).clamp_min(1e-12)).clamp(0, 1)
            found = (low + part * (high - low)) * STEP - FURTHEST
            tied = right > left
            found[tied] = torch.special.ndtri((_share(left[tied]) + _share(right[tied] - 1)) / 2).float()
            scores[..., column] = found
        return scores

    def decode(self, scores: Tensor) -> Tensor:  # (..., columns)
        place = ((scores + FURTHEST) / STEP).clamp(0, NODES - 1)
        low = place.long().clamp(max=NODES - 2)
        values = torch.empty_like(scores)
        for column, table in enumerate(self.table):
            at = low[..., column]
            values[..., column] = torch.lerp(table[at], table[at + 1], place[..., column] - at)
        return values


def _share(node: Tensor) -> Tensor:
    """How much of a normal distribution lies below a table's node; float64."""
    return torch.special.ndtr(node.double() * STEP - FURTHEST)


def moved(scores: Tensor, rng: torch.Generator) -> Tensor:
    """Scores a little off, and as many of each as before: y' = (y + h e) / sqrt(1 + h^2) with e normal."""
    return (scores + MOVED * torch.randn(scores.shape, generator=rng)) / math.sqrt(1 + MOVED**2)


class Shapes(nn.Module):
    """Encoded series <-> their shapes, and the scores of each sample's numbers; categories stay as they are."""

    def __init__(self, encoder: Encoder):
        super().__init__()
        every = encoder.feature_heads[:-1]  # without the flags
        self.events = [(part, head.weight) for part, head in zip(_columns(every), every, strict=True) if head.gates]
        self.kept = [not head.gates for head in every for _ in range(head.width)]  # of each column
        heads = [head for head in every if not head.gates]
        self.time, self.width, self.narrow = encoder.passes, widths(heads), widths(encoder.attribute_heads)
        self.continuous = [not one for one in categorical(heads)]  # of each column
        self.categories = [
            part for part, head in zip(_columns(heads), heads, strict=True) if head.activation == "softmax"
        ]
        self.values = Scores(sum(self.continuous))
        self.numbers = Scores(4 * sum(self.continuous) + widths(encoder.minmax_heads))

    @property
    def count(self) -> int:
        """P, the numbers of a sample."""
        return len(self.numbers.table)

    @property
    def heights(self) -> Tensor:
        """Which of the numbers say how high and how low a shape goes, (P,)."""
        c, number = len(self.values.table), torch.arange(self.count)
        return (2 * c <= number) & (number < 4 * c)

    def fit(self, data: Data, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Makes the tables, of all steps' values (`VALUES` of them, where there are more) and the numbers; `encode`."""
        plain = self._plain(data)
        every = plain[valid(data.lengths, self.time).bool()][:, self.continuous]  # (R, C)
        if len(every) > VALUES:
            every = every[torch.randint(len(every), (VALUES,), generator=rng)]
        self.values.fit(every)
        shapes, numbers = self._measured(data, plain)
        self.numbers.fit(numbers)
        return shapes, self.numbers.encode(numbers)

    def encode(self, data: Data) -> tuple[Tensor, Tensor]:
        """Shapes (N, T, F), zero past the end, and scores (N, P)."""
        shapes, numbers = self._measured(data, self._plain(data))
        return shapes, self.numbers.encode(numbers)

    def decode(self, shapes: Tensor, scores: Tensor, lengths: Tensor) -> Tensor:
        """Features with events and flags (zero), of shapes (N, T, F) of any mean and height and scores (N, P)."""
        level, spread, highest, lowest = self.numbers.decode(scores)[:, None, : 4 * len(self.values.table)].chunk(4, 2)
        here = valid(lengths, self.time)[..., None]
        series = shapes[..., self.continuous]
        series = (series - (series * here).sum(1, keepdim=True) / lengths[:, None, None]) * here
        up = (highest / series.amax(1, keepdim=True).clamp_min(FLAT)).clamp(1 / STRETCH, STRETCH)
        down = (lowest / series.amin(1, keepdim=True).clamp_max(-FLAT)).clamp(1 / STRETCH, STRETCH)
        plain = shapes.clone()
        plain[..., self.continuous] = self.values.decode(series * torch.where(series > 0, up, down) * spread + level)
        features = plain.new_zeros(*plain.shape[:2], len(self.kept) + 2)
        features[..., [*self.kept, False, False]] = plain
        for event, weight in self.events:
            value = features[..., event.start - 1]
            on = value > (NOTHING - 1) / 2
            features[..., event] = weight * torch.stack([on, ~on], -1).float()
            value.mul_(on)  # in place: a part of `features`
        return features

    def minmax(self, scores: Tensor) -> Tensor:  # (N, P) -> (N, M)
        return self.numbers.decode(scores)[:, 4 * len(self.values.table) :]

    def _plain(self, data: Data) -> Tensor:
        """Features (N, T, F) without flags and events: `NOTHING` where there is none."""
        features = data.features[..., :-2].clone()
        for event, _ in self.events:
            features[..., event.start - 1].masked_fill_(features[..., event.start] == 0, NOTHING)
        return features[..., self.kept]

    def _measured(self, data: Data, plain: Tensor) -> tuple[Tensor, Tensor]:
        """Shapes (N, T, F) in the place of `plain`, zero past the end, and the numbers of each sample (N, P)."""
        here, steps = valid(data.lengths, self.time)[..., None], data.lengths[:, None]
        scores = self.values.encode(plain[..., self.continuous])
        level = (scores * here).sum(1) / steps
        series = (scores - level[:, None]) * here
        spread = (series.square().sum(1) / steps).sqrt()
        series = series / spread[:, None].clamp_min(FLAT)
        numbers = [level, spread, series.amax(1), series.amin(1), data.attributes[:, self.narrow :]]
        plain[..., self.continuous] = series
        return plain, torch.cat(numbers, 1)


def categorical(heads: list[Head]) -> list[bool]:
    """Of each column, whether it is one of a categorical variable's."""
    return [head.activation == "softmax" for head in heads for _ in range(head.width)]


def _columns(heads: list[Head]) -> list[slice]:
    """Where each head's columns are."""
    ends = torch.tensor([head.width for head in heads], device="cpu").cumsum(0).tolist()
    return [slice(end - head.width, end) for end, head in zip(ends, heads, strict=True)]
