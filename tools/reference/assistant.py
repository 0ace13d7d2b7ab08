"""The format of suites for assistants: sections of docs/reference below an introduction, in the package of the console.

The console's MCP server has it as a resource and in a prompt, so a model reads it whole: it has a limit.
"""

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"
INTRODUCTION = Path(__file__).with_name("assistant.md")
MOST_WORDS = 3_000
SECTIONS = (  # page, and its headings; "" is the part before the first one
    ("reference/suite.md", ("", "References", "Execution", "Locations")),
    ("reference/scenarios.md", ("Scenarios", "Errors")),
    ("reference/engines.md", ("", "Supported keys")),
    ("reference/criteria.md", ("", "Grammar")),
    ("reference/settings.md", ("Run", "Secrets")),
)
OUTPUT = re.compile(r"(?ms)^```(?:text|sh)\n.*?^```\n+")  # what commands print
LINK = re.compile(r"\[([^\]\[]+)\]\([^()]*(?:\([^()]*\))?[^()]*\)")
HEADING = re.compile(r"(?m)^(#{1,2}) +(.+)$")


def pages() -> dict[str, str]:
    """The text, by its path from docs/reference."""
    parts = [INTRODUCTION.read_text("utf-8")]
    for page, headings in SECTIONS:
        found = sections(DOCS / page)
        parts += [found[heading] for heading in headings]
    text = "\n".join(part.strip() + "\n" for part in parts)
    if (words := len(text.split())) > MOST_WORDS:
        raise SystemExit(f"the format of suites for assistants has {words:,} words, more than {MOST_WORDS:,}")
    return {"../../src/toril/console/suite-format.md": text}


def sections(page: Path) -> dict[str, str]:
    """Returns the sections of a page by heading, as parts of another page: without links and outputs."""
    plain = OUTPUT.sub("", LINK.sub(r"\1", page.read_text("utf-8")))
    found: dict[str, str] = {}
    for part in re.split(r"(?m)^(?=#{1,2} )", plain):
        if match := HEADING.match(part):
            found["" if match[1] == "#" else match[2]] = f"## {match[2]}{part[match.end() :]}"
    return found
