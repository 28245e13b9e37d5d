"""What if the attributes were distributed otherwise? Three ways to ask a trained model; none changes its series.

Follows `example_retraining_attribute` of the original code and Section 6.1 of Lin et al. 2020:

- `retrain_attributes`: a new attribute generator, trained against the wanted distribution; the others stay.
- `rejection_sample`: draw from the old one, and reject until the distribution is right ("clearly inefficient").
- `sample_target`: draw the attributes from the wanted distribution itself, and generate series for them.

For retraining, the original sets features, flags and min/max attributes to zero, real and generated, and starts both
discriminators anew: they learn P(attributes) alone. Here they read the attributes alone. So the min/max and the feature
generator need not run and cannot change (there, the batch-norm statistics of the first drift to the new mix), and the
gradient penalty leaves out the slope along the zeros, which the original counts. Both discriminators are kept: the same
game from two starts, the generator descends the weighted sum.
Whether P(series | attributes) outlives such a change, no model of one dataset can know: `trust` says what can be seen
beforehand, and `run_demand` what to do where something runs out.

Letters for shapes: N samples in the batch, A attribute width.
"""

import copy
import math
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import xarray as xr
from tqdm.auto import trange

from dgkit import _checks
from dgkit._checks import whole
from dgkit._seeding import seeded
from dgkit.core.accounting import SPENT, spent_on
from dgkit.core.averages import average_into, average_share
from dgkit.core.history import dataset_of
from dgkit.core.losses import critic_loss, generator_loss
from dgkit.core.model import DoppelGANger
from dgkit.core.networks import AttributeGenerator, Discriminator, critic_of
from dgkit.core.optimise import Adam, descend
from dgkit.errors import ConfigError, DivergenceError
from dgkit.whatif.rows import Rows
from dgkit.whatif.targets import combinations_of, decoded, generated, in_words, rows_of, unwrapped
from dgkit.whatif.trust import warn_of, weigh


