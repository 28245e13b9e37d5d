"""TrainingStudio: train a DoppelGANger by hand, and watch.

After GAN Lab (play, half steps, slow motion, learning rates, rounds of each network) and TensorFlow Playground (seed,
shareable state, controls a teacher can hide), on dgkit's own Trainer. The run and its thread are in `_session`, the
numbers drawn in `_views`, the drawing in widgets/js/src/studio.js. Left out: settings that only code needs, such as
`beta1` (give a Config).
"""

import json
import math
import time
import weakref
from collections import deque
from dataclasses import asdict, replace
from typing import Any, ClassVar

import numpy as np
import traitlets
import xarray as xr
from ipywidgets import GridBox, Layout

import dgkit as dg
from dgkit import Config, DivergenceError, DoppelGANger, Trainer, course
from dgkit.core.config import DP
from dgkit.errors import ConfigError
from dgkit.schema import validate
from dgkit_widgets import _guarantee, _session, _views
from dgkit_widgets._controls import CONTROLS, DATASETS, PARTS, PRIVACY
from dgkit_widgets._lifetime import Attendance, replace_earlier
from dgkit_widgets._session import LIVE, Session
from dgkit_widgets._widget import STATIC, Widget

SPLIT = 0.5, 0  # fraction and seed of dgkit.split: a shipped dataset's first part is trained on, the second held out
RATE = 30  # messages a second to the browser at most
FRAME_SHARE, PICTURE_SHARE = 0.03, 0.04  # of the training thread's time that drawing may take


