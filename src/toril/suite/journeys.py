"""What toril's engine reads of a journey: its options, with bzt's defaults, and their checks in the plan.

The fields are named as in the engine's load file (tools/engine/journeys.go), their aliases as in Taurus.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from toril.criteria import duration_s
from toril.errors import SuiteError
from toril.records.evidence import NOT_FOUND
from toril.suite.engines import NESTED, Flaw
from toril.suite.reader import mapping_at, quoted
from toril.suite.sections import Section, Whole, misfit
from toril.text import nearest, suggestion

FOREACH = re.compile(r"(.+) in (.+)")
FUNCTION = re.compile(r"\$\{(__\w+)")
FUNCTIONS = (  # of JMeter and its usual plug-ins: tools/engine/internal/text/functions.go
    "__time", "__timeShift", "__dateTimeConvert", "__RandomDate", "__Random", "__RandomString",
    "__RandomFromMultipleVars", "__chooseRandom", "__UUID", "__urlencode", "__urldecode", "__base64Encode",
    "__base64Decode", "__threadNum", "__iterationNum", "__counter", "__P", "__property", "__setProperty", "__env",
    "__V", "__isVarDefined", "__isDefined", "__eval", "__evalVar", "__intSum", "__longSum", "__toLowerCase",
    "__lowercase", "__toUpperCase", "__uppercase", "__changeCase", "__escapeHtml", "__escapeXml", "__unescapeHtml",
    "__unescape", "__char", "__digest", "__MD5", "__substring", "__strLen", "__strReplace", "__split",
    "__machineName",
)  # fmt: skip
BLOCK_KEYS = {  # key of a block → its other keys
    "if": ("then", "else"),
    **dict.fromkeys(("loop", "while", "foreach"), ("do",)),
    "transaction": ("do", "include-timers"),
    "action": ("target", "pause-duration"),
}
MAIN = ("expression", "contains", "path")  # fields
ACTIONS = ("pause", "stop", "stop-now", "continue")
TARGETS = ("current-thread", "all-threads")
JMETER = "Use `executor: jmeter` without `toril.executor`."
HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?")
HOST_AND_PORT = re.compile(r"([0-9.]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})")
NOT_A_DURATION = "is not a duration. Write it like 30s, 1m30s or 500ms."
NOT_A_BOOLEAN = "is not a boolean. Write true or false."
NOT_TEXTS = "is not a mapping of names to texts. Write it like `{name: value}`."


def _text(value: object) -> str:
    if isinstance(value, (dict, list)):
        raise misfit("not-a-text", "is not a text. Write one.")
    return str(value)


def _texts(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _scope(value: object) -> object:
    if value not in ("parent", "variable"):
        raise misfit("unsupported-key", f"is no scope of toril's engine, which has no sub-samples. {JMETER}")
    return value


Text = Annotated[str, BeforeValidator(_text)]
Expression = Annotated[Text, Field(min_length=1)]


class Extractor(Section):
    """A variable's value in a response."""

    kind: ClassVar[str]
    expression: Expression
    default: Text = NOT_FOUND
    match: Whole = Field(default=0, alias="match-no", ge=-1, le=1_000_000)
    from_variable: Text = ""
    scope: Annotated[str, BeforeValidator(_scope)] = "parent"


class RegexpExtractor(Extractor):
    """By a regular expression."""

    kind = "regexp"
    expression: Expression = Field(alias="regexp")
    match: Whole = Field(default=1, alias="match-no", ge=-1, le=1_000_000)
    template: Text = "1"
    subject: Annotated[
        Literal["body", "headers", "http-code", "url", "message"], BeforeValidator(lambda value: str(value).lower())
    ] = "body"


class JsonExtractor(Extractor):
    """By a JSON path."""

    kind = "jsonpath"
    expression: Expression = Field(alias="jsonpath")
    concat: bool = False


class CssExtractor(Extractor):
    """By a CSS selector."""

    kind = "css"
    attribute: Text = ""


class XmlOptions(Section):
    """The reading of XML and HTML."""

    tolerant: bool = Field(default=False, alias="use-tolerant-parser")
    validated: bool = Field(default=False, alias="validate-xml")  # without effect: no schema is loaded
    ignore_whitespace: bool = True


