"""What a training step costs, part by part, beside the rate at which the machine multiplies matrices of like size.

``python tests/benchmarks/step.py``, or as the part "step" of `make bench`. The paper's WWT sizes: 550 days in 55
passes, 100 samples a batch. Operations are those that the matrix products need, counted from their shapes; Adam and the
draws have none. Parts, whole steps and the matrix product take turns, and rates are compared within a turn: of CPU time
with one thread, of wall time with more.
"""

import dgkit as dg  # isort: skip (before torch)

import time

import numpy as np
import torch
from torch import Tensor
from training import wwt_sizes

from dgkit.core.heads import activate, harden
from dgkit.core.losses import critic_loss, generator_loss
from dgkit.core.networks import until_end
from dgkit.core.optimise import apply

PRODUCTS = 10  # of the step's largest matrices, timed together


def mlp(n: int, layers: list[Tensor]) -> int:
    """Operations of n samples' way through these weights."""
    return sum(2 * n * weight.numel() for weight in layers)


def parts(trainer: dg.Trainer) -> dict[str, tuple]:
    """Of one step: what to call, and its operations. Backward is counted for what is trained or passed on."""
    generator, batch = trainer.generator, trainer.peek()
    n, passes, feature = trainer.config.batch_size, generator.passes, generator.feature

    # the LSTM and its head, each on the other's values and with some gradient from above
    given = torch.cat([harden(batch.made.attributes, generator.attribute_heads), batch.made.minmax.detach()], 1)
    inputs = torch.cat([given.expand(passes, *given.shape), batch.noise.feature], 2)  # (R, N, A + M + z)
    trained = [p for p in feature.lstm.parameters() if p.requires_grad]
    hidden = feature.lstm(inputs, (batch.noise.hidden, batch.noise.cell))[0].detach().requires_grad_()
    above = torch.randn_like(hidden)
    steps_above = torch.randn_like(batch.made.features)

    def lstm() -> None:
        outputs, _ = feature.lstm(inputs, (batch.noise.hidden, batch.noise.cell))
        torch.autograd.grad(outputs, trained, above)

    def head() -> None:
        steps = feature.head(hidden).transpose(0, 1)
        steps = activate(steps.reshape(n, -1, feature.head.out_features // feature.sample_len), feature.heads)
        begun = until_end(steps.detach())[:, :: feature.sample_len].repeat_interleave(feature.sample_len, 1)
        torch.autograd.grad(steps * begun[..., None], [hidden, *feature.head.parameters()], steps_above)

    def attributes() -> None:
        soft = generator.attribute(batch.noise.attribute)
        hard = harden(soft, generator.attribute_heads)
        minmax = generator.minmax(torch.cat([batch.noise.minmax, hard], 1))
        both = [*generator.attribute.parameters(), *generator.minmax.parameters()]
        torch.autograd.grad(soft.sum() + minmax.sum(), both)

    # the discriminators: scores of real and fake, the penalty, and what they tell the generator
    def critic(net: dg.core.networks.Discriminator, width: int) -> tuple:
        real, fake = (samples[:, -width:].contiguous() for samples in (batch.real, batch.fake))
        w = [layer.weight for layer in net.layers]
        scores = 3 * mlp(2 * n, w) - mlp(2 * n, w[:1])
        penalty = mlp(n, w[1:-1]) + 3 * mlp(n, w[:-1])  # masks; the gradient, and twice that to differentiate it
        loss = lambda: critic_loss(net, real, fake, batch.alphas[0], 10.0).loss  # noqa: E731
        return lambda: torch.autograd.grad(loss(), list(net.parameters())), scores + penalty

    fake = batch.fake.clone().requires_grad_()

    def told() -> None:
        narrow = fake[:, -trainer.narrow :]
        torch.autograd.grad(
            generator_loss(trainer.discriminator, fake) + generator_loss(trainer.auxiliary, narrow), fake
        )

    weights = [[layer.weight for layer in net.layers] for net in (trainer.discriminator, trainer.auxiliary)]
    gradients = {
        name: [torch.randn_like(p) * 1e-3 for p in optimiser.parameters]
        for name, optimiser in trainer.optimisers.items()
    }

    def adam() -> None:
        for name, optimiser in trainer.optimisers.items():
            apply(optimiser, gradients[name])

    def draws() -> None:
        trainer.draws.noise(generator)
        trainer.real[trainer.draws.samples(len(trainer.real))]

    recurrent, first = 2 * passes * n * trained[1].numel(), 2 * passes * n * trained[0].numel()
    small = [p for net in (generator.attribute, generator.minmax) for p in net.parameters() if p.ndim == 2]
    return {
        "LSTM": (lstm, 3 * recurrent + 2 * first),
        "head of the LSTM": (head, 3 * mlp(n * passes, [feature.head.weight])),
        "attributes and min/max": (attributes, 3 * mlp(n, small)),
        "discriminator with penalty": critic(trainer.discriminator, batch.real.shape[1]),
        "auxiliary discriminator": critic(trainer.auxiliary, trainer.narrow),
        "what both tell the generator": (told, 2 * sum(mlp(n, w) for w in weights)),
        "Adam and norms": (adam, 0),
        "draws": (draws, 0),
    }


def rows(rounds: int = 40, threads: tuple[int, ...] = (1, 2)) -> list[dict]:
    """For `make bench`'s table; ratio: the share of the matrix product's rate."""
    return [row for count in threads for row in _rows(rounds, count)]


def _rows(rounds: int, threads: int) -> list[dict]:
    torch.set_num_threads(threads)
    trainer = dg.Trainer(wwt_sizes(500), dg.Config.published("WWT"))
    of_step = parts(trainer)
    weight = trainer.discriminator.layers[0].weight.detach()
    samples = torch.randn(2 * trainer.config.batch_size, weight.shape[1])
    calls = {
        "whole step": (lambda: next(trainer), sum(count for _, count in of_step.values())),
        **of_step,
        "matrices": (lambda: [samples @ weight.T for _ in range(PRODUCTS)], PRODUCTS * mlp(len(samples), [weight])),
    }

    clock = time.process_time if threads == 1 else time.perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, (call, _) in calls.items():
            start = clock()
            call()
            seconds[name].append(clock() - start)
    times = {name: np.array(spent[rounds // 5 :]) for name, spent in seconds.items()}
    rates = {name: count / times[name] / 1e9 for name, (_, count) in calls.items()}
    peak = rates.pop("matrices")
    return [
        {
            "what": f"{name}, WWT sizes, threads: {threads}",
            "ours": f"{np.median(times[name]) * 1e3:.1f} ms, {np.median(rate):.0f} GFLOP/s",
            "other": f"matrix product {' x '.join(map(str, (len(samples), *weight.shape[::-1])))} "
            f"{np.median(peak):.0f} GFLOP/s",
            "ratio": float(np.median(rate / peak)),
            "spread": f"{np.quantile(rate / peak, 0.1):.2f} to {np.quantile(rate / peak, 0.9):.2f}, "
            f"{calls[name][1] / 1e9:.3f} GFLOP",
        }
        for name, rate in rates.items()
    ]


if __name__ == "__main__":
    for row in rows():
        print(" | ".join(f"{value:.2f}" if isinstance(value, float) else value for value in row.values()))
