"""What a learner can set in the studio, and what was set: a dataset, a `Config`, the state and the code of it.

`CONTROLS` is what the browser builds: name in `Config` or `DP`, label, kind, what it means, whether it acts at once. A
control with "needs" is shown while the switch of that name is on. `Settings` are the values. Left out: settings that
only code needs, such as `beta1` (give a Config), and the log of a run, which is `_session`'s.
"""

import json
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from dgkit import Config
from dgkit._checks import several
from dgkit.core.config import DP
from dgkit.errors import ConfigError
from dgkit_widgets._session import LIVE, Log, check_log
from dgkit_widgets._widget import bounded

DATASETS = ("web", "cluster", "broadband")
SPLIT = 0.5, 0  # fraction and seed of dgkit.split: a shipped dataset's first part is trained on, the second held out
PRIVACY = ("noise_multiplier", "max_grad_norm", "delta")  # fields of `Config.dp`
_MEANS = {item.name: item.metadata["means"] for item in (*fields(Config), *fields(DP))}
_RATES = [1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1]


def _control(name: str, label: str, kind: str, group: str, **more: Any) -> dict[str, Any]:
    hint = _MEANS.get(name, "")
    return {"name": name, "label": label, "kind": kind, "group": group, "hint": hint, "live": name in LIVE, **more}


CONTROLS = [
    _control("dataset", "Dataset", "choice", "design", options=list(DATASETS)),
    _control("sample_len", "Steps a pass (sample_len)", "number", "design", least=1),
    _control("auto_normalise", "Auto-normalisation", "check", "design"),
    _control("auxiliary", "Auxiliary discriminator", "check", "design"),
    _control("discriminator_lr", "Discriminator learning rate", "choice", "training", options=_RATES),
    _control("generator_lr", "Generator learning rate", "choice", "training", options=_RATES),
    _control("discriminator_rounds", "Discriminator updates", "number", "training", least=1),
    _control("generator_rounds", "Generator updates", "number", "training", least=1),
    _control("batch_size", "Batch size (samples)", "number", "training", least=2),
    _control("steps", "Training steps", "number", "training", least=1),
    _control("seed", "Seed", "number", "training", least=0),
    _control("noise", "Noise width", "number", "network", least=1),
    _control("attribute_layers", "Attribute, min/max: layers", "number", "network", least=2),
    _control("attribute_units", "Attribute, min/max: units", "number", "network", least=1),
    _control("lstm_layers", "LSTM: layers", "number", "network", least=1),
    _control("lstm_units", "LSTM: units", "number", "network", least=1),
    _control("discriminator_layers", "Discriminators: layers", "number", "network", least=2),
    _control("discriminator_units", "Discriminators: units", "number", "network", least=1),
    _control("penalty", "Gradient penalty weight", "number", "network", least=0, any=True),
    _control("ema", "Averaging of weights (ema)", "number", "network", least=0, any=True),
    _control("dp", "Differential privacy", "check", "privacy"),
    _control("noise_multiplier", "Noise multiplier", "number", "privacy", least=0, any=True, needs="dp"),
    _control("max_grad_norm", "Clipping norm", "number", "privacy", least=0, any=True, needs="dp"),
    _control("delta", "Delta", "number", "privacy", least=0, any=True, needs="dp"),
]
PARTS = ("checkpoint", "slow_motion", "code", "state")  # what stands below the settings
GROUPS = ("network", "privacy")  # of `CONTROLS` that can be hidden as one


def controls(hide: Collection[str], datasets: list[str], checkpoints: list[str]) -> list[dict[str, Any]]:
    """What the browser is to show. Raises ConfigError where `hide` has a name that is not there."""
    hide, known = set(several("hide", hide)), [*(control["name"] for control in CONTROLS), *GROUPS, *PARTS]
    if unknown := sorted(hide - set(known)):
        raise ConfigError(f"hide has {', '.join(unknown)}; there are: {', '.join(known)}.")
    options: dict[str, dict[str, Any]] = {
        "dataset": {"options": [[name, name or "yours"] for name in datasets]},
        "checkpoint": {"options": checkpoints},
    }
    parts = [{"name": name, "kind": name, "group": "more"} for name in PARTS]
    return [
        control | options.get(control["name"], {})
        for control in [*CONTROLS, *parts]
        if not {control["name"], control["group"], control.get("needs")} & hide
    ]