class TrainingStudio(Widget):
    """Train a DoppelGANger with buttons: whole and half steps, slow motion, live charts, shared state.

    Parameters
    ----------
    dataset : {"web", "cluster", "broadband"} or Dataset
        A shipped dataset by name: half of it is trained on (`dgkit.split(ds, 0.5, seed=0)`), the other half is shown as
        "held-out real". Or your own, trained on whole.
    config : Config, optional
    held_out : Dataset, optional
        With your own dataset: real series that are not trained on, for comparison.
    checkpoints : dict of name to path, optional
        Files of `Trainer.save` trained on the same data. Default: the course's recorded ones.
    hide : sequence of str
        Controls not to show: names of settings (see `TrainingStudio.CONTROLS`) or "network", "privacy", "checkpoint",
        "slow_motion", "code", "state".
    title : str
        Shown above, to tell two studios apart.

    Attributes
    ----------
    controls, settings, status : list, dict, dict
        What can be set, what is set, and how the run stands: the contract with the browser, not to be set.
    frame, reference, picture, walk, ranges, shared : dict
        Curves, the real data, the model now, a batch in slow motion, common axis ranges, JSON and code. Series and
        curves are float32 bytes.
    trainer, model, history : Trainer, DoppelGANger, Dataset
        As of now; usable from any cell while training goes on.
    session : dgkit_widgets._session.Session

    Notes
    -----
    Training runs in one daemon thread. Starting a studio pauses any other that runs, unless they were put side by side
    by `compare`. The browser hears at most 30 times a second, and always of the last state. Training pauses
    when no page has shown the studio for three seconds, or none has said so for twenty (a closed notebook).

    Raises
    ------
    SchemaError, ConfigError
        As `dgkit.Trainer`; an unknown dataset or a name in `hide` that is not there.

    Examples
    --------
    >>> studio = TrainingStudio("broadband", Config(steps=2, batch_size=8))
    >>> studio.step()
    >>> studio.trainer.step, studio.status["state"]
    (1, 'paused')
    """

    _esm = (STATIC / "studio.js").read_text("utf-8")  # given a path, anywidget would keep every studio in memory
    _css = (STATIC / "studio.css").read_text("utf-8")
    actions: ClassVar[tuple[str, ...]] = (
        "start", "pause", "step", "discriminator_step", "generator_step", "reset", "change", "look", "slow_motion",
        "restore", "paste",
    )  # fmt: skip
    CONTROLS: ClassVar[list[dict[str, Any]]] = CONTROLS

    title = traitlets.Unicode("").tag(sync=True)
    controls: Any = traitlets.List().tag(sync=True)
    settings = traitlets.Dict().tag(sync=True)
    status = traitlets.Dict().tag(sync=True)
    frame = traitlets.Dict().tag(sync=True)
    reference = traitlets.Dict().tag(sync=True)
    picture = traitlets.Dict().tag(sync=True)
    walk = traitlets.Dict().tag(sync=True)
    ranges = traitlets.Dict().tag(sync=True)
    shared = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        dataset: str | xr.Dataset = "web",
        config: Config | None = None,
        *,
        held_out: xr.Dataset | None = None,
        checkpoints: dict[str, Any] | None = None,
        hide: tuple[str, ...] | list[str] = (),
        title: str = "",
    ):
        unknown = set(hide) - {c["name"] for c in CONTROLS} - set(PARTS)
        if unknown:
            names = ", ".join([*(c["name"] for c in CONTROLS), *PARTS])
            raise ConfigError(f"hide has {', '.join(sorted(unknown))}; there are: {names}.")
        self._own = (None, held_out) if isinstance(dataset, str) else (dataset, held_out)
        self._checkpoints = checkpoints
        self._dataset = dataset if isinstance(dataset, str) else ""
        self._wanted = self._begun = config or Config()
        self._dp = self._begun.dp or DP(noise_multiplier=1.0)  # what the fields of privacy show, also while it is off
        self._wanted_dataset = self._dataset
        self._traits_lock = _session.threading.RLock()
        self._curves = _views.Curves()
        self._sent = self._pictured = 0.0
        self._frame_wait, self._picture_wait = 1 / RATE, 1.0
        self.frame_seconds = self.picture_seconds = 0.0  # what the last one cost the training thread
        self._pace: deque[tuple[float, int]] = deque(maxlen=50)
        self._attendance = Attendance()
        self._note = ""
        self._same_scale = False
        self._peers: weakref.WeakSet[TrainingStudio] = weakref.WeakSet([self])
        train, self._held_out = self._open(self._dataset)
        self.session = Session(train, self._begun, self._tick, self._ended, self._checkpoint_path)
        self._look_at(None, "mid_range")
        super().__init__(title=title, controls=self._describe(set(hide)))
        self.on_msg(self._attend)
        if self.comm is not None:
            self.comm.on_close(lambda _: self.session.pause())
        replace_earlier(self)
        self._draw()
        self._publish(reference=True)

    # --- what buttons and cells do ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Train in the background until `steps`, or until `pause`. Raises ConfigError if nothing is left to do."""
        self._note = ""
        with self._traits_lock:
            self._curves.clear()
            self._pace.clear()
            self.walk = {}
        self.session.start()
        self._publish()

    def pause(self) -> None:
        """Stop after the present step; the thread sends the last state."""
        self.session.pause()

    def wait(self, seconds: float | None = None) -> None:
        """Block until training pauses or ends; an interrupt pauses it and keeps its last state."""
        self.session.join(seconds)

    def step(self, n: int = 1) -> None:
        """`n` full steps, in this thread. Raises DivergenceError; ConfigError when there are no steps left."""
        trainer = self.session.trainer
        if trainer.step + n > trainer.config.steps:
            raise ConfigError(
                f"step {trainer.step} of {trainer.config.steps}: too few are left. Raise steps, or reset."
            )
        self._do("steps", n)

    def discriminator_step(self) -> None:
        """The discriminators' half of a step."""
        self._do("discriminator", 1)

    def generator_step(self) -> None:
        """The generator's half of a step; right after a discriminator's, the two count as a full step."""
        self._do("generator", 1)

    def reset(self) -> None:
        """Begin anew, with the settings that the controls show."""
        self._begin(self._wanted_dataset, self._as_shown())

    def change(self, **settings: Any) -> None:
        """Change settings, by the names of `Config` and of its `DP`, and `dataset`.

        Learning rates, rounds, batch size, steps and the penalties act at once, also on a running model; what makes
        other networks acts on reset, or at once before the first step. The auxiliary discriminator's learning rate
        follows the discriminator's while they are equal. `dp` may also be True, for what the fields of privacy show, or
        False. Raises ConfigError: a bad value, or one that would make the epsilon of a private run untrue.
        """
        dataset = settings.pop("dataset", self._wanted_dataset)
        shown = self._as_shown()
        known = asdict(shown)
        dp = self._private(shown, settings)
        unknown = set(settings) - set(known)
        if unknown or dataset not in self._datasets():
            raise ConfigError(f"there is no setting or dataset {', '.join(sorted(unknown)) or repr(dataset)}.")
        if "discriminator_lr" in settings and shown.auxiliary_lr == shown.discriminator_lr:
            settings.setdefault("auxiliary_lr", settings["discriminator_lr"])
        wanted, before, before_dataset = replace(shown, **settings), self._wanted, self._wanted_dataset
        try:
            session = self.session
            if not (session.log or session.plan or session.running):
                self._begin(dataset, wanted)
            else:
                self._wanted, self._wanted_dataset = wanted, dataset
                live = {name: value for name, value in settings.items() if name in LIVE and value != known[name]}
                if live:
                    self._change_live(live)
            self._dp = dp
        except Exception:
            self._wanted, self._wanted_dataset = before, before_dataset
            raise
        finally:
            self._publish()

    def _private(self, shown: Config, settings: dict[str, Any]) -> DP:
        """Put the fields of privacy among `settings` together as its `dp`; returns what they then show."""
        fields = {name: settings.pop(name) for name in PRIVACY if name in settings}
        given = settings.get("dp", shown.dp)
        dp = replace(given if isinstance(given, DP) else self._dp, **fields)
        if fields or isinstance(given, bool):
            settings["dp"] = dp if given else None
        return dp

    def _change_live(self, settings: dict[str, Any]) -> None:
        try:
            self.session.change(**settings)
        except ConfigError as error:
            if self.session.trainer.config.dp is None:
                raise
            raise ConfigError(f"{error} Here: press Reset, and change it before the first step.") from error

    def look(self, *, feature: str | None = None, of: str | None = None, same_scale: bool | None = None) -> None:
        """Choose what the pictures show: a continuous feature, the CDF's quantity, one scale for all series."""
        self._same_scale = self._same_scale if same_scale is None else same_scale
        if feature not in (None, *_views.continuous(self._schema)) or of not in (None, *_views.CDF_OF):
            raise ConfigError(f"there is no feature {feature!r} or quantity {of!r} to look at.")
        self._look_at(feature or self._look.feature, of or self._look.of)
        self._draw()
        self._publish(reference=True)

    def slow_motion(self) -> None:
        """Pause, and lay out the batch of the next discriminator half step stage by stage (`walk`); trains nothing.

        Raises ConfigError in private training, whose batches are secret.
        """
        self.session.halt()
        with self.session.turn() as trainer:
            if trainer.config.private:
                raise ConfigError(
                    "slow motion shows what the discriminators make of a batch of real samples, and a private run "
                    "keeps that secret. Switch differential privacy off and press Reset to see it."
                )
            walk = _views.walk(trainer, self._look.feature)
        with self._traits_lock:
            self.walk = _clean(walk | {"asked": time.time()})  # asked for again: shown again
        self._publish()

    def restore(self, name: str) -> None:
        """Go on from a training state: the name of a checkpoint, or a file of `Trainer.save`.

        One that has taken all its steps may take as many more as the studio was set to. Raises FileFormatError or
        ConfigError: no such file, or it was trained on other data.
        """
        more = self._as_shown().steps
        known = self._known_checkpoints().get(name)
        self._begin(getattr(known, "dataset", self._dataset), self._begun, load=name)
        step = self.session.trainer.step
        if step >= self.session.trainer.config.steps:
            self.change(steps=step + more)

    # --- state in and out ---------------------------------------------------------------------------------------------

    @property
    def trainer(self) -> Trainer:
        """The trainer as it is now; pause before you call its methods."""
        return self.session.trainer

    @property
    def model(self) -> DoppelGANger:
        """A copy of the model now, taken between two steps."""
        with self.session.turn() as trainer:
            return trainer.model

    @property
    def history(self) -> xr.Dataset:
        """What training measured so far, dims (step,)."""
        with self.session.turn() as trainer:
            return trainer.history_dataset()

    def to_json(self) -> str:
        """The studio's state as text: dataset, config, seed, step, and the log that leads there."""
        with self.session.turn() as trainer:
            log, step = [list(entry) for entry in self.session.log], trainer.step
        state = {
            "dataset": self._dataset or None,
            "seed": self._begun.seed,
            "step": step,
            "log": log,
            "config": asdict(self._begun),
        }
        return json.dumps(state)

    @classmethod
    def from_json(cls, text: str, dataset: xr.Dataset | None = None, **options: Any) -> "TrainingStudio":
        """A studio in the state that `to_json` wrote: trains again to where it was, bit for bit on the same machine.

        Parameters
        ----------
        text : str
            May be written by hand: {"dataset": "web", "config": {"sample_len": 7}, "seed": 3, "step": 100}.
        dataset : Dataset, optional
            Needed where the state was one of your own data.
        **options
            As for the constructor.

        Raises
        ------
        ConfigError
            Not a studio's state, or its dataset is missing.

        Notes
        -----
        The retraining runs in the background and can be paused; `wait()` blocks until it has arrived.
        """
        name, config, log = _parse(text)
        if name is None and dataset is None:
            raise ConfigError("this state is of a dataset of its own: give it, from_json(text, dataset=...).")
        studio = cls(dataset if name is None and dataset is not None else name or "web", config, **options)
        studio._replay(log)
        return studio

    def paste(self, text: str) -> None:
        """Go to the state that `to_json` wrote, here or elsewhere, by training again. Raises ConfigError."""
        name, config, log = _parse(text)
        if (name or "") not in self._datasets():
            raise ConfigError(f"this state is of the dataset {name or 'given in code'}, which this studio has not.")
        self._begin(name or "", config)
        self._replay(log)

    def code(self) -> str:
        """Python that does the same without a widget; ends with `trainer`, `model` and `fake`."""
        with self.session.turn():
            log = [list(entry) for entry in self.session.log]
        return _session.code(log, self._data_code(), self._begun, self._checkpoint_code)

    @staticmethod
    def compare(a: "TrainingStudio", b: "TrainingStudio") -> GridBox:
        """Two studios side by side, which may run at once and share axis ranges and the colour scale."""
        return a.beside(b)

    def beside(self, other: "TrainingStudio") -> GridBox:
        """As `compare`."""
        for studio in (peers := self._peers | other._peers):
            studio._peers = peers
            studio.session.together = weakref.WeakSet(peer.session for peer in peers)
            studio._same_scale = True
        for studio, name in zip((self, other), "AB", strict=True):
            studio.title = studio.title or name
            studio._publish()
        return GridBox(
            [self, other],
            layout=Layout(width="100%", grid_template_columns="repeat(2, minmax(0, 1fr))", grid_gap="8px"),
        )

    def close(self) -> None:
        """Stop training and take the widget off the page; `trainer`, `model` and `history` stay."""
        if hasattr(self, "session"):  # not if the constructor refused
            self.session.halt()
        super().close()

    def without_browser(self) -> str:
        return f"In code, the same as here:\n\n{self.code()}"

    # --- how it works -------------------------------------------------------------------------------------------------

    def _do(self, kind: str, value: Any) -> None:
        self._note = ""
        with self._traits_lock:
            self._curves.clear()
            self.walk = {}
        try:
            self.session.do(kind, value)
        finally:
            self._draw()
            self._publish()

    def _replay(self, log: list[list[Any]]) -> None:
        self.session.plan = log
        if log:
            self.session.start(free=False)
        self._publish()

    def _as_shown(self) -> Config:
        """What the controls show: what is wanted, as far as it does not act already."""
        now = self.session.trainer.config
        return replace(self._wanted, **{name: getattr(now, name) for name in LIVE})

    def _begin(self, dataset: str, config: Config, load: str | None = None) -> None:
        """A new trainer, and everything drawn anew; an error leaves all as it was."""
        train, held_out = self.session.train, self._held_out
        if dataset != self._dataset:
            train, held_out = self._open(dataset)
        self.session.reset(train, config, load)
        self._dataset = self._wanted_dataset = dataset
        self._held_out, self._note = held_out, ""
        self._begun = self._wanted = self.session.trainer.config
        self._dp = self._begun.dp or self._dp
        with self._traits_lock:
            self._curves.clear()
            self._pace.clear()
            self.walk = {}
        self._look_at(self._look.feature, self._look.of)
        self._draw()
        self._publish(reference=True)

    def _tick(self) -> None:
        """In the training thread, after each step."""
        now = time.perf_counter()
        self._pace.append((now, self.session.trainer.step))
        if now - self._pictured >= self._picture_wait:
            self._draw()
            self._picture_wait = max(1.0, self.picture_seconds / PICTURE_SHARE)
        if now - self._sent >= self._frame_wait:
            self._publish()
            self._frame_wait = max(1 / RATE, self.frame_seconds / FRAME_SHARE)
        if self._attendance.abandoned():
            self._note = "Paused, since no page shows this studio any more."
            self.session.pause()

    def _ended(self) -> None:
        """In the training thread, when it stops."""
        error = self.session.error
        if error is not None:
            with self._traits_lock:
                self.show_error(error)
                if isinstance(error, DivergenceError):
                    self.error += f" This studio is back at step {self.session.trainer.step}."
        try:
            self._draw()
        except Exception as failed:
            self.show_error(failed)
        self._publish(curves=error is None)

    def _draw(self) -> None:
        """Sample the model and take its measures."""
        trainer = self.session.trainer
        picture, self.picture_seconds = _views.timed(lambda: self._look.picture(trainer))
        self._picture, self._pictured = picture, time.perf_counter()

    def _publish(self, *, reference: bool = False, curves: bool = True) -> None:
        """Send what is new, in one message; waits where that would be more than 30 a second."""
        with self._traits_lock:
            rest = self._sent + 1 / RATE - time.perf_counter()
            if rest > 0:
                time.sleep(rest)
            start = time.perf_counter()
            with self.hold_sync():
                if curves:
                    self._curves.extend(self.session.trainer.history)
                    self.frame = self._curves.frame()
                if reference:
                    self.reference = self._look.reference() | {"features": _views.continuous(self._schema)}
                new = self.picture is not self._picture
                self.picture = self._picture
                self.settings = self._flat(self._as_shown()) | {"dataset": self._wanted_dataset}
                self.status = self._status()
                if new or not self.session.running:
                    self.shared = {"json": self.to_json(), "code": self.code()}
                self._share_ranges()
            self._sent = time.perf_counter()
            self.frame_seconds = self._sent - start

    def _status(self) -> dict[str, Any]:
        session, trainer = self.session, self.session.trainer
        now = self._flat(trainer.config)
        pending = [n for n, value in self._flat(self._wanted).items() if n not in LIVE and value != now[n]]
        pending += ["dataset"] if self._wanted_dataset != self._dataset else []
        steps, step = trainer.config.steps, trainer.step
        state = "running" if session.running else "error" if session.error else "paused" if session.log else "ready"
        state = "finished" if state == "paused" and step >= steps else state
        (first, a), (last, b) = (self._pace[0], self._pace[-1]) if self._pace else ((0.0, 0), (0.0, 0))
        speed = (b - a) / (last - first) if last > first and session.running else 0.0
        extra = {kind: sum(n for k, n in session.log if k == kind) for kind in ("discriminator", "generator")}
        half = session.last_half
        return {
            "state": state,
            "restoring": bool(session.plan),
            "step": step,
            "steps": steps,
            "speed": speed,
            "left": (steps - step) / speed if speed else None,
            "pending": pending,
            "half": _clean({"which": half[0], **half[1]}) if half else None,
            "extra": extra,
            "note": self._note,
            "privacy": self._spent(),
            "same_scale": self._same_scale,
        }

    def _flat(self, config: Config) -> dict[str, Any]:
        """A config as the controls show it: `dp` as a switch, with its fields beside it."""
        return asdict(config) | asdict(config.dp or self._dp) | {"dp": config.dp is not None}

    def _spent(self) -> dict[str, Any] | None:
        """Epsilon so far and what it says, where training is private."""
        trainer = self.session.trainer
        if trainer.config.dp is None:
            return None
        epsilon, delta = trainer.epsilon(), trainer.config.dp.delta
        says = (
            f"Privacy spent so far: epsilon {_guarantee.number(epsilon)} at delta = {delta:g}, by the RDP accountant: "
            f"{_guarantee.tier(epsilon)}. {_guarantee.in_words(epsilon, delta)[-1]}"
        )
        if trainer.config.private:
            says += " Losses of the discriminators are not drawn: they are means over real samples, without noise."
        return {
            "epsilon": _guarantee.number(epsilon),
            "says": _guarantee.REPLACEMENT if trainer.config.dp.sampling != "poisson" else says,
            "covers": f"{_guarantee.COVERS} {_guarantee.NOT_COVERED}" if epsilon < math.inf else "",
        }

    def _share_ranges(self) -> None:
        """The union of what each of the studios side by side shows, for all of them."""
        mine = self._curves.limits() if len(self._peers) > 1 else {}
        series = [x for x in (self.reference.get("range"), self._picture.get("range")) if x]
        self._limits = mine | {"series": _views.ends(series)}
        every = [peer._limits for peer in self._peers if hasattr(peer, "_limits")]
        union = {name: _views.ends([x for one in every for x in one.get(name, [])]) for name in self._limits}
        for peer in self._peers:
            if peer.ranges != union and (peer is self or not peer.session.running):  # one that runs sees to it itself
                peer.ranges = union

    def _attend(self, _widget: Any, content: Any, _buffers: Any) -> None:
        """A view in a page says that it is there, or that it goes."""
        if isinstance(content, dict) and "view" in content:
            self._attendance.heard(str(content["view"]), bool(content.get("here")), float(content.get("patience", 0)))

    def _look_at(self, feature: str | None, of: str) -> None:
        train = self.session.train
        self._schema = validate(train)
        known = _views.continuous(self._schema)
        feature = feature if feature in known else next(iter(known), None)
        of = of if of != "length" or self._schema.variable_length else "mid_range"
        self._look = _views.Look(train, self._held_out, self._schema, feature, of)

    def _datasets(self) -> list[str]:
        return [*([""] if self._own[0] is not None else []), *DATASETS]

    def _open(self, name: str) -> tuple[xr.Dataset, xr.Dataset | None]:
        own, held_out = self._own
        if not name and own is not None:
            return own, held_out
        if name not in DATASETS:
            raise ConfigError(f"dataset {name!r} is none of {', '.join(DATASETS)}; or give an xarray.Dataset.")
        train, rest = dg.split(dg.open_dataset(name), SPLIT[0], seed=SPLIT[1])
        return train, rest

    def _data_code(self) -> str:
        if not self._dataset:
            return "train = ds  # the dataset that was given to TrainingStudio"
        return f"train, held_out = dg.split(dg.open_dataset({self._dataset!r}), {SPLIT[0]}, seed={SPLIT[1]})"

    def _known_checkpoints(self) -> dict[str, Any]:
        if self._checkpoints is not None:
            return dict(self._checkpoints)
        return dict(course.checkpoints())

    def _checkpoint_path(self, name: str) -> Any:
        known = self._known_checkpoints().get(name, name)
        return getattr(known, "path", known)

    def _checkpoint_code(self, name: str) -> str:
        recorded = self._checkpoints is None and name in self._known_checkpoints()
        return f"dg.course.checkpoints()[{name!r}].path" if recorded else repr(str(self._checkpoint_path(name)))

    def _describe(self, hide: set[str]) -> list[dict[str, Any]]:
        shown = [dict(c) for c in CONTROLS if not {c["name"], c["group"], c.get("needs")} & hide]
        for control in shown:
            if control["name"] == "dataset":
                control["options"] = [[name, name or "yours"] for name in self._datasets()]
        if "checkpoint" not in hide:
            options = list(self._known_checkpoints())
            shown.append({"name": "checkpoint", "kind": "checkpoint", "group": "more", "options": options})
        return shown + [{"name": p, "kind": p, "group": "more"} for p in PARTS[3:] if p not in hide]


def _parse(text: str) -> tuple[str | None, Config, list[list[Any]]]:
    """Dataset (None: one's own), config and log of a state."""
    try:
        state = json.loads(text)
        config = Config(**{"seed": state.get("seed", 0), **state.get("config", {})})
        step = state.get("step", 0)
        log = state.get("log", [["steps", step]] if step else [])
    except (ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f"this is not the state of a TrainingStudio: {error}. Copy the whole text.") from error
    return state.get("dataset", "web"), config, _session.check_log(log)


def _clean(value: Any) -> Any:
    """JSON has no NaN."""
    if isinstance(value, dict):
        return {name: _clean(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(part) for part in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
