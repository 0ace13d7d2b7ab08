"""What the open-model engine takes of a scenario; all else is refused with the reason, and nothing left out of it."""

import codecs
import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from toril.criteria import duration_s
from toril.suite.settings import Vegeta

REQUEST_KEYS = ("url", "label", "method", "headers", "body", "body-file", "follow-redirects")
SCENARIO_KEYS = (
    "requests",
    "default-address",
    "headers",
    "timeout",
    "keepalive",
    "follow-redirects",
    "data-sources",
    "criteria",
)
SOURCE_KEYS = ("path", "delimiter", "quoted", "encoding", "variable-names", "loop", "random-order")
SETTINGS = tuple(str(field.alias) for field in Vegeta.model_fields.values())
NO_USERS = "it sends by schedule and has no users who wait"
NO_BODIES = "it counts the bytes of responses and does not look into them"
ON_ITS_OWN = "each request of its schedule stands for itself"
REASONS = {
    "think-time": NO_USERS,
    "assert": NO_BODIES,
    "assert-jsonpath": NO_BODIES,
    "assert-xpath": NO_BODIES,
    "extract-regexp": NO_BODIES,
    "extract-jsonpath": NO_BODIES,
    "extract-css-jquery": NO_BODIES,
    "extract-xpath": NO_BODIES,
    "jsr223": "it runs no scripts",
    "upload-files": "it sends a body as it is written",
    "set-variables": ON_ITS_OWN,
    "variables": "it takes variables from data-sources alone",
    "store-cookie": ON_ITS_OWN,
    "store-cache": ON_ITS_OWN,
    "retrieve-resources": "it does not look into pages",
    "use-dns-cache-mgr": "its own `toril.vegeta.dns-ttl` says how long an address is kept",
    "random-source-ip": "it has one address",
}
BLOCKS = ("if", "once", "loop", "while", "foreach", "transaction", "include-scenario", "action", "setup", "teardown")
JMETER = "leave it out, or use `executor: jmeter`"
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110: methods and names of headers
SCHEME = re.compile(r"(https?)://.", re.IGNORECASE)
TABS = ("tab", "\\t")


class Problem(NamedTuple):
    """One thing that cannot be done: `path` is `what`; `fix`."""

    path: str
    what: str
    fix: str


def vegeta_problems(scenario: Mapping[str, Any], path: str) -> Iterator[Problem]:
    """What it cannot do with this scenario, in the scenario's order."""
    if scenario.get("script"):
        fix = "write `requests: [http://…]`, or name the executor that the script is for"
        yield Problem(f"{path}.script", "set, and vegeta runs no scripts", fix)
        return
    requests = scenario.get("requests")
    if not requests:
        yield Problem(path, "without requests", "write `requests: [http://…]`")
        return
    if not isinstance(requests, list):
        yield Problem(f"{path}.requests", "no list", "write it like `requests: [http://…]`")
        return
    yield from _unknown(scenario, SCENARIO_KEYS, path)
    yield from _duration(scenario.get("timeout"), f"{path}.timeout")
    yield from _headers(scenario.get("headers"), f"{path}.headers")
    for key in ("keepalive", "follow-redirects"):
        yield from _truth(scenario, key, path)
    yield from _sources(scenario.get("data-sources"), f"{path}.data-sources")
    rooted = bool(scenario.get("default-address"))
    for index, request in enumerate(requests):
        yield from _of_request(request, f"{path}.requests[{index}]", rooted=rooted)


def _of_request(request: Any, path: str, *, rooted: bool) -> Iterator[Problem]:
    if isinstance(request, str):
        yield from _url(request, f"{path}.url", rooted=rooted)
        return
    if not isinstance(request, dict):
        yield Problem(path, "no request", "write an address, or `{url: …}`")
        return
    block = next((key for key in BLOCKS if key in request), None)
    if block is not None:
        yield Problem(f"{path}.{block}", f"a block, and vegeta has none: {ON_ITS_OWN}", JMETER)
        return
    yield from _unknown(request, REQUEST_KEYS, path)
    yield from _url(request.get("url"), f"{path}.url", rooted=rooted)
    method = request.get("method")
    if method is not None and not _is(TOKEN, method):
        yield Problem(f"{path}.method", f"`{str(method)[:60]}`, no method", "write it like GET or POST")
    if isinstance(request.get("label"), (dict, list)):
        yield Problem(f"{path}.label", f"`{str(request['label'])[:60]}`, no text", "write a name")
    if request.get("body") is not None and request.get("body-file"):
        yield Problem(f"{path}.body-file", "set beside body", "leave one of them out")
    yield from _headers(request.get("headers"), f"{path}.headers")
    yield from _truth(request, "follow-redirects", path)


