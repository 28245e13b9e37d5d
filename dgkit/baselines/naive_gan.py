"""Naive GAN: one MLP makes a whole sample, attributes and series at once, and one discriminator judges it.

The simplest baseline of Lin et al. 2020, Section 5, as a Wasserstein GAN with gradient penalty. None of DoppelGANger's
ideas is in it: no LSTM, no auto-normalisation, no attributes first, no auxiliary discriminator. Its code was never
released (issue 44 of the original repository), so the sizes are those of DoppelGANger's discriminator (4 hidden layers
of 200) and the rest is as in the original's other networks: batch norm after each of the generator's ReLUs, normal
noise (of width 10), Adam with rate 0.001 and beta1 0.5, a penalty of 10. Lengths come from generation flags, as
DoppelGANger's, where the data have a `length`. Left out: sampling for given attributes, which this model cannot do.

Letters for shapes: N samples in the batch, T steps, A attribute width, F feature width with the two flags.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn

from dgkit.baselines.protocol import Data, Made, batches, by_blocks, descend, ends, heads, valid
from dgkit.core.encode import Encoder
from dgkit.core.heads import activate, widths
from dgkit.core.losses import critic_loss, generator_loss
from dgkit.core.networks import Discriminator
from dgkit.core.optimise import Adam, glorot

STEPS = {"smoke": 20, "live": 1000, "full": 5000}
UNITS, HIDDEN, NOISE, BATCH, RATE, PENALTY = 200, 4, 10, 100, 1e-3, 10.0


class Network(nn.Module):
    """Noise -> attributes and all steps; and the critic."""

    def __init__(self, encoder: Encoder, samples: int):
        super().__init__()
        self.attribute_heads, self.feature_heads = heads(encoder)
        self.narrow, self.wide, self.time = widths(self.attribute_heads), widths(self.feature_heads), encoder.passes
        self.variable = encoder.schema.variable_length
        outputs = self.narrow + self.time * self.wide
        layers: list[nn.Module] = []
        for a, b in pairwise([NOISE, *[UNITS] * HIDDEN]):
            layers += [nn.Linear(a, b), nn.ReLU(), nn.BatchNorm1d(b)]
        self.generator = glorot(nn.Sequential(*layers, nn.Linear(UNITS, outputs)))
        self.critic = Discriminator(outputs, UNITS, HIDDEN + 1)

    def forward(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Attributes (N, A) and features (N, T, F), zero past the end."""
        attributes, steps = self.generator(noise).tensor_split([self.narrow], 1)
        attributes = activate(attributes, self.attribute_heads) if self.attribute_heads else attributes
        features = activate(steps.reshape(len(noise), self.time, self.wide), self.feature_heads)
        return attributes, features * valid(self.ends(features), self.time)[..., None]

    def ends(self, features: Tensor) -> Tensor:
        """Lengths of generated series, (N, T, F) -> (N,)."""
        return ends(features.detach()) if self.variable else torch.full((len(features),), self.time)

    def generate(self, n: int, rng: torch.Generator) -> Made:
        noise = torch.randn((n, NOISE), generator=rng)
        samples = by_blocks(lambda some: _flat(*self(noise[some])), n)
        features = samples[:, : self.time * self.wide].unflatten(1, (self.time, self.wide))
        return Made(samples[:, self.time * self.wide :], features, self.ends(features))


def train(network: Network, data: Data, steps: int, rng: torch.Generator) -> Iterator[dict[str, float]]:
    """Losses of each step: of the critic with its penalty, and of the generator."""
    optimisers = [Adam(net, rate=RATE, beta1=0.5) for net in (network.critic, network.generator)]
    for batch in batches(data, BATCH, rng):
        real = _flat(batch.attributes, batch.features)
        fake = _flat(*network(torch.randn((BATCH, NOISE), generator=rng)))
        alpha = torch.rand((BATCH, 1), generator=rng)
        loss = critic_loss(network.critic, real, fake.detach(), alpha, PENALTY).loss
        yield {
            "critic_loss": descend(optimisers[0], loss),
            "generator_loss": descend(optimisers[1], generator_loss(network.critic, fake)),
        }


def _flat(attributes: Tensor, features: Tensor) -> Tensor:
    return torch.cat([features.flatten(1), attributes], 1)
