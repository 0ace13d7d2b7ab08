"""One criterion: Taurus' pass/fail language, parsed strictly.

    [message:] subject [of label] operator threshold [for|within|over timeframe] [in location] [, action [as status]]

A criterion states the *failing* case. Three forms say the same: the string, `{message: string}`, and the full form, a
mapping. What bzt accepts but then ignores or misreads (`fail>50 %`, `p105>1s`, trailing words) is an error here.
"""

import difflib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from toril.errors import CriterionError
from toril.grammar.quantities import duration_s, number, size_bytes

Operator = Literal[">", ">=", "<", "<=", "="]
Logic = Literal["total", "for", "within", "over"]
Unit = Literal["us", "bytes", "", "%"]

TIMES = ("avg-rt", "avg-lt", "avg-ct", "stdev-rt")
SUBJECTS = (*TIMES, "concurrency", "hits", "bytes", "succ", "fail", "p90", "p99.9", "rc500", "rc5??")  # as examples
KEYS = (
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
OPERATORS: dict[str, Operator] = {">": ">", ">=": ">=", "<": "<", "<=": "<=", "=": "=", "==": "="}
MEANT = {"=>": ">=", "=<": "<="}  # slips whose meaning is plain
LOGICS: tuple[Logic, ...] = ("for", "within", "over")
DATA_CRITERION = "bzt.modules.passfail.DataCriterion"  # the class that every criterion has unless it names another
LONGEST = 1000  # characters of a criterion

PERCENTILE = re.compile(r"p([0-9]{1,3}(?:\.[0-9]{1,6})?)")
LAST_OPERATOR = re.compile(r"(?P<head>.*?)\s*(?P<operator>[<>=!]+)\s*(?P<tail>[^<>=!]*)")
LABELLED = re.compile(r"\S+\s+of\s")
ACTION = re.compile(r"(stop|continue)(?:\s+as\s+(failed|non-failed))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One rule that fails a run when it holds."""

    text: str  # the canonical string form, as it is shown
    message: str | None
    subject: str  # avg-rt avg-lt avg-ct stdev-rt concurrency hits bytes succ fail p rc
    percentile: float | None
    rc_pattern: str | None
    label: str  # "" is all requests
    location: str | None
    op: Operator
    threshold: float  # µs for times, bytes, a count, or 0–100 for a percentage
    percent: bool
    unit: Unit
    logic: Logic
    timeframe_s: int  # 0 for the total
    stop: bool
    fail: bool


def parse_criterion(source: str | Mapping[str, Any], where: str) -> Criterion:
    """The criterion written as `source`; CriterionError, naming `where` (`suite.yml: reporting[0].criteria[1]`)."""
    try:
        if isinstance(source, str):
            return _from_text(source)
        if not isinstance(source, Mapping):
            raise _Wrong("no criterion", "write it like `p95>300ms for 10s`")
        if len(source) == 1 and (entry := next(iter(source.items())))[0] not in KEYS:
            return _with_message(*entry)
        return _from_mapping(source)
    except _Wrong as wrong:
        raise CriterionError(f"{where} is `{_short(source)}`, {wrong.what}; {wrong.fix}") from None


class _Wrong(Exception):
    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what, fix)
        self.what, self.fix = what, fix


def _with_message(message: object, criterion: object) -> Criterion:
    if isinstance(criterion, str):
        fields = _fields(criterion)
    elif isinstance(criterion, Mapping):
        fields = dict(criterion)
    else:
        known = f"did you mean `{_nearest(message, KEYS)}`" if _nearest(message, KEYS) else "write it like `p95>300ms`"
        raise _Wrong("no criterion", known)
    return _from_mapping({**fields, "message": message})


def _from_text(text: str) -> Criterion:
    return _from_mapping(_fields(text))


def _fields(source: str) -> dict[str, Any]:
    """The string form as the full form."""
    if len(source) > LONGEST:
        raise _Wrong(f"{len(source):,} characters long", f"a criterion has at most {LONGEST:,}")
    message, colon, text = source.partition(":")
    if not colon:
        return _unnamed(source)
    if LABELLED.match(message.strip()) and not (text[:1].isspace() or text[:1].isalpha()):
        fix = "a label with a colon needs the full form: `{subject: …, label: …}`"
        raise _Wrong("which ends its message at the `:`", fix)
    return _unnamed(text) | {"message": message.strip()}


def _unnamed(source: str) -> dict[str, Any]:
    """The string form without a message."""
    text, comma, action = (part.strip() for part in source.partition(","))
    match = LAST_OPERATOR.fullmatch(text)
    if not match:
        if comma and LABELLED.match(text):
            raise _Wrong("cut at the comma", "a label with a comma needs the full form: `{subject: …, label: …}`")
        raise _Wrong("no comparison", "write it like `p95 of checkout>300ms for 10s`")
    fields = _measured(match["head"].strip()) | _limited(match["tail"]) | {"condition": match["operator"]}
    return fields | _acted(action) if comma else fields


def _measured(head: str) -> dict[str, Any]:
    """`subject [of label]`."""
    subject, _, rest = head.partition(" ")
    rest = rest.strip()
    if not rest:
        if not subject:
            raise _Wrong("without a subject", f"begin with one of {', '.join(SUBJECTS)}")
        return {"subject": subject}
    word, _, label = rest.partition(" ")
    if word == "of" and label.strip():
        return {"subject": subject, "label": label.strip()}
    if word == "of":
        raise _Wrong("without a label after `of`", f"name one, or write `{subject}` alone for all requests")
    if word == "for":
        raise _Wrong("which has `for` where the label is named", f"write `{subject} of {label.strip() or 'label'}`")
    raise _Wrong(
        f"which has `{_short(rest)}` after `{_short(subject)}`",
        f"name a label with `of`: `{_short(subject)} of {_short(rest)}`",
    )


def _limited(tail: str) -> dict[str, Any]:
    """`threshold [logic timeframe] [in location]`."""
    words = tail.split()
    if not words:
        raise _Wrong("without a threshold", "write one after the operator, like `300ms`")
    fields: dict[str, Any] = {"threshold": words.pop(0)}
    if words and words[0] == "%":
        raise _Wrong(
            "with a space before `%`", f"write `{fields['threshold']}%` (bzt would read {fields['threshold']} failures)"
        )
    if words and words[0] in LOGICS:
        if len(words) < 2:
            raise _Wrong(f"without a timeframe after `{words[0]}`", f"write it like `{words[0]} 10s`")
        fields |= {"logic": words[0], "timeframe": words[1]}
        words = words[2:]
    if len(words) >= 2 and words[0] == "in":
        fields["location"] = words[1]
        words = words[2:]
    if words:
        raise _Wrong(
            f"which goes on with `{_short(' '.join(words))}`",
            "after the threshold follow `for|within|over 10s`, `in <location>`, `, stop|continue as failed|non-failed`",
        )
    return fields


def _acted(action: str) -> dict[str, Any]:
    match = ACTION.fullmatch(action)
    if not match:
        raise _Wrong(
            f"which has `{_short(action)}` after the comma",
            "write `stop` or `continue` [`as failed|non-failed`]; a label with a comma needs the full form",
        )
    return {"stop": match[1] == "stop", "fail": match[2] != "non-failed"}


def _from_mapping(fields: Mapping[str, Any]) -> Criterion:
    for key in fields:
        if key not in KEYS:
            nearest = _nearest(key, KEYS)
            raise _Wrong(
                f"which has no key `{_short(key)}`",
                f"did you mean `{nearest}`" if nearest else f"known are {', '.join(KEYS)}",
            )
    if fields.get("class", DATA_CRITERION) != DATA_CRITERION:
        raise _Wrong(
            "which judges something else than samples",
            "toril judges samples only; leave the criterion with a `class` out",
        )
    for key in ("subject", "condition", "threshold"):
        if fields.get(key) is None:
            raise _Wrong(f"without `{key}`", "a criterion needs subject, condition and threshold")
    subject, percentile, rc_pattern = _subject(fields["subject"])
    operator = fields["condition"]
    if not isinstance(operator, str) or operator not in OPERATORS:
        known = MEANT.get(str(operator))
        raise _Wrong(f"with the operator `{_short(operator)}`", f"write `{known}`" if known else "use > >= < <= or =")
    unit, threshold, shown = _threshold(fields["threshold"], subject)
    logic, timeframe_s = _window(fields.get("logic", "for"), fields.get("timeframe"))
    stop, fail = _flag(fields, "stop"), _flag(fields, "fail")
    label, location, message = _words(fields, "label"), _words(fields, "location"), _words(fields, "message")
    op = OPERATORS[operator]
    return Criterion(
        text=_text(_name(subject, percentile, rc_pattern), label, op, shown, logic, timeframe_s, location, stop, fail),
        message=message or None,
        subject=subject,
        percentile=percentile,
        rc_pattern=rc_pattern,
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
    )


def _subject(subject: object) -> tuple[str, float | None, str | None]:
    if not isinstance(subject, str):
        raise _Wrong(f"with the subject `{_short(subject)}`", f"use one of {', '.join(SUBJECTS)}")
    if subject in (*TIMES, "hits", "bytes"):
        return subject, None, None
    for stem, name in (("concurr", "concurrency"), ("succ", "succ"), ("fail", "fail")):
        if subject.startswith(stem) and subject.isalpha():
            return name, None, None
    if match := PERCENTILE.fullmatch(subject):
        percentile = float(match[1])
        if percentile > 100:
            raise _Wrong(f"with the percentile {match[1]}", "percentiles go from p0 to p100")
        return "p", percentile, None
    if subject.startswith("rc"):
        if not subject[2:]:
            raise _Wrong("without a response code", "write it like `rc500`, `rc5??` or `rc*`")
        return "rc", None, subject[2:]
    nearest = _nearest(subject, SUBJECTS)
    fix = f"did you mean `{nearest}`; " if nearest else ""
    raise _Wrong(
        f"with the subject `{_short(subject)}`, which cannot be judged", f"{fix}supported are {', '.join(SUBJECTS)}"
    )


def _threshold(value: object, subject: str) -> tuple[Unit, Fraction, str]:
    """Unit, value and canonical text."""
    text = str(value).replace(" ", "")
    what = f"with the threshold `{_short(value)}`"
    if text.endswith("%"):
        if subject not in ("succ", "fail", "rc"):
            raise _Wrong(f"with a percentage, which `{subject}` has not", "only succ, fail and rc have one")
        percentage = _quantity(number, text[:-1], what, "write a percentage like `5%`")
        if percentage > 100:
            raise _Wrong(f"with {_short(text)}", "a percentage goes from 0% to 100%")
        return "%", percentage, text
    if subject == "bytes":
        return "bytes", _quantity(size_bytes, value, what, "write bytes like `500`, `10kB` or `10MB` (kB = 1024)"), text
    if subject in TIMES or subject == "p":
        seconds = _quantity(duration_s, value, what, "write a time like `300ms`, `1.5s` or `2s500ms`")
        return "us", seconds * 1_000_000, text + "s" if text[-1] in "0123456789." else text
    percentages = subject in ("succ", "fail", "rc")
    fix = "write a count such as `10`" + (", or a percentage like `5%`" if percentages else "")
    return "", _quantity(number, value, what, fix), text


def _quantity(read: Callable[[object], Fraction], value: object, what: str, fix: str) -> Fraction:
    try:
        return read(value)
    except ValueError:
        raise _Wrong(what, fix) from None


def _window(logic: object, timeframe: object) -> tuple[Logic, int]:
    if logic not in LOGICS:
        raise _Wrong(f"with the logic `{_short(logic)}`", "use for, within or over")
    if timeframe is None or (timeframe == 0 and not isinstance(timeframe, bool)):
        return "total", 0  # whatever the logic: bzt judges the whole run then
    try:
        seconds = math.ceil(duration_s(timeframe))
    except ValueError:
        raise _Wrong(f"with the timeframe `{_short(timeframe)}`", "write one like `10s` or `1m`") from None
    if not seconds:
        raise _Wrong("with a timeframe of 0", f"write one like `{logic} 10s`, or none to judge the whole run")
    return next(known for known in LOGICS if known == logic), seconds


def _flag(fields: Mapping[str, Any], key: str) -> bool:
    value = fields.get(key, True)
    if not isinstance(value, bool):
        raise _Wrong(f"where `{key}` is `{_short(value)}`", "write true or false")
    return value


def _words(fields: Mapping[str, Any], key: str) -> str:
    value = fields.get(key)
    if isinstance(value, (Mapping, list)):
        raise _Wrong(f"where `{key}` is no text", "write it as text")
    return "" if value is None else str(value).strip()


def _name(subject: str, percentile: float | None, rc_pattern: str | None) -> str:
    if percentile is not None:
        return f"p{percentile:.6f}".rstrip("0").rstrip(".")
    return f"rc{rc_pattern}" if rc_pattern is not None else subject


def _text(
    name: str,
    label: str,
    op: str,
    threshold: str,
    logic: str,
    timeframe_s: int,
    location: str | None,
    stop: bool,
    fail: bool,
) -> str:
    of = f" of {label}" if label else ""
    window = f" {logic} {timeframe_s}s" if timeframe_s else ""
    place = f" in {location}" if location else ""
    action = "" if stop and fail else f", {'stop' if stop else 'continue'} as {'failed' if fail else 'non-failed'}"
    return f"{name}{of}{op}{threshold}{window}{place}{action}"


def _nearest(word: object, known: tuple[str, ...]) -> str | None:
    found = difflib.get_close_matches(str(word)[:50], known, n=1)
    return found[0] if found else None


def _short(value: object) -> str:
    text = str(dict(value)) if isinstance(value, Mapping) else str(value)
    text = " ".join(text.split())
    return text if len(text) <= 80 else text[:77] + "…"
