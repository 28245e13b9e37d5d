"""AR: a nonlinear autoregression; an MLP predicts the next record from the attributes and the last three records.

The baseline of Lin et al. 2020, Section 5. Its code was never released (issue 44 of the original repository); that it
looks at p = 3 records and that the first one is drawn from the training data's distribution is known from that issue.
Sizes are as we recall them: 4 hidden layers of 200, Adam with rate 0.001, batches of 100. Attributes come from their
empirical joint distribution. Ours are:

- a batch is 100 steps, each from any place of any series;
- the first record's continuous values come from a normal distribution fitted to the data's first records, all features
  together, whatever the attributes; records before the first are zero, and so the MLP predicts records 2 and 3 from
  one and two;
- the MLP learns continuous features by their squared error and categories, with the generation flag, by cross-entropy;
- a category, and whether the series ends, is drawn by its predicted probability: to take the likeliest would mean that
  a series whose end is never likelier than its going on never ends;
- a value beside an event (`zeros`) is learned where there is something, in the first records too, and is 0 where none
  is drawn;
- the weights used are a moving average (decay 0.99, a plain mean at first: `average_share`): a model that feeds on its
  own output swings from step to step.

A continuous feature's next value is the prediction itself, without noise: attributes and the first record settle the
series but for its categories and its end. The paper means this where it says that AR models "exhibit minimal
randomness" (p. 474). `noise=True` adds to each value a normal one as large as the training's errors: no part of the
paper's model. Left out: given attributes.

Letters for shapes: N samples or steps in the batch, T steps, p records looked at, A attribute width, F feature width
with the two flags, C continuous ones of F.
"""

import copy
from collections.abc import Iterator
from itertools import count

import torch
from torch import Tensor, nn

from dgkit._checks import whole
from dgkit.baselines.protocol import Data, Empirical, Made, descend, drawn, ends, events, heads, mlp
from dgkit.core.averages import average_into, average_share
from dgkit.core.encode import Encoder
from dgkit.core.heads import activate, widths
from dgkit.core.optimise import Adam

STEPS = {"smoke": 50, "live": 5000, "full": 20_000}
UNITS, HIDDEN, BATCH, RATE, DECAY = 200, 4, 100, 1e-3, 0.99


class Network(nn.Module):
    """Attributes and the last p records -> the next record."""

    def __init__(self, encoder: Encoder, samples: int, order: int = 3, noise: bool = False):
        super().__init__()
        whole("order", order)
        self.order = order
        self.records = Records(encoder, noise)
        self.attributes = Empirical(samples, widths(heads(encoder)[0]))
        narrow, wide = self.attributes.rows.shape[1], widths(self.records.heads)
        self.mlp = mlp(narrow + order * wide, wide, units=UNITS, hidden=HIDDEN)

    def forward(self, attributes: Tensor, history: Tensor) -> Tensor:  # (N, A), (N, p, F) -> (N, F)
        return activate(self.mlp(torch.cat([attributes, history.flatten(1)], 1)), self.records.heads)

    def generate(self, n: int, rng: torch.Generator) -> Made:
        attributes, records = self.attributes(n, rng), self.records
        features = torch.zeros(n, self.order + records.time, widths(records.heads))  # p zero records first
        for t in range(self.order, features.shape[1]):
            predicted = self(attributes, features[:, t - self.order : t])
            features[:, t] = records.draw(predicted, rng, first=t == self.order)
        features = features[:, self.order :]  # (N, T, F)
        return Made(attributes, features, records.lengths(features))


def train(network: Network, data: Data, steps: int, rng: torch.Generator) -> Iterator[dict[str, float]]:
    """Squared error of the continuous features and cross-entropy of the categories, each summed over the features."""
    network.attributes.fit(data.attributes)
    network.records.fit(data)
    order = network.order
    until = data.lengths.cumsum(0)  # the steps of all series, counted through
    learner = copy.deepcopy(network)  # `network` holds a moving average of its weights
    optimiser = Adam(learner, rate=RATE)
    for n in count():
        chosen = torch.randint(int(until[-1]), (BATCH,), generator=rng)
        series = torch.searchsorted(until, chosen, right=True)
        step = chosen - (until - data.lengths)[series]
        at = step[:, None] + torch.arange(-order, 1)  # (N, p + 1), the record and those before it
        window = data.features[series[:, None], at.clamp(min=0)] * (at >= 0)[..., None]  # (N, p + 1, F)
        predicted = learner(data.attributes[series], window[:, :-1])
        losses = network.records.losses(predicted, window[:, -1], step > 0)
        descend(optimiser, sum(losses.values(), torch.zeros(())))
        follow(network, learner, n)
        yield {name: loss.item() for name, loss in losses.items()}


