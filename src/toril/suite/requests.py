"""Checks of a scenario against its engine: a script, or requests from which the engine generates a script.

`toril plan` rejects unsupported scenarios. The worker checks again when it generates a script.
"""

import codecs
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from toril.criteria import duration_s
from toril.suite.actions import ActionError, actions_of, read_action
from toril.suite.engines import (
    BLOCKS,
    CASE_RUNNERS,
    ENGINES,
    EXTRACTORS,
    NESTED,
    PATH_ASSERTIONS,
    PHASES,
    TESTED,
    TIMINGS,
    Engine,
    Problem,
)
from toril.suite.reader import mapping_at, quoted
from toril.suite.settings import Vegeta
from toril.text import nearest

HOLDERS = {"if": "then", "once": "once", "setup": "setup", "teardown": "teardown"}  # `do` in other blocks
WITHOUT_REQUESTS = ("include-scenario", "action", "set-variables")  # blocks
SCRIPT_SUFFIXES = (".py", ".jmx", ".js", ".ts", ".scala", ".java", ".jar")  # other suffixes name no engine
DISTRIBUTION = re.compile(r"(?:uniform|gaussian|poisson)\(.*\)", re.IGNORECASE)
ASSERTION_SUBJECTS = ("body", "http-code", "headers")  # in Locust's generated script
APIRITIF_EXTRACTORS = {  # their options in its generated script
    "extract-jsonpath": {"jsonpath", "default"},
    "extract-regexp": {"regexp", "default"},
    "extract-css-jquery": {"expression", "attribute", "default"},
    "extract-xpath": {"xpath", "default", "use-tolerant-parser", "validate-xml"},
}
EXTRACTOR_DEFAULTS = {"match-no": ("1",), "template": ("1", "$1$"), "subject": ("body", "headers")}

VEGETA_REQUEST_KEYS = ("url", "label", "method", "headers", "body", "body-file", "follow-redirects")
VEGETA_SCENARIO_KEYS = (
    "requests", "default-address", "headers", "timeout", "keepalive", "follow-redirects", "data-sources", "criteria"
)  # fmt: skip
VEGETA_SOURCE_KEYS = ("path", "delimiter", "quoted", "encoding", "variable-names", "loop", "random-order")
VEGETA_SETTINGS = tuple(str(field.alias) for field in Vegeta.model_fields.values())
INDEPENDENT_REQUESTS = "its requests are independent of each other"
NO_BODIES = "it counts the bytes of responses but does not read them"
VEGETA_REASONS = {
    **dict.fromkeys(("assert", *sorted(PATH_ASSERTIONS | EXTRACTORS)), NO_BODIES),
    **dict.fromkeys(("set-variables", "store-cookie", "store-cache"), INDEPENDENT_REQUESTS),
    "think-time": "it sends by schedule and has no virtual users",
    "jsr223": "it runs no scripts",
    "upload-files": "it sends a body as the suite has it",
    "variables": "it reads variables from data-sources only",
    "retrieve-resources": "it does not parse pages",
    "use-dns-cache-mgr": "`toril.vegeta.dns-ttl` sets the lifetime of a resolved address",
    "random-source-ip": "it has one source address",
}
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110: methods and names of headers
NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
SCHEME = re.compile(r"(https?)://.", re.IGNORECASE)
TABS = ("tab", "\\t")
NOT_A_REQUEST = Problem("not-a-request", "", "This is not a request. Write an address, or `{url: …}`.")
MISSING_URL = Problem("missing-url", "", "The request has no address. Add one: `{url: …}`.")


