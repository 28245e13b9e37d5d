"""The settings of a DoppelGANger: one frozen dataclass, checked at construction.

Each field has its meaning and its limits beside it. From there come the docstring, what errors say of the field, and
the hints of the studio's controls.
"""

import inspect
import math
import textwrap
from dataclasses import MISSING, Field, dataclass, field, fields
from types import NoneType
from typing import Any, TypeVar, get_args

from dgkit.errors import ConfigError

T = TypeVar("T")


def setting(default: T, means: str, **limits: Any) -> T:
    """A field of `Config` or `DP` with its meaning.

    Parameters
    ----------
    default : any value
    means : str
        The first sentence also stands in errors.
    **limits
        `least` (else 1 for a whole number, 0 for a float), `above`, `below`, `choices`; `infinite=True`: it may be;
        `follows`: the field whose value it takes where it is None.

    Examples
    --------
    >>> @dataclass
    ... class Walk:
    ...     steps: int = setting(10, "How far to go.", least=2)
    >>> Walk()
    Walk(steps=10)
    """
    return field(default=default, metadata={"means": means, **limits})


def documented(cls: type[T]) -> type[T]:
    """The class with the meanings of its fields in its docstring, as section "Parameters" below the first sentence.

    Examples
    --------
    >>> @documented
    ... @dataclass
    ... class Walk:
    ...     'A walk.'
    ...     steps: int = setting(10, "How far to go.")
    >>> print(Walk.__doc__)
    A walk.
    <BLANKLINE>
    Parameters
    ----------
    steps : int, default 10
        How far to go.
    """
    if cls.__doc__ is None:  # python -OO
        return cls
    lines = ["", "Parameters", "----------"]
    for item in fields(cls):  # type: ignore[arg-type]
        choices, follows = item.metadata.get("choices"), item.metadata.get("follows")
        kind = "{" + ", ".join(f'"{value}"' for value in choices) + "}" if choices else kind_of(item)
        if follows or item.default is not MISSING:
            kind += f", default that of `{follows}`" if follows else f", default {item.default!r}"
        lines += [f"{item.name} : {kind}", textwrap.indent(textwrap.fill(item.metadata["means"], 112), "    ")]
    first, *rest = inspect.cleandoc(cls.__doc__).split("\n", 1)
    cls.__doc__ = "\n".join([first, *lines, *rest])
    return cls


def kind_of(item: Field[Any]) -> str:
    """The types that a field's value may have, in words."""
    return " or ".join("None" if kind is NoneType else kind.__name__ for kind in get_args(item.type) or (item.type,))


@documented
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
    epsilon). Such a model holds no seed, and of the attrs of the data only those that the model reads.

    *What is left out*: losses and penalties of the discriminators, of which no record, bar or file of a private run
    says anything (they are NaN in a `StepRecord`).

    *What is not covered*, and stays with who trains or is to be made public knowledge beforehand:

    - what is taken from the data before training: the list of categories, the number of steps T and the time
      coordinate, and the ranges of values, unless both `valid_min` and `valid_max` stand in a variable's attrs as
      publicly known bounds (the trainer warns where they do not);
    - the number of samples N: the sampling rate is batch_size / N, and so epsilon, and a batch's mean, tell N;
    - the seconds of each step in a `StepRecord`, in which the size of its batch shows;
    - `Trainer.state()` and its file (also training_state.dgkit beside the models of `fit(..., checkpoints=...)`): they
      hold a hash of the data, by which any guess of the whole data can be checked;
    - measures of the model against the data (`evaluate`, `sweep`), a model chosen among several by one, and pictures
      of the real data beside the generated; so `fit(..., held_out=...)` warns: it is for data that are public. The
      models that `fit(..., checkpoints=...)` keeps on the way are covered, all together, by the epsilon of the last;
    - rounding: the noise is drawn in float64 from 53 random bits and added in float32, not on a grid proved safe.

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

    noise_multiplier: float = field(
        metadata={
            "means": "Standard deviation of the noise, in units of `max_grad_norm`. 0: clipping alone, no privacy."
        }
    )
    max_grad_norm: float = setting(
        1.0,
        "Clipping norm C of each sample's gradient, for each discriminator. Infinite: none, without noise alone.",
        above=0,
        infinite=True,
    )
    delta: float = setting(1e-5, "The delta of (epsilon, delta), below 1 / (training samples).", above=0, below=1)
    sampling: str = setting(
        "poisson",
        "How batches are drawn. "
        '"poisson": each sample is in a batch with probability batch_size / N, what the accounting assumes. '
        '"replacement": batches as the original draws them. No epsilon is stated for them (it is infinite), because '
        "what the original states is up to twelve times too small: see `dgkit.core.accounting`.",
        choices=("poisson", "replacement"),
    )

    def __post_init__(self) -> None:
        for item in fields(self):
            check_field(item, getattr(self, item.name), "dp: ")
        if self.max_grad_norm == math.inf and self.noise_multiplier > 0:
            raise ConfigError("dp: max_grad_norm=inf must be finite with noise, which is a multiple of it.")


