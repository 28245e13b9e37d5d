"""Real rows in place of a model's: a model of today's P(series | attributes) without any error, to ask the same way."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from dgkit import _checks
from dgkit.core.encode import Encoder
from dgkit.core.given import asked_of
from dgkit.errors import ConfigError


class Rows:
    """Data, asked as a trained model is: `sample` draws series of the data that have the wanted attributes.

    What is wrong with its answer is no fault of learning: it knows today exactly. Pass it to `sample_target`, `trust`
    and `run_demand` in place of a model.

    Parameters
    ----------
    ds : Dataset, dims (sample, time)
        With categorical attributes.

    Raises
    ------
    SchemaError
        The data are no dataset of the kit's.
    ConfigError
        There are no attributes, or a continuous one, of which no two rows have the same.

    Examples
    --------
    >>> from dgkit.simulate import cluster
    >>> from dgkit.whatif import sample_target
    >>> large = sample_target(Rows(cluster(300)), {"job_class": {"large": 1.0}}, 50)
    >>> bool((large.job_class == "large").all())
    True
    """

    def __init__(self, ds: xr.Dataset) -> None:
        self.encoder = Encoder.fit(ds)
        attributes = self.encoder.schema.attributes
        if not attributes or any(variable.kind == "continuous" for variable in attributes):
            raise ConfigError(
                "Rows draws series by their categories: the data need attributes, all of them categorical."
            )
        self.attribute_rows = self.encoder.encode_attributes(ds).astype(np.float32)  # (N, A)
        self._ds = ds.drop_vars([name for name, c in ds.coords.items() if c.dims == ("sample",) and name != "length"])

    def sample(
        self, n: int | None = None, *, attributes: xr.Dataset | Mapping[str, Any] | None = None, seed: int = 0
    ) -> xr.Dataset:
        """Draw series with replacement: n of any attributes, or one for each row of `attributes`.

        Parameters
        ----------
        n, attributes
            As in `DoppelGANger.sample`.
        seed : int

        Returns
        -------
        Dataset

        Raises
        ------
        ConfigError
            n is missing, or the data have no row with these attributes.
        """
        rng, schema = np.random.default_rng(_checks.seed(seed)), self.encoder.schema
        if attributes is None:
            n = _checks.many(n, schema.time, len(schema.features))
            return self._ds.isel(sample=rng.integers(self._ds.sizes["sample"], size=n))
        wanted = self.encoder.encode_attributes(asked_of(schema, attributes, n)[1]).astype(np.float32)
        kinds, kind = np.unique(wanted, axis=0, return_inverse=True)
        chosen = np.empty(len(wanted), int)
        for k, one in enumerate(kinds):
            have = np.flatnonzero((self.attribute_rows == one).all(1))
            if not len(have):
                decoded = self.encoder.decode_attributes(one[None])
                raise ConfigError(f"no row of the data has { ({name: v[0] for name, v in decoded.items()}) }.")
            places = np.flatnonzero(kind.ravel() == k)
            chosen[places] = rng.choice(have, len(places))
        return self._ds.isel(sample=chosen)