class XpathExtractor(XmlOptions, Extractor):
    """By an XPath."""

    kind = "xpath"
    expression: Expression = Field(alias="xpath")
    match: Whole = Field(default=-1, alias="match-no", ge=-1, le=1_000_000)
    namespaces: bool = Field(default=False, alias="use-namespaces")


class Assertion(Section):
    """What a response has to contain."""

    kind: ClassVar[str]


class TextAssertion(Assertion):
    """Texts or patterns in a part of the response."""

    kind = "contains"
    contains: Annotated[list[Text], BeforeValidator(_texts)] = Field(min_length=1)
    subject: Literal["body", "headers", "http-code"] = "body"
    regexp: bool = True
    not_: bool = False
    assume_success: bool = False


class JsonAssertion(Assertion):
    """A value in a JSON body."""

    kind = "jsonpath"
    expression: Expression = Field(alias="jsonpath")
    # None: the path has to exist
    expected: Annotated[Text | None, BeforeValidator(lambda value: None if value == "" else value)] = Field(
        default=None, alias="expected-value"
    )
    regexp: bool = True
    invert: bool = False
    expect_null: bool = False
    validated: bool = Field(default=False, alias="validate")  # without effect: the engine always compares


class XpathAssertion(XmlOptions, Assertion):
    """A node in an XML or HTML body."""

    kind = "xpath"
    expression: Expression = Field(alias="xpath")
    invert: bool = False


class Upload(Section):
    """A file that a request sends."""

    path: Expression
    param: Text = ""  # empty: the file is the body
    mime: Text = Field(default="", alias="mime-type")


EXTRACTORS: Mapping[str, type[Extractor]] = {
    "extract-regexp": RegexpExtractor,
    "extract-jsonpath": JsonExtractor,
    "extract-css-jquery": CssExtractor,
    "extract-xpath": XpathExtractor,
}
ASSERTIONS: Mapping[str, type[Assertion]] = {
    "assert": TextAssertion,
    "assert-jsonpath": JsonAssertion,
    "assert-xpath": XpathAssertion,
}
LISTED: Mapping[str, type[Section]] = {**ASSERTIONS, "upload-files": Upload}


def section_of(kind: type[Section], written: object) -> dict[str, Any]:
    """Returns the options as a mapping; the suite may have the main one alone. Null stands for a missing key."""
    main = next(field.alias for name, field in kind.model_fields.items() if name in MAIN)
    options = written if isinstance(written, dict) else {main: written}
    return {str(key): value for key, value in options.items() if value is not None}


class _Wrong(SuiteError):
    def __init__(self, *flaw: str) -> None:
        super().__init__("", code=flaw[0])
        self.flaw = Flaw(*flaw)


def _misfits(kind: type[Section], written: object, path: str) -> Iterator[Flaw]:
    try:
        kind.read(section_of(kind, written), path, _Wrong)
    except _Wrong as wrong:
        yield wrong.flaw


def journey_problems(request: Mapping[str, Any], path: str) -> Iterator[Flaw]:
    """Yields the parts of a request that the engine does not support."""
    yield from function_problems(request, path)
    for key, extractor in EXTRACTORS.items():
        if not isinstance(request.get(key) or {}, dict):
            text = f"{quoted(request[key])} is not a mapping. Write it like `{key}: {{name: expression}}`."
            yield Flaw("not-a-mapping", f"{path}.{key}", text)
        for name, written in mapping_at(request, key).items():
            yield from _misfits(extractor, written, f"{path}.{key}.{str(name)[:60]}")
    for key, kind in LISTED.items():
        listed = request.get(key) or []
        if not isinstance(listed, list):
            yield Flaw("not-a-list", f"{path}.{key}", f"{quoted(listed)} is not a list. Write it like `{key}: […]`.")
        for index, written in enumerate(listed if isinstance(listed, list) else ()):
            yield from _misfits(kind, written, f"{path}.{key}[{index}]")


def function_problems(written: object, path: str) -> Iterator[Flaw]:
    """Yields the functions that the engine does not have."""
    for name in dict.fromkeys(FUNCTION.findall(str(written))):
        if name not in FUNCTIONS:
            meant = nearest(name, FUNCTIONS)
            fix = f"Did you mean `{meant}`?" if meant else JMETER
            yield Flaw("unsupported-function", path, f"toril's engine does not have the function {quoted(name)}. {fix}")


