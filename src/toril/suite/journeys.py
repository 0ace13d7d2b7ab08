"""Checks of what toril's engine reads of a journey. The engine's program checks expressions and conditions itself."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from toril.suite.engines import EXTRACTORS, Flaw
from toril.suite.reader import mapping_at, quoted
from toril.text import nearest

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
OPTIONS = {  # of extractors; the first one may be all that is written
    "extract-regexp": ("regexp", "template", "subject"),
    "extract-jsonpath": ("jsonpath", "concat"),
    "extract-css-jquery": ("expression", "attribute"),
    "extract-xpath": ("xpath", "validate-xml", "ignore-whitespace", "use-namespaces", "use-tolerant-parser"),
}
OF_ALL = ("default", "match-no", "from-variable")
PATHS = {"assert-jsonpath": "jsonpath", "assert-xpath": "xpath"}
ACTIONS = ("pause", "stop", "stop-now", "continue")
TARGETS = ("current-thread", "all-threads")
JMETER = "Use `executor: jmeter`."


def journey_problems(request: Mapping[str, Any], path: str) -> Iterator[Flaw]:
    """Yields the parts of a request, or of `set-variables`, that the engine does not support."""
    for name in dict.fromkeys(FUNCTION.findall(str(request))):
        if name not in FUNCTIONS:
            meant = nearest(name, FUNCTIONS)
            fix = f"Did you mean `{meant}`?" if meant else JMETER
            yield Flaw("unsupported-function", path, f"toril's engine does not have the function {quoted(name)}. {fix}")
    for key in sorted(EXTRACTORS & request.keys()):
        main, *others = OPTIONS[key]
        for name, written in mapping_at(request, key).items():
            options, where = written if isinstance(written, dict) else {main: written}, f"{path}.{key}.{name}"
            for option in options:
                if option not in (main, *others, *OF_ALL):
                    yield Flaw("unsupported-key", f"{where}.{option}", f"toril does not support this option. {JMETER}")
            if not options.get(main):
                yield Flaw("missing-key", f"{where}.{main}", f"Missing key. Add the expression: `{main}: …`.")
            if not _is_whole(options.get("match-no", 0)):
                text = f"{quoted(options['match-no'])} is not a whole number. Write one such as 1; 0 is any, -1 all."
                yield Flaw("not-a-number", f"{where}.match-no", text)
    for key, main in PATHS.items():
        checks = request.get(key) or []
        if not isinstance(checks, list):
            yield Flaw("not-a-list", f"{path}.{key}", f"{quoted(checks)} is not a list. Write it like `{key}: [//a]`.")
        for index, check in enumerate(checks if isinstance(checks, list) else ()):
            if not (check.get(main) if isinstance(check, dict) else check):
                yield Flaw("missing-key", f"{path}.{key}[{index}].{main}", f"Missing key. Add it: `{main}: …`.")


def block_problems(block: str, request: Mapping[str, Any], path: str) -> Iterator[Flaw]:
    """Yields wrong values of a block."""
    written, where = request[block], f"{path}.{block}"
    if block == "set-variables":
        yield from journey_problems(mapping_at(request, block), where)
    if block == "foreach" and not FOREACH.fullmatch(str(written)):
        yield Flaw("unknown-value", where, f"{quoted(written)} has another form. Write `item in items`.")
    if block == "loop" and not (_is_whole(written) or str(written) == "forever" or "${" in str(written)):
        yield Flaw("not-a-number", where, f"{quoted(written)} is not a whole number. Write one, or `forever`.")
    if block == "action" and written not in ACTIONS:
        yield Flaw("unknown-value", where, f"{quoted(written)} is not an action. Use one of {', '.join(ACTIONS)}.")
    if block == "action" and request.get("target", TARGETS[0]) not in TARGETS:
        text = f"{quoted(request['target'])} is not a target. Use {' or '.join(TARGETS)}."
        yield Flaw("unknown-value", f"{path}.target", text)


def _is_whole(written: object) -> bool:
    return not isinstance(written, bool) and re.fullmatch(r"-?\d+", str(written)) is not None
