"""PrivacyDial: what differential privacy costs and promises at given settings, and the recorded run nearest to it.

Every epsilon is `dgkit.privacy.epsilon`'s; what it means is in `_guarantee`, the drawing in widgets/js/src/dial.js.
Of ways that are not the trainer's it shows what was measured (`ways`). Left out: amplification beyond a random batch's.
"""

import json
import math
import threading
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import traitlets
import xarray as xr

from dgkit._checks import whole
from dgkit._text import at_most, number
from dgkit.core.accounting import TIGHT_STEPS, TIGHT_UP_TO
from dgkit.core.config import DP, Config
from dgkit.errors import ConfigError
from dgkit.privacy import epsilon, noise_for, stated
from dgkit_widgets import _guarantee
from dgkit_widgets._lifetime import replace_earlier
from dgkit_widgets._page import inline
from dgkit_widgets._recorded import NOTHING, Recorded, Ways
from dgkit_widgets._widget import Widget, f4, static

POINTS = 60  # of a curve
MOST = 10**9  # samples, steps
MOST_SERIES = 1000  # of one user
MOST_NOISE = 1000  # above, the accountant takes seconds
KNOWN = (1.0, 10.0)  # epsilons drawn for comparison: the ends of the tiers
_NOISE = [0.0, *(float(f"{x:.2g}") for x in np.geomspace(0.01, 30, 70))]
_NORMS = [float(f"{x:.2g}") for x in np.geomspace(0.001, 1000, 61)]
_EPOCHS = sorted({float(f"{x:.2g}") for x in [*np.geomspace(0.1, 1000, 81), *range(1, 31)]})


def _control(name: str, label: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "label": label, "kind": kind, **more}


