"""`make site`: all links of the built pages lead somewhere, search finds the pages of a newcomer's questions."""

import json
import re
import subprocess
from collections.abc import Iterator
from functools import cache, partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Browser

from tests.tiers import by_day
from tools import site
from toril import explain

pytestmark = pytest.mark.xdist_group("site")  # one build for all of them

ROOT = Path(__file__).parents[2]
QUESTIONS = {  # of a newcomer → the page, which has to be among the first four results
    "install": "how-to/install/",
    "bearer token": "tutorials/test-your-api/",
    "required check": "tutorials/gate-a-pull-request/",
    "record login": "how-to/record/",
    "regions": "how-to/run-in-several-regions/",
    "fips": "how-to/run-under-fips/",
    "too few samples": "codes/too-few-samples/",
    "exit code": "reference/exit-codes/",
    "jmeter script": "how-to/use-your-script/",
    "compare k6": "comparison/",
}


class Addresses(HTMLParser):
    """Collects what a page links to, and the anchors that it has."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: set[str] = set()
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and name in ("href", "src", "srcset"):
                self.targets.add(value)
            elif value and name == "id":
                self.anchors.add(value)


@pytest.fixture(scope="module")
def built() -> Path:
    subprocess.run(["make", ".tools/site/installed"], cwd=ROOT, check=True, capture_output=True)
    site.build()
    return site.HTML


@pytest.fixture(scope="module")
def address(built: Path) -> Iterator[str]:
    handler = partial(SimpleHTTPRequestHandler, directory=str(built))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@cache
def read(page: Path) -> Addresses:
    parser = Addresses()
    parser.feed(page.read_text())
    return parser


@pytest.mark.live
def test_every_link_of_the_site_leads_somewhere(built):
    lost = []
    for page in built.rglob("*.html"):
        if page.name == "404.html":
            continue
        for target in read(page).targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            there = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            there = there / "index.html" if there.is_dir() else there
            if not there.is_file() or (
                parts.fragment and there.suffix == ".html" and unquote(parts.fragment) not in read(there).anchors
            ):
                lost.append(f"{page.relative_to(built)}: {target}")
    assert not lost


@pytest.mark.live
def test_the_site_has_a_page_for_each_code_and_each_example_and_nothing_foreign(built):
    assert {code.name for code in explain.codes()} == {page.parent.name for page in built.glob("codes/*/index.html")}
    examples = {folder.parent.name for folder in (ROOT / "loadtests").glob("*/README.md")}
    assert examples == {page.parent.name for page in built.glob("gallery/*/index.html")}
    foreign = [
        target
        for page in built.rglob("*.html")
        for target in re.findall(
            r"<(?:script|img|link rel=\"stylesheet\")[^>]*(?:src|href)=\"(https?:[^\"]+)", page.read_text()
        )
    ]
    assert not foreign


@pytest.mark.live
def test_assistants_find_each_guide_as_markdown(built):
    listed = re.findall(r"\]\(([^)]+)\)", (built / "llms.txt").read_text())
    assert len(listed) > 60
    assert not [page for page in listed if not (built / page.removeprefix(explain.SITE + "/")).is_file()]
    assert json.loads((built / "schemas" / "suite.schema.json").read_text())["$schema"]


@pytest.mark.live
@pytest.mark.parametrize(
    ("question", "expected"),
    [pytest.param(*one, marks=pytest.mark.nightly if at else []) for at, one in enumerate(QUESTIONS.items())],
)
def test_search_finds_the_page_of_a_question(browser: Browser, address, question, expected):
    page = browser.new_page()
    page.goto(address)
    page.wait_for_load_state("networkidle")
    page.keyboard.press("Control+k")
    page.wait_for_selector("input:focus")  # on a busy machine the first letters would be keys of the page
    page.keyboard.type(question)
    page.wait_for_selector("ol[role=listbox] a")
    page.wait_for_timeout(500)  # for the last letter
    found = page.locator("ol[role=listbox] a").evaluate_all("links => links.map(link => link.href)")
    assert [address for address in found[:4] if expected in address]


@pytest.mark.live
@pytest.mark.parametrize(
    ("path", "width"),
    by_day(
        product(["", "guide/", "gallery/", "reference/criteria/", "codes/saturated/"], [390, 1280]),
        only=(("", 1280), ("gallery/", 390), ("reference/criteria/", 390)),
    ),
)
def test_a_page_fits_its_window(browser: Browser, address, path, width):
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(address + path)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.live
def test_the_gallery_is_filtered_by_engine_and_need(browser: Browser, address):
    page = browser.new_page()
    page.goto(address + "gallery/")
    page.select_option("[data-column=engine]", "toril")
    page.select_option("[data-column=need]", "Shapes of load")
    shown = page.eval_on_selector_all(
        "table tbody tr", "rows => rows.filter(r => !r.hidden).map(r => r.cells[0].textContent)"
    )
    assert shown == ["curves-spikes", "curves-day", "curves-points", "curves-csv"]


def test_a_release_becomes_the_latest_version_and_keeps_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr(site, "HTML", tmp_path / "html")
    branch = tmp_path / "branch"
    branch.mkdir()
    (tmp_path / "html").mkdir()
    for version in ("0.9", "0.10", "0.2"):
        (tmp_path / "html" / "index.html").write_text(version)
        site.release(version, branch)
    versions = json.loads((branch / "versions.json").read_text())
    assert [(each["version"], each["aliases"]) for each in versions] == [("0.10", ["latest"]), ("0.9", []), ("0.2", [])]
    assert (branch / "latest" / "index.html").read_text() == "0.10"
    assert (branch / "0.2" / "index.html").read_text() == "0.2"


def test_every_page_of_the_documentation_is_in_the_navigation():
    nav = (ROOT / "mkdocs.yml").read_text().partition("nav:")[2]
    generated = ("gallery/", "decisions/")
    places = {place for place in site.places().values() if not place.startswith(generated)}
    assert places <= set(re.findall(r"[\w/-]+\.md", nav))
