"""A suite before it is written: what a recording becomes."""

import csv
import io
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, count, groupby, pairwise
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus

from urllib3 import encode_multipart_formdata

from toril.authoring.correlation import Correlation
from toril.authoring.credentials import prefix_of
from toril.authoring.options import (
    LIMITS,
    MIN_HOLD_S,
    RAMP_UP,
    ImportOptions,
    Limit,
    Url,
    default_name,
    default_users,
    number,
)
from toril.authoring.readers.source import FORM, JSON, MULTIPART
from toril.authoring.recorded import (
    Expected,
    Extract,
    FilePart,
    Payload,
    Recorded,
    RecordedExchange,
    host_of,
    json_of,
)
from toril.authoring.references import NAME, outside
from toril.authoring.routes import free, keys_of_query, singular
from toril.authoring.writer import Flow, FlowList, extractors, filled, short, yaml_of
from toril.criteria import duration_s
from toril.suite.executions import FUNCTIONAL

SAMPLE_FILE = b"0123456789abcde\n" * 64  # for a file that the source lacks
MORE_REDIRECTS = 5  # points
PAUSES_S = (0.5, 1, 2, 3, 5, 8, 10)
LEAST_PAUSE_S = 0.25
BORDER_S = 1.0  # a pause of a recording without steps
LONGEST_NAME = 40
LONGEST_TEXT = 1_000  # bytes of a body that is neither JSON nor XML; a longer one becomes a file
STRUCTURED = re.compile("json|xml|graphql|urlencoded")
VARIED = 3  # requests of one route in a step
MOST_ROWS = 1_000
LONGEST_HOLD_S = 120
ROUND = (1, 2, 5)
LEAST_LIMIT_MS = 500
FILES = PurePosixPath("files")  # folder of uploads
FILES_OF_SCRIPT = PurePosixPath("journey")  # the same of a script of a browser
UNFOUND = "not-in-the-recording"
BOUNDARY = "boundary-of-toril"
JAVA_PATTERNS = {"jmeter.regex.engine": "java"}  # JMeter's default has no atomic groups
CARRIED = re.compile(r"(?<!\()\$\{([a-z_]\w*)\}")  # a reference to a value of a response, without a function


class DraftRequest(NamedTuple):
    """One request of a scenario: as recorded, and as the suite has it."""

    recorded: RecordedExchange
    written: dict[str, Any]
    extracts: Sequence[Extract] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteDraft:
    """A suite before it is written."""

    name: str
    scenarios: Mapping[str, dict[str, Any]]
    executions: tuple[dict[str, Any], ...]
    requests: tuple[DraftRequest, ...]  # of all scenarios, in their order
    hosts: Mapping[str, str]  # variable → address
    credentials: Mapping[str, str]  # variable → what it is; never its value
    criteria: tuple[Limit, ...] = ()
    engine: Mapping[str, Any] = field(default_factory=dict)  # as under `toril`
    curves: Mapping[str, Any] = field(default_factory=dict)  # as under `toril.curves`
    files: Mapping[PurePosixPath, bytes] = field(default_factory=dict)  # data and uploads
    unfound: tuple[str, ...] = ()  # variables of tokens that no response brings


