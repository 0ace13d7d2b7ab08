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
    name, unit = text.figure(metric.metric, metric.label), metric.unit
    subject = text.sentence(name)
    worse, better, not_worse, between = VERBS.get(unit, VERBS["us"])
    sign = -1 if unit == "/s" else 1  # less throughput is worse
    if metric.change is None:
        return f"There are too few samples to compare {name}."
    change = sign * metric.change
    moved = (worse if change >= 0 else better).format(text.extent(abs(change), unit))
    if metric.low is None or metric.high is None or metric.margin is None:
        return f"{subject} {moved}. This is not proven, because there are too few pairs."
    low, high = sorted((sign * metric.low, sign * metric.high))
    least, most, limit = (text.extent(bound, unit) for bound in (low, high, metric.margin))
    if metric.outcome == "inconclusive":
        if unit != "share":
            below, above = (worse if end >= 0 else better for end in (low, high))
            least = text.extent(abs(low), unit) + ("" if below == above else below[5:])
            most = above.format(text.extent(abs(high), unit))[3:]
        why = UNANSWERED if high < metric.margin else _more_pairs(metric, change)
        return f"{subject} {between.format(least, most)}. Limit {limit}.{why}"
    found = "" if metric.detectable is None else f" Smallest detectable change {text.extent(metric.detectable, unit)}."
    if metric.outcome == "failed":
        return f"{subject} {moved} ({least} to {most}). Limit {limit}.{found}"
    if high < 0:
        return f"{subject} {moved} ({text.extent(-high, unit)} to {text.extent(-low, unit)}). Limit {limit}.{found}"
    return f"{subject} {not_worse.format(limit)} ({least} to {most}).{found}"


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
