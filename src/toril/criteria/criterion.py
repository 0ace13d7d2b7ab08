"""One criterion: Taurus' pass/fail language, parsed strictly, and the additions of `toril.criteria`.

    [message:] subject [of label] operator threshold [for|within|over timeframe] [in location]
        [before|during|after fault-N] [, action [as status]]

A criterion states the *failing* case. It has three forms: the string, `{message: string}`, and the full form, which is
a mapping. Texts that bzt accepts but ignores or misreads (`fail>50 %`, `p105>1s`, trailing words) are errors here.
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
    METRICS,
    SERVER_SUBJECTS,
    SUBJECTS,
    CriterionSyntaxError,
    Language,
    Metric,
    Subject,
    Unit,
    check_keys,
    quoted,
    read_subject,
    read_threshold,
)
from toril.errors import CriterionError
from toril.records import PlannedCriterion, Search
from toril.secrets.masking import mask_label
from toril.text import suggestion

Operator = Literal[">", ">=", "<", "<=", "="]
Logic = Literal["total", "for", "within", "over"]
Kind = Literal["request", "transaction"]
Phase = Literal["before", "during", "after"]  # of a fault

TAURUS_KEYS = (
    "subject", "label", "condition", "threshold", "logic", "timeframe", "stop", "fail", "message", "class", "location"
)  # fmt: skip
OWN_KEYS = ("kind", "phase", *SERVER_KEYS)
OPERATORS: dict[str, Operator] = {">": ">", ">=": ">=", "<": "<", "<=": "<=", "=": "=", "==": "="}
MEANT = {"=>": ">=", "=<": "<="}  # common mistakes
DATA_CRITERION = "bzt.modules.passfail.DataCriterion"  # the default class
LOGICS: tuple[Logic, ...] = ("for", "within", "over")
PHASES: tuple[Phase, ...] = ("before", "during", "after")
FAULT = re.compile(r"fault-([1-9][0-9]?)")
LONGEST = 1000  # characters of a criterion

LAST_OPERATOR = re.compile(r"(?P<head>.*?)\s*(?P<operator>[<>=!]+)\s*(?P<tail>[^<>=!]*)")
LABELLED = re.compile(r"\S+\s+of\s")
ACTION = re.compile(r"(stop|continue)(?:\s+as\s+(failed|non-failed))?")
TAG = re.compile(r"\{([^{}=]+)=[^{}]*\}\Z")  # `{tenant=big}` after a label: only its requests with this tag
MARKED = re.compile(r"(?:(?P<label>.+) )?\((?P<kind>request|transaction)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One rule that fails a run when it holds."""

    text: str  # the canonical string form, for people
    message: str | None
    subject: str  # of METRICS
    percentile: float | None
    rc_pattern: str | None
    label: str  # of requests, or the name of a metric; empty: all requests, or all checks
    location: str | None
    op: Operator
    threshold: float  # µs for times, bytes, a count, a rate per second, or a percentage
    unit: Unit
    logic: Logic
    timeframe_s: int  # 0 for the total
    stop: bool
    fail: bool
    executions: tuple[str, ...] = ()  # the executions to judge; empty: the whole run
    where: str = field(default="", compare=False)  # "suite.yml: reporting[0].criteria[1]"
    kind: Kind | None = None  # selects one of a request and a transaction with the same label; None: the requests
    bare: bool = field(default=False, compare=False)  # whether the threshold is a time without a unit
    server: ServerMetric | None = None  # for a criterion on the system under test
    phase: Phase | None = None  # judges only this phase of a fault
    fault: int | None = None  # its number, from 1

    @property
    def percent(self) -> bool:
        return self.unit == "%"

    @property
    def metric(self) -> Metric:
        return METRICS[self.subject]

    @property
    def request(self) -> str:
        """The label of the requests that it judges, without a tag; empty for several labels, and for no requests."""
        return "" if self.metric.kinds or self.subject == "capacity" else TAG.sub("", self.label)

    @property
    def tag(self) -> str:
        """The name of the tag of the requests that it judges; empty if it judges them with and without tags."""
        found = None if self.metric.kinds else TAG.search(self.label)
        return found[1] if found else ""


