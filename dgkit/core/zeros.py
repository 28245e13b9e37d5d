"""Exact zeros as an event of their own: features with `attrs["zeros"] = "inflated"`.

Loss rates, errors and queues are exactly zero nearly always, which a number through a tanh never is. A step of such a
feature has a category beside its value, the *event*: (1, 0) where there is something, (0, 1) where it is zero. The
value counts only where there is something, and its range is that of those steps alone. The discriminators see the value
times the event, and the event itself small: at full size its leaps take up the slope of 1 that a discriminator has, and
other features suffer (of six trainings on MBA, four had an autocorrelation MSE of the traffic of 0.02 to 0.05 in place
of 0.002).

With auto-normalisation a series has its share of events beside its range: whether it has any, and how many. They are
learned as attributes are, which is easier than to learn a rare event step by step. Decoded, so many steps are kept,
those where the event is likeliest; models that draw it step by step (AR, HMM, RNN) keep what they drew, but in series
that have none. Without auto-normalisation the event is where it is likelier than not; then it is decided in training, 0
or 1 as in the data, with the gradient of the soft one: left soft, 99 % were zero for 84 % on a made set, decided 97 %.
With a share the soft event does better: decided, two of five trainings on MBA had 0.013 for the traffic (not recorded),
soft 0.005 at most from step 3,000 on (three trainings: recorded run "zeros").

What the traffic pays for it is some hundred steps. On MBA, with the event and without, its autocorrelation MSE is above
0.01 up to step 2,000, falls within some hundred steps, a little later with the event, and then goes up and down between
0.001 and 0.005 from one look at a training to the next. So a single look says little: at step 3,000 the event is worse
at each of three seeds (medians 0.0026 and 0.0020; two halves of real homes: 0.0006), and the mean of five looks from
3,000 to 5,000 is 0.0021, 0.0022 and 0.0025 with it and 0.0021, 0.0022 and 0.0048 without (recorded run "zeros"). Of the
slope of the discriminator value and event take an eighth then, the generation flags, which plain data have too, a sixth
and before step 1,000 up to nine tenths. Smaller columns change no more than another seed does, nor does an event that a
series without any cannot have.

Follows no file of the original, which has numbers alone. The idea is that of zero-inflated models (Lambert 1992).

Letters for shapes: N samples, T steps.
"""

import numpy as np

from dgkit.core.heads import Head
from dgkit.schema import Variable

WEIGHT = 0.1  # what stands for 1 in the event of a step


def inflated(variable: Variable) -> bool:
    """Whether it is a feature of numbers whose attrs ask for it."""
    return (variable.role, variable.kind, variable.attrs.get("zeros")) == ("feature", "continuous", "inflated")


def step_heads(variable: Variable, decided: bool) -> list[Head]:
    """What makes the event of a step, where there are such; it gates the value before it."""
    name = f"{variable.name} non-zero"
    return [Head(name, 2, "softmax", gates=1, weight=WEIGHT, decided=decided)] if inflated(variable) else []


def series_heads(variable: Variable) -> list[Head]:
    """What makes a series' share of events, and whether it has any, which gates that share and the range before it."""
    share, anywhere = f"{variable.name} non-zero share", f"{variable.name} non-zero anywhere"
    return [Head(share, 1, "sigmoid"), Head(anywhere, 2, "softmax", gates=3)] if inflated(variable) else []


def ranged(numbers: np.ndarray, valid: np.ndarray, event: np.ndarray, low: float) -> tuple[np.ndarray, np.ndarray]:
    """Series (N, T), and which steps their ranges are taken over: the events.

    A series without any is `low` throughout, a number that its scale knows; nothing of it is seen.
    """
    return np.where(event, numbers, low), np.where(event.any(1, keepdims=True), event, valid)


def gated(values: np.ndarray, event: np.ndarray, weight: float = 1.0) -> np.ndarray:
    """Values (..., K) where there is an event (...), else 0, and the event's two columns: (..., K + 2)."""
    on = event[..., None]
    return np.concatenate([np.where(on, values, 0.0), weight * on, weight * ~on], -1)


def with_share(own: np.ndarray, event: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """A series' range (N, 2) with its share of events (N, T): (N, 5)."""
    some = np.asarray(event.any(1))
    share = np.where(some, event.sum(1), 1) / lengths
    decades = 1 / (1 - np.log10(share))  # all steps: 1, a tenth: 1/2, a hundredth: 1/3
    return gated(np.column_stack([own, decades]), some)


def open_gate(gated: np.ndarray) -> np.ndarray:
    """Values as they are where there is an event: a soft event has made them smaller. (..., K + 2), float64."""
    values = gated.astype(np.float64)
    on, either = values[..., -2:-1], values[..., -2:].sum(-1, keepdims=True)
    values[..., :-2] *= np.divide(either, on, out=np.ones_like(on), where=on > 0)
    return values


def closed(values: np.ndarray, series: np.ndarray, own: np.ndarray | None, length: np.ndarray | None) -> np.ndarray:
    """Decoded values (N, T), 0 where there is no event by the steps (N, T, 3) and the series' share (N, 5)."""
    on, off = series[..., -2], series[..., -1]
    if own is None:
        return np.where(on >= off, values, 0.0)

    # how many events each series has
    n, steps = values.shape
    lengths = np.full(n, steps) if length is None else length
    share = 10 ** (1 - 1 / own[:, 2].clip(1e-2, 1))
    some = own[:, 3] >= own[:, 4]  # (N,)
    count = np.clip(np.rint(share * lengths), 1, lengths) * some

    # where they are likeliest, up to the series' end; who draws them step by step (AR, HMM) has said where
    odds = np.log(on.clip(1e-300)) - np.log(off.clip(1e-300))
    odds[np.arange(steps) >= lengths[:, None]] = -np.inf
    rank = np.argsort(np.argsort(-odds, 1, kind="stable"), 1)
    drawn = (np.minimum(on, off) == 0).all(1)
    event = np.where(drawn[:, None], (on > off) & some[:, None], rank < count[:, None])
    return np.where(event, values, 0.0)
