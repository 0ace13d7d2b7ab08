"""Whether one generator was saturated: its figures, second by second, against limits.

A figure above its limit falsifies times, if it is above it for 5 s in a row, or for 5 s and more than a tenth of the
time in all. A lone spike is no reason: it costs a few samples, and machines have them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toril.timeline import HealthSeries, longest_run

IN_A_ROW_S = 5
IN_ALL_S = 5
SHARE_OF_TIME = 0.1
FULL = 0.97  # of the CPU that the engine may use: no core is free when it has something to do
CROWDED = 0.6  # … and so much of it goes to other programs: the engine is one of many there
STARVED = 0.5  # of waiting for a core of a full machine, whoever fills it
NOTABLE = 0.1  # of waiting: less is no reason to call an engine that runs nearly all the time a starved one


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From where on a generator's own slowness shows in what it measures. Fractions as in HealthSeries."""

    cpu: float
    core: float  # also of running and waiting together: what is left is all the time that it had to spare
    waiting: float | None  # None: not judged; lateness tells instead
    throttled: float
    lateness_us: int  # of the ninth of ten sends
    lateness_of_median: float  # … and so much of what is measured does no harm: the higher of both is the limit
    memory: float  # of the control group's limit, or of the machine
    sockets: float  # of the nearest limit: files of a process, or ports


@dataclass(frozen=True, slots=True, kw_only=True)
class Saturation:
    """One figure of one worker that was above its limit for too long."""

    what: str  # cpu, core, machine, crowd, full, waiting, throttled, lateness, memory, sockets
    value: float  # the worst of those seconds; lateness in µs, all else a fraction
    limit: float
    from_s: int  # the first second of the longest time in a row
    lasted_s: int  # how long that was
    seconds: int  # above the limit in all
    message: str


def saturations(
    series: HealthSeries, limits: Limits, *, worker: str = "", facts: Mapping[str, Any] | None = None
) -> tuple[Saturation, ...]:
    """Everything that was above its limit for too long, what was worst first."""
    total = (facts or {}).get("memory_limit_bytes")
    memory = np.where(series.memory_bytes >= 0, series.memory_bytes / total, np.nan) if total else _unknown(series)
    late_us = np.where(series.late_p90_us >= 0, series.late_p90_us.astype(np.float64), np.nan)
    starved = (series.waiting >= NOTABLE) & (series.core < limits.core) & (series.core + series.waiting >= limits.core)
    others = series.machine - np.fmax(series.cpu, series.core)
    crowd = np.where((others >= CROWDED) | np.isnan(series.machine), series.machine, 0.0)
    full = np.where(series.waiting >= STARVED, series.machine, np.where(np.isnan(series.waiting), np.nan, 0.0))
    measured: list[tuple[str, NDArray[np.float64], float]] = [
        ("core", series.core, limits.core),
        ("cpu", series.cpu, limits.cpu),
        # A machine that its engine fills is judged by core and waiting; where nobody can tell of waiting, as it is.
        ("machine", np.where(np.isnan(series.waiting), series.machine, np.nan), limits.cpu),
        ("crowd", crowd, FULL),
        ("full", full, FULL),
        ("throttled", series.throttled, limits.throttled),
        ("lateness", late_us, limits.lateness_us),
        ("memory", memory, limits.memory),
        ("sockets", series.sockets_share, limits.sockets),
    ]
    found = [_saturation(series, worker, *one) for one in measured]
    if limits.waiting is not None:
        found.append(_saturation(series, worker, "waiting", series.waiting, limits.waiting, starved))
    told = {one.what: one for one in found if one is not None}
    if "crowd" in told:
        told.pop("full", None)  # which says the same
    return tuple(sorted(told.values(), key=lambda one: one.limit / one.value))


def _saturation(
    series: HealthSeries,
    worker: str,
    what: str,
    values: NDArray[np.float64],
    limit: float,
    too: NDArray[np.bool_] | None = None,  # seconds that were too much for another reason
) -> Saturation | None:
    known = ~np.isnan(values)
    second, told = series.second[known], values[known]
    high = told.astype(np.float32) >= np.float32(limit)
    high |= False if too is None else too[known]
    lasted_s, from_s = longest_run(second, high)
    if from_s is None:
        return None
    seconds = int(high.sum())
    if lasted_s < IN_A_ROW_S and (seconds < IN_ALL_S or seconds <= SHARE_OF_TIME * told.size):
        return None
    worst = float(told[high].max())
    when = f"{lasted_s} s in a row from {from_s} s on"
    if lasted_s < IN_A_ROW_S:
        when = f"in {seconds} of {told.size} seconds, first at {second[high][0]} s"
    return Saturation(
        what=what,
        value=round(worst, 4),
        limit=limit,
        from_s=from_s,
        lasted_s=lasted_s,
        seconds=seconds,
        message=f"{_words(worker, what, worst, limit)}, {when}",
    )


def _words(worker: str, what: str, value: float, limit: float) -> str:
    if what == "lateness":
        late, most = (f"{us / 1000:,.0f} ms" for us in (value, limit))
        return f"worker {worker} sent a tenth of its requests {late} late or later (limit {most})"
    words = {
        "core": f"the engine of worker {worker} took up to {value:.0%} of the one core that it can use",
        "cpu": f"worker {worker} took up to {value:.0%} of the CPU that it may use",
        "crowd": f"other programs filled the CPU that the engine of worker {worker} may use, to {value:.0%}",
        "full": f"the engine of worker {worker} waited for a CPU half of the time or more, on a machine at {value:.0%}",
        "machine": f"the machine of worker {worker} was busy with up to {value:.0%} of its CPU",
        "waiting": f"the engine of worker {worker} was ready to run but got no CPU for up to {value:.0%} of a second",
        "throttled": f"worker {worker} was held back by its CPU quota for up to {value:.0%} of a second",
        "memory": f"worker {worker} used up to {value:.0%} of its memory",
        "sockets": f"worker {worker} used up to {value:.0%} of the sockets or files that it may open",
    }
    return f"{words[what]} (limit {limit:.0%})"


def _unknown(series: HealthSeries) -> NDArray[np.float64]:
    return np.full(series.second.size, np.nan)