def parse_criterion(
    source: str | Mapping[str, Any], where: str, language: Language = "taurus", executions: tuple[str, ...] = ()
) -> Criterion:
    """Returns the criterion; raises CriterionError with `where`, such as `suite.yml: reporting[0].criteria[1]`.

    bzt reads the language `taurus`; the language `toril` adds subjects and keys to it.
    """
    try:
        if isinstance(source, str):
            criterion = _from_mapping(fields_of(source), language)
        elif not isinstance(source, Mapping):
            raise CriterionSyntaxError("not-a-criterion", "This is not a criterion. Write it like `p95>300ms for 10s`.")
        elif len(source) == 1 and (entry := next(iter(source.items())))[0] not in (*TAURUS_KEYS, *OWN_KEYS):
            criterion = _with_message(*entry, language)
        else:
            criterion = _from_mapping(source, language)
    except CriterionSyntaxError as error:
        raise CriterionError(f"{where}: `{quoted(source)}`: {error}", code=error.code) from None
    return replace(criterion, where=where, executions=executions)


def criteria_of(planned: Iterable[PlannedCriterion]) -> tuple[Criterion, ...]:
    """Returns a plan's criteria as values. A plan is JSON and has their texts; each text is parsed once."""
    return tuple(_parsed(_text(rule.source), rule.where, rule.language, rule.executions) for rule in planned)


def conditions_of(search: Search, execution: str) -> tuple[Criterion, ...]:
    """Returns the criteria that end an execution's capacity search (`until`), as values."""
    place, own = f"toril.capacity.{execution}.until", (execution,)
    return tuple(_parsed(_text(rule), f"{place}[{index}]", "taurus", own) for index, rule in enumerate(search.until))


def _text(source: str | Mapping[str, Any]) -> str:
    return json.dumps(source, default=str)  # `str` for YAML's dates, which JSON does not have


@lru_cache(maxsize=1024)
def _parsed(source: str, where: str, language: Language, executions: tuple[str, ...]) -> Criterion:
    return parse_criterion(json.loads(source), where, language, executions)


def _with_message(message: object, criterion: object, language: Language) -> Criterion:
    if not isinstance(criterion, str | Mapping):
        raise CriterionSyntaxError("not-a-criterion", f"This is not a criterion. {suggestion(message, TAURUS_KEYS)}")
    fields = fields_of(criterion) if isinstance(criterion, str) else criterion
    return _from_mapping({**fields, "message": message}, language)


