"""Categories that a training will hardly see.

On 1,000 of `web`'s pages with one category more, of 0.9 %, batches of 100 had held it 450 times after 500 steps, and of
5,000 generated series none or one had it; 900 times, 0.1 to 0.5 %; 1,350 times, 0.2 to 0.8 % (three seeds). Tried, and
left out because they changed none of this: an auxiliary discriminator of ten times the weight, batches drawn half by
category with the weights undone in the losses, and the shares of categories as a term of the generator's loss.
"""

import warnings

import numpy as np
import xarray as xr

from dgkit.core.config import Config
from dgkit.schema import Schema

SHARE, OFTEN = 0.02, 1000  # rare is below this share; and is learned from being seen so often


def warn_of_rare(train: xr.Dataset, schema: Schema, config: Config) -> None:
    """A warning that names the categories of attributes that so short a training will miss."""
    if config.private:  # it would tell of the data
        return
    n, seen = train.sizes["sample"], config.batch_size * config.steps
    told = []
    for variable in (v for v in schema.attributes if v.kind == "categorical"):
        values, counts = np.unique(train[variable.name].values, return_counts=True)
        few = (counts < SHARE * n) & (counts / n * seen < OFTEN)
        if few.any():
            rarest = counts[few].argmin()
            told.append(
                f"{few.sum()} of {variable.name!r}, the rarest {values[few][rarest].item()!r} "
                f"({counts[few][rarest]} of {n} samples, seen about {counts[few][rarest] / n * seen:.0f} times)"
            )
    if told:
        warnings.warn(
            f"categories that {config.steps} steps see less than {OFTEN:,} times may never be generated: "
            f"{'; '.join(told)}. Train longer, or ask for them: model.sample(attributes=train).",
            stacklevel=3,
        )
