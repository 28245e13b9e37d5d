"""Guards that many functions share."""

import math
from typing import Any

import numpy as np

from dgkit.errors import ConfigError


def whole(name: str, value: Any, least: int = 1, below: float = math.inf) -> int:
    """The value as an int; ConfigError, with the argument's name, for what is no whole number in these bounds.

    Examples
    --------
    >>> whole("steps", 3), whole("steps", np.int64(3))
    (3, 3)
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= value < below:
        limit = "" if below == math.inf else f" and less than {below}"
        raise ConfigError(f"{name}={value!r} must be a whole number of at least {least}{limit}.")
    return int(value)
