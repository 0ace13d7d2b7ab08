"""Checks of a scenario against its engine: a script, or requests from which the engine generates a script.

`toril plan` rejects unsupported scenarios. The worker checks again when it generates a script.
"""

import codecs
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from ipaddress import ip_address
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from toril.criteria import duration_s
from toril.load.model import JOURNEY_START
from toril.suite.actions import ActionError, actions_of, read_action
from toril.suite.engines import (
    BLOCKS,
    CASE_RUNNERS,
    ENGINES,
    NESTED,
    PHASES,
    TESTED,
    TIMINGS,
    EngineRules,
    Flaw,
)
from toril.suite.journeys import FOREACH, FUNCTION, FUNCTIONS, JMETER, journey_problems, list_problems
from toril.suite.reader import list_at, mapping_at, quoted
from toril.suite.settings import Engine
from toril.text import nearest

HOLDERS = {"if": "then", "once": "once", "setup": "setup", "teardown": "teardown"}  # `do` in other blocks
WITHOUT_REQUESTS = ("include-scenario", "action", "set-variables")  # blocks
SCRIPT_SUFFIXES = (".py", ".jmx", ".js", ".ts", ".scala", ".java", ".jar")  # other suffixes name no engine
NOT_OF_GATLING = {
    ".kt": "Build a jar with Gatling's plug-in for Maven or Gradle, and name the jar.",
    **dict.fromkeys((".js", ".mjs", ".ts"), "It needs a run-time of its own. Write the simulation in Java or Scala."),
}
DISTRIBUTION = re.compile(r"(uniform|gaussian|poisson)\( *([\w.]+)[,\s]+([\w.]+) *\)", re.IGNORECASE)
APIRITIF_EXTRACTORS = {  # their options in its generated script
    "extract-jsonpath": {"jsonpath", "default"},
    "extract-regexp": {"regexp", "default"},
    "extract-css-jquery": {"expression", "attribute", "default"},
    "extract-xpath": {"xpath", "default", "use-tolerant-parser", "validate-xml"},
}
EXTRACTOR_DEFAULTS = {"match-no": ("1",), "template": ("1", "$1$"), "subject": ("body", "headers")}
ENGINE_SETTINGS = tuple(str(field.alias) for field in Engine.model_fields.values())
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110: methods and names of headers
BEYOND_TAURUS = {"hosts": ("toril", "vegeta"), "sign": ("toril", "locust", "apiritif")}  # key of a scenario → engines
USE_REQUESTS = "Write `requests`, and `toril: {executor: toril}`."
OWN = ("toril", "vegeta")  # executors whose requests toril's own engine sends
WORD = re.compile(r"[\w:/+=,.@-]+")
SCHEME = re.compile(r"(https?)://.", re.IGNORECASE)
TABS = ("tab", "\\t")
FIXED = ("timeout", "think-time", "encoding", "include-scenario")  # without variables
UNEVALUATED = ("requests", "if", "while", "label", *NESTED)  # keys whose functions the engine checks itself, or ignores
BLOCK_KEYS = {  # of toril's engine, besides the block's own key and that of its requests
    "if": ("else",),
    "transaction": ("include-timers",),
    "action": ("target", "pause-duration"),
}
ACTIONS = ("pause", "stop", "stop-now", "continue")
TARGETS = ("current-thread", "all-threads")
HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?")