def follow(average: nn.Module, learner: nn.Module, n: int) -> None:
    """Update n = 0, 1, ... of the moving average of the weights."""
    average_into(dict(average.named_parameters()), dict(learner.named_parameters()), average_share(DECAY, n))


class Records(nn.Module):
    """What AR and RNN do alike: judge a predicted record, begin a series, and make a record of a prediction."""

    mean: Tensor  # (C,), of the first records
    root: Tensor  # (C, C), a square root of their covariance
    error: Tensor  # (C,), mean squared error of the predictions
    continuous: Tensor  # (C,), where in a record

    def __init__(self, encoder: Encoder, noise: bool):
        super().__init__()
        # what is predicted is the value where there is something: the event, which is learned by its chance, gates none
        self.heads = [head._replace(gates=0, decided=False) for head in encoder.feature_heads]
        self.noise, self.time, self.variable = noise, encoder.passes, encoder.schema.variable_length
        self.events = events(encoder.feature_heads)
        numbers = [head.activation != "softmax" for head in self.heads for _ in range(head.width)]
        kinds = torch.tensor(numbers, device="cpu")  # in a model without numbers ("meta", as `load` makes it) too
        self.register_buffer("continuous", kinds.nonzero()[:, 0], persistent=False)
        self.register_buffer("mean", torch.zeros(len(self.continuous)))
        self.register_buffer("root", torch.zeros(len(self.continuous), len(self.continuous)))
        self.register_buffer("error", torch.zeros(len(self.continuous)))
        self.judged = 0  # updates of `error`, the mean of about the last 100 steps

    def fit(self, data: Data) -> None:
        """The normal distribution of the first records' continuous values."""
        first, here = data.features[:, 0, self.continuous], self.counted(data.features[:, 0])  # (N, C)
        self.mean.copy_((first * here).sum(0) / here.sum(0).clamp_min(1))
        apart = (first - self.mean) * here
        spread, axes = torch.linalg.eigh(apart.T @ apart / (here.T @ here).clamp_min(1))
        self.root.copy_(axes * spread.clamp_min(0).sqrt())

    def counted(self, records: Tensor) -> Tensor:
        """1.0 where a continuous value counts, 0.0 where its event says that there is nothing, (N, F) -> (N, C)."""
        found = torch.ones_like(records)
        for event in self.events:  # beside its value
            found[:, event - 1] = (records[:, event] > 0).float()
        return found[:, self.continuous]

    def losses(self, predicted: Tensor, real: Tensor, later: Tensor) -> dict[str, Tensor]:
        """Of records (N, F), the predicted ones with soft categories; `later` (N,) is False for a series' first."""
        here, wrong = self.counted(real)[later], (predicted - real)[later][:, self.continuous]
        squared = (wrong.square() * here).sum(0) / here.sum(0).clamp_min(1)  # (C,)
        self.error.lerp_(squared.detach(), average_share(DECAY, self.judged))
        self.judged += 1
        parts = (predicted * real).split([head.width for head in self.heads], 1)
        likelihood = [part / head.weight**2 for head, part in zip(self.heads, parts, strict=True)]
        # of full length there is no end to be learned
        learned = [h.activation == "softmax" and (self.variable or h is not self.heads[-1]) for h in self.heads]
        entropies = [-p.sum(1).clamp_min(1e-12).log().mean() for p, yes in zip(likelihood, learned, strict=True) if yes]
        losses = {"squared_error": squared.sum()} if len(self.continuous) else {}
        return losses | ({"cross_entropy": torch.stack(entropies).sum()} if entropies else {})

    def draw(self, predicted: Tensor, rng: torch.Generator, first: bool) -> Tensor:
        """Hard records (N, F) of predicted ones."""
        record = drawn(predicted, self.heads, rng)
        if first or self.noise:
            noise = torch.randn((len(record), len(self.continuous)), generator=rng)
            begun, goes_on = self.mean + noise @ self.root.T, record[:, self.continuous] + noise * self.error.sqrt()
            record[:, self.continuous] = (begun if first else goes_on).clamp(-1, 1)
        record[:, self.continuous] *= self.counted(record)
        if not self.variable:
            record[:, -2:] = torch.tensor([1.0, 0.0])  # goes on
        return record

    def lengths(self, features: Tensor) -> Tensor:  # (N, T, F) -> (N,)
        return ends(features) if self.variable else torch.full((len(features),), self.time)