def _unknown(holder: Mapping[str, Any], known: tuple[str, ...], path: str) -> Iterator[Problem]:
    for key, value in holder.items():
        if key in known or value is None or (value is False and key in REASONS):
            continue
        if key in REASONS:
            yield Problem(f"{path}.{key}", f"set, which vegeta does not do: {REASONS[key]}", JMETER)
        elif key in SCENARIO_KEYS:
            yield Problem(
                f"{path}.{key}", "set, which vegeta knows for whole scenarios only", "write it beside `requests`"
            )
        else:
            found = difflib.get_close_matches(str(key)[:60], known, n=1, cutoff=0.7)
            fix = f"did you mean `{found[0]}`?" if found else setting_for(str(key))
            yield Problem(f"{path}.{str(key)[:60]}", "unknown to vegeta", fix)


def setting_for(key: str) -> str:
    """Where a setting of the engine itself is written; `key` is what somebody called it."""
    if key.startswith(("verify", "ssl", "tls")):
        return "write `toril: {vegeta: {insecure: true}}` for a certificate that cannot be verified"
    found = difflib.get_close_matches(key[:60], SETTINGS, n=1, cutoff=0.5)
    return f"write `{found[0]}` under `toril.vegeta`" if found else f"`toril.vegeta` has {', '.join(SETTINGS)}"


def _duration(written: Any, path: str) -> Iterator[Problem]:
    if not written or (isinstance(written, str) and "${" in written):
        return
    try:
        duration_s(written)
    except ValueError:
        yield Problem(path, "no duration", "write it like 30s, 1m30s or 500ms")


def _is(pattern: re.Pattern[str], written: object) -> bool:
    return isinstance(written, str) and ("${" in written or pattern.fullmatch(written) is not None)


def _url(written: object, path: str, *, rooted: bool) -> Iterator[Problem]:
    if not written:
        yield Problem(path, "missing", "write the request's address: `{url: …}`")
    elif not isinstance(written, str):
        yield Problem(path, f"`{str(written)[:60]}`, no address", "write it like http://shop/cart")
    elif "://" in written.partition("?")[0] and not written.startswith("${") and not SCHEME.match(written):
        yield Problem(path, f"`{written[:60]}`, and vegeta speaks HTTP alone", "write http://… or https://…")
    elif not rooted and not written.startswith("${") and not SCHEME.match(written):
        yield Problem(path, f"`{written[:60]}`, without a host", "write it in full, or `default-address` beside them")


def _headers(written: Any, path: str) -> Iterator[Problem]:
    if written is not None and not isinstance(written, dict):
        yield Problem(path, "no mapping", "write it like `headers: {Accept: text/html}`")
        return
    for name, value in (written or {}).items():
        where = f"{path}.{str(name)[:60]}"
        if not _is(TOKEN, str(name)):
            yield Problem(where, "no name of a header", "write it without blanks and colons")
        elif isinstance(value, (dict, list)) or any(one in str(value) for one in "\r\n\0"):
            yield Problem(where, f"{str(value)[:60]!r}, no value of a header", "write a text of one line")


def _truth(holder: Mapping[str, Any], key: str, path: str) -> Iterator[Problem]:
    if holder.get(key) is not None and not isinstance(holder[key], bool):
        yield Problem(f"{path}.{key}", f"`{str(holder[key])[:60]}`", "write true or false")


def _sources(written: Any, path: str) -> Iterator[Problem]:
    for index, source in enumerate(written if isinstance(written, list) else ()):
        if not isinstance(source, dict):
            continue
        where = f"{path}[{index}]"
        yield from _unknown(source, SOURCE_KEYS, where)
        if source.get("loop") is False:
            fix = "leave it out: rows are used again from the first one on"
            yield Problem(f"{where}.loop", "false, and the load ends by time and not with the data", fix)
        delimiter = source.get("delimiter")
        if delimiter and (not isinstance(delimiter, str) or (len(delimiter) > 1 and delimiter.lower() not in TABS)):
            yield Problem(f"{where}.delimiter", f"`{str(delimiter)[:60]}`", "write one character, or tab")
        if source.get("encoding") and not _known(source["encoding"]):
            yield Problem(f"{where}.encoding", f"`{str(source['encoding'])[:60]}`, unknown", "write it like utf-8")
        if isinstance(source.get("variable-names"), dict):
            yield Problem(f"{where}.variable-names", "a mapping", "write a list of names")
        if source.get("random-order"):
            yield Problem(f"{where}.random-order", "set, and vegeta takes rows in their order", "shuffle the file")


def _known(encoding: object) -> bool:
    try:
        return isinstance(encoding, str) and ("${" in encoding or codecs.lookup(encoding) is not None)
    except (LookupError, ValueError):
        return False
