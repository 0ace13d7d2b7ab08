"""What can be known of a criterion before a run: likely slips, and how many samples it needs."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from toril.criteria.criterion import Criterion
from toril.criteria.subjects import GENERATOR, SHARES
from toril.stats import CONFIDENCE

LONG_S = 30  # a response time that few mean when they write a number alone
COUNTED = ("hits", "succ", "fail", "rc")
BAD = ("avg-rt", "avg-lt", "avg-ct", "stdev-rt", "p", "fail", *GENERATOR)  # the less, the better
GOOD = ("succ", "load")
OF_A_MEAN = 30  # samples from which on the central limit theorem may be trusted
SURE_OF_NONE = 3  # none among 3 / p samples: with 95 % confidence there is less than p of it


@dataclass(frozen=True, slots=True)
class Finding:
    """A likely slip: how toril, and bzt, read the criterion, and what to write if something else is meant."""

    code: str
    message: str


def lint(criterion: Criterion) -> Iterator[Finding]:
    """The likely slips in a criterion: allowed, as in Taurus, but they would pass or fail every run."""
    text, threshold = f"`{criterion.text}`", criterion.threshold
    if criterion.server is not None:
        return
    if criterion.bare and threshold >= LONG_S * 1_000_000:
        seconds = threshold / 1_000_000
        message = f"{text}: a number alone is seconds; write `{seconds:g}ms` for milliseconds, or `{seconds:g}s`"
        yield Finding("bare-seconds", message)
    if criterion.percentile is not None and 0 < criterion.percentile < 1:
        likely = f"p{100 * criterion.percentile:g}"
        yield Finding("percentile-below-1", f"{text}: percentiles are in per cent; write `{likely}` if that is meant")
    if criterion.op == "<" and threshold == 0:
        yield Finding("never-true", f"{text}: nothing is below 0, so it cannot come true")
    elif criterion.fail and criterion.op in ("<", "<=") and criterion.subject in BAD:
        yield Finding("fails-good-runs", f"{text}: this fails a run for little of it; write `>` to fail one for much")
    elif criterion.fail and criterion.op in (">", ">=") and _much_is_good(criterion):
        yield Finding("fails-good-runs", f"{text}: this fails a run for much of it; write `<` to fail one for little")
    if criterion.op == ">" and criterion.percent and criterion.subject in SHARES and threshold == 100:
        yield Finding("never-true", f"{text}: no share is above 100 %, so it cannot come true")
    if criterion.percent or criterion.subject not in COUNTED:
        return
    share = 0.0
    if 0 < threshold < 1:
        share = 100 * threshold
    elif criterion.op in ("<", "<=") and criterion.subject in SHARES and 50 <= threshold <= 100:
        share = 0.0 if criterion.timeframe_s else threshold
    if share:
        meant = f"; write `{share:g}%` if their share is meant" if criterion.subject in SHARES else ""
        yield Finding("missing-percent", f"{text}: without `%` it is a number of samples{meant}")


def _much_is_good(criterion: Criterion) -> bool:
    return criterion.subject == "capacity" or (criterion.subject in GOOD and criterion.threshold < 100)


def samples_needed(criterion: Criterion) -> int:
    """The fewest samples that can show that it holds, or does not, with 95 % confidence."""
    if criterion.percentile is not None:
        return _of_percentile(criterion.percentile) if 0 < criterion.percentile < 100 else 1
    if criterion.percent:
        rarer = min(criterion.threshold, 100 - criterion.threshold) or 100 / OF_A_MEAN
        return math.ceil(SURE_OF_NONE * 100 / rarer)
    return OF_A_MEAN if criterion.unit == "us" else 1


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


def load_for_samples(times: float, load: PlannedLoad, ramp_up_s: float = 0.0) -> str:
    """The settings that multiply an execution's samples: `hold for 18 s, or use 6 users`; empty where none can.

    `ramp_up_s` is the part of its ramp-up that makes samples, too.
    """
    if load.iterations is not None:
        return f"use iterations: {math.ceil(load.iterations * times):,}"
    found = []
    if load.hold_for_s:
        found.append(f"hold for {math.ceil((ramp_up_s + load.hold_for_s) * times - ramp_up_s):,} s")
    if load.throughput_rps:
        found.append(f"use throughput: {math.ceil(load.throughput_rps * times):,}")
    elif load.concurrency:
        found.append(f"use {math.ceil(load.concurrency * times):,} users")
    return ", or ".join(found)


def _of_percentile(percentile: float) -> int:
    """Until its interval by order statistics is bounded on both sides.

    That is so once it is rare enough that all samples lie on one side of the percentile.
    """
    share = percentile / 100
    return math.ceil(math.log((1 - CONFIDENCE) / 2) / math.log(max(share, 1 - share)))
