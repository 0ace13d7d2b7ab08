"""The page of a trend and the pairs of a duet in a browser: by keyboard, on a phone, in the dark."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.conftest import PHONE, WIDE
from tests.browser.test_page import BLANK, OVERFLOW
from tests.github.stories import PAIRED, compared
from tests.reports import examples
from tests.reports.trends import RECORDS, STEP, group, trend
from toril.reports import html, render
from toril.reports.trend_blocks import trend_report

pytestmark = [pytest.mark.nightly, pytest.mark.live]
AXE = Axe()


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> dict[str, Path]:
    """The page of a trend, with the page of a run beside it, and the page of a duet."""
    folder = tmp_path_factory.mktemp("trends")
    found = trend(group("suspected", at=58), group(), group("acknowledged", at=30, acknowledged="known"))
    pages = {
        "trend": html.render(trend_report(found)),
        "duet": render("html", compared(examples.passed(), PAIRED, "regression")),
        f"runs/{RECORDS[STEP].run_id}/report": b"<title>the run</title>",
    }
    for name, data in pages.items():
        path = folder / f"{name}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return {name: folder / f"{name}.html" for name in pages}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, PHONE])
@pytest.mark.parametrize("name", ["trend", "duet"])
def test_the_page_is_whole_accessible_and_never_scrolls_sideways(opened, written, name, width, dark):
    one = opened(written[name], width=width, dark=dark)
    one.page.wait_for_load_state("networkidle")
    assert one.complaints == []
    assert one.requests == [one.page.url]
    assert one.evaluate(BLANK) == 0
    assert one.evaluate(OVERFLOW) <= 0
    found = AXE.run(one.page)
    assert found.response["violations"] == [], found.generate_report()


def test_a_chart_is_read_by_keys_and_opens_the_page_of_a_run(opened, written):
    one = opened(written["trend"])
    chart = one.page.locator(".plot").first
    chart.focus()
    one.page.keyboard.press("End")
    for _ in range(len(RECORDS) - 1 - STEP):
        one.page.keyboard.press("ArrowLeft")
    assert RECORDS[STEP].tags["commit"] in one.page.locator("#live").inner_text()
    one.page.keyboard.press("Enter")
    one.page.wait_for_url(f"**/{RECORDS[STEP].run_id}/report.html")
    assert one.page.title() == "the run"


def test_a_drag_zooms_without_leaving_the_page(opened, written):
    one = opened(written["trend"])
    box = one.page.locator(".u-over").first.bounding_box()
    one.page.mouse.move(box["x"] + 50, box["y"] + 50)
    one.page.mouse.down()
    one.page.mouse.move(box["x"] + 250, box["y"] + 60, steps=4)
    one.page.mouse.up()
    one.page.wait_for_timeout(200)
    assert one.page.url == written["trend"].as_uri()


def test_another_label_is_chosen_by_the_list(opened, written):
    one = opened(written["trend"])
    assert one.page.locator("figure h3").first.inner_text() == "p95 of checkout"
    one.page.get_by_role("button", name="next series").click()
    assert one.page.locator("figure h3").first.inner_text() == "p95 of all requests"
