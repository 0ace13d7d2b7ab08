"""Draws the README's pictures from real runs of the demo: the report page and the comment, light and dark.

    python -m tools.pictures      needs Chromium; takes about a minute and a half

The comment is the Markdown that `toril comment` posts, in GitHub's colours.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from playwright.sync_api import sync_playwright

from tests.github.pictures import page

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
SIZE = {"report": (1200, 1100), "comment": (832, 760)}  # CSS pixels
MARKS = {"✅": "✔", "❌": "✖"}  # Debian's fonts lack GitHub's emoji
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        pages = {"report": report_page(folder), "comment": comment_page(folder)}
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for picture, path in pages.items():
            width, height = SIZE[picture]
            for scheme in SCHEMES:
                tab = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
                tab.goto(path.as_uri())
                tab.screenshot(path=PICTURES / f"{picture}-{scheme}.png")
                tab.close()
        browser.close()


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
