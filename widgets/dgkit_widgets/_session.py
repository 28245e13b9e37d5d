"""A training run that lives in a thread of its own: start, pause, half steps, reset, and a log that replays it.

Knows of no widget: `TrainingStudio` draws what a session does, tests drive it without a browser. The training loop is
`dgkit.Trainer`'s; nothing here computes a gradient. Left out: many machines, several threads for one run.
"""

import atexit
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import xarray as xr

from dgkit import Config, DivergenceError, Trainer
from dgkit.errors import ConfigError

# what a running network can be told to do otherwise; the rest of Config makes other networks or other data
LIVE = (
    "steps", "generator_lr", "discriminator_lr", "auxiliary_lr", "batch_size", "discriminator_rounds",
    "generator_rounds", "beta1", "penalty", "auxiliary_penalty", "auxiliary_weight",
)  # fmt: skip

HALVES = 100_000  # half steps of a log that is replayed

Log = list[list[Any]]  # of [kind, value]: see `Session`

_running: "weakref.WeakSet[Session]" = weakref.WeakSet()


class Session:
    """One trainer, at most one thread that trains it, and the log of everything that was done to it.

    Parameters
    ----------
    train : Dataset
    config : Config
    tick : callable
        Called in the training thread after each step.
    ended : callable
        Called in the training thread once it has stopped for whatever reason; `error` says whether it failed.
    find : callable, optional
        The path of a training state's file from its name in a log.

    Attributes
    ----------
    trainer : Trainer
        As of the last whole or half step. After a DivergenceError, its last good state.
    log : list of [kind, value]
        "steps", "discriminator" and "generator" with how many, "set" with changed fields of `Config`, "load" with the
        name of a training state. A discriminator half step and the generator half step right after it are logged as
        the step they make.
    plan : list of [kind, value]
        What `start` does before it trains on: a log to be replayed.
    together : set of Session
        Those that may run beside this one; starting it pauses all others.
    halves : list of (step, kind, measured)
        The half steps that belong to no full step: after which one, and what they measured.
    stop_seconds : float
        From the last pause to the thread having left its last step.

    Notes
    -----
    Every method may be called from any thread.
    """

    def __init__(
        self,
        train: xr.Dataset,
        config: Config,
        tick: Callable[[], None],
        ended: Callable[[], None],
        find: Callable[[str], Any] = str,
    ) -> None:
        self.train, self.tick, self.ended, self.find = train, tick, ended, find
        self.trainer = Trainer(train, config)
        self.log: Log = []
        self.plan: Log = []
        self.together: weakref.WeakSet[Session] = weakref.WeakSet([self])
        self.running = False
        self.error: BaseException | None = None
        self.stop_seconds = 0.0
        self.halves: list[tuple[int, str, dict[str, float]]] = []
        self.last_half: tuple[str, dict[str, float]] | None = None  # which, and what it measured
        self._pair: tuple[dict[str, float], float] | None = None  # a discriminator half step that may become a step
        self._lock, self._gate, self._starting = threading.Lock(), threading.Lock(), threading.Lock()
        self._stop, self._asked = threading.Event(), 0.0
        self._thread: threading.Thread | None = None

    @contextmanager
    def turn(self) -> Iterator[Trainer]:
        """Hold the trainer still between two steps. Not to be nested.

        A lock alone would starve others, since the training thread takes it again at once: who waits for it holds the
        gate, and the training thread must pass that first.
        """
        with self._gate:
            self._lock.acquire()
        try:
            yield self.trainer
        finally:
            self._lock.release()

    def start(self, *, free: bool = True) -> None:
        """Train in the thread until the plan and, if `free`, `config.steps` are done, or `pause` is called.

        Raises
        ------
        ConfigError
            There is nothing left to do.
        """
        with self._starting:  # of two threads that ask at once, one starts it
            self._start(free)

    def _start(self, free: bool) -> None:
        if self.running and not self._stop.is_set():
            return
        config = self.trainer.config
        if not self.plan and (not free or self.trainer.step >= config.steps):
            raise ConfigError(
                f"step {self.trainer.step} of {config.steps}: training is finished. Raise steps to train on, or reset."
            )
        self.join()
        for other in list(_running):
            if other not in self.together:
                other.pause()
                other.join(2)
        self._stop, self.error, self.running = threading.Event(), None, True
        _running.add(self)
        self._thread = threading.Thread(
            target=self._run, args=(self._stop, free), name=f"dgkit training {id(self):x}", daemon=True
        )
        self._thread.start()

    def pause(self) -> None:
        """Ask the thread to stop after its present step; returns at once."""
        if not self._stop.is_set():
            self._asked = time.perf_counter()
            self._stop.set()

    def join(self, seconds: float | None = None) -> None:
        """Wait until the thread has ended; an interrupt (Ctrl-C, the stop button) pauses it."""
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return
        try:
            thread.join(seconds)
        except KeyboardInterrupt:
            self.pause()
            thread.join()
            raise

    def halt(self) -> None:
        """Pause, and wait for it."""
        self.pause()
        self.join()

    def do(self, kind: str, value: Any = 1) -> None:
        """Pause, then do one entry of a log in this thread. Raises what it raises."""
        self.halt()
        with self.turn():
            self.error = None  # the run goes on
            self._do(kind, value)

    def change(self, **changes: Any) -> None:
        """Change settings that are in `LIVE`, also while training. Raises ConfigError."""
        with self.turn():
            self._do("set", changes)

    def reset(self, train: xr.Dataset, config: Config, load: str | None = None) -> None:
        """Pause and begin anew, or from a training state. Raises what `Trainer` does, and then keeps the old run."""
        self.halt()
        trainer = Trainer.load(self.find(load), train) if load else Trainer(train, config)
        with self.turn():
            self.train, self.trainer, self.log, self.plan = train, trainer, [["load", load]] if load else [], []
            self._pair = self.last_half = self.error = None
            self.halves = []

    def _run(self, stop: threading.Event, free: bool) -> None:
        try:
            while not stop.is_set():
                with self.turn():
                    if stop.is_set() or not (self._next_planned() or (free and self._next_step())):
                        break
                self.tick()
        except BaseException as error:
            self.error = error
        finally:
            self.stop_seconds = time.perf_counter() - self._asked if stop.is_set() else 0.0
            self.running = False
            _running.discard(self)
            self.ended()

    def _next_step(self) -> bool:
        more = self.trainer.step < self.trainer.config.steps
        if more:
            self._do("steps", 1)
        return more

    def _next_planned(self) -> bool:
        if not self.plan:
            return False
        kind, value = self.plan[0]
        if kind in ("steps", "discriminator", "generator") and value > 1:
            self.plan[0] = [kind, value - 1]
            value = 1
        else:
            self.plan.pop(0)
        try:
            self._do(kind, value)
        except Exception:
            self.plan = []  # what would follow is no longer the run that it was
            raise
        return True

    def _do(self, kind: str, value: Any) -> None:
        pair, self._pair = self._pair, None
        self.last_half = None
        start = time.perf_counter()
        try:
            if kind == "steps":
                for _ in range(value):
                    if self.trainer.step >= self.trainer.config.steps:
                        raise ConfigError(f"all {self.trainer.step} steps are taken. Raise steps, or reset.")
                    next(self.trainer)
                    self._note("steps", 1)
            elif kind == "discriminator":
                for _ in range(value):
                    measured = self.trainer.step_discriminator()
                    self._note("discriminator", 1)
                    self.halves.append((self.trainer.step, kind, measured))
                self._pair = measured, time.perf_counter() - start
                self.last_half = kind, measured
            elif kind == "generator":
                for k in range(value):
                    self._generator_half(pair if k == 0 else None, start)
            elif kind == "set":
                wrong = set(value) - set(LIVE)
                if wrong:
                    raise ConfigError(f"{', '.join(sorted(wrong))}: takes effect on reset, not while training.")
                self.trainer = Trainer.resume(self.trainer.state(), self.train, **value)
                self._note("set", value)
            elif kind == "load":
                self.trainer = Trainer.load(self.find(value), self.train)
                self.log, self.halves = [["load", str(value)]], []
            else:
                raise ConfigError(
                    f"unknown entry {kind!r} in a log; known are steps, discriminator, generator, set, load."
                )
        except DivergenceError as error:
            if error.state is not None:
                self.trainer = Trainer.resume(error.state, self.train)
                self.log = until(self.log, self.trainer.step)
                self.halves = [half for half in self.halves if half[0] <= self.trainer.step]
            raise

    def _generator_half(self, pair: tuple[dict[str, float], float] | None, start: float) -> None:
        measured = self.trainer.step_generator()
        self.last_half = "generator", measured
        self._note("generator", 1)
        self.halves.append((self.trainer.step, "generator", measured))
        if pair is not None and self.trainer.step < self.trainer.config.steps:
            self.halves = self.halves[:-2]  # the two are the full step that follows
            self.trainer.record(pair[0] | measured, pair[1] + time.perf_counter() - start)
            self._note("generator", -1)
            self._note("discriminator", -1)
            self._note("steps", 1)

    def _note(self, kind: str, value: Any) -> None:
        """Append to the log; neighbours of one kind become one entry."""
        if self.log and self.log[-1][0] == kind:
            before = self.log.pop()[1]
            value = before | value if kind == "set" else before + value
        if value:
            self.log.append([kind, value])


