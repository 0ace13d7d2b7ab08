"""Shows criteria in charts: a line at the threshold, a shade during a breach."""

import re
from collections.abc import Iterable
from typing import Any

from toril.records import JudgedCriterion
from toril.reports.bundle import Bundle
from toril.text import exact, plain

Mark = dict[str, Any]
PERCENTILE = re.compile(r"p[0-9]+(\.[0-9]+)?")
SUM = "metric-sum"
# subjects other than the requests of the run
FOREIGN = ("generator-", "cloudwatch", "prometheus", "alb-", "ecs-", "rds-", "recovery-")


def marks(rules: Iterable[JudgedCriterion], divisor: float = 1.0) -> list[Mark]:
    """Returns a mark per criterion with a threshold; `divisor` converts it to the unit of the chart."""
    return [_mark(rule, rule.threshold / divisor) for rule in rules if rule.threshold is not None]


def times_of(bundle: Bundle, label: str) -> list[Mark]:
    """Returns marks, in ms, for criteria on the response times of a label, or of all requests ("")."""
    return marks((rule for rule in _rules(bundle, label, "us") if not rule.subject.startswith(FOREIGN)), 1000)


def failed_of(bundle: Bundle, label: str) -> list[Mark]:
    """Returns marks for criteria on the share of failures, in per cent; converts criteria on successes."""
    rules = _rules(bundle, label, "%")
    successes = [rule for rule in rules if rule.subject in ("succ", "success")]
    allowed = [_mark(rule, 100 - rule.threshold) for rule in successes if rule.threshold is not None]
    return [*marks(rule for rule in rules if rule.subject in ("fail", "fails", "failed")), *allowed]


def of_subject(bundle: Bundle, name: str, label: str, divisor: float = 1.0) -> list[Mark]:
    """Returns marks for criteria on that subject of a label, or of the whole run ("")."""
    return marks((rule for rule in _rules(bundle, label) if rule.subject == name), divisor)


def of_metric(bundle: Bundle, name: str) -> list[Mark]:
    """Returns marks for criteria on an own metric, except on its sum in the whole run."""
    return marks(rule for rule in _rules(bundle, name) if rule.subject.startswith("metric-") and rule.subject != SUM)


def percentiles_of(bundle: Bundle, label: str) -> list[Mark]:
    """Returns marks for criteria on a percentile of the label, each with its percentile."""
    judged = [rule for rule in _rules(bundle, label, "us") if PERCENTILE.fullmatch(rule.subject)]
    return [{**mark, "percent": float(rule.subject[1:])} for rule in judged for mark in marks([rule], 1000)]


def _rules(bundle: Bundle, label: str, unit: str | None = None) -> list[JudgedCriterion]:
    own = [rule for rule in bundle.verdict.criteria if (rule.label or "") == label]
    return [rule for rule in own if unit is None or rule.unit == unit]


def breaches(bundle: Bundle) -> list[Mark]:
    """Returns the times of breaches: from, to (exclusive) and the text of the criterion."""
    return [
        {"from": int(rule.window.from_s), "to": int(rule.window.to_s) + 1, "text": plain(rule.criterion, 60)}
        for rule in bundle.verdict.criteria
        if rule.window and rule.at_s is not None and rule.outcome in ("failed", "triggered")
    ]


def changes(bundle: Bundle) -> list[Mark]:
    """Returns changes of the load by users: second and text. A search lists its stages in a table."""
    rates = bundle.summary.rates or ()
    several = len({rate.execution for rate in rates}) > 1
    return [
        {
            "at": rate.at_s,
            "text": plain(f"{rate.execution * several} {exact(rate.rps, rate.unit or '/s')}".lstrip(), 40),
        }
        for rate in rates
        if rate.cause == "user"
    ]


def faults(bundle: Bundle) -> list[Mark]:
    """Returns the begin and the end of each fault: second and text."""
    faults = enumerate(bundle.summary.faults or (), 1)
    edges = [(number, edge) for number, one in faults for edge in (("begins", one.from_s), ("ends", one.to_s))]
    return [{"at": at_s, "text": f"fault-{number} {what}"} for number, (what, at_s) in edges if at_s is not None]


def _mark(rule: JudgedCriterion, at: float) -> Mark:
    return {"at": at, "text": plain(rule.criterion, 60), "outcome": plain(rule.outcome, 60)}