def block_problems(block: str, request: Mapping[str, Any], path: str) -> Iterator[Flaw]:
    """Yields unknown keys and wrong values of a block."""
    written, where, keys = request[block], f"{path}.{block}", (block, *BLOCK_KEYS.get(block, ()))
    for key in request:
        if key not in keys:
            text = f"The block does not have this key. {suggestion(str(key), keys)}"
            yield Flaw("unknown-key", f"{path}.{str(key)[:60]}", text)
    if block not in ("if", "while", "once"):  # conditions have further functions
        yield from function_problems([value for key, value in request.items() if key not in NESTED], where)
    for key in ("else", "then"):
        if key in request and not isinstance(request[key] or [], list):
            text = f"This is not a list of requests. Write it like `{key}: [http://…]`."
            yield Flaw("not-a-list", f"{path}.{key}", text)
    match block:
        case "if" | "while" if not (isinstance(written, str) and written.strip()):
            text = f'{quoted(written)} is not a condition. Write it like `\'"${{name}}" == "text"\'`.'
            yield Flaw("not-a-condition", where, text)
        case "transaction" | "include-scenario" if not isinstance(written, (str, int, float)) or written == "":
            yield Flaw("not-a-text", where, f"{quoted(written)} is not a text. Write a name.")
        case "transaction" if not isinstance(request.get("include-timers") or False, bool):
            yield Flaw(
                "not-a-boolean", f"{path}.include-timers", f"{quoted(request['include-timers'])} {NOT_A_BOOLEAN}"
            )
        case "set-variables" if not are_texts(written):
            yield Flaw("not-a-mapping", where, f"{quoted(written)} {NOT_TEXTS}")
        case "foreach" if not FOREACH.fullmatch(str(written)):
            yield Flaw("unknown-value", where, f"{quoted(written)} has another form. Write `item in items`.")
        case "loop" if not (_is_count(written) or str(written) == "forever" or "${" in str(written)):
            yield Flaw("not-a-number", where, f"{quoted(written)} is not a whole number. Write one, or `forever`.")
        case "action":
            yield from _action_problems(request, path)


def _action_problems(request: Mapping[str, Any], path: str) -> Iterator[Flaw]:
    action, target, duration = (request.get(key) for key in ("action", "target", "pause-duration"))
    if action not in ACTIONS:
        text = f"{quoted(action)} is not an action. Use one of {', '.join(ACTIONS)}."
        yield Flaw("unknown-value", f"{path}.action", text)
    if target is not None and target not in TARGETS:
        yield Flaw("unknown-value", f"{path}.target", f"{quoted(target)} is not a target. Use {' or '.join(TARGETS)}.")
    if action == "pause" and not duration:
        yield Flaw("missing-key", f"{path}.pause-duration", "Missing key. Add a duration: `pause-duration: 1s`.")
    elif duration is not None and not ("${" in str(duration) or is_duration(duration)):
        yield Flaw("not-a-duration", f"{path}.pause-duration", f"{quoted(duration)} {NOT_A_DURATION}")


def are_texts(written: object) -> bool:
    """Returns whether this is a mapping of names to texts."""
    return isinstance(written, dict) and not any(isinstance(value, (dict, list)) for value in written.values())


def is_duration(written: Any) -> bool:
    """Returns whether this is a duration."""
    try:
        return bool(duration_s(written) >= 0)
    except ValueError:
        return False


def are_hosts(written: object) -> bool:
    """Returns whether this is a mapping of names to addresses, with or without a port."""
    return isinstance(written, dict) and all(
        HOST.fullmatch(str(name)) and _is_ip_address(address) for name, address in written.items()
    )


def _is_ip_address(written: object) -> bool:
    parts = HOST_AND_PORT.fullmatch(written) if isinstance(written, str) else None
    host, port = (parts[1], int(parts[2])) if parts else (written, 0)
    try:
        return (
            isinstance(host, str) and port < 65_536 and bool(ipaddress.ip_address(host.strip("[]") if parts else host))
        )
    except ValueError:
        return False


def _is_count(written: object) -> bool:
    return not isinstance(written, bool) and re.fullmatch(r"-1|[0-9]{1,18}", str(written)) is not None