def _from_mapping(fields: Mapping[str, Any], language: Language) -> Criterion:
    about_a_server = language == "toril" and fields.get("subject") in SERVER_SUBJECTS
    if not about_a_server:
        _only_known(fields, language)
    if fields.get("class", DATA_CRITERION) != DATA_CRITERION:
        fix = "Remove the criterion; `toril.criteria` has criteria on servers."
        raise CriterionSyntaxError("unsupported-class", f"toril does not support criteria with a `class`. {fix}")
    for key in ("subject", "condition", "threshold"):
        if fields.get(key) is None:
            raise CriterionSyntaxError("missing-key", f"`{key}` is missing. Write subject, condition and threshold.")
    operator = fields["condition"]
    if not isinstance(operator, str) or operator not in OPERATORS:
        known = MEANT.get(str(operator))
        fix = f"Write `{known}`." if known else "Use one of > >= < <= = instead."
        raise CriterionSyntaxError("unknown-operator", f"`{quoted(operator)}` is not an operator. {fix}")
    op = OPERATORS[operator]
    logic, timeframe_s = _window(fields.get("logic", "for"), fields.get("timeframe"))
    phase, fault = _phase(fields)
    later = fault is not None or fields["subject"] == "recovery-time"  # judged after the run
    stop, fail = _flag(fields, "stop", not (about_a_server or later)), _flag(fields, "fail", True)
    message = _text_at(fields, "message") or None
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
        location = place = _text_at(fields, "location")
        if METRICS[subject.name].source in ("capacity", "cost"):
            _check_of_whole_run(subject.name, logic, timeframe_s, location, kind)
        if later:
            _check_phase(subject, phase, op, stop=stop, narrowed=bool(timeframe_s or location or kind))
        of = " ".join(part for part in (label, f"({kind})" if kind else "") if part)
        what = f"{subject.text} of {of}" if of else subject.text
        usual = stop is not later and fail
        action = "" if usual else f", {'stop' if stop else 'continue'} as {'failed' if fail else 'non-failed'}"
    window = f" {logic} {timeframe_s}s" if timeframe_s else ""
    where = (f" in {place}" if place else "") + (f" {phase} fault-{fault}" if phase else "")
    return Criterion(
        text=f"{what}{op}{shown}{window}{where}{action}",
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
        phase=phase,
        fault=fault,
    )


def _only_known(fields: Mapping[str, Any], language: Language) -> None:
    for key in fields if language == "taurus" else ():
        if key in OWN_KEYS:
            text = f"Taurus has no key `{key}`. Move the criterion to `toril: {{criteria: […]}}`."
            raise CriterionSyntaxError("misplaced-key", text)
    check_keys(fields, TAURUS_KEYS if language == "taurus" else (*TAURUS_KEYS, "kind", "phase"))


def _label(fields: Mapping[str, Any], subject: Subject, language: Language) -> tuple[str, Kind | None]:
    """Returns the label as recorded, and its kind: from the key `kind`, or from a mark as in the summary."""
    label = _text_at(fields, "label") and str(fields["label"])  # the full form keeps spaces at both ends
    if METRICS[subject.name].source in ("load", "generators", "cost"):
        if label or fields.get("kind"):
            text = f"`{subject.name}` cannot have a label. Write `{subject.name}` alone."
            raise CriterionSyntaxError("unexpected-label", text)
        return "", None
    written = fields.get("kind")
    if METRICS[subject.name].kinds:
        if written is not None:
            text = f"`{subject.text}` judges no requests and has no kind. Remove `kind`."
            raise CriterionSyntaxError("unexpected-kind", text)
        if not label and subject.name != "check-rate":
            text = f"The metric is missing. Name one, as in `{subject.text} of cart_items`."
            raise CriterionSyntaxError("missing-label", text)
        return mask_label(label), None
    if written not in (None, "request", "transaction"):
        text = f"`{quoted(written)}` is not a kind. Write `request` or `transaction`."
        raise CriterionSyntaxError("wrong-kind", text)
    if language == "toril" and written is None and (marked := MARKED.fullmatch(label)):
        return mask_label(marked["label"] or ""), "transaction" if marked["kind"] == "transaction" else "request"
    return mask_label(label), written


def _window(logic: object, timeframe: object) -> tuple[Logic, int]:
    known = next((own for own in LOGICS if own == logic), None)
    if known is None:
        text = f"`{quoted(logic)}` is not a known logic. Use `for`, `within` or `over`."
        raise CriterionSyntaxError("wrong-logic", text)
    if timeframe is None or (
        isinstance(timeframe, (int, float)) and not isinstance(timeframe, bool) and timeframe <= 0
    ):
        return "total", 0  # bzt ignores the logic and judges the whole run
    try:
        seconds = math.ceil(duration_s(timeframe))
    except ValueError:
        text = f"`{quoted(timeframe)}` is not a timeframe. Write it like `10s`."
        raise CriterionSyntaxError("wrong-timeframe", text) from None
    if not seconds:
        text = f"The timeframe is 0. Write `{logic} 10s`, or remove it to judge the whole run."
        raise CriterionSyntaxError("wrong-timeframe", text)
    return known, seconds