def draft_of(
    recorded: Recorded,
    correlation: Correlation,
    options: ImportOptions,
    credentials: Mapping[str, str],
    unfound: Collection[str] = (),
) -> SuiteDraft:
    """Returns the suite of a recording whose credentials are references already; `unfound` ones have no source."""
    origins = _origins(recorded)
    hosts = {name: _address(origin, name, recorded, options) for origin, name in origins.items()}
    urls = tuple(Url(address, "/") for address in hosts.values() if "://" in address)
    name = options.name or _short_title(recorded.title) or default_name(replace(options, urls=urls))
    if recorded.kind == "access-log":
        return _of_log(name, recorded, options, hosts, credentials)
    extracts = {exchange.number: list(exchange.extracts) for exchange in recorded.exchanges}
    for rule in correlation.rules:
        if rule.applied and rule.extract not in extracts.get(rule.source, [rule.extract]):
            extracts[rule.source].append(rule.extract)
    columns = {key: value for key, value in recorded.variables.items() if key not in hosts}
    taken = {*columns, *(extract.variable for some in extracts.values() for extract in some)}
    files = {PurePosixPath("data.csv"): _csv([columns, columns.values()])} if columns else {}
    exchanges = _varied(recorded, {number for number, own in extracts.items() if own}, files, taken)
    making, pauses = _Requests(exchanges, origins), _pauses(exchanges)
    requests = [making.of(call, pause, extracts[call.number]) for call, pause in zip(exchanges, pauses, strict=True)]
    fresh = {made.variable: made.function for made in correlation.typed.fresh}
    carries = bool(fresh) or any(call.extracts or "${__" in str(call.written) for call in requests)
    # For bzt, whose own Apiritif scripts support none of these.
    jmeter = not options.functional and bool(carries or making.uploads or options.rps)
    timed = any(exchange.started_s is not None for exchange in exchanges)
    read = [exchange.url for exchange in exchanges if exchange.method == "GET"]
    scenario = {
        "default-address": f"${{{next(iter(hosts))}}}" if making.single else "",
        "store-cookie": None if making.single else True,
        "retrieve-resources": False if jmeter else None,  # it would load what the suite leaves out
        "store-cache": False if len({*read}) < len(read) else None,  # the browser sent each of them
        "headers": making.shared,
        "think-time": "" if timed or options.functional else "1s",
        "data-sources": FlowList(map(str, files)),
        "requests": [*([{"set-variables": fresh}] if fresh else []), *_grouped(requests)],
    }
    load, engine = ({}, {}) if options.functional else _load(exchanges, pauses, options)
    if carries and load and not options.arrivals:
        engine["engine"] = {"fresh-cookies": True}  # each iteration logs in
    return SuiteDraft(
        name=name,
        scenarios={name: filled(scenario)},
        executions=(_execution(name, load, options, "jmeter" if jmeter else "apiritif"),),
        engine=engine,
        requests=tuple(requests),
        hosts=hosts,
        credentials=credentials,
        criteria=() if options.functional else options.limits or _limits(exchanges),
        files=files | making.uploads,
        unfound=tuple(unfound),
    )


def files_of(draft: SuiteDraft) -> dict[PurePosixPath, bytes]:
    """Returns the files of a suite by their paths in its folder: suite.yml, data and uploads."""
    taurus = [rule.text for rule in draft.criteria if rule.language == "taurus"]
    ours = [rule.text for rule in draft.criteria if rule.language == "toril"]
    references = {name: f"${{{name}}}" for name in draft.credentials if name not in draft.hosts}
    settings = {
        "aggregator": None if draft.criteria else FUNCTIONAL,  # only a functional suite has none
        "env": {**draft.hosts, **references, **dict.fromkeys(draft.unfound, UNFOUND)},
        "ramp-up-exclude": any("ramp-up" in execution for execution in draft.executions) or None,
    }
    counts = any("(?>" in extract.expression for request in draft.requests for extract in request.extracts)
    document = {
        "execution": list(draft.executions),
        "scenarios": draft.scenarios,
        "settings": filled(settings),
        "modules": {"jmeter": {"properties": JAVA_PATTERNS}} if counts else {},
        "reporting": [{"module": "passfail", "criteria": taurus}] if taurus else [],
        "toril": filled(
            {
                **draft.engine,
                "require-values": any(request.extracts for request in draft.requests) or None,
                "curves": {name: Flow(curve) for name, curve in draft.curves.items()},
                "criteria": ours,
            }
        ),
    }
    return {PurePosixPath("suite.yml"): yaml_of(filled(document)).encode(), **draft.files}


def _execution(
    scenario: str, load: Mapping[str, Any], options: ImportOptions, executor: str = "apiritif"
) -> dict[str, Any]:
    locations = Flow((name, number(weight)) for name, weight in options.locations.items())
    return filled({"scenario": scenario, "executor": executor, **load, "locations": locations})


def _short_title(title: str) -> str:
    """Returns a title as a name.

    >>> _short_title("Spotify's Web API (with fixes and improvements)")
    'spotifys-web-api-with-fixes-and'
    """
    name = re.sub(r"[^a-z0-9]+", "-", re.sub("['’]", "", title.lower())).strip("-")
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME + 1].rpartition("-")[0] or name[:LONGEST_NAME]


# ── Hosts


