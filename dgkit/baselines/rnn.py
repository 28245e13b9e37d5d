"""RNN: an LSTM that predicts the next record from the attributes and all records before it.

The baseline of Lin et al. 2020, Section 5. Its code was never released (issue 44 of the original repository); as we
recall it, it is one LSTM layer of 100 units with the attributes as input at each step, trained by teacher forcing (its
input is the real record before, not its own), and its first record comes from a normal distribution fitted to the
training data. So it is DoppelGANger's feature generator at sample_len 1 with the previous record in the noise's place,
and is built of that. What AR and RNN do alike, losses, first record, categories, ends and the moving average of the
weights, is told in ar.py; as there, a value is the prediction itself, without noise, unless `noise=True` asks
for some. Batches are of 100 series, the LSTM's first state is zero. Left out: given attributes.

Letters for shapes: N samples in the batch, T steps, A attribute width, F feature width with the two flags.
"""

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from dgkit.baselines.ar import Records, follow
from dgkit.baselines.protocol import Data, Empirical, Made, batches, descend, heads, valid
from dgkit.core.encode import Encoder
from dgkit.core.heads import activate, widths
from dgkit.core.networks import FeatureGenerator
from dgkit.core.optimise import Adam

STEPS = {"smoke": 5, "live": 300, "full": 5000}
UNITS, BATCH, RATE = 100, 100, 1e-3


class Network(nn.Module):
    """Attributes and the record before -> LSTM -> the next record."""

    def __init__(self, encoder: Encoder, samples: int, noise: bool = False):
        super().__init__()
        self.records = Records(encoder, noise)
        self.attributes = Empirical(samples, widths(heads(encoder)[0]))
        inputs = self.attributes.rows.shape[1] + widths(self.records.heads)
        self.feature = FeatureGenerator(inputs, self.records.heads, 1, UNITS, 1, forget_bias=1.0)

    def forward(self, attributes: Tensor, features: Tensor) -> Tensor:
        """Each record of (N, T, F) predicted from those before it."""
        before = functional.pad(features, (0, 0, 1, 0))[:, :-1]  # (N, T, F), the first one zero
        zero = features.new_zeros(1, len(features), UNITS)
        return self.feature(attributes, before.transpose(0, 1), zero, zero)

    def generate(self, n: int, rng: torch.Generator) -> Made:
        attributes, records = self.attributes(n, rng), self.records
        record, state = torch.zeros(n, widths(records.heads)), None
        features = torch.empty(n, records.time, widths(records.heads))  # (N, T, F)
        for t in range(records.time):
            output, state = self.feature.lstm(torch.cat([attributes, record], 1)[None], state)  # (1, N, units)
            predicted = activate(self.feature.head(output[0]), records.heads)  # (N, F)
            record = records.draw(predicted, rng, first=t == 0)
            features[:, t] = record
        return Made(attributes, features, records.lengths(features))


def train(network: Network, data: Data, steps: int, rng: torch.Generator) -> Iterator[dict[str, float]]:
    """Squared error of the continuous features and cross-entropy of the categories, each summed over the features."""
    network.attributes.fit(data.attributes)
    network.records.fit(data)
    learner = copy.deepcopy(network)  # `network` holds a moving average of its weights
    optimiser = Adam(learner, rate=RATE)
    for n, batch in enumerate(batches(data, BATCH, rng)):
        here = valid(batch.lengths, network.records.time).bool()  # (N, T)
        later = (torch.arange(network.records.time) > 0).expand(here.shape)
        predicted = learner(batch.attributes, batch.features)
        losses = network.records.losses(predicted[here], batch.features[here], later[here])
        descend(optimiser, sum(losses.values(), torch.zeros(())))
        follow(network, learner, n)
        yield {name: loss.item() for name, loss in losses.items()}