def _check_of_whole_run(name: str, logic: Logic, timeframe_s: int, location: str, kind: Kind | None) -> None:
    """A capacity and a cost have one value, which is known at the end of the run."""
    for given, code, text in (
        (timeframe_s, "unexpected-timeframe", f"`{name}` has no timeframe. Remove `{logic} {timeframe_s}s`."),
        (location, "unexpected-location", f"`{name}` has one value for all locations. Remove `in …`."),
        (kind, "unexpected-kind", "A capacity has no kind. Name the execution: `capacity of shop<800/s`."),
    ):
        if given:
            raise CriterionSyntaxError(code, text)


def _phase(fields: Mapping[str, Any]) -> tuple[Phase | None, int | None]:
    """Reads `during fault-1`."""
    word, _, name = (text := _text_at(fields, "phase")).partition(" ")
    phase, fault = next((known for known in PHASES if known == word), None), FAULT.fullmatch(name.strip())
    if text and (phase is None or fault is None):
        text = f"`{quoted(text)}` is not a phase of a fault. Write it like `during fault-1`."
        raise CriterionSyntaxError("wrong-phase", text)
    return phase, fault and int(fault[1])


def _check_phase(subject: Subject, phase: Phase | None, op: Operator, *, stop: bool, narrowed: bool) -> None:
    """Raises CriterionSyntaxError for a criterion on a fault that nothing could judge."""
    source = METRICS[subject.name].source
    if stop:
        raise CriterionSyntaxError("cannot-stop", "A phase of a fault is judged after the run. Remove `stop`.")
    if source == "faults" and (narrowed or op not in (">", ">=") or phase not in (None, "after")):
        raise CriterionSyntaxError("wrong-recovery", "Write it like `recovery-time of checkout>30s after fault-1`.")
    if source not in ("faults", "samples"):
        text = f"`{subject.text}` has no value in a phase of a fault. Use a subject of requests, checks or metrics."
        raise CriterionSyntaxError("unexpected-phase", text)


def _flag(fields: Mapping[str, Any], key: str, otherwise: bool) -> bool:
    value = fields.get(key, otherwise)
    if not isinstance(value, bool):
        raise CriterionSyntaxError("not-a-boolean", f"`{key}` is `{quoted(value)}`. Write true or false.")
    return value


def _text_at(fields: Mapping[str, Any], key: str) -> str:
    value = fields.get(key)
    if isinstance(value, (Mapping, list)):
        raise CriterionSyntaxError("not-a-text", f"`{key}` is not a text. Write a text.")
    return "" if value is None else str(value).strip()


# The string form, divided into the keys of the full form


def fields_of(source: str) -> dict[str, Any]:
    """Returns the full form of a string form."""
    if len(source) > LONGEST:
        text = f"The criterion has {len(source):,} characters. Write {LONGEST:,} at most."
        raise CriterionSyntaxError("too-long", text)
    message, colon, text = source.partition(":")
    if not colon:
        return _unnamed(source)
    if LABELLED.match(message.strip()) and not (text[:1].isspace() or text[:1].isalpha()):
        fix = "For a label with a colon, write the full form: `{subject: …, label: …}`."
        raise CriterionSyntaxError("needs-full-form", f"The text before `:` is the message. {fix}")
    return _unnamed(text) | {"message": message.strip()}


def _unnamed(source: str) -> dict[str, Any]:
    """Returns the full form of a string form without a message."""
    text, comma, action = (part.strip() for part in source.partition(","))
    match = LAST_OPERATOR.fullmatch(text)
    if not match:
        if comma and LABELLED.match(text):
            fix = "For a label with a comma, write the full form: `{subject: …, label: …}`."
            raise CriterionSyntaxError("needs-full-form", f"The text after `,` is the action. {fix}")
        text = "The criterion has no comparison. Write it like `p95 of checkout>300ms for 10s`."
        raise CriterionSyntaxError("no-comparison", text)
    fields = _read_measure(match["head"].strip()) | _read_limit(match["tail"]) | {"condition": match["operator"]}
    return fields | _read_action(action) if comma else fields


