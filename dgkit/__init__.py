"""dgkit: learn and explore DoppelGANger, the GAN of "Using GANs for Sharing Networked Time Series Data" (IMC 2020).

>>> import dgkit as dg
>>> dg.open_dataset("web").sizes["time"]
168
"""

from dgkit import _threads  # isort: skip (before torch)
from dgkit import baselines, check, datasets, downstream, experiments, metrics, plot, privacy, schema, simulate, whatif
from dgkit._budget import budget
from dgkit.core.config import Config
from dgkit.core.history import StepRecord
from dgkit.core.model import DoppelGANger, load
from dgkit.core.trainer import Trainer, fit
from dgkit.datasets import from_csv, from_npz, from_table, open_dataset, split, windows
from dgkit.errors import ConfigError, DgkitError, DivergenceError, FileFormatError, SchemaError

__version__ = "0.1.0"

del _threads

__all__ = [
    "Config",
    "ConfigError",
    "DgkitError",
    "DivergenceError",
    "DoppelGANger",
    "FileFormatError",
    "SchemaError",
    "StepRecord",
    "Trainer",
    "baselines",
    "budget",
    "check",
    "datasets",
    "downstream",
    "experiments",
    "fit",
    "from_csv",
    "from_npz",
    "from_table",
    "load",
    "metrics",
    "open_dataset",
    "plot",
    "privacy",
    "schema",
    "simulate",
    "split",
    "whatif",
    "windows",
]