def _origins(recorded: Recorded) -> dict[str, str]:
    """Returns the variable of each host; an address that a response brings has none."""
    names: dict[str, str] = {}
    for exchange in recorded.exchanges:
        origin = host_of(exchange.url)
        named = NAME.fullmatch(origin)
        if origin in names or not origin or (named and not named[1].isupper()):
            continue
        names[origin] = free(named[1] if named else f"{prefix_of(exchange.url)}_URL", names.values())
    return names


def _address(origin: str, name: str, recorded: Recorded, options: ImportOptions) -> str:
    """Returns the address behind an origin; a reference to itself if only the user knows it."""
    if not NAME.fullmatch(origin):
        return origin
    given = next(iter(options.hosts), "")
    return recorded.variables.get(name) or (given if "://" in given or not given else f"https://{given}") or origin


# ── Requests


class _Requests:
    """Makes the requests of a scenario, and collects their uploads."""

    def __init__(self, exchanges: Sequence[RecordedExchange], origins: Mapping[str, str]) -> None:
        self._origins = origins
        self.single = len(origins) == 1 and all(host_of(exchange.url) in origins for exchange in exchanges)
        self.shared = _shared_headers(exchanges)
        self.uploads: dict[PurePosixPath, bytes] = {}

    def of(self, exchange: RecordedExchange, pause: str, extracts: Sequence[Extract]) -> DraftRequest:
        headers = {name: value for name, value in exchange.headers if self.shared.get(name) != value}
        body, uploads = None, exchange.body.uploads if exchange.body else ()
        if exchange.body is not None:
            body, kind = _body(exchange.body, exchange.method)
            headers = {name: value for name, value in headers.items() if name.lower() != "content-type"}
            headers |= {"Content-Type": kind} if kind else {}
            if body is None and exchange.body.data:
                uploads = (FilePart(field="", name="body.bin", type=kind, data=exchange.body.data),)
        body = _with_hosts(body, self._origins)
        written = {
            "label": exchange.name,
            "url": self._url(exchange.url),
            "method": "" if exchange.method == "GET" else exchange.method,
            "headers": short(_with_hosts(headers, self._origins)),
            "body": short(body) if isinstance(body, dict) else body,
            "upload-files": [self._upload(part) for part in uploads],
            "follow-redirects": False if 300 <= (exchange.status or 0) < 400 else None,
            **{key: short(some) for key, some in extractors(extracts).items()},
            **_checks(exchange, extracts),
            "think-time": pause,
        }
        return DraftRequest(exchange, filled(written), extracts)

    def _url(self, url: str) -> str:
        origin = host_of(url)
        if origin not in self._origins:  # a response brings the whole address
            return url
        path = url.removeprefix(origin)
        path, mark, query = (path if path.startswith("/") else f"/{path}").partition("?")
        for other, name in self._origins.items():  # such as an address to return to
            if "://" in other:
                query = re.sub(rf"(?i)={re.escape(quote(other, safe=''))}(?=&|$|%2F|%3F)", f"=${{{name}}}", query)
        path += mark + query
        return path if self.single else f"${{{self._origins[origin]}}}{path}"

    def _upload(self, part: FilePart) -> Flow:
        """Keeps a file, and returns its entry of `upload-files`."""
        data = SAMPLE_FILE if part.data is None else part.data
        name = PurePosixPath(part.name.replace("\\", "/")).name
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).lstrip(".-") or "upload.bin"
        names = chain([plain], (f"{number}-{plain}" for number in count(2)))
        path = next(own for own in map(FILES.joinpath, names) if self.uploads.get(own, data) == data)
        self.uploads[path] = data
        return Flow({"param": part.field, "path": str(path), **({"mime-type": part.type} if part.type else {})})


def _body(body: Payload, method: str) -> tuple[str | dict[str, Any] | None, str]:
    """Returns a body and its Content-Type, which is empty if the engine sets it; None for a binary body."""
    kind = body.type.partition(";")[0].strip().lower()
    if body.uploads:
        return dict(body.fields) or None, "" if kind == MULTIPART else body.type
    fields = dict(body.fields)
    if kind == MULTIPART and fields:
        if len(fields) == len(body.fields):
            return fields, MULTIPART
        data, kind = encode_multipart_formdata(body.fields, BOUNDARY)
        return data.decode(), kind
    if fields:
        if len(fields) == len(body.fields) and method != "GET":
            return fields, ""
        text = "&".join(f"{quote_plus(name)}={outside(value, quote_plus)}" for name, value in body.fields)
        return CARRIED.sub(r"${__urlencode(${\1})}", text), FORM
    if not body.data:
        return None, body.type if body.missing else ""
    document = json_of(body)
    if isinstance(document, dict) and document and kind == JSON and method != "GET":
        return document, JSON
    if len(body.data) > LONGEST_TEXT and not STRUCTURED.search(kind) and b"${" not in body.data:
        return None, body.type
    try:
        return body.data.decode(), JSON if kind == JSON else body.type
    except UnicodeError:
        return None, body.type


