"""One criterion: Taurus' pass/fail language, parsed strictly, and what `toril.criteria` adds to it.

    [message:] subject [of label] operator threshold [for|within|over timeframe] [in location] [, action [as status]]

A criterion states the *failing* case. Three forms say the same: the string, `{message: string}`, and the full form, a
mapping. What bzt accepts but then ignores or misreads (`fail>50 %`, `p105>1s`, trailing words) is an error here.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal

from toril.criteria.quantities import duration_s
from toril.criteria.server import KEYS as SERVER_KEYS
from toril.criteria.server import ServerMetric, read_server, server_text
from toril.criteria.subjects import (
    GENERATOR,
    SERVER_SUBJECTS,
    SUBJECTS,
    CriterionSyntaxError,
    Language,
    Subject,
    Unit,
    check_keys,
    quoted,
    read_subject,
    read_threshold,
)
from toril.errors import CriterionError
from toril.masking import mask
from toril.records import PlannedCriterion, Search
from toril.text import suggestion

Operator = Literal[">", ">=", "<", "<=", "="]
Logic = Literal["total", "for", "within", "over"]
Kind = Literal["request", "transaction"]

TAURUS_KEYS = (
    "subject", "label", "condition", "threshold", "logic", "timeframe", "stop", "fail", "message", "class", "location"
)  # fmt: skip
OWN_KEYS = ("kind", *SERVER_KEYS)
OPERATORS: dict[str, Operator] = {">": ">", ">=": ">=", "<": "<", "<=": "<=", "=": "=", "==": "="}
MEANT = {"=>": ">=", "=<": "<="}  # slips whose meaning is plain
DATA_CRITERION = "bzt.modules.passfail.DataCriterion"  # the class that every criterion has unless it names another
LOGICS = ("for", "within", "over")
LONGEST = 1000  # characters of a criterion

LAST_OPERATOR = re.compile(r"(?P<head>.*?)\s*(?P<operator>[<>=!]+)\s*(?P<tail>[^<>=!]*)")
LABELLED = re.compile(r"\S+\s+of\s")
ACTION = re.compile(r"(stop|continue)(?:\s+as\s+(failed|non-failed))?")
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
    unit: Unit
    logic: Logic
    timeframe_s: int  # 0 for the total
    stop: bool
    fail: bool
    executions: tuple[str, ...] = ()  # those that it judges; empty: the whole run
    where: str = field(default="", compare=False)  # "suite.yml: reporting[0].criteria[1]"
    kind: Kind | None = None  # of a label that both carry; None: the requests
    bare: bool = field(default=False, compare=False)  # the threshold is a time, written without a unit
    server: ServerMetric | None = None  # of a criterion on the system under test

    @property
    def percent(self) -> bool:
        return self.unit == "%"


def parse_criterion(
    source: str | Mapping[str, Any], where: str, language: Language = "taurus", executions: tuple[str, ...] = ()
) -> Criterion:
    """The criterion written as `source`; CriterionError, naming `where` (`suite.yml: reporting[0].criteria[1]`).

    Taurus' own language is what bzt reads as well; toril's adds subjects and keys to it.
    """
    try:
        if isinstance(source, str):
            found = _from_mapping(fields_of(source), language)
        elif not isinstance(source, Mapping):
            raise CriterionSyntaxError("not-a-criterion", "no criterion; write it like `p95>300ms for 10s`")
        elif len(source) == 1 and (entry := next(iter(source.items())))[0] not in (*TAURUS_KEYS, *OWN_KEYS):
            found = _with_message(*entry, language)
        else:
            found = _from_mapping(source, language)
    except CriterionSyntaxError as error:
        message = f"{where} is `{quoted(source)}`, {error}"
        raise CriterionError(message, code=error.code) from None
    return replace(found, where=where, executions=executions)


def criteria_of(planned: Iterable[PlannedCriterion]) -> tuple[Criterion, ...]:
    """A plan's criteria as values. Plans keep their text, since a plan is JSON; each text is parsed once."""
    return tuple(_parsed(_text(one.source), one.where, one.language, one.executions) for one in planned)


