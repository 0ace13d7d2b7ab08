"""The block of kept requests and responses, and the curl commands that send the requests again."""

import re
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from toril import text
from toril.records.evidence import Content, Exchange
from toril.reports.blocks import ExchangeGroup, ExchangeList, Fact, ShownExchange
from toril.reports.bundle import Bundle
from toril.secrets.masking import HIDDEN
from toril.summary.build import TRANSACTION
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
    for one in evidence.exchanges:
        kind = ("slowest",) if one.why == "slowest" else (one.kind, one.rc, one.error)
        groups.setdefault((one.label, one.arm, *kind), []).append(one)
    counted = [(_count(bundle, found[0]), found) for found in groups.values()]
    counted.sort(key=_place)
    shown: list[list[ShownExchange]] = [[] for _ in counted]
    number, room = 0, MOST_CHARACTERS
    for turn in zip_longest(*(found for _, found in counted)):  # the first of each group, then the second ones
        for place, one in enumerate(turn):
            if one is not None and number < MOST_SHOWN and room > 0:
                shown[place].append(_shown(one))
                last = shown[place][-1]
                number, room = number + 1, room - len(last.request) - len(last.response) - len(last.curl)
    return ExchangeList(
        tuple(
            ExchangeGroup(
                label=plain(found[0].label) + ARMS.get(found[0].arm, ""),
                error="" if found[0].ok or ones[0].slow else plain(found[0].error or found[0].rc or "failed", 1000),
                count=text.plural(count, "failure") if count else "",
                exchanges=tuple(ones),
            )
            for (count, found), ones in zip(counted, shown, strict=True)
            if ones
        ),
        left_out=len(evidence.exchanges) - number,
        left_out_workers=evidence.left_out_workers,
    )


def _place(counted: tuple[int, list[Exchange]]) -> tuple[bool, float, float]:
    count, (first, *_) = counted
    slow = first.why == "slowest"
    return slow, -first.response_us if slow else -count, first.at_s


def _count(bundle: Bundle, one: Exchange) -> int:
    """Returns how often this failure occurred in the judged part of the run; 0 if that is not known."""
    if one.why == "slowest" or one.arm == "arm 1":  # the figures of a duet are those of head
        return 0
    figures = bundle.summary.labels.get(one.label + TRANSACTION * (one.kind == "transaction"))
    errors = figures.errors if figures else ()
    return next((error.count for error in errors if (error.message, error.rc) == (one.error, one.rc)), 0)


def _shown(one: Exchange) -> ShownExchange:
    answer = str(one.status) if one.status is not None else plain(one.rc, 60) or ("ok" if one.ok else "no response")
    asked = f"{one.method} {text.shortened(plain(one.url, LONGEST_LINE), LONGEST_URL)}".strip()
    failed = [check for check in one.asserted if not check.ok]
    return ShownExchange(
        title=f"{plain(asked or one.label, LONGEST_LINE)} → {answer} in {text.time(one.response_us)}",
        place=f"{plain(one.worker)}, second {one.at_s:.0f}",
        brief=_brief(one),
        facts=tuple(Fact(name, plain(value, 1000)) for name, value in _facts(one) if value),
        request=_message(f"{one.method} {one.url}".strip(), one.request_headers, one.request) if one.url else "",
        response="" if one.status is None else _message(str(one.status), one.response_headers, one.response),
        expected="\n".join(_safe(": ".join(filter(None, (one.name, one.expected, one.message)))) for one in failed),
        curl=curl_of(one),
        slow=one.why == "slowest",
    )


def _brief(one: Exchange) -> str:
    """Returns what was expected, or else the error, and how the response begins."""
    failed = next((check for check in one.asserted if not check.ok), None)
    if failed is not None:
        parts = [f"expected {failed.expected}" if failed.expected else failed.message or failed.name]
    else:
        parts = [one.error]
    answer = one.response
    if answer is not None:
        parts.append(f"got {answer.text}" if answer.text else _size(answer) if answer.binary else "")
    return "; ".join(_beginning(plain(text.one_line(part, LONGEST_LINE), LONGEST_LINE)) for part in parts if part)


