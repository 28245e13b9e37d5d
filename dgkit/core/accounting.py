"""What a private training spends: epsilon, from two accountants; and what of it may be given away.

The mechanism is the Gaussian one on a random batch. Where a batch is used for several noisy releases (two
discriminators, several rounds), they count as one release: their gradients, each clipped to a norm of C and with noise
of standard deviation sigma C, are one vector of norm at most sqrt(k) C, so that sigma / sqrt(k) is what is accounted.
The original halves sigma for two discriminators (`example_dp_training`), which is more than is needed.

All of it is for Poisson batches: each sample is in a batch or not, independently. For batches of a fixed size drawn
with replacement, as in the original, these numbers are far too small: a slot that holds the one sample does not hold
another, so that it moves the sum by up to 2 C, not C, and a batch may hold it several times. At the original's settings
(50,000 samples, batches of 100, 15 epochs, two discriminators, delta 1e-5) and a noise multiplier of 1 this accountant
says 2.76, and what holds with replacement is 34; at 2, 0.57 and 2.3 (by Google's accountant for mixtures of Gaussians,
in a test). A trainer with `DP(sampling="replacement")` therefore states no epsilon: it is infinite.
"""

import contextlib
import math
import warnings
from dataclasses import replace
from functools import cache, lru_cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from dgkit._checks import outside, whole
from dgkit._interrupts import after_the_step
from dgkit._text import at_most
from dgkit.core.config import Config
from dgkit.errors import ConfigError
from dgkit.schema import Schema, bare

ORDERS = (
    [1 + x / 10 for x in range(1, 100)] + list(range(12, 64)) + [80, 128, 256, 512, 1024]
)  # of the Rényi divergence
TIGHT_UP_TO, TIGHT_STEPS = 20, 100_000  # epsilon by RDP and steps, above which PRV takes seconds and a gigabyte
MOST_POINTS = 2**23  # of a half of PRV's grid: 64 MB each of its tables
MOST_TERMS = 4_000_000  # of a sum for one order of a user's divergence
ERROR = 0.01  # of epsilon by PRV, which is that much above what was found
ACCOUNTED = {"dp", "batch_size", "discriminator_rounds", "auxiliary"}  # settings on which epsilon depends


def epsilon(
    *,
    noise_multiplier: float,
    sample_rate: float,
    steps: int,
    delta: float,
    releases: int = 1,
    series: int = 1,
    accountant: str = "rdp",
) -> float:
    """The epsilon of (epsilon, delta)-differential privacy after some training steps.

    Parameters
    ----------
    noise_multiplier : float
        Standard deviation of the noise, in units of the clipping norm, from 0.001 to a million. 0 gives infinity.
    sample_rate : float
        Batch size over training samples, above 0 and at most 1.
    steps : int
    delta : float
        Between 0 and 1; below 1 / (training samples) to mean anything.
    releases : int
        Noisy gradients a step, all of the same batch: discriminators times rounds.
    series : int
        Samples that one user has at most, up to 1,000; epsilon is then that of a user.
    accountant : {"rdp", "prv"}
        Rényi differential privacy, or privacy loss random variables: tighter, and slower.

    Returns
    -------
    float
        Dimensionless. Neighbouring data sets differ in the presence of one sample, or one user; batches are Poisson's,
        and a user's samples are in one independently of each other.

    Raises
    ------
    ConfigError
        A value out of its range.

    Source
    ------
    Mironov et al. 2019 (RDP of the sampled Gaussian mechanism), opacus' code; Gopi, Lee and Wutschitz 2021 (PRV),
    `_by_prv`, which tests hold against opacus' and Google's; for users Choquette-Choo et al. 2024 (mixtures of
    Gaussians: j of a user's samples move a sum by j, and j is binomial).

    Examples
    --------
    >>> round(epsilon(noise_multiplier=1.0, sample_rate=0.01, steps=300, delta=1e-5), 2)
    1.45
    """
    _check(noise_multiplier, sample_rate, steps, delta, releases, series)
    if accountant not in ("rdp", "prv"):
        raise ConfigError(f"accountant={accountant!r} is none of 'rdp', 'prv'.")
    if steps == 0:
        return 0.0
    if noise_multiplier == 0:
        return math.inf
    sigma = noise_multiplier / math.sqrt(releases)
    if accountant == "prv":
        return _by_prv(sigma, sample_rate, steps, delta, series)
    lost = _lost(delta, steps, series)
    return _converted(_rdp(sigma, sample_rate, series, lost) * steps, delta - steps * lost)


