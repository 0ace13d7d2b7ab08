"""Every way of showing a run: pure functions from a `Bundle` to bytes, by the name that `--report` and `--format` take.

`terminal.show`, `plan_text.show`, `runs_table.show` and `live.view` draw onto a Rich console, in its width and colours.
"""

from collections.abc import Callable
from typing import Literal

from toril.errors import OptionError
from toril.reports import github, html, json, junit, terminal
from toril.reports.bundle import Bundle
from toril.reports.runs_table import RunRow

__all__ = ["EXTENSIONS", "FORMATS", "Bundle", "RunRow", "render"]


class Formats(dict[str, Callable[[Bundle], bytes]]):
    """The report formats by name."""

    def check(self, name: str) -> Literal[True]:
        """OptionError unless there is such a format: asked before a run, so that a typo costs no load."""
        if name not in self:
            raise OptionError(f"there is no report format {name!r}; choose one of {', '.join(self)}")
        return True


FORMATS = Formats(
    terminal=terminal.report, json=json.report, junit=junit.report, html=html.report, github=github.report
)
EXTENSIONS = {"terminal": "txt", "json": "json", "junit": "xml", "html": "html", "github": "md"}


def render(name: str, bundle: Bundle) -> bytes:
    """The report of that format; OptionError for a format that does not exist."""
    FORMATS.check(name)
    return FORMATS[name](bundle)