def problems(executor: str, scenario: Mapping[str, Any], path: str) -> Iterator[Problem]:
    """Yields the parts of a scenario that its engine does not support, in their order; of a script only its kind.

    The scenario is in Taurus' form. Executors without tests are not checked.
    """
    if executor in CASE_RUNNERS and not scenario.get("script"):
        text = f"The scenario has no script, which {executor} needs. Add `script: tests`."
        yield Problem("missing-script", path, text)
    if executor not in TESTED:
        return
    engine = ENGINES[executor]
    if scenario.get("script"):
        yield from _script_problems(executor, engine, str(scenario["script"]), f"{path}.script")
    yield from browser_problems(engine, scenario, path)
    if scenario.get("script"):
        return
    if engine.browser:
        yield from _browser_problems(executor, scenario, path)
    requests = scenario.get("requests")
    if not engine.generates:
        text = f"The scenario has no script, which {engine.title} needs. Add `script: load{engine.scripts[0]}`."
        yield Problem("missing-script", path, text)
    elif not requests:
        what, fix = ("neither a script nor requests", " or `script: …`") if engine.scripts else ("no requests", "")
        yield Problem("missing-requests", path, f"The scenario has {what}. Add `requests: [http://…]`{fix}.")
    elif not isinstance(requests, list):
        text = f"{quoted(requests)} is not a list. Write it like `requests: [http://…]`."
        yield Problem("not-a-list", f"{path}.requests", text)
    elif executor == "vegeta":
        yield from _vegeta_problems(scenario, requests, path)
    else:
        for key in scenario:
            if key in engine.scenario_without and scenario[key]:
                yield _unsupported(engine, f"{path}.{key}")
        if executor == "locust":
            yield from _duration_problems(scenario, ("timeout", "think-time"), path)
        if executor == "jmeter":
            yield from _xml_problems(scenario, path)
        yield from _request_problems(executor, requests, f"{path}.requests")


def _xml_problems(written: Any, path: str) -> Iterator[Problem]:
    """Yields the texts that no JMX can hold."""
    if isinstance(written, dict):
        for key, value in written.items():
            where = f"{path}.{str(key)[:60]}"
            yield from _xml_problems(key, where)
            yield from _xml_problems(value, where)
    elif isinstance(written, list):
        for index, value in enumerate(written):
            yield from _xml_problems(value, f"{path}[{index}]")
    elif isinstance(written, str) and NOT_IN_XML.search(written):
        yield Problem(
            "control-character", path, f"{written[:60]!r} has a control character. Remove it: JMeter's plan is XML."
        )


def _script_problems(executor: str, engine: Engine, script: str, path: str) -> Iterator[Problem]:
    name, suffix = PurePosixPath(script).name[-60:], PurePosixPath(script).suffix.lower()
    if not engine.scripts:
        fix = "Write `requests: [http://…]`, or name the executor of the script."
        yield Problem("unsupported-script", path, f"{engine.title} runs no scripts. {fix}")
        return
    if suffix in ("", *engine.scripts) or (suffix not in SCRIPT_SUFFIXES and executor != "k6"):
        return
    others = [f"`executor: {one}`" for one in TESTED if suffix in ENGINES[one].scripts and not ENGINES[one].browser]
    fix, title = f"Write {' or '.join(others)}" if others else "Name the executor of the script", engine.title
    if engine.browser:  # bzt's can run more
        fix, title = "Record the journey as a Python script, `toril record --browser URL`", f"toril's {engine.title}"
    text = f"{title} cannot run `{name}`. {fix}, or use a {engine.scripts[0]} file."
    yield Problem("unsupported-script", path, text)


def _unsupported(engine: Engine, path: str, what: str = "this key") -> Problem:
    text = f"{engine.title}'s generated script does not support {what}. {engine.advice}"
    return Problem("unsupported-key", path, text)


def _request_problems(executor: str, requests: list[Any], path: str) -> Iterator[Problem]:
    engine = ENGINES[executor]
    for index, request in enumerate(requests):
        where = f"{path}[{index}]"
        if isinstance(request, str):
            continue
        if not isinstance(request, dict):
            yield NOT_A_REQUEST._replace(path=where)
            continue
        block = next((key for key in (*BLOCKS, *PHASES) if key in request), None)
        if block is None:
            yield from _plain_request_problems(executor, request, where)
        elif block not in engine.blocks:
            yield _unsupported(engine, f"{where}.{block}", "this block")
        else:
            yield from _block_problems(executor, request, block, where)


def _block_problems(executor: str, block: Mapping[str, Any], kind: str, path: str) -> Iterator[Problem]:
    held = HOLDERS.get(kind, "do")
    if kind not in WITHOUT_REQUESTS and not isinstance(block.get(held), list):
        text = f"This is not a list of requests. Write it like `{held}: [http://…]`."
        yield Problem("not-a-list", f"{path}.{held}", text)
        return
    for key in NESTED:
        if isinstance(block.get(key), list):
            yield from _request_problems(executor, block[key], f"{path}.{key}")


