"""Draws the pictures of README and docs, and the text of the README's run, from real runs.

    python -m tools.pictures run         first keeps a new run
    python -m tools.pictures             page, comment and README's text of the kept run
    python -m tools.pictures console     the console

They need Chromium; `run` needs a machine without other work. The kept run is docs/pictures/run.zip. Picture, comment
and text all come from it. Each picture names in its PNG the digest of the page that it shows, which a test compares.
The comment is the Markdown that `toril github comment` posts, in GitHub's colours.
"""

import hashlib
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal
from zipfile import ZIP_DEFLATED, ZipFile

from playwright.sync_api import Browser, sync_playwright

from tests.github.pictures import page

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PICTURES = ROOT / "docs" / "pictures"
RUN = PICTURES / "run.zip"
SUITE = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)  # the README's first one
TEXT = re.compile(r"^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SIZE = {"report": (1200, 1100), "comment": (832, 560), "console": (1280, 950)}  # CSS pixels
SLOWER = "150"  # percent: what makes the README's run fail
COLUMNS = "84"  # of README's text
RECORDS = (
    "plan.json",
    "start.json",
    "end.json",
    "launch.json",
    "lease.json",
    "evidence.json",
    "verdict.json",
    "summary.json",
    "suite.json",
    "suite/suite.yml",
    "workers/",
)
LIVE_S = 135  # of the run in the console: its charts show two minutes
SETTLED_MS = 1000  # for charts
MARKS = {"✅": "✔", "❌": "✖"}  # Debian's fonts lack GitHub's emoji
MARK, AFTER_HEADER = b"source\0", 33  # bytes of a PNG's signature and header
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    if sys.argv[1:] == ["run"]:
        run()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        if sys.argv[1:] == ["console"]:
            draw_console(browser)
        else:
            with kept_run() as folder:
                readme = README.read_text()
                README.write_text(TEXT.sub(lambda _: f"```text\n{text(folder)}```", readme, count=1))
                markdown = comment(folder)
                for picture, html, source in (
                    ("report", report(folder), verdict(folder)),
                    ("comment", page(markdown), markdown),
                ):
                    (folder / f"{picture}.html").write_text(html)
                    draw(browser, picture, (folder / f"{picture}.html").as_uri())
                    sign(picture, source)
        browser.close()


def run() -> None:
    """Runs the suite of README's first screen against the demo shop, and keeps what the report needs."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "loadtests" / "shop").mkdir(parents=True)
        (folder / "loadtests" / "shop" / "suite.yml").write_text(suite())
        shop = subprocess.Popen(
            [sys.executable, str(ROOT / "loadtests" / "shop" / "service.py"), "--until-stdin-closes"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "SLOWER": SLOWER},
            text=True,
        )
        try:
            assert shop.stdout is not None  # noqa: S101 - it is a pipe
            address = shop.stdout.readline().strip()
            toril(folder, "run", "loadtests/shop", "--env", f"SHOP_URL={address}", check=False)
        finally:
            shop.communicate(timeout=10)
        [made] = (folder / ".toril" / "runs").iterdir()
        with ZipFile(RUN, "w", ZIP_DEFLATED) as archive:
            for path in sorted(path for path in made.rglob("*") if path.is_file()):
                name = str(path.relative_to(made))
                if name.startswith(RECORDS) and path.suffix != ".log":
                    archive.write(path, f"{made.name}/{name}")


def suite() -> str:
    """Returns the suite of README's first screen."""
    return str(SUITE.findall(README.read_text())[0])


@contextmanager
def kept_run() -> Iterator[Path]:
    """Yields a folder with the kept run in its store."""
    with TemporaryDirectory() as name:
        with ZipFile(RUN) as archive:
            archive.extractall(Path(name) / ".toril" / "runs")
        yield Path(name)


def text(folder: Path) -> str:
    """Returns what the terminal shows of the run: the verdict and the criteria, without the tables below."""
    shown = toril(folder, "report", "latest")
    return "\n".join(line.rstrip() for line in shown.splitlines()).strip("\n").split("\n\n\n")[0] + "\n"


def report(folder: Path) -> str:
    return toril(folder, "report", "latest", "--format", "html")


def verdict(folder: Path) -> str:
    return toril(folder, "report", "latest", "--format", "json")


def comment(folder: Path) -> str:
    """Returns the comment's Markdown."""
    markdown = toril(folder, "report", "latest", "--format", "github")
    for emoji, mark in MARKS.items():
        markdown = markdown.replace(emoji, mark)
    return markdown


def toril(folder: Path, *arguments: str, check: bool = True) -> str:
    """Runs toril in the folder; returns its output."""
    environment = {**os.environ, "COLUMNS": COLUMNS, "TERM": "dumb"}
    command = [sys.executable, "-m", "toril", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=check).stdout


def draw(browser: Browser, picture: str, address: str, state: Any = None) -> None:
    """Takes the picture of a page in both schemes. `state`: the session's cookies."""
    width, height = SIZE[picture]
    for scheme in SCHEMES:
        tab = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme, storage_state=state)
        tab.goto(address)
        tab.wait_for_timeout(SETTLED_MS)
        tab.screenshot(path=PICTURES / f"{picture}-{scheme}.png")
        tab.close()


def sign(picture: str, source: str) -> None:
    """Writes the digest of what a picture shows into its files, as a PNG's chunk of text."""
    chunk = b"tEXt" + MARK + digest(source).encode()
    framed = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    for scheme in SCHEMES:
        path = PICTURES / f"{picture}-{scheme}.png"
        data = path.read_bytes()
        path.write_bytes(data[:AFTER_HEADER] + framed + data[AFTER_HEADER:])


def digest(source: str) -> str:
    return hashlib.sha256(source.encode()).hexdigest()


def signed(picture: str, scheme: str) -> str:
    """Returns the digest of what a picture shows."""
    data = (PICTURES / f"{picture}-{scheme}.png").read_bytes()
    return data.partition(MARK)[2][:64].decode()


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


if __name__ == "__main__":
    main()
