"""Three simulators whose ground truth is known: web traffic, a shared compute cluster, home broadband.

A fourth, `snmp_month`, simulates a file: the faults of raw polls, and the truth they hide.

They stand in for the paper's datasets (Lin et al. 2020, section 5: Wikipedia Web Traffic, Google cluster usage traces,
FCC Measuring Broadband America) with models simple enough to state in full, so that a generated dataset can be held
against the truth and not only against another sample. `web_mean`, `cluster_load` and `broadband_mean` give what is
known in closed form. `python -m dgkit.simulate` writes the shipped files.

Every draw comes from a `numpy.random.Generator` of the seed, and values keep 12 bits of their mantissa, which hides the
last bits in which platforms differ: the same seed gives the same data, and the first k samples are the same for every
n >= k. Left out: anything fitted to the real traces; the numbers are chosen to look like them.
"""

from collections.abc import Callable

import xarray as xr

from dgkit.simulate.draws import VERSION
from dgkit.simulate.homes import (
    BROADBAND_NOISE,
    DAY,
    HOME,
    LOSS,
    LOSS_OF_DAY,
    OWN_REGION,
    PROVIDERS,
    REGIONS,
    STATES,
    TECHNOLOGIES,
    WEEKEND,
    Provider,
    Technology,
    broadband,
    broadband_mean,
)
from dgkit.simulate.jobs import (
    ARRIVALS,
    END_EVENTS,
    EVICT_HAZARD,
    JOB_CLASSES,
    LEAK,
    MACHINES,
    STUCK,
    WORK,
    JobClass,
    cluster,
    cluster_load,
)
from dgkit.simulate.pages import (
    ACCESS,
    ACCESS_AGENT,
    AGENT,
    BURST,
    DOMAINS,
    HARMONICS,
    SLOW,
    WEB_CENTRE,
    WEB_JITTER,
    WEB_NOISE,
    WEEK,
    Domain,
    web,
    web_mean,
)
from dgkit.simulate.shared import share_machines, share_uplinks
from dgkit.simulate.snmp import snmp_month

__all__ = [
    "Domain", "JobClass", "Provider", "Technology",
    "broadband", "broadband_mean", "cluster", "cluster_load", "share_machines", "share_uplinks", "snmp_month",
    "web", "web_mean",
    # the truth, as constants
    "ACCESS", "ACCESS_AGENT", "AGENT", "ARRIVALS", "BROADBAND_NOISE", "BURST", "DAY", "DOMAINS", "END_EVENTS",
    "EVICT_HAZARD", "HARMONICS", "HOME", "JOB_CLASSES", "LEAK", "LOSS", "LOSS_OF_DAY", "MACHINES", "OWN_REGION",
    "PROVIDERS", "REGIONS", "SLOW", "STATES", "STUCK", "TECHNOLOGIES", "WEB_CENTRE", "WEB_JITTER", "WEB_NOISE",
    "WEEK", "WEEKEND", "WORK",
    "SHIPPED", "VERSION",
]  # fmt: skip

SHIPPED: dict[str, tuple[Callable[[int], xr.Dataset], int]] = {
    "web": (web, 3000),
    "cluster": (cluster, 3000),
    "broadband": (broadband, 2000),
}