def problems(executor: str, scenario: Mapping[str, Any], path: str, *, address: object = None) -> Iterator[Flaw]:
    """Yields the parts of a scenario that its engine does not support, in their order; of a script only its kind.

    The scenario is in Taurus' form. `address` is the default of the one that includes it. Executors without tests are
    not checked.
    """
    script, requests = scenario.get("script"), scenario.get("requests")
    if executor in CASE_RUNNERS and not script:
        text = f"The scenario has no script, which {executor} needs. Add `script: tests`."
        yield Flaw("missing-script", path, text)
    if executor not in TESTED:
        return
    engine = ENGINES[executor]
    if script:
        yield from _script_problems(executor, engine, str(script), f"{path}.script")
    yield from browser_problems(engine, scenario, path)
    for key, executors in BEYOND_TAURUS.items():
        if scenario.get(key) and (script or executor not in executors):
            subject = "A script" if script else engine.title
            yield Flaw("unsupported-key", f"{path}.{key}", f"{subject} does not support this key. {USE_REQUESTS}")
    if script:
        return
    if not engine.generates:
        text = f"The scenario has no script, which {engine.title} needs. Add `script: load{engine.scripts[0]}`."
        yield Flaw("missing-script", path, text)
    elif not requests:
        what, fix = ("neither a script nor requests", " or `script: …`") if engine.scripts else ("no requests", "")
        yield Flaw("missing-requests", path, f"The scenario has {what}. Add `requests: [http://…]`{fix}.")
    elif not isinstance(requests, list):
        text = f"{quoted(requests)} is not a list. Write it like `requests: [http://…]`."
        yield Flaw("not-a-list", f"{path}.requests", text)
    else:
        yield from _key_problems(engine, scenario, path, engine.scenario_without, engine.scenario_keys)
        for index, source in enumerate(list_at(scenario, "data-sources")):
            where = f"{path}.data-sources[{index}]"
            if isinstance(source, dict) and engine.source_keys:
                yield from _key_problems(engine, {**source, "loop": None}, where, (), engine.source_keys)
            loops = mapping_at(source).get("loop")
            if executor == "toril" and not isinstance(loops, bool | None):
                yield Flaw(BOOLEAN[1], f"{where}.loop", f"{quoted(loops)} {BOOLEAN[2]}")
            if executor == "vegeta" and (loops is False or mapping_at(source).get("random-order")):
                text = "vegeta uses rows in their order, and begins again after the last one. Remove `{}`."
                key = "loop" if loops is False else "random-order"
                yield Flaw("unsupported-key", f"{where}.{key}", text.format(key))
        rooted = bool(scenario.get("default-address") or address)
        yield from _request_problems(executor, requests, f"{path}.requests", rooted=rooted)


def _function_problems(engine: EngineRules, written: object, path: str) -> Iterator[Flaw]:
    """Yields the functions that toril's engine does not have, or that independent requests cannot have."""
    for name in dict.fromkeys(FUNCTION.findall(str(written))):
        if engine is ENGINES["vegeta"]:
            yield _unsupported(engine, path, f"functions such as `${{{name}()}}`")
        elif name not in FUNCTIONS:
            meant = nearest(name, FUNCTIONS)
            fix = f"Did you mean `{meant}`?" if meant else JMETER
            yield Flaw("unsupported-function", path, f"toril's engine does not have the function {quoted(name)}. {fix}")


def _script_problems(executor: str, engine: EngineRules, script: str, path: str) -> Iterator[Flaw]:
    name, suffix = PurePosixPath(script).name[-60:], PurePosixPath(script).suffix.lower()
    if not engine.scripts:
        fix = "Write `requests: [http://…]`, or name the executor of the script."
        yield Flaw("unsupported-script", path, f"{engine.title} runs no scripts. {fix}")
        return
    if executor == "gatling" and suffix in NOT_OF_GATLING:
        yield Flaw("unsupported-script", path, f"toril's Gatling cannot run `{name}`. {NOT_OF_GATLING[suffix]}")
        return
    if suffix in ("", *engine.scripts) or (suffix not in SCRIPT_SUFFIXES and executor != "k6"):
        return
    others = [
        f"`executor: {other}`" for other in TESTED if suffix in ENGINES[other].scripts and not ENGINES[other].browser
    ]
    fix, title = f"Write {' or '.join(others)}" if others else "Name the executor of the script", engine.title
    if engine.browser:  # bzt's can run more
        fix, title = "Record the journey as a Python script, `toril record --playwright URL`", f"toril's {engine.title}"
    text = f"{title} cannot run `{name}`. {fix}, or use a {engine.scripts[0]} file."
    yield Flaw("unsupported-script", path, text)


def _unsupported(engine: EngineRules, path: str, what: str = "this key") -> Flaw:
    why = engine.reasons.get(path.rpartition(".")[2])
    subject = engine.title if engine.reasons else f"{engine.title}'s generated script"
    text = f"{subject} does not support {what}{f': {why}' if why else ''}. {engine.advice}"
    return Flaw("unsupported-key", path, text)


