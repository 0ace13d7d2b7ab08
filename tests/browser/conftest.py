"""Opens report pages in Chromium."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser import ten_minutes
from tests.reports import examples, exchanges
from toril.reports import compared, render
from toril.reports.bundle import Bundle

WIDE, PHONE = 1280, 390
SHORT_S = 90
CRITERIA = (
    "p95>2s",
    "fail>5% for 5s",
    "p99 of GET />80ms",
    "concurrency<50",
    "p50 of GET /search>1ms, continue as non-failed",
)


@dataclass
class Opened:
    """A page in the browser, with its forbidden requests and errors."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def evaluate(self, script: str) -> Any:
        return self.page.evaluate(script)


@pytest.fixture(scope="session")
def pages(tmp_path_factory) -> Callable[[str], Path]:
    """Returns the file of a page by the name of its run; writes each page once."""
    folder = tmp_path_factory.mktemp("pages")

    def page(name: str) -> Path:
        path: Path = folder / f"{name}.html"
        if not path.exists():
            path.write_bytes(MAKERS[name]())
        return path

    return page


@pytest.fixture
def opened(browser, pages) -> Iterator[Callable[..., Opened]]:
    """Opens the page of a run, or bytes, and records its requests and errors."""
    contexts = []

    def open_page(what: str | Path, *, width: int = WIDE, dark: bool = False, reset: str = "") -> Opened:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
        )
        contexts.append(context)
        one = Opened(context.new_page())
        one.page.on("request", lambda request: one.requests.append(request.url))
        one.page.on("console", lambda message: one.complaints.append(f"{message.type}: {message.text}"))
        one.page.on("pageerror", lambda error: one.complaints.append(str(error)))

        def dismiss(dialog: Any) -> None:
            one.dialogs.append(dialog.message)
            dialog.dismiss()

        one.page.on("dialog", dismiss)
        if reset:
            one.page.add_init_script(reset)
        one.page.goto((what if isinstance(what, Path) else pages(what)).as_uri())
        return one

    yield open_page
    for context in contexts:
        context.close()


def _inconclusive() -> Bundle:
    run = _few(busy=0.95, criteria=("p95>2s",), incident=ten_minutes.CALM)
    assert run.outcome == "inconclusive"
    return run


def _compared() -> bytes:
    head = _few(incident=range(70, 85))
    base = _few(incident=ten_minutes.CALM, seed=3, slower=0.7)
    return compared("html", base, head)


def _many() -> Bundle:
    """Returns a run with more labels and criteria than fit on paper."""
    labels = tuple(f"GET /catalogues/{number:02}/{'long/' * (number % 20)}" for number in range(60))
    criteria = (*ten_minutes.CRITERIA, *(f"p9{number % 10} of {labels[number]}>{5 + number}ms" for number in range(50)))
    locations = (*ten_minutes.LOCATIONS, *(f"eu-north-{number}" for number in range(6)))
    return ten_minutes.bundle(seconds=SHORT_S, labels=labels, criteria=criteria, locations=locations)


def _few(**changes: Any) -> Bundle:
    few = {"labels": ten_minutes.LABELS[:4], "locations": ten_minutes.LOCATIONS[:2], "criteria": CRITERIA}
    return ten_minutes.bundle(seconds=SHORT_S, **few | changes)


MAKERS: dict[str, Callable[[], bytes]] = {
    "failed": lambda: render("html", ten_minutes.bundle()),
    "many": lambda: render("html", _many()),
    "passed": lambda: render("html", _few(criteria=("p95>2s",), incident=ten_minutes.CALM)),
    "inconclusive": lambda: render("html", _inconclusive()),
    "compared": _compared,
    "hostile": lambda: render("html", examples.hostile()),
    "empty": lambda: render("html", examples.empty()),
    "old": lambda: render("html", examples.failed()),
    "evidence": lambda: render("html", exchanges.failed()),
}