def _plain_request_problems(executor: str, request: Mapping[str, Any], path: str) -> Iterator[Problem]:
    engine = ENGINES[executor]
    for key in request:
        if key in engine.without:
            yield _unsupported(engine, f"{path}.{key}")
    if engine.browser:
        yield from _step_problems(executor, request, path)
        return
    if executor != "jmeter" and not request.get("url"):
        yield MISSING_URL._replace(path=f"{path}.url")
    if executor == "apiritif":
        yield from _extractor_problems(request, path)
    checks = request.get("assert") if executor == "gatling" else None
    for index, check in enumerate(checks if isinstance(checks, list) else ()):
        if isinstance(check, dict) and check.get("subject") == "headers":
            yield _unsupported(engine, f"{path}.assert[{index}].subject", "`headers`")
    if executor == "locust":
        yield from _duration_problems(request, ("think-time",), path)
        yield from _assertion_problems(request.get("assert"), f"{path}.assert")


def _extractor_problems(request: Mapping[str, Any], path: str) -> Iterator[Problem]:
    """Yields options that only JMeter's extractors support; Taurus' default values are allowed."""
    for key, known in APIRITIF_EXTRACTORS.items():
        extractors = request.get(key)
        for name, one in extractors.items() if isinstance(extractors, dict) else ():
            for option, value in one.items() if isinstance(one, dict) else ():
                if option not in known and str(value) not in EXTRACTOR_DEFAULTS.get(option, ()):
                    yield _unsupported(ENGINES["apiritif"], f"{path}.{key}.{name}.{option}", "this option")


def browser_problems(engine: Engine, holder: Mapping[str, Any], path: str) -> Iterator[Problem]:
    """Yields the browsers that a scenario, an execution or a module's settings want: toril runs Chromium on workers."""
    browser = str(holder.get("browser") or mapping_at(holder, "capabilities").get("browserName") or "chrome").lower()
    if engine.browser and browser not in ("chrome", "chromium"):
        text = f"toril does not support `{browser[:40]}`. Remove it: toril runs Chromium."
        yield Problem("unsupported-browser", f"{path}.browser", text)
    if engine.browser and holder.get("remote"):
        text = "toril does not support remote browsers. Remove it: browsers run on the workers."
        yield Problem("unsupported-browser", f"{path}.remote", text)


def _browser_problems(executor: str, scenario: Mapping[str, Any], path: str) -> Iterator[Problem]:
    yield from _duration_problems(scenario, ("timeout", "think-time"), path)
    yield from _distribution_problems(executor, scenario, path)


def _distribution_problems(executor: str, holder: Mapping[str, Any], path: str) -> Iterator[Problem]:
    if executor == "playwright" and DISTRIBUTION.fullmatch(str(holder.get("think-time") or "")):
        yield _unsupported(ENGINES[executor], f"{path}.think-time", "a distribution")


def _step_problems(executor: str, request: Mapping[str, Any], path: str) -> Iterator[Problem]:
    if str(request.get("label") or "").endswith(TIMINGS):
        text = f"{quoted(request['label'])} is a name for a page's timing. Choose another label."
        yield Problem("reserved-label", f"{path}.label", text)
    actions = request.get("actions")
    if actions and not isinstance(actions, list):
        text = f"{quoted(actions)} is not a list. Write it like `actions: [clickByCSS(#buy)]`."
        yield Problem("not-a-list", f"{path}.actions", text)
    elif not request.get("url") and not actions:
        text = "The step has neither an address nor actions. Add `url: …` or `actions: […]`."
        yield Problem("missing-url", f"{path}.url", text)
    yield from _duration_problems(request, ("timeout", "think-time"), path)
    yield from _distribution_problems(executor, request, path)
    for index, written in actions_of(request) if executor == "playwright" else ():
        try:
            read_action(written)
        except ActionError as error:
            yield Problem(error.code, f"{path}.actions[{index}]", str(error))


def _duration_problems(holder: Mapping[str, Any], keys: Collection[str], path: str) -> Iterator[Problem]:
    for key in keys:
        written = holder.get(key)
        if not DISTRIBUTION.fullmatch(str(written)) and not _is_duration(written):
            text = f"{quoted(written)} is not a duration. Write it like 30s, 1m30s or 500ms."
            yield Problem("not-a-duration", f"{path}.{key}", text)


