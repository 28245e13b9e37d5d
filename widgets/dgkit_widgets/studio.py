"""TrainingStudio: train a DoppelGANger by hand, and watch.

After GAN Lab (play, half steps, slow motion, learning rates, rounds of each network) and TensorFlow Playground (seed,
shareable state, controls a teacher can hide), on dgkit's own Trainer. What was set is in `_settings`, the run and its
thread in `_session`, what is shown in `_screen` and its numbers in `_views`, the drawing in widgets/js/src/studio.js.
Left out: settings that only code needs, such as `beta1` (give a Config).
"""

import threading
import time
import weakref
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import traitlets
import xarray as xr
from ipywidgets import GridBox, Layout

import dgkit as dg
from dgkit import Config, DivergenceError, DoppelGANger, Trainer, course
from dgkit._checks import whole
from dgkit._comparable import check_apart
from dgkit.core.alike import series_of
from dgkit.errors import ConfigError
from dgkit.schema import validate
from dgkit_widgets import _guarantee, _views
from dgkit_widgets._lifetime import Attendance, replace_earlier
from dgkit_widgets._models import parts
from dgkit_widgets._screen import Screen, Turns
from dgkit_widgets._session import HALVES, Log, Session
from dgkit_widgets._settings import CONTROLS, DATASETS, SPLIT, Settings, controls
from dgkit_widgets._widget import Widget, static

