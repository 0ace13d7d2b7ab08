"""GitHub-flavoured Markdown in which nothing from outside has a meaning, and which keeps to a length."""

import re
from collections.abc import Callable, Iterable, Sequence

from toril.reports import wording

COMMENT = 65_536  # characters of a comment at the most, says GitHub; a job summary may have 1 MiB, sixteen times that
LIMIT = COMMENT - 1_536  # room for who posts it to say more
ROWS = (100, 50, 20, 8, 3)  # of a table at most; the next when the text gets too long
SPECIAL = '\\`*_{}[]()#!|~<>&"$:'
STARTS = re.compile(r"^(?:\s|[-+](?=\s|$)|=|-(?=-))|(?<=\d)[.)](?=\s|$)")  # of code, a list, a heading or a rule
WORDS = re.compile(r"(?i)(\bGH-(?=\d)|www(?=\.))")  # of a reference or an address
COMMIT = re.compile(r"(?<![0-9a-zA-Z])(?=[0-9a-fA-F]{7,})([0-9a-fA-F]+)(?![0-9a-zA-Z])")  # at least of seven digits
ADDRESS = re.compile(
    r"https?://[A-Za-z0-9.\-\[\]:]+(?:[/?#][A-Za-z0-9._~%/?#@!$&'*+,;=:\-]*)?"
)  # nothing that ends a link
UNSEEN = "\u200b"  # stands where text would become a mention or a link


def escaped(text: object) -> str:
    """A string that Markdown shows and does not obey, in a table as well; nobody is called and nothing linked by it."""
    shown = _entities(wording.plain(text, 1000))
    start = STARTS.search(shown)
    if start and (start.start() == 0 or shown[: start.start()].isdigit()):
        shown = f"{shown[: start.start()]}&#{ord(start[0])};{shown[start.end() :]}"
    for called in ("@", "&#35;", "&#58;"):  # mentions, references to issues, addresses
        shown = shown.replace(called, called + UNSEEN)
    return COMMIT.sub(_no_commit, WORDS.sub(rf"\1{UNSEEN}", shown))


def _no_commit(found: re.Match[str]) -> str:
    """Digits in groups that are too short for a commit's."""
    return UNSEEN.join(found[0][at : at + 6] for at in range(0, len(found[0]), 6))


def figure(text: str) -> str:
    """A number with its unit, which stay together."""
    return escaped(text.replace(" ", "\u00a0"))


def code(text: object) -> str:
    """The same in fixed letters, where GitHub looks for no mentions; it can be copied."""
    shown = _entities(wording.plain(text, 1000)).replace("www.", "www&#46;").replace("@", f"@{UNSEEN}")
    return f"<code>{shown}</code>"


def _entities(text: str) -> str:
    return "".join(f"&#{ord(c)};" if c in SPECIAL else c for c in text)


def is_address(url: str) -> bool:
    """Whether that can stand in a link as it is."""
    return ADDRESS.fullmatch(url) is not None


def link(name: str, url: str) -> str:
    """A link to an address that is one."""
    if not is_address(url):
        raise ValueError(f"no address: {url!r}")
    return f"[{name}](<{url}>)"


def table(head: Sequence[str], align: str, rows: Sequence[Sequence[str]], more: str = "") -> str:
    """A table, and a line on what it leaves out. `align`: r for right, one a column."""
    rule = "|".join("--:" if side == "r" else ":--" for side in align)
    lines = [_line(head), f"|{rule}|", *map(_line, rows)]
    return "\n".join(lines) + (f"\n\n{more}" if more else "")


def details(title: str, content: str, *, open: bool = False) -> str:
    """A part that is folded away until it is clicked."""
    return f"<details{' open' if open else ''}><summary>{title}</summary>\n\n{content}\n\n</details>"


def more(count: int, noun: str) -> str:
    """The line on what is left out; empty when nothing is."""
    return f"… and {wording.plural(count, f'more {noun}')}" if count > 0 else ""


def limited(make: Callable[[int], Iterable[str]], rest_at: str | None = None) -> bytes:
    """The paragraphs that `make` gives for so many rows a table: as many as stay within the limit.

    `rest_at`: where everything is, for a text that is cut.
    """
    for rows in ROWS:
        text = "\n\n".join(part for part in make(rows) if part) + "\n"
        if len(text) <= LIMIT:
            return text.encode()
    kept: list[str] = []
    for part in make(ROWS[-1]):  # whole paragraphs, so that nothing stays open
        if sum(len(one) + 2 for one in (*kept, part)) < LIMIT - 100 - len(rest_at or ""):
            kept.append(part)
    where = "" if rest_at is None else f": {link('all of it', rest_at)}"
    return ("\n\n".join(kept) + f"\n\n… the rest does not fit into a comment{where}\n").encode()


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
