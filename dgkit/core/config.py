"""The settings of a DoppelGANger: one frozen dataclass, checked at construction.

Beside each field stands what it means; the docstrings' Parameters, and so `help` and the tooltips of editors, are made
from that.
"""

import inspect
import math
import textwrap
from dataclasses import MISSING, Field, dataclass, field, fields
from types import NoneType
from typing import Any, TypeVar, get_args

import numpy as np

from dgkit._checks import LARGEST_SEED, shown
from dgkit.errors import ConfigError

T = TypeVar("T", bound=type)


def _setting(default: Any, means: str, **limits: Any) -> Any:
    """A field: what it means, and what it may be besides its type.

    `least` (else 1, and 0 for a float) and `most`, `below`, `choices`; where it is None it is what it `follows`.
    """
    return field(default=default, metadata={"means": means, **limits})


def _documented(cls: T) -> T:
    """A settings class with a Parameters section, made from its fields, before the first section of its docstring."""
    lines = ["Parameters", "----------"]
    for item in fields(cls):
        names = [kind.__name__ for kind in _kinds(item) if kind is not NoneType]
        kind = f"{{{', '.join(map(repr, item.metadata['choices']))}}}" if "choices" in item.metadata else names[0]
        if NoneType in _kinds(item):
            kind += ", optional" if item.default is None else " or None"
        if item.default is not None and item.default is not MISSING:
            kind += f", default {item.default!r}"
        lines.append(f"{item.name} : {kind}")
        lines.append(textwrap.fill(item.metadata["means"], 116, initial_indent=" " * 4, subsequent_indent=" " * 4))
    summary, rest = inspect.cleandoc(cls.__doc__ or "").split("\n\n", 1)
    cls.__doc__ = "\n\n".join([summary, "\n".join(lines), rest])
    return cls


def _kinds(item: Field[Any]) -> tuple[type, ...]:
    """Of `int | None`: int and None."""
    kinds: tuple[type, ...] = get_args(item.type) or (item.type,)
    return kinds


