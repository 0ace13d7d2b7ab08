"""What the text of a k6 script tells without running it: the kinds of its own metrics, and thresholds as criteria.

k6 judges thresholds on each worker's part of the load. toril judges the whole by the same limits where it has the same
figure. It reads thresholds that the script writes out, `thresholds: {http_req_duration: ["p(95)<200"]}`.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from toril.criteria import parse_criterion
from toril.records import PlannedCriterion
from toril.suite.executions import Execution
from toril.suite.reader import SuiteReader

METRIC = re.compile(r"\bnew\s+(?:[\w$]+\s*\.\s*)?(Trend|Counter|Gauge|Rate)\s*\(\s*([\"'`])(\w+)\2")
COMMENT = r"//[^\n]*|/\*.*?\*/"
STRING = r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|`(?:\\.|[^`\\])*`'
TOKEN = re.compile(rf"{COMMENT}|({STRING}|[\w$.]+|\S)", re.DOTALL)
KEY = re.compile(r"(\w+)(?:\{(\w+):([^,]+)\})?")  # a metric, or its part with one tag
LIMIT = re.compile(r"\s*(?:(avg|min|max|med|count|rate)|p\((\d+(?:\.\d+)?)\))\s*(<=?|>=?|!=)\s*(\d+(?:\.\d+)?)\s*")
FAILING = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "!=": "="}  # a threshold is the passing case
TIMES = {"avg": "avg-rt", "min": "p0", "max": "p100", "med": "p50", "p": "p{}"}
# Metric of k6, or kind of an own one → its figure → subject of a criterion
FIGURES: Mapping[str, Mapping[str, str]] = {
    "http_req_duration": TIMES,
    "group_duration": TIMES,
    "http_req_failed": {"rate": "fail"},
    "http_reqs": {"count": "hits"},
    "checks": {"rate": "check-rate"},
    "trend": {"avg": "metric-avg", "min": "metric-min", "max": "metric-max", "med": "metric-p50", "p": "metric-p{}"},
    "counter": {"count": "metric-sum"},
    "rate": {"rate": "metric-rate"},
}
UNITS = {"http_req_duration": "ms", "group_duration": "ms"}
UNREAD = ("?",)
PART = "each worker's part of the load"
SOURCES = (".js", ".mjs", ".ts")
Criterion = dict[str, Any]  # in the full form


class Thresholds(NamedTuple):
    """The thresholds of a script, by the names of metrics in its options."""

    judged: Mapping[str, tuple[Criterion, ...]]  # those that criteria judge exactly
    kept: tuple[str, ...]  # those that only k6 judges; UNREAD if they cannot be read


def own_metrics(script: str) -> dict[str, str]:
    """Returns the kinds of the metrics that the script declares by name."""
    return {match[3]: match[1].lower() for match in METRIC.finditer(script)}


def thresholds_of(script: str, tags: Collection[str]) -> Thresholds:
    """Returns the script's thresholds; `tags` are those of requests that the run records."""
    words = [match[1] for match in TOKEN.finditer(script) if match[1]]
    places = [at for at, word in enumerate(words) if word.strip("\"'") == "thresholds" and at + 1 < len(words)]
    written = [at + 1 for at in places if words[at + 1] in (":", "=")]
    if not places:
        return Thresholds({}, ())
    try:
        (at,) = written
        options, _ = json.JSONDecoder().raw_decode(" ".join(_as_json(words[at + 1 :])))
        limits_of = dict(options)
    except (ValueError, TypeError):  # also if several places have them
        return Thresholds({}, UNREAD)
    own = own_metrics(script)
    judged = {name: _criteria(name, limits, own, tags) for name, limits in limits_of.items()}
    kept = tuple(name for name, criteria in judged.items() if not criteria)
    return Thresholds({name: criteria for name, criteria in judged.items() if criteria}, kept)


def thresholds_in(script: Path, tags: Collection[str]) -> Thresholds:
    """Returns the thresholds of a script's file; none of an archive."""
    known = script.suffix in SOURCES
    return thresholds_of(script.read_text("utf-8", "replace"), tags) if known else Thresholds({}, ())


def read_thresholds(
    executions: Iterable[Execution],
    scenarios: Mapping[str, Mapping[str, Any]],
    folder: Path,
    tags: Collection[str],
    reader: SuiteReader,
) -> Iterator[PlannedCriterion]:
    """Yields the criteria that the executions' scripts in `folder` state as thresholds; warns of the other ones."""
    for execution in executions:
        script = str(scenarios.get(execution.scenario, {}).get("script", ""))
        judged, kept = thresholds_in(folder / script, tags) if execution.executor == "k6" else ({}, ())
        for name, criteria in judged.items():
            for number, criterion in enumerate(criteria):
                where = f"{reader.name}: {script}: thresholds.{name}[{number}]"
                parse_criterion(criterion, where, "toril")
                yield PlannedCriterion(source=criterion, where=where, executions=(execution.name,), language="toril")
        if kept:
            names = "thresholds that toril cannot read" if kept == UNREAD else ", ".join(kept)
            fix = "Add criteria on the whole load, if the suite has several workers."
            reader.warn("kept-threshold", f"{script}: thresholds", f"k6 alone judges {names}, on {PART}. {fix}")


def _criteria(name: str, limits: Any, own: Mapping[str, str], tags: Collection[str]) -> tuple[Criterion, ...]:
    """Returns the criteria that judge all limits of a metric; none if they cannot."""
    found = []
    key = KEY.fullmatch(name)
    for limit in limits if isinstance(limits, list) else [limits]:
        text = limit.get("threshold") if isinstance(limit, dict) and not limit.get("abortOnFail") else limit
        match = LIMIT.fullmatch(text) if isinstance(text, str) else None
        if key is None or match is None:
            return ()
        metric = own.get(key[1], key[1])
        figure, percentile, operator, number = match.groups()
        subject = FIGURES.get(metric, {}).get(figure or "p", "").format(percentile)
        label = _label(key, key[1] in own, tags)
        if not subject or label is None:
            return ()
        scale, unit = (100, "%") if figure == "rate" else (1, UNITS.get(metric, ""))
        threshold = f"{(Decimal(number) * scale).normalize():f}{unit}"
        more = {"label": label, "kind": "transaction" if metric == "group_duration" else ""}
        found.append({"subject": subject, "condition": FAILING[operator], "threshold": threshold})
        found[-1] |= {name: value for name, value in more.items() if value}
    return tuple(found)


def _label(key: re.Match[str], is_own: bool, tags: Collection[str]) -> str | None:
    """Returns the label of the samples with the metric's tag; None if toril does not keep them apart."""
    metric, tag, value = key.groups()
    if is_own:
        return metric if tag is None else None
    if tag is None:
        return None if metric == "group_duration" else ""
    if (metric, tag) in (("checks", "check"), ("group_duration", "group")):
        return value.removeprefix("::")
    if metric.startswith("http_"):
        return value if tag == "name" else f"{{{tag}={value}}}" if tag in tags else None
    return None


def _as_json(words: list[str]) -> Iterator[str]:
    """Yields the words of a literal of JavaScript as JSON has them; what must be evaluated is no JSON."""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word[0] in "\"'`":
            yield word if "\\" in word or "${" in word else json.dumps(word[1:-1])
        elif word != "," or following not in ("}", "]"):
            yield json.dumps(word) if following == ":" else word
