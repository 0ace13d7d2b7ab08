"""What criteria look like in a chart: a line at the threshold, a shade where it was breached."""

import re
from collections.abc import Callable, Iterable
from typing import Any

from toril.records import JudgedCriterion
from toril.reports.bundle import Bundle
from toril.text import plain

Mark = dict[str, Any]
PERCENTILE = re.compile(r"p[0-9]+(\.[0-9]+)?")
FOREIGN = ("generator-", "cloudwatch", "alb-", "ecs-", "rds-")  # subjects that are not the run's own requests


def marks(bundle: Bundle, wanted: Callable[[JudgedCriterion], bool], divisor: float = 1.0) -> list[Mark]:
    """A mark for each wanted criterion that has a threshold; `divisor` makes the chart's unit of the criterion's."""
    return of_rules((rule for rule in bundle.verdict.criteria if wanted(rule)), divisor)


def of_rules(rules: Iterable[JudgedCriterion], divisor: float = 1.0) -> list[Mark]:
    return [_mark(rule, rule.threshold / divisor) for rule in rules if rule.threshold is not None]


def times_of(bundle: Bundle, label: str) -> list[Mark]:
    """Criteria on the response times of one label, or of all requests together (""). In ms."""
    return marks(
        bundle,
        lambda rule: rule.unit == "us" and (rule.label or "") == label and not subject(rule).startswith(FOREIGN),
        1000,
    )


def failed_of(bundle: Bundle, label: str) -> list[Mark]:
    """Criteria on the share of failures, in per cent; one on successes is drawn at the failures that it allows."""
    rules = [rule for rule in bundle.verdict.criteria if rule.unit == "%" and (rule.label or "") == label]
    failures = [rule for rule in rules if subject(rule) in ("fail", "fails", "failed")]
    successes = [rule for rule in rules if subject(rule) in ("succ", "success")]
    allowed = [_mark(rule, 100 - rule.threshold) for rule in successes if rule.threshold is not None]
    return [*of_rules(failures), *allowed]


def of_subjects(bundle: Bundle, *subjects: str, label: str | None = None, divisor: float = 1.0) -> list[Mark]:
    return marks(
        bundle, lambda rule: subject(rule) in subjects and (label is None or (rule.label or "") == label), divisor
    )


def percentiles_of(bundle: Bundle, label: str) -> list[Mark]:
    """Criteria on a percentile of the label, with the percentile that they judge."""
    rules = [rule for rule in bundle.verdict.criteria if rule.unit == "us" and (rule.label or "") == label]
    judged = [rule for rule in rules if PERCENTILE.fullmatch(subject(rule))]
    return [{**mark, "percent": float(subject(rule)[1:])} for rule in judged for mark in of_rules([rule], 1000)]


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