@torch.enable_grad()
def retrain_attributes(
    model: DoppelGANger,
    target: Any,
    *,
    steps: int = 500,
    seed: int = 0,
    progress: bool = True,
    limits: Mapping[str, float] | None = None,
    starts: float | None = None,
    together: int | None = None,
) -> DoppelGANger:
    """A copy of `model` with a new attribute generator, trained for attributes that are distributed as in `target`.

    Parameters
    ----------
    model : DoppelGANger
        Stays as it is.
    target : mapping or Dataset, or an object whose `target` is one
        The wanted distribution:

        - {"end_event": {"EVICT": 0.1, "FINISH": 0.9}}: the share of every category, none where it is left out. Given
          these, the other attributes stay distributed as the model generates them: of all distributions with this
          margin, it is the closest to the model's own in Kullback-Leibler divergence.
        - {("end_event", "job_class"): {("EVICT", "small"): 0.1, ...}}: the same for combinations. Where they name all
          attributes, nothing is taken from the model. Several margins must all hold (iterative proportional fitting).
        - a Dataset: its rows, each as likely as the others. Only the attributes are read.
        - an object with a `target`, such as the widget `DistributionPainter`.
    steps : int
        Training steps (batches). 500 do for a dozen combinations of categories, a thousand combinations need more. The
        learning rates are those of `model.config`; they do not fall. How near it comes is not looked at: compare the
        attributes of a sample with the target. `sample_target` draws from the target itself.
    seed : int
        Of the new weights, batches and noise.
    progress : bool
        Show a bar.
    limits, starts, together
        Of what the series share, as `trust` takes them: to be warned where the answer adds up to more.

    Returns
    -------
    DoppelGANger
        Its `history` is that of the retraining. Its discriminators are the new ones, which judge attributes alone: the
        old ones have seen the old distribution and would give it away.

    Raises
    ------
    SchemaError
        `target` has an attribute or a category the model was not trained with.
    ConfigError
        The model has no attributes. `target` holds no probabilities, contradicts itself, gives shares to a continuous
        attribute, or asks for what the model never generates. `steps` is below 1.
    DivergenceError
        A loss is not finite.

    Warns
    -----
    UserWarning
        Over 1 % of `target` are combinations of categories that the model never generates. The target rests on few of
        the model's series, or what they ask for passes a limit: what `trust` says. The model is private and `target` a
        Dataset, which epsilon does not cover.

    Notes
    -----
    The result does not keep the old distribution secret: the batch-norm statistics of the min/max generator are means
    over the training mix and give it back by least squares, and `encoder.schema` carries the training data's attrs
    (chapter 07). Give samples away, not the model.

    Source
    ------
    `example_retraining_attribute` and `fix_feature_network` of the original code; paper, Section 6.1.

    Examples
    --------
    >>> from dgkit import Config, Trainer
    >>> from dgkit.simulate import cluster
    >>> trainer = Trainer(cluster(200), Config(steps=20, sample_len=10))
    >>> model = [trainer.model for _ in trainer][-1]
    >>> target = {"job_class": {"small": 0.1, "medium": 0.1, "large": 0.8}}
    >>> changed = retrain_attributes(model, target, steps=200, progress=False)
    >>> bool((changed.sample(500).job_class == "large").mean() > 0.6)
    True
    >>> given = {"job_class": "small", "end_event": "FINISH"}
    >>> changed.sample(3, attributes=given).equals(model.sample(3, attributes=given))
    True
    """
    whole("steps", steps)
    seed = _checks.seed(seed)
    rows, weights, own = rows_of(model, target)
    warn_of(weigh(model, rows, weights, own, limits, starts, together, seed))
    config, real_rows = model.config, torch.from_numpy(rows)
    rng = torch.Generator().manual_seed(seed)
    batches = np.random.default_rng(seed).choice(len(rows), (steps, config.batch_size), p=weights)
    with seeded(seed):
        heads, width = model.encoder.attribute_heads, config.of("attribute_noise")
        generator = AttributeGenerator(width, heads, config.attribute_units, config.attribute_layers)
        names = ("discriminator", "auxiliary") if model.auxiliary is not None else ("discriminator",)
        critics = {name: critic_of(config, name, rows.shape[1]) for name in names}
    weight = {"discriminator": 1.0, "auxiliary": config.auxiliary_weight}
    penalty = {"discriminator": config.penalty, "auxiliary": config.auxiliary_penalty}
    adams = {
        name: Adam(net, rate=getattr(config, f"{name}_lr"), beta1=config.of(f"{name}_beta1"))
        for name, net in {"generator": generator, **critics}.items()
    }
    average = copy.deepcopy(generator)
    history: list[dict[str, float]] = []
    for step in trange(1, steps + 1, unit="step", disable=not progress):
        start, record = time.perf_counter(), {}
        real = real_rows[batches[step - 1]]  # (N, A)
        fake = generator(torch.randn((config.batch_size, width), generator=rng))  # (N, A), soft
        loss = torch.zeros(())
        for name, critic in critics.items():
            alpha = torch.rand((config.batch_size, 1), generator=rng)
            judged = critic_loss(critic, real, fake.detach(), alpha, penalty[name])
            record[f"{name}_gradient"] = float(descend(adams[name], judged.loss))
            prefix = "" if name == "discriminator" else f"{name}_"
            parts = zip((f"{name}_loss", f"{prefix}wasserstein", f"{prefix}penalty"), judged, strict=True)
            record |= {part: float(value.detach()) for part, value in parts}
            loss = loss + weight[name] * generator_loss(critic, fake)
        record |= {"generator_loss": loss.item(), "generator_gradient": float(descend(adams["generator"], loss))}
        if not all(math.isfinite(value) for value in record.values()):
            raise DivergenceError(
                f"retraining diverged at step {step}: a loss is not finite. Its learning rates are those of "
                "model.config: set it to dataclasses.replace(model.config, generator_lr=...) and try again.",
                step,
            )
        # single steps of the game circle around what they approach
        average_into(average.state_dict(), generator.state_dict(), average_share(0.99, step - 1))
        history.append(record | {"seconds": time.perf_counter() - start})
    changed = copy.deepcopy(model)
    changed.generator.attribute = average.eval().requires_grad_(False)
    minmax = sum(head.width for head in model.encoder.minmax_heads)
    for name, critic in critics.items():
        _widen(getattr(changed, name), critic, minmax)
    changed.history = dataset_of(history)
    if config.private:  # what was spent on the model is what is spent: the target is public, or `rows_of` has warned
        spent = spent_on(model.history)
        changed.history = changed.history.assign(epsilon=("step", np.full(steps, spent[0])))
        changed.history.attrs = dict(zip(SPENT, spent, strict=True))
    for part in ("loss", "wasserstein", "penalty") if len(critics) == 1 else ():
        changed.history[f"auxiliary_{part}"] = "step", np.full(steps, math.nan)
    return changed


