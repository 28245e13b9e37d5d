"""One switch for all chapters: with the environment variable DGKIT_FAST=1 they run in seconds, as a test."""

import os
from typing import TypeVar

from dgkit.errors import ConfigError

T = TypeVar("T")


def budget(full: T, fast: T) -> T:
    """`full`, or `fast` where DGKIT_FAST is set to 1.

    Parameters
    ----------
    full, fast
        Two sizes of the same thing, e.g. training steps.

    Returns
    -------
    One of the two, as it is.

    Raises
    ------
    ConfigError
        DGKIT_FAST is neither 0 nor 1.

    Examples
    --------
    >>> budget(full=900, fast=20) in (900, 20)
    True
    """
    switch = os.environ.get("DGKIT_FAST", "0") or "0"
    if switch not in ("0", "1"):
        raise ConfigError(
            f"the environment variable DGKIT_FAST is {switch!r}; it must be 1 (fast), or 0 or unset (full)."
        )
    return fast if switch == "1" else full
