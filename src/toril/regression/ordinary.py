"""What ordinary runs of a suite differ by: the range of the difference of two of them, figure by figure.

Two runs always differ, and by far more than their own samples explain. Only a difference beyond this range is news.

- Ordinary are runs with an equal fingerprint that `is_measured` accepts and that did not fail. Whatever made a run fail
  is no chance. Its figures would widen the range until the next such failure is ordinary.
- The range comes from the differences of neighbouring runs (von Neumann, 1941, The mean square successive difference),
  by Student's distribution. A service that became slower weeks ago counts once in them, and not in each night since.
- An ordinary run has any figure beyond its range with a probability of at most 5 %, by Bonferroni.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

from toril.records.history import HistoryRecord, KeptFigures
from toril.regression.earlier import EXCUSING, LEAST, figures_of, is_measured, value_of
from toril.regression.trend import LEAST_CHANGE
from toril.stats.quantiles import student_quantile

LEVEL = 0.05
MOST = 50  # runs
OF_FINGERPRINT = {
    "suite": "load or requests", "locations": "locations", "size": "workers", "image": "image", "stage": "stage"
}  # fmt: skip


def is_ordinary(record: HistoryRecord, like: HistoryRecord) -> bool:
    """Whether a stored run tells what runs such as `like` differ by."""
    return record.fingerprint == like.fingerprint and is_measured(record) and record.outcome != "failed"


def why_not_comparable(run: HistoryRecord, reference: HistoryRecord) -> str:
    """Returns why chance does not explain a difference of two runs: `other load or requests`; empty if it may."""
    own, other = run.fingerprint, reference.fingerprint
    changed = [words for name, words in OF_FINGERPRINT.items() if getattr(own, name) != getattr(other, name)]
    if run.suite != reference.suite or run.kind != reference.kind:
        return "another suite" if run.suite != reference.suite else f"a {run.kind}, not a {reference.kind}"
    if changed:
        return f"other {', '.join(changed)}"
    return "its rate was changed" if run.adjusted else "unreliable figures" if EXCUSING & {*run.reasons} else ""


def reach(
    label: str, location: str, metric: str, runs: Sequence[HistoryRecord], now: KeptFigures, figures: int
) -> float | None:
    """Returns by how much two ordinary runs differ at most: a logarithm, or a share of failures.

    None if fewer than eight runs have the figure. `runs` are ordinary, in the order of their times; `now` is the part
    of the reference, which has this number of `figures`.
    """
    parts = [part for run in runs if (part := figures_of(run, label, location)) is not None]
    values = [value for part in parts if (value := value_of(part, metric)) is not None]
    count, shares = len(values), metric == "failures"
    if count < LEAST:
        return None
    numbers = values if shares else list(map(math.log, values))
    spread = math.sqrt(sum((after - before) ** 2 for before, after in pairwise(numbers)) / (count - 1))
    quantile = student_quantile(1 - LEVEL / (2 * figures), 2 * (count - 1) ** 2 / (3 * count - 4))
    if shares:  # few requests vary by chance alone, and one more failure proves nothing
        share = sum(part.failures for part in (now, *parts)) / sum(part.samples for part in (now, *parts))
        by_chance = math.sqrt(2 * share * (1 - share) / max(1, now.samples))
        return quantile * max(spread, by_chance) + 1 / max(1, now.samples)
    step = 0.0 if metric == "throughput" else math.log1p((now.resolution_us or 0) / math.exp(numbers[-1]))
    return max(quantile * spread, math.log1p(LEAST_CHANGE)) + step
