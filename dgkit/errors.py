"""The errors dgkit raises for what a user can mend; each message says what was found, where, and what to do."""

from typing import Any


class DgkitError(Exception):
    """Base of every error dgkit raises on purpose.

    Examples
    --------
    >>> import dgkit as dg
    >>> try:
    ...     dg.open_dataset("nowhere")
    ... except DgkitError as error:
    ...     print(type(error).__name__)
    FileFormatError
    """


class SchemaError(DgkitError, ValueError):
    """A dataset, or a table or folder to make one from, is not what `dgkit.schema` describes.

    Examples
    --------
    >>> import dgkit as dg
    >>> ds = dg.simulate.web(30).rename(time="day")
    >>> try:
    ...     dg.schema.validate(ds)
    ... except SchemaError as error:
    ...     print(error)
    'views' has dims ('sample', 'day'); features are on (sample, time), attributes on (sample,). Mend: \
ds = ds.rename({'day': 'time'}), or one variable for each of 'day': ds['views'].to_dataset('day')
    """


class ConfigError(DgkitError, ValueError):
    """A setting has a value that cannot work, alone or with the data it is used on.

    Examples
    --------
    >>> import dgkit as dg
    >>> try:
    ...     dg.Config(sample_len=0)
    ... except ConfigError as error:
    ...     print(error)
    sample_len=0 must be finite and at least 1. Meaning: The paper's S: time steps made by one LSTM pass.
    """


class DivergenceError(DgkitError, ArithmeticError):
    """Training produced NaN or exploding values.

    Parameters
    ----------
    message : str
    step : int
        The step in which it was noticed.
    state : dict, optional
        The last good state, as `Trainer.state()` gives it, to resume from.
    model : DoppelGANger, optional
        Of `fit` with `held_out`, where something was measured: the best model until then.

    Examples
    --------
    >>> import dgkit as dg
    >>> train = dg.simulate.web(30)
    >>> trainer = dg.Trainer(train, dg.Config(steps=3, sample_len=84, batch_size=10))
    >>> error = DivergenceError("the loss became NaN", step=1, state=trainer.state())
    >>> dg.Trainer.resume(error.state, train, discriminator_lr=1e-4).step
    0
    """

    def __init__(self, message: str, step: int = -1, state: dict[str, Any] | None = None, model: Any = None):
        super().__init__(message)
        self.step = step
        self.state = state
        self.model = model


class FileFormatError(DgkitError, ValueError):
    """A file is not in the format dgkit reads, is damaged, or holds what must not be opened.

    Examples
    --------
    >>> import dgkit as dg
    >>> try:
    ...     dg.load("nowhere.dgkit")
    ... except FileFormatError:
    ...     print("no such model")
    no such model
    """


class SaveError(DgkitError, OSError):
    """A file cannot be written; the one that was there, if any, is as it was.

    Examples
    --------
    >>> import dgkit as dg
    >>> model = dg.fit(dg.simulate.web(30), dg.Config(steps=2, sample_len=84, batch_size=10), progress=False)
    >>> try:
    ...     model.save("no such folder/web.dgkit")
    ... except SaveError:
    ...     print("not saved")
    not saved
    """


class MissingExtraError(DgkitError, ImportError):
    """A package that dgkit needs for this alone is not installed; the message has the command that installs it.

    Examples
    --------
    >>> print(MissingExtraError("the widgets need anywidget. Install it: pip install dgkit[lab]"))
    the widgets need anywidget. Install it: pip install dgkit[lab]
    """
