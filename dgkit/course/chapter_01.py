"""The questions and exercises of chapter 01."""

import math
from itertools import islice
from typing import Any

import numpy as np
import torch
import xarray as xr

from dgkit import metrics
from dgkit.core.losses import critic_loss
from dgkit.core.networks import Discriminator
from dgkit.course.exercise import Wrong, copies, dataset, exercise, number
from dgkit.course.questions import Prediction, Quiz
from dgkit.datasets import open_dataset, split

PREDICTION = Prediction(
    "After a thousand steps, what will DoppelGANger's autocorrelation have?",
    ("the weekly peaks, and no slow swing", "the slow swing, and no weekly peaks", "both", "neither"),
    "c",
    "Weeks and slow swing come together, within a minute. What takes far longer is the distance that is left.",
)
QUIZZES = {
    "01.a": Quiz(
        "The generator's loss rises for a hundred steps. Is the training going wrong?",
        "b",
        (
            ("Yes: a loss has to fall.", "It falls where the opponent stands still. Here the opponent learns too."),
            (
                "One cannot say from the loss.",
                "The critic may have got better at its part. Look at what is generated, and at measures of it.",
            ),
            ("No: a rising loss is a good sign.", "It is no sign of either."),
        ),
    ),
    "01.b": Quiz(
        "Two generated pages have the same attributes. What makes them differ?",
        "c",
        (
            ("Nothing: they are the same page.", "Then there would be one page for each kind."),
            ("The discriminator chooses among them.", "It takes part in training alone; nothing is chosen from."),
            (
                "The noise of the min/max generator and of the LSTM.",
                "Each part draws its own: the level from one draw, each pass of the series from another.",
            ),
        ),
    ),
}


@exercise("01.1")
def _slope(value: Any) -> str:
    if not callable(value) or isinstance(value, type):
        raise Wrong("Give the function itself, without brackets: answer = my_gradient.")
    rng = np.random.default_rng(0)
    x, first = rng.normal(size=(50, 4)), rng.normal(size=(9, 4))  # (N, inputs), (units, inputs)
    shift, last = rng.normal(size=9), rng.normal(size=9)
    at = torch.tensor(x, requires_grad=True)
    hidden = torch.relu(at @ torch.tensor(first).T + torch.tensor(shift))
    (truth,) = torch.autograd.grad((hidden @ torch.tensor(last)).sum(), at)
    try:
        given = np.asarray(value(x.copy(), first.copy(), shift.copy(), last.copy()), float)
    except Exception as error:
        raise Wrong(f"Your function fails: {type(error).__name__}: {error}") from error
    if given.shape != x.shape:
        raise Wrong(f"It should return a gradient for each point, {x.shape}; it returns {given.shape}.")
    if np.allclose(given, (last @ first)[None].repeat(50, 0)):
        raise Wrong("That is the slope where all units are on. A relu that is at 0 passes nothing on.")
    if not np.allclose(given, truth.numpy(), atol=1e-8):
        raise Wrong(
            "Autograd finds another gradient. A unit whose V x + b is above 0 adds its w times its row of V; "
            "the others add nothing."
        )
    return "As autograd has it. dgkit's penalty is computed so, layer by layer, and needs no second backward pass."


@exercise("01.2")
def _learned_difference(value: Any) -> str:
    ask = "Pass three things: the English pages, those of www.mediawiki.org, and the share."
    try:
        english, other, said = islice(value, 3)
    except (TypeError, ValueError) as error:
        raise Wrong(ask) from error
    real, levels = split(open_dataset("web"), 0.5, seed=0)[0], []
    for made, domain in ((english, "en.wikipedia.org"), (other, "www.mediawiki.org")):
        made = dataset(made, ask, "That is not a generated dataset", *real.data_vars)
        if made.sizes["sample"] < 200:
            raise Wrong(f"There are only {made.sizes['sample']} pages; generate 200 of each domain.")
        for name, wanted in {"domain": domain, **ALIKE}.items():
            others = sorted(set(made[name].values.tolist()) - {wanted})
            if others:
                raise Wrong(f"There are pages of {others[0]} where all should have the {name} {wanted}.")
        if made.sizes["time"] == real.sizes["time"] and copies(made["views"].values, real["views"].values):
            raise Wrong("These are real pages. Let the model generate some.")
        levels.append(_mean_level(made))
    alike = real.isel(sample=((real.access == "all-access") & (real.agent == "all-agents")).values)
    ours = [alike.isel(sample=(alike.domain == one).values) for one in ("en.wikipedia.org", "www.mediawiki.org")]
    truth = _mean_level(ours[0]) - _mean_level(ours[1])
    made_by_it, given = levels[0] - levels[1], number(said)
    if abs(given - made_by_it / truth) > 0.03:
        if abs(given - made_by_it) < 0.03:
            raise Wrong("That is the difference of the generated pages. Divide it by that of the real ones.")
        raise Wrong(
            "Mean of log10 of the mid-ranges, English less the other, generated; over the same of `train`, there too "
            "of all-access and all-agents alone: other agents and devices see less of each domain."
        )
    return (
        f"{made_by_it:.2f} decades of {truth:.2f}: a share of {made_by_it / truth:.2f}. Below 1 domains are too alike."
    )


ALIKE = {"access": "all-access", "agent": "all-agents"}  # of 01.2


def _mean_level(ds: xr.Dataset) -> float:
    return float(np.log10(np.asarray(metrics.mid_range(ds["views"]), np.float64)).mean())


