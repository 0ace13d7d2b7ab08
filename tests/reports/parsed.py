"""What reports hold: the page read without a browser, and what is printed on consoles."""

import json
from html.parser import HTMLParser
from typing import Any

from toril.reports import screen


class Page(HTMLParser):
    """What a browser makes of a page: elements, attributes and the text outside of scripts and styles."""

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
        """What the charts draw."""
        found: dict[str, Any] = json.loads(self.scripts[0])
        return found


def printed(module: Any, content: Any) -> str:
    """What a module's `show` prints of that content, as plain text."""
    return screen.as_text(lambda console: module.show(console, content))
