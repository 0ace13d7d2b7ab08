"""Prints requests with their responses for a terminal, as a try sends them."""

import json
from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.text import Text

from toril import text
from toril.records.evidence import Content, Exchange, Named
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

    def show(self, one: Exchange) -> None:
        self._printed += 1
        changed = {name: value for name, value in one.variables if self._variables.get(name) != value}
        self._variables |= changed
        if one.execution != self._execution:
            self._console.print(Text(f"{plain(one.execution)}\n", style="bold cyan"))
            self._execution = one.execution
        lines = Text("\n").join(_lines(one, changed))
        self._console.print(Text.assemble((f"{self._printed}  ", "dim"), lines, "\n"), soft_wrap=True)

    def conclude(self, bundle: Bundle) -> None:
        """Prints the outcome with its reasons."""
        verdict = bundle.verdict
        self._console.print(Text(f"{mark_of(verdict.outcome)} {verdict.outcome}", style=COLOURS[verdict.outcome]))
        for message in (*(reason.message for reason in verdict.reasons), *verdict.notes):
            self._console.print(Text(f"  {plain(message, LONGEST)}"), soft_wrap=True)


def in_text(one: Exchange) -> tuple[str, str]:
    """Returns the first line of an exchange, and the others, without colour."""
    head, *others = (line.plain for line in _lines(one, dict(one.variables)))
    return head, "\n".join(others)


def as_json(one: Exchange) -> bytes:
    """Returns an exchange as one line of JSON."""
    return json.dumps(masked(one.to_dict()), separators=(",", ":")).encode() + b"\n"


def _lines(one: Exchange, variables: Mapping[str, str]) -> Iterator[Text]:
    yield Text.assemble((plain(one.label), "bold"), "  ", *_head(one))
    yield from _message("> ", one.request_headers, one.request)
    yield from _message("< ", one.response_headers, one.response)
    if one.error:
        yield Text(f"{INDENT}✘ {plain(one.error, LONGEST)}", style="red")
    for check in one.asserted:
        words = ": ".join(filter(None, (check.name, check.expected)))
        why = f" ({check.message})" if check.message and check.message != one.error else ""
        mark, style = ("✔", "green") if check.ok else ("✘", "red")
        yield Text(f"{INDENT}{mark} {plain(words + why, LONGEST)}", style=style)
    for name, value in variables.items():
        yield Text(f"{INDENT}{plain(name)} = {plain(value, LONGEST)}", style="cyan")
    for note in one.notes:
        for line in note.splitlines():
            yield Text(f"{INDENT}{plain(line, LONGEST)}", style="dim")


def _head(one: Exchange) -> Iterator[tuple[str, str] | str]:
    """Yields e.g. `POST http://shop/orders → 201 in 12.0 ms`."""
    if one.method or one.url:
        yield plain(f"{one.method} {one.url}", LONGEST)
        yield " "
    yield "→ "
    without = "ok" if one.ok else "no response" if one.method else "failed"
    answer = str(one.status) if one.status else plain(one.rc) if one.rc else without
    yield answer, "green" if one.ok else "red"
    yield f" in {text.time(one.response_us)}"
    if one.hops:
        yield f", after {text.plural(one.hops, 'redirect')}"


def _message(mark: str, headers: Sequence[Named], body: Content | None) -> Iterator[Text]:
    for name, value in headers:
        yield Text(f"{INDENT}{mark}{plain(f'{name}: {value}', LONGEST)}", style="dim")
    if body is not None and body.bytes:
        yield Text(f"{INDENT}{mark}".rstrip(), style="dim")
        lines = body_lines(body)
        yield from (Text(f"{INDENT}{mark}{plain(line, LONGEST)}") for line in lines[:MOST_LINES])
        if len(lines) > MOST_LINES:
            yield Text(f"{INDENT}{mark}… {text.plural(len(lines) - MOST_LINES, 'more line')}", style="dim")