def _with_hosts(value: Any, origins: Mapping[str, str]) -> Any:
    """Returns a body with references to the hosts of the suite."""
    if isinstance(value, dict):
        return {key: _with_hosts(item, origins) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_hosts(item, origins) for item in value]
    for origin, name in origins.items() if isinstance(value, str) else ():
        value = re.sub(rf"{re.escape(origin)}(?![\w.:-])", f"${{{name}}}", value) if "://" in origin else value
    return value


def _checks(exchange: RecordedExchange, extracts: Iterable[Extract]) -> dict[str, Any]:
    """Returns the assertions: the recorded status, those of the source, and what it proves."""
    by_subject: dict[str, list[Expected]] = {"status": [], "body": [], "absent": [], "jsonpath": []}
    for check in exchange.checks:
        by_subject[check.subject].append(check)
    statuses = [check.value for check in by_subject["status"]] or ([str(exchange.status)] if exchange.status else [])
    checks = [Flow(subject="http-code", contains=[status]) for status in statuses]
    # An extractor proves its key.
    taken = {f'"{key}"' for extract in extracts for key in re.findall(r"\w+", extract.expression)}
    for subject, how in (("body", {"regexp": False}), ("absent", {"regexp": True, "not": True})):
        texts = [check.value for check in by_subject[subject] if check.value not in taken]
        checks += [Flow({"contains": texts, **how})] if texts else []
    paths = [Flow(jsonpath=check.value) for check in by_subject["jsonpath"]]
    return {"assert": FlowList(checks) if len(checks) == 1 else checks, "assert-jsonpath": paths}


def _shared_headers(exchanges: Sequence[RecordedExchange]) -> dict[str, str]:
    """Returns the headers that all requests have; the first one has no values out of responses."""
    if len(exchanges) < 2:
        return {}
    shared = set(exchanges[0].headers).intersection(*(exchange.headers for exchange in exchanges))
    return {
        name: value
        for name, value in exchanges[0].headers
        if (name, value) in shared and name.lower() not in ("content-type", "origin")
    }


def _grouped(requests: Sequence[DraftRequest]) -> Iterator[dict[str, Any]]:
    """Yields the requests, with those of a step as a transaction."""
    for step, some in groupby(requests, lambda request: request.recorded.step or request.recorded.number):
        written = [request.written for request in some]
        if isinstance(step, str):
            yield {"transaction": step, "do": written}
        else:
            yield from written


def _pauses(exchanges: Sequence[RecordedExchange]) -> list[str]:
    """Returns the think time after each request: at the border of a step, and before the last of several polls."""
    texts = []
    for exchange, following in pairwise(exchanges):
        gap_s = 0.0
        if exchange.started_s is not None and following.started_s is not None:
            gap_s = following.started_s - exchange.started_s - exchange.took_s
        polled = following.count > 1
        border = exchange.step != following.step or (not exchange.step and gap_s >= BORDER_S) or polled
        enough = [pause for pause in PAUSES_S if not polled or pause >= gap_s] or PAUSES_S[-1:]
        nearest = min(enough, key=lambda pause, gap=gap_s: abs(pause - gap))
        texts.append("" if not border or gap_s < LEAST_PAUSE_S else f"{nearest:g}s" if nearest >= 1 else "500ms")
    return [*texts, ""] if exchanges else []


# ── Data


