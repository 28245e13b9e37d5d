"""Market Simulator: a conditional variational autoencoder makes each window's log-signature from the window before.

Buehler, Horvath, Lyons, Perez Arribas and Wood 2020, "A data-driven market simulator for small data environments"
(arXiv 2006.14498), with the public code of the fourth author, Perez Arribas, as the second source
(imanolperez/market_simulator: market_generator.py, cvae.py, logsig_inversion.py). A series is cut into windows; a
window's path is summarised by its log-signature (`log_signature`); the autoencoder learns that of a window given that
of the window before; a path is then sought that has the generated log-signature.

Kept: lead-lag paths, depth 4, the log-signatures scaled one by one, the condition on the window before, 8 latent
variables, leaky ReLUs of slope 0.3, Adam with rate 0.005. Changed, because the source models one price alone, of
endless length:

- increments in place of returns, and a window starts where the last one stopped: values may be zero or negative;
- the condition holds the attributes, the current record and whether this is the first window, too;
- where a window's series ends, if it does, is generated with its log-signature (a category);
- the noise of the decoder is learned and drawn (the source fixes its weight, alpha = 0.003, and draws none, which
  leaves the log-signatures too narrow); a linear output in place of a sigmoid;
- the depth is the largest, up to 4, that keeps a log-signature within 100 numbers (3 for two or three features);
- the path is that of the training window with the nearest log-signature. The source breeds one: its first generation is
  paths of random increments, whole multiples of a smallest one, of which the tenth that fits the log-signature best is
  crossed and mutated. So here a series is pieced together from increments of training series, `window` at a time;
- two hidden layers of 100 in place of one of 50; log-signatures on a normal scale by their quantiles, not from 0 to 1.

What it does not reach: log-signatures are spread a little less than the data's (0.85 to 0.94 of it on a first-order
autoregression), and an attribute that makes series rougher is followed in part only.

The model cannot generate attributes: they are drawn from the data, jointly with the first record (`Empirical`). Left
out: sampling for given attributes.

Letters for shapes: N samples, T steps, C feature width without the flags, K windows of W steps, D log-signature width.
"""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from dgkit._checks import whole
from dgkit.baselines.protocol import Data, Empirical, Made, by_blocks, descend, heads
from dgkit.core.encode import Encoder
from dgkit.core.heads import widths
from dgkit.core.optimise import Adam, glorot

STEPS = {"smoke": 20, "live": 1000, "full": 5000}
UNITS, LATENT, BATCH, RATE, LIBRARY = 100, 8, 200, 5e-3, 10_000
QUANTILES = 1001
DEPTH, WIDTH = 4, 100  # of a log-signature: the largest depth, the most numbers


class Windows(NamedTuple):
    """The windows of many series, those after a series' end left out: M of them."""

    condition: Tensor  # (M, A + D + C + 1): attributes, the log-signature before, the record before, whether first
    target: Tensor  # (M, D), scaled log-signatures
    end: Tensor  # (M,), int64: the step of the window after which the series ends, W + 1 where it goes on
    steps: Tensor  # (M, W, C), increments


