"""What toril's engine reads of a journey: its options, with bzt's defaults, and their checks in the plan.

The fields are named as in the engine's load file (tools/engine/journeys.go), their aliases as in Taurus.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from toril.errors import SuiteError
from toril.records.evidence import NOT_FOUND
from toril.suite.engines import Flaw
from toril.suite.reader import mapping_at, quoted
from toril.suite.sections import Section, Whole, misfit

FOREACH = re.compile(r"(.+) in (.+)")
FUNCTION = re.compile(r"\$\{(__\w+)")
FUNCTIONS = (  # of JMeter and its usual plug-ins: tools/engine/internal/text/functions.go
    "__time", "__timeShift", "__Random", "__RandomString", "__chooseRandom", "__UUID", "__urlencode", "__urldecode",
    "__base64Encode", "__base64Decode", "__threadNum", "__iterationNum", "__counter", "__P", "__property", "__env",
    "__V", "__intSum", "__longSum", "__toLowerCase", "__toUpperCase", "__changeCase", "__escapeHtml", "__escapeXml",
    "__char", "__digest",
)  # fmt: skip
MAIN = ("expression", "contains", "path")  # fields
JMETER = "Use `executor: jmeter` without `toril.executor`."


def _text(value: object) -> str:
    if isinstance(value, (dict, list)):
        raise misfit("not-a-text", "is not a text. Write one.")
    return str(value)


def _texts(value: object) -> object:
    return value if isinstance(value, list) else [value]


Text = Annotated[str, BeforeValidator(_text)]
Expression = Annotated[Text, Field(min_length=1)]


class Extractor(Section):
    """A variable's value in a response."""

    expression: Expression
    default: Text = NOT_FOUND
    match: Whole = Field(default=0, alias="match-no", ge=-1, le=1_000_000)
    from_variable: Text = ""
    scope: Literal["parent", "all", "variable"] = "parent"  # without sub-samples there are no others


class RegexpExtractor(Extractor):
    """By a regular expression."""

    expression: Expression = Field(alias="regexp")
    match: Whole = Field(default=1, alias="match-no", ge=-1, le=1_000_000)
    template: Text = "1"
    subject: Annotated[
        Literal["body", "headers", "http-code", "url", "message"], BeforeValidator(lambda value: str(value).lower())
    ] = "body"


class JsonExtractor(Extractor):
    """By a JSON path."""

    expression: Expression = Field(alias="jsonpath")
    concat: bool = False


class CssExtractor(Extractor):
    """By a CSS selector."""

    attribute: Text = ""


class XmlOptions(Section):
    """The reading of XML and HTML."""

    tolerant: bool = Field(default=False, alias="use-tolerant-parser")
    validated: bool = Field(default=False, alias="validate-xml")  # without effect: no schema is loaded
    ignore_whitespace: bool = True


class XpathExtractor(XmlOptions, Extractor):
    """By an XPath."""

    expression: Expression = Field(alias="xpath")
    match: Whole = Field(default=-1, alias="match-no", ge=-1, le=1_000_000)
    namespaces: bool = Field(default=False, alias="use-namespaces")


class TextAssertion(Section):
    """Texts or patterns in a part of the response."""

    contains: Annotated[list[Text], BeforeValidator(_texts)] = Field(min_length=1)
    subject: Literal["body", "headers", "http-code"] = "body"
    regexp: bool = True
    not_: bool = False
    assume_success: bool = False


class JsonAssertion(Section):
    """A value in a JSON body."""

    expression: Expression = Field(alias="jsonpath")
    # None: the path has to exist
    expected: Annotated[Text | None, BeforeValidator(lambda value: None if value == "" else value)] = Field(
        default=None, alias="expected-value"
    )
    regexp: bool = True
    invert: bool = False
    expect_null: bool = False
    validated: bool = Field(default=False, alias="validate")  # without effect: the engine always compares


class XpathAssertion(XmlOptions):
    """A node in an XML or HTML body."""

    expression: Expression = Field(alias="xpath")
    invert: bool = False


class Upload(Section):
    """A file that a request sends."""

    path: Expression
    param: Text = ""  # empty: the file is the body
    mime: Text = Field(default="", alias="mime-type")


EXTRACTORS: Mapping[str, tuple[str, type[Extractor]]] = {  # key → kind in the load file
    "extract-regexp": ("regexp", RegexpExtractor),
    "extract-jsonpath": ("jsonpath", JsonExtractor),
    "extract-css-jquery": ("css", CssExtractor),
    "extract-xpath": ("xpath", XpathExtractor),
}
ASSERTIONS: Mapping[str, tuple[str, type[Section]]] = {
    "assert": ("contains", TextAssertion),
    "assert-jsonpath": ("jsonpath", JsonAssertion),
    "assert-xpath": ("xpath", XpathAssertion),
}


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
    """Yields wrong extractors, assertions and uploads of a request."""
    for key, (_, extractor) in EXTRACTORS.items():
        if not isinstance(request.get(key) or {}, dict):
            text = f"{quoted(request[key])} is not a mapping. Write it like `{key}: {{name: expression}}`."
            yield Flaw("not-a-mapping", f"{path}.{key}", text)
        for name, written in mapping_at(request, key).items():
            yield from _misfits(extractor, written, f"{path}.{key}.{str(name)[:60]}")
    for key in (*ASSERTIONS, "upload-files"):
        yield from list_problems(request, key, path)


def list_problems(request: Mapping[str, Any], key: str, path: str) -> Iterator[Flaw]:
    """Yields wrong assertions or uploads."""
    listed, kind = request.get(key) or [], ASSERTIONS.get(key, ("", Upload))[1]
    if not isinstance(listed, list):
        yield Flaw("not-a-list", f"{path}.{key}", f"{quoted(listed)} is not a list. Write it like `{key}: […]`.")
        return
    for index, written in enumerate(listed):
        if kind is Upload and not isinstance(written, dict):
            text = f"{quoted(written)} is not a mapping. Write it like `{{param: photo, path: a.png}}`."
            yield Flaw("not-a-mapping", f"{path}.{key}[{index}]", text)
        yield from _misfits(kind, written, f"{path}.{key}[{index}]")