def _varied(
    recorded: Recorded, fixed: Collection[int], files: dict[PurePosixPath, bytes], taken: set[str]
) -> list[RecordedExchange]:
    """Joins recorded requests of a step that differ in ids or parameters only; adds files with these values.

    `taken` are names of variables in use.
    """
    groups: dict[object, list[RecordedExchange]] = {}
    for exchange in recorded.exchanges if recorded.kind == "har" else ():
        if "${" not in exchange.url.removeprefix(host_of(exchange.url)) and exchange.number not in fixed:
            key = (
                exchange.step,
                exchange.method,
                host_of(exchange.url),
                exchange.route,
                keys_of_query(exchange.url),
                exchange.headers,
                exchange.body and (exchange.body.data, exchange.body.fields),
                exchange.status,
            )
            groups.setdefault(key, []).append(exchange)
    replaced: dict[int, RecordedExchange | None] = {}
    for group in groups.values():
        table = _table([(exchange.url, 1) for exchange in group], taken) if len(group) >= VARIED else None
        if table is not None:
            url, name, rows = table
            files[PurePosixPath(f"{free(name, {path.stem for path in files})}.csv")] = _csv(rows)
            replaced |= dict.fromkeys(exchange.number for exchange in group)
            shared = replace(group[0], url=url, count=sum(exchange.count for exchange in group))
            name = group[0].name if len({exchange.name for exchange in group}) == 1 else group[0].name.partition("?")[0]
            replaced[group[0].number] = replace(shared, name=name)
    kept = (replaced.get(exchange.number, exchange) for exchange in recorded.exchanges)
    return [exchange for exchange in kept if exchange is not None]


def _table(addresses: Sequence[tuple[str, int]], taken: set[str]) -> tuple[str, str, list[list[str]]] | None:
    """Returns an address with variables, a name for the file of their values, and its rows; the first one has names.

    An address has its weight: the number of its rows. None if all addresses are equal, or differ in their structure.
    """
    split = [_parts(url) for url, _ in addresses]
    columns = list(zip(*split, strict=True)) if len({len(parts) for parts in split}) == 1 else []
    varying = [index for index, values in enumerate(columns) if len(set(values)) > 1]
    if not varying or not all(index % 2 for index in varying):
        return None
    names: dict[int, str] = {}
    nouns = {index: _noun(split[0], index) for index in varying}
    for index, noun in nouns.items():
        names[index] = free(singular(noun) if split[0][index - 1].endswith("=") else f"{singular(noun)}_id", taken)
        taken.add(names[index])
    url = "".join(f"${{{names[index]}}}" if index in names else part for index, part in enumerate(split[0]))
    file = re.sub(r"\W+", "_", nouns[varying[0]]).strip("_").lower() or "data"
    rows = [[_parts(address)[index] for index in varying] for address in _weighted(addresses)]
    return url, file, [list(names.values()), *rows]


def _noun(parts: Sequence[str], index: int) -> str:
    """Returns the name of a parameter, or the segment before a value."""
    mark = parts[index - 1]
    return mark[1:-1] if mark.endswith("=") else parts[index - 2] if index > 2 else ""


def _parts(url: str) -> list[str]:
    """Returns an address in pieces: the host, then in turn a value, and the slash or parameter before the next one."""
    host = host_of(url)
    return [host, *re.split(r"([?&][^=&]*=|[/?])", url.removeprefix(host))]


def _weighted(addresses: Sequence[tuple[str, int]]) -> list[str]:
    """Returns each address as often as its weight says, at most 1,000 in all, evenly spread."""
    scale = min(1.0, MOST_ROWS / sum(weight for _, weight in addresses))
    times = [(max(1, round(weight * scale)), order, url) for order, (url, weight) in enumerate(addresses)]
    spread = [((2 * turn + 1) / (2 * count), order, url) for count, order, url in times for turn in range(count)]
    return [url for _, _, url in sorted(spread)][:MOST_ROWS]


