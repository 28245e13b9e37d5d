"""The networks of DoppelGANger: attribute, min/max and feature generator, and the discriminators.

Follows `gan/network.py` of the original code (Lin et al. 2020, Section 4; sizes from its example_training/config.py).
Left out: `feed_back` (off in every published run) and packing (num_packing = 1 there; the first author found
auto-normalisation sufficient, issue 8 of the original repository).

Letters for shapes: N samples in the batch, S steps a pass (sample_len), R passes, A attribute width, M min/max width,
F feature width with the two flags, z noise width (each part may have its own).
"""

from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from dgkit.core import full_range
from dgkit.core.config import Config
from dgkit.core.heads import Head, activate, harden, widths
from dgkit.core.optimise import glorot
from dgkit.core.starts import glorot_blocks, start_lstm
from dgkit.errors import ConfigError


class Noise(NamedTuple):
    """Everything random in one generator pass; each part has its own draw."""

    attribute: Tensor  # (N, z)
    minmax: Tensor  # (N, z), not shared with the attributes
    feature: Tensor  # (R, N, z), fresh for each pass
    hidden: Tensor  # (layers, N, units), initial LSTM state
    cell: Tensor  # (layers, N, units)


class Generated(NamedTuple):
    """What the generator makes: categories soft, so that gradients flow."""

    attributes: Tensor  # (N, A)
    minmax: Tensor  # (N, M)
    features: Tensor  # (N, R * S, F), zero after the last begun pass
    lengths: Tensor  # (N,), steps up to and including the first that says "ends here"


class AttributeGenerator(nn.Module):
    """Noise (and, for min/max, the attributes) -> attributes: two hidden layers, one head for each attribute."""

    def __init__(self, inputs: int, heads: list[Head], units: int, layers: int):
        super().__init__()
        self.heads = heads

        # hidden layers: linear, ReLU, batch norm, in the original's order
        hidden: list[nn.Module] = []
        for _ in range(layers - 1):
            # TensorFlow's decay 0.9 keeps 0.9 of the old statistics; torch's momentum is the share of the new: 0.1
            hidden += [nn.Linear(inputs, units), nn.ReLU(), nn.BatchNorm1d(units, eps=1e-5, momentum=0.1)]
            inputs = units
        self.hidden = nn.Sequential(*hidden)

        # one matrix for all heads, which start as if each had its own
        self.head = nn.Linear(inputs, widths(heads))
        glorot(self)
        glorot_blocks(self.head, heads)

    def forward(self, inputs: Tensor) -> Tensor:  # (N, z or A + z) -> (N, A or M)
        return activate(self.head(self.hidden(inputs)), self.heads)