PUBLISHED: dict[str, dict[str, Any]] = {  # what differs from the defaults
    "WWT": {"steps": 200_000, "sample_len": 10},
    "GCUT": {
        "steps": 200_000, "sample_len": 5, "auto_normalise": False, "auxiliary": False, "normalise": "zero_one"
    },
    "MBA": {
        "steps": 102_000, "sample_len": 4, "auto_normalise": False, "auxiliary": False, "normalise": "zero_one"
    },
}  # fmt: skip


@documented
@dataclass(frozen=True)
class Config:
    """How a DoppelGANger is built and trained; defaults are the original code's unless said.

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

    steps: int = setting(3000, "Training steps (batches). A teaching size: the original took 200,000 on its web data.")
    sample_len: int = setting(10, "Time steps made by one LSTM pass, the paper's S.")
    auto_normalise: bool = setting(
        True, "Scale each series to its own range, and generate that range as two more attributes (`self_norm` there)."
    )
    auxiliary: bool = setting(True, "A second discriminator on attributes and min/max alone.")
    seed: int | None = setting(
        0,
        "Start of the random numbers: initial weights, batches and noise. Same seed, data, processor and thread count: "
        "same model. None: drawn from the operating system's entropy, and not kept. With noise for privacy it fixes "
        "what is public alone, the initial weights and the generator's noise; a private model holds None.",
        least=0,
    )
    batch_size: int = setting(100, "Samples a step, drawn with replacement.", least=2)

    # Adam, for each network
    generator_lr: float = setting(1e-3, "Adam's learning rate for the generator.")
    discriminator_lr: float = setting(1e-3, "Adam's learning rate for the discriminator.")
    auxiliary_lr: float = setting(1e-3, "Adam's learning rate for the auxiliary discriminator.")
    beta1: float = setting(0.5, "Adam's first momentum. The second is 0.999.", below=1)
    generator_beta1: float | None = setting(None, "`beta1` for the generator alone.", below=1, follows="beta1")
    discriminator_beta1: float | None = setting(None, "`beta1` for the discriminator alone.", below=1, follows="beta1")
    auxiliary_beta1: float | None = setting(
        None, "`beta1` for the auxiliary discriminator alone.", below=1, follows="beta1"
    )

    # losses
    penalty: float = setting(10.0, "Weight of the discriminator's gradient penalty.")
    auxiliary_penalty: float = setting(10.0, "Weight of the auxiliary discriminator's gradient penalty.")
    auxiliary_weight: float = setting(
        1.0, "Weight of the auxiliary discriminator in the generator's loss (`g_attr_d_coe`)."
    )
    discriminator_rounds: int = setting(1, "Updates of the discriminators on each batch.")
    generator_rounds: int = setting(1, "Updates of the generator on each batch.")

    # the generator
    noise: int = setting(5, "Width of each noise vector: attributes, min/max, and each LSTM pass.")
    attribute_noise: int | None = setting(None, "`noise` for the attributes alone.", follows="noise")
    minmax_noise: int | None = setting(None, "`noise` for min/max alone.", follows="noise")
    feature_noise: int | None = setting(
        None,
        "`noise` for each LSTM pass alone. 0: no noise at each pass (`noise=False` there), so that series of the same "
        'attributes differ by the LSTM\'s first state alone, which then must be "random" (the original asks for '
        "`feed_back` instead, which is left out here).",
        least=0,
        follows="noise",
    )
    attribute_units: int = setting(100, "Units in each hidden layer of the attribute and the min/max generator.")
    attribute_layers: int = setting(
        3, "Layers of the attribute and the min/max generator, the output layer counted.", least=2
    )
    lstm_units: int = setting(100, "Units of the feature generator's LSTM.")
    lstm_layers: int = setting(1, "Layers of the feature generator's LSTM.")
    initial_state: str = setting(
        "random",
        "First state of the LSTM: drawn anew for each series, zero, or learned.",
        choices=("random", "zero", "variable"),
    )
    forget_bias: float = setting(1.0, "Added to the LSTM's forget gate at the start (TensorFlow's default).")

    # the discriminators
    discriminator_units: int = setting(200, "Units in each hidden layer of both discriminators.")
    discriminator_layers: int = setting(5, "Layers of both discriminators, the output layer counted.", least=2)
    auxiliary_units: int | None = setting(
        None, "`discriminator_units` for the auxiliary discriminator alone.", follows="discriminator_units"
    )
    auxiliary_layers: int | None = setting(
        None, "`discriminator_layers` for the auxiliary discriminator alone.", least=2, follows="discriminator_layers"
    )

    # how the data are read
    normalise: str = setting(
        "minusone_one",
        "Range of continuous values inside the network (tanh or sigmoid), of all of them. The original sets it for "
        "each variable (`normalization` of its Output).",
        choices=("minusone_one", "zero_one"),
    )
    minmax_scale: str = setting(
        "auto",
        'Scale of the two min/max attributes. The original\'s is "linear". "log": the logarithm of the mid-range, and '
        "the half-range as a share of it, so that levels far below the largest are not lost and no series reaches "
        'below the data\'s smallest value (CHANGELOG has numbers). "auto": "log" for features with '
        '`attrs["scale"] = "log"`.',
        choices=("auto", "linear", "log"),
    )

    # beyond the original
    ema: float = setting(
        0.0,
        "Decay of a moving average of the generator's weights, used for sampling. 0: off, as in the original. The "
        "first 1 / (1 - ema) updates are averaged plainly, so that nothing is left of the start.",
        below=1,
    )
    dp: DP | None = setting(None, "Train the discriminators with differential privacy.")  # noqa: RUF009
    device: str = setting("auto", 'Where to train: "auto" (CUDA where there is one, else CPU) or a torch device.')

    def __post_init__(self) -> None:
        if isinstance(self.dp, dict):  # from a file
            object.__setattr__(self, "dp", DP(**self.dp))
        if not isinstance(self.dp, DP | None):
            raise ConfigError(f"dp={self.dp!r} must be a dgkit.privacy.DP or None.")
        for item in fields(self):
            if item.name != "dp":
                check_field(item, getattr(self, item.name))
        if self.feature_noise == 0 and self.initial_state != "random":
            raise ConfigError(
                f"feature_noise=0 with initial_state={self.initial_state!r} leaves nothing random in a series but its "
                "attributes. Use initial_state='random', or feature_noise=1 or more."
            )
        if self.device != "auto":
            import torch  # here: settings are light until they are to be used on a device

            try:
                torch.empty(0, device=self.device)
            except (RuntimeError, AssertionError) as error:
                raise ConfigError(f"device={self.device!r} cannot be used here: {error}. Use 'auto'.") from error

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
        if name not in PUBLISHED:
            raise ConfigError(f"no published settings for {name!r}; there are {', '.join(map(repr, PUBLISHED))}.")
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


def check_field(item: Field[Any], value: Any, where: str = "") -> None:
    """ConfigError unless the value is of the field's type and within its limits."""

    def wrong(what: str) -> ConfigError:
        meaning = item.metadata["means"].split(". ")[0].removesuffix(".")
        return ConfigError(f"{where}{item.name}={value!r} {what}. Meaning: {meaning}.")

    # the type; a whole number will do for a float, but True and False are no numbers
    limits, kinds = item.metadata, get_args(item.type) or (item.type,)  # of `int | None`: int and None
    right = isinstance(value, kinds) or (type(value) is int and float in kinds)
    if not right or (type(value) is bool and bool not in kinds):
        raise wrong(f"must be of type {kind_of(item)}")

    if isinstance(value, int | float) and not isinstance(value, bool):
        low, how = limits.get("least", 0 if float in kinds else 1), "at least"
        if "above" in limits:
            low, how = limits["above"], "above"
        finite = "" if limits.get("infinite") else "finite and "
        if math.isnan(value) or value < low or (value == low and how == "above") or (finite and math.isinf(value)):
            raise wrong(f"must be {finite}{how} {low}")
        if "below" in limits and value >= limits["below"]:
            raise wrong(f"must be below {limits['below']}")
    if value not in limits.get("choices", (value,)):
        raise wrong(f"is none of {', '.join(map(repr, limits['choices']))}")
