"""A suite before it is written: what a recording becomes, and what `writer.files_of` turns into texts."""

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, count, pairwise
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qsl, quote_plus

from toril.authoring.correlation import Correlation
from toril.authoring.credentials import prefix_of
from toril.authoring.options import LIMITS, MIN_HOLD_S, RAMP_UP, USERS, ImportOptions, Limit, Url, default_name
from toril.authoring.recorded import Expected, Extract, FilePart, Payload, Recorded, RecordedExchange, ValuePlace
from toril.authoring.references import NAME, changed, json_of, leaves_of, outside
from toril.authoring.routes import host_of, singular
from toril.criteria import duration_s
from toril.errors import Note

FORM, JSON, MULTIPART = "application/x-www-form-urlencoded", "application/json", "multipart/form-data"
PAUSES_S = (0.5, 1, 2, 3, 5, 8, 10)
LEAST_PAUSE_S = 0.25
BORDER_S = 1.0  # a pause of a recording without steps
SHARED = 0.8  # of the requests that have a header
INPUTS = ("path", "query", "form", "multipart", "json")  # places of what people enter
VARIED = 3  # requests of one route in a step
MOST_ROWS = 1_000
LONGEST_HOLD_S = 120
ROUND = (1, 2, 5)
LEAST_LIMIT_MS = 500
MOST_CHECKS = 8  # of the structure of a response
SAMPLE = b"0123456789abcde\n" * 64  # a file that the recording lacks
FILES = PurePosixPath("files")  # folder of uploads
BOUNDARY = "boundary-of-toril"


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftRequest:
    """One request of a scenario."""

    number: int  # of its exchange
    label: str
    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | dict[str, Any] | None = None
    uploads: tuple[FilePart, ...] = ()
    follow_redirects: bool = True
    think_time: str = ""
    checks: tuple[Expected, ...] = ()
    extracts: tuple[Extract, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftGroup:
    """The requests of one step: a transaction."""

    name: str
    requests: tuple[DraftRequest, ...]
    think_time: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftScenario:
    name: str
    requests: tuple[DraftRequest | DraftGroup, ...]
    default_address: str = ""
    store_cookie: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    data_sources: tuple[PurePosixPath, ...] = ()
    think_time: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftExecution:
    """The load of one scenario, as its keys are written."""

    scenario: str
    load: Mapping[str, Any]
    executor: str = ""  # empty: the draft's
    locations: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteDraft:
    """A whole suite."""

    name: str
    executor: str
    scenarios: tuple[DraftScenario, ...]
    executions: tuple[DraftExecution, ...]
    hosts: Mapping[str, str] = field(default_factory=dict)  # variable → address
    credentials: Mapping[str, str] = field(default_factory=dict)  # variable → what it is; never its value
    criteria: tuple[Limit, ...] = ()
    curves: Mapping[str, Any] = field(default_factory=dict)  # as under `toril.curves`
    functional: bool = False
    files: Mapping[PurePosixPath, bytes] = field(default_factory=dict)  # data and uploads
    notes: tuple[Note, ...] = ()


def draft_of(
    recorded: Recorded,
    correlation: Correlation,
    options: ImportOptions,
    inputs: Mapping[str, Sequence[str]] | None = None,
) -> SuiteDraft:
    """Returns the suite of a recording whose credentials are references already, with the inputs of `with_inputs`."""
    origins = _origins(recorded)
    hosts = {name: _address(origin, name, recorded, options) for origin, name in origins.items()}
    name = options.name or default_name(replace(options, urls=tuple(Url(one, "/") for one in hosts.values())))
    if recorded.kind == "access-log":
        return _of_log(
            recorded, options, SuiteDraft(name=name, executor="vegeta", scenarios=(), executions=(), hosts=hosts)
        )
    extracts = {one.number: list(one.extracts) for one in recorded.exchanges}
    for rule in correlation.rules:
        if rule.applied and rule.extract not in extracts.get(rule.source, [rule.extract]):
            extracts[rule.source].append(rule.extract)
    exchanges, files = _varied(recorded, {number for number, found in extracts.items() if found})
    columns = {key: [value] for key, value in recorded.variables.items() if key not in hosts} | dict(inputs or {})
    if columns:
        files[PurePosixPath("data.csv")] = _csv([list(columns), *zip(*columns.values(), strict=True)])
    sources = tuple(files)
    single = len(origins) == 1 and all(host_of(one.url) in origins for one in exchanges)
    shared = _shared_headers(exchanges)
    pauses = _pauses(exchanges)
    requests = [
        _request(one, pause, extracts[one.number], origins, shared, files, options, single=single)
        for one, pause in zip(exchanges, pauses, strict=True)
    ]
    needs = sources or any(
        one.extracts or one.uploads or "${__" in f"{one.url}{one.headers}{one.body}" for one in requests
    )
    executor = "apiritif" if needs or options.functional else "locust"
    executor = options.engine or ("jmeter" if options.rps else executor)
    timed = any(one.started_s is not None for one in exchanges)
    scenario = DraftScenario(
        name=name,
        requests=_grouped(exchanges, requests),
        default_address=f"${{{next(iter(hosts))}}}" if single else "",
        store_cookie=not single,
        headers=shared,
        data_sources=sources,
        think_time="" if timed or options.functional else "1s",
    )
    load = {} if options.functional else _load(exchanges, pauses, options)
    return SuiteDraft(
        name=name,
        executor=executor,
        scenarios=(scenario,),
        executions=(DraftExecution(scenario=name, load=load, locations=_locations(options)),),
        hosts=hosts,
        criteria=() if options.functional else options.limits or _limits(exchanges),
        functional=options.functional,
        files=files,
    )


def requests_of(draft: SuiteDraft) -> Iterator[DraftRequest]:
    """Yields the requests of all scenarios, in their order."""
    for scenario in draft.scenarios:
        for one in scenario.requests:
            yield from one.requests if isinstance(one, DraftGroup) else (one,)


# ── Hosts


def _origins(recorded: Recorded) -> dict[str, str]:
    """Returns the variable of each host; an address that a response brings has none."""
    found: dict[str, str] = {}
    for one in recorded.exchanges:
        origin = host_of(one.url)
        named = NAME.fullmatch(origin)
        if origin in found or not origin or (named and not named[1].isupper()):
            continue
        name, number = named[1] if named else f"{prefix_of(one.url)}_URL", 2
        while name in found.values():
            name, number = f"{prefix_of(one.url)}_URL_{number}", number + 1
        found[origin] = name
    return found


def _address(origin: str, name: str, recorded: Recorded, options: ImportOptions) -> str:
    """Returns the address behind an origin; a reference to itself if only the user knows it."""
    if not NAME.fullmatch(origin):
        return origin
    given = next(iter(options.hosts), "")
    return recorded.variables.get(name) or (given if "://" in given or not given else f"https://{given}") or origin


# ── Requests


def _request(
    one: RecordedExchange,
    pause: str,
    extracts: Sequence[Extract],
    origins: Mapping[str, str],
    shared: Mapping[str, str],
    files: dict[PurePosixPath, bytes],
    options: ImportOptions,
    *,
    single: bool,
) -> DraftRequest:
    """Returns one request, and adds its uploads to the files."""
    origin = host_of(one.url)
    path = one.url.removeprefix(origin) or "/"
    path = path if path.startswith("/") or origin not in origins else f"/{path}"
    headers = {name: value for name, value in one.headers if shared.get(name) != value}
    headers |= {name: f"${{{origins[value]}}}" for name, value in headers.items() if value in origins}
    body: str | dict[str, Any] | None = None
    uploads: tuple[FilePart, ...] = ()
    if one.body is not None:
        body, kind = _body(one.body, one.method)
        body = _with_hosts(body, origins)
        headers = {name: value for name, value in headers.items() if name.lower() != "content-type"}
        headers |= {"Content-Type": kind} if kind else {}
        uploads = tuple(replace(part, name=_saved(part, files)) for part in one.body.uploads)
    return DraftRequest(
        number=one.number,
        label=one.name,
        url=path if single else f"${{{origins[origin]}}}{path}" if origin in origins else one.url,
        method=one.method,
        headers=headers,
        body=body,
        uploads=uploads,
        follow_redirects=not (one.status and 300 <= one.status < 400),
        think_time=pause,
        checks=tuple(_checks(one, options)),
        extracts=tuple(extracts),
    )


def _body(body: Payload, method: str) -> tuple[str | dict[str, Any] | None, str]:
    """Returns a body and its Content-Type, which is empty if the engine sets it."""
    kind = body.type.partition(";")[0].strip().lower()
    if body.uploads:
        return dict(body.fields) or None, "" if kind == MULTIPART else body.type
    if kind == MULTIPART and body.fields:
        parts = (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in body.fields
        )
        return f"{''.join(parts)}--{BOUNDARY}--\r\n", f"{MULTIPART}; boundary={BOUNDARY}"
    if body.fields:
        fields = dict(body.fields)
        if len(fields) == len(body.fields) and method != "GET":
            return fields, ""
        return "&".join(f"{quote_plus(name)}={outside(value, quote_plus)}" for name, value in body.fields), FORM
    if not body.data:
        return None, body.type if body.missing else ""
    document = json_of(body)
    if isinstance(document, dict) and document and kind == JSON and method != "GET":
        return document, JSON
    return body.text, JSON if kind == JSON else body.type


def _with_hosts(value: Any, origins: Mapping[str, str]) -> Any:
    """Returns a body with references to the hosts of the suite."""
    if isinstance(value, dict):
        return {key: _with_hosts(one, origins) for key, one in value.items()}
    if isinstance(value, list):
        return [_with_hosts(one, origins) for one in value]
    for origin, name in origins.items() if isinstance(value, str) else ():
        value = re.sub(rf"{re.escape(origin)}(?![\w.:-])", f"${{{name}}}", value) if "://" in origin else value
    return value


def _saved(part: FilePart, files: dict[PurePosixPath, bytes]) -> str:
    """Adds an upload to the files; returns its path."""
    data = SAMPLE if part.data is None else part.data
    plain = (
        re.sub(r"[^A-Za-z0-9._-]+", "-", PurePosixPath(part.name.replace("\\", "/")).name).lstrip(".-") or "upload.bin"
    )
    path, number = FILES / plain, 2
    while files.get(path, data) != data:
        path, number = FILES / f"{number}-{plain}", number + 1
    files[path] = data
    return str(path)


def _checks(one: RecordedExchange, options: ImportOptions) -> Iterator[Expected]:
    if one.status and not any(check.subject == "status" for check in one.checks):
        yield Expected(subject="status", value=str(one.status))
    yield from one.checks
    if options.functional and one.response and not any(check.subject == "jsonpath" for check in one.checks):
        document = json_of(one.response)
        paths = (
            [f"$.{key}" for key in document if re.fullmatch(r"[A-Za-z_]\w*", key)] if isinstance(document, dict) else []
        )
        yield from (Expected(subject="jsonpath", value=path) for path in paths[:MOST_CHECKS])


def _shared_headers(exchanges: Sequence[RecordedExchange]) -> dict[str, str]:
    """Returns the headers of nearly all requests, without values out of responses, which the first request lacks."""
    counts: dict[tuple[str, str], int] = {}
    for header in (header for one in exchanges for header in dict.fromkeys(one.headers)):
        counts[header] = counts.get(header, 0) + 1
    hosts = {host_of(one.url) for one in exchanges}
    found: dict[str, str] = {}
    for (name, value), times in counts.items():
        own = name.lower() in ("content-type", "origin") or any(not one.isupper() for one in NAME.findall(value))
        least = SHARED * len(exchanges) if len(hosts) == 1 or "${" not in value else len(exchanges)
        if times >= max(2, least) and not own:
            found[name] = value
    return found


def _grouped(
    exchanges: Sequence[RecordedExchange], requests: Sequence[DraftRequest]
) -> tuple[DraftRequest | DraftGroup, ...]:
    """Returns the requests, with those of a step together."""
    groups: list[tuple[str, list[DraftRequest]]] = []
    for one, request in zip(exchanges, requests, strict=True):
        if not groups or not one.step or groups[-1][0] != one.step:
            groups.append((one.step, []))
        groups[-1][1].append(request)
    return tuple(some[0] if len(some) == 1 else DraftGroup(name=step, requests=tuple(some)) for step, some in groups)


def _pauses(exchanges: Sequence[RecordedExchange]) -> list[str]:
    """Returns the think time after each request: at the border of a step, and before the last of several polls."""
    found = []
    for one, following in pairwise(exchanges):
        gap_s = 0.0
        if one.started_s is not None and following.started_s is not None:
            gap_s = following.started_s - one.started_s - one.took_s
        border = one.step != following.step or (not one.step and gap_s >= BORDER_S) or following.count > 1
        nearest = min(PAUSES_S, key=lambda pause, gap=gap_s: abs(pause - gap))  # type: ignore[misc]
        found.append("" if not border or gap_s < LEAST_PAUSE_S else f"{nearest:g}s" if nearest >= 1 else "500ms")
    return [*found, ""] if exchanges else []


# ── Data


def _varied(recorded: Recorded, fixed: Collection[int]) -> tuple[list[RecordedExchange], dict[PurePosixPath, bytes]]:
    """Joins recorded requests of a step that differ in ids or parameters only; returns the files with these values."""
    groups: dict[object, list[RecordedExchange]] = {}
    for one in recorded.exchanges if recorded.kind == "har" else ():
        if "${" not in one.url.removeprefix(host_of(one.url)) and one.number not in fixed:
            body = one.body and (one.body.data, one.body.fields)
            key = (one.step, one.method, host_of(one.url), one.route, _keys(one.url), one.headers, body, one.status)
            groups.setdefault(key, []).append(one)
    replaced: dict[int, RecordedExchange | None] = {}
    files: dict[PurePosixPath, bytes] = {}
    for group in groups.values():
        table = _table([(one.url, 1) for one in group]) if len(group) >= VARIED else None
        if table is not None:
            url, name, rows = table
            path, number = PurePosixPath(f"{name}.csv"), 2
            while path in files:
                path, number = PurePosixPath(f"{name}_{number}.csv"), number + 1
            files[path] = _csv(rows)
            replaced |= dict.fromkeys(one.number for one in group)
            replaced[group[0].number] = replace(group[0], url=url, count=sum(one.count for one in group))
    kept = (replaced.get(one.number, one) for one in recorded.exchanges)
    return [one for one in kept if one is not None], files


def _table(addresses: Sequence[tuple[str, int]]) -> tuple[str, str, list[list[str]]] | None:
    """Returns an address with variables, a name for the file of their values, and its rows; the first one has names.

    An address has its weight: the number of its rows. None if all addresses are equal, or differ in their structure.
    """
    split = [_parts(url) for url, _ in addresses]
    columns = list(zip(*split, strict=True)) if len({len(parts) for parts in split}) == 1 else []
    varying = [index for index, values in enumerate(columns) if len(set(values)) > 1]
    if not varying or not all(index % 2 for index in varying):
        return None
    names: dict[int, str] = {}
    for index in varying:
        mark, before = split[0][index - 1], split[0][index - 2] if index > 2 else ""
        name = singular(mark[1:-1]) if mark.endswith("=") else f"{singular(before)}_id"
        names[index] = name if name not in names.values() else f"{name}_{len(names) + 1}"
    url = "".join(f"${{{names[index]}}}" if index in names else part for index, part in enumerate(split[0]))
    mark, before = split[0][varying[0] - 1], split[0][varying[0] - 2] if varying[0] > 2 else ""
    file = re.sub(r"\W+", "_", mark[1:-1] if mark.endswith("=") else before).strip("_").lower() or "data"
    rows = [[_parts(one)[index] for index in varying] for one in _weighted(addresses)]
    return url, file, [list(names.values()), *rows]


def _parts(url: str) -> list[str]:
    """Returns an address in pieces: the host, then in turn a value, and the slash or parameter before the next one."""
    host = host_of(url)
    return [host, *re.split(r"([?&][^=&]*=|[/?])", url.removeprefix(host))]


def _weighted(addresses: Sequence[tuple[str, int]]) -> list[str]:
    """Returns each address as often as its weight says, at most 1,000 in all, evenly spread."""
    total = sum(weight for _, weight in addresses)
    scale = min(1.0, MOST_ROWS / total)
    times = [(max(1, round(weight * scale)), order, url) for order, (url, weight) in enumerate(addresses)]
    spread = [((2 * turn + 1) / (2 * count), order, url) for count, order, url in times for turn in range(count)]
    return [url for _, _, url in sorted(spread)][:MOST_ROWS]


def _keys(url: str) -> tuple[str, ...]:
    return tuple(name for name, _ in parse_qsl(url.partition("?")[2], keep_blank_values=True))


def with_inputs(
    recorded: Recorded, others: Mapping[int, RecordedExchange], hidden: Collection[str]
) -> tuple[Recorded, dict[str, tuple[str, str]]]:
    """Returns the recording with variables for values that differ in another one, and their two values.

    `others` has the same requests of the other recording, by number. References and hidden values stay.
    """
    inputs: dict[tuple[str, str], str] = {}
    taken = {extract.variable for one in recorded.exchanges for extract in one.extracts}

    def entered(one: RecordedExchange) -> RecordedExchange:
        mine, theirs = ({} if two is None else dict(_single(two)) for two in (one, others.get(one.number)))

        def change(place: ValuePlace, text: str) -> str:
            other = theirs.get(place, text)
            if place not in mine or other == text or "${" in text or place.where not in INPUTS:
                return text
            if any(value in other for value in hidden):
                return text
            if (text, other) not in inputs:
                base = re.sub(r"\W+", "_", singular(re.findall(r"\w+", place.path or "value")[-1]))
                names = chain([base], (f"{base}_{number}" for number in count(2)))
                inputs[text, other] = next(name for name in names if name not in taken)
                taken.add(inputs[text, other])
            name = inputs[text, other]
            encoded = place.where in ("path", "query") and any(quote_plus(one) != one for one in (text, other))
            return f"${{__urlencode(${{{name}}})}}" if encoded else f"${{{name}}}"

        return changed(one, change)

    exchanges = tuple(map(entered, recorded.exchanges))
    return replace(recorded, exchanges=exchanges), {name: values for values, name in inputs.items()}


def _single(one: RecordedExchange) -> Iterator[tuple[ValuePlace, str]]:
    """Yields the places of a request that have one value."""
    found = leaves_of(one)
    counts = Counter(place for place, _ in found)
    yield from ((place, text) for place, text in found if counts[place] == 1 and text)


def _csv(rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


# ── Load


def _load(exchanges: Sequence[RecordedExchange], pauses: Sequence[str], options: ImportOptions) -> dict[str, Any]:
    """Returns the load of `toril init`, long enough for two iterations."""
    iteration_s = sum(float(duration_s(pause)) for pause in pauses if pause) + sum(one.took_s for one in exchanges)
    hold_s = min(LONGEST_HOLD_S, max(MIN_HOLD_S, 5 * math.ceil(2 * iteration_s / 5)))
    load: dict[str, Any] = {"concurrency": options.users or max(USERS, math.ceil(options.rps or 0))}
    load |= {"throughput": _number(options.rps)} if options.rps else {}
    return load | {"ramp-up": options.ramp_up or RAMP_UP, "hold-for": options.hold_for or f"{hold_s}s"}


def _limits(exchanges: Sequence[RecordedExchange]) -> tuple[Limit, ...]:
    """Returns the usual criteria, with twice the recorded p95 if that is longer."""
    times_ms = sorted(1000 * one.took_s for one in exchanges)
    slow_ms = 2 * times_ms[math.ceil(0.95 * len(times_ms)) - 1] if times_ms else 0
    steps = (factor * 10**power for power in range(2, 6) for factor in ROUND)
    limit_ms = next((step for step in steps if step >= max(slow_ms, LEAST_LIMIT_MS)), LEAST_LIMIT_MS)
    shown = f"{limit_ms}ms" if limit_ms < 1000 else f"{limit_ms // 1000}s"
    return (Limit(f"p95>{shown}", "taurus"), *LIMITS[1:])


def _of_log(recorded: Recorded, options: ImportOptions, draft: SuiteDraft) -> SuiteDraft:
    """Returns a suite with an execution for each label of a log, at the rates of the log."""
    scenarios: list[DraftScenario] = []
    columns: dict[str, Sequence[int]] = {}
    files: dict[PurePosixPath, bytes] = {}
    for label, rates in recorded.rates.items():
        group = [one for one in recorded.exchanges if one.step == label]
        if not group or not any(rates.counts):
            continue
        words = re.findall("[A-Za-z0-9]+", re.sub(r"\{.*?\}", "", label.partition("/")[2]))
        base = words[-1].lower() if words else "home" if "/" in label else label
        name = next(one for one in chain([base], (f"{base}_{n}" for n in count(2))) if one not in columns)
        columns[name] = rates.counts
        first, *others = group
        paths = [(one.url.removeprefix(host_of(one.url)) or "/", one.count) for one in group]
        requests = [DraftRequest(number=first.number, label=label, url=paths[0][0], method=first.method)]
        sources: tuple[PurePosixPath, ...] = ()
        if "/" not in label:  # the rest of the log
            requests = [
                DraftRequest(number=one.number, label=f"{one.method} {one.route}", url=path, method=one.method)
                for one, (path, _) in zip(group, paths, strict=True)
            ]
        elif others:
            rows = [["address"], *([one] for one in _weighted(paths))]
            url, _, rows = _table(paths) or ("${address}", "", rows)
            sources = (PurePosixPath(f"{name}.csv"),)
            files[sources[0]] = _csv(rows)
            requests = [replace(requests[0], url=url)]
        address = f"${{{next(iter(draft.hosts))}}}"
        scenarios.append(
            DraftScenario(name=name, requests=tuple(requests), default_address=address, data_sources=sources)
        )
    step_s = next((rates.step_s for rates in recorded.rates.values()), 1.0)
    counts = list(zip(*columns.values(), strict=True))
    counts += [counts[-1]] if len(counts) == 1 else []  # a curve needs two rows
    rows_of_rates = [[f"{index * step_s:g}", *some] for index, some in enumerate(counts)]
    files[PurePosixPath("rates.csv")] = _csv([["time", *columns], *rows_of_rates])
    speed = f"{len(counts) * step_s / float(duration_s(options.length)):.4g}x"
    executions = tuple(DraftExecution(scenario=name, load={}, locations=_locations(options)) for name in columns)
    return replace(
        draft,
        scenarios=tuple(scenarios),
        executions=executions,
        curves={name: {"csv": {"file": "rates.csv", "count": name, "speed": speed}} for name in columns},
        files=files,
        criteria=options.limits or LIMITS,
    )


def _locations(options: ImportOptions) -> dict[str, int | float]:
    return {name: _number(weight) for name, weight in options.locations.items()}


def _number(value: Any) -> int | float:
    return int(value) if value == int(value) else float(value)
