"""What a criterion probably does not mean: allowed, as in Taurus, but likely a slip that would pass every run."""

from collections.abc import Iterator

from toril.criteria.criterion import Criterion
from toril.criteria.subjects import GENERATOR

LONG_S = 30  # a response time that few mean when they write a number alone
COUNTED = ("hits", "succ", "fail", "rc")
BAD = ("avg-rt", "avg-lt", "avg-ct", "stdev-rt", "p", "fail", *GENERATOR)  # the less, the better
GOOD = ("succ", "load")
SHARED = ("succ", "fail", "rc")  # those that have percentages


def doubts_about(criterion: Criterion) -> Iterator[str]:
    """Sentences that say how toril, and bzt, read the criterion, and what to write if something else is meant."""
    text, threshold = f"`{criterion.text}`", criterion.threshold
    if criterion.server is not None:
        return
    if criterion.bare and threshold >= LONG_S * 1_000_000:
        seconds = threshold / 1_000_000
        yield f"{text}: a number alone is seconds; write `{seconds:g}ms` for milliseconds, or `{seconds:g}s`"
    if criterion.percentile is not None and 0 < criterion.percentile < 1:
        likely = f"p{100 * criterion.percentile:g}"
        yield f"{text}: percentiles are in per cent; write `{likely}` if that is meant"
    if criterion.op == "<" and threshold == 0:
        yield f"{text}: nothing is below 0, so it cannot come true"
    elif criterion.fail and criterion.op in ("<", "<=") and criterion.subject in BAD:
        yield f"{text}: this fails a run for little of it; write `>` to fail one for much"
    elif criterion.fail and criterion.op in (">", ">=") and _much_is_good(criterion):
        yield f"{text}: this fails a run for much of it; write `<` to fail one for little"
    if criterion.op == ">" and criterion.percent and criterion.subject in SHARED and threshold == 100:
        yield f"{text}: no share is above 100 %, so it cannot come true"
    if criterion.percent or criterion.subject not in COUNTED:
        return
    if 0 < threshold < 1:
        yield f"{text}: without `%` it is a number of samples{_percentage(criterion, 100 * threshold)}"
    elif (
        criterion.op in ("<", "<=")
        and criterion.subject in SHARED
        and 50 <= threshold <= 100
        and not criterion.timeframe_s
    ):
        yield f"{text}: without `%` it is a number of samples{_percentage(criterion, threshold)}"


def _much_is_good(criterion: Criterion) -> bool:
    return criterion.subject == "capacity" or (criterion.subject in GOOD and criterion.threshold < 100)


def _percentage(criterion: Criterion, share: float) -> str:
    return f"; write `{share:g}%` if their share is meant" if criterion.subject in SHARED else ""
