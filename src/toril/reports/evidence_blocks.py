"""The block of kept requests and responses, and the curl commands that send the requests again."""

import re
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from toril import text
from toril.records.evidence import Content, Exchange
from toril.records.summary import TRANSACTION
from toril.reports.blocks import ExchangeGroup, ExchangeList, Fact, ShownExchange
from toril.reports.bundle import Bundle
from toril.reports.cause_block import trace_link
from toril.secrets.masking import HIDDEN
from toril.text import plain

MOST_SHOWN = 60
MOST_CHARACTERS = 600_000  # of all shown exchanges
LONGEST_URL, LONGEST_BRIEF, LONGEST_LINE = 150, 160, 70_000
DEEPEST = 20  # indentation of JSON
ARMS = {"": "", "arm 1": " (base)", "arm 2": " (head)"}
JSON_PART = re.compile(r'"(?:[^"\\]|\\.)*+"?|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
ADDRESS = re.compile(r"https?://(?:[^/?#]*@)?([^/?#]*)")
TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # a header's name, or a method
NOT_SENT_BY_HAND = ("content-length", "connection", "transfer-encoding")
KEY = re.compile(r"([\w.-]{1,60})[\"'\]]*\s*[=:]\s*[\"']?(?:[\w-]{1,40} )?$")  # before a hidden value


def exchange_list(bundle: Bundle) -> ExchangeList | None:
    """Returns failures by label and error, most frequent first, then the slowest requests; None without any."""
    evidence = bundle.evidence
    if evidence is None or not evidence.exchanges:
        return None
    groups: dict[tuple[str, ...], list[Exchange]] = {}
    for exchange in evidence.exchanges:
        kind = ("slowest",) if exchange.why == "slowest" else (exchange.kind, exchange.rc, exchange.error)
        groups.setdefault((exchange.label, exchange.arm, *kind), []).append(exchange)
    counted = [(_count(bundle, exchanges[0]), exchanges) for exchanges in groups.values()]
    counted.sort(key=_place)
    shown: list[list[ShownExchange]] = [[] for _ in counted]
    number, room = 0, MOST_CHARACTERS
    for turn in zip_longest(*(exchanges for _, exchanges in counted)):  # the first of each group, then the second ones
        for place, exchange in enumerate(turn):
            if exchange is not None and number < MOST_SHOWN and room > 0:
                shown[place].append(_shown(exchange, trace_link(bundle, exchange.trace_id)))
                last = shown[place][-1]
                number, room = number + 1, room - len(last.request) - len(last.response) - len(last.curl)
    return ExchangeList(
        tuple(
            ExchangeGroup(
                label=plain(group[0].label) + ARMS.get(group[0].arm, ""),
                error="" if group[0].ok or ones[0].slow else plain(group[0].error or group[0].rc or "failed", 1000),
                count=text.plural(count, "failure") if count else "",
                exchanges=tuple(ones),
            )
            for (count, group), ones in zip(counted, shown, strict=True)
            if ones
        ),
        left_out=len(evidence.exchanges) - number,
        left_out_workers=evidence.left_out_workers,
    )


def _place(counted: tuple[int, list[Exchange]]) -> tuple[bool, float, float]:
    count, (first, *_) = counted
    slow = first.why == "slowest"
    return slow, -first.response_us if slow else -count, first.at_s


def _count(bundle: Bundle, exchange: Exchange) -> int:
    """Returns how often this failure occurred in the judged part of the run; 0 if that is not known."""
    if exchange.why == "slowest" or exchange.arm == "arm 1":  # the figures of a duet are those of head
        return 0
    figures = bundle.summary.labels.get(exchange.label + TRANSACTION * (exchange.kind == "transaction"))
    errors = figures.errors if figures else ()
    return next((error.count for error in errors if (error.message, error.rc) == (exchange.error, exchange.rc)), 0)


def _shown(call: Exchange, trace: str) -> ShownExchange:
    answer = str(call.status) if call.status is not None else plain(call.rc, 60) or ("ok" if call.ok else "no response")
    asked = f"{call.method} {text.shortened(plain(call.url, LONGEST_LINE), LONGEST_URL)}".strip()
    failed = [check for check in call.asserted if not check.ok]
    return ShownExchange(
        title=f"{plain(asked or call.label, LONGEST_LINE)} → {answer} in {text.time(call.response_us)}",
        place=f"{plain(call.worker)}, second {call.at_s:.0f}",
        brief=_brief(call),
        facts=tuple(
            Fact(name, plain(value, 1000), link=trace if name == "trace" else "")
            for name, value in _facts(call)
            if value
        ),
        request=_message(f"{call.method} {call.url}".strip(), call.request_headers, call.request) if call.url else "",
        response="" if call.status is None else _message(str(call.status), call.response_headers, call.response),
        expected="\n".join(_safe(": ".join(filter(None, (why.name, why.expected, why.message)))) for why in failed),
        curl=curl_of(call),
        slow=call.why == "slowest",
        ended_s=int(call.at_s + call.response_us / 1e6),
    )


def _brief(exchange: Exchange) -> str:
    """Returns what was expected, or else the error, and how the response begins."""
    failed = next((check for check in exchange.asserted if not check.ok), None)
    if failed is not None:
        parts = [f"expected {failed.expected}" if failed.expected else failed.message or failed.name]
    else:
        parts = [exchange.error]
    answer = exchange.response
    if answer is not None:
        parts.append(f"got {answer.text}" if answer.text else _size(answer) if answer.binary else "")
    return "; ".join(_beginning(plain(text.one_line(part, LONGEST_LINE), LONGEST_LINE)) for part in parts if part)


def _beginning(words: str) -> str:
    return words if len(words) <= LONGEST_BRIEF else f"{words[: LONGEST_BRIEF - 1]}…"


def _facts(exchange: Exchange) -> Iterator[tuple[str, str]]:
    yield "sent", f"second {exchange.at_s:.3f}"
    yield "response time", text.time(exchange.response_us)
    yield "first byte", "" if exchange.ttfb_us is None else f"after {text.time(exchange.ttfb_us)}"
    connected = "" if exchange.connect_us is None else f"in {text.time(exchange.connect_us)}"
    yield "connection", " ".join(filter(None, (exchange.connection, connected)))
    yield "server", exchange.remote
    yield "redirects", str(exchange.hops) if exchange.hops else ""
    yield "worker", exchange.worker
    yield "location", exchange.location
    yield "execution", exchange.execution
    yield "trace", exchange.trace_id
    yield "hidden", ", ".join(exchange.masked)
    yield "variables", ", ".join(f"{name}={value}" for name, value in exchange.variables)
    yield "note", "; ".join(exchange.notes)


def _message(first: str, headers: Sequence[tuple[str, str]], body: Content | None) -> str:
    """Returns a request or response as text: first line, header fields, body."""
    lines = [_safe(first), *(f"{plain(name)}: {plain(value, LONGEST_LINE)}" for name, value in headers)]
    if body is not None:
        lines += ["", *body_lines(body)]
    return "\n".join(lines)


def body_lines(body: Content) -> list[str]:
    """Returns a body as lines without invisible characters, JSON with indentation."""
    shown = body.text if body.text or not body.binary else _size(body)
    lines = _safe(indented(shown) if "json" in body.type else shown).split("\n")
    return [*lines, f"… (only the beginning of {text.size(body.bytes)})"] if body.cut else lines


def _size(body: Content) -> str:
    return f"({text.size(body.bytes)} of {body.type or 'binary data'})"


def _safe(words: str) -> str:
    return "\n".join(plain(line, LONGEST_LINE) for line in words.replace("\r\n", "\n").split("\n"))


def indented(words: str) -> str:
    """Returns JSON, also cut JSON, with line breaks and indentation. All else stays as it was sent.

    >>> print(indented('{"a": [1.50, {}], "b": "x, y'))
    {
      "a": [
        1.50,
        {}
      ],
      "b": "x, y
    """
    parts, parts_out, depth = JSON_PART.findall(words), [], 0
    for place, part in enumerate(parts):
        line = "\n" + "  " * min(depth, DEEPEST)
        before = parts[place - 1] if place else ""
        if part in ("}", "]"):
            depth -= 1
            parts_out.append(part if before in ("{", "[") else "\n" + "  " * min(max(depth, 0), DEEPEST) + part)
        else:
            starts = before in ("{", "[", ",")
            parts_out.append((line if starts else " " if before == ":" and part != ":" else "") + part)
            depth += part in ("{", "[")
    return "".join(parts_out)


# ── curl ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def curl_of(exchange: Exchange) -> str:
    """Returns the command that sends the request again; empty if its header fields are not known.

    Each hidden value is a shell variable, such as `"${TORIL_TOKEN:?}"`; the shell refuses the command until it is set.
    A body that is not there as a whole is a file that the user names in the same way.
    """
    address, method, body = ADDRESS.match(exchange.url), exchange.method, exchange.request
    if address is None or not exchange.request_headers or not TOKEN.fullmatch(method):
        return ""
    used: Counter[str] = Counter()
    parts = ["curl"]
    if method == "HEAD":
        parts.append("--head")
    elif method != "GET" or body is not None:
        parts.append(f"-X {shlex.quote(method)}")
    if re.search(r"[\[\]{}]", exchange.url):
        parts.append("--globoff")
    parts.append(_word(exchange, exchange.url, "user", used))
    known = {name.lower() for name, _ in exchange.request_headers}
    for name, value in exchange.request_headers:
        own = name.lower() in NOT_SENT_BY_HAND or (name.lower() == "host" and value == address[1])
        if not own and TOKEN.fullmatch(name):
            parts.append(f"-H {_word(exchange, f'{name}: {value}' if value else f'{name};', name, used)}")
    for name in ("Accept", "User-Agent", *(["Content-Type"] if body is not None else [])):
        if name.lower() not in known:
            parts.append(f"-H {name}:")  # curl would add its own
    if "accept-encoding" in known:
        parts.append("--compressed")
    if body is not None and (body.cut or body.binary or body.type.startswith("multipart/")):
        parts.append('--data-binary @"${TORIL_BODY:?a file with the whole body}"')
    elif body is not None:
        parts.append(f"--data-raw {_word(exchange, body.text, 'body', used)}")
    return " \\\n  ".join(parts)


def _word(exchange: Exchange, value: str, name: str, used: Counter[str]) -> str:
    """Returns the value as a word for a shell. Hidden values are named after what stands before them, or by `name`."""
    before, *others = value.split(HIDDEN) if exchange.masked else [value]
    word = _quoted(before) if before or not others else ""
    for after in others:
        key = KEY.search(before[-120:])
        variable = "TORIL_" + (re.sub("[^A-Z0-9]+", "_", (key[1] if key else name).upper()).strip("_") or "HIDDEN")
        used[variable] += 1
        number = f"_{used[variable]}" if used[variable] > 1 else ""
        word += f'"${{{variable}{number}:?}}"' + (_quoted(after) if after else "")
        before = after
    return word


def _quoted(value: str) -> str:
    """Returns a text for a shell; control characters are escaped, since a terminal would obey pasted ones."""
    if value.replace("\n", "").isprintable():
        return shlex.quote(value)
    escapes = {"\\": r"\\", "'": r"\'", "!": r"\041"}  # bash would look `!` up in its history
    return "$'" + "".join(escapes.get(char) or (char if char.isprintable() else _octal(char)) for char in value) + "'"


def _octal(character: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in character.encode("utf-8", "backslashreplace"))
