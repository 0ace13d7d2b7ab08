"""Readers of foreign formats, each of which fills the model of a recording.

A reader is tolerant: it leaves out what it cannot read, and says so in `Recorded.left_out` or `Recorded.notes`.
"""

import codecs
import json
import re
import sys
import zlib
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import urlsplit

import urllib3
import yaml
from urllib3.exceptions import HTTPError

from toril.authoring.options import ImportOptions, Kind, read_url
from toril.authoring.readers.access_log import ZIPPED, is_log, read_access_log
from toril.authoring.readers.curl import read_curl
from toril.authoring.readers.har import read_har
from toril.authoring.readers.openapi import read_openapi
from toril.authoring.readers.postman import read_postman
from toril.authoring.readers.source import Input as Input
from toril.authoring.readers.source import items, mapping
from toril.authoring.recorded import MOST_BYTES, Recorded
from toril.errors import OptionError
from toril.store.connections import pool_for
from toril.suite.reader import quoted

FORMATS = (
    "Expected a HAR, an OpenAPI or Swagger file, a Postman collection, curl commands, an access log (Common, Combined, "
    "ALB or JSON), a script (JMeter, Locust, k6, Gatling) or Taurus."
)
MOST_VALUES = 5_000_000  # of a document
TIMEOUT_S = 30
MOST_REDIRECTS = 5
LOOPBACK = ("localhost", "127.0.0.1", "::1")
SCRIPTS: dict[Kind, re.Pattern[str]] = {
    "jmx": re.compile(r"\A\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*+<jmeterTestPlan\b", re.DOTALL),
    "k6": re.compile(
        r"(?m)^[ \t]*(?:import\b.*\bfrom\s*|(?:const|let|var)\b.*\brequire\(\s*)['\"]k6(?:/[\w./-]+)?['\"]"
    ),
    "gatling": re.compile(r"\bextends\s+Simulation\b"),
    "locustfile": re.compile(r"(?m)^[ \t]*(?:from\s+locust\b[\w.]*\s+import|import\s+locust\b)"),
}
OF_SCRIPTS = (".jmx", ".xml", ".py", ".js", ".mjs", ".ts", ".scala", ".java", ".kt")
CURL = re.compile(r"(?m)^[$>%]?[ \t]*(?:(?:\w+=\S*|time|sudo)[ \t]+)*(?:\S*/)?curl(?:\.exe)?\s")
OPENAPI = re.compile(r"(?m)^[\"']?(?:openapi|swagger)[\"']?\s*:")
OF_TAURUS = (".yml", ".yaml", ".json")
TAURUS = re.compile(r"(?m)^(?:execution|scenarios|included-configs)\s*:|[\"']execution[\"']\s*:")
BLANK = re.compile(r"(?m)^[ \t]+$")  # YAML rejects lines of tabs
HTML = re.compile(r"(?i)\s*<(?:!doctype html|html)\b")
TEXT_ENCODINGS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads YAML; dates stay texts."""


_Loader.yaml_implicit_resolvers = {
    first: [resolver for resolver in known if resolver[0] != "tag:yaml.org,2002:timestamp"]
    for first, known in _Loader.yaml_implicit_resolvers.items()
}


def input_of(source: str) -> Input:
    """Returns the content of a file, an address, or stdin (`-`); OptionError if it cannot be read."""
    if source == "-":
        return _limited(Input(data=sys.stdin.buffer.read(MOST_BYTES + 1), name="stdin", folder=Path()))
    if re.match(r"https?://", source):
        return _limited(_fetched(source))
    path = Path(source).expanduser()
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not a file name"
        text = f"{quoted(source)}: cannot read the file: {why}. Correct the path, or begin an address with https://."
        raise OptionError(text, code="no-such-file") from error
    return _limited(Input(data=data, name=path.name, folder=path.parent))


def _limited(given: Input) -> Input:
    if len(given.data) > MOST_BYTES:
        text = f"larger than {MOST_BYTES >> 20} MiB. Shorten it, or compress a log by gzip."
        raise _refused(given, text, "too-large")
    return given


def _fetched(address: str) -> Input:
    origin, path = read_url(address, "SOURCE")
    if origin.startswith("http://") and urlsplit(origin).hostname not in LOOPBACK:
        raise OptionError(f"{address}: not encrypted. Use https://, or pass the file.", code="not-an-address")
    retries = urllib3.Retry(total=MOST_REDIRECTS, connect=1, read=0, redirect=MOST_REDIRECTS)
    try:
        with pool_for(origin) as pool:
            answer = pool.request("GET", origin + path, timeout=TIMEOUT_S, retries=retries, preload_content=False)
            data = answer.read(MOST_BYTES + 1, decode_content=True)
            answer.release_conn()
    except HTTPError as error:
        why = str(getattr(error, "reason", error))
        why = why.partition("): ")[2] or why  # without the connection's address
        raise OptionError(f"{address}: {why}. Correct the address, or pass the file.", code="unreachable") from error
    hops = answer.retries.history if answer.retries else ()
    if origin.startswith("https:") and any((hop.redirect_location or "").startswith("http:") for hop in hops):
        raise OptionError(f"{address}: redirected to http. Pass the file.", code="not-an-address")
    if answer.status != 200:
        text = f"the server answers {answer.status}. Correct the address, or pass the file."
        raise OptionError(f"{address}: {text}", code="unreachable")
    if HTML.match(data[:1000].decode("utf-8", "replace")):
        fix = "Pass the address of the API's description, such as /openapi.json, /v3/api-docs or /swagger.json"
        raise OptionError(f"{address}: an HTML page. {fix}.", code="unknown-format")
    return Input(data=data, name=urlsplit(origin).hostname or "service", address=origin + path)


def script_of(given: Input) -> Kind | None:
    """Returns the tool whose script or suite the input is; None for another input. A suite keeps a script as it is.

    A suite runs the script, so a file of another type is none: its text may be a stranger's.
    """
    source, suffix = _text(given.data[: 1 << 20]), PurePath(given.name).suffix.lower()
    if given.folder and suffix in OF_TAURUS and TAURUS.search(source) and not OPENAPI.search(source):
        return "taurus" if suffix != ".json" or "execution" in mapping(_parsed(_text(given.data), given.name)) else None
    if source.lstrip().startswith(("{", "[")) or (given.folder and suffix and suffix not in OF_SCRIPTS):
        return None  # JSON may contain scripts
    return next((kind for kind, pattern in SCRIPTS.items() if pattern.search(source)), None)


def read(given: Input, options: ImportOptions) -> Recorded:
    """Returns the recording in the bytes, whose format is known by content; OptionError for an unknown one."""
    try:
        recorded = _read(given, options)
    except RecursionError as error:
        raise _refused(given, "nested too deeply. Simplify the file.") from error
    except (OSError, EOFError, zlib.error) as error:  # of gzip
        raise _refused(given, f"damaged: {error}. Compress it again.", "damaged-file") from error
    if options.environment is not None and recorded.kind != "postman":
        raise _refused(given, "--postman-environment is for Postman collections. Remove it.", "conflicting-options")
    if options.functional and recorded.kind == "access-log":
        raise _refused(given, "an access log has no responses to check. Remove --functional.", "conflicting-options")
    if recorded.exchanges:
        return recorded
    reasons = "; ".join(f"{out.count:,} {out.what}: {out.why}" for out in recorded.left_out)
    what = f"left out are {reasons}" if reasons else "the file has none"
    raise _refused(given, f"no requests to repeat: {what}. Pass another file.", "no-requests")


def _refused(given: Input, text: str, code: str = "unknown-format") -> OptionError:
    return OptionError(f"{given.name}: {text}", code=code)


def _read(given: Input, options: ImportOptions) -> Recorded:
    if given.data.startswith(ZIPPED) or is_log(given.data):
        return read_access_log(given, options)
    source = _text(given.data)
    if source.lstrip().startswith(("{", "[")) or OPENAPI.search(source) or TAURUS.search(source):
        return _of_document(mapping(_parsed(source, given.name)), given, options)
    if CURL.search(source):
        return read_curl(source, given)
    raise _refused(given, f"unknown format. {FORMATS}")


def _of_document(document: dict[str, Any], given: Input, options: ImportOptions) -> Recorded:
    collection = mapping(document.get("collection")) or document
    if "log" in document:
        return read_har(document, given)
    if "openapi" in document or "swagger" in document:
        return read_openapi(document, given, options, lambda source: _parsed(source, given.name))
    if isinstance(collection.get("item"), list):
        return read_postman(collection, given, _environment(options))
    if isinstance(document.get("values"), list):
        fix = f"Pass it beside the collection: toril import COLLECTION --postman-environment {given.name}"
        raise _refused(given, f"an environment of Postman has no requests. {fix}")
    if items(document.get("requests")) and ("order" in document or "folders" in document):
        raise _refused(given, "a collection of Postman 1, which Postman no longer writes. Export it as 2.1.")
    if "execution" in document or "scenarios" in document:
        raise _refused(given, "already a suite. Run it, or save it as a file and import that with --workflow.")
    raise _refused(given, f"unknown format. {FORMATS}")


def _environment(options: ImportOptions) -> dict[str, Any] | None:
    if options.environment is None:
        return None
    given = input_of(str(options.environment))
    content = mapping(_parsed(_text(given.data), given.name))
    if not isinstance(content.get("values"), list):
        raise _refused(given, "not an environment of Postman. Export it in Postman.")
    return content


def _text(data: bytes) -> str:
    return data.decode(TEXT_ENCODINGS.get(data[:2], "utf-8-sig"), "replace")


def _parsed(source: str, name: str) -> Any:
    """Returns a document of JSON or YAML."""
    with suppress(ValueError):
        return json.loads(source)
    try:
        document = yaml.load(BLANK.sub("", source), Loader=_Loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError, TypeError, AttributeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise OptionError(f"{name}: not valid JSON or YAML{where}. Correct it.", code="damaged-file") from error
    if _size(document, {}) > MOST_VALUES:
        raise OptionError(f"{name}: its aliases make more than {MOST_VALUES:,} values. Write less.", code="too-large")
    return document


def _size(node: Any, known: dict[int, int]) -> int:
    """Returns the number of values after the expansion of aliases."""
    if not isinstance(node, dict | list):
        return 1
    if id(node) not in known:
        known[id(node)] = 1  # of a value that is a part of itself
        known[id(node)] = sum(_size(item, known) for item in (node.values() if isinstance(node, dict) else node))
    return known[id(node)]
