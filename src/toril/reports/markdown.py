"""Renders blocks as Markdown for GitHub, for a job summary or a comment on a pull request.

Outcome and reason come first; details are folded. Texts from outside are escaped, so they have no Markdown meaning.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from toril import text
from toril.explain import command_of, page_of
from toril.reports.blocks import (
    Charts,
    Column,
    Criteria,
    ExchangeList,
    Fact,
    Facts,
    Failures,
    Findings,
    Headline,
    NoteBlock,
    ProbableCause,
    Report,
    Row,
    Sketches,
    Table,
    criteria_table,
)
from toril.reports.curves import sparkline
from toril.text import plain

ICONS = {
    **{"passed": "✅", "failed": "❌", "inconclusive": "⚠️", "triggered": "🔔"},
    **{"unproven": "⚪", "neutral": "⚪", "broken": "💥", "skipped": "⏭️"},
}
COMMENT = 65_536  # GitHub's maximum for a comment, in characters; a job summary may have 1 MiB
LIMIT = COMMENT - 1_536  # leaves room for a marker
ROWS = (100, 50, 20, 8, 3)  # largest number per table; the next value applies if the text is too long
MOST_EXCHANGES, LONGEST_EXCHANGE = 8, 1_500  # requests of the first errors, and characters of each text
SPECIAL = '\\`*_{}[]()#!|~<>&"$:'
STARTS = re.compile(r"^(?:\s|[-+](?=\s|$)|=|-(?=-))|(?<=\d)[.)](?=\s|$)")  # starts of code, lists, headings and rules
WORDS = re.compile(r"(?i)(\bGH-(?=\d)|www(?=\.))")  # starts of references and addresses
# GitHub links seven or more digits.
COMMIT = re.compile(r"(?<![0-9a-zA-Z])(?=[0-9a-fA-F]{7,})([0-9a-fA-F]+)(?![0-9a-zA-Z])")
# Excludes characters that end a link.
ADDRESS = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+(?:[/?#][A-Za-z0-9._~%/?#@!$&'*+,;=:\-]*)?")
UNSEEN = "\u200b"  # breaks texts that would become mentions or links


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Addresses of details, and the measured commit, as the caller guarantees them."""

    report: str | None = None
    run: str | None = None
    commit: str | None = None
    branch: str | None = None  # of a fork, whose own workflow measured


NO_LINKS = Links()


def render(report: Report, links: Links = NO_LINKS) -> bytes:
    """Returns the report, always short enough for a comment."""
    return limited(lambda most: _parts(report, links, most), links.report or links.run)


def _parts(report: Report, links: Links, most: int) -> Iterator[str]:
    headline, small = report.headline, list[str]()
    yield f"## {_title(headline)}"
    yield _links(links)
    if not headline.outcome:
        yield f"{escaped(headline.text)}."
    reasons = headline.own_reasons
    for block in report.blocks:
        match block:
            case Facts(id="facts"):
                yield " · ".join(map(_fact, block.facts))
                lines = [f"- {escaped(reason.message)} ({explained(reason.code)})" for reason in reasons[:most]]
                left_out = more(len(reasons) - most, "reason")
                yield "\n".join([*lines, *([f"- {left_out}"] if left_out else [])])
            case Findings():
                lines = [f"- {escaped(finding.text)} ({explained(finding.code)})" for finding in block.findings]
                yield "\n".join(["**Findings**", "", *lines])
            case ProbableCause():
                lines = [f"- {escaped(line.text)}{_trace(line.link)}" for line in block.lines]
                yield "\n".join(["**Probable cause**", "", *lines])
            case Criteria():
                yield from _table(criteria_table(block), most)
            case Table() if not block.page_only:
                yield from _table(block, most)
            case Sketches():
                drawn = ((sparkline(line.values, highest=line.highest), line) for line in block.lines)
                yield "<br>\n".join(
                    f"<code>{columns}</code> {escaped(line.name)} ≤ **{figure(line.peak)}**" for columns, line in drawn
                )
            case ExchangeList() if block.failures:
                yield details("Requests of the first failures", "\n".join(_exchanges(block, most)))
            case Failures():
                lines = [f"- {code(one.label)} {escaped(one.message)} ({escaped(one.place)})" for one in block.failures]
                yield details("First failures", "\n".join(lines[:most]))
            case NoteBlock(tone="caution"):
                yield f"> {escaped(block.text)}{_cause(block.cause)}"
            case NoteBlock(tone="note") | NoteBlock(tone="detail"):
                small.append(f"{'note: ' * (block.tone == 'note')}{escaped(block.text)}{_cause(block.cause)}")
            case Facts(id="about"):
                values = [escaped(fact.value) if " " in fact.value else code(fact.value) for fact in block.facts]
                names = [escaped(fact.name) for fact in block.facts]
                small.append(" · ".join(map(" ".join, zip(names, values, strict=True))))
            case Table() | NoteBlock() | Facts() | Charts() | ExchangeList():
                pass
    notes = small if len(small) <= most else [*small[:most], more(len(small) - most, "note")]
    yield f"<sub>{'<br>'.join(notes)}</sub>" if notes else ""


