"""One criterion: Taurus' pass/fail language, parsed strictly, and what `toril.criteria` adds to it.

    [message:] subject [of label] operator threshold [for|within|over timeframe] [in location] [, action [as status]]

A criterion states the *failing* case. Three forms say the same: the string, `{message: string}`, and the full form, a
mapping. What bzt accepts but then ignores or misreads (`fail>50 %`, `p105>1s`, trailing words) is an error here.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from toril.criteria.quantities import duration_s
from toril.criteria.server import KEYS as SERVER_KEYS
from toril.criteria.server import ServerMetric, read_server, server_text
from toril.criteria.subjects import GENERATOR, SERVER_SUBJECTS, Language, Subject, Unit, read_subject, read_threshold
from toril.criteria.text import LOGICS, fields_of
from toril.criteria.wrong import Wrong, nearest, short
from toril.errors import CriterionError
from toril.masking import mask

Operator = Literal[">", ">=", "<", "<=", "="]
Logic = Literal["total", "for", "within", "over"]
Kind = Literal["request", "transaction"]

TAURUS_KEYS = (
    "subject",
    "label",
    "condition",
    "threshold",
    "logic",
    "timeframe",
    "stop",
    "fail",
    "message",
    "class",
    "location",
)
OWN_KEYS = ("kind", *SERVER_KEYS)
OPERATORS: dict[str, Operator] = {">": ">", ">=": ">=", "<": "<", "<=": "<=", "=": "=", "==": "="}
MEANT = {"=>": ">=", "=<": "<="}  # slips whose meaning is plain
DATA_CRITERION = "bzt.modules.passfail.DataCriterion"  # the class that every criterion has unless it names another
MARKED = re.compile(r"(?:(?P<label>.+) )?\((?P<kind>request|transaction)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One rule that fails a run when it holds."""

    text: str  # the canonical string form, as it is shown
    message: str | None
    subject: str  # one of Taurus' (avg-rt … succ, fail, p, rc), of `OWN_SUBJECTS`, or of `SERVER_SUBJECTS`
    percentile: float | None
    rc_pattern: str | None
    label: str  # "" is all requests
    location: str | None
    op: Operator
    threshold: float  # µs for times, bytes, a count, a rate per second, or a percentage
    percent: bool
    unit: Unit
    logic: Logic
    timeframe_s: int  # 0 for the total
    stop: bool
    fail: bool
    kind: Kind | None = None  # of a label that both carry; None: the requests
    bare: bool = field(default=False, compare=False)  # the threshold is a time, written without a unit
    server: ServerMetric | None = None  # of a criterion on the system under test


def parse_criterion(source: str | Mapping[str, Any], where: str, language: Language = "taurus") -> Criterion:
    """The criterion written as `source`; CriterionError, naming `where` (`suite.yml: reporting[0].criteria[1]`).

    Taurus' own language is what bzt reads as well; toril's adds subjects and keys to it.
    """
    try:
        if isinstance(source, str):
            return _from_mapping(fields_of(source), language)
        if not isinstance(source, Mapping):
            raise Wrong("no criterion", "write it like `p95>300ms for 10s`")
        if len(source) == 1 and (entry := next(iter(source.items())))[0] not in (*TAURUS_KEYS, *OWN_KEYS):
            return _with_message(*entry, language)
        return _from_mapping(source, language)
    except Wrong as wrong:
        raise CriterionError(f"{where} is `{short(source)}`, {wrong.what}; {wrong.fix}") from None


def _with_message(message: object, criterion: object, language: Language) -> Criterion:
    if isinstance(criterion, str):
        fields = fields_of(criterion)
    elif isinstance(criterion, Mapping):
        fields = dict(criterion)
    else:
        close = nearest(message, TAURUS_KEYS)
        raise Wrong("no criterion", f"did you mean `{close}`" if close else "write it like `p95>300ms`")
    return _from_mapping({**fields, "message": message}, language)


