"""Draws the README's pictures from real runs of the demos: report page, comment and console, light and dark.

    python -m tools.pictures              needs Chromium; takes about five minutes
    python -m tools.pictures console      only that one

The comment is the Markdown that `toril github comment` posts, in GitHub's colours. The console shows the run that
`make demo-console` starts, after its first two minutes.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from playwright.sync_api import Browser, sync_playwright

from tests.github.pictures import page

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
SIZE = {"report": (1200, 1100), "comment": (832, 760), "console": (1280, 950)}  # CSS pixels
LIVE_S = 135  # of the run in the console: its charts show two minutes
SETTLED_MS = 1000  # for charts
MARKS = {"✅": "✔", "❌": "✖"}  # Debian's fonts lack GitHub's emoji
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    wanted = sys.argv[1:] or [*SIZE]
    with TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for picture, make in (("report", report_page), ("comment", comment_page)):
            if picture in wanted:
                draw(browser, picture, make(folder).as_uri())
        if "console" in wanted:
            draw_console(browser)
        browser.close()


def draw(browser: Browser, picture: str, address: str, state: Any = None) -> None:
    """Takes the picture of a page in both schemes. `state`: the session's cookies."""
    width, height = SIZE[picture]
    for scheme in SCHEMES:
        tab = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme, storage_state=state)
        tab.goto(address)
        tab.wait_for_timeout(SETTLED_MS)
        tab.screenshot(path=PICTURES / f"{picture}-{scheme}.png")
        tab.close()


def draw_console(browser: Browser) -> None:
    """Takes the pictures of a live run in the console of `make demo-console`."""
    demo = subprocess.Popen(
        [sys.executable, "-m", "tools.demo_console"],
        cwd=ROOT,
        env={**os.environ, "BROWSER": "none", "LOGNAME": "ada"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert demo.stdout is not None  # noqa: S101 - it is a pipe
        entrance = demo.stdout.readline().strip()
        tab = browser.new_page()
        tab.goto(entrance)
        tab.get_by_role("link", name="storefront running").click()
        tab.wait_for_timeout(1000 * LIVE_S)
        draw(browser, "console", tab.url, tab.context.storage_state())
        tab.close()
    finally:
        demo.send_signal(signal.SIGINT)
        demo.wait()


def report_page(folder: Path) -> Path:
    """Returns the page of a demo run that passes."""
    demo(folder)
    return toril(folder, "report", "latest", "--format", "html", "--out", str(folder / "report.html"))


def comment_page(folder: Path) -> Path:
    """Returns a page with the comment on a demo run whose requests fail."""
    demo(folder, ERRORS="1")
    markdown = toril(folder, "report", "latest", "--format", "github", "--out", str(folder / "comment.md")).read_text()
    for emoji, mark in MARKS.items():
        markdown = markdown.replace(emoji, mark)
    path = folder / "comment.html"
    path.write_text(page(markdown))
    return path


def demo(folder: Path, **settings: str) -> None:
    command = [sys.executable, str(ROOT / "loadtests" / "shop" / "demo.py")]
    environment = {**os.environ, **settings, "TORIL_STORE": str(folder / "store")}
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)


def toril(folder: Path, *arguments: str) -> Path:
    """Runs toril in the folder; returns the file that its last argument names."""
    store = ["--store", str(folder / "store")]
    subprocess.run([sys.executable, "-m", "toril", arguments[0], *store, *arguments[1:]], check=True)
    return Path(arguments[-1])


if __name__ == "__main__":
    main()