def conditions_of(search: Search, execution: str) -> tuple[Criterion, ...]:
    """The criteria that end the search for an execution's capacity (`until`), as values."""
    place, own = f"toril.capacity.{execution}.until", (execution,)
    return tuple(_parsed(_text(one), f"{place}[{index}]", "taurus", own) for index, one in enumerate(search.until))


def _text(source: str | Mapping[str, Any]) -> str:
    return json.dumps(source, default=str)  # dates, which YAML has and JSON has not


@lru_cache(maxsize=1024)
def _parsed(source: str, where: str, language: Language, executions: tuple[str, ...]) -> Criterion:
    return parse_criterion(json.loads(source), where, language, executions)


def _with_message(message: object, criterion: object, language: Language) -> Criterion:
    if isinstance(criterion, str):
        fields = fields_of(criterion)
    elif isinstance(criterion, Mapping):
        fields = dict(criterion)
    else:
        raise CriterionSyntaxError("not-a-criterion", f"no criterion; {suggestion(message, TAURUS_KEYS)}")
    return _from_mapping({**fields, "message": message}, language)


def _from_mapping(fields: Mapping[str, Any], language: Language) -> Criterion:
    about_a_server = language == "toril" and fields.get("subject") in SERVER_SUBJECTS
    if not about_a_server:
        _only_known(fields, language)
    if fields.get("class", DATA_CRITERION) != DATA_CRITERION:
        fix = "toril judges samples only; leave the criterion with a `class` out (for servers see `toril.criteria`)"
        raise CriterionSyntaxError("unsupported-class", f"which judges something else than samples; {fix}")
    for key in ("subject", "condition", "threshold"):
        if fields.get(key) is None:
            raise CriterionSyntaxError("missing-key", f"without `{key}`; write subject, condition and threshold")
    operator = fields["condition"]
    if not isinstance(operator, str) or operator not in OPERATORS:
        known = MEANT.get(str(operator))
        fix = f"write `{known}`" if known else "use > >= < <= or ="
        raise CriterionSyntaxError("unknown-operator", f"with the operator `{quoted(operator)}`; {fix}")
    op = OPERATORS[operator]
    logic, timeframe_s = _window(fields.get("logic", "for"), fields.get("timeframe"))
    stop, fail = _flag(fields, "stop", not about_a_server), _flag(fields, "fail", True)
    message = _words(fields, "message") or None
    server, label, kind, location = None, "", None, ""
    if about_a_server:
        server, unit, threshold, shown = read_server(fields)
        subject = Subject(fields["subject"])
        what, place = server_text(subject.name, server), server.region
        action = "" if fail else ", as non-failed"
    else:
        subject = read_subject(fields["subject"], language)
        unit, threshold, shown = read_threshold(fields["threshold"], subject)
        label, kind = _label(fields, subject, language)
        location = place = _words(fields, "location")
        if subject.name == "capacity":
            _only_the_end(logic, timeframe_s, location, kind)
        of = " ".join(part for part in (label, f"({kind})" if kind else "") if part)
        what = f"{subject.text} of {of}" if of else subject.text
        action = "" if stop and fail else f", {'stop' if stop else 'continue'} as {'failed' if fail else 'non-failed'}"
    window = f" {logic} {timeframe_s}s" if timeframe_s else ""
    return Criterion(
        text=f"{what}{op}{shown}{window}{f' in {place}' if place else ''}{action}",
        message=message,
        subject=subject.name,
        percentile=subject.percentile,
        rc_pattern=subject.rc_pattern,
        label=label,
        location=location or None,
        op=op,
        threshold=float(threshold),
        unit=unit,
        logic=logic,
        timeframe_s=timeframe_s,
        stop=stop,
        fail=fail,
        kind=kind,
        bare=server is None and unit == "us" and str(fields["threshold"]).strip()[-1:] in "0123456789.",
        server=server,
    )