def stated(
    *, noise_multiplier: float, sample_rate: float, steps: int, delta: float, releases: int = 1, series: int = 1
) -> tuple[float, str]:
    """The epsilon to show, and whose it is: PRV's, which is tighter, or RDP's where PRV takes too long.

    Parameters
    ----------
    noise_multiplier, sample_rate, steps, delta, releases, series
        As in `epsilon`.

    Returns
    -------
    tuple of float and str
        And "PRV" or "RDP": the latter above an epsilon of 20 by RDP, after more than 100,000 steps, and where delta is
        so small that PRV's rounding errors are larger.

    Raises
    ------
    ConfigError
        A value out of its range.

    Examples
    --------
    >>> value, accountant = stated(noise_multiplier=1.0, sample_rate=0.01, steps=300, delta=1e-5)
    >>> round(value, 2), accountant
    (1.08, 'PRV')
    """
    settings: dict[str, Any] = {
        "noise_multiplier": noise_multiplier, "sample_rate": sample_rate, "steps": steps, "delta": delta,
        "releases": releases, "series": series,
    }  # fmt: skip
    by_rdp = epsilon(**settings)
    if by_rdp <= TIGHT_UP_TO and steps <= TIGHT_STEPS:
        with contextlib.suppress(ValueError):  # of a delta too small
            by_prv = epsilon(**settings, accountant="prv")
            if by_prv <= by_rdp:
                return by_prv, "PRV"
    return by_rdp, "RDP"


def noise_for(
    *,
    epsilon: float,
    sample_rate: float,
    steps: int,
    delta: float,
    releases: int = 1,
    series: int = 1,
    accountant: str = "rdp",
) -> float:
    """The smallest noise multiplier (to 0.1 %) that keeps within `epsilon`.

    Parameters
    ----------
    epsilon : float
        Above 0.
    sample_rate, steps, delta, releases, series, accountant
        As in `dgkit.privacy.epsilon`; where PRV takes too long (`stated`), RDP's noise, which is more than enough.

    Returns
    -------
    float
        In units of the clipping norm, for `DP(noise_multiplier=...)`.

    Raises
    ------
    ConfigError
        A value out of its range; no noise up to 10,000 suffices.

    Examples
    --------
    >>> sigma = noise_for(epsilon=1.0, sample_rate=0.01, steps=300, delta=1e-5)
    >>> from dgkit.privacy import epsilon
    >>> 0.98 < epsilon(noise_multiplier=sigma, sample_rate=0.01, steps=300, delta=1e-5) <= 1
    True
    """
    if isinstance(epsilon, bool) or not (isinstance(epsilon, int | float) and 0 < epsilon < math.inf):
        raise ConfigError(f"epsilon={epsilon!r} must be above 0 and finite.")
    settings: dict[str, Any] = {
        "sample_rate": sample_rate, "steps": steps, "delta": delta, "releases": releases, "series": series
    }  # fmt: skip

    if accountant == "prv":  # which must not be asked of too little noise: downwards from what RDP needs
        high = noise_for(epsilon=epsilon, **settings)
        low = 0.9 * high
        if epsilon > TIGHT_UP_TO or steps > TIGHT_STEPS:
            return high
        while _spent(noise_multiplier=low, accountant="prv", **settings) <= epsilon:
            low, high = 0.9 * low, low
        return _between(low, high, epsilon, accountant, settings)

    least = _converted(np.zeros(len(ORDERS)), delta)  # of no divergence at all: the orders end
    if epsilon <= least:
        raise ConfigError(
            f"epsilon={epsilon:g}: the accountant states {least:.2g} at least at delta={delta:g}. Raise it."
        )

    # from above: the first doubling of the noise that suffices
    low, high = 0.0, 1.0
    while _spent(noise_multiplier=high, accountant=accountant, **settings) > epsilon:
        low, high = high, 2 * high
        if high > 10_000:
            raise ConfigError(f"epsilon={epsilon:g} cannot be kept in {steps} steps. Raise it, or take fewer steps.")

    return _between(low, high, epsilon, accountant, settings)


