"""Naive GAN: one MLP makes a whole sample, attributes and series at once, and one discriminator judges it.

The simplest baseline of Lin et al. 2020, Section 5, as a Wasserstein GAN with gradient penalty. None of DoppelGANger's
ideas is in it: no LSTM, no auto-normalisation, no attributes first, no auxiliary discriminator. Its code was never
released (issue 44 of the original repository), so the sizes are those of DoppelGANger's discriminator (4 hidden layers
of 200) and the rest is as in the original's other networks: batch norm after each of the generator's ReLUs, normal
noise (of width 10), Adam with rate 0.001 and beta1 0.5, a penalty of 10. Lengths come from generation flags, as
DoppelGANger's. Left out: sampling for given attributes, which this model cannot do.

Letters for shapes: N samples in the batch, T steps, A attribute width, F feature width with the two flags.
"""

import math
from itertools import pairwise

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from dgkit.encode import Encoder
from dgkit.errors import ConfigError, DivergenceError
from dgkit.losses import critic_loss, generator_loss
from dgkit.networks import Discriminator, activate, flat

STEPS = {"smoke": 20, "live": 1000, "full": 5000}
UNITS, HIDDEN, NOISE, BATCH, RATE, PENALTY = 200, 4, 10, 100, 1e-3, 10.0


class Generator(nn.Module):
    """Noise -> attributes and all steps."""

    def __init__(self, encoder: Encoder):
        super().__init__()
        self.attribute_heads, self.feature_heads = encoder.attribute_heads, encoder.feature_heads
        self.narrow, self.wide = (
            sum(head.width for head in heads) for heads in (self.attribute_heads, self.feature_heads)
        )
        widths = [NOISE, *[UNITS] * HIDDEN]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs), nn.ReLU(), nn.BatchNorm1d(outputs)]
        self.layers = nn.Sequential(*layers, nn.Linear(UNITS, self.narrow + encoder.passes * self.wide))
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Attributes (N, A), features (N, T, F), zero past the end, and lengths (N,)."""
        attributes, steps = self.layers(noise).tensor_split([self.narrow], 1)
        attributes = activate(attributes, self.attribute_heads) if self.attribute_heads else attributes
        features = activate(steps.reshape(len(noise), -1, self.wide), self.feature_heads)
        goes_on = features.detach()[..., -2] >= features.detach()[..., -1]  # (N, T), argmax of the flag
        alive = torch.ones_like(features[..., 0])
        alive[:, 1:] = goes_on[:, :-1].cumprod(1)  # 1 up to and including the first step that says "ends here"
        return attributes, features * alive[..., None], alive.sum(1)


class NaiveGAN:
    """A trained naive GAN."""

    def __init__(self, encoder: Encoder, generator: Generator):
        self.encoder, self.generator = encoder, generator.eval().requires_grad_(False)

    def sample(self, n: int, seed: int = 0) -> xr.Dataset:
        """n samples of the training data's schema. Raises ConfigError for n below 1."""
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
            raise ConfigError(f"n={n!r} must be a whole number of at least 1.")
        attributes, features, lengths = self.generator(_noise(int(n), torch.Generator().manual_seed(seed)))
        variable = self.encoder.schema.variable_length
        length = lengths.numpy().astype(np.int64) if variable else None
        return self.encoder.decode(attributes, attributes.new_zeros(int(n), 0), features, length)


def fit(ds: xr.Dataset, *, seed: int = 0, budget: str = "live", steps: int | None = None) -> NaiveGAN:
    """Train a naive GAN.

    Parameters
    ----------
    ds : Dataset
        As `dgkit.schema` describes.
    seed : int
        Same seed, data and thread count: same model.
    budget : {"smoke", "live", "full"}
        20, 1000 or 5000 steps.
    steps : int, optional
        Training steps, in place of the budget's.

    Raises
    ------
    SchemaError, ConfigError, DivergenceError
    """
    steps = STEPS[budget] if steps is None else steps
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ConfigError(f"steps={steps!r} must be a whole number of at least 1.")
    encoder = Encoder.fit(ds, sample_len=1, auto_normalise=False)
    real = flat(*encoder.encode(ds))  # (all samples, T * F + A)
    with torch.random.fork_rng(devices=[]):  # initial weights from the seed, the global stream untouched
        torch.manual_seed(seed)
        generator, critic = Generator(encoder), Discriminator(real.shape[1], UNITS, HIDDEN + 1)
    rng = torch.Generator().manual_seed(seed)
    generator_adam, critic_adam = (
        torch.optim.Adam(net.parameters(), RATE, (0.5, 0.999), fused=True) for net in (generator, critic)
    )
    for step in range(1, steps + 1):
        batch = real[torch.randint(len(real), (BATCH,), generator=rng)]
        attributes, features, _ = generator(_noise(BATCH, rng))
        fake = flat(attributes, attributes.new_zeros(BATCH, 0), features)
        alpha = torch.rand((BATCH, 1), generator=rng)
        _update(critic, critic_adam, critic_loss(critic, batch, fake.detach(), alpha, PENALTY).loss)
        loss = generator_loss(critic, fake)
        _update(generator, generator_adam, loss)
        if not math.isfinite(loss.item()):
            raise DivergenceError(f"the naive GAN diverged at step {step}: its loss is {loss.item():g}.", step)
    return NaiveGAN(encoder, generator)


def _update(net: nn.Module, adam: torch.optim.Adam, loss: Tensor) -> None:
    parameters = list(net.parameters())
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = gradient
    adam.step()


def _noise(n: int, rng: torch.Generator) -> Tensor:
    return torch.randn((n, NOISE), generator=rng)
