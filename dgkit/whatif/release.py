"""What a released model still says of a mix that is to be hidden, and a way to release one that says less.

A retrained model makes the wanted mix, but its other parts were trained on the hidden one. Three places give it away at
once: the old discriminators (`retrain_attributes` throws them out), the data's own attrs (`schema.attrs`), and the
batch norm of the min/max generator, whose running means are means over the training mix: `recover_mix` reads it from
them. `release` drops the attrs and the seed and makes the statistics anew, under the released mix.

Not hidden by that: the other weights were trained on the hidden mix, and a trained attack reads it from them, and from
samples, for a model knows the kinds best that it saw most. What an attack does not find is a mix that was never there:
draw the rows first, `sample_target(Rows(data), target, n)`, and train on these. Where series get in each other's way
those of today tell how busy today is even so. Chapter 07 measures all of it (`whatif_secret`).
"""

from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
import xarray as xr
from torch import nn

from dgkit import _checks
from dgkit.core.model import DoppelGANger
from dgkit.core.networks import AttributeGenerator
from dgkit.errors import ConfigError
from dgkit.schema import bare
from dgkit.whatif.retrain import retrain_attributes
from dgkit.whatif.targets import generated

_DRAWS = 4096


def release(
    model: DoppelGANger, target: Any, *, steps: int = 500, seed: int = 0, progress: bool = True
) -> DoppelGANger:
    """A model to give away: the mix as in `target`, and the batch norm's memory of the old one made anew.

    Parameters
    ----------
    model : DoppelGANger
        Stays as it is.
    target, steps, progress
        As in `retrain_attributes`.
    seed : int
        Of the retraining and of the noise under which the statistics are made.

    Returns
    -------
    DoppelGANger
        Without the attrs of the data and the seed of the training. Its series given their attributes are no longer
        quite those of `model`: the statistics are part of what makes their levels.

    Raises
    ------
    SchemaError, ConfigError, DivergenceError
        As `retrain_attributes`.

    Notes
    -----
    Only the attack of `recover_mix` fails; one that is trained on other models does not, on weights or on samples. To
    hide a mix, train on rows that were drawn with the released one. Differential privacy (chapter 08) hides single
    series, not a mix.

    Examples
    --------
    >>> from dgkit import Config, Trainer
    >>> from dgkit.simulate import cluster
    >>> model = Trainer(cluster(200), Config(sample_len=10)).model
    >>> third = {"job_class": {"small": 1 / 3, "medium": 1 / 3, "large": 1 / 3}}
    >>> "history" in release(model, third, steps=5, progress=False).sample(3).attrs
    False
    """
    changed = retrain_attributes(model, target, steps=steps, seed=seed, progress=progress)
    changed.config = replace(
        changed.config, seed=None
    )  # the first weights are the ground against which others are seen
    changed.encoder = replace(changed.encoder, schema=bare(changed.encoder.schema))
    if changed.generator.minmax is not None:
        _renew(changed, torch.Generator().manual_seed(_checks.seed(seed)))
    return changed


def recover_mix(model: DoppelGANger) -> xr.DataArray:
    """The mix of the training data as the batch norm of the min/max generator remembers it: an attack.

    The running mean of a unit of the first hidden layer is the mean over combinations of attributes of what the unit
    gives for each, weighted by how often it occurred. What it gives is computed from the released weights; so the
    shares follow by non-negative least squares.

    Parameters
    ----------
    model : DoppelGANger
        As released; all attributes categorical, with a min/max generator (auto-normalisation).

    Returns
    -------
    DataArray
        A dim for each attribute, with its categories: the share of each combination.

    Raises
    ------
    ConfigError
        There is nothing to read it from.

    Examples
    --------
    >>> from dgkit import Config, Trainer
    >>> from dgkit.simulate import cluster
    >>> recover_mix(Trainer(cluster(200), Config(sample_len=10)).model).dims
    ('job_class', 'end_event')
    """
    from scipy.optimize import nnls

    attributes = model.encoder.schema.attributes
    network = model.generator.minmax
    if network is None or not attributes or any(v.kind == "continuous" for v in attributes):
        raise ConfigError(
            "the mix is read from the min/max generator, for categorical attributes: this model has none."
        )
    linear, relu, norm = list(network.hidden)[:3]
    sizes = [len(variable.categories) for variable in attributes]
    codes = np.stack(np.unravel_index(np.arange(np.prod(sizes)), sizes), 1)  # (K, attributes)
    kinds = torch.cat([torch.eye(size)[codes[:, k]] for k, size in enumerate(sizes)], 1)  # (K, A)
    z = torch.randn((_DRAWS, model.generator.noise_widths["minmax"]), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():  # (K, units); one combination at a time, or this takes 80 MB
        units = torch.stack([relu(linear(torch.cat([z, kind.expand(_DRAWS, -1)], 1))).mean(0) for kind in kinds])
    found, _ = nnls(units.T.numpy(), cast(torch.Tensor, norm.running_mean).numpy())
    return xr.DataArray(
        (found / max(found.sum(), 1e-12)).reshape(sizes),
        {variable.name: list(variable.categories) for variable in attributes},
        [variable.name for variable in attributes],
    )


@torch.no_grad()
def _renew(model: DoppelGANger, rng: torch.Generator) -> None:
    """The running statistics of the min/max generator's batch norm, under the attributes that the model makes now."""
    network = cast(AttributeGenerator, model.generator.minmax)
    rows = torch.from_numpy(generated(model, 4 * _DRAWS, rng))
    values = torch.cat([torch.randn((len(rows), model.generator.noise_widths["minmax"]), generator=rng), rows], 1)
    for layer in network.hidden:
        if isinstance(layer, nn.BatchNorm1d):
            cast(torch.Tensor, layer.running_mean).copy_(values.mean(0))
            cast(torch.Tensor, layer.running_var).copy_(values.var(0))
        values = layer(values)