def _exchanges(block: ExchangeList, most: int) -> Iterator[str]:
    """Yields the first request of each error; with its response if there is room."""
    for group in block.failures[: min(most, MOST_EXCHANGES)]:
        exchange = group.exchanges[0]
        yield f"- {code(exchange.title)} ({escaped(exchange.place)})<br>{escaped(exchange.brief)}"
        if most == ROWS[0]:
            for words in filter(None, (exchange.request, exchange.response)):
                cut = words if len(words) <= LONGEST_EXCHANGE else words[: LONGEST_EXCHANGE - 1] + "…"
                yield f"  <pre>{_entities(cut).replace('@', f'@{UNSEEN}')}</pre>".replace("\n", "&#10;")


def _trace(link: str) -> str:
    return f" [trace](<{link}>)" if link else ""


def _title(headline: Headline) -> str:
    if not headline.outcome:
        return f"{escaped(headline.suite)}: {escaped(headline.brief)}"
    outcome = "neutral" if headline.neutral else headline.outcome
    sign = icon("neutral" if headline.is_unjudged else outcome)
    return f"{sign} {escaped(headline.suite + headline.on)}: {escaped(outcome)} — {escaped(headline.brief)}"


def _fact(fact: Fact) -> str:
    interval = f" ({escaped(fact.interval)})" if fact.interval else ""
    return f"{escaped(fact.name)} **{escaped(fact.value)}**{interval}"


def icon(outcome: str) -> str:
    return ICONS.get(outcome, ICONS["inconclusive"])


def _links(links: Links) -> str:
    pairs = (("Report", links.report), ("Workflow run", links.run))
    parts = [link(name, url) for name, url in pairs if url is not None]
    if links.commit is not None:
        of = f" of {code(links.branch)}, measured by the workflow of the fork" if links.branch is not None else ""
        parts.append(f"commit {code(links.commit[:12])}{of}")
    return " · ".join(parts)


# ── Tables ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _table(table: Table, most: int) -> Iterator[str]:
    """Yields a table with the important rows visible and the others folded."""
    rows, left_out = table.top(most)
    bad = [row for row in rows if row.outcome in ("failed", "broken")] if table.opened == "bad" else []
    folded = [] if table.opened == "all" else [row for row in rows if row not in bad]
    shown = rows if table.opened == "all" else bad
    if table.message:
        sign = f"{icon(table.outcome)} " if table.outcome else ""
        neutral = "neutral, no proof in either direction – " if table.outcome == "unproven" else ""
        yield f"### {sign}{escaped(table.title)}: {neutral}{escaped(table.message)}"
    if shown:
        yield _rows(table, shown, more(left_out, table.noun) if not folded else "")
    if folded:
        title = f"{len(folded) + left_out:,} other {table.noun}s" if bad else escaped(table.title)
        yield details(title, _rows(table, folded, more(left_out, table.noun)))
    yield "\n".join(f"- {escaped(row.note)}" for row in shown if row.note)
    about = (table.about,) if table.message and table.about else ()
    yield f"<sub>{' · '.join(map(escaped, (*about, *table.footnotes)))}</sub>" if about or table.footnotes else ""


def _rows(table: Table, rows: Sequence[Row], left_out: str) -> str:
    """Returns the rows; in a table of outcomes, short cells come first, because phones scroll wide tables."""
    judged = any(row.outcome for row in rows)
    places = [place for place, column in enumerate(table.columns) if column.rank == 1]
    if judged:
        places.sort(key=lambda place: table.columns[place].kind != "number")
    columns = [table.columns[place] for place in places]
    heads = [*([""] if judged else []), *(escaped(column.title) for column in columns)]
    rule = [*([":--"] if judged else []), *("--:" if column.kind == "number" else ":--" for column in columns)]
    lines = [_line(heads), f"|{'|'.join(rule)}|"]
    for row in rows:
        sign = [f"{icon(row.outcome)} {escaped(row.outcome)}" if row.outcome else ""] if judged else []
        cells = [_cell(row, place, table.columns[place]) for place in places]
        lines.append(_line([*sign, *cells]))
    return "\n".join(lines) + (f"\n\n{left_out}" if left_out else "")