def rejection_sample(
    model: DoppelGANger, target: Any, n: int, *, seed: int = 0, most_draws: int = 1_000_000
) -> xr.Dataset:
    """Series of `model` whose attributes are distributed as in `target`: draw attributes, keep some, generate for them.

    A draw is kept with probability r / max r, where r = target / model is the ratio of the probabilities of its
    combination of categories. So the share that is kept is 1 / max r in the mean: `expected_acceptance_rate`.

    Parameters
    ----------
    model, target
        As in `retrain_attributes`. The model's probabilities are counted in 100,000 of its draws.
    n : int
        Series to return.
    seed : int
        Of the noise.
    most_draws : int
        Of attributes, before giving up. A draw costs little here, because the series come after the attributes; with a
        model that makes both at once, such as the naive GAN, it costs a series.

    Returns
    -------
    Dataset
        `attrs` holds `acceptance_rate` (kept / drawn until the n-th was kept) and `expected_acceptance_rate`.

    Raises
    ------
    SchemaError, ConfigError
        As `retrain_attributes`. Also ConfigError: `target` has combinations the model never generates, or is a Dataset
        with continuous attributes (their densities are not known); n needs more than `most_draws`.

    Source
    ------
    Paper, Section 6.1: "The naive way is to rejection sample the metadata to a different desired distribution."

    Examples
    --------
    >>> from dgkit import Config, Trainer
    >>> from dgkit.simulate import cluster
    >>> model = Trainer(cluster(200), Config(sample_len=10)).model
    >>> third = {"job_class": {"small": 1 / 3, "medium": 1 / 3, "large": 1 / 3}}
    >>> rejection_sample(model, third, 10).attrs["acceptance_rate"] <= 1
    True
    """
    whole("n", n)
    seed = _checks.seed(seed)
    rows, weights, own = rows_of(model, target)
    continuous = [variable.name for variable in model.encoder.schema.attributes if variable.kind == "continuous"]
    if continuous and isinstance(unwrapped(target), xr.Dataset):
        raise ConfigError(
            f"attribute {continuous[0]!r} is continuous: how likely the model makes each of its values is not known, "
            "so its draws cannot be rejected. Use sample_target or retrain_attributes."
        )
    wanted: Counter[Any] = Counter()
    for combination, share in zip(combinations_of(model, rows), weights, strict=True):
        wanted[combination] += share
    made = Counter(combinations_of(model, own))
    never = [combination for combination, share in wanted.items() if share > 0 and combination not in made]
    if never:
        raise ConfigError(
            f"in {len(own)} draws the model made no {in_words(model, never[0])}, of which the target wants "
            f"{wanted[never[0]]:.3g}: rejection cannot reach it. Use sample_target or retrain_attributes."
        )
    ratio = {combination: wanted[combination] * len(own) / count for combination, count in made.items()}
    rate = float(1 / max(ratio.values()))
    if n / rate > most_draws:
        raise ConfigError(
            f"one draw in {1 / rate:.0f} is kept, so n={n} takes about {n / rate:.0f} draws, more than "
            f"most_draws={most_draws}. Use sample_target or retrain_attributes, or raise most_draws."
        )
    rng, uniform = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    kept, drawn = [np.empty((0, rows.shape[1]), np.float32)], 0
    while (found := sum(map(len, kept))) < n:
        if drawn > 2 * most_draws:  # far more than expected: the counted probabilities were wrong
            raise ConfigError(f"{drawn} draws gave {found} of n={n}. Use sample_target or retrain_attributes.")
        some = generated(model, 10_000, rng)
        odds = np.array([ratio.get(combination, 0.0) for combination in combinations_of(model, some)])
        places = np.flatnonzero(uniform.random(len(some)) < odds * rate)[: n - found]
        kept.append(some[places])
        drawn += int(places[-1]) + 1 if found + len(places) == n else len(some)
    result = model.sample(attributes=decoded(model, np.concatenate(kept)), seed=seed)
    return result.assign_attrs(acceptance_rate=n / drawn, expected_acceptance_rate=rate)


def sample_target(
    model: DoppelGANger | Rows,
    target: Any,
    n: int,
    *,
    seed: int = 0,
    limits: Mapping[str, float] | None = None,
    starts: float | None = None,
    together: int | None = None,
) -> xr.Dataset:
    """Series of `model` for attributes drawn from `target` itself: no training and no rejection.

    Parameters
    ----------
    model, target
        As in `retrain_attributes`.
    n : int
        Series to return.
    seed : int
        Of the attributes and the noise.
    limits, starts, together
        As in `retrain_attributes`.

    Returns
    -------
    Dataset

    Raises
    ------
    SchemaError, ConfigError
        As `retrain_attributes`.

    Warns
    -----
    UserWarning
        As `retrain_attributes`.

    Examples
    --------
    >>> from dgkit import Config, Trainer
    >>> from dgkit.simulate import cluster
    >>> model = Trainer(cluster(200), Config(sample_len=10)).model
    >>> bool((sample_target(model, {"job_class": {"large": 1.0}}, 10).job_class == "large").all())
    True
    """
    whole("n", n)
    seed = _checks.seed(seed)
    rows, weights, own = rows_of(model, target)
    warn_of(weigh(model, rows, weights, own, limits, starts, together, seed))
    chosen, target = np.random.default_rng(seed).choice(len(rows), n, p=weights), unwrapped(target)
    if isinstance(target, xr.Dataset):  # its values as they are, not as float32 has them
        asked = target[[variable.name for variable in model.encoder.schema.attributes]].isel(sample=chosen)
        return model.sample(attributes=asked.drop_vars(asked.coords), seed=seed)
    return model.sample(attributes=decoded(model, rows[chosen]), seed=seed)


@torch.no_grad()
def _widen(network: Discriminator, critic: Discriminator, minmax: int) -> None:
    """Make `network`, which reads (features,) attributes, min/max, give the scores of `critic`, of attributes alone."""
    own, new = network.state_dict(), critic.state_dict()  # they share the networks' memory
    for name, value in own.items():
        if name == "layers.0.weight":
            end = value.shape[1] - minmax
            value.zero_()[:, end - new[name].shape[1] : end] = new[name]
        else:
            value.copy_(new[name])
