"""Summary and verdict as the rows that every report shows: what is shown is decided here, how in each format."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from toril.reports import cases, wording
from toril.reports.bundle import Bundle

MARKS = {"passed": "✔", "failed": "✘", "inconclusive": "?", "triggered": "!"}
OF_COMPARISON = frozenset({"regression", "unproven", "unsure-arms", "no-regression"})  # codes of a duet's reasons
OF_CASES = "failed-test"  # the code of a functional run's reason, which its test cases tell
NOTABLE_FAILURES = 0.01  # more failed requests than this are said next to every percentile


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The figures of one label, execution or location. Times are None where nothing was measured."""

    name: str
    kind: str
    samples: int
    failures: int
    unfinished: int
    rps: float
    bytes: int
    resolution_us: float
    times_us: Mapping[str, float | None]  # min mean stdev p50 p75 p90 p95 p99 p99_9 p99_99 max
    intervals_us: Mapping[str, tuple[float | None, float | None]]  # 95 % of the percentiles

    def time(self, key: str) -> str:
        return wording.time(self.times_us.get(key), self.resolution_us)

    @property
    def failed(self) -> str:
        return wording.share(self.failures, self.samples) if self.failures else "0"

    @property
    def mark(self) -> str:
        """What stands next to percentiles that failed requests may have changed."""
        return " †" if self.samples and self.failures / self.samples > NOTABLE_FAILURES else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One rule and what became of it, in words."""

    text: str
    outcome: str
    observed: str
    limit: str
    difference: str  # observed less limit, with its sign
    scope: str  # of which part of the run it is judged, where not of all
    detail: str  # that, and when it was judged, and on what
    message: str
    bar: tuple[float, float] | None  # observed value and limit, in per cent of the longer one with some room

    @property
    def mark(self) -> str:
        return MARKS.get(self.outcome, "?")

    @property
    def remark(self) -> str:
        """The criterion's own message, where its numbers don't tell all."""
        return self.message if self.outcome != "passed" or self.observed == "–" else ""


def headline(bundle: Bundle) -> str:
    """The verdict in one sentence, with the criterion that ended the load early if one did."""
    if bundle.plan.functional:
        return cases.headline(bundle)
    return "; ".join((_decided(bundle), *_ended(bundle)))


def _decided(bundle: Bundle) -> str:
    rules = criteria(bundle)
    broken = sum(rule.outcome == "failed" for rule in rules)
    compared = bundle.verdict.get("comparison") or {}
    if compared.get("outcome") == bundle.outcome and not broken:
        said = wording.plain(compared.get("message") or "", 300)
        return f"{_held(rules)}; {said}" if bundle.outcome == "passed" and rules else _sentence(said)
    of_all = f"{wording.number(broken)} of {wording.plural(len(rules), 'criterion')} breached"
    if broken and compared.get("outcome") == bundle.outcome == "failed":
        of_all += f"; {wording.plain(compared.get('message') or '', 300)}"
    match bundle.outcome:
        case "passed" if not rules:
            return "Complete; the suite has no criteria, so nothing was judged"
        case "passed":
            return _held(rules)
        case "failed":
            return of_all if broken else "The run failed"
        case _:
            return "Nothing is proven: " + (of_all if broken else "this run cannot vouch for the service")


def _sentence(text: str) -> str:
    return text if text[1:2].isdigit() else text[:1].upper() + text[1:]  # p95 is no word


def _held(rules: list[Criterion]) -> str:
    """Of a passed run: those that did not hold cannot fail it."""
    count = Counter(rule.outcome for rule in rules)
    if count["passed"] == len(rules):
        return {1: "The criterion holds", 2: "Both criteria hold"}.get(len(rules), f"All {len(rules)} criteria hold")
    words = {"passed": "held", "triggered": "came true as non-failed", "inconclusive": "could not be judged"}
    said = [f"{wording.number(count[outcome])} {what}" for outcome, what in words.items() if count[outcome]]
    return f"No criterion is breached: {', '.join(said)}"


def _ended(bundle: Bundle) -> Iterator[str]:
    """Which criterion ended the load; whatever else did is a reason of the verdict."""
    stop = bundle.summary.get("stop") or {}
    fired = [
        item
        for item in bundle.verdict.get("criteria", ())
        if item.get("stop") and item.get("window") and item.get("at_s") is not None
    ]
    if stop.get("cause") == "criterion" and stop.get("at_s") is not None and fired:
        first = wording.shortened(wording.plain(min(fired, key=lambda item: item["at_s"]).get("criterion", "")), 100)
        planned_s = bundle.plan.duration_s
        planned = f" of {wording.span(planned_s)}" if 0 < planned_s < math.inf else ""
        yield f"{first} ended the load after {wording.span(stop['at_s'])}{planned}"


def facts(bundle: Bundle) -> list[tuple[str, str]]:
    """What a person wants to know first, as pairs of name and value."""
    summary, total = bundle.summary, overall(bundle)
    workers, load = summary.get("workers", {}), summary.get("load", {})
    requested, achieved = load.get("requested", {}), load.get("achieved", {})
    rate = f"{wording.number(total.rps)}/s"
    if requested.get("rps") is not None and all(one.throughput_rps for one in bundle.plan.executions):
        steady_rps = total.rps if achieved.get("rps") is None else achieved["rps"]
        rate = f"{wording.number(steady_rps)}/s of {wording.number(requested['rps'])}/s"
    if bundle.plan.functional:
        return [*cases.facts(bundle), ("workers", f"{workers.get('reported', 0)} of {workers.get('planned', 0)}")]
    found = [("requests", wording.number(total.samples)), ("failed", total.failed)]
    if total.unfinished:
        found.append(("unfinished", wording.number(total.unfinished)))
    found += [("throughput", rate), ("p95", total.time("p95") + total.mark)]
    if requested.get("virtual_users") is not None and achieved.get("virtual_users") is not None:
        users = wording.number(round(achieved["virtual_users"], 1))
        found.append(("users", f"{users} of {wording.number(requested['virtual_users'])}"))
    found += [
        ("load", wording.span(float(summary.get("duration_s") or 0))),
        ("workers", f"{workers.get('reported', 0)} of {workers.get('planned', len(bundle.plan.shares))}"),
    ]
    return found


def window(bundle: Bundle) -> str:
    """Which part of the run the figures are of, in words."""
    found = bundle.summary.get("window") or {}
    if not bundle.plan.ramp_up_exclude or found.get("from_s") is None:
        return "figures of the whole run"
    return f"figures of the steady load, from {number_s(found['from_s'])} to {number_s(found['to_s'])}"


def number_s(seconds: float) -> str:
    return f"{wording.number(round(seconds, 1))} s"


def failures_note(bundle: Bundle) -> str:
    """What the mark beside a percentile says; empty when there is none."""
    if not any(row.mark for row in labels(bundle)):
        return ""
    failed = bundle.summary.get("labels", {}).get("", {}).get("failed_response_us") or {}
    apart = ""
    if failed.get("p95"):
        shown, ends = wording.time(failed["p95"]), (failed.get("interval") or {}).get("p95")
        sure = f" ({wording.interval((ends[0], ends[1]), shown, wording.time)})" if ends else ""
        apart = f"; by themselves all failed ones have a p95 of {shown}{sure}"
    return f"† more than 1 % of these requests failed, and their times are in these figures{apart}"


def notes(bundle: Bundle) -> list[str]:
    """What the verdict and the plan say beside the outcome."""
    said = (*(bundle.verdict.get("notes") or ()), *bundle.plan.warnings)
    return [wording.plain(note, 1000) for note in said]


def criteria(bundle: Bundle) -> list[Criterion]:
    return [_criterion(item, _resolution_us(bundle, item)) for item in bundle.verdict.get("criteria", ())]


def reasons(bundle: Bundle) -> list[tuple[str, str]]:
    """Pairs of code and message."""
    return [
        (wording.plain(reason.get("code", "")), wording.plain(reason.get("message", ""), 1000))
        for reason in bundle.verdict.get("reasons", ())
    ]


def further_reasons(bundle: Bundle) -> list[tuple[str, str]]:
    """Those that no criterion's own message tells already, and no test case's."""
    told = [rule.message for rule in criteria(bundle) if rule.outcome != "passed" and rule.message]
    return [
        (code, message)
        for code, message in reasons(bundle)
        if code != OF_CASES and not any(text in message for text in told)
    ]


def overall(bundle: Bundle) -> Row:
    return row("all", bundle.summary.get("labels", {}).get("", {}))


def labels(bundle: Bundle) -> list[Row]:
    """All requests first, then the labels in the order of the summary."""
    found = [row(name, figures) for name, figures in bundle.summary.get("labels", {}).items() if name]
    return [overall(bundle), *found]


def locations(bundle: Bundle) -> list[Row]:
    return _parts(bundle, "locations")


def executions(bundle: Bundle) -> list[Row]:
    return _parts(bundle, "executions")


def errors(bundle: Bundle) -> Iterator[tuple[str, str, int]]:
    """Message, code and count of what went wrong, most frequent first."""
    found = bundle.summary.get("labels", {}).get("", {}).get("errors", ())
    for error in sorted(found, key=lambda error: -int(error.get("count", 0))):
        yield wording.plain(error.get("message", "")), wording.plain(error.get("rc", "")), int(error.get("count", 0))


def codes(bundle: Bundle) -> list[tuple[str, int]]:
    """Response codes of all requests with their counts."""
    found = bundle.summary.get("labels", {}).get("", {}).get("rc", {})
    return [(wording.plain(code) or "none", int(count)) for code, count in sorted(found.items())]


def row(name: str, figures: Mapping[str, Any]) -> Row:
    times = dict(figures.get("response_us") or {})
    intervals = times.pop("interval", None) or {}
    return Row(
        name=wording.plain(name),
        kind=str(figures.get("kind", "request")),
        samples=int(figures.get("samples", 0)),
        failures=int(figures.get("failures", 0)),
        unfinished=int(figures.get("unfinished", 0)),
        rps=float(figures.get("rps") or 0),
        bytes=int(figures.get("bytes", 0)),
        resolution_us=float(figures.get("resolution_us") or 1),
        times_us=times,
        intervals_us={key: (pair[0], pair[1]) for key, pair in intervals.items() if pair},
    )


def _parts(bundle: Bundle, key: str) -> list[Row]:
    """The totals of each location or execution."""
    parts = bundle.summary.get(key, {})
    return [row(name, part.get("labels", part).get("", {})) for name, part in parts.items()]


def _resolution_us(bundle: Bundle, item: Mapping[str, Any]) -> float:
    """Of the record that a percentile is read off; means and deviations of many records are finer than one of them."""
    if not str(item.get("subject", "")).startswith("p"):
        return 1
    labels = bundle.summary.get("labels", {})
    return float((labels.get(item.get("label") or "") or labels.get("", {})).get("resolution_us") or 1)


def _criterion(item: Mapping[str, Any], resolution_us: float) -> Criterion:
    unit, scope = str(item.get("unit", "")), list(_scope(item))
    observed, threshold = item.get("observed"), item.get("threshold")
    shown, limit, difference = wording.quantity(observed, unit, resolution_us), wording.limit(threshold, unit), ""
    if observed != threshold and shown in (limit, wording.quantity(threshold, unit)):
        shown = wording.limit(observed, unit)  # enough digits to tell the two apart
    if observed is not None and threshold is not None:
        gap = float(observed) - float(threshold)
        sign = "+" if gap > 0 else wording.MINUS if gap < 0 else "±"
        difference = sign + wording.quantity(abs(gap), unit).replace(" %", " points" if unit == "%" else " %")
    return Criterion(
        text=wording.plain(item.get("criterion", "")),
        outcome=str(item.get("outcome", "inconclusive")),
        observed=shown,
        limit=limit,
        difference=difference,
        scope=" · ".join(scope),
        detail=" · ".join((*scope, *_details(item, unit, resolution_us))),
        message=wording.plain(item.get("message") or "", 1000),
        bar=_bar(observed, threshold),
    )


def _bar(observed: float | None, threshold: float | None) -> tuple[float, float] | None:
    if observed is None or threshold is None or min(observed, threshold) < 0 or not (observed or threshold):
        return None
    longest = max(observed, threshold) * 1.25
    return round(100 * observed / longest, 1), round(100 * threshold / longest, 1)


def _scope(item: Mapping[str, Any]) -> Iterator[str]:
    scope = item.get("scope") or {}
    if scope.get("executions"):
        yield "execution " + wording.plain(" + ".join(scope["executions"]))
    if scope.get("location"):
        yield "location " + wording.plain(scope["location"])


def _details(item: Mapping[str, Any], unit: str, resolution_us: float) -> Iterator[str]:
    window, interval = item.get("window"), item.get("interval")
    if window:
        first_s, last_s = int(window["from_s"]), int(window["to_s"])
        worst = "" if item.get("at_s") is not None else "at worst "
        yield f"{worst}from {first_s} s to {last_s + 1} s"
    if item.get("samples") is not None:
        yield wording.plural(int(item["samples"]), str(item.get("counted") or "sample"))
    if interval and interval != [None, None]:
        low, high = interval
        bottom = "0" if low is None else wording.quantity(low, unit, resolution_us)
        top = "∞" if high is None else wording.quantity(high, unit, resolution_us)
        yield f"95 % sure between {bottom} and {top}"
