"""What training measured: one record a step, kept as columns of numbers.

Follows no file of the original, which keeps its losses for TensorBoard alone.
"""

import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import xarray as xr

# measured on real samples, in the order in which `step_discriminator` does
OF_DATA = (
    "discriminator_loss", "wasserstein", "penalty", "auxiliary_loss", "auxiliary_wasserstein", "auxiliary_penalty",
)  # fmt: skip
CHOICE = ("best_step", "measured_steps", "measured")  # attrs of the history of a model chosen on data held out


@dataclass(frozen=True)
class StepRecord:
    """What one training step measured; losses are dimensionless.

    Parameters
    ----------
    step : int
        1 for the first.
    discriminator_loss, auxiliary_loss, generator_loss : float
        As minimised, penalties included; auxiliary values are NaN where that discriminator is off.
    wasserstein, auxiliary_wasserstein : float
        mean D(real) - mean D(fake), the discriminators' estimate of the distance.
    penalty, auxiliary_penalty : float
        mean `(|gradient| - 1)^2`, unweighted.
    discriminator_gradient, generator_gradient : float
        Euclidean norm of the gradient over all parameters.
    seconds : float
        Wall time of this step.
    epsilon : float
        Privacy spent so far; infinite where nothing is promised.

    Notes
    -----
    In private training the losses, distances and penalties of the discriminators are NaN: they are means over real
    samples without noise. The other numbers may be shown; of `seconds` see `dgkit.privacy.DP`.

    Examples
    --------
    >>> import dgkit as dg
    >>> trainer = dg.Trainer(dg.simulate.web(30), dg.Config(steps=2, sample_len=84, batch_size=10))
    >>> record = next(trainer)
    >>> record.step, record.epsilon
    (1, inf)
    >>> abs(record.discriminator_loss - (10 * record.penalty - record.wasserstein)) < 1e-3
    True
    """

    step: int
    discriminator_loss: float
    auxiliary_loss: float
    generator_loss: float
    wasserstein: float
    auxiliary_wasserstein: float
    penalty: float
    auxiliary_penalty: float
    discriminator_gradient: float
    generator_gradient: float
    seconds: float
    epsilon: float = math.inf


class History:
    """A training's records, one a step: read by their place, kept as one row of numbers that grows.

    A million objects would take minutes to become columns, and half a gigabyte.

    Examples
    --------
    >>> history = History()
    >>> history.append(StepRecord(1, *[0.5] * 10))
    >>> len(history), history[-1].seconds, history.columns()["step"]
    (1, 0.5, array([1]))
    """

    _NAMES = tuple(field.name for field in fields(StepRecord))

    def __init__(self) -> None:
        self._numbers = array("d")  # record after record, float64: exact for steps up to 2^53

    def append(self, record: StepRecord) -> None:
        """Add the next step's record."""
        row = array("d", [getattr(record, name) for name in self._NAMES])
        self._numbers.extend(row)  # at once: a thread that reads meanwhile sees whole records

    def columns(self, n: int | None = None) -> dict[str, np.ndarray]:
        """The first n records (default all) by field: `step` int64, the rest float64; copies."""
        rows = np.frombuffer(self._numbers[:]).reshape(-1, len(self._NAMES))[:n]
        columns = dict(zip(self._NAMES, rows.T.copy(), strict=True))
        return columns | {"step": columns["step"].astype(np.int64)}

    @classmethod
    def of(cls, columns: dict[str, np.ndarray]) -> "History":
        """The history that has these `columns()`."""
        history = cls()
        rows = np.column_stack([columns[name] for name in cls._NAMES])
        history._numbers.frombytes(rows.astype(float).tobytes())
        return history

    def __len__(self) -> int:
        return len(self._numbers) // len(self._NAMES)

    def __getitem__(self, k: int) -> StepRecord:
        width, first = len(self._NAMES), range(len(self))[k]  # IndexError where there is none, which ends iteration too
        step, *rest = self._numbers[first * width : (first + 1) * width]
        return StepRecord(int(step), *rest)

    def to_dataset(self) -> xr.Dataset:
        """The records as a Dataset, dims (step,)."""
        columns = self.columns()
        steps = columns.pop("step")
        return dataset(columns if len(self) else {}, steps)


def dataset(columns: Mapping[str, np.ndarray], steps: np.ndarray) -> xr.Dataset:
    """What these steps measured, a column each, as a Dataset, dims (step,)."""
    step = ("step", steps, {"long_name": "training step"})
    return xr.Dataset({name: ("step", column) for name, column in columns.items()}, {"step": step})


def dataset_of(rows: Sequence[Mapping[str, float]]) -> xr.Dataset:
    """What the steps of any training measured, a mapping each, as a Dataset, dims (step,); NaN where one has no value.

    Examples
    --------
    >>> dataset_of([{"loss": 2.0}, {"loss": 1.0, "penalty": 0.5}]).penalty.values
    array([nan, 0.5])
    """
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: np.array([row.get(name, math.nan) for row in rows]) for name in names}
    return dataset(columns, np.arange(1, len(rows) + 1)) if names else xr.Dataset()
