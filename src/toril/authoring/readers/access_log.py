"""Reads an access log: which addresses were requested how often, and at which rates."""

import gzip
import io
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from itertools import count, islice
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from toril.authoring.options import ImportOptions, Keep
from toril.authoring.readers.source import STATIC_PATH, Input, Skipped, address, mapping, reference, text
from toril.authoring.recorded import LogRates, Recorded, RecordedExchange, is_login
from toril.authoring.routes import template
from toril.errors import Note, OptionError
from toril.secrets.masking import names_a_secret
from toril.text import plain

FIRST = 20  # lines that decide whether a text is a log
MISFITS = 0.05  # of the lines
LONGEST = 64 << 10  # bytes of a line
MOST_BYTES = 1 << 30  # of a log, decompressed
MOST_ADDRESSES = 200_000
MOST_LABELS = 8
LEAST_SHARE = 0.03  # of the requests, for a label of its own
LEAST_USE = 0.2  # of the requests of a route, for a parameter of its query
MOST_ROWS = 1_000  # addresses of a label
MOST_OTHERS = 20
POINTS = 120  # of a curve, at most
STEPS_S = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 21_600, 86_400)
OTHER = "other"
ZIPPED = b"\x1f\x8b"  # the beginning of a file by gzip

_route = lru_cache(maxsize=1 << 18)(template)

REQUEST = r'"(?P<method>[A-Z]{3,10}) (?P<target>[^\s"]++)[^"]*"'
FORMATS = (
    re.compile(  # Common and Combined, also with the virtual host first
        r"(?:(?P<host>(?=[\w.:-]*[A-Za-z])[\w.:-]+) )?\S+ \S+ \S[^\[\"]{0,200} \[(?P<time>[^\]]{10,40})\] "
        + REQUEST
        + r' (?P<status>\d{3}) \S+(?: "[^"]*" "(?P<agent>[^"]*)")?'
    ),
    re.compile(  # of an Application Load Balancer, and of a classic one
        r"(?:\w+ )?(?P<time>\d\S+) \S+ \S+ \S+ \S+ \S+ \S+ (?P<status>\d{3}|-) \S+ \S+ \S+ "
        + REQUEST
        + r' "(?P<agent>[^"]*)"'
    ),
)
KEYS = {  # of JSON, in lower case
    "time": ("time", "timestamp", "@timestamp", "time_iso8601", "time_local", "ts", "date", "startutc", "start_time"),
    "method": ("method", "request_method", "http_method", "requestmethod", "verb"),
    "target": ("request_uri", "uri", "path", "url", "requesturl", "requestpath", "target"),
    "status": ("status", "status_code", "statuscode", "response_code", "downstreamstatus", "code"),
    "host": ("host", "http_host", "server_name", "vhost", "requesthost"),
    "agent": ("http_user_agent", "user_agent", "useragent", "agent"),
    "request": ("request",),
}
BOTS = re.compile(
    r"(?i)bot\b|crawl|spider|slurp|facebookexternalhit|pingdom|uptime|kube-probe|HealthCheck|GoogleHC|monitor"
)


class _Line(NamedTuple):
    second: int
    method: str
    host: str
    target: str
    status: int
    agent: str


def is_log(data: bytes) -> bool:
    """Returns whether most of the first lines are of a log."""
    lines = list(islice(_lines(data), FIRST))
    fitting = sum(_line(line) is not None for line in lines)
    return bool(fitting) and fitting >= 0.8 * len(lines)


