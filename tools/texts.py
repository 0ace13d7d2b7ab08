"""Checks the language of what people read: messages, help, docstrings, comments and Markdown.

    python -m tools.texts [PATH …]      without paths: those of CHECKED

It finds banned words, sentences of more than 30 words, and in Markdown long lines and what has to be read twice
(UNCLEAR). A line may have 120 characters; tables, code and HTML are exempt.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
CHECKED = (
    ".github/workflows/README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "README.md",
    "bench/README.md",
    "docs",
    "image",
    "infra",
    "loadtests",
    "src",
    "tests/README.md",
    "tools",
)
LONGEST_SENTENCE, LONGEST_LINE = 30, 120  # words, characters
WORDS = (
    *("told", "said", "nobody", "somebody", "whoever", "whomever", "borne", "vouch\\w*", "at hand", "be it"),
    *("bears?", "fares?"),  # as verbs: "bearer token" is a term
    *("becomes? of", "became of", "comes? to (?:its|their)", "as it come[s]"),
    *("looked at", "looks? at", "so many", "so manieth"),
)
UNCLEAR = {  # pattern in a sentence of a page → what is wrong with it
    re.compile(r"\b(?:this|that|which) one\b(?! \w+\b)", re.IGNORECASE): "a noun is missing",
    re.compile(r"(?<!\bwho )\bknows\b", re.IGNORECASE): "say `supports`, `accepts` or `has`",
}
THREE_IDEAS = re.compile(r";[^;]*;")  # in a cell, that may be a list
PRONOUN = re.compile(r"\s*(?:[-*] |\d+\. )?(?:It|Its|Them)\b")  # at the begin of a paragraph, item or cell
BANNED = re.compile(rf"\b({'|'.join(WORDS)})\b", re.IGNORECASE)
NAMES = "bzt|k6|pytest|toril|vegeta"  # which begin sentences in lower case
SENTENCE_END = re.compile(rf"(?<=[.!?:;])\s+(?=[A-Z`*\[(\"'{{]|(?:{NAMES})\b)|\n\s*\n|\n\s*(?=[-*|#>]|\d+\. )")
PROGRAM = re.compile(r"(?s)<(script|style)\b[^>]*>.*?(?:</\1>|$)")  # in a page that a string holds
CODE = re.compile(r"`[^`]*`|\"[^\"\n]*\"|<[^>\n]*>|\]\([^)]*\)")


class Text(NamedTuple):
    """One text that a person reads, and the line where it begins."""

    line: int
    words: str
    is_cell: bool = False  # of a table


class Offence(NamedTuple):
    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


def check(path: Path, content: str) -> Iterator[Offence]:
    """Returns the offences of one file, in the order of its lines."""
    texts = markdown(content) if path.suffix == ".md" else python(content)
    for text in texts:
        for sentence in SENTENCE_END.split(text.words):
            line = text.line + text.words[: text.words.find(sentence)].count("\n")
            for found in BANNED.finditer(CODE.sub("", sentence)):
                yield Offence(str(path), line, f"banned word: {found[0]}")
            count = len(re.findall(r"[\w`'’.,/<>=%+-]*\w[\w`'’.,/<>=%+-]*", CODE.sub("x", sentence)))
            if count > LONGEST_SENTENCE:
                yield Offence(str(path), line, f"a sentence of {count} words: {' '.join(sentence.split())[:60]} …")
            if path.suffix == ".md":
                for pattern, message in UNCLEAR.items():
                    for unclear in pattern.finditer(CODE.sub("x", sentence)):
                        yield Offence(str(path), line, f"{message}: {' '.join(unclear[0].split())[:60]}")
                if not text.is_cell and THREE_IDEAS.search(CODE.sub("x", sentence)):
                    yield Offence(str(path), line, f"three ideas in a sentence: {' '.join(sentence.split())[:60]}")
        if path.suffix == ".md" and PRONOUN.match(text.words):
            yield Offence(str(path), text.line, f"a pronoun without its noun: {text.words.strip()[:60]}")
    if path.suffix == ".md":
        for number, row in enumerate(without_code(content).splitlines(), start=1):
            if len(row) > LONGEST_LINE and not row.lstrip().startswith(("|", "<")):
                yield Offence(str(path), number, f"a line of {len(row)} characters")


def markdown(content: str) -> Iterator[Text]:
    """Returns each paragraph, list item and table cell."""
    number = 1
    for block in re.split(r"(\n\s*\n)", without_code(content)):
        for offset, row in enumerate(block.split("\n") if block.lstrip().startswith("|") else [block]):
            for cell in row.split("|") if row.lstrip().startswith("|") else [row]:
                yield Text(number + offset, cell, row.lstrip().startswith("|"))
        number += block.count("\n")


def without_code(content: str) -> str:
    """Returns Markdown with its code blocks emptied, line by line."""
    return re.sub(r"(?ms)^( *)(```+)[^\n]*\n.*?^\1\2 *$", lambda found: "\n" * found[0].count("\n"), content)


def python(content: str) -> Iterator[Text]:
    """Returns docstrings, strings of at least three words, and comments."""
    for node in ast.walk(ast.parse(content)):
        if isinstance(node, ast.JoinedStr):
            words = "".join(part.value if isinstance(part, ast.Constant) else "x" for part in node.values)  # type: ignore[misc]
            yield Text(node.lineno, without_programs(words))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.count(" ") >= 2:
            yield Text(node.lineno, without_programs(node.value))
    for token in tokenize.generate_tokens(io.StringIO(content).readline):
        if token.type == tokenize.COMMENT:
            yield Text(token.start[0], token.string.lstrip("# "))


def without_programs(page: str) -> str:
    """Returns HTML without its scripts and styles, line by line."""
    return PROGRAM.sub(lambda found: "\n" * found[0].count("\n"), page)


def files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        yield from sorted(one for one in path.rglob("*") if one.suffix in (".py", ".md")) if path.is_dir() else [path]


def main(arguments: list[str]) -> int:
    found = [
        offence
        for path in files(map(Path, arguments) if arguments else (ROOT / name for name in CHECKED))
        for offence in check(path, path.read_text())
    ]
    for offence in sorted(set(found)):
        print(offence)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