@dataclass(frozen=True)
class Settings:
    """What a learner chose.

    Parameters
    ----------
    dataset : str
        A shipped dataset's name, or "" for one's own.
    config : Config
    privacy : DP
        What the fields of privacy show, also while it is off; `config.dp` while it is on.
    """

    dataset: str
    config: Config
    privacy: DP = field(default_factory=lambda: DP(noise_multiplier=1.0))

    def __post_init__(self) -> None:
        if self.config.dp is not None:
            object.__setattr__(self, "privacy", self.config.dp)

    def values(self) -> dict[str, Any]:
        """As the controls show them: `dp` as a switch, with its fields beside it."""
        switch = {"dp": self.config.dp is not None, "dataset": self.dataset}
        return asdict(self.config) | asdict(self.privacy) | switch

    def changed(self, **settings: Any) -> "Settings":
        """With other values, by the names of `Config`, of its `DP`, and `dataset`.

        The auxiliary discriminator's learning rate follows the discriminator's while they are equal. `dp` may also be
        True, for `privacy`, or False. Raises ConfigError.
        """
        dataset, config = settings.pop("dataset", self.dataset), self.config

        # the fields of privacy, put together as the config's `dp` if that is on
        given = settings.get("dp", config.dp)
        put = {name: settings.pop(name) for name in PRIVACY if name in settings}
        privacy = replace(given if isinstance(given, DP) else self.privacy, **put)
        if put or isinstance(given, bool):
            settings["dp"] = privacy if given else None

        if unknown := sorted(set(settings) - {f.name for f in fields(Config)}):
            raise ConfigError(f"there is no setting or dataset {', '.join(unknown)}.")
        if "discriminator_lr" in settings and config.auxiliary_lr == config.discriminator_lr:
            settings.setdefault("auxiliary_lr", settings["discriminator_lr"])
        try:
            return Settings(dataset, replace(config, **settings), privacy)
        except TypeError as error:  # of a `dp` as JSON has it
            raise ConfigError(f"{error}. Give the fields of dgkit.privacy.DP: {', '.join(PRIVACY)}.") from error

    def acting(self, now: Config) -> "Settings":
        """With what acts at once as it is in the running `now`."""
        return replace(self, config=replace(self.config, **{name: getattr(now, name) for name in LIVE}))

    def live(self, now: Config) -> dict[str, Any]:
        """What acts at once and differs from the running `now`."""
        wanted = {name: getattr(self.config, name) for name in LIVE}
        return {name: value for name, value in wanted.items() if value != getattr(now, name)}

    def pending(self, dataset: str, now: Config) -> list[str]:
        """Names of what acts on reset and differs from the run of `now` on `dataset`."""
        run = replace(self, dataset=dataset, config=now).values()
        return [name for name, value in self.values().items() if name not in LIVE and value != run[name]]

    def to_json(self, log: Log, step: int) -> str:
        """The state of a run that began with these settings, as text."""
        state = {
            "dataset": self.dataset or None,
            "seed": self.config.seed,
            "step": step,
            "log": log,
            "config": asdict(self.config),
        }
        return json.dumps(state)

    @staticmethod
    def from_json(text: str) -> tuple["Settings", Log]:
        """What a run began with, and its log: `to_json`'s text, or one by hand with "step" in place of "log"."""
        try:
            state = json.loads(text)
            bounded(state, "this state")
            config = Config(**{"seed": state.get("seed", 0), **state.get("config", {})})
            step = state.get("step", 0)
            log = state.get("log", [["steps", step]] if step else [])
            if not isinstance(dataset := state.get("dataset", "web") or "", str):
                raise ConfigError(f"dataset={dataset!r:.80} must be a name or null")
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            why = f"{str(error)[:500]}. Copy the whole text."
            raise ConfigError(f"this is not the state of a TrainingStudio: {why}") from error
        return Settings(dataset, config), check_log(log, config)

    def code(self, log: Log, load: Callable[[str], str] = repr) -> str:
        """Python that does what a log says, without a widget; `load` writes the file of a training state."""
        data = f"train, held_out = dg.split(dg.open_dataset({self.dataset!r}), {SPLIT[0]}, seed={SPLIT[1]})"
        if not self.dataset:
            data = "train = ds  # the dataset that was given to TrainingStudio"
        lines = ["from itertools import islice", "", "import dgkit as dg", "", data]

        # how the trainer came to be
        if log and log[0][0] == "load":
            lines.append(f"trainer = dg.Trainer.load({load(log[0][1])}, train)")
        else:
            if self.config.private:
                lines.append("# a private run cannot be repeated: its noise and its batches are new each time")
            lines += [f"config = {_config_code(self.config)}", "trainer = dg.Trainer(train, config)"]

        # what was done to it
        for kind, value in log:
            if kind == "steps":
                lines += [
                    f"for record in islice(trainer, {value}):",
                    "    pass  # record holds what this step measured",
                ]
            elif kind == "set":
                changes = ", ".join(f"{name}={new!r}" for name, new in value.items())
                lines.append(f"trainer = dg.Trainer.resume(trainer.state(), train, {changes})")
            elif kind in ("discriminator", "generator"):
                call = f"trainer.step_{kind}()  # half a step"
                lines += [call] if value == 1 else [f"for _ in range({value}):", f"    {call}"]
        return "\n".join([*lines, "model = trainer.model", "fake = model.sample(1000, seed=1)", ""])


def _config_code(config: Config) -> str:
    """The constructor call, with what is not a default."""
    given = {f.name: getattr(config, f.name) for f in fields(config) if getattr(config, f.name) != f.default}
    texts = {name: f"dg.privacy.{value!r}" if name == "dp" else repr(value) for name, value in given.items()}
    return f"dg.Config({', '.join(f'{name}={text}' for name, text in texts.items())})"
