"""Prints requests with their responses for a terminal, as a try sends them."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from toril import text
from toril.errors import Note
from toril.explain import coded, command_of
from toril.records.evidence import Asserted, Content, Exchange, Named
from toril.records.verdict import Reason
from toril.reports.blocks import mark_of
from toril.reports.bundle import Bundle
from toril.reports.evidence_blocks import body_lines
from toril.reports.screen import COLOURS
from toril.secrets.masking import masked
from toril.text import plain

LONGEST = 2_000  # characters of a line
MOST_LINES = 200  # of a body
INDENT = "    "


class ExchangePrinter:
    """Prints each exchange with a number: headers, bodies, assertions, and the variables that have changed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._printed = 0
        self._execution = ""
        self._variables: dict[str, str] = {}

    def show(self, exchange: Exchange) -> None:
        self._printed += 1
        changed = {name: value for name, value in exchange.variables if self._variables.get(name) != value}
        self._variables |= changed
        if exchange.execution != self._execution:
            self._console.print(Text(f"{plain(exchange.execution)}\n", style="bold cyan"))
            self._execution = exchange.execution
        lines = Text("\n").join(_lines(exchange, changed))
        self._console.print(Text.assemble((f"{self._printed}  ", "dim"), lines, "\n"), soft_wrap=True)

    def conclude(self, bundle: Bundle) -> None:
        """Prints the outcome with its reasons."""
        verdict = bundle.verdict
        self._console.print(Text(f"{mark_of(verdict.outcome)} {verdict.outcome}", style=COLOURS[verdict.outcome]))
        remarks: tuple[Reason | Note, ...] = (*verdict.reasons, *verdict.coded_notes)
        for remark in remarks:
            self._console.print(Text(f"  {coded(plain(remark.message, LONGEST), plain(remark.code))}"), soft_wrap=True)
        if verdict.outcome != "passed":
            codes = dict.fromkeys(plain(reason.code) for reason in verdict.reasons)
            self._console.print(Text(f"  cause and fix: {command_of(*codes)}"), soft_wrap=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedExchange:
    """An exchange for a page. `carried`: the variables that it set or changed."""

    ok: bool
    label: str
    head: str  # such as `POST http://shop/login`
    answer: str  # such as `200 in 12.0 ms`
    error: str
    checks: tuple[tuple[bool, str], ...]
    carried: tuple[tuple[str, str], ...]
    sent: str
    received: str
    notes: tuple[str, ...]


def shown(exchanges: Iterable[Exchange]) -> Iterator[TriedExchange]:
    """Yields consecutive exchanges as pages show them."""
    known: dict[str, str] = {}
    for exchange in exchanges:
        carried = tuple(pair for pair in exchange.variables if known.get(pair[0]) != pair[1])
        known |= dict(carried)
        head, _, answer = Text.assemble(*_head(exchange)).plain.partition("→ ")
        yield TriedExchange(
            ok=exchange.ok,
            label=plain(exchange.label),
            head=head.strip(),
            answer=answer,
            error=plain(exchange.error, LONGEST),
            checks=tuple((check.ok, plain(_check(check, exchange), LONGEST)) for check in exchange.asserted),
            carried=tuple((plain(name), plain(value, LONGEST)) for name, value in carried),
            sent=_block(exchange.request_headers, exchange.request),
            received=_block(exchange.response_headers, exchange.response),
            notes=tuple(plain(line, LONGEST) for note in exchange.notes for line in note.splitlines()),
        )


def _block(headers: Sequence[Named], body: Content | None) -> str:
    return "\n".join(line.plain.removeprefix(INDENT).rstrip() for line in _message("", headers, body))


def _check(check: Asserted, exchange: Exchange) -> str:
    words = ": ".join(filter(None, (check.name, check.expected)))
    return words + (f" ({check.message})" if check.message and check.message != exchange.error else "")


def as_json(exchange: Exchange) -> bytes:
    """Returns an exchange as one line of JSON."""
    return json.dumps(masked(exchange.to_dict()), separators=(",", ":")).encode() + b"\n"


def _lines(exchange: Exchange, variables: Mapping[str, str]) -> Iterator[Text]:
    yield Text.assemble((plain(exchange.label), "bold"), "  ", *_head(exchange))
    yield from _message("> ", exchange.request_headers, exchange.request)
    yield from _message("< ", exchange.response_headers, exchange.response)
    if exchange.error:
        yield Text(f"{INDENT}✘ {plain(exchange.error, LONGEST)}", style="red")
    for check in exchange.asserted:
        mark, style = ("✔", "green") if check.ok else ("✘", "red")
        yield Text(f"{INDENT}{mark} {plain(_check(check, exchange), LONGEST)}", style=style)
    for name, value in variables.items():
        yield Text(f"{INDENT}{plain(name)} = {plain(value, LONGEST)}", style="cyan")
    for note in exchange.notes:
        for line in note.splitlines():
            yield Text(f"{INDENT}{plain(line, LONGEST)}", style="dim")


def _head(exchange: Exchange) -> Iterator[tuple[str, str] | str]:
    """Yields e.g. `POST http://shop/orders → 201 in 12.0 ms`."""
    if exchange.method or exchange.url:
        yield plain(f"{exchange.method} {exchange.url}", LONGEST)
        yield " "
    yield "→ "
    without = "ok" if exchange.ok else "no response" if exchange.method else "failed"
    answer = str(exchange.status) if exchange.status else plain(exchange.rc) if exchange.rc else without
    yield answer, "green" if exchange.ok else "red"
    yield f" in {text.time(exchange.response_us)}"
    if exchange.hops:
        yield f", after {text.plural(exchange.hops, 'redirect')}"


def _message(mark: str, headers: Sequence[Named], body: Content | None) -> Iterator[Text]:
    for name, value in headers:
        yield Text(f"{INDENT}{mark}{plain(f'{name}: {value}', LONGEST)}", style="dim")
    if body is not None and body.bytes:
        yield Text(f"{INDENT}{mark}".rstrip(), style="dim")
        lines = body_lines(body)
        yield from (Text(f"{INDENT}{mark}{plain(line, LONGEST)}") for line in lines[:MOST_LINES])
        if len(lines) > MOST_LINES:
            yield Text(f"{INDENT}{mark}… {text.plural(len(lines) - MOST_LINES, 'more line')}", style="dim")