def _only_known(fields: Mapping[str, Any], language: Language) -> None:
    for key in fields if language == "taurus" else ():
        if key in OWN_KEYS:
            text = f"which has the key `{key}`, which Taurus does not have; move it to `toril: {{criteria: […]}}`"
            raise CriterionSyntaxError("misplaced-key", text)
    check_keys(fields, TAURUS_KEYS if language == "taurus" else (*TAURUS_KEYS, "kind"))


def _label(fields: Mapping[str, Any], subject: Subject, language: Language) -> tuple[str, Kind | None]:
    """The label as recorded, and its kind: from the key `kind`, or from a mark as in the summary."""
    label = _words(fields, "label") and str(fields["label"])  # in the full form with its spaces: they may be its own
    if subject.name == "load" or subject.name in GENERATOR:
        if label or fields.get("kind"):
            raise CriterionSyntaxError("unexpected-label", f"with a label; write `{subject.name}` alone")
        return "", None
    written = fields.get("kind")
    if written not in (None, "request", "transaction"):
        raise CriterionSyntaxError("wrong-kind", f"with the kind `{quoted(written)}`; write `request` or `transaction`")
    if language == "toril" and written is None and (marked := MARKED.fullmatch(label)):
        return mask(marked["label"] or ""), "transaction" if marked["kind"] == "transaction" else "request"
    return mask(label), written


def _window(logic: object, timeframe: object) -> tuple[Logic, int]:
    if logic not in LOGICS:
        raise CriterionSyntaxError("wrong-logic", f"with the logic `{quoted(logic)}`; use for, within or over")
    if timeframe is None or (
        isinstance(timeframe, (int, float)) and not isinstance(timeframe, bool) and timeframe <= 0
    ):
        return "total", 0  # whatever the logic: bzt judges the whole run then
    try:
        seconds = math.ceil(duration_s(timeframe))
    except ValueError:
        text = f"with the timeframe `{quoted(timeframe)}`; write it like `10s`"
        raise CriterionSyntaxError("wrong-timeframe", text) from None
    if not seconds:
        text = f"with a timeframe of 0; write `{logic} 10s`, or none for the whole run"
        raise CriterionSyntaxError("wrong-timeframe", text)
    if logic == "within":
        return "within", seconds
    return "over" if logic == "over" else "for", seconds


def _only_the_end(logic: Logic, timeframe_s: int, location: str, kind: Kind | None) -> None:
    """A capacity is known once, at the end, of an execution as a whole."""
    if timeframe_s:
        raise CriterionSyntaxError("unexpected-timeframe", f"with `{logic} {timeframe_s}s`; leave the timeframe out")
    if location:
        text = "with a location; leave `in …` out: an execution has one capacity"
        raise CriterionSyntaxError("unexpected-location", text)
    if kind:
        raise CriterionSyntaxError("unexpected-kind", "with a kind; name the execution: `capacity of shop<800/s`")


def _flag(fields: Mapping[str, Any], key: str, otherwise: bool) -> bool:
    value = fields.get(key, otherwise)
    if not isinstance(value, bool):
        raise CriterionSyntaxError("not-a-boolean", f"where `{key}` is `{quoted(value)}`; write true or false")
    return value


def _words(fields: Mapping[str, Any], key: str) -> str:
    value = fields.get(key)
    if isinstance(value, (Mapping, list)):
        raise CriterionSyntaxError("not-a-text", f"where `{key}` is no text; write it as text")
    return "" if value is None else str(value).strip()


# The string form, taken apart into the keys of the full form


def fields_of(source: str) -> dict[str, Any]:
    """The string form as the full form."""
    if len(source) > LONGEST:
        raise CriterionSyntaxError("too-long", f"{len(source):,} characters long; a criterion has at most {LONGEST:,}")
    message, colon, text = source.partition(":")
    if not colon:
        return _unnamed(source)
    if LABELLED.match(message.strip()) and not (text[:1].isspace() or text[:1].isalpha()):
        fix = "a label with a colon needs the full form: `{subject: …, label: …}`"
        raise CriterionSyntaxError("needs-full-form", f"which ends its message at the `:`; {fix}")
    return _unnamed(text) | {"message": message.strip()}