@_documented
@dataclass(frozen=True)
class DP:
    """Differential privacy for the discriminators, the only networks that see data (`Config(dp=DP(...))`).

    Notes
    -----
    The guarantee is for the presence of one **sample**, not of one user, who may have several, and holds against those
    who know the code, the settings, `Config.seed` and all other samples. The noise, and which samples are in a batch,
    come from the operating system's entropy and are stored nowhere, so a private run cannot be repeated, and one that
    is resumed goes on with noise of its own. The seed fixes the initial weights and the generator's noise, which are
    public.

    *What is covered* is what may be given away: the networks' weights, whatever is generated, the file that
    `DoppelGANger.save` writes, and its `history` (the generator's loss, norms of gradients that have their noise,
    epsilon, half steps included). Such a model holds no seed, and of the attrs of the data only those that say how a
    variable is to be read (`dgkit.schema.READ`). Two of these, `units` and `long_name`, are texts of yours: leave what
    is secret out of them.

    *What is left out*: losses and penalties of the discriminators, of which no record, bar or file of a private run
    says anything (they are NaN in a `StepRecord`).

    *What is not covered*, and stays with who trains or is to be made public knowledge beforehand:

    - what is taken from the data before training: the number of steps T and the time coordinate; the ranges of values
      and the lists of categories, unless `valid_min` and `valid_max`, or `categories`, stand in a variable's attrs as
      public knowledge (the trainer warns where they do not);
    - what a training starts from (`Trainer(..., start=...)`) and a Dataset that is the target of a what-if: both are
      taken as public, and a warning says so;
    - several private models of the same data, also when one state is continued twice: their epsilons add up;
    - the number of samples N: the sampling rate is batch_size / N, and so epsilon, and a batch's mean, tell N;
    - the seconds of each step in a `StepRecord`, in which the size of its batch shows;
    - `Trainer.state()` and its file (also training_state.dgkit beside the models of `fit(..., checkpoints=...)`): they
      hold a hash of the data, by which any guess of the whole data can be checked;
    - measures of the model against the data (`evaluate`, `sweep`), a model chosen among several by one, and pictures
      of the real data beside the generated; so `fit(..., held_out=...)` warns: it is for data that are public. The
      models that `fit(..., checkpoints=...)` keeps on the way are covered, all together, by the epsilon of the last;
    - rounding: the noise is drawn in float64 from 52 random bits and added in float32, not on a grid proved safe.

    Without noise (`noise_multiplier=0`) there is nothing to protect: draws and records are those of an ordinary run.

    Raises
    ------
    ConfigError
        A value out of its range.

    Source
    ------
    The original repository's example_dp_training (noise multipliers 0.01 to 4, norm 1, delta 1e-5); paper, Section 6.2.

    Examples
    --------
    >>> Config(dp=DP(noise_multiplier=1.0)).dp.max_grad_norm
    1.0
    """

    noise_multiplier: float = _setting(
        MISSING,
        "Standard deviation of the noise, in units of `max_grad_norm`, from 0.001 on; 0: clipping alone, no privacy.",
        most=1e6,
    )
    max_grad_norm: float = _setting(
        1.0, "Clipping norm C of each sample's gradient, for each discriminator.", most=math.inf
    )
    delta: float = _setting(1e-5, "Of (epsilon, delta); must be below 1 / (training samples).", below=1)
    sampling: str = _setting(
        "poisson",
        '"poisson": each sample is in a batch with probability batch_size / N, what the accounting assumes. '
        '"replacement": batches as the original draws them. No epsilon is stated for them (it is infinite), because '
        "what the original states is up to twelve times too small: see `dgkit.core.accounting`.",
        choices=("poisson", "replacement"),
    )

    def __post_init__(self) -> None:
        for item in fields(self):
            object.__setattr__(self, item.name, _checked(item, getattr(self, item.name), "dp: "))
        if 0 < self.noise_multiplier < 1e-3:  # below, epsilon is beyond 10^9, and not to be computed
            raise ConfigError(f"dp: noise_multiplier={self.noise_multiplier!r} must be 0, or 0.001 and more.")
        if self.max_grad_norm < 1e-30 or (self.max_grad_norm > 1e30 and self.noise_multiplier > 0):
            raise ConfigError(f"dp: max_grad_norm={self.max_grad_norm!r} must be above 0, and finite with noise.")
        if self.delta == 0:
            raise ConfigError("dp: delta=0 must be between 0 and 1, below 1 / (training samples).")


PUBLISHED: dict[str, dict[str, Any]] = {  # what differs from the defaults
    "WWT": {"steps": 200_000, "sample_len": 10},
    "GCUT": {
        "steps": 200_000, "sample_len": 5, "auto_normalise": False, "auxiliary": False, "normalise": "zero_one"
    },
    "MBA": {
        "steps": 102_000, "sample_len": 4, "auto_normalise": False, "auxiliary": False, "normalise": "zero_one"
    },
}  # fmt: skip


MOST_WEIGHTS = 10**8  # of one network between its layers: 1.6 GB in training
MOST_OUTPUTS = 10**8  # of all layers, for one batch in one LSTM pass