class PrivacyDial(Widget):
    """Turn noise, epochs, batch size and clipping norm; see epsilon, what it promises, and how it grows.

    Parameters
    ----------
    samples : int or Dataset
        Training samples, or the training data, whose samples are counted.
    batch_size : int
        Samples a step, on average.
    noise_multiplier, max_grad_norm, delta, sampling
        As in `dgkit.privacy.DP`.
    epochs : float
        Passes over the data: `samples / batch_size` steps each.
    steps : int, optional
        In place of `epochs`.
    releases : int
        Noisy gradients of each batch: discriminators times their rounds.
    series : int
        Samples that one user has; epsilon is then the user's.
    accountant : {"rdp", "prv"}
        As in `dgkit.privacy.epsilon`. The curve is always RDP's, and PRV is asked where `dgkit.privacy.stated` asks it.
    target : float, optional
        An epsilon to draw a line at, and to find the noise for.
    recorded : Dataset, optional
        Runs at several epsilons, of which the nearest is shown if it is the dial's, up to a third, and if its settings
        are the dial's: those that `attrs` tell, by the dial's names (such as steps). It has `epsilon` as a dim, a
        coordinate or a variable along one dim (or, without epsilon, the dim `noise_multiplier`); the variable
        `autocorrelation` over that dim and `lag`, and over `seed` if there are several; optionally `series` over that
        dim, further ones and `time`. A run of infinite epsilon is shown beside the nearest.
    ways : Dataset, optional
        Measures over `way` and `epsilon`, and maybe `seed`, NaN where not measured: drawn on one axis of epsilon, with
        what they are at the dial's. `attrs` may say `title` (where they come from), settings as of `recorded`, and
        `gaussian`, the ways that are one Gaussian mechanism, whose epsilon for a user is known.
    real : DataArray, optional
        The real data's autocorrelation over `lag`. Default: the variable `real_autocorrelation` of `recorded`.

    Attributes
    ----------
    settings : dict
        Synced, and settable, also in part: all of the above by name. Of `epochs` and `steps` setting one sets the
        other.
    epsilon, sample_rate, steps : float, float, int
        Of the settings. `epsilon` raises ConfigError where they do not go together.
    dp : DP
        What `Config(dp=...)` takes.
    can_undo : bool
    controls, grids, frame, record, beside, answered
        The contract with the browser: what can be set, sliders' values, what is drawn, the recorded run shown, all
        ways, and the browser's last wish that the frame takes into account.

    Notes
    -----
    Settings that do not go together (delta too large for the number of samples, a batch larger than the data), or for
    which there is no accountant (batches with replacement), stay as they were set, with the reason in `error` and no
    epsilon, so that changing the other one mends them.

    Raises
    ------
    ConfigError
        A value out of its range; `recorded` has no epsilon or no curve.

    Examples
    --------
    >>> dial = PrivacyDial(50_000, noise_multiplier=1.0)
    >>> round(dial.epsilon, 2)
    2.76
    >>> dial.solve(1.0)
    >>> dial.dp.noise_multiplier, 0.98 < dial.epsilon <= 1
    (1.486, True)
    >>> dial.config(sample_len=7).steps
    7500
    """

    _esm, _css = static("dial")
    actions: ClassVar[tuple[str, ...]] = ("change", "solve", "undo", "reset", "look")
    CONTROLS: ClassVar[list[dict[str, Any]]] = [
        _control("noise_multiplier", "Noise multiplier", "slide"),
        _control("epochs", "Epochs", "slide"),
        _control("batch_size", "Batch size (samples)", "slide"),
        _control("max_grad_norm", "Clipping norm", "slide"),
        _control("samples", "Training samples", "number"),
        _control("steps", "Steps", "number"),
        _control("delta", "Delta", "number"),
        _control("releases", "Noisy gradients a batch", "number"),
        _control("series", "Samples of one user", "number"),
        _control("sampling", "Batches drawn", "choice",
                 options=[["poisson", "Poisson"], ["replacement", "with replacement"]]),
        _control("accountant", "Accountant", "choice", options=[["rdp", "RDP"], ["prv", "PRV (tighter)"]]),
    ]  # fmt: skip

    in_page: ClassVar[dict[str, list[Any]]] = {  # the sliders' places in a file of `to_html`
        "noise_multiplier": [0.0, 0.5, 0.6, 0.7, 0.85, 1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0, 12.0, 20.0],
        "epochs": [1.0, 3.0, 10.0, 30.0, 100.0],
        "batch_size": [20, 50, 100, 200, 500],
    }

    controls: Any = traitlets.List().tag(sync=True)
    guarantee: Any = traitlets.List().tag(sync=True)
    settings = traitlets.Dict().tag(sync=True, settable=True)
    grids = traitlets.Dict().tag(sync=True)
    frame = traitlets.Dict().tag(sync=True)
    record = traitlets.Dict().tag(sync=True)
    beside = traitlets.Dict().tag(sync=True)
    can_undo = traitlets.Bool(False).tag(sync=True)
    answered = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        samples: int | xr.Dataset = 2000,
        batch_size: int = 100,
        noise_multiplier: float = 1.0,
        max_grad_norm: float = 1.0,
        epochs: float = 15,
        delta: float = 1e-5,
        releases: int = 2,
        sampling: str = "poisson",
        accountant: str = "rdp",
        *,
        steps: int | None = None,
        series: int = 1,
        target: float | None = None,
        recorded: xr.Dataset | None = None,
        ways: xr.Dataset | None = None,
        real: xr.DataArray | None = None,
    ) -> None:
        self._guard = threading.RLock()  # callbacks may come from another thread than the cells
        self._recorded = None if recorded is None else Recorded(recorded, real)
        self._ways = None if ways is None else Ways(ways)
        self._measure = "" if self._ways is None else self._ways.measures[0]
        given = {
            "noise_multiplier": noise_multiplier,
            "max_grad_norm": max_grad_norm,
            "epochs": epochs,
            "batch_size": batch_size,
            "samples": samples.sizes.get("sample", 0) if isinstance(samples, xr.Dataset) else samples,
            "delta": delta,
            "releases": releases,
            "series": series,
            "sampling": sampling,
            "accountant": accountant,
            "target": target,
        }
        self._start = self._merged(given, {} if steps is None else {"steps": steps})
        self._past: list[dict[str, Any]] = []  # settings to go back to
        self._stroke: str | None = None  # what the last change belonged to
        self._inside = False  # an assignment of our own, already checked
        super().__init__(controls=self.CONTROLS, guarantee=[_guarantee.COVERS, _guarantee.NOT_COVERED])
        replace_earlier(self)

    def _draw_first(self) -> None:
        self._put(self._start)

    # --- what the controls and cells do

    def change(self, stroke: str | None = None, token: str = "", **settings: Any) -> None:
        """Change settings by name.

        Parameters
        ----------
        stroke : str, optional
            Changes of the same stroke are one step for `undo`.
        token : str
            Comes back as `answered`.

        Raises
        ------
        ConfigError
            No such setting, or a value out of its range.
        """
        with self._guard, self.hold_sync():
            try:
                self._put(self._merged(self.settings, settings), stroke)
            finally:
                self.answered = token or self.answered

    def _act(self, action: str, values: Any) -> None:
        """Answer in any case: a page sends nothing more before."""
        try:
            super()._act(action, values)
        finally:
            if isinstance(values, dict) and isinstance(token := values.get("token"), str):
                self.answered = token[:100]

    def solve(self, target: float, token: str = "") -> None:
        """Set the least noise, rounded up to four digits, with which epsilon is within `target`.

        Raises ConfigError: a bad target, one that no noise can keep, or settings that do not go together.
        """
        with self._guard, self.hold_sync():
            try:
                wanted = self._merged(self.settings, {"target": target})
                self._check(wanted)
                given = {name: wanted[name] for name in ("steps", "delta", "releases", "series", "accountant")}
                noise = _up(_noise_for(epsilon=target, sample_rate=self._rate(wanted), **given))
                self._put(self._merged(wanted, {"noise_multiplier": noise}))
            finally:
                self.answered = token or self.answered

    def undo(self) -> None:
        """Back to the settings before the last change."""
        with self._guard, self.hold_sync():
            if self._past:
                self._put(self._past.pop(), remember=False)  # going back is no change to go back from
                self.can_undo = bool(self._past)

    def reset(self) -> None:
        """Back to the settings at the start."""
        with self._guard, self.hold_sync():
            self._put(self._start)

    def look(self, measure: str) -> None:
        """Show another measure of `ways`. Raises ConfigError for one that they do not have."""
        with self._guard, self.hold_sync():
            if self._ways is None or measure not in self._ways.measures:
                there = "none" if self._ways is None else ", ".join(self._ways.measures)
                raise ConfigError(f"measure={measure!r:.80} is not among them; there are {there}.")
            self._measure = measure
            self.beside = self._beside(self.settings)

    # --- what they mean

    @property
    def steps(self) -> int:
        """Batches that are trained on."""
        steps: int = self.settings["steps"]
        return steps

    @property
    def sample_rate(self) -> float:
        """The probability of each sample to be in a batch."""
        rate: float = self.settings["batch_size"] / self.settings["samples"]
        return rate

    @property
    def epsilon(self) -> float:
        """Of the settings, after all steps. Raises ConfigError where they do not go together."""
        self._check(self.settings)
        return self._epsilon(self.settings)[0]

    @property
    def dp(self) -> DP:
        """What `Config(dp=...)` takes. Raises ConfigError as `epsilon`."""
        self._check(self.settings)
        return _dp(self.settings)

    def config(self, **changes: Any) -> Config:
        """The `Config` that trains with exactly these settings.

        Parameters
        ----------
        **changes
            Other fields of `Config`. `auxiliary` and `discriminator_rounds` may be given where their product fits
            `releases`; by default the auxiliary discriminator is on where `releases` is even.

        Raises
        ------
        ConfigError
            A change would make another epsilon; the settings do not go together.
        """
        now, dp = self.settings, self.dp
        fixed = {"steps", "batch_size", "dp"} & set(changes)
        releases = now["releases"]
        auxiliary = changes.pop("auxiliary", releases % 2 == 0)
        rounds = changes.pop("discriminator_rounds", releases // 2 if auxiliary else releases)
        if fixed or rounds * (2 if auxiliary else 1) != releases:
            what = ", ".join(sorted(fixed)) or f"auxiliary={auxiliary} with discriminator_rounds={rounds}"
            raise ConfigError(
                f"{what}: epsilon depends on it, and the dial says otherwise ({now['steps']} steps, batch_size "
                f"{now['batch_size']}, {releases} noisy gradients a batch). Change it with dial.change(...)."
            )
        settings = {"steps": now["steps"], "batch_size": now["batch_size"], "dp": dp}
        return Config(**settings, auxiliary=auxiliary, discriminator_rounds=rounds, **changes)

    def curve(self) -> xr.DataArray:
        """Epsilon (RDP) over the epochs that the chart shows, dims (epoch,)."""
        self._check(self.settings)
        epochs, values = self._curve(self.settings, self._until(self.settings))
        found = xr.DataArray(values, {"epoch": ("epoch", epochs, {"units": "epochs"})}, "epoch", "epsilon")
        return found.assign_attrs(units="1", long_name="epsilon")

    def code(self) -> str:
        """The call that computes the same epsilon without a widget."""
        now = self.settings
        series = f", series={now['series']}" if now["series"] > 1 else ""
        accountant = f", accountant={now['accountant']!r}" if now["accountant"] != "rdp" else ""
        return (
            f"dg.privacy.epsilon(noise_multiplier={now['noise_multiplier']!r}, "
            f"sample_rate={now['batch_size']} / {now['samples']}, steps={now['steps']}, delta={now['delta']!r}, "
            f"releases={now['releases']}{series}{accountant})"
        )

    # --- how it works

    @traitlets.validate("settings")
    def _check_settings(self, proposal: Any) -> dict[str, Any]:
        new: dict[str, Any] = proposal["value"]
        return new if self._inside else self._merged(self.settings, new)

    @traitlets.observe("settings")
    def _changed(self, change: Any) -> None:
        with self._guard, self.hold_sync():
            if not self._inside:  # an assignment in a cell is a step for undo, too
                self._past.append(change["old"])
                self.can_undo, self._stroke = True, None
            self.frame = self._drawn()

    def _put(self, new: dict[str, Any], stroke: str | None = None, *, remember: bool = True) -> None:
        """Show settings that `_merged` made; remember what was before, unless the same stroke has already.

        What is remembered is right before the settings change: another thread may look while the frame is drawn.
        """
        if new == self.settings:
            self.error = self._problem(new)
            return
        goes_on = stroke is not None and stroke == self._stroke
        if self.settings and remember and not goes_on:
            self._past.append(self.settings)
        self._stroke, self.can_undo = stroke, bool(self._past)
        self._inside = True
        try:
            self.settings = new
        finally:
            self._inside = False

    def _merged(self, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
        """The old settings with the new ones' changes, complete, each of them checked by itself."""
        names = [control["name"] for control in self.CONTROLS] + ["target"]
        unknown = [name for name in new if name not in names]
        if unknown:
            raise ConfigError(f"there is no setting {unknown[0]!r}; there are {', '.join(names)}.")
        result = {**old, **new}
        for name, least in (("samples", 2), ("batch_size", 2), ("releases", 1), ("steps", 1)):
            result[name] = whole(name, result.get(name, 1 + least), least, MOST + 1)
        result["series"] = whole("series", result["series"], 1, MOST_SERIES + 1)
        for name in ("epochs", "target"):
            value = result[name] = result[name].item() if isinstance(result[name], np.generic) else result[name]
            if value is not None and (
                isinstance(value, bool) or not isinstance(value, int | float) or not 1e-9 <= value <= 1e20
            ):
                raise ConfigError(f"{name}={value!r} must be a number above 0 (1e-9 to 1e20).")
        if result["max_grad_norm"] == math.inf:
            raise ConfigError("max_grad_norm=inf: a finite one is what makes the noise protect.")
        if result["accountant"] not in ("rdp", "prv"):
            raise ConfigError(f"accountant={result['accountant']!r} is none of 'rdp', 'prv'.")
        dp = _dp(result)
        if dp.noise_multiplier > MOST_NOISE:
            raise ConfigError(f"noise_multiplier={dp.noise_multiplier:g} must be 0, or at most {MOST_NOISE}.")
        result |= {name: getattr(dp, name) for name in ("noise_multiplier", "max_grad_norm", "delta")}  # no NumPy's
        per_epoch = result["samples"] / result["batch_size"]
        other = "epochs" not in new and not {"samples", "batch_size"}.isdisjoint(new)  # epochs of other lengths
        if "steps" in new and (other or new["steps"] != old.get("steps")):
            result["epochs"] = result["steps"] / per_epoch
        else:
            if result["epochs"] is None:
                raise ConfigError("epochs=None without steps: give one of them.")
            steps = result["epochs"] * per_epoch
            if not steps <= MOST:
                raise ConfigError(f"epochs={result['epochs']:g} are {steps:g} steps; the dial goes up to {MOST:g}.")
            result["steps"] = max(1, round(steps))
        return {name: result[name] for name in names}

    @staticmethod
    def _problem(settings: dict[str, Any]) -> str:
        """Why the settings do not go together; empty if they do. As the trainer refuses them."""
        n, batch_size, delta = settings["samples"], settings["batch_size"], settings["delta"]
        if batch_size > n:
            return f"batch_size={batch_size} is more than the {n} samples. Lower it, or train on more samples."
        if delta >= 1 / n:
            return (
                f"delta={delta:g} is not below 1 / {n}, one over the number of samples: a mechanism that publishes a "
                f"random sample would pass. Set delta={0.1 / n:.1g} or less."
            )
        return _guarantee.REPLACEMENT if settings["sampling"] != "poisson" else ""

    def _check(self, settings: dict[str, Any]) -> None:
        if problem := self._problem(settings):
            raise ConfigError(problem)

    @staticmethod
    def _rate(settings: dict[str, Any]) -> float:
        return settings["batch_size"] / settings["samples"]

    def _epsilon(self, settings: dict[str, Any]) -> tuple[float, str]:
        """Epsilon, and the accountant that says so."""
        given = {name: settings[name] for name in ("noise_multiplier", "steps", "delta", "releases", "series")}
        given["sample_rate"] = self._rate(settings)
        return _stated(**given) if settings["accountant"] == "prv" else (_spent(**given), "RDP")

    @staticmethod
    def _curve(settings: dict[str, Any], epochs: float) -> tuple[np.ndarray, np.ndarray]:
        """Epsilon by RDP at some epochs, those of the settings among them; one divergence serves them all."""
        rate, now = PrivacyDial._rate(settings), settings["steps"]
        last = max(now, 1, round(epochs / rate))
        steps = np.unique(np.append(np.linspace(1, last, POINTS).round().astype(int), now))
        given = {name: settings[name] for name in ("noise_multiplier", "delta", "releases", "series")}
        return steps * rate, np.array([_spent(sample_rate=rate, steps=int(k), **given) for k in steps])

    @staticmethod
    def _until(settings: dict[str, Any]) -> float:
        """The last epoch that the chart shows: a round number, so that it stays while the dial is turned a little."""
        wanted = 1.25 * settings["epochs"]
        power: float = 10 ** math.floor(math.log10(wanted))
        return next(m * power for m in (1, 2, 5, 10, 20) if m * power >= wanted)

    def _drawn(self) -> dict[str, Any]:
        now, problem = self.settings, self._problem(self.settings)
        self.error = problem
        self.grids = {"noise_multiplier": _NOISE, "epochs": _EPOCHS, "max_grad_norm": _NORMS,
                      "batch_size": _batches(now["samples"])}  # fmt: skip
        common = {
            "problem": problem,
            "places": {name: int(np.abs(np.array(grid) - now[name]).argmin()) for name, grid in self.grids.items()},
            "hints": self._hints(now),
        }
        if problem:
            self.record, self.beside = {} if self._recorded is None else dict(NOTHING), {}
            return common | {"big": "–", "tier": "", "head": "", "words": [], "accuracy": None, "lines": [], "n": 0}
        value, accountant = self._epsilon(now)
        until = self._until(now)
        epochs, curve = self._curve(now, until)
        lines = [*((f"epsilon {known:g}", known) for known in KNOWN)]
        if now["target"] is not None and now["target"] not in KNOWN:
            lines.append((f"target {now['target']:g}", now["target"]))
        first: Any = []
        if now != self._start and not self._problem(self._start):
            first = np.interp(epochs, *self._curve(self._start, until), left=np.nan)
        seen = np.concatenate([curve, first, [one for _, one in lines]])
        seen = seen[np.isfinite(seen) & (seen > 0)]
        if self._recorded is not None:
            self.record = self._recorded.frame(self._epsilon(now | {"series": 1})[0], now)
        self.beside = self._beside(now)
        user = f", for a user with {now['series']:,} samples" if now["series"] > 1 else ""
        head = (
            f"after {now['steps']:,} steps ({number(now['epochs'])} epochs), at delta = "
            f"{at_most(now['delta'])}, by the {accountant} accountant{user}"
        )
        note = ""
        if now["accountant"] == "prv" and accountant == "RDP" and math.isfinite(value):
            slow = value > TIGHT_UP_TO or now["steps"] > TIGHT_STEPS
            note = (
                f"PRV is asked up to an epsilon of {TIGHT_UP_TO} and {TIGHT_STEPS:,} steps: above, it takes too long."
                if slow
                else "At these settings PRV's own rounding is too large for an epsilon smaller than RDP's."
            )
        return common | {
            "big": at_most(value),
            "tier": _guarantee.tier(value),
            "head": head,
            "note": note,
            "words": _guarantee.in_words(value, now["delta"], now["series"]),
            "accuracy": _guarantee.best_accuracy(value, now["delta"]) if value < math.inf else 1.0,
            "accountant": accountant,
            "n": len(epochs),
            "x": f4(epochs),
            "curve": f4(curve),
            "first": f4(first),
            "at": [now["epochs"], value if value < math.inf else None],
            "lines": [list(line) for line in lines],
            "until": until,
            "range": [10.0 ** math.floor(math.log10(min(0.1, seen.min()))),
                      10.0 ** math.ceil(math.log10(max(100.0, seen.max())))],
        }  # fmt: skip

    def _beside(self, now: dict[str, Any]) -> dict[str, Any]:
        """All ways at the epsilon of one sample, which is what they were measured at."""
        if self._ways is None:
            return {}
        return self._ways.frame(self._measure, self._epsilon(now | {"series": 1})[0], now)

    def _hints(self, now: dict[str, Any]) -> dict[str, str]:
        noise, norm, size = now["noise_multiplier"], now["max_grad_norm"], now["batch_size"]
        rate = min(1.0, size / now["samples"])
        return {
            "noise_multiplier": "standard deviation of the noise, in clipping norms; 0: none, no privacy",
            "epochs": f"passes over the data, {now['samples'] / size:.4g} steps each",
            "batch_size": f"each sample is in a batch with probability {rate:.3g}",
            "max_grad_norm": "does not change epsilon, only what the noise drowns: a sample moves the mean gradient "
            f"by at most {at_most(norm / size)}, and each of its entries gets noise of {number(noise * norm / size)}",
            "delta": f"must be below 1 / {now['samples']:,}, about {1 / now['samples']:.2g}",
            "releases": "discriminators times their rounds",
            "series": "epsilon is the user's; each of their samples is in a batch by itself",
        }

    def _alone(self) -> tuple[dict[str, Any], dict[str, Any] | None, str]:
        """The answers at all places of three coarser sliders, each part of an answer once."""
        now = self.settings
        few = {name: sorted({*grid, now[name]}) for name, grid in self.in_page.items()}
        own, most = now["batch_size"], now["samples"]
        few["batch_size"] = [size for size in few["batch_size"] if size <= most or size == own]
        parts: dict[str, int] = {}

        def pooled(trait: Mapping[str, Any]) -> dict[str, int]:
            return {name: parts.setdefault(inline(value), len(parts)) for name, value in trait.items()}

        answers = {}
        turned = self._twin()
        for places in np.ndindex(*map(len, few.values())):
            wanted = {name: grid[place] for (name, grid), place in zip(few.items(), places, strict=True)}
            turned._put(turned._merged(turned.settings, wanted))
            frame = turned.frame | {"places": dict(zip(few, map(int, places), strict=True))}
            measures = [] if turned._ways is None else turned._ways.measures
            beside = {}
            for measure in measures:
                turned.look(measure)
                beside[measure] = pooled(turned.beside)
            answers[",".join(map(str, places))] = {
                "settings": pooled(turned.settings), "frame": pooled(frame), "record": pooled(turned.record),
                "beside": beside,
            }  # fmt: skip
        turned.close()
        start = {name: grid.index(now[name]) for name, grid in few.items()}
        data = {
            "grids": few, "parts": [json.loads(text) for text in parts], "answers": answers, "start": start,
            "measure": self._measure,
        }  # fmt: skip
        shown = {
            "controls": [control for control in self.CONTROLS if control["name"] in few],
            "grids": few,
        }
        fixed = ("samples", "delta", "releases", "max_grad_norm", "series")
        told = ", ".join(f"{name.replace('_', ' ')} {now[name]:.10g}" for name in fixed)
        return shown, data, f"Live without a kernel, with {told}; in a notebook these can be set too."

    def _twin(self) -> "PrivacyDial":
        """Another dial with the same settings and recorded runs."""
        twin = PrivacyDial(target=None)
        twin._recorded, twin._ways, twin._measure, twin._start = (
            self._recorded,
            self._ways,
            self._measure,
            self.settings,
        )
        twin._put(self.settings)
        return twin

    def without_browser(self) -> str:
        now = self.settings
        if problem := self._problem(now):
            return f"No epsilon: {problem.removeprefix('No epsilon: ')} In code: {self.code()}"
        value, accountant = self._epsilon(now)
        words = " ".join(_guarantee.in_words(value, now["delta"], now["series"]))
        ways = "; ".join(f"{row[0]}: {row[1]}" for row in self.beside.get("rows", []))
        ways = f"{self.beside['title']}: {ways}. {self.beside['note']} " if ways else ""
        return (
            f"Epsilon {at_most(value)} ({_guarantee.tier(value)}) after {now['steps']} steps, delta "
            f"{now['delta']:g}, by {accountant}. {words} {_guarantee.COVERS} {_guarantee.NOT_COVERED} {ways}"
            f"In code: {self.code()}"
        )


def _dp(settings: dict[str, Any]) -> DP:
    return DP(*(settings[name] for name in ("noise_multiplier", "max_grad_norm", "delta", "sampling")))


_spent, _stated, _noise_for = lru_cache(20_000)(epsilon), lru_cache(2000)(stated), lru_cache(200)(noise_for)


def _up(value: float) -> float:
    """Upwards to four digits, so that epsilon stays within the target."""
    power: float = 10 ** (3 - math.floor(math.log10(value)))
    return math.ceil(value * power) / power


def _batches(samples: int) -> list[int]:
    """The slider's batch sizes: round numbers up to all samples."""
    sizes = np.geomspace(2, samples, 60)
    return sorted({min(samples, round(float(f"{size:.2g}"))) for size in sizes} | {samples})