def _key_problems(
    engine: EngineRules, holder: Mapping[str, Any], path: str, without: Collection[str], known: Collection[str]
) -> Iterator[Flaw]:
    """Yields keys that the engine does not support, and wrong values; any other key is allowed if none is `known`."""
    for key, value in holder.items():
        where = f"{path}.{str(key)[:60]}"
        if value is None or (value is False and (key in without or key == "force-parent-sample")):
            continue
        if key in without:
            yield _unsupported(engine, where)
        elif known and key not in known:
            meant = nearest(key, known)
            fix = f"Did you mean `{meant}`?" if meant else engine_setting_advice(str(key))
            yield Flaw("unknown-key", where, f"{engine.title} does not know this key. {fix}")
        elif known and key not in UNEVALUATED:
            yield from _function_problems(engine, value, where)
    written = {key: value for key, value in holder.items() if value is not None}  # bzt's mappings make missing keys
    for key, (fits, code, text) in VALUES.items():
        if key in engine.checked and key in written and not fits(written[key]):
            yield Flaw(code, f"{path}.{key}", f"{quoted(written[key])} {text}")
        elif key in FIXED and engine.request_keys and _has_reference(written.get(key)):
            text = f"{quoted(written[key])}: {engine.title} needs the value when it starts. Write it here."
            yield Flaw("unset-reference", f"{path}.{key}", text)
    if engine.title == "Playwright" and DISTRIBUTION.fullmatch(str(written.get("think-time", ""))):
        yield _unsupported(engine, f"{path}.think-time", "a distribution")


def engine_setting_advice(key: str) -> str:
    """Returns a sentence that says where to write a setting of the engine; `key` is its name in the suite."""
    if key.startswith(("verify", "ssl", "tls")):
        return "Write `toril: {engine: {insecure: true}}` to accept any certificate."
    if meant := nearest(key, ENGINE_SETTINGS):
        return f"Write `{meant}` under `toril.engine`."
    return f"Keys of `toril.engine`: {', '.join(ENGINE_SETTINGS)}."


def _request_problems(executor: str, requests: list[Any], path: str, *, rooted: bool) -> Iterator[Flaw]:
    engine = ENGINES[executor]
    for index, written in enumerate(requests):
        where = f"{path}[{index}]"
        if isinstance(written, str) and executor not in OWN:
            continue
        request = {"url": written} if isinstance(written, str) else written
        if not isinstance(request, dict):
            text = "This is not a request. Write an address, or `{url: …}`."
            yield Flaw("not-a-request", where, text)
            continue
        for key in ("label", "transaction"):
            if "arrivals" in engine.models and request.get(key) == JOURNEY_START:
                text = "This name is a timing of journeys. Choose another one."
                yield Flaw("reserved-label", f"{where}.{key}", text)
        block = next((key for key in (*BLOCKS, *PHASES) if key in request), None)
        if block is None:
            yield from _plain_request_problems(executor, request, where, rooted=rooted)
        elif block not in engine.blocks:
            yield _unsupported(engine, f"{where}.{block}", "this block")
        else:
            held = HOLDERS.get(block, "do")
            if executor == "toril":
                written = {block: "", **{key: value for key, value in request.items() if value is not None}}
                yield from _key_problems(engine, written, where, (), (block, held, *BLOCK_KEYS.get(block, ())))
            if block not in WITHOUT_REQUESTS and not isinstance(request.get(held), list):
                text = f"This is not a list of requests. Write it like `{held}: [http://…]`."
                yield Flaw("not-a-list", f"{where}.{held}", text)
            for key in NESTED:
                if isinstance(request.get(key), list):
                    yield from _request_problems(executor, request[key], f"{where}.{key}", rooted=rooted)


def _plain_request_problems(executor: str, request: Mapping[str, Any], path: str, *, rooted: bool) -> Iterator[Flaw]:
    engine, url = ENGINES[executor], request.get("url")
    yield from _key_problems(engine, request, path, engine.without, engine.request_keys)
    if engine.browser:
        yield from _step_problems(executor, request, path)
    elif executor != "jmeter" and not url:
        yield Flaw("missing-url", f"{path}.url", "The request has no address. Add one: `{url: …}`.")
    if executor == "apiritif":
        yield from _extractor_problems(request, path)
    for index, check in enumerate(list_at(request, "assert") if executor == "gatling" else ()):
        if isinstance(check, dict) and check.get("subject") == "headers":
            yield _unsupported(engine, f"{path}.assert[{index}].subject", "`headers`")
    if executor == "locust":
        yield from _assertion_problems(request, path)
    if executor == "toril":
        yield from journey_problems(request, path)
    if executor in OWN:
        if url and not (isinstance(url, str) and _is_address(url, rooted=rooted)):
            fix = "Write the whole address, such as http://shop/cart, or add `default-address`."
            yield Flaw("not-an-address", f"{path}.url", f"{quoted(url)} is not an HTTP address. {fix}")
        if request.get("body") is not None and request.get("body-file"):
            yield Flaw("conflicting-keys", f"{path}.body-file", "The request also has a `body`. Remove one of them.")