def _cell(row: Row, place: int, column: Column) -> str:
    if place >= len(row.cells):
        return ""
    cell = row.cells[place]
    write = code if column.code and cell.text else figure if column.kind == "number" else escaped
    shown = write(cell.text)
    if (column.strong and row.outcome) or cell.tone in ("bad", "differs"):
        shown = f"**{shown}**"
    if cell.outcome and not (column.strong and row.outcome):
        shown = f"{icon(cell.outcome)} {shown}"
    if column.kind == "name":
        shown += "".join(f" ({escaped(tag)})" for tag in row.tags)
    lines = [*map(escaped, cell.small)]
    if cell.cause:
        lines[-1:] = [" ".join((*lines[-1:], f"({explained(cell.cause)})"))]
    return shown + "".join(f"<br><sub>{line}</sub>" for line in lines)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


# ── Escaping ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def escaped(words: object) -> str:
    """Returns the text escaped for Markdown and its tables, without mentions and links."""
    shown = _entities(plain(words, 1000))
    start = STARTS.search(shown)
    if start and (start.start() == 0 or shown[: start.start()].isdigit()):
        shown = f"{shown[: start.start()]}&#{ord(start[0])};{shown[start.end() :]}"
    for called in ("@", "&#35;", "&#58;"):  # mentions, issue references, addresses
        shown = shown.replace(called, called + UNSEEN)
    shown = WORDS.sub(rf"\1{UNSEEN}", shown)
    # Split digits into groups that are too short for a commit.
    return COMMIT.sub(lambda digits: re.sub("(.{6})(?=.)", rf"\1{UNSEEN}", digits[0]), shown)


def figure(words: str) -> str:
    """Returns a number and its unit with a no-break space between."""
    return escaped(words.replace(" ", "\u00a0"))


def code(words: object) -> str:
    """Returns the text as escaped code, which users can copy."""
    shown = _entities(plain(words, 1000)).replace("www.", "www&#46;").replace("@", f"@{UNSEEN}")
    return f"<code>{shown}</code>"


def explained(cause: str) -> str:
    """Returns a code of toril, with a link to its page or the command that explains it."""
    if page := page_of(cause):
        return f"[{code(cause)}](<{page}>)"
    return code(cause).replace("<code>", f'<code title="{_entities(command_of(cause))}">')


def _cause(cause: str) -> str:
    return f" ({explained(cause)})" if cause else ""


def _entities(words: str) -> str:
    return "".join(f"&#{ord(c)};" if c in SPECIAL else c for c in words)


def is_address(url: str) -> bool:
    """Returns whether the text is a safe address for a link."""
    return ADDRESS.fullmatch(url) is not None


def link(name: str, url: str) -> str:
    """Returns a link; ValueError for an invalid address."""
    if not is_address(url):
        raise ValueError(f"not an address: {url!r}")
    return f"[{name}](<{url}>)"


def details(title: str, content: str) -> str:
    """Returns a folded part."""
    return f"<details><summary>{title}</summary>\n\n{content}\n\n</details>"


def more(count: int, noun: str) -> str:
    """Returns the line that counts omitted rows; empty if there are none."""
    return f"… and {text.plural(count, f'more {noun}')}" if count > 0 else ""


def limited(make: Callable[[int], Iterable[str]], rest_at: str | None = None) -> bytes:
    """Returns the paragraphs from `make` with as many rows per table as the limit allows.

    `rest_at` is the address of the full report, for a text that must be cut.
    """
    for rows in ROWS:
        written = "\n\n".join(part for part in make(rows) if part) + "\n"
        if len(written) <= LIMIT:
            return written.encode()
    kept: list[str] = []
    for part in make(ROWS[-1]):  # whole paragraphs only, to close all tags
        if sum(len(line) + 2 for line in (*kept, part)) < LIMIT - 100 - len(rest_at or ""):
            kept.append(part)
    where = "" if rest_at is None else f": {link('full report', rest_at)}"
    return ("\n\n".join(kept) + f"\n\n… the rest is too long for a comment{where}\n").encode()