def _unnamed(source: str) -> dict[str, Any]:
    """The string form without a message."""
    text, comma, action = (part.strip() for part in source.partition(","))
    match = LAST_OPERATOR.fullmatch(text)
    if not match:
        if comma and LABELLED.match(text):
            fix = "a label with a comma needs the full form: `{subject: …, label: …}`"
            raise CriterionSyntaxError("needs-full-form", f"cut at the comma; {fix}")
        raise CriterionSyntaxError("no-comparison", "no comparison; write it like `p95 of checkout>300ms for 10s`")
    fields = _measured(match["head"].strip()) | _limited(match["tail"]) | {"condition": match["operator"]}
    return fields | _acted(action) if comma else fields


def _measured(head: str) -> dict[str, Any]:
    """`subject [of label]`."""
    subject, _, rest = head.partition(" ")
    rest = rest.strip()
    if not rest:
        if not subject:
            raise CriterionSyntaxError("missing-subject", f"without a subject; begin with one of {', '.join(SUBJECTS)}")
        return {"subject": subject}
    word, _, label = rest.partition(" ")
    if word != "of" and re.search(r"[<>=]", subject):
        raise CriterionSyntaxError("several-comparisons", "more than one comparison; write one criterion for each")
    if word == "of" and label.strip():
        return {"subject": subject, "label": label.strip()}
    if word == "of":
        raise CriterionSyntaxError("missing-label", f"without a label after `of`; name one, or write `{subject}` alone")
    if word == "for":
        text = f"which has `for` where the label is named; write `{subject} of {label.strip() or 'label'}`"
        raise CriterionSyntaxError("missing-of", text)
    what = f"which has `{quoted(rest)}` after `{quoted(subject)}`"
    raise CriterionSyntaxError("missing-of", f"{what}; name a label with `of`: `{quoted(subject)} of {quoted(rest)}`")


def _limited(tail: str) -> dict[str, Any]:
    """`threshold [logic timeframe] [in location]`."""
    words = tail.split()
    if not words:
        raise CriterionSyntaxError("missing-threshold", "without a threshold; write one, like `300ms`")
    fields: dict[str, Any] = {"threshold": words.pop(0)}
    if words and words[0] == "%":
        fix = f"write `{fields['threshold']}%` (bzt would read {fields['threshold']} failures)"
        raise CriterionSyntaxError("space-in-threshold", f"with a space before `%`; {fix}")
    if words and words[0].startswith("/"):
        text = f"with a space before `{quoted(words[0])}`; write `{fields['threshold']}{quoted(words[0])}`"
        raise CriterionSyntaxError("space-in-threshold", text)
    if words and words[0] in LOGICS:
        if len(words) < 2:
            raise CriterionSyntaxError("missing-timeframe", f"without a timeframe; write it like `{words[0]} 10s`")
        fields |= {"logic": words[0], "timeframe": words[1]}
        if words[1].startswith("-"):
            text = f"with the timeframe `{quoted(words[1])}`; write it like `10s`"
            raise CriterionSyntaxError("wrong-timeframe", text)
        words = words[2:]
    if len(words) >= 2 and words[0] == "in":
        fields["location"] = words[1]
        words = words[2:]
    if words:
        what = f"which goes on with `{quoted(' '.join(words))}`"
        fix = (
            "after the threshold follow `for|within|over 10s`, `in <location>`, `, stop|continue as failed|non-failed`"
        )
        raise CriterionSyntaxError("trailing-words", f"{what}; {fix}")
    return fields


def _acted(action: str) -> dict[str, Any]:
    match = ACTION.fullmatch(action)
    if not match:
        fix = "write `stop` or `continue` [`as failed|non-failed`]; a label with a comma needs the full form"
        raise CriterionSyntaxError("wrong-action", f"which has `{quoted(action)}` after the comma; {fix}")
    return {"stop": match[1] == "stop", "fail": match[2] != "non-failed"}
