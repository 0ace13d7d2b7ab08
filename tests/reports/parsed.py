"""Parses reports: the page without a browser, and console output."""

import json
from html.parser import HTMLParser
from typing import Any

from toril.reports import screen


class Page(HTMLParser):
    """A parsed page: elements, attributes and the text outside scripts and styles."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.scripts: list[str] = []
        self._inside: list[str] = []
        self.feed(data.decode())
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes += attrs
        if tag in ("script", "style"):
            self._inside.append(tag)

    def handle_endtag(self, tag):
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data):
        if not self._inside:
            self.text += data
        elif self._inside[-1] == "script":
            self.scripts.append(data)

    @property
    def data(self) -> dict[str, Any]:
        """Returns the data of the charts."""
        found: dict[str, Any] = json.loads(self.scripts[0])
        return found


def printed(module: Any, content: Any) -> str:
    """Returns the output of `show` of a module as plain text."""
    return screen.as_text(lambda console: module.show(console, content))
