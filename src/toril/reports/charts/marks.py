"""What criteria look like in a chart: a line at the threshold, a shade where it was breached."""

import re
from collections.abc import Iterable
from typing import Any

from toril.records import JudgedCriterion
from toril.reports.bundle import Bundle
from toril.text import plain

Mark = dict[str, Any]
PERCENTILE = re.compile(r"p[0-9]+(\.[0-9]+)?")
FOREIGN = ("generator-", "cloudwatch", "alb-", "ecs-", "rds-")  # subjects that are not the run's own requests


def marks(rules: Iterable[JudgedCriterion], divisor: float = 1.0) -> list[Mark]:
    """A mark for each criterion that has a threshold; `divisor` makes the chart's unit of the criterion's."""
    return [_mark(rule, rule.threshold / divisor) for rule in rules if rule.threshold is not None]


def times_of(bundle: Bundle, label: str) -> list[Mark]:
    """Criteria on the response times of one label, or of all requests together (""). In ms."""
    return marks((rule for rule in _rules(bundle, label, "us") if not subject(rule).startswith(FOREIGN)), 1000)


def failed_of(bundle: Bundle, label: str) -> list[Mark]:
    """Criteria on the share of failures, in per cent; one on successes is drawn at the failures that it allows."""
    rules = _rules(bundle, label, "%")
    successes = [rule for rule in rules if subject(rule) in ("succ", "success")]
    allowed = [_mark(rule, 100 - rule.threshold) for rule in successes if rule.threshold is not None]
    return [*marks(rule for rule in rules if subject(rule) in ("fail", "fails", "failed")), *allowed]


def of_subject(bundle: Bundle, name: str, label: str, divisor: float = 1.0) -> list[Mark]:
    """Criteria on that subject of a label, or of the whole run ("")."""
    return marks((rule for rule in _rules(bundle, label) if subject(rule) == name), divisor)


def percentiles_of(bundle: Bundle, label: str) -> list[Mark]:
    """Criteria on a percentile of the label, with the percentile that they judge."""
    judged = [rule for rule in _rules(bundle, label, "us") if PERCENTILE.fullmatch(subject(rule))]
    return [{**mark, "percent": float(subject(rule)[1:])} for rule in judged for mark in marks([rule], 1000)]


def _rules(bundle: Bundle, label: str, unit: str | None = None) -> list[JudgedCriterion]:
    own = [rule for rule in bundle.verdict.criteria if (rule.label or "") == label]
    return [rule for rule in own if unit is None or rule.unit == unit]


def breaches(bundle: Bundle) -> list[Mark]:
    """When a criterion with a window was breached: from, to (exclusive) and its text."""
    return [
        {"from": int(rule.window.from_s), "to": int(rule.window.to_s) + 1, "text": plain(rule.criterion, 60)}
        for rule in bundle.verdict.criteria
        if rule.window and rule.at_s is not None and rule.outcome in ("failed", "triggered")
    ]


def changes(bundle: Bundle) -> list[Mark]:
    """When a person changed the load: second and text; the stages of a search are in its table."""
    rates = bundle.summary.rates or ()
    several = len({rate.execution for rate in rates}) > 1
    return [
        {"at": rate.at_s, "text": plain(f"{rate.execution if several else ''} {rate.rps:,.10g}/s".lstrip(), 40)}
        for rate in rates
        if rate.cause == "user"
    ]


def subject(rule: JudgedCriterion) -> str:
    """What the criterion judges; older verdicts have it in the criterion's text only."""
    return rule.subject or rule.criterion.split(" ")[0].split(">")[0].split("<")[0]


def _mark(rule: JudgedCriterion, at: float) -> Mark:
    return {"at": at, "text": plain(rule.criterion, 60), "outcome": plain(rule.outcome, 60)}