@_documented
@dataclass(frozen=True)
class Config:
    """How a DoppelGANger is built and trained; defaults are the original code's unless said.

    Notes
    -----
    *Long series with bursts*, such as 550 days of web pages, take `Config(sample_len=25, feature_noise=30,
    minmax_scale="log_values", full_range=True, ema=0.99)`: at most 50 passes, noise as wide as a pass is long, room for
    the ordinary days, and levels near the real ones. After 30 CPU seconds (one thread, real pages, 3 seeds) the
    autocorrelation MSE is 0.0006 and mid-ranges are 0.09 to 0.11 decades off; with `ema=0.99` alone 0.4 to 0.7 and 1.1.
    After 60 (one seed) 0.0004 and 0.14: keep the best by `held_out`. tests/benchmarks/levers.py tells what does what.

    Raises
    ------
    ConfigError
        A value that cannot work; the message names the field.

    Source
    ------
    The original repository's gan/ and example_training/config.py; the paper's Section 4 and Appendix B.

    Examples
    --------
    >>> Config(sample_len=7, seed=1).sample_len
    7
    """

    steps: int = _setting(
        3000, "Training steps (batches): a teaching size; the original took 200,000 on its web data.", most=10**12
    )
    sample_len: int = _setting(10, "The paper's S: time steps made by one LSTM pass.")
    auto_normalise: bool = _setting(
        True, "Scale each series to its own range and generate that range as two more attributes (`self_norm` there)."
    )
    auxiliary: bool = _setting(True, "A second discriminator on attributes and min/max alone.")
    seed: int | None = _setting(
        0,
        "Of initial weights, batches and noise. Same seed, data, processor and thread count: same model. None: drawn "
        "from the operating system's entropy, and not kept. With noise for privacy it fixes what is public alone, the "
        "initial weights and the generator's noise; a private model holds None.",
        least=0,
        most=LARGEST_SEED,
    )
    batch_size: int = _setting(100, "Samples a step, drawn with replacement.", least=2, most=10**6)
    generator_lr: float = _setting(1e-3, "Adam's learning rate for the generator.")
    discriminator_lr: float = _setting(1e-3, "Adam's learning rate for the discriminator.")
    auxiliary_lr: float = _setting(1e-3, "Adam's learning rate for the auxiliary discriminator.")
    last_lr: float | None = _setting(
        None,
        "What is left of the learning rates at the last of `steps`, as a share: they fall evenly. On real pages and "
        "homes 0.1 brings levels or rises nearer (chapter 11 has numbers). None: they stay, as in the original.",
        most=1,
    )
    beta1: float = _setting(0.5, "Adam's first momentum; the second is 0.999.", below=1)
    generator_beta1: float | None = _setting(None, "The generator's own; None: `beta1`.", below=1, follows="beta1")
    discriminator_beta1: float | None = _setting(
        None, "The discriminator's own; None: `beta1`.", below=1, follows="beta1"
    )
    auxiliary_beta1: float | None = _setting(
        None, "The auxiliary discriminator's own; None: `beta1`.", below=1, follows="beta1"
    )
    penalty: float = _setting(10.0, "Weight of the discriminator's gradient penalty.")
    auxiliary_penalty: float = _setting(10.0, "Weight of the auxiliary discriminator's gradient penalty.")
    auxiliary_weight: float = _setting(
        1.0, "Weight of the auxiliary discriminator in the generator's loss (`g_attr_d_coe`)."
    )
    discriminator_rounds: int = _setting(1, "Updates of the discriminators on each batch.", most=1000)
    generator_rounds: int = _setting(1, "Updates of the generator on each batch.", most=1000)
    noise: int = _setting(5, "Width of each noise vector: attributes, min/max, and each LSTM pass.", most=10**4)
    attribute_noise: int | None = _setting(
        None, "Width of the attributes' noise; None: `noise`.", most=10**4, follows="noise"
    )
    minmax_noise: int | None = _setting(None, "Width of min/max's noise; None: `noise`.", most=10**4, follows="noise")
    feature_noise: int | None = _setting(
        None,
        "Width of the noise at each LSTM pass; None: `noise`. 0: none (`noise=False` there), so that series of the "
        'same attributes differ by the LSTM\'s first state alone, which then must be "random" (the original asks for '
        "`feed_back` instead, which is left out here).",
        least=0,
        most=10**4,
        follows="noise",
    )
    attribute_units: int = _setting(100, "Of each hidden layer of the attribute and the min/max generator.")
    attribute_layers: int = _setting(3, "Of the same two; the output layer counts.", least=2, most=100)
    lstm_units: int = _setting(100, "Of each LSTM layer of the feature generator.")
    lstm_layers: int = _setting(1, "LSTM layers of the feature generator.", most=100)
    initial_state: str = _setting(
        "random",
        "Of the LSTM: drawn anew for each series, zero, or learned.",
        choices=("random", "zero", "variable"),
    )
    forget_bias: float = _setting(1.0, "Added to the LSTM's forget gate at the start (TensorFlow's default).")
    discriminator_units: int = _setting(200, "Of each hidden layer of both discriminators.")
    discriminator_layers: int = _setting(5, "Of both discriminators; the output layer counts.", least=2, most=100)
    auxiliary_units: int | None = _setting(
        None, "The auxiliary discriminator's own; None: as the other.", follows="discriminator_units"
    )
    auxiliary_layers: int | None = _setting(
        None,
        "The auxiliary discriminator's own; None: as the other.",
        least=2,
        most=100,
        follows="discriminator_layers",
    )
    normalise: str = _setting(
        "minusone_one",
        "Range of continuous values inside the network (tanh or sigmoid), of all of them; the original sets it for "
        "each variable (`normalization` of its Output).",
        choices=("minusone_one", "zero_one"),
    )
    minmax_scale: str = _setting(
        "auto",
        'Scale of the two min/max attributes. The original\'s is "linear". "log": the logarithm of the mid-range, and '
        "the half-range as a share of it, so that levels far below the largest are not lost and no series reaches "
        'below the data\'s smallest value (CHANGELOG has numbers). "log_values": of the logarithms of the values, each '
        "series scaled by the range of these, for data with bursts, which else leave the rest of a series no room (see "
        'Notes). "auto": "log" for features with `attrs["scale"] = "log"`.',
        choices=("auto", "linear", "log", "log_values"),
    )
    full_range: bool = _setting(
        False,
        "Stretch each generated series over its whole range, in training too: every real one reaches both ends of it "
        "once it is auto-normalised, but no critic teaches that soon (see Notes). The original has no such thing.",
    )
    ema: float = _setting(
        0.0,
        "Decay of a moving average of the generator's weights, used for sampling; 0: off, as in the original. The "
        "first 1 / (1 - ema) updates are averaged plainly, so that nothing is left of the start.",
        below=1,
    )
    dp: DP | None = _setting(None, "Train the discriminators with differential privacy.")  # noqa: RUF009 (a field)
    device: str = _setting("auto", '"auto" (CUDA where there is one, else CPU) or a torch device.')
    replay: bool = _setting(
        False,
        "On a CUDA device, record the kernels of one step and replay them: the same training without waiting for "
        "Python. Elsewhere nothing changes.",
    )

    def __post_init__(self) -> None:
        if isinstance(self.dp, dict):  # from a file
            try:
                object.__setattr__(self, "dp", DP(**self.dp))
            except TypeError as error:  # a name that is missing, or none
                raise ConfigError(f"dp={shown(self.dp)} is no dgkit.privacy.DP: {error}.") from error
        for item in fields(self):
            object.__setattr__(self, item.name, _checked(item, getattr(self, item.name)))
        self._check_sizes()
        if self.feature_noise == 0 and self.initial_state != "random":
            raise ConfigError(
                f"feature_noise=0 with initial_state={self.initial_state!r} leaves nothing random in a series but its "
                "attributes. Use initial_state='random', or feature_noise=1 or more."
            )
        if self.replay and self.dp is not None:
            raise ConfigError("replay=True does not go with dp=..., whose batches vary. Use replay=False.")
        if self.replay and self.last_lr is not None:
            raise ConfigError(
                "replay=True does not go with last_lr=..., for a recorded step has one rate. Leave out one."
            )
        if self.device != "auto":
            import torch  # here: settings are light until they are to be used on a device

            try:
                torch.zeros(1, device=self.device).add(1).item()  # "meta" computes nothing
            except Exception as error:  # each kind of device has its own
                why = str(error).split("\n")[0][:200]
                raise ConfigError(f"device={self.device!r} cannot be used here: {why}. Use 'auto'.") from error

    def _check_sizes(self) -> None:
        """ConfigError for networks that no memory holds, whatever the data are."""
        widths = [self.of(f"{part}_noise") for part in ("attribute", "minmax", "feature")]
        for name in ("attribute", "lstm", "discriminator", "auxiliary"):
            units, layers = self.of(f"{name}_units"), self.of(f"{name}_layers")
            widths.append(units * layers)
            if (weights := (8 if name == "lstm" else 1) * layers * units**2) > MOST_WEIGHTS:
                raise ConfigError(
                    f"{name}_units={units} with {name}_layers={layers} makes about {float(weights):.3g} "
                    f"weights, more than {MOST_WEIGHTS:,}. Lower {name}_units or {name}_layers."
                )
        if (outputs := self.batch_size * sum(widths)) > MOST_OUTPUTS:
            raise ConfigError(
                f"batch_size={self.batch_size} with these units, layers and noise makes {outputs:,} numbers a pass, "
                f"more than {MOST_OUTPUTS:,}. Lower batch_size, or the sizes of the networks."
            )

    @classmethod
    def published(cls, name: str, **changes: Any) -> "Config":
        """The settings that the original's example_training/config.py has for one of the paper's data sets.

        Parameters
        ----------
        name : {"WWT", "GCUT", "MBA"}
            Wikipedia web traffic, Google cluster usage traces, Measuring Broadband America.
        **changes
            Other fields, such as `steps`: the published numbers take hours to days.

        Returns
        -------
        Config
            Of the values of `sample_len` that were tried (WWT 1, 5, 10, 25, 50; GCUT 1, 5, 10; MBA 1, 4, 8) the one of
            Figure 1 for WWT, and the middle one for the others, of which it is not known what the figures show. Steps
            are the original's epochs times its batches: 400 x 500 (GCUT too, if it has 50,000 samples), 17,000 x 6.

        Raises
        ------
        ConfigError
            No such data set, or a change that cannot be.

        Examples
        --------
        >>> Config.published("MBA", steps=1000).sample_len
        4
        """
        if not isinstance(name, str) or name not in PUBLISHED:
            raise ConfigError(f"no published settings for {shown(name)}; there are {', '.join(map(repr, PUBLISHED))}.")
        return cls(**{**PUBLISHED[name], "minmax_scale": "linear", **changes})

    def of(self, name: str) -> Any:
        """A setting; where it is None, the one it follows.

        Examples
        --------
        >>> Config(beta1=0.4).of("generator_beta1"), Config(auxiliary_units=50).of("auxiliary_units")
        (0.4, 50)
        """
        value = getattr(self, name)
        followed = self.__dataclass_fields__[name].metadata.get("follows")
        return getattr(self, followed) if value is None and followed else value

    @property
    def private(self) -> bool:
        """Whether training adds noise for privacy."""
        return self.dp is not None and self.dp.noise_multiplier > 0

    def torch_device(self) -> Any:
        """Where training runs, a torch.device: `device`, or for "auto" CUDA if there is any."""
        import torch

        if self.device != "auto":
            return torch.device(self.device)
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def given(config: Config | None, name: str = "config") -> Config:
    """The settings that were asked for, the default ones for None; ConfigError for what are none.

    Examples
    --------
    >>> given(None).steps
    3000
    """
    if not isinstance(config, Config | None):
        raise ConfigError(f"{name}={shown(config)} must be a dgkit.Config, such as dgkit.Config(steps=3000), or None.")
    return Config() if config is None else config


