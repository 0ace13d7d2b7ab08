"""Checks of a criterion before a run: likely mistakes, and the number of samples that it needs."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from toril.criteria.criterion import Criterion
from toril.criteria.subjects import COUNT
from toril.load.model import Model
from toril.stats import CONFIDENCE

LONG_S = 30  # from here on, a response time without a unit is probably meant in milliseconds
SAMPLES_OF_A_MEAN = 30  # samples that the central limit theorem needs
RULE_OF_THREE = 3  # rule of three: no event in 3 / p samples means a share below p, with 95 % confidence


@dataclass(frozen=True, slots=True)
class Mistake:
    """A likely mistake: how toril and bzt read the criterion, and what to write for the other meaning."""

    code: str
    message: str


def lint(criterion: Criterion) -> Iterator[Mistake]:
    """Yields the likely mistakes in a criterion. Taurus allows them, but most pass or fail every run."""
    text, threshold, metric = f"`{criterion.text}`", criterion.threshold, criterion.metric
    if criterion.server is not None:
        return
    if criterion.bare and threshold >= LONG_S * 1_000_000:
        seconds = threshold / 1_000_000
        message = f"{text}: A time without a unit is in seconds. Write `{seconds:g}ms` or `{seconds:g}s`."
        yield Mistake("bare-seconds", message)
    if criterion.percentile is not None and 0 < criterion.percentile < 1:
        likely = f"p{100 * criterion.percentile:g}"
        yield Mistake("percentile-below-1", f"{text}: Percentiles are in per cent. Write `{likely}` if you mean that.")
    high_is_good = metric.better == "higher" and (metric.source == "capacity" or threshold < 100)
    if criterion.op == "<" and threshold == 0:
        yield Mistake("never-true", f"{text}: No value is below 0, so the criterion never fails a run.")
    elif criterion.fail and criterion.op in ("<", "<=") and metric.better == "lower":
        yield Mistake("fails-good-runs", f"{text}: Low values fail the run. Write `>` if high values should fail it.")
    elif criterion.fail and criterion.op in (">", ">=") and high_is_good:
        yield Mistake("fails-good-runs", f"{text}: High values fail the run. Write `<` if low values should fail it.")
    if criterion.op == ">" and criterion.percent and metric.is_share and threshold == 100:
        yield Mistake("never-true", f"{text}: No share is above 100 %, so the criterion never fails a run.")
    if criterion.percent or metric.measure is not COUNT or metric.window != "sum":
        return
    share = 0.0
    if 0 < threshold < 1:
        share = 100 * threshold
    elif criterion.op in ("<", "<=") and metric.is_share and 50 <= threshold <= 100:
        share = 0.0 if criterion.timeframe_s else threshold
    if share:
        meant = f" Write `{share:g}%` if you mean a share." if metric.is_share else ""
        yield Mistake("missing-percent", f"{text}: A threshold without `%` is a number of samples.{meant}")


def samples_needed(criterion: Criterion) -> int:
    """Returns the fewest samples that can decide the criterion with 95 % confidence."""
    if criterion.percentile is not None:
        return _of_percentile(criterion.percentile) if 0 < criterion.percentile < 100 else 1
    if criterion.percent:
        rarer = min(criterion.threshold, 100 - criterion.threshold) or 100 / SAMPLES_OF_A_MEAN
        return math.ceil(RULE_OF_THREE * 100 / rarer)
    return SAMPLES_OF_A_MEAN if criterion.unit == "us" else 1


class PlannedLoad(Protocol):
    """The load of one execution."""

    @property
    def concurrency(self) -> int | None: ...
    @property
    def throughput_rps(self) -> float | Fraction | None: ...
    @property
    def iterations(self) -> int | None: ...
    @property
    def hold_for_s(self) -> float: ...
    @property
    def model(self) -> Model: ...


def load_for_samples(times: float, load: PlannedLoad, counted_s: float = 0.0) -> str:
    """Returns the settings that multiply an execution's samples: `hold for 18 s, or use 6 users`; empty if none can.

    `counted_s` is the time beside its hold whose samples count, such as its ramp-up.
    """
    if load.iterations is not None:
        return f"use iterations: {math.ceil(load.iterations * times):,}"
    settings = []
    if load.hold_for_s:
        settings.append(f"hold for {math.ceil((counted_s + load.hold_for_s) * times - counted_s):,} s")
    if load.throughput_rps:
        key = "toril.arrivals" if load.model == "arrivals" else "throughput"
        settings.append(f"use {key}: {math.ceil(load.throughput_rps * times):,}")
    elif load.concurrency:
        settings.append(f"use {math.ceil(load.concurrency * times):,} users")
    return ", or ".join(settings)


def _of_percentile(percentile: float) -> int:
    """Returns the samples from which on its interval by order statistics is bounded on both sides.

    With fewer, the probability that all samples lie on one side of the percentile is too high.
    """
    share = percentile / 100
    return math.ceil(math.log((1 - CONFIDENCE) / 2) / math.log(max(share, 1 - share)))
