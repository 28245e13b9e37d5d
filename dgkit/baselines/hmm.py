"""HMM: a hidden Markov model of the series, with attributes drawn apart from them.

The baseline of Lin et al. 2020, Section 5. Its code was never released (issue 44 of the original repository); that
emissions are Gaussian and attributes come from their empirical joint distribution, whatever the series, is what is
known of it. Fitted by expectation maximisation. Ours are:

- 10 states (option `states`); the paper's number is not established;
- given the state the features are independent: a continuous one normal, cut to the range of the training data when
  generated, a categorical one with a probability for each category;
- a value beside an event (`zeros`) is learned where there is something, and is 0 where none is drawn;
- the generation flag counts as categorical, so that each state has its own chance of being the last one;
- each state knows one record's worth of the overall distribution, so that one that is never visited stays defined.

Left out: anything that ties the series to the attributes, and so given attributes too. A training step is one iteration
of expectation maximisation over all series, or 2,000 of them where there are more.

Letters for shapes: N samples, T steps, R records of all samples one after another, K states, A attribute width, F
feature width with the two flags.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from dgkit._checks import whole
from dgkit.baselines.protocol import Data, Empirical, Made, drawn, ends, events, heads, valid
from dgkit.core.encode import Encoder
from dgkit.core.heads import widths
from dgkit.metrics._compiled import compiled

STEPS = {"smoke": 2, "live": 20, "full": 100}
SERIES, START_ROWS = 2000, 10_000  # at most: series in an iteration, records that the first states are found in
ROUNDS = 50  # of k-means


class Network(nn.Module):
    """The model's parameters, as buffers: none is learned by gradient."""

    start: Tensor  # (K,), chance that a series starts in this state
    transition: Tensor  # (K, K), [i, j]: chance that j follows i
    mean: Tensor  # (K, F), of a category its probability
    deviation: Tensor  # (K, F), zero for categories

    def __init__(self, encoder: Encoder, samples: int, states: int = 10):
        super().__init__()
        whole("states", states)
        attribute_heads, self.heads = heads(encoder)
        self.continuous = np.array([h.activation != "softmax" for h in self.heads for _ in range(h.width)])
        self.events = np.array(events(self.heads), int)
        self.time, self.variable = encoder.passes, encoder.schema.variable_length
        self.attributes = Empirical(samples, widths(attribute_heads))
        self.register_buffer("start", torch.full((states,), 1 / states))
        self.register_buffer("transition", torch.full((states, states), 1 / states))
        self.register_buffer("mean", torch.full((states, widths(self.heads)), 0.5))
        self.register_buffer("deviation", torch.zeros(states, widths(self.heads)))

    def generate(self, n: int, rng: torch.Generator) -> Made:
        state = torch.multinomial(self.start, n, replacement=True, generator=rng)  # (N,)
        features = torch.empty(n, self.time, self.mean.shape[1])  # (N, T, F)
        for t in range(self.time):
            noise = torch.randn((n, self.mean.shape[1]), generator=rng)
            records = (self.mean[state] + self.deviation[state] * noise).clamp(-1, 1)  # (N, F)
            features[:, t] = drawn(records, self.heads, rng)
            state = torch.multinomial(self.transition[state], 1, generator=rng)[:, 0]
        lengths = ends(features) if self.variable else torch.full((n,), self.time)
        return Made(self.attributes(n, rng), features, lengths)


def train(network: Network, data: Data, steps: int, rng: torch.Generator) -> Iterator[dict[str, float]]:
    """Negative log-likelihood of a record under the model before each iteration, in nats (of the encoded values)."""
    network.attributes.fit(data.attributes)
    series = torch.randperm(len(data.lengths), generator=rng)[:SERIES]
    features, lengths = data.features[series], data.lengths[series].numpy()
    if not network.variable:  # there is no end to be learned
        features[..., -2:] = torch.tensor([1.0, 0.0])
    records = features[valid(data.lengths[series], network.time).bool()].numpy().astype(np.float64)  # (R, F)
    records = np.where(network.continuous, records, records > 0)  # the event of `zeros` counts as any category
    here = np.ones_like(records)  # (R, F), 0 where nothing is seen of a value: its event says that there is none
    here[:, network.events - 1] = records[:, network.events]
    records *= here
    fit = _started(network, records, rng)
    prior_mean = records.sum(0) / here.sum(0).clip(1)
    prior_variance = ((records - prior_mean) ** 2 * here).sum(0) / here.sum(0).clip(1) + 1e-6
    while True:
        density = fit.density(records, here)
        likelihood, start, transition, weight = expected(density, lengths, fit.start, fit.transition)

        # the most likely parameters, where each state has seen one record of the overall distribution besides
        fit.start = _shares(start + 1 / len(start))
        fit.transition = _shares(transition + 1 / len(start))
        count, first, second = (weight.T @ part for part in (here, records, records**2))  # (K, F)
        fit.mean = (prior_mean + first) / (1 + count)
        spread = second - 2 * fit.mean * first + fit.mean**2 * count
        fit.variance = (prior_variance + (fit.mean - prior_mean) ** 2 + spread) / (1 + count)

        for name in ("start", "transition", "mean"):
            getattr(network, name).copy_(torch.from_numpy(getattr(fit, name)))
        network.deviation.copy_(torch.from_numpy(np.sqrt(fit.variance) * fit.continuous))
        yield {"negative_log_likelihood": -likelihood / len(records)}