def read_access_log(given: Input, options: ImportOptions) -> Recorded:
    """Returns the most frequent addresses of each label as exchanges, each with its count, and the rates by label.

    The label is step and name of an exchange.
    """
    skipped, notes = Skipped(), []
    # By host and label.
    addresses: defaultdict[str, defaultdict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    rates: defaultdict[str, defaultdict[str, Counter[int]]] = defaultdict(lambda: defaultdict(Counter))
    answers: Counter[str] = Counter()
    logins: Counter[str] = Counter()
    total = misfits = distinct = 0
    for line in _lines(given.data):
        total += 1
        entry = _line(line)
        if entry is None:
            misfits += 1
            continue
        path = entry.target.partition("?")[0]
        logins[path] += is_login(path) and not BOTS.search(entry.agent)
        if why := _unusable(entry, options):
            skipped.add(*why, f"{entry.method} {path}")
            continue
        label, shown = f"{entry.method} {_route(path)}", f"{entry.method} {entry.target}"
        rates[entry.host][label][entry.second] += 1
        answers[_answer(entry.status)] += 1
        known = addresses[entry.host][label]
        if shown in known or distinct < MOST_ADDRESSES:
            distinct += shown not in known
            known[shown] += 1
    if misfits > MISFITS * total:
        what = f"{misfits:,} of {total:,} lines are not of an access log (Common, Combined, ALB or JSON)"
        fix = "Decompress it, unless it is an access log" if given.data.startswith(ZIPPED) else "Remove them"
        raise OptionError(f"{given.name}: {what}. {fix}.", code="unknown-format")
    if misfits:
        notes.append(Note("unreadable-lines", f"{misfits:,} of {total:,} lines are not readable."))
    notes += _sessions(+logins, answers)
    sizes = {host: sum(map(Counter.total, labels.values())) for host, labels in rates.items()}
    asked = next(iter(options.hosts), "")
    chosen = [host for host in sizes if asked and host.rpartition("://")[2] == asked.rpartition("://")[2]]
    host = max(sorted(chosen or sizes), key=sizes.__getitem__, default="")
    for other, size in sizes.items():
        if other != host:
            skipped.add(f"requests to {other or 'no host'}", "a load has one address; --host chooses it", count=size)
    base = host if chosen and "://" not in asked else asked or host
    base = (base if "://" in base else f"https://{base}").rstrip("/") if base else reference("base_url")
    own = _own(rates[host])
    return Recorded(
        exchanges=tuple(_exchanges(addresses[host], own, base)),
        origin=given.name,
        kind="access-log",
        rates=_rates(rates[host], own),
        redirects=answers["redirect"] / max(1, answers.total()),
        left_out=skipped.left_out(),
        notes=tuple(notes),
    )


def _answer(status: int) -> str:
    if status in (401, 403):
        return "denied"
    return "redirect" if 300 <= status < 400 and status != 304 else "page"


def _sessions(logins: Counter[str], answers: Counter[str]) -> Iterator[Note]:
    """Yields a note if the log is of an application with sessions, which its lines do not have."""
    denied, total = answers["denied"], answers.total()
    if logins:
        cause = f"The log has requests to a log-in page ({plain(max(logins, key=lambda path: (logins[path], path)))})"
    elif denied >= LEAST_SHARE * max(1, total):
        cause = f"{denied:,} of {total:,} requests of the log were denied (401, 403)"
    else:
        return
    what = "A log has no sessions, so pages behind a log-in answer the load with a redirect or an error"
    yield Note("signed-in", f"{cause}. {what}. For signed-in users, record a journey (`toril record`).")


def _own(rates: Mapping[str, Counter[int]]) -> list[str]:
    """Returns the labels with enough requests for an execution of their own, most frequent first."""
    sizes = {label: counts.total() for label, counts in rates.items()}
    ranked = sorted(sizes, key=lambda host: (-sizes[host], host))
    return [host for host in ranked[:MOST_LABELS] if sizes[host] >= LEAST_SHARE * sum(sizes.values())]


def _lines(data: bytes) -> Iterator[str]:
    """Yields the lines that are not empty, decompressed if needed."""
    left = MOST_BYTES
    with gzip.open(io.BytesIO(data)) if data.startswith(ZIPPED) else io.BytesIO(data) as file:
        while left > 0 and (line := file.readline(LONGEST)):
            left -= len(line)
            if shown := line.decode("utf-8", "replace").strip():
                yield shown


def _line(line: str) -> _Line | None:
    fields = _of_json(line) if line.startswith("{") else _matched(line)
    second, method, status = _second(fields.get("time", "")), fields.get("method", ""), fields.get("status", "")
    if second is None or not method or not re.fullmatch("[0-9]{3}|-", status):
        return None
    host, target = re.sub(r":(?:80|443)$", "", fields["host"]).lower(), fields["target"]
    if re.match(r"https?://", target):
        try:
            parts = urlsplit(target)
        except ValueError:
            return None
        host = f"{parts.scheme}://{parts.netloc.removesuffix(':443' if parts.scheme == 'https' else ':80')}".lower()
        target = parts.path + (f"?{parts.query}" if parts.query else "")
    code = int(status) if status != "-" else 0
    return _Line(second, method.upper(), host, address(target) or "/", code, fields["agent"])


def _matched(line: str) -> Mapping[str, str]:
    match = next(filter(None, (form.match(line) for form in FORMATS)), None)
    return {"host": "", **{key: value or "" for key, value in match.groupdict().items()}} if match else {}


def _of_json(line: str) -> Mapping[str, str]:
    try:
        top = mapping(json.loads(line))
    except (ValueError, RecursionError):
        return {}
    flat: dict[str, Any] = {}
    for inner in (*(mapping(part) for part in top.values()), top):
        flat |= {key.lower(): value for key, value in inner.items() if not isinstance(value, dict | list)}
    fields = {part: next((text(flat[key]) for key in keys if key in flat), "") for part, keys in KEYS.items()}
    if (whole := re.match(r'"?([A-Z]{3,10}) (\S+)', fields["request"])) and not fields["method"]:
        fields |= {"method": whole[1], "target": whole[2]}
    return fields


@lru_cache(maxsize=1 << 12)
def _second(moment: str) -> int | None:
    """Returns the time in seconds since 1970."""
    try:
        if re.fullmatch(r"[0-9]{9,13}(?:\.[0-9]+)?(?:e\+?09)?", moment):
            number = float(moment)
            return int(number / 1000 if number > 1e11 else number)
        if "/" in moment:
            return int(datetime.strptime(moment, "%d/%b/%Y:%H:%M:%S %z").timestamp())
        at = datetime.fromisoformat(moment)
        return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None


def _unusable(line: _Line, options: ImportOptions) -> tuple[str, str] | None:
    if line.method not in ("GET", "HEAD"):
        return "requests that change data", "a log has no bodies"
    if BOTS.search(line.agent):
        return "bots", "not users"
    if line.status >= 500 or not line.status:
        return "failed requests", "the server failed"
    if not line.target.startswith("/"):
        return "addresses without a path", "no client sends them to a service"
    if Keep.STATIC not in options.kept and STATIC_PATH.search(line.target.partition("?")[0]):
        return "static files", "the load is on the service; --with static keeps them"
    return None


def _exchanges(addresses: Mapping[str, Counter[str]], own: list[str], base: str) -> Iterator[RecordedExchange]:
    """Yields the most frequent addresses of each label, and of all others together."""
    groups: dict[str, Counter[str]] = {label: _common(addresses[label]) for label in own}
    groups[OTHER] = Counter()
    for label in addresses.keys() - set(own):
        groups[OTHER].update(_common(addresses[label]))
    numbers = count(1)
    for label, counts in groups.items():
        ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        for shown, times in ranked[: MOST_OTHERS if label == OTHER else MOST_ROWS]:
            method, _, target = shown.partition(" ")
            yield RecordedExchange(
                number=next(numbers),
                method=method,
                url=base + target,
                step=label,
                name=label,
                route=_route(target.partition("?")[0]),
                count=times,
            )


def _common(addresses: Counter[str]) -> Counter[str]:
    """Returns the addresses with the parameters that many requests have and that name no secret."""
    pairs = {path: parse_qsl(path.partition("?")[2], True) for path in addresses}
    uses: Counter[str] = Counter()
    for path, times in addresses.items():
        uses.update(dict.fromkeys(dict(pairs[path]), times))
    least = LEAST_USE * addresses.total()
    counts: Counter[str] = Counter()
    for path, times in addresses.items():
        kept = [pair for pair in pairs[path] if uses[pair[0]] >= least and not names_a_secret(pair[0])]
        counts[path.partition("?")[0] + (f"?{urlencode(kept)}" if kept else "")] += times
    return counts


def _rates(rates: Mapping[str, Counter[int]], own: list[str]) -> dict[str, LogRates]:
    """Returns the requests of each label by time, in at most `POINTS` steps."""
    if not rates:
        return {}
    start_s, end_s = min(map(min, rates.values())), max(map(max, rates.values())) + 1
    step_s = next((step for step in STEPS_S if (end_s - start_s) / step <= POINTS), STEPS_S[-1])
    by_label: dict[str, Counter[int]] = {label: Counter() for label in own}
    for label, counts in rates.items():
        kept = by_label.setdefault(label if label in own else OTHER, Counter())
        for second, times in counts.items():
            kept[(second - start_s) // step_s] += times
    steps = range(-(-(end_s - start_s) // step_s))
    return {
        label: LogRates(step_s=float(step_s), counts=tuple(counts[step] for step in steps))
        for label, counts in by_label.items()
    }