def _from_mapping(fields: Mapping[str, Any], language: Language) -> Criterion:
    about_a_server = language == "toril" and fields.get("subject") in SERVER_SUBJECTS
    if not about_a_server:
        _only_known(fields, language)
    if fields.get("class", DATA_CRITERION) != DATA_CRITERION:
        raise Wrong(
            "which judges something else than samples",
            "toril judges samples only; leave the criterion with a `class` out (for servers see `toril.criteria`)",
        )
    for key in ("subject", "condition", "threshold"):
        if fields.get(key) is None:
            raise Wrong(f"without `{key}`", "a criterion needs subject, condition and threshold")
    operator = fields["condition"]
    if not isinstance(operator, str) or operator not in OPERATORS:
        known = MEANT.get(str(operator))
        raise Wrong(f"with the operator `{short(operator)}`", f"write `{known}`" if known else "use > >= < <= or =")
    op = OPERATORS[operator]
    logic, timeframe_s = _window(fields.get("logic", "for"), fields.get("timeframe"))
    stop, fail = _flag(fields, "stop", not about_a_server), _flag(fields, "fail", True)
    message = _words(fields, "message") or None
    if about_a_server:
        metric, unit, threshold, shown = read_server(fields)
        place = f" in {metric.region}" if metric.region else ""
        what = server_text(fields["subject"], metric)
        action = "" if fail else ", as non-failed"
        return Criterion(
            text=f"{what}{op}{shown}{_window_text(logic, timeframe_s)}{place}{action}",
            message=message,
            subject=fields["subject"],
            percentile=None,
            rc_pattern=None,
            label="",
            location=None,
            op=op,
            threshold=float(threshold),
            percent=unit == "%",
            unit=unit,
            logic=logic,
            timeframe_s=timeframe_s,
            stop=stop,
            fail=fail,
            server=metric,
        )
    subject = read_subject(fields["subject"], language)
    unit, threshold, shown = read_threshold(fields["threshold"], subject)
    label, kind = _label(fields, subject, language)
    location = _words(fields, "location")
    if subject.name == "capacity":
        _only_the_end(logic, timeframe_s, location, kind)
    of = f" of {' '.join(part for part in (label, f'({kind})' if kind else '') if part)}" if label or kind else ""
    place = f" in {location}" if location else ""
    action = "" if stop and fail else f", {'stop' if stop else 'continue'} as {'failed' if fail else 'non-failed'}"
    return Criterion(
        text=f"{subject.text}{of}{op}{shown}{_window_text(logic, timeframe_s)}{place}{action}",
        message=message,
        subject=subject.name,
        percentile=subject.percentile,
        rc_pattern=subject.rc_pattern,
        label=label,
        location=location or None,
        op=op,
        threshold=float(threshold),
        percent=unit == "%",
        unit=unit,
        logic=logic,
        timeframe_s=timeframe_s,
        stop=stop,
        fail=fail,
        kind=kind,
        bare=unit == "us" and str(fields["threshold"]).strip()[-1:] in "0123456789.",
    )


def _only_known(fields: Mapping[str, Any], language: Language) -> None:
    known = TAURUS_KEYS if language == "taurus" else (*TAURUS_KEYS, "kind")
    for key in fields:
        if key in known:
            continue
        if key in OWN_KEYS and language == "taurus":
            raise Wrong(f"which has the key `{key}`, which Taurus does not have", "move it to `toril: {criteria: […]}`")
        close = nearest(key, known)
        raise Wrong(
            f"which has no key `{short(key)}`", f"did you mean `{close}`" if close else f"known are {', '.join(known)}"
        )


def _label(fields: Mapping[str, Any], subject: Subject, language: Language) -> tuple[str, Kind | None]:
    """The label as it is recorded, and what it is the label of: `kind` says so, or a mark as in the summary."""
    label = _words(fields, "label") and str(fields["label"])  # in the full form with its spaces: they may be its own
    if subject.name == "load" or subject.name in GENERATOR:
        if label or fields.get("kind"):
            raise Wrong(f"with a label, which `{subject.name}` has not", f"write `{subject.name}` alone")
        return "", None
    written = fields.get("kind")
    if written not in (None, "request", "transaction"):
        raise Wrong(f"with the kind `{short(written)}`", "write `request` or `transaction`")
    if language == "toril" and written is None and (marked := MARKED.fullmatch(label)):
        return mask(marked["label"] or ""), "transaction" if marked["kind"] == "transaction" else "request"
    return mask(label), written


def _window(logic: object, timeframe: object) -> tuple[Logic, int]:
    if logic not in LOGICS:
        raise Wrong(f"with the logic `{short(logic)}`", "use for, within or over")
    if timeframe is None or (
        isinstance(timeframe, (int, float)) and not isinstance(timeframe, bool) and timeframe <= 0
    ):
        return "total", 0  # whatever the logic: bzt judges the whole run then
    try:
        seconds = math.ceil(duration_s(timeframe))
    except ValueError:
        raise Wrong(f"with the timeframe `{short(timeframe)}`", "write one like `10s` or `1m`") from None
    if not seconds:
        raise Wrong("with a timeframe of 0", f"write one like `{logic} 10s`, or none to judge the whole run")
    if logic == "within":
        return "within", seconds
    return "over" if logic == "over" else "for", seconds


def _only_the_end(logic: Logic, timeframe_s: int, location: str, kind: Kind | None) -> None:
    """A capacity is known once, at the end, of an execution as a whole."""
    if timeframe_s:
        raise Wrong(f"with `{logic} {timeframe_s}s`, which `capacity` has not", "leave the timeframe out")
    if location:
        raise Wrong("with a location, which `capacity` has not", "leave `in …` out: an execution has one capacity")
    if kind:
        raise Wrong("with a kind, which `capacity` has not", "name the execution: `capacity of shop<800/s`")


def _flag(fields: Mapping[str, Any], key: str, otherwise: bool) -> bool:
    value = fields.get(key, otherwise)
    if not isinstance(value, bool):
        raise Wrong(f"where `{key}` is `{short(value)}`", "write true or false")
    return value


def _words(fields: Mapping[str, Any], key: str) -> str:
    value = fields.get(key)
    if isinstance(value, (Mapping, list)):
        raise Wrong(f"where `{key}` is no text", "write it as text")
    return "" if value is None else str(value).strip()


def _window_text(logic: Logic, timeframe_s: int) -> str:
    return f" {logic} {timeframe_s}s" if timeframe_s else ""