@dataclass
class Fit:
    """The parameters in the precision they are fitted in."""

    start: np.ndarray  # (K,)
    transition: np.ndarray  # (K, K)
    mean: np.ndarray  # (K, F); of a category's 0 and 1 it is the probability
    variance: np.ndarray  # (K, F)
    continuous: np.ndarray  # (F,), of bool: normal, not categorical

    def density(self, records: np.ndarray, here: np.ndarray) -> np.ndarray:
        """Log density of each record in each state, (R, K), of what is seen of it: `here` (R, F), 0 or 1."""
        normal = self.continuous
        mean, variance = self.mean[:, normal], self.variance[:, normal]
        chances = np.log(np.maximum(self.mean[:, ~normal], 1e-12))
        x = records[:, normal]
        distance = x**2 @ (1 / variance).T - 2 * x @ (mean / variance).T
        size = here[:, normal] @ (mean**2 / variance + np.log(2 * np.pi * variance)).T
        return records[:, ~normal] @ chances.T - 0.5 * (distance + size)


def _started(network: Network, records: np.ndarray, rng: torch.Generator) -> Fit:
    """Means from k-means over some records, each feature in units of its spread; variances the overall ones."""
    k = len(network.start)
    mean, variance = records.mean(0), records.var(0) + 1e-6
    some = records[torch.randint(len(records), (START_ROWS,), generator=rng).numpy()]
    centres = _means(torch.from_numpy(some / np.sqrt(variance)), k, rng).numpy() * np.sqrt(variance)
    return Fit(
        start=np.full(k, 1 / k),
        transition=np.full((k, k), 1 / k),
        mean=0.9 * centres + 0.1 * mean,
        variance=np.tile(variance, (k, 1)),
        continuous=network.continuous,
    )


def _means(points: Tensor, k: int, rng: torch.Generator) -> Tensor:
    """The centres of k-means, (k, F), begun as k-means++ does. scikit-learn's takes 53 MB to import."""
    centres = points[:1]
    for _ in range(k - 1):  # the next is drawn by its squared distance to the nearest so far; any, where all are 0
        far = torch.cdist(points, centres).min(1).values ** 2 + 1e-12
        centres = torch.cat([centres, points[torch.multinomial(far, 1, generator=rng)]])

    for _ in range(ROUNDS):
        near = torch.cdist(points, centres).argmin(1)
        sums = torch.zeros_like(centres).index_add(0, near, points)
        counts = torch.bincount(near, minlength=k)[:, None]
        centres = torch.where(counts > 0, sums / counts.clamp(min=1), centres)
    return centres


def _shares(counts: np.ndarray) -> np.ndarray:
    return counts / counts.sum(-1, keepdims=True)


@compiled()
def expected(
    density: np.ndarray, lengths: np.ndarray, start: np.ndarray, transition: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """The forward-backward algorithm over series that lie one after another, by their log densities (R, K).

    The log likelihood; how many series are expected to start in each state, (K,), and to go from one to another,
    (K, K); and the chance of each state at each record, (R, K). Each step is scaled to a sum of 1, so that nothing
    underflows as long as no transition has a chance of 0.
    """
    n, k = density.shape
    likelihood, starts, moves = 0.0, np.zeros(k), np.zeros((k, k))
    chance, weight, scale = np.empty((n, k)), np.empty((n, k)), np.empty(n)
    first = 0
    for length in lengths:
        end = first + length

        # forward: the chance of each state, given the series so far
        for t in range(first, end):
            most = density[t].max()
            for j in range(k):
                before = start[j]
                if t > first:
                    before = 0.0
                    for i in range(k):
                        before += weight[t - 1, i] * transition[i, j]
                chance[t, j] = np.exp(density[t, j] - most)  # of the record
                weight[t, j] = before * chance[t, j]
            scale[t] = weight[t].sum()
            weight[t] /= scale[t]
            likelihood += most + np.log(scale[t])

        # backward: times how much likelier the rest of the series is from there
        after = np.ones(k)
        for t in range(end - 2, first - 1, -1):
            seen = chance[t + 1] * after / scale[t + 1]
            for i in range(k):
                after[i] = 0.0
                for j in range(k):
                    move = transition[i, j] * seen[j]
                    after[i] += move
                    moves[i, j] += weight[t, i] * move
            weight[t] *= after
        starts += weight[first]
        first = end
    return likelihood, starts, moves, weight
