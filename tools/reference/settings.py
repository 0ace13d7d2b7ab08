"""The tables of docs/reference/settings.md, from the classes that read `toril:`; its other text is written by hand.

A table has the keys of its rows on the page: a new key is a new row such as `| `gate` |`.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic.fields import FieldInfo

from toril.suite.schema.ours import default_of, sections_of, text_of
from toril.suite.sections import Section
from toril.suite.settings import TorilSettings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "settings.md"
HEAD = "| key | default | meaning |\n|---|---|---|\n"
TABLE = re.compile(re.escape(HEAD) + r"((?:\|[^\n]*\n)*)")
KEY = re.compile(r"^\| `([^`]+)` \|", re.MULTILINE)
LINK = re.compile(r"\]\(([^)]*)\)")


def pages() -> dict[str, str]:
    """Returns the page with its tables, by its path below docs/reference."""
    rows = dict(_rows(TorilSettings))

    def table(found: re.Match[str]) -> str:
        return HEAD + "".join(f"{rows[name]}\n" for name in KEY.findall(found[1]))

    return {PAGE.name: TABLE.sub(table, PAGE.read_text("utf-8"))}


def _rows(section: type[Section], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yields the path of each setting and its row."""
    for field in section.model_fields.values():
        path = f"{prefix}{field.alias}"
        yield path, f"| `{path}` | {_default(field)} | {LINK.sub(_near, text_of(section, field))} |"
        for inner in sections_of(field.annotation):
            yield from _rows(inner, f"{path}.")


def _default(field: FieldInfo) -> str:
    return "required" if field.is_required() else default_of(field) or "none"


def _near(link: re.Match[str]) -> str:
    """Returns the address of a page as docs/reference names it."""
    page = link[1].removeprefix("reference/")
    return f"]({page.removeprefix(PAGE.name)})" if page != link[1] else f"](../{page})"