def _assertion_problems(written: Any, path: str) -> Iterator[Problem]:
    """Locust's generated script compiles the patterns, so a wrong pattern has to be found here."""
    if written and not isinstance(written, list):
        text = f"{quoted(written)} is not a list. Write it like `assert: [a text of the body]`."
        yield Problem("not-a-list", path, text)
        return
    for index, check in enumerate(written or ()):
        where = f"{path}[{index}]"
        mapping = check if isinstance(check, dict) else {"contains": [check]}
        subject, contains = mapping.get("subject", "body"), mapping.get("contains") or []
        if subject not in ASSERTION_SUBJECTS:
            text = f"{quoted(subject)} is not a known subject. Use one of {', '.join(ASSERTION_SUBJECTS)}."
            yield Problem("unknown-value", f"{where}.subject", text)
        if not contains:
            text = "Missing key. Add the expected text: `contains: [text]`."
            yield Problem("missing-key", f"{where}.contains", text)
        texts = contains if isinstance(contains, list) else [contains]
        for text in texts if mapping.get("regexp", True) else ():
            yield from _pattern_problems(str(text), f"{where}.contains")


def _pattern_problems(text: str, path: str) -> Iterator[Problem]:
    try:
        re.compile(text)
    except re.error as error:
        what = f"{quoted(text)} is not a regular expression ({error})"
        yield Problem("not-a-pattern", path, f"{what}. Correct it, or add `regexp: false`.")
    except (OverflowError, RecursionError):
        what = "The regular expression is too large. Write a simpler one, or add `regexp: false`."
        yield Problem("not-a-pattern", path, what)


# --- Scenarios of vegeta: all keys are checked


def engine_setting_advice(key: str) -> str:
    """Returns a sentence that says where to write a setting of vegeta; `key` is its name in the suite."""
    if key.startswith(("verify", "ssl", "tls")):
        return "Write `toril: {vegeta: {insecure: true}}` to accept any certificate."
    meant = nearest(key, VEGETA_SETTINGS)
    if meant:
        return f"Write `{meant}` under `toril.vegeta`."
    return f"Keys of `toril.vegeta`: {', '.join(VEGETA_SETTINGS)}."


def _vegeta_problems(scenario: Mapping[str, Any], requests: list[Any], path: str) -> Iterator[Problem]:
    yield from _key_problems(scenario, VEGETA_SCENARIO_KEYS, path)
    yield from _header_problems(scenario.get("headers"), f"{path}.headers")
    sources = scenario.get("data-sources")
    for index, source in enumerate(sources if isinstance(sources, list) else ()):
        if isinstance(source, dict):
            yield from _key_problems(source, VEGETA_SOURCE_KEYS, f"{path}.data-sources[{index}]")
    rooted = bool(scenario.get("default-address"))
    for index, request in enumerate(requests):
        yield from _vegeta_request_problems(request, f"{path}.requests[{index}]", rooted=rooted)


def _vegeta_request_problems(request: Any, path: str, *, rooted: bool) -> Iterator[Problem]:
    if isinstance(request, str):
        yield from _url_problems(request, f"{path}.url", rooted=rooted)
        return
    if not isinstance(request, dict):
        yield NOT_A_REQUEST._replace(path=path)
        return
    block = next((key for key in (*BLOCKS, *PHASES) if key in request and key not in VEGETA_REASONS), None)
    if block is not None:
        fix = ENGINES["vegeta"].advice
        yield Problem("unsupported-key", f"{path}.{block}", f"vegeta supports no blocks: {INDEPENDENT_REQUESTS}. {fix}")
        return
    yield from _key_problems(request, VEGETA_REQUEST_KEYS, path)
    yield from _url_problems(request.get("url"), f"{path}.url", rooted=rooted)
    if request.get("body") is not None and request.get("body-file"):
        yield Problem("conflicting-keys", f"{path}.body-file", "The request also has a `body`. Remove one of them.")
    yield from _header_problems(request.get("headers"), f"{path}.headers")