def _beginning(words: str) -> str:
    return words if len(words) <= LONGEST_BRIEF else f"{words[: LONGEST_BRIEF - 1]}…"


def _facts(one: Exchange) -> Iterator[tuple[str, str]]:
    yield "sent", f"second {one.at_s:.3f}"
    yield "response time", text.time(one.response_us)
    yield "first byte", "" if one.ttfb_us is None else f"after {text.time(one.ttfb_us)}"
    connected = "" if one.connect_us is None else f"in {text.time(one.connect_us)}"
    yield "connection", " ".join(filter(None, (one.connection, connected)))
    yield "server", one.remote
    yield "redirects", str(one.hops) if one.hops else ""
    yield "worker", one.worker
    yield "location", one.location
    yield "execution", one.execution
    yield "trace", one.trace_id
    yield "hidden", ", ".join(one.masked)
    yield "variables", ", ".join(f"{name}={value}" for name, value in one.variables)
    yield "note", "; ".join(one.notes)


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
    parts, found, depth = JSON_PART.findall(words), [], 0
    for place, part in enumerate(parts):
        line = "\n" + "  " * min(depth, DEEPEST)
        before = parts[place - 1] if place else ""
        if part in ("}", "]"):
            depth -= 1
            found.append(part if before in ("{", "[") else "\n" + "  " * min(max(depth, 0), DEEPEST) + part)
        else:
            starts = before in ("{", "[", ",")
            found.append((line if starts else " " if before == ":" and part != ":" else "") + part)
            depth += part in ("{", "[")
    return "".join(found)


# ── curl ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def curl_of(one: Exchange) -> str:
    """Returns the command that sends the request again; empty if its header fields are not known.

    Each hidden value is a shell variable, such as `"${TORIL_TOKEN:?}"`; the shell refuses the command until it is set.
    A body that is not there as a whole is a file that the user names in the same way.
    """
    address, method, body = ADDRESS.match(one.url), one.method, one.request
    if address is None or not one.request_headers or not TOKEN.fullmatch(method):
        return ""
    used: Counter[str] = Counter()
    parts = ["curl"]
    if method == "HEAD":
        parts.append("--head")
    elif method != "GET" or body is not None:
        parts.append(f"-X {shlex.quote(method)}")
    if re.search(r"[\[\]{}]", one.url):
        parts.append("--globoff")
    parts.append(_word(one, one.url, "user", used))
    known = {name.lower() for name, _ in one.request_headers}
    for name, value in one.request_headers:
        own = name.lower() in NOT_SENT_BY_HAND or (name.lower() == "host" and value == address[1])
        if not own and TOKEN.fullmatch(name):
            parts.append(f"-H {_word(one, f'{name}: {value}' if value else f'{name};', name, used)}")
    for name in ("Accept", "User-Agent", *(["Content-Type"] if body is not None else [])):
        if name.lower() not in known:
            parts.append(f"-H {name}:")  # curl would add its own
    if "accept-encoding" in known:
        parts.append("--compressed")
    if body is not None and (body.cut or body.binary or body.type.startswith("multipart/")):
        parts.append('--data-binary @"${TORIL_BODY:?a file with the whole body}"')
    elif body is not None:
        parts.append(f"--data-raw {_word(one, body.text, 'body', used)}")
    return " \\\n  ".join(parts)


def _word(one: Exchange, value: str, name: str, used: Counter[str]) -> str:
    """Returns the value as a word for a shell. Hidden values are named after what stands before them, or by `name`."""
    before, *others = value.split(HIDDEN) if one.masked else [value]
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
    return "$'" + "".join(escapes.get(one) or (one if one.isprintable() else _octal(one)) for one in value) + "'"


def _octal(character: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in character.encode("utf-8", "backslashreplace"))