@exercise("01.3")
def _sample_len(value: Any) -> str:
    names = ("sample_len 1", "sample_len 7")
    if not isinstance(value, dict) or set(value) != set(names):
        raise Wrong(f"Pass a dict with the keys {names[0]!r} and {names[1]!r}.")
    if not all(isinstance(report, metrics.Report) for report in value.values()):
        raise Wrong("The values are reports: what dg.metrics.evaluate(train, fake) returns.")
    short, long = (float(value[name]["autocorrelation_mse"].max()) for name in names)
    if not (math.isfinite(short) and 0 < long < math.inf):
        raise Wrong("A report has no autocorrelation error. Is the sample a whole one, of `views` over 168 days?")
    if not short > 1.5 * long:  # less may be chance: another seed, or a processor that rounds otherwise
        raise Wrong(
            f"sample_len 1 has {short:.4g}, sample_len 7 has {long:.4g}. Did both train for the same time, and long "
            "enough for one to be 1.5 times closer?"
        )
    return (
        f"autocorrelation MSE {short:.4g} at sample_len 1, {long:.4g} at 7: smaller by a factor of {short / long:.1f}."
    )


@exercise("01.4")
def _loss(value: Any) -> str:
    if not callable(value) or isinstance(value, type):
        raise Wrong("Give the function itself, without brackets: answer = my_loss.")
    rng = torch.Generator().manual_seed(0)
    real, fake = torch.randn(30, 6, generator=rng), 2 * torch.randn(30, 6, generator=rng) + 1
    alpha = torch.rand(30, 1, generator=rng)
    critic = Discriminator(6, units=20, layers=3)
    weights = list(critic.parameters())
    for weight in (0.0, 10.0):
        truth = critic_loss(critic, real, fake, alpha, weight).loss
        try:
            with torch.enable_grad():
                loss = value(critic, real, fake, alpha, weight)
        except Exception as error:
            raise Wrong(f"Your function fails: {type(error).__name__}: {error}") from error
        if not isinstance(loss, torch.Tensor) or loss.numel() != 1:
            raise Wrong(f"It should return one number, a tensor; it returns {type(loss).__name__}.")
        if not torch.allclose(loss.detach().squeeze(), truth.detach(), rtol=1e-3, atol=1e-4):
            values = [float(one.detach().squeeze()) for one in (truth, loss)]
            part = "mean D(fake) - mean D(real)" if not weight else "weight times the mean of (slope - 1) squared"
            raise Wrong(
                f"With a weight of {weight:g} it should give {part}, {values[0]:.4f}, and gives {values[1]:.4f}."
            )
        if not loss.requires_grad:
            raise Wrong("The value is right, but it has no gradient. Keep tensors; no .item(), no detach().")
        mine = torch.autograd.grad(loss.sum(), weights, allow_unused=True)
        theirs = torch.autograd.grad(truth, weights, allow_unused=True)
        for one, other in zip(mine, theirs, strict=True):
            first, second = (torch.zeros(()) if gradient is None else gradient for gradient in (one, other))
            if not torch.allclose(first, second, rtol=1e-2, atol=1e-4):
                raise Wrong("The value is right, the gradient is not: autograd.grad needs create_graph=True.")
    return "Loss and gradient are those of the trainer, which writes the slope out and needs no autograd for it."


QUIZ = {  # the right letter to each question, and a hint
    "b": "It judges whole samples, and has to see both kinds.",
    "c": "Nothing of a real sample reaches the generator, and a verdict would not say what to change.",
    "a": "What ran away where there was no penalty?",
}


@exercise("01.5")
def _quiz(value: Any) -> str:
    if not isinstance(value, str) or len(value) != 3 or not set(value) <= set("abc"):
        raise Wrong('Give three letters, such as "abc".')
    for k, (given, (right, hint)) in enumerate(zip(value, QUIZ.items(), strict=True), 1):
        if given != right:
            raise Wrong(f"Question {k}: {hint}")
    return "It sees whole samples, hands back a direction, and the penalty makes its scores a distance."


@exercise("01.6")
def _best_critic(value: Any) -> str:
    if not callable(value) or isinstance(value, type):
        raise Wrong("Give the function itself, without brackets: answer = my_critic.")
    real = np.log10(metrics.mid_range(open_dataset("broadband").traffic_bytes).values.astype(np.float64))
    fake = (real + np.median(real)) / 2
    grid = np.sort(np.concatenate([np.linspace(real.min() - 1, real.max() + 1, 4001), real, fake]))
    try:
        scores = [np.asarray(value(levels.copy()), float) for levels in (real, fake, grid)]
    except Exception as error:
        raise Wrong(f"Your function fails: {type(error).__name__}: {error}") from error
    if any(
        one.shape != levels.shape or not np.isfinite(one).all()
        for one, levels in zip(scores, (real, fake, grid), strict=True)
    ):
        raise Wrong("It should return a score for each level, an array as long as the one it is given.")
    apart = np.diff(grid) > 1e-6  # closer ones say nothing about a slope
    steepest = float(np.abs(np.diff(scores[2])[apart] / np.diff(grid)[apart]).max())
    if steepest > 1.01:
        raise Wrong(f"Its slope is {steepest:.3g} somewhere, in points per decade. The penalty asks for at most one.")
    gained, best = float(scores[0].mean() - scores[1].mean()), float(np.abs(np.sort(real) - np.sort(fake)).mean())
    if gained < 0.98 * best:
        raise Wrong(
            f"Its mean scores are {gained:.3f} apart; {best:.3f} can be reached. A straight line tells two clouds "
            "apart of which one lies higher. Where are there more real homes than generated ones, and where fewer?"
        )
    return (
        f"{gained:.3f} points: the Wasserstein distance, in decades. Its slope points away from the median on either "
        "side, so the generator is told to spread its homes out."
    )
