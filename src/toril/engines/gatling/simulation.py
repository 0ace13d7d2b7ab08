"""Writes the requests of a suite as a simulation in Scala. Texts of the suite become literals, and never code.

They do not pass Gatling's expression language either, which would evaluate `#{…}` and `${…}` in the data of a stranger.
A reference `${name}` to a variable is Taurus', and `toril.Text` of tools/gatling resolves it.
"""

import re
from collections.abc import Iterator
from typing import Any

from bzt import TaurusConfigError
from bzt.engine import Scenario
from bzt.requests_model import HierarchicRequestParser, HTTPRequest, SetVariables
from bzt.utils import convert_body_to_string, dehumanize_time, ensure_is_dict

from toril.text import escaped

REFERENCE = re.compile(r"\$\{(\w+)\}")
UNSAFE = re.compile(r"[^ !#-[\]-~]")  # in a literal: quotes, backslashes, controls and all but ASCII
FUNCTION = re.compile(r"\$\{__\w+\(")
LONGEST_LITERAL = 20_000  # characters; a class file allows 65,535 bytes
ABSOLUTE = ("http://", "https://", "${")
EXTRACTORS = {  # key of a request → key of the expression, and Gatling's check
    "extract-regexp": ("regexp", "regex"),
    "extract-jsonpath": ("jsonpath", "jsonPath"),
    "extract-xpath": ("xpath", "xpath"),
    "extract-css-jquery": ("expression", "css"),
}
TEMPLATE = """import io.gatling.core.Predef._
import io.gatling.http.Predef._
import scala.concurrent.duration._

class {name} extends Simulation {{
  val concurrency = Integer.getInteger("concurrency", 1).toInt
{steps}
  setUp(scenario("Taurus Scenario").{loop}.inject({inject}).protocols({protocol})){pace}
}}
"""


def literal(text: object) -> str:
    r"""Returns a text as a literal of Scala.

    >>> print(literal('a"b\n'))
    "a\u0022b\u000a"
    """
    return '"' + UNSAFE.sub(lambda match: escaped(match[0]), str(text)) + '"'


def expression(text: object) -> str:
    """Returns the Scala expression of a text that may refer to variables.

    >>> expression("/a?b=${c}")
    'toril.Text.of("/a?b=", "c", "")'
    """
    if match := FUNCTION.search(str(text)):
        fix = "Use `executor: apiritif` or `executor: jmeter`."
        raise TaurusConfigError(f"Gatling has no functions such as `{match[0]})}}`. {fix}")
    parts: list[str] = []
    for index, part in enumerate(REFERENCE.split(str(text))):
        pieces = [part[at : at + LONGEST_LITERAL] for at in range(0, len(part), LONGEST_LITERAL)] or [""]
        parts += [part] if index % 2 else [part for piece in pieces for part in ("", piece)][1:]
    return f"toril.Text.of({', '.join(map(literal, parts))})"


def protocol(scenario: Scenario) -> str:
    """Returns Gatling's configuration for all requests."""
    code = "http"
    if scenario.get("retrieve-resources", False):
        pattern = scenario.get("retrieve-resources-regex")
        code += f".inferHtmlResources(AllowList({literal(pattern)}))" if pattern else ".inferHtmlResources()"
    if not scenario.get("store-cache", True):
        code += ".disableCaching"
    return code + "".join(_headers(scenario.get_headers()))


def steps(executor: Any, scenario: Scenario) -> list[str]:
    """Returns the chains of one iteration."""
    return [*_feeders(scenario), *_requests(executor, scenario, scenario.get("default-address", ""))]


def _headers(headers: Any) -> Iterator[str]:
    for name, value in headers.items():
        yield f".header({literal(name)}, {expression(value)})"


