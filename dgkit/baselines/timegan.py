"""TimeGAN: a GAN in the latent space of an autoencoder, with a supervisor that learns how the latent space moves on.

Follows Yoon, Jarrett and van der Schaar 2019, "Time-series generative adversarial networks", and their code
(jsyoon0823/TimeGAN, timegan.py). Five recurrent networks: embedder (series -> latent steps) and recovery (back), the
generator (uniform noise at each step -> latent steps), the supervisor (latent steps -> the next ones), and the
discriminator, which judges every latent step. Training has three phases of as many steps each: reconstruction;
supervision on real latent steps; and both with the adversarial loss, where each step updates generator and supervisor
twice, embedder and recovery twice, and the discriminator once unless it is far ahead (loss below 0.15). Kept: latent
width 24, GRUs, sigmoid latent steps, Adam with rate 0.001, gamma = 1, the weights of the losses (100 on supervision and
moments, 10 on reconstruction, 0.1 on supervision of the embedder).

The model cannot generate attributes: the paper speaks of static features, its code has none. They are drawn from the
training data as they occur together (`Empirical`), whatever the series: so series and attributes are independent.

Changed: one GRU layer in each network in place of three (two in the supervisor), for one CPU thread; the activation of
each feature's kind at the recovery; one batch serves a whole joint step; errors enter as root mean squares everywhere;
batches of 100 in place of 128; where lengths vary they come from generation flags, as DoppelGANger's, and no
step past a series' own end counts.

Letters for shapes: N samples in the batch, T steps, F feature width with the two flags, H latent width, z noise width.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from dgkit.baselines.protocol import Data, Empirical, Made, batches, by_blocks, descend, ends, heads, valid
from dgkit.core.encode import Encoder
from dgkit.core.heads import activate, widths
from dgkit.core.optimise import Adam, glorot

STEPS = {"smoke": 9, "live": 180, "full": 3000}
LATENT, BATCH, RATE, GAMMA, AHEAD = 24, 100, 1e-3, 1.0, 0.15


class Steps(nn.Module):
    """A GRU and a linear layer on each of its outputs, (N, T, inputs) -> (N, T, outputs)."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.gru, self.head = nn.GRU(inputs, LATENT), glorot(nn.Linear(LATENT, outputs))

    def forward(self, steps: Tensor) -> Tensor:
        return self.head(self.gru(steps.transpose(0, 1))[0]).transpose(0, 1)


class Network(nn.Module):
    """All five networks, and the attributes to draw from."""

    def __init__(self, encoder: Encoder, samples: int):
        super().__init__()
        attribute_heads, self.feature_heads = heads(encoder)
        self.time, self.width = encoder.passes, widths(self.feature_heads)
        self.variable = encoder.schema.variable_length
        self.empirical = Empirical(samples, widths(attribute_heads))
        self.embedder, self.recovery = Steps(self.width, LATENT), Steps(LATENT, self.width)
        self.generator, self.supervisor = Steps(self.width, LATENT), Steps(LATENT, LATENT)
        self.discriminator = Steps(LATENT, 1)

    def embed(self, features: Tensor) -> Tensor:  # (N, T, F) -> (N, T, H)
        return torch.sigmoid(self.embedder(features))

    def recover(self, latent: Tensor) -> Tensor:  # (N, T, H) -> (N, T, F)
        return activate(self.recovery(latent), self.feature_heads)

    def supervise(self, latent: Tensor) -> Tensor:  # (N, T, H): what follows each step
        return torch.sigmoid(self.supervisor(latent))

    def imagine(self, n: int, rng: torch.Generator) -> Tensor:
        """Latent steps of n new series before the supervisor, (n, T, H); the noise is as wide as the features."""
        return torch.sigmoid(self.generator(torch.rand((n, self.time, self.width), generator=rng)))

    def ends(self, features: Tensor) -> Tensor:
        return ends(features.detach()) if self.variable else torch.full((len(features),), self.time)

    def generate(self, n: int, rng: torch.Generator) -> Made:
        attributes = self.empirical(n, rng)
        features = by_blocks(lambda s: self.recover(self.supervise(self.imagine(s.stop - s.start, rng))), n)
        return Made(attributes, features, self.ends(features))


