"""The steps of a scenario as fields: requests with checks and carried values, in transactions.

`read_steps` keeps what has no field as it is written: keys of a request, or a whole step such as a loop.
`write_steps(read_steps(written))` has the meaning of `written`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import groupby, zip_longest
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints

from toril.authoring.writer import EXTRACTORS, Flow
from toril.suite.documents import MAX_DEPTH

LONGEST = 100_000  # characters of a suite.yml that the form shows
JSON_TYPE = ("content-type", "application/json")
EXTRACTOR: dict[str, tuple[str, str]] = {**EXTRACTORS, "xpath": ("extract-xpath", "xpath")}
LONG = {"requests": "url", "do": "url", "data-sources": "path", "assert": "contains", "assert-jsonpath": "jsonpath"}
LONG |= dict(EXTRACTOR.values())
LISTS = ("assert", "assert-jsonpath", "data-sources")  # Taurus takes one item for a list of one
USUAL = {"regexp": True, "not": False, "subject": "body"}  # of an assertion

Line = Annotated[str, StringConstraints(max_length=2_000, pattern=r"^[^\r\n]*$")]
Block = Annotated[str, StringConstraints(max_length=LONGEST, pattern=r"^[^\r]*$")]
How = Literal["jsonpath", "regexp", "css", "xpath"]


class FormPart(BaseModel):
    """Values of fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _kept(value: object) -> object:
    """Returns values that a field can keep as JSON; ValueError for others."""
    with suppress(TypeError, RecursionError):
        found = json.loads(value or "{}") if isinstance(value, str) else value
        if json.loads(json.dumps(found)) == found and depth(found) <= MAX_DEPTH:
            return found
    raise ValueError("not plain values")


def depth(value: object) -> int:
    """Returns how many mappings and lists are around the innermost value."""
    inner: Iterable[object] = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(depth, inner), default=0) if isinstance(value, (dict, list)) else 0


Kept = Annotated[dict[str, Any], BeforeValidator(_kept)]


def pairs_of(text: str, separator: str) -> dict[str, str]:
    """Returns the pairs in lines such as `name: value`."""
    pairs = (line.partition(separator) for line in text.splitlines() if line.strip())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _pairs(separator: str) -> BeforeValidator:
    return BeforeValidator(lambda value: pairs_of(value, separator) if isinstance(value, str) else value)


Headers = Annotated[dict[Line, Line], _pairs(":")]
Values = Annotated[dict[Line, Line], _pairs("=")]


class FormCheck(FormPart):
    """An assertion. `path`: of a JSON path; without a value, something has to be there."""

    how: Literal["status", "contains", "lacks", "matches", "jsonpath"] = "status"
    path: Line = ""
    value: Line = ""


class FormCarried(FormPart):
    """A value of the response that later steps use as `${name}`."""

    name: Line = ""
    how: How = "jsonpath"
    expression: Line = ""
    default: Line = ""


class FormStep(FormPart):
    """One request; an empty method is GET. `kept`: its other keys; of a step that is no request, the whole step."""

    url: Line = ""
    method: Line = ""
    label: Line = ""
    transaction: Line = ""  # consecutive steps of one name are a transaction
    think_time: Line = ""
    headers: Headers = {}
    body_as: Literal["", "json", "form"] = ""
    body: Block = ""
    checks: tuple[FormCheck, ...] = ()
    carried: tuple[FormCarried, ...] = ()
    kept: Kept = {}
    whole: bool = False

    @property
    def also(self) -> list[str]:
        """The keys without fields."""
        return list(self.kept)


# ── to a suite


def scalar(text: str) -> int | float | str:
    """Returns a number for a text that a number in YAML is read back as.

    >>> scalar("10"), scalar("2.5"), scalar("1m"), scalar("010")
    (10, 2.5, '1m', '010')
    """
    with suppress(ValueError):
        number = float(text) if "." in text else int(text)
        if str(number) == text and len(text) < 20:
            return number
    return text


def write_steps(steps: Iterable[FormStep]) -> list[Any]:
    """Returns the requests of a scenario."""
    found: list[Any] = []
    for name, group in groupby(steps, lambda step: step.transaction):
        written = [step.kept if step.whole else _request(step) for step in group]
        found += [{"transaction": name, "do": written}] if name else written
    return found


def place_of(steps: Iterable[FormStep], index: int, inner: int) -> int:
    """Returns the place among the steps of `requests[index]`, or of its `do[inner]` if that is a transaction."""
    place = number = 0
    for name, group in groupby(steps, lambda step: step.transaction):
        size = len(list(group))
        entries = 1 if name else size
        if index < number + entries:
            return place + (min(inner, size - 1) if name else index - number)
        place, number = place + size, number + entries
    return max(0, place - 1)


