"""RCGAN: two LSTMs, one that makes each step from fresh noise, one that judges each step, both given the attributes.

Follows Esteban, Hyland and Raetsch 2017, "Real-valued (medical) time series generation with recurrent conditional
GANs", and their code (ratschlab/RGAN, model.py and its settings files): one layer of 100 LSTM units on either side,
normal noise at each step, the condition repeated at each step, cross-entropy on the discriminator's verdict on every
step, batches of 28, Adam with rate 0.001 for the generator and plain gradient descent with rate 0.1 for the
discriminator (with Adam for both they chase each other in circles, and the condition gets lost). Their paper leaves the
sizes open.

The model cannot generate attributes: they are its condition. `sample` draws them, min/max included, from the training
data as they occur together (`Empirical`), then makes a series for each. Where lengths vary they come from generation
flags, as DoppelGANger's, and no step past a series' own end is judged; the source knows series of one length only.

Differences: noise of width 5 (its MNIST settings; 10 for the patients' data); each feature has the activation of its
kind in place of one tanh for all; one batch serves both sides. At the start, forget gates have a bias of 1 on either
side and the generator's other gates of 0 (the source's generator starts all four gate biases at 1, and its cell adds
another 1 to the forget gate); output layers are Glorot-uniform with zero biases (there normal with deviation 1, cut at
2). Left out: the discriminator's third task of refusing real series with wrong conditions (off in its settings),
differential privacy.

Letters for shapes: N samples in the batch, T steps, A attribute width, F feature width with the two flags, z noise.
"""

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from dgkit.baselines.protocol import Data, Empirical, Made, batches, by_blocks, descend, ends, heads, valid
from dgkit.core.encode import Encoder
from dgkit.core.heads import widths
from dgkit.core.networks import FeatureGenerator
from dgkit.core.optimise import Adam, glorot

STEPS = {"smoke": 20, "live": 400, "full": 5000}
UNITS, NOISE, BATCH, RATE, DISCRIMINATOR_RATE = 100, 5, 28, 1e-3, 0.1


class Network(nn.Module):
    """Attributes and noise -> all steps; the discriminator; and the attributes to draw from."""

    def __init__(self, encoder: Encoder, samples: int):
        super().__init__()
        attribute_heads, feature_heads = heads(encoder)
        self.time, self.variable = encoder.passes, encoder.schema.variable_length
        self.empirical = Empirical(samples, widths(attribute_heads))
        self.generator = FeatureGenerator(widths(attribute_heads) + NOISE, feature_heads, 1, UNITS, 1, 1.0)
        self.discriminator = Discriminator(widths(attribute_heads) + widths(feature_heads))

    def forward(self, attributes: Tensor, rng: torch.Generator) -> Tensor:  # (N, A) -> (N, T, F)
        noise = torch.randn((self.time, len(attributes), NOISE), generator=rng)

        def series(some: slice) -> Tensor:
            start = torch.zeros(1, len(attributes[some]), UNITS)
            return self.generator(attributes[some], noise[:, some], start, start)

        return series(slice(None)) if self.training else by_blocks(series, len(attributes))

    def ends(self, features: Tensor) -> Tensor:
        """Lengths of generated series, (N, T, F) -> (N,)."""
        return ends(features.detach()) if self.variable else torch.full((len(features),), self.time)

    def generate(self, n: int, rng: torch.Generator) -> Made:
        attributes = self.empirical(n, rng)
        features = self(attributes, rng)
        return Made(attributes, features, self.ends(features))


class Discriminator(nn.Module):
    """A verdict on each step, real above 0, from that step and those before it."""

    def __init__(self, inputs: int):
        super().__init__()
        self.lstm = nn.LSTM(inputs, UNITS)
        bias = cast(Tensor, self.lstm.bias_ih_l0)
        nn.init.constant_(bias[UNITS : 2 * UNITS], 1.0)  # of the forget gate, torch's second
        self.head = glorot(nn.Linear(UNITS, 1))

    def forward(self, attributes: Tensor, features: Tensor) -> Tensor:  # (N, A), (N, T, F) -> (N, T)
        steps = torch.cat([features, attributes[:, None].expand(-1, features.shape[1], -1)], 2)  # (N, T, F + A)
        return self.head(self.lstm(steps.transpose(0, 1))[0]).squeeze(2).T


def train(network: Network, data: Data, steps: int, rng: torch.Generator) -> Iterator[dict[str, float]]:
    """Losses of each step: cross-entropy per step of the discriminator (real and fake added) and the generator."""
    network.empirical.fit(data.attributes)
    judging = list(network.discriminator.parameters())
    maker = Adam(network.generator, rate=RATE)
    for batch in batches(data, BATCH, rng):
        fake = network(batch.attributes, rng)
        series = torch.cat([batch.features, fake.detach()])  # (2N, T, F)
        counted = valid(torch.cat([batch.lengths, network.ends(fake)]), network.time)  # (2N, T)
        verdicts = network.discriminator(batch.attributes.repeat(2, 1), series)
        (on_real, on_fake), (real, made) = verdicts.chunk(2), counted.chunk(2)
        told = _cross_entropy(on_real, 1.0, real) + _cross_entropy(on_fake, 0.0, made)
        with torch.no_grad():
            for weight, slope in zip(judging, torch.autograd.grad(told, judging), strict=True):
                weight.add_(slope, alpha=-DISCRIMINATOR_RATE)
        deceived = _cross_entropy(network.discriminator(batch.attributes, fake), 1.0, made)
        yield {"discriminator_loss": told.item(), "generator_loss": descend(maker, deceived)}


def _cross_entropy(verdicts: Tensor, target: float, counted: Tensor) -> Tensor:
    """Mean over the steps counted; `verdicts` as log odds, (N, T)."""
    return functional.binary_cross_entropy_with_logits(
        verdicts, torch.full_like(verdicts, target), counted, reduction="sum"
    ) / counted.sum()  # fmt: skip