class Network(nn.Module):
    """The autoencoder, and the windows among which a generated log-signature is looked up."""

    quantiles: Tensor  # (D + C, QUANTILES), of each log-signature's and each record's numbers
    targets: Tensor  # (library, D), scaled log-signatures
    records: Tensor  # (library, C), scaled records before the windows
    ends: Tensor  # (library,)
    steps: Tensor  # (library, W, C)

    def __init__(self, encoder: Encoder, samples: int, window: int = 7):
        super().__init__()
        whole("window", window)
        self.variable, self.time = encoder.schema.variable_length, encoder.passes
        self.width, self.narrow = widths(encoder.feature_heads[:-1]), widths(heads(encoder)[0])
        self.window = max(1, min(window, self.time - 1))  # a series of one step has no increments
        self.depth, channels = 1, 2 * self.width
        # step by step: the words of a depth that is too large may be billions
        while self.depth < DEPTH and channels <= WIDTH and len(lyndon(channels, self.depth + 1)) <= WIDTH:
            self.depth += 1
        size, ends = len(lyndon(2 * self.width, self.depth)), self.window + 2
        condition = self.narrow + size + self.width + 1
        self.ending = glorot(_mlp(condition, ends))
        self.encode = glorot(_mlp(size + ends + condition, 2 * LATENT))
        self.decode = glorot(_mlp(LATENT + ends + condition, size))
        self.log_noise = nn.Parameter(torch.zeros(size))  # ln of the decoder's standard deviation
        self.start = Empirical(samples, self.narrow + self.width)
        count = min(LIBRARY, samples * max(1, -(-(self.time - 1) // self.window)))
        self.register_buffer("quantiles", torch.zeros(size + self.width, QUANTILES))
        self.register_buffer("targets", torch.zeros(count, size))
        self.register_buffer("records", torch.zeros(count, self.width))
        self.register_buffer("ends", torch.full((count,), self.window + 1))
        self.register_buffer("steps", torch.zeros(count, self.window, self.width))

    def windows(self, data: Data, fit: bool = False) -> Windows:
        """Cut series into windows of W increments: window k leads from step k W to step (k + 1) W."""
        series = data.features[..., :-2]
        n, w = len(series), self.window
        after = torch.arange(1, self.time) < data.lengths[:, None]  # (N, T - 1)
        moves = torch.zeros(n, max(1, -(-(self.time - 1) // w)) * w, self.width)
        torch.sub(series[:, 1:], series[:, :-1], out=moves[:, : self.time - 1]).mul_(after[..., None])  # 0 past the end
        moves = moves.unflatten(1, (-1, w))  # (N, K, W, C)
        first = torch.arange(moves.shape[1]) * w  # K, steps before each window
        left = data.lengths[:, None] - 1 - first  # (N, K), steps from the window's start to the series' end
        used = (left > 0) | (first == 0) if self.variable else (left >= w) | (first == 0)
        end = torch.where(left > w, w + 1, left) if self.variable else torch.full_like(left, w + 1)
        flat = moves.flatten(0, 1)
        targets = by_blocks(lambda some: log_signature(lead_lag(flat[some]), self.depth), len(flat))
        targets = targets.unflatten(0, (n, -1))  # (N, K, D)
        if fit:
            self.quantiles.copy_(torch.cat([quantiles(targets[used]), quantiles(series[:, first][used])]))
        targets = scores(targets, self.quantiles[: -self.width])
        records = scores(series[:, first], self.quantiles[-self.width :])

        def condition(some: slice) -> Tensor:
            i, k = rows[some].unbind(1)
            opening = (k == 0)[:, None]
            before = targets[i, (k - 1).clamp(min=0)].masked_fill(opening, 0.0)  # zero before the first
            return torch.cat([data.attributes[i], before, records[i, k], opening.float()], 1)

        rows = used.nonzero()  # (M, 2), which series, which of its windows
        return Windows(by_blocks(condition, len(rows)), targets[used], end[used], moves[used])

    def generate_windows(self, condition: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """A scaled log-signature (N, D) and an end (N,) for each condition."""
        end = torch.multinomial(self.ending(condition).softmax(1), 1, generator=rng)[:, 0]
        latent = torch.randn((len(condition), LATENT), generator=rng)
        noise = torch.randn((len(condition), len(self.log_noise)), generator=rng) * self.log_noise.exp()
        return self.decode(torch.cat([latent, one_hot(end, self.window + 2), condition], 1)) + noise, end

    def generate(self, n: int, rng: torch.Generator) -> Made:
        attributes, record = self.start(n, rng).tensor_split([self.narrow], 1)
        before, first = torch.zeros(n, len(self.log_noise)), torch.ones(n, 1)
        features = torch.zeros(n, self.time, self.width + 2)  # no flags: lengths are known
        features[:, 0, : self.width] = record
        lengths, alive = torch.ones(n, dtype=torch.int64), torch.ones(n, dtype=torch.bool)
        for t in range(1, self.time, self.window):
            now = scores(record, self.quantiles[-self.width :])
            target, end = self.generate_windows(torch.cat([attributes, before, now, first], 1), rng)
            found = self.nearest(target, now, end)
            path = (record[:, None] + self.steps[found].cumsum(1)).clamp(-1, 1)  # (N, W, C)
            features[:, t : t + self.window, : self.width] = path[:, : self.time - t]
            lengths += torch.where(alive, end.clamp(max=self.window), 0)
            alive &= end > self.window
            before, record, first = self.targets[found], path[:, -1], torch.zeros(n, 1)
        return Made(attributes, features, lengths.clamp(max=self.time))

    def nearest(self, target: Tensor, record: Tensor, end: Tensor) -> Tensor:
        """(N,), which training window has the log-signature nearest to each target, among those of that end."""
        rows = []
        library = torch.cat([self.targets, self.records], 1)
        for some, its_end in zip(torch.cat([target, record], 1).split(1000), end.split(1000), strict=True):
            distance = torch.cdist(some, library)  # (1000, library)
            rows.append((distance + 1e6 * (its_end[:, None] != self.ends)).argmin(1))
        return torch.cat(rows)


def train(network: Network, data: Data, steps: int, rng: torch.Generator) -> Iterator[dict[str, float]]:
    """Losses of each step, per window: of the log-signature, of the end (both negative log-likelihoods), and of the
    latent variables (Kullback-Leibler divergence from the normal distribution they are drawn from)."""
    network.start.fit(torch.cat([data.attributes, data.features[:, 0, :-2]], 1))
    windows = network.windows(data, fit=True)
    order = torch.randperm(len(windows.end), generator=rng)
    library = order.repeat(-(-len(network.ends) // len(order)))[: len(network.ends)]
    records = windows.condition[:, -1 - network.width : -1]
    for buffer, part in (
        (network.targets, windows.target),
        (network.records, records),
        (network.ends, windows.end),
        (network.steps, windows.steps),
    ):
        buffer.copy_(part[library])
    optimiser = Adam(network, rate=RATE)
    ends = network.window + 2
    while True:
        rows = torch.randint(len(windows.end), (BATCH,), generator=rng)
        condition, target, end = (part[rows] for part in windows[:3])
        known = torch.cat([one_hot(end, ends), condition], 1)
        mean, log_variance = network.encode(torch.cat([target, known], 1)).chunk(2, 1)
        latent = mean + (log_variance / 2).exp() * torch.randn(mean.shape, generator=rng)
        out = network.decode(torch.cat([latent, known], 1))
        spread = network.log_noise
        series = (((target - out) / spread.exp()) ** 2 / 2 + spread).sum(1).mean()
        ending = cross_entropy(network.ending(condition), end)
        divergence = (mean**2 + log_variance.exp() - 1 - log_variance).sum(1).mean() / 2
        descend(optimiser, series + ending + divergence)
        yield {"series_loss": series.item(), "end_loss": ending.item(), "latent_loss": divergence.item()}


def quantiles(values: Tensor) -> Tensor:
    """Of each column, (M, columns) -> (columns, QUANTILES)."""
    at = (torch.linspace(0, 1, QUANTILES, dtype=torch.float64) * (len(values) - 1)).round().long()
    return torch.stack([column.sort().values[at] for column in values.unbind(1)])


def scores(values: Tensor, table: Tensor) -> Tensor:
    """Each column on a normal scale: a value at quantile q becomes the normal one's; equal values stay equal."""
    scaled = torch.empty_like(values)
    for k, column in enumerate(values.unbind(-1)):
        column = column.contiguous()
        rank = (torch.searchsorted(table[k], column) + torch.searchsorted(table[k], column, right=True)) / 2
        scaled[..., k] = torch.special.ndtri(((rank + 0.5) / (QUANTILES + 1)).clamp(0.001, 0.999))
    return scaled


def _mlp(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, UNITS),
        nn.LeakyReLU(0.3),
        nn.Linear(UNITS, UNITS),
        nn.LeakyReLU(0.3),
        nn.Linear(UNITS, outputs),
    )


# --- log-signatures --------------------------------------------------------------------------------------------------


def lead_lag(steps: Tensor) -> Tensor:
    """Increments of the lead-lag path, (N, L, C) -> (N, 2 L, 2 C): the lead moves first, then the lag follows.

    The area between the two is the path's quadratic variation: without them a log-signature cannot tell rough from
    smooth.
    """
    rest = torch.zeros_like(steps)
    moves = torch.stack([torch.cat([rest, steps], 2), torch.cat([steps, rest], 2)], 2)  # (N, L, 2, 2 C)
    return moves.flatten(1, 2)


def signature(steps: Tensor, depth: int) -> list[Tensor]:
    """Iterated integrals of piecewise linear paths, by Chen's identity.

    Parameters
    ----------
    steps : Tensor, (N, L, C)
        Increments.
    depth : int

    Returns
    -------
    list of Tensor, (N, C), (N, C^2), ... (N, C^depth)
        The integral of dx_i dx_j ... over increasing times, at the index whose digits in base C are i, j, ...

    Examples
    --------
    >>> corner = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])  # right, then up
    >>> signature(corner, 2)[1]  # dx dx, dx dy, dy dx, dy dy
    tensor([[0.5000, 1.0000, 0.0000, 0.5000]])
    """
    n, _, channels = steps.shape
    levels = [steps.new_zeros(n, channels**k) for k in range(1, depth + 1)]
    for step in steps.unbind(1):  # times the exponential of the step, from the highest level down
        for k in range(depth, 0, -1):
            term = step / k
            for j in range(1, k):
                term = _outer(term + levels[j - 1], step / (k - j))
            levels[k - 1] = levels[k - 1] + term
    return levels


def log_signature(steps: Tensor, depth: int) -> Tensor:
    """The logarithm of the signature, (N, L, C) -> (N, D): its coefficients at the Lyndon words, which fix all others.

    Examples
    --------
    >>> corner = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    >>> log_signature(corner, 2)  # how far right and up, and the area between path and chord
    tensor([[1.0000, 1.0000, 0.5000]])
    """
    levels = signature(steps, depth)
    total, power = list(levels), levels
    for n in range(2, depth + 1):  # log(1 + x) = x - x^2 / 2 + x^3 / 3 - ..., cut at the depth
        power = [
            sum((_outer(power[i], levels[k - i - 1]) for i in range(k)), torch.zeros_like(levels[k]))
            for k in range(depth)
        ]
        total = [a - (-1) ** n * b / n for a, b in zip(total, power, strict=True)]
    channels = steps.shape[2]
    columns = [sum(digit * channels**i for i, digit in enumerate(word[::-1])) for word in lyndon(channels, depth)]
    levels_of = [len(word) - 1 for word in lyndon(channels, depth)]
    return torch.stack([total[level][:, column] for level, column in zip(levels_of, columns, strict=True)], 1)


def lyndon(channels: int, depth: int) -> list[tuple[int, ...]]:
    """Words of up to `depth` letters that come before all their rotations: a basis of the log-signatures."""
    words = (word for k in range(1, depth + 1) for word in product(range(channels), repeat=k))
    return [word for word in words if all(word < word[i:] + word[:i] for i in range(1, len(word)))]


def _outer(a: Tensor, b: Tensor) -> Tensor:
    return (a[:, :, None] * b[:, None]).flatten(1)
