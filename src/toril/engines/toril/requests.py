"""The requests of a scenario and the rows of its data sources, in the form that tools/engine reads."""

import base64
import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from urllib3 import encode_multipart_formdata

from toril.errors import SuiteError

ABSOLUTE = re.compile(r"https?://|\$\{", re.IGNORECASE)
REFERENCE = re.compile(r"\$\{([^${}]+)\}")
SNIFFED = 65_536  # first characters, which decide about the delimiter
MULTIPART = "multipart/form-data"
DELIMITERS = ",;\t|"


def requests_of(
    scenario: Mapping[str, Any], find: Callable[[str], str], sources: Sequence[Mapping[str, Any]] = ()
) -> list[dict[str, Any]]:
    """Returns the scenario's requests in order, with its defaults applied; SuiteError for one without a host.

    `sources` are from `sources_of`: their values decide how an address that begins with a reference is joined.
    """
    return [_request(item, index, scenario, find, sources) for index, item in enumerate(scenario["requests"])]


def _request(
    written: Any,
    index: int,
    scenario: Mapping[str, Any],
    find: Callable[[str], str],
    sources: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    address = str(scenario.get("default-address") or "").rstrip("/")
    request: Mapping[str, Any] = {"url": written} if isinstance(written, str) else written
    url = str(request["url"])
    headers = {str(name): str(value) for name, value in (scenario.get("headers") or {}).items()}
    own = {str(name): str(value) for name, value in (request.get("headers") or {}).items()}
    names = {name.lower() for name in own}
    headers = {name: value for name, value in headers.items() if name.lower() not in names} | own
    body = _body(request, headers, find)
    referring = REFERENCE.match(url) if address else None
    if referring:
        whole = _before(referring[1], address, index, sources) + url
    else:
        whole = url if ABSOLUTE.match(url) else _joined(address, url, index)
    if not scenario.get("keepalive", True) and "connection" not in {name.lower() for name in headers}:
        headers["Connection"] = "close"
    return {
        "method": str(request.get("method") or "GET").upper(),
        "url": whole,
        "label": str(request.get("label") or url),
        "headers": list(headers.items()),
        "body": base64.b64encode(body).decode(),
        "follow_redirects": bool(request.get("follow-redirects", scenario.get("follow-redirects", True))),
    }


def _joined(address: str, url: str, index: int) -> str:
    if not address:
        raise no_host(url, f"requests[{index}]")
    return address + (url if url.startswith(("/", "?")) else f"/{url}")


def no_host(url: str, place: str) -> SuiteError:
    text = f"{place}.url: `{url[:60]}` has no host. Write the full URL, or set `default-address`"
    return SuiteError(text, code="no-host")


def _before(name: str, address: str, index: int, sources: Sequence[Mapping[str, Any]]) -> str:
    """Returns what precedes an address that begins with a reference: by the values, which are paths or addresses."""
    values = [
        row[source["columns"].index(name)] for source in sources if name in source["columns"] for row in source["rows"]
    ]
    kinds = {
        "" if ABSOLUTE.match(value) else address if value.startswith(("/", "?")) else f"{address}/" for value in values
    }
    if len(kinds) > 1:
        raise SuiteError(
            f"requests[{index}].url: the values of `{name}` are addresses of several forms. Begin all of them with `/`",
            code="mixed-addresses",
        )
    return kinds.pop() if kinds else f"{address}/"


def _body(request: Mapping[str, Any], headers: dict[str, str], find: Callable[[str], str]) -> bytes:
    if request.get("body-file"):
        return Path(find(str(request["body-file"]))).read_bytes()
    body = encode_body(request.get("body"), headers)
    return b"" if body is None else str(body).encode()


def encode_body(body: Any, headers: dict[str, str]) -> Any:
    """Returns a mapping as JSON or multipart if the headers say so, else as a form; completes its type in them."""
    if not isinstance(body, (dict, list)):
        return body
    given, kind = next((header for header in headers.items() if header[0].lower() == "content-type"), ("", ""))
    if isinstance(body, list) or "json" in kind:
        return json.dumps(body)
    if kind == MULTIPART:
        fields = {str(name): str(value) for name, value in body.items()}
        data, headers[given] = encode_multipart_formdata(fields, "boundary-of-toril")
        return data.decode()
    if not kind:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    return urlencode(body, doseq=True)


def sources_of(written: Sequence[Any], find: Callable[[str], str], own: Sequence[str]) -> list[dict[str, Any]]:
    """Returns data sources as columns and rows; those of `own` (paths) hold this worker's rows only."""
    sources = []
    for entry in written:
        source = {"path": entry} if isinstance(entry, str) else entry
        rows = list(_rows(Path(find(str(source["path"]))), source))
        names = source.get("variable-names")
        if names:
            columns = [name.strip() for name in (names.split(",") if isinstance(names, str) else map(str, names))]
        elif rows:
            columns = [name.strip() for name in rows.pop(0)]
        if not rows:
            raise SuiteError(f"data-sources: `{source['path']}` has no rows. Add at least one", code="too-few-rows")
        short = next((index for index, row in enumerate(rows) if len(row) < len(columns)), None)
        if short is not None:
            raise SuiteError(
                f"data-sources: row {short + 1} of `{source['path']}` has {len(rows[short])} values for "
                f"{len(columns)} variables ({', '.join(columns)[:200]}). Complete the row",
                code="short-row",
            )
        sources.append({"columns": columns, "rows": rows, "own": str(source["path"]) in own})
        sources[-1] |= {"loop": bool(source.get("loop", True)), "random_order": bool(source.get("random-order"))}
    return sources


def _rows(path: Path, source: Mapping[str, Any]) -> Iterator[list[str]]:
    encoding = str(source.get("encoding") or "utf-8-sig")
    try:
        with path.open(encoding=encoding, newline="") as file:
            text = file.read()
    except (UnicodeError, LookupError) as error:
        raise SuiteError(
            f"data-sources: `{source['path']}` is not {encoding.removesuffix('-sig')} ({error}). Set its encoding, "
            "e.g. `encoding: latin-1`",
            code="wrong-encoding",
        ) from error
    delimiter = str(source.get("delimiter") or "")
    if delimiter.lower() in ("tab", "\\t"):
        delimiter = "\t"
    if not delimiter:
        first = text[:SNIFFED].partition("\n")[0]
        delimiter = max(DELIMITERS, key=first.count)
    lines = io.StringIO(text, newline="")  # line ends as csv defines them, not as Unicode does
    quoted = source.get("quoted") is not False
    try:
        rows = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE)
        yield from (row for row in rows if row)
    except csv.Error as error:
        raise SuiteError(
            f"data-sources: `{source['path']}` is not valid CSV ({error}). Correct the file", code="not-csv"
        ) from error


def unknown_variables(requests: Sequence[Mapping[str, Any]], sources: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns the names that requests refer to and that no source has."""
    known = {name for source in sources for name in source["columns"]}
    names: dict[str, None] = {}
    for request in requests:
        texts = [request["url"], *(value for _, value in request["headers"])]
        for text in texts:
            names |= {name: None for name in REFERENCE.findall(text) if name not in known}
    return list(names)