def merged(ours: Mapping[str, Any], kept: Mapping[str, Any]) -> dict[str, Any]:
    """Returns our keys that have a value, with what else is kept of them, and then the other kept keys."""
    result = {key: value for key, value in ours.items() if value not in (None, "", {}, [])}
    for key, value in kept.items():
        own = result.get(key)
        if isinstance(own, dict) and isinstance(value, dict):
            result[key] = type(own)({**value, **own})
        elif isinstance(own, list) and isinstance(value, list):
            result[key] = [*own, *value]
        else:
            result.setdefault(key, value)
    return result


def _request(step: FormStep) -> str | dict[str, Any]:
    headers = dict(step.headers)
    if step.body_as == "json" and JSON_TYPE[0] not in map(str.lower, headers):
        headers = {"Content-Type": JSON_TYPE[1], **headers}
    fields = pairs_of(step.body, "=") if step.body_as == "form" else {}
    ours: dict[str, Any] = {
        "url": step.url,
        "method": step.method,
        "label": step.label,
        "think-time": scalar(step.think_time),
        "headers": headers,
        "body": {name: scalar(value) for name, value in fields.items()} or step.body,
        "assert": [_assertion(check) for check in step.checks if check.how != "jsonpath"],
        "assert-jsonpath": [_assertion(check) for check in step.checks if check.how == "jsonpath"],
    }
    for carried in step.carried:
        key, short = EXTRACTOR[carried.how]
        options = {short: carried.expression, "default": carried.default}
        ours.setdefault(key, {})[carried.name] = Flow(options) if carried.default else carried.expression
    mapping = merged(ours, step.kept)
    return {"url": step.url, **mapping} if mapping.keys() - {"url"} else step.url


def _assertion(check: FormCheck) -> str | Flow:
    match check.how:
        case "jsonpath":
            value = {"jsonpath": check.path, "expected-value": scalar(check.value), "validate": True}
            return Flow(value) if check.value else check.path
        case "matches":
            return check.value
        case "status":
            return Flow({"subject": "http-code", "contains": [check.value]})
    return Flow({"contains": [check.value], "regexp": False, **({"not": True} if check.how == "lacks" else {})})


# ── from a suite


def read_steps(requests: Iterable[object]) -> Iterator[FormStep]:
    """Yields the steps of a scenario's requests; ValueError for one that not even a kept field can hold."""
    before = ""
    for written in requests:
        inner = _transaction(written, before)
        yield from inner or [_step(written)]
        before = inner[0].transaction if inner else ""


def _transaction(written: object, before: str) -> list[FormStep]:
    """Returns the steps of a transaction that fields can name; none for another step."""
    if not isinstance(written, dict) or written.keys() != {"transaction", "do"} or not isinstance(written["do"], list):
        return []
    name = line(written["transaction"])
    return [] if name in ("", before) else [_step(inner, name) for inner in written["do"]]


def _step(written: object, transaction: str = "") -> FormStep:
    if isinstance(written, str):
        return FormStep(url=written, transaction=transaction)
    if not isinstance(written, dict):
        raise ValueError("not a request")
    with suppress(ValueError):
        step = _read(written, transaction)
        if step.url and same(_request(step), written, "requests"):
            return step
    return FormStep(kept=written, whole=True, transaction=transaction)


def _read(written: Mapping[str, Any], transaction: str) -> FormStep:
    kept = dict(written)

    def take(key: str) -> str:
        return line(kept.pop(key)) if is_scalar(kept.get(key)) else ""

    parts = {field: take(field.replace("_", "-")) for field in ("url", "method", "label", "think_time")}
    headers = _taken(kept, "headers", lambda name, value: is_pair(name, value, ":"))
    is_json = {name.lower(): value for name, value in headers.items()}.get(JSON_TYPE[0]) == JSON_TYPE[1]
    body, body_as = kept.get("body"), ""
    if isinstance(body, dict) and is_json:
        kept["body"], body_as = json.dumps(body), "json"  # what Taurus sends
    elif isinstance(body, dict) and body and all(is_pair(name, value, "=") for name, value in body.items()):
        kept["body"], body_as = "".join(f"{name}={line(value)}\n" for name, value in body.items()), "form"
    elif isinstance(body, str) and body and is_json:
        body_as = "json"
    if body_as == "json":
        headers = {name: value for name, value in headers.items() if name.lower() != JSON_TYPE[0]}
    return FormStep(
        **parts,
        transaction=transaction,
        headers=headers,
        body=take("body"),
        body_as=body_as,
        checks=(*_checks(kept, "assert"), *_checks(kept, "assert-jsonpath")),
        carried=tuple(_carried(kept)),
        kept=kept,
    )


def _taken(kept: dict[str, Any], key: str, fits: Any) -> dict[str, str]:
    """Takes the pairs that fit out of a mapping, and leaves the others."""
    mapping = kept.get(key)
    if not isinstance(mapping, dict):
        return {}
    ours = {name: line(value) for name, value in mapping.items() if fits(name, value)}
    kept[key] = {name: value for name, value in mapping.items() if name not in ours}
    if not kept[key]:
        del kept[key]
    return ours


