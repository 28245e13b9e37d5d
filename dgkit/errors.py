"""The errors dgkit raises for what a user can mend; each message says what was found, where, and what to do."""


class DgkitError(Exception):
    """Base of every error dgkit raises on purpose."""


class SchemaError(DgkitError, ValueError):
    """A dataset, or a table or folder to make one from, is not what `dgkit.schema` describes."""


class ConfigError(DgkitError, ValueError):
    """A setting has a value that cannot work, alone or with the data it is used on."""


class DivergenceError(DgkitError, ArithmeticError):
    """Training produced NaN or exploding values.

    Attributes
    ----------
    step : int
        The step in which it was noticed.
    state : dict or None
        The last good state, as `Trainer.state()` gives it, to resume from.
    """

    def __init__(self, message: str, step: int = -1, state: dict | None = None):
        super().__init__(message)
        self.step = step
        self.state = state


class FileFormatError(DgkitError, ValueError):
    """A file is not in the format dgkit reads, is damaged, or holds what must not be opened."""
