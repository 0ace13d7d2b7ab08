"""The sentences about compared figures; all reports and messages use these."""

from toril import text
from toril.records import ComparedMetric
from toril.regression.pairs import on_scale
from toril.stats.paired import pairs_needed

POWER = 0.8  # of the proposal of more pairs
UNANSWERED = " This is no pass, because head answered far fewer requests than base."
VERBS = {  # by unit: worse, better, not worse by a limit or more, and somewhere between two bounds
    "us": ("is {} slower", "is {} faster", "is not slower by {} or more", "is between {} and {}"),
    "/s": ("is {} lower", "is {} higher", "is not lower by {} or more", "is between {} and {}"),
    "share": ("rose by {}", "fell by {}", "did not rise by {} or more", "changed by {} to {}"),
}


def in_words(metric: ComparedMetric) -> str:
    """Returns the figure's change with its bounds, limit and smallest detectable change, in a few sentences."""
    name = text.figure(metric.metric, metric.label)
    subject = text.sentence(name)
    worse, better, not_worse, between = VERBS.get(metric.unit, VERBS["us"])
    sign = -1 if metric.unit == "/s" else 1  # less throughput is worse
    if metric.change is None:
        return f"There are too few samples to compare {name}."
    change = sign * metric.change
    if metric.low is None or metric.high is None or metric.margin is None:
        moved = (worse if change >= 0 else better).format(_size(metric, abs(change)))
        return f"{subject} {moved}. This is not proven, because there are too few pairs."
    low, high = sorted((sign * metric.low, sign * metric.high))
    limit = _size(metric, metric.margin)
    if metric.outcome == "inconclusive":
        ends = [_size(metric, low), _size(metric, high)]
        if metric.unit != "share":
            below, above = (worse if end >= 0 else better for end in (low, high))
            ends = [_size(metric, abs(low)), above.format(_size(metric, abs(high)))[3:]]
            ends[0] += "" if below == above else below[5:]
        why = UNANSWERED if high < metric.margin else _more_pairs(metric, change)
        return f"{subject} {between.format(*ends)}. Limit {limit}.{why}"
    found = "" if metric.detectable is None else f" Smallest detectable change {_size(metric, metric.detectable)}."
    if metric.outcome == "failed":
        return f"{subject} {worse.format(_size(metric, change))} ({_range(metric, low, high)}). Limit {limit}.{found}"
    if high < 0:
        return (
            f"{subject} {better.format(_size(metric, -change))} ({_range(metric, -high, -low)}). Limit {limit}.{found}"
        )
    return f"{subject} {not_worse.format(limit)} ({_range(metric, low, high)}).{found}"


def _size(metric: ComparedMetric, value: float) -> str:
    shown = text.change(value, metric.unit) if value or metric.unit != "share" else "0 points"
    return shown.translate({ord("+"): None, ord("±"): None})


def _range(metric: ComparedMetric, low: float, high: float) -> str:
    return f"{_size(metric, low)} to {_size(metric, high)}"


def _more_pairs(metric: ComparedMetric, change: float) -> str:
    """Returns a sentence on the pairs that would decide with this change and spread."""
    if metric.spread is None or not metric.blocks or metric.margin is None:
        return ""
    distance = abs(on_scale(metric.metric, change) - on_scale(metric.metric, metric.margin))
    needed = pairs_needed(distance, metric.spread, power=POWER) if distance else None
    if needed is None:
        return " The change is too near to the limit to decide at this spread."
    more = max(1, needed - metric.blocks) * metric.joined
    return f" {text.plural(more, 'more pair')} would decide at this spread."
