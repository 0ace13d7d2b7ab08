"""What criteria look like in a chart: a line at the threshold, a shade where it was breached."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from toril.reports.bundle import Bundle
from toril.reports.charts.names import short

Mark = dict[str, Any]
OUTCOMES = ("passed", "failed", "inconclusive", "triggered")


def marks(bundle: Bundle, wanted: Callable[[Mapping[str, Any]], bool], divisor: float = 1.0) -> list[Mark]:
    """A mark for each criterion that is wanted and has a threshold; values are in the chart's unit."""
    return [_mark(item, divisor) for item in bundle.verdict.get("criteria", ()) if wanted(item) and _drawable(item)]


def of_items(items: Sequence[Mapping[str, Any]]) -> list[Mark]:
    """Marks at the thresholds of these entries of a verdict."""
    return [_mark(item, 1.0) for item in items if _drawable(item)]


def times_of(bundle: Bundle, label: str) -> list[Mark]:
    """Criteria on the response times of one label, or of all requests together (""). In ms."""
    return marks(bundle, lambda item: item.get("unit") == "us" and _label(item) == label and not _foreign(item), 1000)


def failed_of(bundle: Bundle, label: str) -> list[Mark]:
    """Criteria on the share that failed; one on the share that succeeded is drawn at what is left. In per cent."""
    found = marks(
        bundle,
        lambda item: item.get("unit") == "%" and _label(item) == label and subject(item) in ("fail", "fails", "failed"),
    )
    for item in bundle.verdict.get("criteria", ()):
        if (
            item.get("unit") == "%"
            and _label(item) == label
            and subject(item) in ("succ", "success")
            and _drawable(item)
        ):
            found.append({**_mark(item, 1.0), "at": 100 - float(item["threshold"])})
    return found


def of_subjects(bundle: Bundle, *subjects: str, label: str | None = None, divisor: float = 1.0) -> list[Mark]:
    return marks(bundle, lambda item: subject(item) in subjects and label in (None, _label(item)), divisor)


def percentiles_of(bundle: Bundle, label: str) -> list[Mark]:
    """Criteria on a percentile of the label, with the percentile they judge."""
    found = []
    for item in bundle.verdict.get("criteria", ()):
        percent = percentile(item)
        if percent is not None and item.get("unit") == "us" and _label(item) == label and _drawable(item):
            found.append({**_mark(item, 1000), "percent": percent})
    return found


def breaches(bundle: Bundle) -> list[dict[str, Any]]:
    """When a criterion with a window was breached: from, to (exclusive) and its text."""
    return [
        {"from": int(item["window"]["from_s"]), "to": int(item["window"]["to_s"]) + 1, "text": _text(item)}
        for item in bundle.verdict.get("criteria", ())
        if item.get("window") and item.get("at_s") is not None and item.get("outcome") in ("failed", "triggered")
    ]


def changes(bundle: Bundle) -> list[dict[str, Any]]:
    """When a person changed the load: second and text; the stages of a search are in its table."""
    several = len({rate.get("execution") for rate in bundle.summary.get("rates") or ()}) > 1
    return [
        {
            "at": float(rate["at_s"]),
            "text": short(f"{rate['execution']} {rate['rps']:,.10g}/s" if several else f"{rate['rps']:,.10g}/s", 40),
        }
        for rate in bundle.summary.get("rates") or ()
        if rate.get("cause") == "user"
    ]


def subject(item: Mapping[str, Any]) -> str:
    """What the criterion judges; older verdicts name it in their text only."""
    known = item.get("subject")
    return str(known if known else str(item.get("criterion", "")).split(" ")[0].split(">")[0].split("<")[0])


def percentile(item: Mapping[str, Any]) -> float | None:
    name = subject(item)
    try:
        return float(name[1:]) if name.startswith("p") else None
    except ValueError:
        return None


def judged_labels(bundle: Bundle) -> list[str]:
    """Labels that a criterion names: breached ones first."""
    rank = {"failed": 0, "inconclusive": 1}
    rules = sorted(bundle.verdict.get("criteria", ()), key=lambda item: rank.get(str(item.get("outcome")), 2))
    return list(dict.fromkeys(_label(item) for item in rules if _label(item)))


def _mark(item: Mapping[str, Any], divisor: float) -> Mark:
    outcome = str(item.get("outcome"))
    return {
        "at": float(item["threshold"]) / divisor,
        "text": _text(item),
        "outcome": outcome if outcome in OUTCOMES else "inconclusive",
    }


def _text(item: Mapping[str, Any]) -> str:
    return short(item.get("criterion", ""), 60)


def _label(item: Mapping[str, Any]) -> str:
    return str(item.get("label") or "")


def _drawable(item: Mapping[str, Any]) -> bool:
    return isinstance(item.get("threshold"), int | float)


def _foreign(item: Mapping[str, Any]) -> bool:
    """Whether it judges something else than requests: a generator, or the service's own metrics."""
    return subject(item).startswith(("generator-", "cloudwatch", "alb-", "ecs-", "rds-"))