def _feeders(scenario: Scenario) -> Iterator[str]:
    for source in scenario.get_data_sources():
        path, delimiter = literal(scenario.engine.find_file(source["path"])), source.get("delimiter", None)
        delimiter = "\t" if delimiter in ("tab", "\\t") else delimiter
        rows = f"csv({path})" if delimiter is None else f"separatedValues({path}, {literal(delimiter)}.head)"
        yield f"feed({rows}{'.circular' if source.get('loop', True) else ''})"


def _requests(executor: Any, scenario: Scenario, address: str) -> Iterator[str]:
    for request in scenario.get_requests(parser=HierarchicRequestParser):
        if isinstance(request, SetVariables):
            for name, value in sorted(request.mapping.items()):
                yield f"exec(toril.Text.set({literal(name)}, {expression(value)}))"
        elif isinstance(request, HTTPRequest):
            yield _request(request, address)
        else:
            inner = executor.get_scenario(name=request.scenario_name)
            yield from _requests(executor, inner, inner.get("default-address", "") or address)


def _request(request: HTTPRequest, address: str) -> str:
    url = request.url
    if not url.startswith(ABSOLUTE):
        address = address if address.startswith(ABSOLUTE) else f"http://{address}"
        url = address + ("" if address.endswith("/") or url.startswith("/") else "/") + url
    # In Gatling's log, such a character would begin another value or row.
    label = literal(re.sub(r"[\t\r\n]", " ", request.label))
    parts = [f"http(toril.Text.of({label})).httpRequest({literal(request.method)}, {expression(url)})"]
    parts += _headers(request.headers)
    convert_body_to_string(request)
    if isinstance(request.body, str):
        parts.append(f".body(StringBody({expression(request.body)}))")
    elif isinstance(request.body, dict):
        parts += [f".formParam({expression(name)}, {expression(request.body[name])})" for name in sorted(request.body)]
    checks = [*_extractors(request.config), *_assertions(request.config.get("assert", []))]
    if not any(check.startswith("status.") for check in checks):
        checks.append("status.in(200 to 399)")  # by default Gatling fails redirects that are not followed
    parts += [f".check({check})" for check in checks]
    if not request.priority_option("follow-redirects", default=True):
        parts.append(".disableFollowRedirect")
    think_ms = round(1000 * dehumanize_time(request.get_think_time()))
    return f"exec({''.join(parts)})" + (f".pause({think_ms}.millis)" if think_ms else "")


def _extractors(config: Any) -> Iterator[str]:
    for key, (what, check) in EXTRACTORS.items():
        extractors = config.get(key, {})
        for name in extractors:
            options = ensure_is_dict(extractors, name, what)
            attribute = options.get("attribute", None) if check == "css" else None
            code = f"{check}({expression(options[what])}{f', {literal(attribute)}' if attribute else ''})"
            default = options.get("default", None)
            code += f".withDefault({expression(default)})" if default else ""
            yield f"{code}.name({literal(f'extractor {name}')}).saveAs({literal(name)})"


def _assertions(assertions: Any) -> Iterator[str]:
    for index in range(len(assertions)):
        one = ensure_is_dict(assertions, index, "contains")
        wanted = one.get("contains", TaurusConfigError("Add the expected text to `assert`: `contains: [text]`."))
        inverted = one.get("not", False)
        subject = one.get("subject", Scenario.FIELD_BODY)
        if subject == Scenario.FIELD_HEADERS:
            raise TaurusConfigError("Gatling has no `subject: headers` of `assert`. Use `executor: jmeter`.")
        for text in wanted if isinstance(wanted, list) else [wanted]:
            if subject != Scenario.FIELD_RESP_CODE:
                check = "regex" if one.get("regexp", False) else "substring"
                yield f"{check}({expression(text)}).{'notExists' if inverted else 'exists'}"
            elif str(text).isdecimal():
                yield f"status.{'not' if inverted else 'is'}({int(text)})"
            else:
                yield f"status.transform(_.toString.matches({literal(text)})).is({str(not inverted).lower()})"