def _csv(rows: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


# ── Load


def _load(
    exchanges: Sequence[RecordedExchange], pauses: Sequence[str], options: ImportOptions
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the load of `toril init`, long enough for two iterations: keys of the execution, and those of `toril`."""
    iteration_s = sum(float(duration_s(pause)) for pause in pauses if pause) + sum(call.took_s for call in exchanges)
    hold_s = min(LONGEST_HOLD_S, max(MIN_HOLD_S, 5 * math.ceil(2 * iteration_s / 5)))
    users = None if options.arrivals else options.users or default_users(options.rps)
    load = {
        "concurrency": users,
        "throughput": options.rps and number(options.rps),
        "ramp-up": options.ramp_up or RAMP_UP,
        "hold-for": options.hold_for or f"{hold_s}s",
    }
    return load, filled({"executor": "toril", "arrivals": options.arrivals})


def _limits(exchanges: Sequence[RecordedExchange]) -> tuple[Limit, ...]:
    """Returns the usual criteria, with twice the recorded p95 if that is longer."""
    times_ms = sorted(1000 * exchange.took_s for exchange in exchanges)
    slow_ms = 2 * times_ms[math.ceil(0.95 * len(times_ms)) - 1] if times_ms else 0
    steps = (factor * 10**power for power in range(2, 6) for factor in ROUND)
    limit_ms = next((step for step in steps if step >= max(slow_ms, LEAST_LIMIT_MS)), LEAST_LIMIT_MS)
    shown = f"{limit_ms}ms" if limit_ms < 1000 else f"{limit_ms // 1000}s"
    return (Limit(f"p95>{shown}", "taurus"), *LIMITS[1:])


def _of_log(
    suite: str, recorded: Recorded, options: ImportOptions, hosts: Mapping[str, str], credentials: Mapping[str, str]
) -> SuiteDraft:
    """Returns a suite with an execution for each label of a log, at the rates of the log."""
    scenarios: dict[str, dict[str, Any]] = {}
    requests: list[DraftRequest] = []
    columns: dict[str, Sequence[int]] = {}
    files: dict[PurePosixPath, bytes] = {}
    for label, rates in recorded.rates.items():
        group = [exchange for exchange in recorded.exchanges if exchange.step == label]
        if not group or not any(rates.counts):
            continue
        words = re.findall("[A-Za-z][A-Za-z0-9]*", re.sub(r"\{[^{}]*\}", "", label.partition("/")[2]))
        name = free(words[-1].lower() if words else "home" if "/" in label else label, {*columns, "rates"})
        columns[name] = rates.counts
        paths = [(exchange.url.removeprefix(host_of(exchange.url)) or "/", exchange.count) for exchange in group]
        sources = FlowList()
        if "/" in label and len(group) > 1:
            whole = ("${address}", "", [["address"], *([path] for path in _weighted(paths))])
            url, _, rows = _table(paths, set()) or whole
            sources.append(f"{name}.csv")
            files[PurePosixPath(f"{name}.csv")] = _csv(rows)
            sent = [(group[0], label, url)]
        else:  # one address, or the rest of the log
            labels = (label if "/" in label else f"{exchange.method} {exchange.route}" for exchange in group)
            sent = [(exchange, text, path) for exchange, text, (path, _) in zip(group, labels, paths, strict=True)]
        of_label = [
            DraftRequest(exchange, filled({"label": text, "url": url, "method": exchange.method.removeprefix("GET")}))
            for exchange, text, url in sent
        ]
        requests += of_label
        scenarios[name] = filled(
            {
                "default-address": f"${{{next(iter(hosts))}}}",
                "data-sources": sources,
                "requests": [request.written for request in of_label],
            }
        )
        scenarios[name]["follow-redirects"] = False  # the log has a line for each hop
    step_s = next((rates.step_s for rates in recorded.rates.values()), 1.0)
    counts = list(zip(*columns.values(), strict=True))
    counts += [counts[-1]] if len(counts) == 1 else []  # a curve needs two rows
    rows_of_rates = [[f"{index * step_s:.0f}", *some] for index, some in enumerate(counts)]
    files[PurePosixPath("rates.csv")] = _csv([["time", *columns], *rows_of_rates])
    speed = f"{len(counts) * step_s / float(duration_s(options.length)):.9f}".rstrip("0").rstrip(".") + "x"
    # More requests are redirected than in the log, as to a log-in page.
    most = math.ceil(100 * recorded.redirects) + MORE_REDIRECTS
    redirects = (Limit(f"rc3??>{most}%", "taurus"),) if most < 100 else ()
    return SuiteDraft(
        name=suite,
        scenarios=scenarios,
        executions=tuple(_execution(name, {}, options) for name in columns),
        engine={"executor": "toril"},
        requests=tuple(requests),
        hosts=hosts,
        credentials=credentials,
        curves={name: {"csv": {"file": "rates.csv", "count": name, "speed": speed}} for name in columns},
        files=files,
        criteria=(*(options.limits or LIMITS), *redirects),
    )