def _extractor_problems(request: Mapping[str, Any], path: str) -> Iterator[Flaw]:
    """Yields options that only JMeter's extractors support; Taurus' default values are allowed."""
    for key, known in APIRITIF_EXTRACTORS.items():
        for name, extractor in mapping_at(request, key).items():
            for option, value in mapping_at(extractor).items():
                if option not in known and str(value) not in EXTRACTOR_DEFAULTS.get(option, ()):
                    yield _unsupported(ENGINES["apiritif"], f"{path}.{key}.{name}.{option}", "this option")


def browser_problems(engine: EngineRules, holder: Mapping[str, Any], path: str) -> Iterator[Flaw]:
    """Yields the browsers that a scenario, an execution or a module's settings want: toril runs Chromium on workers."""
    browser = str(holder.get("browser") or mapping_at(holder, "capabilities").get("browserName") or "chrome").lower()
    if engine.browser and browser not in ("chrome", "chromium"):
        text = f"toril does not support `{browser[:40]}`. Remove it: toril runs Chromium."
        yield Flaw("unsupported-browser", f"{path}.browser", text)
    if engine.browser and holder.get("remote"):
        text = "toril does not support remote browsers. Remove it: browsers run on the workers."
        yield Flaw("unsupported-browser", f"{path}.remote", text)


def _step_problems(executor: str, request: Mapping[str, Any], path: str) -> Iterator[Flaw]:
    if str(request.get("label") or "").endswith(TIMINGS):
        text = f"{quoted(request['label'])} is a name for a page's timing. Choose another label."
        yield Flaw("reserved-label", f"{path}.label", text)
    actions = request.get("actions")
    if actions and not isinstance(actions, list):
        text = f"{quoted(actions)} is not a list. Write it like `actions: [clickByCSS(#buy)]`."
        yield Flaw("not-a-list", f"{path}.actions", text)
    elif not request.get("url") and not actions:
        text = "The step has neither an address nor actions. Add `url: …` or `actions: […]`."
        yield Flaw("missing-url", f"{path}.url", text)
    for index, written in actions_of(request) if executor == "playwright" else ():
        try:
            read_action(written)
        except ActionError as error:
            yield Flaw(error.code, f"{path}.actions[{index}]", str(error))


def _assertion_problems(request: Mapping[str, Any], path: str) -> Iterator[Flaw]:
    """Locust's generated script compiles the patterns, so a wrong pattern has to be found here."""
    yield from list_problems(request, "assert", path)
    for index, check in enumerate(list_at(request, "assert")):
        mapping = check if isinstance(check, dict) else {"contains": [check]}
        contains = mapping.get("contains")
        for pattern in (contains if isinstance(contains, list) else [contains]) if mapping.get("regexp", True) else ():
            try:
                re.compile(str(pattern))
            except (re.error, OverflowError, RecursionError) as error:
                text = f"{quoted(pattern)} is not a regular expression ({error}). Correct it, or add `regexp: false`."
                yield Flaw("not-a-pattern", f"{path}.assert[{index}].contains", text)


# --- Values


def _has_reference(written: object) -> bool:
    return isinstance(written, str) and "${" in written


def _is_token(written: object) -> bool:
    return _has_reference(written) or (isinstance(written, str) and TOKEN.fullmatch(written) is not None)


def _is_duration(written: Any) -> bool:
    try:
        return not written or _has_reference(written) or duration_s(written) >= 0
    except ValueError:
        return False


def _is_pause(written: object) -> bool:
    parts = DISTRIBUTION.fullmatch(str(written))
    return all(map(_is_duration, parts.groups()[1:])) if parts else _is_duration(written)


def _are_texts(written: object) -> bool:
    return isinstance(written, dict) and not any(isinstance(value, (dict, list)) for value in written.values())


def _are_hosts(written: object) -> bool:
    return isinstance(written, dict) and all(
        HOST.fullmatch(str(name)) and _is_ip_address(str(address)) for name, address in written.items()
    )


def _is_ip_address(written: str) -> bool:
    """Returns whether this is an IP address, with or without a port."""
    if "%" in written:  # a zone
        return False
    with suppress(ValueError):
        return bool(ip_address(written))
    with suppress(ValueError):
        parts = urlsplit(f"//{written}")
        return parts.netloc == written and bool(parts.port and ip_address(parts.hostname or ""))
    return False


def _is_name(written: object) -> bool:
    return isinstance(written, (str, int, float)) and written != ""


