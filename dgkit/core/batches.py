"""What a step works on, and everything that training draws at random: batches, noise, where penalties are taken.

Follows `train` in `gan/doppelganger.py` of the original code: batches with replacement, one noise for all networks.
What would tell of the data in a private run is drawn from the operating system's entropy.

Letters for shapes: N samples in the batch, as in `networks`.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from dgkit._seeding import secret_uniform
from dgkit.core.config import Config
from dgkit.core.networks import Generated, Generator, Noise, flat
from dgkit.core.on_disk import Rows


class Batch(NamedTuple):
    """What one discriminator half step works on.

    Parameters
    ----------
    real : Tensor, (N, inputs)
        Real samples, flattened as the discriminator reads them; in private training their number varies.
    noise : Noise
        Of the generated samples.
    made : Generated
        What the generator makes of it; gradients flow.
    fake : Tensor, (N, inputs)
        The same flattened, without gradient, one for each real sample.
    alphas : list of Tensor, (N, 1)
        Of each update of a discriminator in turn: where between real and fake its gradient is taken.

    Examples
    --------
    >>> import dgkit as dg
    >>> trainer = dg.Trainer(dg.simulate.web(50), dg.Config(steps=2, sample_len=84, batch_size=10))
    >>> trainer.peek().real.shape == trainer.peek().fake.shape
    True
    """

    real: Tensor
    noise: Noise
    made: Generated
    fake: Tensor
    alphas: list[Tensor]


class Drawn(NamedTuple):
    """What of a batch is random: real samples, noise, which fakes are read (None: all), where penalties are taken."""

    real: Tensor
    noise: Noise
    fakes: Tensor | None
    alphas: list[Tensor]


def batch_of(drawn: Drawn, generator: Generator) -> Batch:
    """The batch that this generator makes of what was drawn."""
    made = generator(drawn.noise)
    fake = flat(*made[:3]).detach()
    return Batch(drawn.real, drawn.noise, made, fake if drawn.fakes is None else fake[drawn.fakes], drawn.alphas)


class Draws:
    """The random numbers of a training, in the order in which it uses them; `rng` is where they come from."""

    def __init__(self, config: Config, device: torch.device, seed: int):
        self.config, self.device, self.rng = config, device, torch.Generator().manual_seed(seed)
        self.poisson = config.dp is not None and config.dp.sampling == "poisson"

    def batch(self, rows: Tensor | Rows, generator: Generator, updates: int) -> Batch:
        """The next batch of these samples (samples, inputs), for so many updates of discriminators."""
        return batch_of(self.drawn(rows, generator, updates), generator)

    def drawn(self, rows: Tensor | Rows, generator: Generator, updates: int) -> Drawn:
        """All that is random in the next batch."""
        real = rows[self.samples(len(rows)).to(rows.device)].to(self.device)  # (N, inputs)
        noise, fakes = self.noise(generator), None
        if self.poisson:
            # each real sample draws a fake of its own: what it adds does not depend on who else is in the batch
            fakes = self.integers(self.config.batch_size, len(real)).to(self.device)
        return Drawn(real, noise, fakes, [self.alpha(len(real)) for _ in range(updates)])

    def samples(self, n: int) -> Tensor:
        """Which of n samples this step sees: with replacement, or each with probability batch_size / n (Poisson)."""
        size = self.config.batch_size
        if not self.poisson:
            return self.integers(n, size)
        drawn = secret_uniform(n) if self.config.private else torch.rand(n, generator=self.rng, dtype=torch.float64)
        return torch.nonzero(drawn < size / n).squeeze(1)

    def noise(self, generator: Generator) -> Noise:
        """A batch of noise."""
        return Noise(*(part.to(self.device) for part in generator.draw(self.config.batch_size, self.rng)))

    def integers(self, below: int, n: int) -> Tensor:
        """n draws of 0 to below - 1. A private run's are secret: their number would tell the size of the batch."""
        if self.config.private:
            return (secret_uniform(n) * below).long()
        return torch.randint(below, (n,), generator=self.rng)

    def alpha(self, n: int) -> Tensor:
        """Where between real and fake each sample's gradient is taken, (n, 1)."""
        drawn = secret_uniform(n).float()[:, None] if self.config.private else torch.rand((n, 1), generator=self.rng)
        return drawn.to(self.device)
