"""The exercises of chapter 08."""

from typing import Any

from dgkit.check.exercise import Wrong, exercise, number
from dgkit.core.config import Config
from dgkit.privacy import epsilon

_STEPS = 500  # an epoch of 50,000 samples in batches of 100
_RATE, _DELTA = 100 / 50_000, 1e-5


def _spent(noise: float, epochs: int, releases: int = 2) -> float:
    return epsilon(noise_multiplier=noise, sample_rate=_RATE, steps=_STEPS * epochs, delta=_DELTA, releases=releases)


def _above_zero(value: Any, what: str) -> float:
    given = number(value)
    if given <= 0:
        raise Wrong(f"Give {what}, a number above 0.")
    return given


@exercise("08.1")
def _noise(value: Any) -> str:
    noise = _above_zero(value, "a noise multiplier")
    if noise < 0.1:
        raise Wrong("So little noise promises nothing. privacy.noise_for finds the multiplier.")
    spent, alone = _spent(noise, 15), _spent(noise, 15, releases=1)
    if abs(alone - 1) < 0.03:
        raise Wrong("That is right for one discriminator. Two publish a noisy gradient of each batch: releases=2.")
    if not 0.97 < spent < 1.01:
        raise Wrong(
            f"With this noise epsilon is {spent:.3g}. privacy.noise_for wants sample_rate (batch size over samples), "
            f"and steps: 15 epochs are {15 * _STEPS}."
        )
    return f"Epsilon is {spent:.3f}. For one discriminator alone it would be {alone:.2f}."


@exercise("08.2")
def _epochs(value: Any) -> str:
    given = _above_zero(value, "a number of epochs")
    most = 1
    while _spent(2.0, most + 1) < 1:
        most += 1
    if given != most:
        where = f" After {given:g} it is {_spent(2.0, int(given)):.3f}." if given == int(given) < 10_000 else ""
        raise Wrong(f"The largest whole number of epochs after which epsilon is below 1.{where} An epoch is 500 steps.")
    return (
        f"After {most} epochs epsilon is {_spent(2.0, most):.3f}, after {most + 1} it is {_spent(2.0, most + 1):.3f}."
    )


@exercise("08.3")
def _both(value: Any) -> str:
    given, parts = _above_zero(value, "an epsilon"), (_spent(2.0, 15), _spent(4.0, 20))
    if abs(given - max(parts)) < 0.01:
        raise Wrong("That is one of the two models alone. Somebody who has both learns from both.")
    if abs(given - sum(parts)) > 0.01 * sum(parts):
        raise Wrong("Compute each model's epsilon with privacy.epsilon (steps are 500 an epoch, releases=2), then add.")
    return f"{parts[0]:.2f} + {parts[1]:.2f}, at a delta of 2e-5: whoever gives away a model has less left to spend."


@exercise("08.4")
def _settings(value: Any) -> str:
    if not isinstance(value, Config):
        raise Wrong("Pass a dg.Config(...), with dp=privacy.DP(noise_multiplier=...).")
    if value.dp is None:
        raise Wrong("This Config has no dp: its epsilon is infinite.")
    if value.steps < 500 or value.batch_size < 50:
        raise Wrong(f"{value.steps} steps of {value.batch_size} samples; take at least 500 of at least 50.")
    if value.dp.delta >= 1e-4:
        raise Wrong(f"delta={value.dp.delta:g} is not below one over the 10,000 samples.")
    if value.dp.sampling != "poisson" or value.batch_size > 10_000:
        raise Wrong("Epsilon is counted for Poisson batches of at most all samples.")
    spent = epsilon(
        noise_multiplier=value.dp.noise_multiplier,
        sample_rate=value.batch_size / 10_000,
        steps=value.steps,
        delta=value.dp.delta,
        releases=value.discriminator_rounds * (2 if value.auxiliary else 1),
    )
    if not 0.9 <= spent <= 1:
        raise Wrong(
            f"This promises an epsilon of {spent:.3g}. dial.solve(1.0), then dial.config(), makes such settings."
        )
    return f"It promises {spent:.3f}. Train it with dg.fit(ds, ...) and hold it against the one above."
