"""HMM: a hidden Markov model of the series, with attributes drawn apart from them.

The baseline of Lin et al. 2020, Section 5. Its code was never released (issue 44 of the original repository); that
emissions are Gaussian and attributes come from their empirical joint distribution, whatever the series, is what is
known of it. Fitted by hmmlearn, by expectation maximisation. Ours are:

- 10 states (option `states`); the paper's number is not established;
- given the state the features are independent: a continuous one normal, cut to the range of the training data when
  generated, a categorical one with a probability for each category;
- the generation flag counts as categorical, so that each state has its own chance of being the last one;
- each state knows one record's worth of the overall distribution, so that one that is never visited stays defined.

Left out: anything that ties the series to the attributes, and so given attributes too. A training step is one iteration
of expectation maximisation over all series, or 2,000 of them where there are more.

Letters for shapes: N samples, T steps, K states, A attribute width, F feature width with the two flags.
"""

import logging
from collections.abc import Iterator

import numpy as np
import torch
from hmmlearn.hmm import GaussianHMM
from sklearn.cluster import KMeans
from torch import Tensor, nn

from dgkit._checks import whole
from dgkit.baselines.protocol import Data, Empirical, Made, drawn, ends, heads, valid
from dgkit.core.encode import Encoder
from dgkit.core.heads import widths

logging.getLogger("hmmlearn").setLevel(logging.ERROR)  # it warns of few data; the priors below keep such a fit whole
STEPS = {"smoke": 2, "live": 20, "full": 100}
SERIES, START_ROWS = 2000, 10_000  # at most: series in an iteration, records that the first states are found in


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
    records = features[valid(data.lengths[series], network.time).bool()].numpy().astype(np.float64)  # (steps in all, F)
    model = _started(network, records, rng)
    while True:
        model.fit(records, lengths)
        for name, values in {
            "start": model.startprob_,
            "transition": model.transmat_,
            "mean": model.means_,
            "deviation": np.sqrt(model._covars_) * model.continuous,
        }.items():
            getattr(network, name).copy_(torch.from_numpy(values))
        yield {"negative_log_likelihood": -model.monitor_.history[-1] / len(records)}


class _Mixed(GaussianHMM):
    """Normal and categorical emissions. The mean of a category's 0 and 1 is its probability: the fit is the same."""

    continuous: np.ndarray  # (F,), of bool

    def _compute_log_likelihood(self, records: np.ndarray) -> np.ndarray:  # (steps, F) -> (steps, K)
        normal = self.continuous
        mean, variance = self.means_[:, normal], self._covars_[:, normal]
        chances = np.log(np.maximum(self.means_[:, ~normal], 1e-12))
        x = records[:, normal]
        distance = x**2 @ (1 / variance).T - 2 * x @ (mean / variance).T + (mean**2 / variance).sum(1)
        return records[:, ~normal] @ chances.T - 0.5 * (distance + np.log(2 * np.pi * variance).sum(1))


def _started(network: Network, records: np.ndarray, rng: torch.Generator) -> _Mixed:
    """Means from k-means over some records, each feature in units of its spread; variances the overall ones."""
    k = len(network.start)
    mean, variance = records.mean(0), records.var(0) + 1e-6
    model = _Mixed(
        k,
        n_iter=1,
        init_params="",
        startprob_prior=1 + 1 / k,
        transmat_prior=1 + 1 / k,
        means_prior=mean,
        means_weight=1,
        covars_prior=variance,
        covars_weight=2,
    )
    some = records[torch.randint(len(records), (START_ROWS,), generator=rng).numpy()]
    seed = int(torch.randint(2**31, (1,), generator=rng))
    centres = KMeans(k, n_init=1, random_state=seed).fit(some / np.sqrt(variance)).cluster_centers_ * np.sqrt(variance)
    model.startprob_, model.transmat_ = np.full(k, 1 / k), np.full((k, k), 1 / k)
    model.means_, model._covars_ = 0.9 * centres + 0.1 * mean, np.tile(variance, (k, 1))
    model.continuous = np.repeat([h.activation != "softmax" for h in network.heads], [h.width for h in network.heads])
    return model