class FeatureGenerator(nn.Module):
    """Attributes and fresh noise -> LSTM -> S steps of all features for each pass."""

    def __init__(self, inputs: int, heads: list[Head], sample_len: int, units: int, layers: int, forget_bias: float):
        super().__init__()
        self.heads, self.sample_len = heads, sample_len
        self.lstm = nn.LSTM(inputs, units, layers)
        self.head = nn.Linear(units, sample_len * widths(heads))
        glorot_blocks(self.head, heads * sample_len)
        start_lstm(self.lstm, forget_bias)

    def forward(self, attributes: Tensor, noise: Tensor, hidden: Tensor, cell: Tensor) -> Tensor:
        inputs = torch.cat([attributes.expand(len(noise), *attributes.shape), noise], 2)  # (R, N, A + M + z)
        outputs, _ = self.lstm(inputs, (hidden, cell))  # (R, N, units)
        steps = self.head(outputs).transpose(0, 1)  # (N, R, S * F)
        steps = steps.reshape(steps.shape[0], -1, self.head.out_features // self.sample_len)  # (N, R * S, F)
        return activate(steps, self.heads, training=self.training)


class Generator(nn.Module):
    """The whole generator. Gradients do not pass from min/max or features back into what they are conditioned on."""

    def __init__(self, encoder: Any, config: Config):  # an Encoder, which knows of networks what a head is
        super().__init__()
        self.passes, self.sample_len = encoder.passes, config.sample_len
        self.attribute_heads, self.minmax_heads = encoder.attribute_heads, encoder.minmax_heads
        a, m = widths(self.attribute_heads), widths(self.minmax_heads)
        z = self.noise_widths = {part: config.of(f"{part}_noise") for part in ("attribute", "minmax", "feature")}

        # attributes from noise; min/max from noise and attributes
        sizes = config.attribute_units, config.attribute_layers
        self.attribute = AttributeGenerator(z["attribute"], self.attribute_heads, *sizes) if a else None
        self.minmax = AttributeGenerator(z["minmax"] + a, self.minmax_heads, *sizes) if m else None

        # features from noise, attributes and min/max
        if not (inputs := a + m + z["feature"]):
            raise ConfigError("feature_noise=0 leaves the LSTM without an input: no attributes, no auto-normalisation.")
        self.feature = FeatureGenerator(
            inputs, encoder.feature_heads, config.sample_len, config.lstm_units, config.lstm_layers, config.forget_bias
        )
        self.stretched = full_range.columns(encoder, config)
        self.initial, self.state_shape = config.initial_state, (config.lstm_layers, config.lstm_units)
        if self.initial == "variable":
            self.learned_state = nn.Parameter(0.02 * torch.randn(2, config.lstm_layers, 1, config.lstm_units))

    def draw(self, n: int, rng: torch.Generator, passes: int | None = None) -> Noise:
        """Noise for n samples, from `rng` (on the CPU, so that every device sees the same).

        For another number of passes than trained on it begins alike: what is more is drawn last.
        """
        (layers, units), z = self.state_shape, self.noise_widths
        shapes = [(n, z["attribute"]), (n, z["minmax"]), (self.passes, n, z["feature"]), *[(layers, n, units)] * 2]
        noise = Noise(*(torch.randn(shape, generator=rng) for shape in shapes))
        if passes is None or passes == self.passes:
            return noise
        more = torch.randn((max(passes - self.passes, 0), n, z["feature"]), generator=rng)
        return noise._replace(feature=torch.cat([noise.feature, more])[:passes])

    def forward(self, noise: Noise, attributes: Tensor | None = None, fixed_length: bool = False) -> Generated:
        """Generate a batch; `attributes` (N, A), hard, replaces the attribute generator."""
        n = noise.attribute.shape[0]
        none = noise.attribute.new_zeros(n, 0)

        # attributes, and from these, hard and without gradient, each series' range
        if attributes is None:
            attributes = self.attribute(noise.attribute) if self.attribute else none
        hard = harden(attributes, self.attribute_heads)  # (N, A)
        minmax = self.minmax(torch.cat([noise.minmax, hard], 1)) if self.minmax else none  # (N, M)

        # the series, from both
        given = torch.cat([hard, harden(minmax, self.minmax_heads)], 1)  # (N, A + M)
        hidden, cell = noise.hidden, noise.cell
        if self.initial == "zero":
            hidden, cell = torch.zeros_like(hidden), torch.zeros_like(cell)
        elif self.initial == "variable":
            hidden, cell = (part.expand_as(hidden).contiguous() for part in self.learned_state)
        features = self.feature(given, noise.feature, hidden, cell)  # (N, R * S, F)
        alive = torch.ones_like(features[..., 0]) if fixed_length else until_end(features.detach())
        features = full_range.stretched(features, alive, self.stretched)

        # whole passes after the end are zero, as in the original
        begun = alive[:, :: self.sample_len].repeat_interleave(self.sample_len, 1)
        return Generated(attributes, minmax, features * begun[..., None], alive.sum(1))


class Discriminator(nn.Module):
    """MLP critic with ReLU and without batch norm; the auxiliary one is the same on attributes and min/max alone."""

    def __init__(self, inputs: int, units: int, layers: int):
        super().__init__()
        sizes = [inputs, *[units] * (layers - 1), 1]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        glorot(self)

    def forward(self, samples: Tensor) -> Tensor:  # (N, inputs), as `flat` makes them -> (N,)
        return self.after_first(self.layers[0](samples))

    def after_first(self, outputs: Tensor) -> Tensor:
        """The score from the first layer's output before its ReLU."""
        for layer in self.layers[1:]:
            outputs = layer(torch.relu(outputs))
        return outputs.squeeze(1)


def critic_of(config: Config, name: str, inputs: int) -> Discriminator:
    """The "discriminator" or the "auxiliary" one that these settings ask for, for this many inputs."""
    return Discriminator(inputs, config.of(f"{name}_units"), config.of(f"{name}_layers"))


def until_end(features: Tensor) -> Tensor:
    """1 up to and including the first step whose flag says "ends here", then 0; (N, T, F) -> (N, T)."""
    goes_on = features[..., -2] >= features[..., -1]  # (N, T), argmax of the flag
    alive = torch.ones_like(features[..., 0])
    alive[:, 1:] = goes_on[:, :-1].cumprod(1)
    return alive


def flat(attributes: Tensor, minmax: Tensor, features: Tensor) -> Tensor:
    """A batch as the discriminator reads it, (N, R * S * F + A + M); the auxiliary one reads the last A + M."""
    return torch.cat([features.flatten(1), attributes, minmax], 1)