def _key_problems(holder: Mapping[str, Any], known: tuple[str, ...], path: str) -> Iterator[Problem]:
    """Yields keys and values that vegeta does not support."""
    for key, value in holder.items():
        if key in known or value is None or (value is False and key in VEGETA_REASONS):
            continue
        where = f"{path}.{str(key)[:60]}"
        if key in VEGETA_REASONS:
            fix = ENGINES["vegeta"].advice
            yield Problem("unsupported-key", where, f"vegeta does not support this key: {VEGETA_REASONS[key]}. {fix}")
        elif key in VEGETA_SCENARIO_KEYS:
            text = "vegeta supports this key for scenarios only. Write it beside `requests`."
            yield Problem("unsupported-key", where, text)
        else:
            meant = nearest(key, known)
            fix = f"Did you mean `{meant}`?" if meant else engine_setting_advice(str(key))
            yield Problem("unknown-key", where, f"vegeta does not know this key. {fix}")
    for key, (fits, code, text) in VEGETA_VALUES.items():
        if holder.get(key) is not None and not fits(holder[key]):
            yield Problem(code, f"{path}.{key}", f"{quoted(holder[key])} {text}")


def _has_reference(written: object) -> bool:
    return isinstance(written, str) and "${" in written


def _is_token(written: object) -> bool:
    return _has_reference(written) or (isinstance(written, str) and TOKEN.fullmatch(written) is not None)


def _is_duration(written: object) -> bool:
    try:
        return not written or _has_reference(written) or duration_s(written) >= 0
    except ValueError:
        return False


def _is_delimiter(written: object) -> bool:
    return not written or (isinstance(written, str) and (len(written) == 1 or written.lower() in TABS))


def _is_encoding(written: object) -> bool:
    try:
        return not written or _has_reference(written) or codecs.lookup(str(written)) is not None
    except (LookupError, ValueError):
        return False


NOT_A_BOOLEAN = "not-a-boolean", "is not a boolean. Write true or false."
VEGETA_VALUES: Mapping[str, tuple[Callable[[Any], bool], str, str]] = {
    "timeout": (_is_duration, "not-a-duration", "is not a duration. Write it like 30s, 1m30s or 500ms."),
    "keepalive": (lambda value: isinstance(value, bool), *NOT_A_BOOLEAN),
    "follow-redirects": (lambda value: isinstance(value, bool), *NOT_A_BOOLEAN),
    "method": (_is_token, "unknown-value", "is not a method. Write it like GET or POST."),
    "label": (lambda value: not isinstance(value, (dict, list)), "not-a-text", "is not a text. Write a name."),
    "loop": (
        lambda value: value is not False, "unsupported-key",
        "is not supported: vegeta stops by time, and starts again at the first row. Remove it.",
    ),
    "delimiter": (_is_delimiter, "unknown-value", "is not a delimiter. Write one character, or `tab`."),
    "encoding": (_is_encoding, "unknown-value", "is not a known encoding. Write it like utf-8."),
    "variable-names": (
        lambda value: not isinstance(value, dict), "not-a-list", "is a mapping. Write a list of names."
    ),
    "random-order": (
        lambda value: not value, "unsupported-key",
        "is not supported: vegeta uses rows in their order. Remove it, and shuffle the file.",
    ),
}  # fmt: skip


def _url_problems(written: object, path: str, *, rooted: bool) -> Iterator[Problem]:
    if not written:
        yield MISSING_URL._replace(path=path)
    elif not isinstance(written, str):
        text = f"{quoted(written)} is not an address. Write it like http://shop/cart."
        yield Problem("not-an-address", path, text)
    elif written.startswith("${") or SCHEME.match(written):
        return
    elif "://" in written.partition("?")[0]:
        text = f"{quoted(written)} is not an HTTP address. Begin it with http:// or https://."
        yield Problem("not-an-address", path, text)
    elif not rooted:
        text = f"{quoted(written)} has no host. Write the whole address, or add `default-address`."
        yield Problem("not-an-address", path, text)


def _header_problems(written: Any, path: str) -> Iterator[Problem]:
    if written is not None and not isinstance(written, dict):
        text = f"{quoted(written)} is not a mapping. Write it like `headers: {{Accept: text/html}}`."
        yield Problem("not-a-mapping", path, text)
        return
    for name, value in (written or {}).items():
        where = f"{path}.{str(name)[:60]}"
        if not _is_token(str(name)):
            text = f"{quoted(name)} is not a header name. Write it without spaces and colons."
            yield Problem("bad-header", where, text)
        elif isinstance(value, (dict, list)) or any(one in str(value) for one in "\r\n\0"):
            text = f"{str(value)[:60]!r} is not a header value. Write a text of one line."
            yield Problem("bad-header", where, text)
