"""`broadband`: homes, after the paper's FCC Measuring Broadband America: providers, technologies, states, a day."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from dgkit import _checks
from dgkit._checks import whole
from dgkit.simulate.draws import category, draw, known, provenance, rounded

# N samples, T steps; one letter a dim in the shape comments


@dataclass(frozen=True)
class Technology:
    """One access technology of `broadband`.

    Parameters
    ----------
    level : float
        Mean log10 bytes in six hours.
    loss : float
        Mean probability of loss in a step.

    Examples
    --------
    >>> TECHNOLOGIES["Cable"].level
    8.5
    """

    level: float
    loss: float


@dataclass(frozen=True)
class Provider:
    """One ISP of `broadband`.

    Parameters
    ----------
    share : float
        Of the homes.
    technologies : dict
        What it sells, with shares.
    region : str or None
        That it favours.
    level : float
        Shift of log10 bytes.

    Examples
    --------
    >>> round(sum(provider.share for provider in PROVIDERS.values()), 9)
    1.0
    """

    share: float
    technologies: dict[str, float]
    region: str | None
    level: float = 0.0


TECHNOLOGIES = {
    "Cable": Technology(8.50, 0.020),
    "DSL": Technology(8.00, 0.045),
    "Fiber": Technology(8.70, 0.010),
    "Fixed Wireless": Technology(7.90, 0.050),
    "Satellite": Technology(7.65, 0.080),
}
PROVIDERS = {
    "ISP 01": Provider(0.16, {"Cable": 1.0}, "East", 0.05),
    "ISP 02": Provider(0.12, {"Cable": 0.9, "Fiber": 0.1}, "South"),
    "ISP 03": Provider(0.09, {"Cable": 1.0}, "Midwest", -0.05),
    "ISP 04": Provider(0.07, {"Cable": 0.8, "Fiber": 0.2}, "West"),
    "ISP 05": Provider(0.13, {"DSL": 0.7, "Fiber": 0.3}, "South", 0.05),
    "ISP 06": Provider(0.10, {"DSL": 0.9, "Fiber": 0.1}, "West", -0.05),
    "ISP 07": Provider(0.08, {"DSL": 1.0}, "Midwest"),
    "ISP 08": Provider(0.09, {"Fiber": 0.8, "DSL": 0.2}, "East"),
    "ISP 09": Provider(0.05, {"Satellite": 1.0}, None, 0.05),
    "ISP 10": Provider(0.03, {"Satellite": 1.0}, None, -0.10),
    "ISP 11": Provider(0.04, {"Fixed Wireless": 1.0}, "Midwest"),
    "ISP 12": Provider(0.04, {"Cable": 0.5, "DSL": 0.3, "Fixed Wireless": 0.2}, None),
}
REGIONS = {  # of each: its states with their weight (about the population)
    "East": {"MA": 2, "NJ": 3, "NY": 6, "OH": 4, "PA": 4},
    "Midwest": {"IL": 4, "IN": 2, "MI": 3, "MN": 2, "WI": 2},
    "South": {"FL": 7, "GA": 3, "MO": 2, "NC": 3, "VA": 3},
    "West": {"AZ": 2, "CA": 10, "CO": 2, "TX": 8, "WA": 2},
}
STATES = tuple(sorted(state for states in REGIONS.values() for state in states))
OWN_REGION = 8.0  # how many times a provider favours the states of its region
DAY = (-0.65, -0.20, 0.20, 0.65)  # mean shift of ln bytes from midnight, 6, 12 and 18 h
WEEKEND = (0.0, 0.30, 0.25, 0.0)  # added on Saturday and Sunday
LOSS_OF_DAY = (0.8, 0.8, 0.8, 1.6)  # factor of the probability of loss
HOME = {"level": 0.30, "strength": 0.2}  # standard deviations of a home's log10 bytes, and of its factor of the cycle
BROADBAND_NOISE = 0.45  # standard deviation of ln bytes, white
LOSS = (-2.2, 0.5)  # mean and standard deviation of log10 of a loss that occurs


def broadband(n: int = 1500, seed: int = 0, *, time: int = 56) -> xr.Dataset:
    """Traffic and packet loss of homes in steps of six hours, after the FCC's Measuring Broadband America.

    The provider is drawn first, then the technology from what it sells and, independently, the state, 8 times as often
    from the provider's region as the states' weights say. At step t (0: Monday, midnight to 6 h), quarter q = t mod 4,

    ln bytes = ln(10) level + strength * (DAY[q] + WEEKEND[q] on Saturday and Sunday) + 0.45 z,

    with level = technology's + provider's + 0.30 z and strength = 1 + 0.2 z for each home: an evening peak, a heavy
    tail. A step has loss with probability technology's mean * an exponential of mean 1 for the home * LOSS_OF_DAY[q],
    at most 1; the share lost is then 10 ** (-2.2 + 0.5 z), at most 1. The state has no influence of its own.

    Parameters
    ----------
    n : int
        Homes.
    seed : int
        Same seed, same data.
    time : int
        T, steps of six hours; at least 8.

    Returns
    -------
    Dataset, dims (sample, time)
        Features `traffic_bytes` (byte in six hours), `ping_loss` (share of the packets, about 97 % exactly 0), both
        float32; attributes `technology`, `isp` (invented), `state`.

    Raises
    ------
    ConfigError
        An argument outside its range.

    Source
    ------
    Features, attributes and step as in Lin et al. 2020, section 5 and Figure 9; tables invented.

    Examples
    --------
    >>> ds = broadband(500)
    >>> bool((ds.ping_loss == 0).mean() > 0.95)
    True
    """
    _checks.many(n, whole("time", time, 8), 2)
    seed = _checks.seed(seed)
    for_attributes, for_homes, for_traffic, for_loss, for_sizes = np.random.default_rng(seed).spawn(5)
    u_isp, u_technology, u_state, u_loss = for_attributes.random((n, 4)).T
    names, providers = np.array(list(PROVIDERS)), tuple(PROVIDERS.values())
    provider = draw(u_isp, np.array([p.share for p in providers]))
    sold = np.array([[p.technologies.get(name, 0) for name in TECHNOLOGIES] for p in providers])
    technology = np.array(list(TECHNOLOGIES))[draw(u_technology, sold[provider])]
    served = np.array([_state_weights(p.region) for p in providers])
    state = np.array(STATES)[draw(u_state, served[provider])]
    isp = names[provider]
    level, cycle, loss = _broadband_table(technology, isp, time)
    z = for_homes.normal(size=(n, 2))
    log_bytes = (
        np.log(10) * (level + HOME["level"] * z[:, 0])[:, None] + (1 + HOME["strength"] * z[:, 1])[:, None] * cycle
    )
    traffic = np.exp(log_bytes + BROADBAND_NOISE * for_traffic.normal(size=(n, time)))
    lossy = for_loss.random((n, time)) < -np.log1p(-u_loss)[:, None] * loss
    size = np.minimum(10 ** (LOSS[0] + LOSS[1] * for_sizes.normal(size=(n, time))), 1)
    return xr.Dataset(
        {
            "traffic_bytes": (
                ("sample", "time"),
                rounded(traffic),
                {"units": "byte", "long_name": "traffic in six hours", "scale": "log", "valid_min": 0.0},
            ),
            "ping_loss": (
                ("sample", "time"),
                rounded(np.where(lossy, size, 0)),
                {"units": "1", "long_name": "share of packets lost", "valid_min": 0.0, "valid_max": 1.0},
            ),
            "technology": category(technology, list(TECHNOLOGIES), "access technology"),
            "isp": category(isp, list(PROVIDERS), "provider"),
            "state": category(state, list(STATES), "state"),
        },
        {"time": ("time", pd.date_range("2017-10-02", periods=time, freq="6h", unit="ns"), {"long_name": "time"})},
        provenance("broadband", "Simulated home broadband", n, seed, time=time),
    )


def broadband_mean(attributes: xr.Dataset, *, time: int = 56) -> xr.Dataset:
    """The true mean of log10 bytes, and the probability of loss, for each row of attributes, in closed form.

    Parameters
    ----------
    attributes : Dataset, dims (sample,)
        With `technology` and `isp`, such as `broadband` gives.
    time : int
        As in `broadband`.

    Returns
    -------
    Dataset, dims (sample, time)
        `log10_bytes` and `loss_probability`, means over all homes of these attributes. The second leaves out that a
        home's probability is at most 1.

    Raises
    ------
    ConfigError
        An attribute is missing or has a value that `broadband` does not know.

    Examples
    --------
    >>> sorted(broadband_mean(broadband(3)).data_vars)
    ['log10_bytes', 'loss_probability']
    """
    whole("time", time, 8)
    technology = known(attributes, "technology", list(TECHNOLOGIES))
    level, cycle, loss = _broadband_table(technology, known(attributes, "isp", list(PROVIDERS)), time)
    values = {"log10_bytes": level[:, None] + cycle / np.log(10), "loss_probability": loss}
    return xr.Dataset({name: (("sample", "time"), value, {"units": "1"}) for name, value in values.items()})


def _broadband_table(technology: np.ndarray, isp: np.ndarray, time: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean log10 bytes (N,), mean daily cycle of ln bytes (T,) and mean probability of loss (N, T)."""
    step = np.arange(time)
    weekend = step // 4 % 7 >= 5
    cycle = np.array(DAY)[step % 4] + weekend * np.array(WEEKEND)[step % 4]
    level = np.array([TECHNOLOGIES[t].level + PROVIDERS[i].level for t, i in zip(technology, isp, strict=True)])
    loss = np.array([TECHNOLOGIES[t].loss for t in technology])
    return level, cycle, loss[:, None] * np.array(LOSS_OF_DAY)[step % 4]


def _state_weights(region: str | None) -> list[float]:
    """Weight of each of STATES for a provider of the region."""
    weights = {
        s: w * (OWN_REGION if name == region else 1) for name, states in REGIONS.items() for s, w in states.items()
    }
    return [weights[state] for state in STATES]