def _checks(kept: dict[str, Any], key: str) -> list[FormCheck]:
    """Takes assertions; all or none of a key, because their order is that of reports."""
    found = [_check(assertion, key) for assertion in items(kept.get(key))]
    if None in found or not found:
        return []
    del kept[key]
    return [check for check in found if check]


def _check(written: object, key: str) -> FormCheck | None:
    parts = plain([written], key)[0]
    if not isinstance(parts, dict):
        return None
    if key == "assert-jsonpath":
        value = parts.get("expected-value", "")
        fields = {"jsonpath", "expected-value", "validate"} if value != "" else {"jsonpath"}
        if parts.keys() != fields or parts.get("validate", True) is not True or not is_scalar(value):
            return None
        return FormCheck(how="jsonpath", path=line(parts["jsonpath"]), value=line(value))
    texts = parts.pop("contains", None)
    if not isinstance(texts, list) or len(texts) != 1 or not is_scalar(texts[0]):
        return None
    hows: tuple[tuple[How | Any, dict[str, Any]], ...] = (
        ("status", {"subject": "http-code"}),
        ("contains", {"regexp": False}),
        ("lacks", {"regexp": False, "not": True}),
        ("matches", {}),
    )
    how = next((how for how, others in hows if parts == others), None)
    return FormCheck(how=how, value=line(texts[0])) if how else None


def _carried(kept: dict[str, Any]) -> Iterator[FormCarried]:
    for how, (key, short) in EXTRACTOR.items():
        options = kept.get(key)
        longs = {} if not isinstance(options, dict) else plain(options, key)

        def fits(name: str, _: object, longs: Any = longs, short: str = short) -> bool:
            own = longs[name]
            usual = isinstance(own, dict) and short in own and own.keys() <= {short, "default"}
            return usual and all(is_scalar(value) and line(value) for value in own.values())

        for name in _taken(kept, key, fits):
            own = longs[name]
            yield FormCarried(name=name, how=how, expression=line(own[short]), default=line(own.get("default")))


# ── values


def items(written: object) -> list[Any]:
    """Returns a list; one of a single item."""
    return written if isinstance(written, list) else [] if written is None else [written]


def line(value: object) -> str:
    """Returns a value as a field shows it; an empty text for none, and for lists and mappings."""
    return "" if value is None or isinstance(value, (dict, list)) else str(value)


def is_scalar(value: object) -> bool:
    """Whether a field can hold a value: a text or a number."""
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)


def is_pair(name: object, value: object, separator: str) -> bool:
    """Whether a line such as `name: value` can hold a pair."""
    texts = (str(name), line(value))
    one_line = all(text == text.strip() and len(text.splitlines()) < 2 for text in texts)
    return one_line and isinstance(name, str) and is_scalar(value) and name != "" and separator not in name


def same(mine: object, theirs: object, key: str = "") -> bool:
    """Whether two values have one meaning; numbers are equal to their texts."""
    return not difference(plain([mine], key), plain([theirs], key), "")


def plain(value: Any, key: str = "") -> Any:
    """Returns a part of a suite in Taurus' long form. `key`: the one that has this value."""
    if isinstance(value, list):
        return [plain(item, key) if isinstance(item, (dict, list)) else _long(item, key) for item in value]
    if not isinstance(value, dict):
        return value
    if key.startswith("extract-"):
        return {name: plain(_long(options, key)) for name, options in value.items()}
    found = {name: plain(items(inner) if name in LISTS else inner, name) for name, inner in value.items()}
    if key == "headers":  # names of any case
        return {str(name).lower(): inner for name, inner in found.items()}
    if key == "assert":
        found = {name: own for name, own in found.items() if USUAL.get(name) != own}
        found |= {"contains": items(found["contains"])} if "contains" in found else {}
        if found.get("subject") == "http-code" and all(line(text).isdigit() for text in found.get("contains", ())):
            found.pop("regexp", None)
    headers = found.get("headers")
    if isinstance(headers, dict) and isinstance(value.get("body"), dict) and headers.get(JSON_TYPE[0]) == JSON_TYPE[1]:
        found["body"] = json.dumps(value["body"])
    return found


def _long(value: Any, key: str) -> Any:
    if key not in LONG or isinstance(value, (dict, list)):
        return value
    return {LONG[key]: [value] if key == "assert" else value}


def difference(mine: Any, theirs: Any, path: str) -> str:
    """Returns the first path at which two values differ, or an empty text; numbers are equal to their texts."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        parts = [(f"{path}.{str(key)[:60]}".strip("."), mine.get(key), theirs.get(key)) for key in {**theirs, **mine}]
    elif isinstance(mine, list) and isinstance(theirs, list):
        parts = [(f"{path}[{index}]", *pair) for index, pair in enumerate(zip_longest(mine, theirs))]
    else:
        equal = mine == theirs or not (mine or theirs) or (None not in (mine, theirs) and str(mine) == str(theirs))
        return "" if equal else path
    return next(filter(None, (difference(own, other, inner) for inner, own, other in parts)), "")
