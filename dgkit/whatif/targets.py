"""What a target means to a model: rows of attributes and their weights, from shares, combinations, or a Dataset.

Letters for shapes: K rows that stand for a distribution, A attribute width.
"""

import warnings
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
import xarray as xr

from dgkit._checks import outside
from dgkit.core.config import Config
from dgkit.core.heads import harden
from dgkit.core.model import DoppelGANger
from dgkit.core.networks import AttributeGenerator
from dgkit.errors import ConfigError, SchemaError
from dgkit.whatif.rows import Rows

DRAWS = 100_000  # of a model's attribute generator, to know how often it makes which attributes
TOLERANCE = 1e-3  # of a sum of probabilities: 0.333 three times is well meant


def rows_of(model: DoppelGANger | Rows, target: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The target as encoded rows, (K, A), and their probabilities, (K,); and rows that the model makes by itself."""
    target, heads = unwrapped(target), model.encoder.attribute_heads
    if not heads:
        raise ConfigError("this model has no attributes, so there is none to change. Train it on data that have some.")
    if isinstance(target, xr.Dataset):
        if getattr(model, "config", Config()).private:
            warnings.warn(
                "epsilon does not cover the target: it is a Dataset, whose rows are read as they are. They have to be "
                "public, or made by the model.",
                stacklevel=outside(),
            )
        rows = _dataset_rows(model, target)
        weights = np.full(len(rows), 1 / len(rows))
    elif isinstance(target, Mapping) and target:
        margins = [_margin(model, names, shares) for names, shares in target.items()]
        if len(margins) > 1 or len(margins[0][0]) < len(heads):
            rows = generated(model)
            return rows, _fitted(model, rows, margins), rows
        (columns, shares), blocks = margins[0], []
        for column, head in enumerate(heads):
            codes = [combination[columns.index(column)] for combination in shares]
            blocks.append(np.eye(head.width, dtype=np.float32)[codes])
        rows, weights = np.concatenate(blocks, 1), np.array(list(shares.values()))
    else:
        name = model.encoder.schema.attributes[0].name
        raise ConfigError(
            f"the target is {target!r:.80}; give a Dataset, or shares such as {{{name!r}: {{category: 0.1, ...}}}}."
        )
    own = generated(model)
    made = set(combinations_of(model, own))
    new = np.array([combination not in made for combination in combinations_of(model, rows)])
    share = float(weights[new].sum())
    if share > 0.01:
        what = (
            f"{share:.0%} of the target are combinations the model never made in {len(own)} draws, such as "
            f"{in_words(model, combinations_of(model, rows[new])[0])}"
        )
        if share > 0.999:
            raise ConfigError(
                f"{what}: it has nothing to show for any of it. Ask for combinations of the training data."
            )
        warnings.warn(f"{what}: their series are extrapolated.", stacklevel=3)
    return rows, weights, own


def unwrapped(target: Any) -> Any:
    return target if isinstance(target, xr.Dataset | Mapping) else getattr(target, "target", target)


def _dataset_rows(model: DoppelGANger | Rows, ds: xr.Dataset) -> np.ndarray:
    for variable in model.encoder.schema.attributes:
        if variable.name in ds and (ds[variable.name].dims != ("sample",) or not ds.sizes["sample"]):
            raise SchemaError(f"attribute {variable.name!r} of the target has no values on the dim 'sample'.")
    return model.encoder.encode_attributes(ds).astype(np.float32)


def _margin(
    model: DoppelGANger | Rows, names: Any, shares: Any
) -> tuple[tuple[int, ...], dict[tuple[int, ...], float]]:
    """One entry of a target: the attributes' places, and the positive shares by the categories' places."""
    schema, key = model.encoder.schema.attributes, names
    names = names if isinstance(names, tuple) else (names,)
    known = [variable.name for variable in schema]
    if not set(names) <= set(known) or len(set(names)) < len(names):
        raise SchemaError(f"the target names {key!r}; the model's attributes are {', '.join(map(repr, known))}.")
    columns = tuple(known.index(name) for name in names)
    for column in columns:
        if schema[column].kind == "continuous":
            raise ConfigError(
                f"attribute {known[column]!r} is continuous, so its values have no shares. Give a Dataset whose rows "
                f"are distributed as you want, or read codes with categories=[{known[column]!r}] and train again."
            )
    if not isinstance(shares, Mapping):
        raise ConfigError(f"target[{key!r}] is {shares!r:.80}; give {{category: share, ...}}.")
    places = {}
    for categories, share in shares.items():
        values = categories if isinstance(categories, tuple) else (categories,)
        if len(values) != len(names):
            raise ConfigError(f"target[{key!r}] has {categories!r}; give one category for each of {len(names)} names.")
        for column, value in zip(columns, values, strict=True):
            if value not in schema[column].categories:
                raise SchemaError(
                    f"target[{key!r}] has {value!r}, a category the model never saw; {known[column]!r} is one of "
                    f"{', '.join(map(repr, schema[column].categories))}."
                )
        if isinstance(share, bool) or not isinstance(share, int | float | np.number) or not 0 <= share <= 1 + TOLERANCE:
            raise ConfigError(f"target[{key!r}][{categories!r}] is {share!r}; a share is a number from 0 to 1.")
        place = tuple(schema[column].categories.index(value) for column, value in zip(columns, values, strict=True))
        places[place] = float(share)
    total = sum(places.values())
    if abs(total - 1) > TOLERANCE:
        raise ConfigError(f"the shares of target[{key!r}] sum to {total:g}; they must sum to 1. Divide each by it.")
    return columns, {place: share / total for place, share in places.items() if share > 0}


def _fitted(model: DoppelGANger | Rows, rows: np.ndarray, margins: list[Any]) -> np.ndarray:
    """Weights of generated rows, (K,), that meet the margins: iterative proportional fitting from equal weights."""
    combinations = np.array(combinations_of(model, rows))
    weights = np.full(len(rows), 1 / len(rows))
    groups = []
    for columns, shares in margins:
        place = {combination: k for k, combination in enumerate(shares)}
        group = np.array([place.get(tuple(one), len(place)) for one in combinations[:, columns].tolist()])  # (K,)
        wanted = np.array([*shares.values(), 0.0])
        never = np.flatnonzero((np.bincount(group, minlength=len(wanted)) == 0) & (wanted > 0))
        if len(never):
            values = list(shares)[never[0]]
            raise ConfigError(
                f"in {len(rows)} draws the model made no {in_words(model, values, columns)}, so what goes with it is "
                "not known. Say it: give shares of the combinations of all attributes, or a Dataset."
            )
        groups.append((group, wanted))
    for _ in range(1000):
        furthest = 0.0
        for group, wanted in groups:
            now = np.bincount(group, weights, len(wanted))
            furthest = max(furthest, np.abs(now - wanted).max())
            weights *= np.divide(wanted, now, out=np.zeros_like(now), where=now > 0)[group]
        if furthest < 1e-6:
            fitted: np.ndarray = weights / weights.sum()
            return fitted
    raise ConfigError(
        f"the target's {len(margins)} entries cannot all hold: a share is still {furthest:.2g} off, among what the "
        "model generates. Leave one out, or give shares of the combinations."
    )


@torch.no_grad()
def generated(model: DoppelGANger | Rows, n: int = DRAWS, rng: torch.Generator | None = None) -> np.ndarray:
    """Attributes as `model.sample` makes them, categories hard, (n, A), without the series."""
    if isinstance(model, Rows):
        return model.attribute_rows
    generator, rng = model.generator, rng or torch.Generator().manual_seed(0)
    attribute = cast(AttributeGenerator, generator.attribute)  # the model has attributes, see rows_of
    noise = torch.randn((n, generator.noise_widths["attribute"]), generator=rng).split(10_000)  # bounds memory
    return torch.cat([harden(attribute(part), generator.attribute_heads) for part in noise]).numpy()


def _widths(model: DoppelGANger | Rows) -> list[int]:
    return [head.width for head in model.encoder.attribute_heads]


def combinations_of(model: DoppelGANger | Rows, rows: np.ndarray) -> list[tuple[int, ...]]:
    """For each encoded row the places of its categories; 0 for a continuous attribute."""
    blocks = np.split(rows, np.cumsum(_widths(model))[:-1], axis=1)
    return list(zip(*(block.argmax(1).tolist() for block in blocks), strict=True))


def in_words(model: DoppelGANger | Rows, combination: tuple[int, ...], columns: tuple[int, ...] | None = None) -> str:
    schema = model.encoder.schema.attributes
    chosen = [schema[column] for column in columns] if columns is not None else schema
    pairs = [(v.name, v.categories[k]) for v, k in zip(chosen, combination, strict=True) if v.categories]
    return " with ".join(f"{name} {category!r}" for name, category in pairs)


def decoded(model: DoppelGANger | Rows, rows: np.ndarray) -> xr.Dataset:
    """Encoded rows as a Dataset of attributes."""
    return xr.Dataset({name: ("sample", values) for name, values in model.encoder.decode_attributes(rows).items()})