def _are_rounds(written: object) -> bool:
    whole = not isinstance(written, bool) and re.fullmatch(r"-1|[0-9]{1,18}", str(written))
    return bool(whole) or written == "forever" or _has_reference(written)


def _is_signature(written: object) -> bool:
    texts = mapping_at(written)
    known = texts.keys() <= {"service", "region", "role"} and "service" in texts
    return known and all(isinstance(value, str) and WORD.fullmatch(value) for value in texts.values())


def _is_delimiter(written: object) -> bool:
    return not written or (isinstance(written, str) and (len(written) == 1 or written.lower() in TABS))


def _is_encoding(written: object) -> bool:
    try:
        return not written or _has_reference(written) or codecs.lookup(str(written)) is not None
    except (LookupError, ValueError):
        return False


def _are_headers(written: object) -> bool:
    return isinstance(written, dict) and all(
        _is_token(str(name))
        and not isinstance(value, (dict, list))
        and not any(char in str(value) for char in "\r\n\0")
        for name, value in written.items()
    )


def _is_address(url: str, *, rooted: bool) -> bool:
    return url.startswith("${") or bool(SCHEME.match(url)) or (rooted and "://" not in url.partition("?")[0])


NOT_A_DURATION = "not-a-duration", "is not a duration. Write it like 30s, 1m30s or 500ms."
BOOLEAN = (lambda value: isinstance(value, bool), "not-a-boolean", "is not a boolean. Write true or false.")
CONDITION = (
    lambda value: isinstance(value, str) and bool(value.strip()), "not-a-condition",
    "is not a condition. Write it like `'\"${name}\" == \"text\"'`.",
)  # fmt: skip
TEXTS = (_are_texts, "not-a-mapping", "is not a mapping of names to texts. Write it like `{name: value}`.")
VALUES: Mapping[str, tuple[Callable[[Any], bool], str, str]] = {
    **dict.fromkeys(("timeout", "pause-duration"), (_is_duration, *NOT_A_DURATION)),
    "think-time": (_is_pause, *NOT_A_DURATION),
    **dict.fromkeys(("keepalive", "follow-redirects", "store-cookie", "store-cache", "auto-assert-ok"), BOOLEAN),
    **dict.fromkeys(("random-order", "include-timers"), BOOLEAN),
    "quoted": (lambda value: value in (True, False, "auto"), *BOOLEAN[1:]),
    **dict.fromkeys(("variables", "set-variables"), TEXTS),
    **dict.fromkeys(("if", "while"), CONDITION),
    **dict.fromkeys(("transaction", "include-scenario"), (_is_name, "not-a-text", "is not a text. Write a name.")),
    "else": (lambda value: isinstance(value, list), "not-a-list", "is not a list. Write it like `else: [http://…]`."),
    "foreach": (
        lambda value: bool(FOREACH.fullmatch(str(value))), "unknown-value", "has another form. Write `item in items`."
    ),
    "loop": (_are_rounds, "not-a-number", "is not a whole number. Write one, or `forever`."),
    "action": (lambda value: value in ACTIONS, "unknown-value", f"is not an action. Use one of {', '.join(ACTIONS)}."),
    "target": (lambda value: value in TARGETS, "unknown-value", f"is not a target. Use {' or '.join(TARGETS)}."),
    "default-address": (
        lambda value: isinstance(value, str) and (not value or _is_address(value, rooted=False)), "not-an-address",
        "is not an HTTP address. Write it like http://shop:8080.",
    ),
    "method": (_is_token, "unknown-value", "is not a method. Write it like GET or POST."),
    "headers": (_are_headers, "bad-header", "are not headers. Write names and texts of one line: `Accept: text/html`."),
    "hosts": (
        _are_hosts, "not-a-mapping",
        "are not hosts. Write names and IP addresses: `{shop.example: 10.0.0.7}`, or `'[2001:db8::7]:8443'`.",
    ),
    "sign": (
        _is_signature, "not-a-mapping",
        "is not a signature. Write `{service: execute-api}`, with `region` and `role` if needed.",
    ),
    "label": (lambda value: not isinstance(value, (dict, list)), "not-a-text", "is not a text. Write a name."),
    "delimiter": (_is_delimiter, "unknown-value", "is not a delimiter. Write one character, or `tab`."),
    "encoding": (_is_encoding, "unknown-value", "is not a known encoding. Write it like utf-8."),
    "variable-names": (
        lambda value: isinstance(value, (str, list)), "not-a-list", "is not a list. Write names like `[id, user]`.",
    ),
}  # fmt: skip
