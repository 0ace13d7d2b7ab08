"""Where toril is published, and what its codes mean.

`make owner NAME=…` writes OWNER. While it is empty, texts name what works without an address, such as
`toril explain CODE`. The texts of the codes are in `codes/`, a file for each area.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

OWNER = ""
REPOSITORY = f"https://github.com/{OWNER}/toril" if OWNER else ""
SITE = f"https://{OWNER}.github.io/toril/latest" if OWNER else ""
ACTION = f"{OWNER}/toril@v0" if OWNER else ""

AREAS = (  # files of `codes`, in the order of a list
    *("verdict", "comparison", "notes", "findings", "suite", "criteria", "commands", "authoring"),
    *("machine", "aws", "console", "github"),
)
NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
HEADING = re.compile(r"^## (\S+?)(?:: (\w+))?\n", re.MULTILINE)  # `## saturated: inconclusive`
LINK = re.compile(r"\[([^\]]+)\]\(\.\./([\w/-]+)\.md(#[\w-]+)?\)")


@dataclass(frozen=True, slots=True)
class Code:
    """The cause of an error, a warning, a note, a finding or an outcome.

    `text` is Markdown: meaning, then `Fix: …`. Its links are relative to a folder below `docs`.
    """

    name: str
    area: str  # the title of its file
    outcome: str  # of a run with this reason; empty for other codes
    text: str

    @property
    def brief(self) -> str:
        """The first sentence, on one line."""
        return re.split(r"(?<=\.)\s", LINK.sub(r"\1", self.text), maxsplit=1)[0].replace("\n", " ")

    @property
    def plain(self) -> str:
        """The text for a terminal: links are followed by the address or the file of their page."""
        of_page = rf"\1 ({SITE}/\2/\3)" if SITE else r"\1 (docs/\2.md)"
        return LINK.sub(of_page, self.text)


@cache
def codes() -> tuple[Code, ...]:
    """Returns all codes, area by area."""
    return tuple(code for area in AREAS for code in _read(area))


def _read(area: str) -> Iterator[Code]:
    content = (Path(__file__).parent / "codes" / f"{area}.md").read_text(encoding="utf-8")
    title, *parts = HEADING.split(content)  # after the title, three parts for each code
    for name, outcome, text in zip(*[iter(parts)] * 3, strict=True):
        yield Code(name, title.strip().removeprefix("# "), outcome or "", text.strip())


def page_of(code: str) -> str:
    """Returns the address of a code's page; empty without a site, or for a text that is no code."""
    return f"{SITE}/codes/{code}/" if SITE and NAME.fullmatch(code) else ""


def command_of(*codes: str) -> str:
    """Returns the command that explains codes, with the address of the page of a single one if there is a site."""
    page = page_of(codes[0]) if len(codes) == 1 else ""
    return f"toril explain {' '.join(codes)}" + (f" ({page})" if page else "")


def coded(message: str, code: str) -> str:
    """Returns a message for a terminal: its first line ends with the code, if it has one."""
    first, *rest = message.split("\n")
    return "\n".join([f"{first} [{code}]" if code else first, *rest])