def _checked(item: Field[Any], value: Any, where: str = "") -> Any:
    """The value in the field's type; ConfigError unless it is of that type and within what the metadata say."""

    def wrong(what: str) -> ConfigError:
        meaning = item.metadata["means"].split(". ")[0].removesuffix(".")
        return ConfigError(f"{where}{item.name}={shown(value)} {what}. Meaning: {meaning}.")

    # the type; a whole number will do for a float, but True and False are no numbers
    kinds, limits = _kinds(item), item.metadata
    value = value.item() if isinstance(value, np.generic) else value
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not (isinstance(value, kinds) or (whole and float in kinds)) or (isinstance(value, bool) and bool not in kinds):
        names = " or ".join("None" if kind is NoneType else kind.__name__ for kind in kinds)
        raise wrong(f"must be of type {names}")

    if whole and float in kinds and abs(value) >= 2**1023:  # beyond what a float holds
        value = math.inf if value > 0 else -math.inf
    if whole or isinstance(value, float):
        least, most = limits.get("least", 0 if float in kinds else 1), limits.get("most", 1e30)
        if not least <= value or (value == math.inf and most < math.inf):  # NaN neither
            raise wrong(f"must be finite and at least {least}")
        if value > most:
            raise wrong(f"must be at most {most if isinstance(most, int) else f'{most:g}'}")
        if value >= limits.get("below", math.inf) and "below" in limits:
            raise wrong(f"must be below {limits['below']}")
        return float(value) if float in kinds else int(value)
    known = limits.get("choices", (value,))
    if value not in known:
        raise wrong(f"is none of {', '.join(map(repr, known))}")
    return str(value) if isinstance(value, str) else value