def _between(low: float, high: float, epsilon: float, accountant: str, settings: dict[str, Any]) -> float:
    """Halve what is left."""
    while high - low > 1e-3 * high:
        middle = (low + high) / 2
        if _spent(noise_multiplier=middle, accountant=accountant, **settings) > epsilon:
            low = middle
        else:
            high = middle
    return high


_spent = epsilon  # where an argument has that name


@lru_cache(maxsize=256)
def _rdp(sigma: float, sample_rate: float, series: int = 1, lost: float = 0.0) -> np.ndarray:
    """Rényi divergence of one step at every order."""
    if series > 1:
        return _rdp_of_users(sigma, *_in_a_batch(sample_rate, series, lost))
    with after_the_step():
        compute_rdp = _opacus_rdp().compute_rdp

    return np.asarray(compute_rdp(q=sample_rate, noise_multiplier=sigma, steps=1, orders=ORDERS))


def _rdp_of_users(sigma: float, several: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """ln E_Q[(P / Q)^a] / (a - 1) of `_by_prv`'s P and Q, by sums over x: all peaks are as wide as sigma.

    Where that takes too long, what it is at most: as if all of the user's samples were always in the batch.
    """
    from scipy.special import logsumexp

    several, chance = several[chance > 0], chance[chance > 0]
    found: list[float] = []
    for order in ORDERS:
        if 4 * order * several[-1] / sigma * len(several) > MOST_TERMS:
            found.append(order * float(several[-1] / sigma) ** 2 / 2)
            continue
        x = np.arange(-12, order * several[-1] / sigma + 12, 0.25)[:, None] * sigma
        loss = logsumexp(np.log(chance) + (2 * several * x - several**2) / (2 * sigma**2), axis=1)
        total = logsumexp(order * loss - x[:, 0] ** 2 / (2 * sigma**2)) + math.log(0.25 / math.sqrt(2 * math.pi))
        found.append(max(0.0, float(total)) / (order - 1))
    return np.array(found)


@cache
def _opacus_rdp() -> Any:
    """opacus' module of Rényi divergences, and not the rest of opacus, which takes a second and 90 MB."""
    package: Any = find_spec("opacus")
    path = Path(package.submodule_search_locations[0]) / "accountants" / "analysis" / "rdp.py"
    spec: Any = spec_from_file_location("dgkit.core._opacus_rdp", path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _converted(divergence: np.ndarray, delta: float) -> float:
    """Rényi divergences -> epsilon at delta, as opacus' `get_privacy_spent`, without its warning at the end orders."""
    orders = np.asarray(ORDERS)
    values = divergence - (np.log(delta) + np.log(orders)) / (orders - 1) + np.log((orders - 1) / orders)
    return max(0.0, float(np.nanmin(values)))


@lru_cache(maxsize=256)
def _by_prv(sigma: float, q: float, steps: int, delta: float, series: int = 1) -> float:
    """Epsilon from the privacy loss itself: that of one step on a grid, `steps` times convolved, and an upper bound.

    The loss is ln(P / Q) of what is published, P with the one user and Q without: Q = N(0, sigma^2), and P a mixture
    of N(j, sigma^2), by how many j of the user's samples are in the batch. Grid and bounds are those of the source,
    `ERROR` of epsilon and a thousandth of delta; no answer, a ValueError, where delta is so small that rounding could
    reach it. NumPy's transform: SciPy's keeps a table for each length that it has met, which came to 100 MB.
    """
    from scipy.fft import next_fast_len

    missed, lost = delta / 1000, _lost(delta, steps, series)
    of_one = _rdp(sigma, q, series, lost)
    reach = 3 + max(_converted(of_one * steps, missed / 4), _converted(of_one, missed / (8 * steps)), ERROR)
    mesh = ERROR / math.sqrt(steps * math.log(12 / missed) / 2)
    if reach / mesh > MOST_POINTS:
        raise ValueError(f"losses of up to {reach:g} need {reach / mesh:.2g} points")
    half = next_fast_len(math.ceil(reach / mesh), real=True)  # a length that a transform likes, and needs no more for
    if 2 * half * np.finfo(float).eps > delta - missed:
        raise ValueError(f"delta={delta:g} is too small for a grid of {2 * half:,} points")
    several, chance = _in_a_batch(q, series, lost)

    def below(t: Any) -> Any:
        """The probability under P of a loss of at most t."""
        return _below(np.asarray(t, np.float64), sigma, several, chance)

    # one step, cut at the ends, and moved so that its mean is right in spite of the grid
    loss = np.arange(-half, half) * mesh
    edges = np.append(loss, half * mesh) - mesh / 2
    first, last = float(below(edges[0])), float(below(edges[-1]))
    share = np.diff(np.concatenate([below(part) for part in np.array_split(edges, 1 + half // 2**15)]))
    share /= last - first
    bend = max(float(np.log(chance[0])), edges[0] / 2) if several[0] == 0 and chance[0] > 0 else 0.0  # no loss is less
    shift = _mean(lambda t: (below(t) - first) / (last - first), edges[0], bend, edges[-1]) - loss @ share
    del edges, loss

    # all steps: zero is moved to the front and back
    waves = np.fft.rfft(np.roll(share, half))
    del share
    waves **= steps
    share = np.roll(np.fft.irfft(waves, 2 * half), half)
    del waves

    # delta(epsilon) = P[loss >= epsilon] - e^epsilon Q[loss >= epsilon], from the largest loss down to about 0
    loss = np.arange(-half, half) * mesh + steps * shift
    asked = loss > -2 * ERROR
    loss, share = loss[asked][::-1], share[asked][::-1]
    of_p, of_q = share.cumsum(), (share * np.exp(-loss)).cumsum()
    least = delta - missed - steps * lost
    at = int((of_p - np.exp(loss) * of_q < least).sum()) - 1
    return max(0.0, math.log(max(of_p[at] - least, 1e-300) / of_q[at]) + ERROR)


def _below(t: np.ndarray, sigma: float, several: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """The probability under P of a loss of at most t: P[x <= x(t)], x(t) where P / Q = e^t."""
    from scipy.special import ndtr

    # sum over j >= 1 of P(j) e^((2 j x - j^2) / 2 sigma^2) = e^t - P(0): no term is more, so that x is at most
    some, log = (several > 0) & (chance > 0), np.log
    rest = np.exp(t) - (chance[0] if several[0] == 0 else 0.0)
    j, w = several[some], log(chance[some])
    aim = log(np.where(rest > 0, rest, 1.0))
    x = np.min([sigma**2 * (aim - w_j) / k + k / 2 for k, w_j in zip(j, w, strict=True)], axis=0)

    # Newton's steps, of a convex function from above
    for _ in range(50 if len(j) > 1 else 0):
        terms = [w_j + (2 * k * x - k * k) / (2 * sigma**2) - aim for k, w_j in zip(j, w, strict=True)]
        parts = [np.exp(term) for term in terms]
        whole_sum = np.sum(parts, axis=0)
        step = log(whole_sum) * whole_sum * sigma**2 / np.sum([k * p for k, p in zip(j, parts, strict=True)], axis=0)
        x = x - step
        if np.abs(step).max() < 1e-12 * sigma:
            break
    x = np.where(rest > 0, x, -np.inf)  # no loss is less than ln P(0)
    found: np.ndarray = np.sum([c * ndtr((x - k) / sigma) for k, c in zip(several, chance, strict=True)], axis=0)
    return found


def _in_a_batch(q: float, series: int, lost: float) -> tuple[np.ndarray, np.ndarray]:
    """How many of a user's samples are in a batch, and with which probabilities: binomial.

    Left out is what is rarer than `lost`: at that share of the batches anything may be given away.
    """
    from scipy.special import gammaln, xlog1py, xlogy

    several = np.arange(series + 1)
    ways = gammaln(series + 1) - gammaln(several + 1) - gammaln(series - several + 1)
    chance = np.exp(ways + xlogy(several, q) + xlog1py(series - several, -q))
    more = chance[::-1].cumsum()[::-1] - chance
    kept = slice(0, max(2, int((more > lost).sum()) + 1))
    return several[kept].astype(float), chance[kept] / chance[kept].sum()


def _lost(delta: float, steps: int, series: int) -> float:
    """What `_in_a_batch` may leave out: of all steps at most a 4000th of delta, by powers of ten."""
    return 0.0 if series == 1 else float(10 ** math.floor(math.log10(delta / (4000 * steps))))


def _mean(below: Any, first: float, bend: float, last: float) -> float:
    """The mean of a distribution on [first, last] from P[<= t], by Gauss-Legendre, short steps where it bends most."""
    ends = np.geomspace(1e-7, 1, 201)
    edges = np.concatenate([bend + (first - bend) * ends[::-1], [bend], bend + (last - bend) * ends])
    at, weight = np.polynomial.legendre.leggauss(16)
    half = np.diff(edges)[:, None] / 2
    values = below((edges[:-1, None] + half * (1 + at)).ravel()).reshape(-1, 16)
    return last - float((half * weight * values).sum())


def _check(noise_multiplier: Any, sample_rate: Any, steps: Any, delta: Any, releases: Any, series: Any) -> None:
    def number(value: Any) -> bool:
        return isinstance(value, int | float | np.number) and not isinstance(value, bool) and math.isfinite(value)

    if not number(noise_multiplier) or not (noise_multiplier == 0 or 1e-3 <= noise_multiplier <= 1e6):
        raise ConfigError(f"noise_multiplier={noise_multiplier!r} must be 0, or between 0.001 and 1,000,000.")
    if not number(sample_rate) or not 0 < sample_rate <= 1:
        raise ConfigError(
            f"sample_rate={sample_rate!r} must be above 0 and at most 1: batch size over training samples."
        )
    if not number(delta) or not 0 < delta < 1:
        raise ConfigError(f"delta={delta!r} must be between 0 and 1, e.g. 1e-5.")
    whole("steps", steps, least=0)
    whole("releases", releases)
    whole("series", series, 1, 1001)


def changed(before: Config, changes: dict[str, Any]) -> Config:
    """The settings of a training with some changed; ConfigError where that would make its epsilon untrue."""
    after = replace(before, **changes)
    differ = sorted(name for name in ACCOUNTED & set(changes) if getattr(after, name) != getattr(before, name))
    if differ and (before.dp or after.dp):
        raise ConfigError(
            f"{', '.join(differ)}: epsilon is accounted from the first step on with the settings it began with. "
            "Change only others, such as steps, or train from the start."
        )
    return after


def spent(config: Config, n: int, batches: int, releases: int, *, accountant: str = "rdp") -> float:
    """The epsilon of a training with these settings after so many batches of n samples; infinite: nothing is promised.

    By RDP, which is quick enough for every step; "prv" is `stated`.

    Examples
    --------
    >>> from dgkit.core.config import DP
    >>> spent(Config(), 100, 1, 2), round(spent(Config(batch_size=10, dp=DP(1.0, delta=1e-3)), 100, 1, 2), 2)
    (inf, 2.42)
    """
    dp = config.dp
    if dp is None or (dp.sampling != "poisson" and batches):
        return math.inf
    settings: dict[str, Any] = {
        "noise_multiplier": dp.noise_multiplier,
        "sample_rate": config.batch_size / n,
        "steps": batches,
        "delta": dp.delta,
        "releases": releases,
    }
    return stated(**settings)[0] if accountant == "prv" else epsilon(**settings)


SPENT = ("epsilon", "batches")  # attrs of a private model's history: what was spent, half steps included


def spent_on(history: xr.Dataset) -> tuple[float, int]:
    """Epsilon (by RDP) of a private model with this history, and the batches that it is of.

    The last record knows nothing of half steps after it, so they stand in attrs; files of before have only records.

    Examples
    --------
    >>> spent_on(xr.Dataset({"epsilon": ("step", [1.0, 1.5])}, attrs={"epsilon": 2.5, "batches": 7}))
    (2.5, 7)
    """
    steps = history.sizes.get("step", 0)
    last = float(history.epsilon.values[-1]) if steps else math.inf
    return float(history.attrs.get("epsilon", last)), int(history.attrs.get("batches", steps))


def in_words(config: Config, history: xr.Dataset) -> str:
    """What a private model says of itself."""
    delta = config.dp.delta if config.dp else math.nan
    return f"epsilon {at_most(spent_on(history)[0])} at delta {delta:g} (at most, by RDP)"


def public(
    config: Config, schema: Schema, history: xr.Dataset, epsilon: float, batches: int
) -> tuple[Config, Schema, xr.Dataset]:
    """What may be given away of a private run: no seed, none of the data's notes, nothing that saw data without noise.

    Examples
    --------
    >>> from dgkit.schema import validate
    >>> from dgkit.simulate import web
    >>> config, schema, history = public(Config(seed=4711), validate(web(30)), xr.Dataset(), 1.5, 3)
    >>> config.seed, schema.attrs, history.attrs
    (None, {}, {'epsilon': 1.5, 'batches': 3})
    """
    kept = {"generator_loss", "generator_gradient", "discriminator_gradient", "epsilon"}
    told = history.drop_vars(set(history) - kept).assign_attrs(zip(SPENT, (epsilon, batches), strict=True))
    return replace(config, seed=None), bare(schema), told


def check_delta(delta: float, n: int, name: str = "delta") -> None:
    """ConfigError where a mechanism that publishes a random one of n samples would pass."""
    if delta >= 1 / n:
        raise ConfigError(
            f"{name}={delta:g} is not below 1 / {n}, one over the number of samples: a mechanism that publishes a "
            f"random sample would pass. Set delta={0.1 / n:.1g} or less."
        )


def check_training(config: Config, n: int, schema: Schema, train: xr.Dataset, start: Any = None) -> None:
    """ConfigError where a training with `config.dp` on n samples promises nothing; a warning of what it leaves out.

    Examples
    --------
    >>> from dgkit.core.config import DP
    >>> from dgkit.schema import validate
    >>> from dgkit.simulate import web
    >>> try:
    ...     check_training(Config(dp=DP(1.0, delta=0.1)), 100, validate(web(30)), web(30))
    ... except ConfigError as error:
    ...     print(str(error)[:34])
    dp: delta=0.1 is not below 1 / 100
    """
    if config.dp is None:
        return
    if config.batch_size > n:
        raise ConfigError(f"batch_size={config.batch_size} is more than the {n} samples. Lower it.")
    check_delta(config.dp.delta, n, "dp: delta")

    if not config.private:
        return
    found, ways = [], []
    if own := ranged(schema):
        found.append(f"the smallest and the largest value of {', '.join(map(repr, own))}")
        ways.append(f"ds[{own[0]!r}].attrs.update(valid_min=..., valid_max=...)")
    if own := [name for name in listed(schema) if "categories" not in train[name].attrs]:
        found.append(f"the list of categories of {', '.join(map(repr, own))}")
        ways.append(f"ds[{own[0]!r}].attrs['categories'] = [every one there can be]")
    if found:
        warnings.warn(
            f"epsilon does not cover {' and '.join(found)}, which are taken from the data. Where they are publicly "
            f"known: {'; '.join(ways)}.",
            stacklevel=outside(),
        )
    if start is not None:
        warnings.warn(
            "epsilon does not cover the data that `start` was trained on: they are taken as public.",
            stacklevel=outside(),
        )


def ranged(schema: Schema) -> list[str]:
    """The variables whose smallest and largest values are taken from the data, which epsilon does not cover.

    Examples
    --------
    >>> from dgkit.schema import validate
    >>> from dgkit.simulate import web
    >>> ranged(validate(web(30)))
    ['views']
    """
    return [
        variable.name
        for variable in (*schema.features, *schema.attributes)
        if variable.kind == "continuous" and not {"valid_min", "valid_max"} <= set(variable.attrs)
    ]


def listed(schema: Schema) -> list[str]:
    """The variables with a list of categories, which is in the model as it stands: all but truth values.

    Examples
    --------
    >>> from dgkit.schema import validate
    >>> from dgkit.simulate import web
    >>> listed(validate(web(30)))
    ['domain', 'access', 'agent']
    """
    variables = (*schema.features, *schema.attributes)
    return [v.name for v in variables if v.kind == "categorical" and v.categories != (False, True)]