def _read_measure(head: str) -> dict[str, Any]:
    """Reads `subject [of label]`."""
    subject, _, rest = head.partition(" ")
    rest = rest.strip()
    if not rest:
        if not subject:
            text = f"The subject is missing. Begin with one of {', '.join(SUBJECTS)}."
            raise CriterionSyntaxError("missing-subject", text)
        return {"subject": subject}
    word, _, label = rest.partition(" ")
    if word != "of" and re.search(r"[<>=]", subject):
        text = "The criterion has several comparisons. Write one criterion for each."
        raise CriterionSyntaxError("several-comparisons", text)
    if word == "of" and label.strip():
        return {"subject": subject, "label": label.strip()}
    if word == "of":
        text = f"The label after `of` is missing. Name one, or write `{subject}` alone."
        raise CriterionSyntaxError("missing-label", text)
    if word == "for":
        text = f"A label needs `of` instead of `for`. Write `{subject} of {label.strip() or 'label'}`."
        raise CriterionSyntaxError("missing-of", text)
    what = f"`{quoted(rest)}` cannot follow `{quoted(subject)}`"
    fix = f"To name a label, write `{quoted(subject)} of {quoted(rest)}`."
    raise CriterionSyntaxError("missing-of", f"{what}. {fix}")


def _read_limit(tail: str) -> dict[str, Any]:
    """Reads `threshold [logic timeframe] [in location]`."""
    words = tail.split()
    if not words:
        raise CriterionSyntaxError("missing-threshold", "The threshold is missing. Write it like `300ms`.")
    fields: dict[str, Any] = {"threshold": words.pop(0)}
    if words and words[0] == "%":
        fix = f"Write `{fields['threshold']}%`: bzt would read {fields['threshold']} failures."
        raise CriterionSyntaxError("space-in-threshold", f"There is a space before `%`. {fix}")
    if words and words[0].startswith("/"):
        fix = f"Write `{fields['threshold']}{quoted(words[0])}`."
        raise CriterionSyntaxError("space-in-threshold", f"There is a space before `{quoted(words[0])}`. {fix}")
    if words and words[0] in LOGICS:
        if len(words) < 2:
            text = f"The timeframe is missing. Write it like `{words[0]} 10s`."
            raise CriterionSyntaxError("missing-timeframe", text)
        fields |= {"logic": words[0], "timeframe": words[1]}
        if words[1].startswith("-"):
            text = f"`{quoted(words[1])}` is not a timeframe. Write it like `10s`."
            raise CriterionSyntaxError("wrong-timeframe", text)
        words = words[2:]
    if len(words) >= 2 and words[0] == "in":
        fields["location"] = words[1]
        words = words[2:]
    if len(words) >= 2 and words[0] in PHASES:
        fields["phase"] = " ".join(words[:2])
        words = words[2:]
    if words:
        what = f"`{quoted(' '.join(words))}` cannot follow the threshold"
        fix = "Use `for|within|over 10s`, `in <location>`, or `, stop|continue as failed|non-failed`."
        raise CriterionSyntaxError("trailing-words", f"{what}. {fix}")
    return fields


def _read_action(action: str) -> dict[str, Any]:
    match = ACTION.fullmatch(action)
    if not match:
        fix = "Write `stop` or `continue`, with `as failed|non-failed`. A label with a comma needs the full form."
        raise CriterionSyntaxError("wrong-action", f"`{quoted(action)}` is not an action. {fix}")
    return {"stop": match[1] == "stop", "fail": match[2] != "non-failed"}
