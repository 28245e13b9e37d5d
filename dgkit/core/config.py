"""The settings of a DoppelGANger: one frozen dataclass, checked at construction."""

import math
from dataclasses import Field, dataclass, field, fields
from types import NoneType
from typing import Any, get_args

from dgkit.errors import ConfigError


@dataclass(frozen=True)
class DP:
    """Differential privacy for the discriminators, the only networks that see data (`Config(dp=DP(...))`).

    Parameters
    ----------
    noise_multiplier : float
        Standard deviation of the noise, in units of `max_grad_norm`; 0: clipping alone, no privacy.
    max_grad_norm : float
        Clipping norm C of each sample's gradient, for each discriminator.
    delta : float
        Of (epsilon, delta); must be below 1 / (training samples).
    sampling : {"poisson", "replacement"}
        "poisson": each sample is in a batch with probability batch_size / N, what the accounting assumes.
        "replacement": batches as the original draws them. No epsilon is stated for them (it is infinite), because what
        the original states is up to twelve times too small: see `dgkit.core.accounting`.

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

    noise_multiplier: float
    max_grad_norm: float = 1.0
    delta: float = 1e-5
    sampling: str = "poisson"

    def __post_init__(self) -> None:
        for name in ("noise_multiplier", "max_grad_norm", "delta"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
                raise ConfigError(f"dp: {name}={value!r} must be a number.")
        if not 0 <= self.noise_multiplier < math.inf:
            raise ConfigError(f"dp: noise_multiplier={self.noise_multiplier!r} must be finite and at least 0.")
        if not self.max_grad_norm > 0 or (self.max_grad_norm == math.inf and self.noise_multiplier > 0):
            raise ConfigError(f"dp: max_grad_norm={self.max_grad_norm!r} must be above 0, and finite with noise.")
        if not 0 < self.delta < 1:
            raise ConfigError(f"dp: delta={self.delta!r} must be between 0 and 1, below 1 / (training samples).")
        if self.sampling not in ("poisson", "replacement"):
            raise ConfigError(f"dp: sampling={self.sampling!r} is none of 'poisson', 'replacement'.")


PUBLISHED: dict[str, dict[str, Any]] = {  # what differs from the defaults
    "WWT": {"steps": 200_000, "sample_len": 10},
    "GCUT": {
        "steps": 200_000, "sample_len": 5, "auto_normalise": False, "auxiliary": False, "normalise": "zero_one"
    },
    "MBA": {
        "steps": 102_000, "sample_len": 4, "auto_normalise": False, "auxiliary": False, "normalise": "zero_one"
    },
}  # fmt: skip


@dataclass(frozen=True)
class Config:
    """How a DoppelGANger is built and trained; defaults are the original code's unless said.

    Parameters
    ----------
    steps : int
        Training steps (batches). Default 3000, a teaching size; the original took 200,000 on its web data.
    sample_len : int
        The paper's S: time steps made by one LSTM pass.
    auto_normalise : bool
        Scale each series to its own range and generate that range as two more attributes (`self_norm` there).
    auxiliary : bool
        A second discriminator on attributes and min/max alone.
    seed : int or None
        Of initial weights, batches and noise. Same seed, data, processor and thread count: same model. None: drawn from
        the operating system's entropy, and not kept. With noise for privacy it fixes what is public alone, the initial
        weights and the generator's noise; a private model holds None.
    batch_size : int
        Samples a step, drawn with replacement.
    generator_lr, discriminator_lr, auxiliary_lr : float
        Adam's learning rates.
    beta1 : float
        Adam's first momentum; the second is 0.999.
    generator_beta1, discriminator_beta1, auxiliary_beta1 : float, optional
        The same for one network alone; None: `beta1`.
    penalty, auxiliary_penalty : float
        Weights of the gradient penalties.
    auxiliary_weight : float
        Of the auxiliary discriminator in the generator's loss (`g_attr_d_coe`).
    discriminator_rounds, generator_rounds : int
        Updates on each batch.
    noise : int
        Width of each noise vector: attributes, min/max, and each LSTM pass.
    attribute_noise, minmax_noise, feature_noise : int, optional
        The same for one of them; None: `noise`. `feature_noise=0`: no noise at each pass (`noise=False` there), so that
        series of the same attributes differ by the LSTM's first state alone, which then must be "random" (the original
        asks for `feed_back` instead, which is left out here).
    attribute_units, attribute_layers : int
        Of the attribute and the min/max generator; layers count the output layer.
    lstm_units, lstm_layers : int
        Of the feature generator.
    initial_state : {"random", "zero", "variable"}
        Of the LSTM: drawn anew for each series, zero, or learned.
    forget_bias : float
        Added to the LSTM's forget gate at the start (TensorFlow's default).
    discriminator_units, discriminator_layers : int
        Of both discriminators; layers count the output layer.
    auxiliary_units, auxiliary_layers : int, optional
        Of the auxiliary discriminator alone; None: as the other.
    normalise : {"minusone_one", "zero_one"}
        Range of continuous values inside the network (tanh or sigmoid), of all of them; the original sets it for each
        variable (`normalization` of its Output).
    minmax_scale : {"auto", "linear", "log"}
        Scale of the two min/max attributes. The original's is "linear". "log": the logarithm of the mid-range, and the
        half-range as a share of it, so that levels far below the largest are not lost and no series reaches below the
        data's smallest value (CHANGELOG has numbers). "auto": "log" for features with `attrs["scale"] = "log"`.
    ema : float
        Decay of a moving average of the generator's weights, used for sampling; 0: off, as in the original. The
        first 1 / (1 - ema) updates are averaged plainly, so that nothing is left of the start.
    dp : DP, optional
        Train the discriminators with differential privacy.
    device : str
        "auto" (CUDA where there is one, else CPU) or a torch device.

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

    # what a value may be: its type, `least` (else 1, and 0 for a float), `below`, `choices`; None stands for `follows`
    steps: int = 3000
    sample_len: int = 10
    auto_normalise: bool = True
    auxiliary: bool = True
    seed: int | None = field(default=0, metadata={"least": 0})
    batch_size: int = field(default=100, metadata={"least": 2})
    generator_lr: float = 1e-3
    discriminator_lr: float = 1e-3
    auxiliary_lr: float = 1e-3
    beta1: float = field(default=0.5, metadata={"below": 1})
    generator_beta1: float | None = field(default=None, metadata={"below": 1, "follows": "beta1"})
    discriminator_beta1: float | None = field(default=None, metadata={"below": 1, "follows": "beta1"})
    auxiliary_beta1: float | None = field(default=None, metadata={"below": 1, "follows": "beta1"})
    penalty: float = 10.0
    auxiliary_penalty: float = 10.0
    auxiliary_weight: float = 1.0
    discriminator_rounds: int = 1
    generator_rounds: int = 1
    noise: int = 5
    attribute_noise: int | None = field(default=None, metadata={"follows": "noise"})
    minmax_noise: int | None = field(default=None, metadata={"follows": "noise"})
    feature_noise: int | None = field(default=None, metadata={"least": 0, "follows": "noise"})
    attribute_units: int = 100
    attribute_layers: int = field(default=3, metadata={"least": 2})
    lstm_units: int = 100
    lstm_layers: int = 1
    initial_state: str = field(default="random", metadata={"choices": ("random", "zero", "variable")})
    forget_bias: float = 1.0
    discriminator_units: int = 200
    discriminator_layers: int = field(default=5, metadata={"least": 2})
    auxiliary_units: int | None = field(default=None, metadata={"follows": "discriminator_units"})
    auxiliary_layers: int | None = field(default=None, metadata={"least": 2, "follows": "discriminator_layers"})
    normalise: str = field(default="minusone_one", metadata={"choices": ("minusone_one", "zero_one")})
    minmax_scale: str = field(default="auto", metadata={"choices": ("auto", "linear", "log")})
    ema: float = field(default=0.0, metadata={"below": 1})
    dp: DP | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        if isinstance(self.dp, dict):  # from a file
            object.__setattr__(self, "dp", DP(**self.dp))
        if not isinstance(self.dp, DP | None):
            raise ConfigError(f"dp={self.dp!r} must be a dgkit.privacy.DP or None.")
        for item in fields(self):
            if item.name != "dp":
                _check(item, getattr(self, item.name))
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


def _check(item: Field[Any], value: Any) -> None:
    """ConfigError unless the value is of the field's type and within what its metadata say."""
    kinds = get_args(item.type) or (item.type,)  # of `int | None`: int and None
    right = isinstance(value, kinds) or (type(value) is int and float in kinds)
    if not right or (type(value) is bool and bool not in kinds):
        names = " or ".join("None" if kind is NoneType else kind.__name__ for kind in kinds)
        raise ConfigError(f"{item.name}={value!r} must be of type {names}.")
    if isinstance(value, int | float) and not isinstance(value, bool):
        least, below = item.metadata.get("least", 0 if float in kinds else 1), item.metadata.get("below", math.inf)
        if not (math.isfinite(value) and value >= least):
            raise ConfigError(f"{item.name}={value!r} must be finite and at least {least}.")
        if value >= below:
            raise ConfigError(f"{item.name}={value!r} must be below {below}.")
    known = item.metadata.get("choices", (value,))
    if value not in known:
        raise ConfigError(f"{item.name}={value!r} is none of {', '.join(map(repr, known))}.")