RATE = 30  # messages a second to the browser at most
BESIDE = "repeat(auto-fit, minmax(min(100%, 370px), 1fr))"  # two columns where each has room
LINKED = (  # buttons of both
    "start", "pause", "step", "discriminator_step", "generator_step", "slow_motion", "reset", "look",
)  # fmt: skip
PATIENCE = 600  # seconds that a hidden page may ask for at most
FRAME_SHARE, PICTURE_SHARE = 0.03, 0.03  # of the training thread's time that drawing may take


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
        Files of `Trainer.save` trained on the same data. Default: the course's recorded ones. A page, and a pasted
        state, may name these alone, and files that `restore` was given in a cell.
    models : dict of name to model, optional
        Trained on the same data, of any kind that has `sample(n, seed=...)`, such as flow matching and the surrogate of
        `dgkit.baselines`: chosen above the model, their parts, losses, series, cloud, curves and scores are shown in
        the place of DoppelGANger's, and of flow matching the way from noise to a series, in slow motion.
    hide : sequence of str
        Controls not to show: names of settings (see `TrainingStudio.CONTROLS`) or "network", "privacy", "checkpoint",
        "slow_motion", "code", "state".
    title : str
        Shown above, to tell two studios apart.

    Attributes
    ----------
    controls, settings, status : list, dict, dict
        What can be set, what is set, and how the run stands: the contract with the browser, not to be set.
    frame, reference, picture, others, walk, ranges, shared : dict
        Curves, the real data, the model now, other models, a batch in slow motion, common axis ranges, JSON and code.
        Series and curves are float32 bytes.
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

    _esm, _css = static("studio")
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
    others = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        dataset: str | xr.Dataset = "web",
        config: Config | None = None,
        *,
        held_out: xr.Dataset | None = None,
        checkpoints: dict[str, Any] | None = None,
        models: dict[str, Any] | None = None,
        hide: tuple[str, ...] | list[str] = (),
        title: str = "",
    ) -> None:
        name, own = (dataset, None) if isinstance(dataset, str) else ("", dataset)
        self._sources = _Sources(own, held_out, checkpoints)
        described = controls(hide, self._sources.datasets(), list(self._sources.checkpoints()))

        # what the run began with, and what the controls show; the run; what is shown of it
        self._begun = self._wanted = Settings(name, config or Config())
        train, rest = self._sources.open(name)
        self.session = Session(train, self._begun.config, self._tick, self._ended, self._sources.file)
        self._screen = Screen(look := _views.Look.nearest(train, rest))
        self._others = {kind: (model, look.sampled(kind, model)) for kind, model in (models or {}).items()}
        self._others_of = name  # the dataset that they go with

        # when to draw, for whom, beside whom
        self._frames, self._pictures = Turns(1 / RATE, FRAME_SHARE), Turns(0.5, PICTURE_SHARE)
        self._texts = Turns(1.0, FRAME_SHARE / 10)
        self._traits_lock = threading.RLock()
        self._attendance = Attendance()
        self._peers: weakref.WeakSet[TrainingStudio] = weakref.WeakSet([self])
        self._linked = False  # their buttons act on all of them

        super().__init__(title=title, controls=described)
        self.on_msg(self._attend)
        if self.comm is not None:
            self.comm.on_close(lambda _: self.session.pause())
        replace_earlier(self)

    def _draw_first(self) -> None:
        self._draw()
        self._publish(reference=True)

    # --- what buttons and cells do ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Train in the background until `steps`, or until `pause`. Raises ConfigError if nothing is left to do."""
        self._clear()
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
        n, trainer = whole("n", n), self.session.trainer
        if trainer.step + n > trainer.config.steps:
            raise ConfigError(
                f"step {trainer.step} of {trainer.config.steps}: too few are left. Raise steps, or reset."
            )
        self._do("steps", n)

    def discriminator_step(self, n: int = 1) -> None:
        """`n` times the discriminators' half of a step."""
        self._halves("discriminator", n)

    def generator_step(self, n: int = 1) -> None:
        """`n` times the generator's half of a step; right after a discriminator's, the two count as a full step."""
        self._halves("generator", n)

    def _halves(self, kind: str, n: int) -> None:
        if whole("n", n) > HALVES:
            raise ConfigError(f"n={n}: at most {HALVES} half steps at once.")
        self._do(kind, n)

    def reset(self) -> None:
        """Begin anew, with the settings that the controls show."""
        self._begin(self._shown())

    def change(self, **settings: Any) -> None:
        """Change settings, by the names of `Config` and of its `DP`, and `dataset`.

        Learning rates, rounds, batch size, steps and the penalties act at once, also on a running model; what makes
        other networks acts on reset, or at once before the first step. The auxiliary discriminator's learning rate
        follows the discriminator's while they are equal. `dp` may also be True, for what the fields of privacy show, or
        False. Raises ConfigError: a bad value, or one that would make the epsilon of a private run untrue.
        """
        shown = self._shown()
        wanted = shown.changed(**settings)
        if wanted.dataset not in self._sources.datasets():
            raise ConfigError(f"there is no setting or dataset {wanted.dataset!r}.")
        session = self.session
        try:
            if not (session.log or session.plan or session.running):
                self._begin(wanted)
            else:
                if live := wanted.live(shown.config):
                    self._change_live(live)
                self._wanted = wanted
        finally:
            self._publish()

    def _change_live(self, settings: dict[str, Any]) -> None:
        try:
            self.session.change(**settings)
        except ConfigError as error:
            if self.session.trainer.config.dp is None:
                raise
            raise ConfigError(f"{error} Here: press Reset, and change it before the first step.") from error

    def look(
        self,
        *,
        feature: str | None = None,
        of: str | None = None,
        same_scale: bool | None = None,
        sample: int | None = None,
    ) -> None:
        """Choose what the pictures show: a continuous feature, the CDF's quantity, one scale for all series.

        `sample`, 0 to 5, is which of the generated series is followed through the networks. Raises ConfigError.
        """
        screen, now = self._screen, self._screen.look
        if sample is not None and (not isinstance(sample, int) or not 0 <= sample < _views.SHOWN):
            raise ConfigError(f"sample={sample!r:.80} must be a whole number from 0 to {_views.SHOWN - 1}.")
        if feature not in (None, *now.features) or of not in (None, *_views.CDF_OF):
            raise ConfigError(f"there is no feature {feature!r} or quantity {of!r} to look at.")
        if not isinstance(same_scale, bool | None):
            raise ConfigError(f"same_scale={same_scale!r:.80} must be True or False.")
        screen.same_scale = screen.same_scale if same_scale is None else same_scale
        screen.sample = screen.sample if sample is None else sample
        other = (feature or now.feature, of or now.of) != (now.feature, now.of)
        if other:
            screen.look = _views.Look.nearest(self.session.train, now.held_out, feature or now.feature, of or now.of)
        self._draw()
        self._publish(reference=other)

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
            walk = _views.walk(trainer, self._screen.look.feature)
        with self._traits_lock:
            self.walk = _views.clean(walk | {"asked": time.time()})  # asked for again: shown again
        self._publish()

    def restore(self, name: str) -> None:
        """Go on from a training state: the name of a checkpoint, or a file of `Trainer.save`.

        One that has taken all its steps may take as many more as the studio was set to. Raises FileFormatError or
        ConfigError: no such file, or it was trained on other data.
        """
        self._sources.allow(name)
        self._restore(str(name))

    def _restore(self, name: str) -> None:
        more = self._shown().config.steps
        known = self._sources.checkpoints().get(name)
        dataset = getattr(known, "dataset", self._begun.dataset)
        self._begin(replace(self._wanted, dataset=dataset, config=self._begun.config), load=name)
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
        return self._begun.to_json(log, step)

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
            Not a studio's state, its dataset is missing, or it begins with a training state that is none of
            `checkpoints`.

        Notes
        -----
        The retraining runs in the background and can be paused; `wait()` blocks until it has arrived.
        """
        begun, log = Settings.from_json(text)
        data = begun.dataset or dataset
        if data is None:
            raise ConfigError("this state is of a dataset of its own: give it, from_json(text, dataset=...).")
        studio = cls(data, begun.config, **options)
        try:
            studio._sources.check(log)
        except ConfigError:
            studio.close()
            raise
        studio._replay(log)
        return studio

    def paste(self, text: str) -> None:
        """Go to the state that `to_json` wrote, here or elsewhere, by training again. Raises ConfigError."""
        begun, log = Settings.from_json(text)
        if begun.dataset not in self._sources.datasets():
            name = begun.dataset or "given in code"
            raise ConfigError(f"this state is of the dataset {name}, which this studio has not.")
        self._sources.check(log)
        self._begin(replace(self._wanted, dataset=begun.dataset, config=begun.config))
        self._replay(log)

    def code(self) -> str:
        """Python that does the same without a widget; ends with `trainer`, `model` and `fake`."""
        with self.session.turn():
            log = [list(entry) for entry in self.session.log]
        return self._begun.code(log, self._sources.file_code)

    @staticmethod
    def compare(a: "TrainingStudio", b: "TrainingStudio", *, together: bool = False) -> GridBox:
        """Two studios side by side, below one another where the page is narrow.

        They may run at once and share axis ranges and the colour scale; the model is folded in each. With `together`
        the buttons of either act on both: start, pause, steps and half steps, reset, and what is looked at.
        """
        return a.beside(b, together=together)

    def beside(self, other: "TrainingStudio", *, together: bool = False) -> GridBox:
        """As `compare`."""
        for studio in (peers := self._peers | other._peers):
            studio._peers = peers
            studio.session.together = weakref.WeakSet(peer.session for peer in peers)
            studio._screen.same_scale = True
            studio._linked = together
        for studio, name in zip((self, other), "AB", strict=True):
            studio.title = studio.title or name
            studio._publish()
        return GridBox(
            [self, other],
            layout=Layout(width="100%", grid_template_columns=BESIDE, grid_gap="8px"),
        )

    def close(self) -> None:
        """Stop training and take the widget off the page; `trainer`, `model` and `history` stay."""
        if hasattr(self, "session"):  # not if the constructor refused
            self.session.halt()
        super().close()

    @property
    def frame_seconds(self) -> float:
        """What the last message cost the training thread."""
        return self._frames.seconds

    @property
    def picture_seconds(self) -> float:
        """What the last picture cost the training thread."""
        return self._pictures.seconds

    def without_browser(self) -> str:
        return f"In code, the same as here:\n\n{self.code()}"

    # --- how it works -------------------------------------------------------------------------------------------------

    def _act(self, action: str, values: Any) -> None:
        """Do what a page asks for, in the studios beside this one too where they are linked."""
        try:
            super()._act(action, values)
        finally:  # one that is finished, say, keeps no other from going on
            if self._linked and action in LINKED:
                for peer in self._peers - weakref.WeakSet([self]):
                    peer.guarded(partial(super(TrainingStudio, peer)._act, action, values))

    def _asked_restore(self, name: str) -> None:
        self._sources.file(name)  # which a page may not allow
        self._restore(name)

    def _do(self, kind: str, value: Any) -> None:
        self._clear()
        try:
            self.session.do(kind, value)
        finally:
            self._draw()
            self._publish()

    def _clear(self) -> None:
        with self._traits_lock:
            self._screen.clear()
            self.walk, self.error = {}, ""  # what went wrong was of the run before

    def _replay(self, log: Log) -> None:
        self.session.plan = log
        if log:
            self.session.start(free=False)
        self._publish()

    def _shown(self) -> Settings:
        """What the controls show: what is wanted, as far as it does not act already."""
        return self._wanted.acting(self.session.trainer.config)

    def _begin(self, wanted: Settings, load: str | None = None) -> None:
        """A new trainer, and everything drawn anew; an error leaves all as it was."""
        screen, train, held_out = self._screen, self.session.train, self._screen.look.held_out
        if wanted.dataset != self._begun.dataset:
            train, held_out = self._sources.open(wanted.dataset)
        self.session.reset(train, wanted.config, load)
        self._begun = self._wanted = replace(wanted, config=self.session.trainer.config)

        self._clear()
        screen.look = _views.Look.nearest(train, held_out, screen.look.feature, screen.look.of)
        self._draw()
        self._publish(reference=True)

    def _tick(self) -> None:
        """In the training thread, after each step."""
        self._screen.pace.append((time.perf_counter(), self.session.trainer.step))
        self._pictures.offer(self._draw)
        self._frames.offer(self._publish)
        if self._attendance.abandoned():
            self._screen.note = "Paused, since no page shows this studio any more."
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
        with self._pictures.measured(), self.session.turn() as trainer:  # of one step, whoever asks
            self._screen.picture = self._screen.look.picture(trainer, self._screen.sample)

    def _publish(self, *, reference: bool = False, curves: bool = True) -> None:
        """Send what is new, in one message; waits where that would be more than 30 a second."""
        screen = self._screen
        with self._traits_lock:
            self._frames.keep_apart()
            with self._frames.measured(), self.hold_sync():
                if curves:
                    screen.curves.extend(self.session.trainer.history, self.session.halves)
                    self.frame = screen.curves.frame()
                if reference:
                    self.reference = screen.look.reference()
                    same = self._begun.dataset == self._others_of
                    others, look = self._others if same else {}, screen.look
                    self.others = {k: look.generated(ds) | parts(m, look, ds) for k, (m, ds) in others.items()}
                new = self.picture is not screen.picture
                self.picture = screen.picture
                self.settings = self._shown().values()
                self.status = self._status()
                if new or not self.session.running:
                    self._tell()
                else:
                    self._texts.offer(self._tell)
                self._share_ranges()

    def _tell(self) -> None:
        with self._texts.measured():
            self.shared = {"json": self.to_json(), "code": self.code(), "step": self.session.trainer.step}

    def _status(self) -> dict[str, Any]:
        session, screen, config = self.session, self._screen, self.session.trainer.config
        steps, step, half = config.steps, session.trainer.step, session.last_half
        state = "running" if session.running else "error" if session.error else "paused" if session.log else "ready"
        speed = screen.speed() if session.running else 0.0
        return {
            "state": "finished" if state == "paused" and step >= steps else state,
            "restoring": bool(session.plan),
            "step": step,
            "steps": steps,
            "speed": speed,
            "left": (steps - step) / speed if speed else None,
            "pending": self._wanted.pending(self._begun.dataset, config),
            "half": _views.clean({"which": half[0], **half[1]}) if half else None,
            "extra": {kind: sum(n for k, n in session.log if k == kind) for kind in ("discriminator", "generator")},
            "note": screen.note,
            "privacy": _guarantee.spent(session.trainer),
            "same_scale": screen.same_scale,
            "beside": len(self._peers) > 1,
            "linked": self._linked,
        }

    def _share_ranges(self) -> None:
        """The union of what each of the studios side by side shows, for all of them."""
        self._screen.measure(self.reference, beside=len(self._peers) > 1)
        every, mine = [peer._screen.limits for peer in self._peers], self._screen.limits
        union = {name: _views.ends([x for one in every for x in one.get(name, [])]) for name in mine}
        for peer in self._peers:
            if peer.ranges != union and (peer is self or not peer.session.running):  # one that runs sees to it itself
                peer.ranges = union

    def _attend(self, _widget: Any, content: Any, _buffers: Any) -> None:
        """A view in a page says that it is there, or that it goes."""
        if isinstance(content, dict) and "view" in content:
            patience = content.get("patience")
            patience = patience if isinstance(patience, int | float) and 0 <= patience <= PATIENCE else 0
            self._attendance.heard(str(content["view"])[:100], bool(content.get("here")), patience)


class _Sources:
    """Where a studio's data and training states come from: what it was given, and what is shipped."""

    def __init__(self, own: xr.Dataset | None, held_out: xr.Dataset | None, checkpoints: dict[str, Any] | None) -> None:
        if held_out is not None:
            if own is None:
                raise ConfigError("held_out goes with a dataset of your own; a shipped one brings its other half.")
            series_of(validate(own), held_out)
            check_apart(own, held_out)
        self._own, self._held_out, self._given = own, held_out, checkpoints
        self._files: set[str] = set()

    def datasets(self) -> list[str]:
        """Their names; one's own is ""."""
        return [*([""] if self._own is not None else []), *DATASETS]

    def open(self, name: str) -> tuple[xr.Dataset, xr.Dataset | None]:
        """What is trained on, and real series beside it."""
        if not name and self._own is not None:
            return self._own, self._held_out
        if name not in DATASETS:
            raise ConfigError(f"dataset {name!r} is none of {', '.join(DATASETS)}; or give an xarray.Dataset.")
        train, rest = dg.split(dg.open_dataset(name), SPLIT[0], seed=SPLIT[1])
        return train, rest

    def checkpoints(self) -> dict[str, Any]:
        """Training states by name: paths, or recorded ones with `path` and `dataset`."""
        if self._given is not None:
            return dict(self._given)
        return dict(course.checkpoints())

    def allow(self, path: Any) -> None:
        """Let `file` find this path: a cell has named it."""
        self._files.add(str(path))

    def file(self, name: str) -> Any:
        """The file of a training state: of a checkpoint by name, or a path that was allowed. Raises ConfigError."""
        checkpoints = self.checkpoints()
        if name not in [*checkpoints, *self._files]:
            raise ConfigError(
                f"there is no checkpoint {name!r:.80}; there are {', '.join(map(repr, checkpoints)) or 'none'}. For a "
                "file that you trust, run restore(path) in a cell, or give the studio checkpoints={name: path}."
            )
        known = checkpoints.get(name, name)
        return getattr(known, "path", known)

    def check(self, log: Log) -> None:
        """Raises ConfigError where a log names a training state that `file` does not find."""
        for kind, value in log:
            if kind == "load":
                self.file(value)

    def file_code(self, name: str) -> str:
        """Code for `file`."""
        recorded = self._given is None and name in self.checkpoints()
        return f"dg.course.checkpoints()[{name!r}].path" if recorded else repr(str(self.file(name)))