def until(log: Log, step: int) -> Log:
    """The part of a log that leads to the state before full step `step + 1`."""
    kept: Log = []
    left = step
    for kind, value in log:
        if kind == "steps":
            if value > left:
                return [*kept, ["steps", left]] if left else kept
            left -= value
        kept.append([kind, value])
    return kept


def check_log(log: Any, config: Config) -> Log:
    """A log as read from JSON, of a run that began with `config`. Raises ConfigError where it is none.

    What it asks for stays within bounds: full steps within the config's, as "set" changes them, and half steps within
    what hands do.
    """
    steps = halves = 0
    for k, entry in enumerate(log if isinstance(log, list) else [log]):
        kind: Any = None
        value: Any = None
        if isinstance(entry, list) and len(entry) == 2:
            kind, value = entry
        counted = kind in ("steps", "discriminator", "generator") and type(value) is int and value > 0
        if not (counted or (kind == "set" and isinstance(value, dict)) or (kind == "load" and isinstance(value, str))):
            raise ConfigError(
                f"{entry!r:.80} is no entry of a studio's log, such as ['steps', 100]. Copy the state again."
            )
        if kind == "load" and k > 0:
            raise ConfigError(f"entry {k + 1} of the log is {entry!r:.80}; only the first may be a training state.")
        if kind == "set":
            if wrong := sorted(set(value) - set(LIVE)):
                raise ConfigError(f"the log sets {', '.join(wrong)}, which takes effect on reset, not while training.")
            config = replace(config, **value)
        steps += value if kind == "steps" else 0
        halves += value if kind in ("discriminator", "generator") else 0
        if (kind == "steps" and steps > config.steps) or halves > HALVES:
            raise ConfigError(
                f"the log takes {steps} steps and {halves} half steps; at most {config.steps} (its config's steps) and "
                f"{HALVES} can be. Raise the config's steps, or lower the log's."
            )
    return [list(entry) for entry in log]


@atexit.register
def _stop_all() -> None:
    """A thread inside torch while the interpreter ends would crash it."""
    for session in list(_running):
        session.pause()
    for session in list(_running):
        session.join(5)
