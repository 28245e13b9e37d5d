"""Flow matching."""

import copy
import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from dgkit._checks import whole
from dgkit.baselines.protocol import Data, Made, by_blocks, descend, valid
from dgkit.baselines.surrogate import Joint, Shapes
from dgkit.core.encode import Encoder
from dgkit.core.optimise import Adam, average_into, average_share

STEPS = {"smoke": 20, "live": 500, "full": 5000}
UNITS, BLOCKS, BATCH, RATE, LAST, DECAY, TIMES, HEUN = 384, 3, 256, 1e-3, 0.02, 0.99, 16, 12
WIDEST, RIDGE = 2048, 1e-2

class Network(nn.Module):
    def __init__(self, encoder: Encoder, samples: int, units: int = UNITS):
        super().__init__()
        whole("units", units)
        self.joint, self.scales = Joint(encoder, samples), Shapes(encoder)
        self.time, self.wide = encoder.passes, len(self.scales.continuous_here)
        self.white = White(self.time, self.wide)
        self.velocity = Velocity(self.time * self.wide + self.scales.width, self.joint.rows.shape[1] + 2, units)

    def condition(self, attributes, lengths):
        share = lengths[:, None] / self.time
        return torch.cat([attributes, share * 2 - 1, share.log()], 1)

    def here(self, lengths):
        here = valid(lengths, self.time).repeat_interleave(self.wide, 1)
        return functional.pad(here, (0, self.scales.width), value=1.0)

    def generate(self, n: int, rng: torch.Generator, given: Tensor | None = None) -> Made:
        source = self.joint.sources(n, rng, given)
        attributes = self.joint.attributes(source, rng) if given is None else given
        lengths = self.joint.lengths[source]
        condition = self.condition(attributes, lengths)
        noise = torch.randn((n, self.time * self.wide + self.scales.width), generator=rng)
        minmax = torch.empty(n, len(self.scales.numbers.table) - 2 * sum(self.scales.continuous_here))

        def series(some: slice) -> Tensor:
            x = self.path(noise[some], condition[some], self.here(lengths[some]))
            white, numbers = x.tensor_split([self.time * self.wide], 1)
            minmax[some] = self.scales.minmax(numbers)
            return self.scales.decode(self.white.decode(white), numbers)

        features = by_blocks(series, n)
        return Made(torch.cat([attributes, minmax], 1), features, lengths)

    def path(self, x, condition, here):
        dt = 1 / HEUN
        x = x * here
        for k in range(HEUN):
            t = torch.full((len(x), 1), k * dt)
            slope = self.velocity(x, t, condition)
            after = self.velocity(x + dt * slope * here, t + dt, condition)
            x = x + dt * (slope + after) / 2 * here
        return x


class White(nn.Module):
    def __init__(self, time, wide):
        super().__init__()
        self.size = time * wide
        self.blocks = -(-self.size // WIDEST)
        block = -(-self.size // self.blocks)
        self.wide = wide
        self.register_buffer("mean", torch.zeros(self.blocks * block))
        self.register_buffer("root", torch.zeros(self.blocks, block, block))

    def cut(self, x):
        return functional.pad(x, (0, len(self.mean) - x.shape[1]))

    def fit(self, shapes, here):
        x, here = (self.cut(part) for part in (shapes.flatten(1), here))
        count = here.sum(0).clamp_min(1)
        self.mean.copy_(x.sum(0) / count)
        x = (x - self.mean) * here / count.sqrt()
        x = x.unflatten(1, (self.blocks, -1)).transpose(0, 1)
        eye = torch.eye(x.shape[2])
        self.root.copy_(torch.linalg.cholesky(x.mT @ x + RIDGE * eye))
        u = torch.linalg.solve_triangular(self.root, x.mT, upper=False)
        self.root.mul_(u.square().sum(2).clamp_min(1e-6).sqrt()[:, None])

    def encode(self, shapes, here):
        x = self.cut((shapes.flatten(1) - self.mean[:self.size]) * here).unflatten(1, (self.blocks, -1)).permute(1, 2, 0)
        return torch.linalg.solve_triangular(self.root, x, upper=False).permute(2, 0, 1).flatten(1)[:, :self.size] * here

    def decode(self, white):
        x = self.cut(white).unflatten(1, (self.blocks, -1))
        x = torch.einsum("kij,nkj->nki", self.root, x).flatten(1) + self.mean
        return x[:, :self.size].unflatten(1, (-1, self.wide))


class Velocity(nn.Module):
    def __init__(self, size, given, units):
        super().__init__()
        self.enter = nn.Linear(size, units)
        self.told = nn.Sequential(nn.Linear(given + 2 * TIMES, units), nn.SiLU(), nn.Linear(units, units))
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(units), nn.Linear(units, units), nn.SiLU(), nn.Linear(units, units)) for _ in range(BLOCKS)
        )
        self.leave = nn.Sequential(nn.LayerNorm(units), nn.Linear(units, size))
        nn.init.zeros_(self.leave[1].weight); nn.init.zeros_(self.leave[1].bias)

    def forward(self, x, t, given):
        angles = t * math.pi * torch.arange(1, TIMES + 1)
        told = self.told(torch.cat([given, angles.sin(), angles.cos()], 1))
        h = self.enter(x)
        for block in self.blocks:
            h = h + block(h + told)
        spread = (1 - t) ** 2 + t**2
        return (2 * t - 1) / spread * x + self.leave(h + told) / spread.sqrt()


def train(network: Network, data: Data, steps: int, rng: torch.Generator) -> Iterator[dict[str, float]]:
    network.joint.fit(data)
    network.scales.fit(data, rng)
    shapes, numbers = network.scales.encode(data)
    series = network.here(data.lengths)[:, : network.white.size]
    network.white.fit(shapes, series)
    x1 = torch.cat([network.white.encode(shapes, series), numbers], 1)
    given = network.condition(network.joint.rows, data.lengths)
    average, learner = network.velocity, copy.deepcopy(network.velocity)
    optimiser = Adam(learner, rate=RATE)
    n = 0
    while True:
        optimiser.rate = RATE * (LAST + (1 - LAST) * (1 + math.cos(math.pi * min(1, n / steps))) / 2)
        rows = torch.randint(len(x1), (BATCH,), generator=rng)
        t = torch.rand((BATCH, 1), generator=rng)
        here = network.here(data.lengths[rows])
        noise = torch.randn((BATCH, x1.shape[1]), generator=rng) * here
        target = x1[rows] - noise
        found = learner((1 - t) * noise + t * x1[rows], t, given[rows])
        loss = ((found - target).square() * here).sum() / here.sum()
        yield {"loss": descend(optimiser, loss)}
        average_into(dict(average.named_parameters()), dict(learner.named_parameters()), average_share(DECAY, n))
        n += 1