def train(network: Network, data: Data, steps: int, rng: torch.Generator) -> Iterator[dict[str, float]]:
    """Losses of each step, those of its phase: root mean squared errors of `reconstruction` and of the next latent step
    (`supervised`), cross-entropies `discriminator` and `generator`, and `moments`, a distance of means and spreads."""
    network.empirical.fit(data.attributes)
    coder = Adam(network.embedder, network.recovery, rate=RATE)
    maker = Adam(network.generator, network.supervisor, rate=RATE)
    supervisor = Adam(network.supervisor, rate=RATE)
    judge = Adam(network.discriminator, rate=RATE)
    for step, batch in enumerate(batches(data, BATCH, rng)):
        if step < steps // 3:
            loss = _reconstruction(network, batch)
            descend(coder, 10 * loss)
            yield {"reconstruction": loss.item()}
        elif step < 2 * (steps // 3):
            loss = _supervised(network, network.embed(batch.features).detach(), batch.lengths)
            descend(supervisor, loss)
            yield {"supervised": loss.item()}
        else:
            yield _jointly(network, batch, rng, coder, maker, judge)


def _jointly(
    network: Network,
    batch: Data,
    rng: torch.Generator,
    coder: Adam,
    maker: Adam,
    judge: Adam,
) -> dict[str, float]:
    n = len(batch.lengths)
    for _ in range(2):
        before = network.imagine(n, rng)  # (N, T, H)
        after = network.supervise(before)
        fake = network.recover(after)
        made = valid(network.ends(fake), network.time)  # (N, T)
        supervised = _supervised(network, network.embed(batch.features).detach(), batch.lengths)
        moments = _moments(batch.features, fake, valid(batch.lengths, network.time), made)
        deceived = _verdict(network, after, 1.0, made) + GAMMA * _verdict(network, before, 1.0, made)
        descend(maker, deceived + 100 * supervised + 100 * moments)
        reconstruction = _reconstruction(network, batch)
        its_own = _supervised(network, network.embed(batch.features), batch.lengths)
        descend(coder, 10 * reconstruction + 0.1 * its_own)
    with torch.no_grad():
        real, before = network.embed(batch.features), network.imagine(n, rng)
        after = network.supervise(before)
        made = valid(network.ends(network.recover(after)), network.time)
    judged = _verdict(network, real, 1.0, valid(batch.lengths, network.time)) + _verdict(network, after, 0.0, made)
    judged = judged + GAMMA * _verdict(network, before, 0.0, made)
    if judged.item() > AHEAD:
        descend(judge, judged)
    losses = {
        "reconstruction": reconstruction, "supervised": supervised, "moments": moments,
        "generator": deceived, "discriminator": judged,
    }  # fmt: skip
    return {name: loss.item() for name, loss in losses.items()}


def _reconstruction(network: Network, batch: Data) -> Tensor:
    error = (network.recover(network.embed(batch.features)) - batch.features).square().mean(2)  # (N, T)
    return _root(_mean(error, valid(batch.lengths, network.time)))


def _supervised(network: Network, latent: Tensor, lengths: Tensor) -> Tensor:
    error = (network.supervise(latent)[:, :-1] - latent[:, 1:]).square().mean(2)  # (N, T - 1)
    return _root(_mean(error, valid(lengths, network.time)[:, 1:]))


def _verdict(network: Network, latent: Tensor, target: float, counted: Tensor) -> Tensor:
    """Cross-entropy of the discriminator's verdict on each step."""
    verdicts = network.discriminator(latent).squeeze(2)
    wrong = functional.binary_cross_entropy_with_logits(verdicts, torch.full_like(verdicts, target), reduction="none")
    return _mean(wrong, counted)


def _moments(real: Tensor, fake: Tensor, counted: Tensor, made: Tensor) -> Tensor:
    """Distance of the means and of the standard deviations over samples, at each step that both reach."""
    means, spreads = [], []
    for series, here in ((real, counted), (fake, made)):
        count = here.sum(0).clamp(min=1)[:, None]  # (T, 1)
        mean = (series * here[..., None]).sum(0) / count  # (T, F)
        means.append(mean)
        spreads.append(_root(((series - mean).square() * here[..., None]).sum(0) / count))
    both = ((counted.sum(0) > 0) & (made.sum(0) > 0)).float()[:, None].expand_as(means[0])
    return _mean((means[0] - means[1]).abs(), both) + _mean((spreads[0] - spreads[1]).abs(), both)


def _mean(values: Tensor, counted: Tensor) -> Tensor:
    return (values * counted).sum() / counted.sum().clamp(min=1)


def _root(values: Tensor) -> Tensor:
    return (values + 1e-8).sqrt()
