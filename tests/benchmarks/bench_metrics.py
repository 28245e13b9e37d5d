"""Metrics against the plain ways to compute them: the loop over lags, statsmodels, SciPy.

``python tests/benchmarks/bench_metrics.py`` prints the table; ``rows()`` gives it to `make bench`. Seconds are medians
of runs taken in turn, ours and the other's, so that a slow moment of the machine touches both. Two of the loops take a
minute or more: they run on an evenly spaced part of their work, and the time is scaled to the whole, as the row's name
says. dgkit uses every core that numba sees; the others run as they are called by default (SciPy's FFT also with two
workers). Left out: compilation, a few seconds once and then cached.
"""

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import scipy.fft
import scipy.stats
from statsmodels.tsa.stattools import acf

from dgkit.metrics import autocorrelation, kernels, wasserstein

SAMPLES, STEPS = 5_000, 550  # WWT's length
MANY = 50_000  # WWT's samples
BLOCK = 128  # rows whose spectra stay in a core's second cache
IN_CACHE = 1024  # values of each array of the product loops
LOOP_SAMPLES, LOOP_LAGS = 8, 16  # of the slow loops: this many samples, and every 16th lag


def rows() -> list[dict]:
    """One dict a comparison: name, ours_seconds, other_seconds, ratio (theirs over ours)."""
    series = make_series(SAMPLES)
    many = make_series(MANY)
    spaced = np.arange(1 + LOOP_LAGS // 2, STEPS - 1, LOOP_LAGS)
    all_lags = np.arange(1, STEPS - 1)
    a, b = (np.random.default_rng(seed).lognormal(size=1_000_000) for seed in (0, 1))
    size = f"{SAMPLES} x {STEPS}"

    def paper():
        return autocorrelation(series)

    def standard():
        return autocorrelation(series, kind="standard")

    comparisons: list[tuple[str, Callable, Callable, float, int]] = [
        (
            f"autocorrelation (paper) {size} / NumPy, loop over lags and samples [{LOOP_SAMPLES} samples, scaled]",
            paper,
            lambda: loop_over_lags_and_samples(series[:LOOP_SAMPLES], all_lags),
            SAMPLES / LOOP_SAMPLES,
            3,
        ),
        (
            f"autocorrelation (paper) {size} / NumPy, loop over lags [1 lag in {LOOP_LAGS}, scaled]",
            paper,
            lambda: loop_over_lags(series, spaced),
            all_lags.size / spaced.size,
            3,
        ),
        (
            f"autocorrelation (paper) {size} / statsmodels acf(fft=True), loop over samples",
            paper,
            lambda: loop_statsmodels(series),
            1,
            5,
        ),
        (
            f"autocorrelation (standard) {size} / statsmodels acf(fft=True), loop over samples",
            standard,
            lambda: loop_statsmodels(series),
            1,
            5,
        ),
        (
            f"autocorrelation (paper) {size} / SciPy FFT of all rows, running sums",
            paper,
            lambda: batched_fft(series),
            1,
            9,
        ),
        (f"autocorrelation (paper) {size} / the same, workers=2", paper, lambda: batched_fft(series, workers=2), 1, 9),
        *limits(series, 9),
        *limits(many, 3),
        (
            "wasserstein 10^6 and 10^6 float64 / scipy.stats",
            lambda: wasserstein(a, b),
            lambda: scipy.stats.wasserstein_distance(a, b),
            1,
            5,
        ),
        (
            "wasserstein 10^6 and 10^6 float32 / scipy.stats",
            lambda: wasserstein(a32, b32),
            lambda: scipy.stats.wasserstein_distance(a32, b32),
            1,
            5,
        ),
        (
            "wasserstein 10^6 and 0.9 x 10^6 float64 / scipy.stats",
            lambda: wasserstein(a, b[:900_000]),
            lambda: scipy.stats.wasserstein_distance(a, b[:900_000]),
            1,
            5,
        ),
    ]
    a32, b32 = a.astype(np.float32), b.astype(np.float32)
    return [compare(*comparison) for comparison in comparisons]


def limits(series: np.ndarray, repeats: int) -> list[tuple[str, Callable, Callable, float, int]]:
    """Comparisons of both definitions with the machine's multiply-adds and with SciPy's FFT in blocks."""
    rows, steps = series.shape
    products = rows * steps * (steps - 1) // 2  # of all pairs of steps, once

    def both(kind: str, what: str, other: Callable) -> tuple[str, Callable, Callable, float, int]:
        name = f"autocorrelation ({kind}) {rows} x {steps} / {what}"
        return name, lambda: autocorrelation(series, kind=kind), other, 1, repeats

    return [
        both("paper", "as many multiply-adds, plain product loop", lambda: on_all_cores(product_loop, products)),
        both("paper", "as many multiply-adds in registers", lambda: on_all_cores(polynomials, products)),
        both("paper", f"SciPy FFT in blocks of {BLOCK} rows", lambda: fft_in_blocks(series, batched_fft)),
        both("standard", f"SciPy FFT in blocks of {BLOCK} rows", lambda: fft_in_blocks(series, batched_standard)),
    ]


def on_all_cores(loop: Callable, count: int) -> None:
    """`count` multiply-adds by `loop`, in the threads that dgkit uses."""
    kernels.over_rows(loop, count // IN_CACHE)


@numba.njit(nogil=True, fastmath=kernels.REASSOCIATE, error_model="numpy")
def product_loop(start, stop):
    """IN_CACHE multiply-adds a turn, each of two values loaded."""
    x, y = np.full(IN_CACHE, 0.5), np.full(IN_CACHE, 0.25)
    total = 0.0
    for turn in range(start, stop):
        for t in range(x.size):
            total += x[t] * y[t]
        x[turn % x.size] += 1e-9  # else the compiler multiplies once
    return total


@numba.njit(nogil=True, fastmath={"contract"}, error_model="numpy")
def polynomials(start, stop):
    """IN_CACHE multiply-adds a turn, eight for each value loaded: a polynomial of degree eight."""
    x, y, total = np.full(IN_CACHE // 8, 0.5), np.full(IN_CACHE // 8, 0.25), np.zeros(IN_CACHE // 8)
    for _ in range(start, stop):
        for t in range(total.size):
            v = x[t]
            s = y[t]
            s = s * v + 0.5
            s = s * v + 0.5
            s = s * v + 0.5
            s = s * v + 0.5
            s = s * v + 0.5
            s = s * v + 0.5
            s = s * v + 0.5
            s = s * v + 0.5
            total[t] += s
    return total.sum()


def compare(name: str, ours: Callable, other: Callable, factor: float, repeats: int) -> dict:
    """Median seconds of both, run in turn; the other's multiplied by `factor`, where it does a part of the work."""
    ours()  # compiles
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for function, seconds in zip((ours, other), taken, strict=True):
            start = time.perf_counter()
            function()
            seconds.append(time.perf_counter() - start)
    ours_seconds, other_seconds = statistics.median(taken[0]), statistics.median(taken[1]) * factor
    return {
        "name": name,
        "ours_seconds": ours_seconds,
        "other_seconds": other_seconds,
        "ratio": other_seconds / ours_seconds,
    }


def make_series(samples: int) -> np.ndarray:
    """Random walks with a weekly cycle and noise, (samples, STEPS)."""
    random = np.random.default_rng(0)
    walks = 0.1 * random.normal(size=(samples, STEPS)).cumsum(axis=1)
    return walks + np.sin(np.arange(STEPS) * 2 * np.pi / 7) + random.normal(size=(samples, STEPS))


def loop_over_lags(series: np.ndarray, lags: np.ndarray) -> np.ndarray:
    """The paper's definition a lag at a time, vectorised over samples as the original is."""
    curve = []
    for lag in lags:
        x, y = series[:, :-lag], series[:, lag:]
        x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
        numerator = (x * y).sum(axis=1)
        denominator = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
        numerator[numerator == 0] = 1e-8
        denominator[denominator == 0] = 1e-8
        r = numerator / denominator
        r[np.abs(r) > 1] = 0
        curve.append(r.mean())
    return np.array(curve)


def loop_over_lags_and_samples(series: np.ndarray, lags: np.ndarray) -> np.ndarray:
    """The same, one sample and one lag at a time."""
    return np.array([np.mean([loop_over_lags(sample[None], [lag]) for sample in series]) for lag in lags])


def loop_statsmodels(series: np.ndarray) -> np.ndarray:
    """Mean of statsmodels' acf, a sample at a time."""
    return np.mean([acf(sample, nlags=STEPS - 2, fft=True) for sample in series], axis=0)[1:]


def batched_fft(series: np.ndarray, workers: int | None = None) -> np.ndarray:
    """The paper's definition by one zero-padded FFT of all centred rows, moments from running sums; float64."""
    steps = series.shape[1]
    x = series - series.mean(axis=1, keepdims=True)
    padded = scipy.fft.next_fast_len(2 * steps, real=True)
    spectrum = scipy.fft.rfft(x, padded, axis=1, workers=workers)
    products = scipy.fft.irfft(spectrum.real**2 + spectrum.imag**2, padded, axis=1, workers=workers)[:, 1 : steps - 1]
    sums, squares = x.cumsum(axis=1), (x**2).cumsum(axis=1)
    lag = np.arange(1, steps - 1)
    pairs = steps - lag
    head, head_squares = sums[:, pairs - 1], squares[:, pairs - 1]
    tail, tail_squares = sums[:, -1:] - sums[:, lag - 1], squares[:, -1:] - squares[:, lag - 1]
    numerator = products - head * tail / pairs
    denominator = np.sqrt((head_squares - head**2 / pairs) * (tail_squares - tail**2 / pairs))
    numerator[numerator == 0] = 1e-8
    denominator[denominator == 0] = 1e-8
    r = numerator / denominator
    r[np.abs(r) > 1] = 0
    return r.mean(axis=0)


def batched_standard(series: np.ndarray) -> np.ndarray:
    """The standard definition of all rows by the sum of their power spectra and one inverse FFT; float64."""
    steps = series.shape[1]
    x = series - series.mean(axis=1, keepdims=True)
    x /= np.sqrt((x**2).sum(axis=1, keepdims=True))
    padded = scipy.fft.next_fast_len(2 * steps, real=True)
    spectrum = scipy.fft.rfft(x, padded, axis=1)
    return scipy.fft.irfft((spectrum.real**2 + spectrum.imag**2).mean(axis=0), padded)[1 : steps - 1]


def fft_in_blocks(series: np.ndarray, of_block: Callable) -> np.ndarray:
    """Mean curve of blocks of BLOCK rows, in the threads that dgkit uses."""
    starts = np.arange(0, len(series), BLOCK)

    def weighted(start: int) -> np.ndarray:
        block = series[start : start + BLOCK]
        return of_block(block) * len(block)

    with ThreadPoolExecutor(kernels.THREADS) as pool:
        return sum(pool.map(weighted, starts)) / len(series)


def table(results: list[dict]) -> str:
    """The rows as text."""
    lines = [f"{'ours s':>9} {'other s':>9} {'ratio':>8}  comparison"]
    lines += [
        f"{row['ours_seconds']:9.4f} {row['other_seconds']:9.3f} {row['ratio']:8.2f}  {row['name']}" for row in results
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(rows()))
