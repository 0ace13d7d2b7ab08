"""The report page in a browser: reading, sorting, zooming, themes, print."""

import re
from itertools import product

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.conftest import MAKERS, PHONE, WIDE
from tests.tiers import by_day

AXE = Axe()
BLANK = """() => [...document.querySelectorAll('.plot canvas')].filter((canvas) => {
  const pixels = new Uint32Array(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer);
  return new Set(pixels).size < 4;
}).length"""
OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.parametrize("name", by_day(MAKERS, only=("failed", "compared", "hostile")))
def test_opening_a_page_sends_no_requests_and_logs_no_errors(opened, name):
    one = opened(name)
    one.page.wait_for_load_state("networkidle")

    assert one.requests == [one.page.url]
    assert one.complaints == []
    assert one.dialogs == []


AT_NIGHT = pytest.mark.nightly


@pytest.mark.parametrize(
    ("width", "dark"),
    [
        pytest.param(WIDE, True, id="wide-dark"),
        pytest.param(PHONE, False, id="phone-light"),
        pytest.param(WIDE, False, id="wide-light", marks=AT_NIGHT),
        pytest.param(PHONE, True, id="phone-dark", marks=AT_NIGHT),
    ],
)
def test_axe_finds_no_problems(opened, width, dark):
    one = opened("compared", width=width, dark=dark)

    found = AXE.run(one.page)

    assert found.response["violations"] == [], found.generate_report()


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["failed", "hostile", "inconclusive", "empty", "old", "evidence"])
def test_axe_finds_no_problems_in_other_pages(opened, name):
    found = AXE.run(opened(name).page)

    assert found.response["violations"] == [], found.generate_report()


@pytest.mark.parametrize("name", by_day(MAKERS, only=("many", "compared", "evidence")))
def test_a_phone_never_scrolls_sideways(opened, name):
    assert opened(name, width=PHONE).evaluate(OVERFLOW) <= 0


def test_every_chart_is_drawn(opened):
    one = opened("failed")

    assert one.page.locator("figure").count() == 8 + 3 + 4
    assert one.evaluate(BLANK) == 0


def test_the_verdict_is_at_the_top_in_words(opened):
    one = opened("failed")

    assert one.page.locator(".badge").is_visible()
    assert "failed" in one.page.locator(".badge").inner_text().lower()
    assert one.page.locator(".headline").first.bounding_box()["y"] < 300


def test_a_heading_sorts_its_table_by_mouse_and_by_keyboard(opened):
    one = opened("failed")
    table = one.page.locator("table.figures").first
    heading = table.locator("thead th", has_text="p95")

    def column() -> list[float]:
        cells = table.locator("tbody tr:not(.total) td:nth-of-type(7)")
        return [float(value) for value in cells.evaluate_all("cells => cells.map((cell) => cell.dataset.value)")]

    before = column()
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    assert column() == sorted(before, reverse=True) != before
    heading.locator("button").press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"
    assert column() == sorted(before)
    assert table.locator("tbody tr").first.locator("th").inner_text() == "all"
    assert one.page.locator("#live").inner_text() == "sorted by p95, ascending"
    table.locator("thead th button").first.press("Space")
    names = table.locator("tbody tr:not(.total) th").all_inner_texts()
    assert [name.split("\n")[0] for name in names] == sorted((name.split("\n")[0] for name in names), key=str.lower)


def test_a_long_table_can_be_filtered(opened):
    one = opened("failed")
    table = one.page.locator("table.figures").first

    one.page.locator("#filter-1").fill("checkout")

    assert table.locator("tbody tr:visible").count() == 1 + 3
    assert one.page.locator("#live").inner_text() == "3 of 20 rows"


def test_arrow_keys_read_the_values_of_a_chart(opened):
    one = opened("failed")
    chart = one.page.locator(".plot").nth(2)
    summary = one.evaluate("() => JSON.parse(document.getElementById('data').textContent).seconds")
    chart.focus()

    chart.press("Home")
    chart.press("ArrowRight")
    assert one.page.locator("#live").inner_text().startswith("0:01: p99 ")
    chart.press("End")
    assert one.page.locator("#live").inner_text().startswith("9:59: p99 ")
    assert summary == 600
    legends = one.page.locator("figure .at").all_inner_texts()
    assert legends[0] == legends[2] == "at 9:59"
    chart.press("Escape")
    assert one.page.locator("figure .at").nth(2).inner_text() == ""


def test_a_breach_is_announced_and_not_only_coloured(opened):
    one = opened("failed")
    chart = one.page.locator(".plot").first

    chart.press("Home")
    for _ in range(10):
        chart.press("PageDown")

    announced = one.page.locator("#live").inner_text()
    assert announced.startswith("5:00: running 200")
    assert announced.endswith("; breached: p95 of POST /checkout/payment>900ms for 10s, fail>5% for 10s")
    assert one.page.locator("figure .at").first.inner_text() == "at 5:00, breach"


def test_announced_values_equal_the_summary(opened, pages):
    one = opened("failed")
    chart = one.page.locator(".plot").nth(1)
    chart.press("Home")

    announced = one.page.locator("#live").inner_text()

    first = one.page.locator("figure").nth(1).locator(".legend .value").first.inner_text()
    assert announced == f"0:00: achieved {first}, planned 2/s"


def test_all_charts_of_the_run_zoom_to_the_window_and_escape_zooms_out(opened):
    one = opened("failed")
    other = one.page.locator(".plot").nth(3)
    one.page.get_by_label("to", exact=True).fill("400")
    one.page.get_by_label("From", exact=True).fill("300")
    one.page.get_by_role("button", name="Zoom").click()

    def first_second() -> int:
        other.press("Home")
        minutes, seconds = one.page.locator("#live").inner_text().split(": ")[0].split(":")
        return 60 * int(minutes) + int(seconds)

    assert first_second() == 300
    other.press("Escape")
    assert first_second() == 0


def test_the_skip_link_comes_first_and_leads_to_the_verdict(opened):
    one = opened("failed")

    one.page.keyboard.press("Tab")
    assert one.page.evaluate("document.activeElement.className") == "skip"
    one.page.keyboard.press("Enter")
    one.page.keyboard.press("Tab")
    assert one.page.evaluate("document.getElementById('main').contains(document.activeElement)")


def test_all_controls_are_reachable_by_tab(opened):
    one = opened("passed")
    wanted = one.evaluate(
        """() => [...document.querySelectorAll('a, button, select, input, summary, .plot, .scroll')]
          .filter((one) => one.tabIndex >= 0 && one.checkVisibility()).length"""
    )
    seen = 0
    for _ in range(wanted + 20):
        one.page.keyboard.press("Tab")
        if one.evaluate("() => document.activeElement === document.body"):
            break
        seen += 1

    assert seen >= wanted


def test_choosing_a_label_draws_it(opened):
    one = opened("failed")
    chooser = one.page.locator("#label-chosen")
    before = one.page.locator("#beside").inner_text()

    chooser.select_option(label="GET /search")

    assert one.page.locator('[data-charts="labels"] figure').count() == 3
    assert one.page.locator("#beside").inner_text() != before
    assert "avg-rt of GET /search>200ms" in one.page.locator('[data-charts="labels"] .plot').first.get_attribute(
        "aria-label"
    )
    one.page.get_by_label("next label").click()
    assert chooser.locator("option:checked").inner_text() != "GET /search"
    assert one.evaluate(BLANK) == 0
    assert one.complaints == []


def test_a_line_can_be_hidden(opened):
    one = opened("failed")
    button = one.page.locator("figure").nth(2).locator(".legend button").first
    picture = one.page.locator(".plot canvas").nth(2)
    before = picture.evaluate("canvas => canvas.toDataURL()")

    button.click()

    assert button.get_attribute("aria-pressed") == "false"
    assert picture.evaluate("canvas => canvas.toDataURL()") != before


def test_the_theme_follows_the_system_until_it_is_switched(opened):
    background = "() => getComputedStyle(document.body).backgroundColor"
    light, dark = opened("passed"), opened("passed", dark=True)
    assert light.evaluate(background) != dark.evaluate(background)

    before = light.page.locator(".plot canvas").first.evaluate("canvas => canvas.toDataURL()")
    light.page.get_by_role("button", name="Switch to the dark theme").click()

    assert light.evaluate(background) == dark.evaluate(background)
    assert light.page.locator(".plot canvas").first.evaluate("canvas => canvas.toDataURL()") != before
    light.page.reload()
    assert light.evaluate(background) == dark.evaluate(background)
    assert light.complaints == []


@pytest.mark.nightly
def test_the_theme_can_be_switched_without_storage(opened):
    forbidden = "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no'); } })"
    one = opened("passed", reset=forbidden)

    one.page.locator("#theme").click()

    assert one.evaluate("() => document.documentElement.dataset.theme") == "dark"
    assert one.complaints == []


@pytest.mark.parametrize(
    ("name", "paper"),
    by_day(
        product(("failed", "many", "evidence", "compared", "inconclusive"), ("A4", "Letter")),
        only=(("many", "A4"), ("evidence", "Letter")),
    ),
)
def test_a_run_is_printed_on_at_most_two_pages(opened, name, paper):
    printed = opened(name, dark=True).page.pdf(format=paper, print_background=True)

    assert len(re.findall(rb"/Type */Page\b", printed)) <= 2


def test_a_printed_page_is_light_begins_with_the_verdict_and_has_nothing_interactive(opened):
    one = opened("many", dark=True)
    width = one.evaluate("() => document.querySelector('.plot canvas').clientWidth")

    one.page.emulate_media(media="print")
    one.evaluate("() => dispatchEvent(new Event('beforeprint'))")
    assert one.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    shown = one.page.locator("body").inner_text().split("\n")
    assert "FAILED" in shown[0]
    texts = ("criteria breached", "requests", "Criteria", "Run over time", "Labels", "more labels", "more criteria")
    places = [next(place for place, line in enumerate(shown) if text in line) for text in texts[:5]]
    assert places == sorted(places)
    assert all(any(text in line for line in shown) for text in texts[5:])
    assert not any(found.is_visible() for found in one.page.locator("nav, summary, button.quiet, select, input").all())
    assert one.page.locator("[data-charts=course] canvas:visible").count() == 6
    assert 0 < one.evaluate("() => document.querySelector('.plot canvas').clientWidth") < width
    one.evaluate("() => dispatchEvent(new Event('afterprint'))")
    one.page.emulate_media(media="screen")
    one.page.wait_for_function(f"() => document.querySelector('.plot canvas').clientWidth == {width}")
    assert one.complaints == []


def test_the_outline_marks_the_section_in_view_and_keys_go_to_sections(opened):
    one = opened("evidence", width=400)
    names = one.page.locator("#outline a").all_inner_texts()
    assert names[:4] == ["Verdict", "Criteria", "Charts", "Labels"]
    assert "Evidence" in names
    assert "What stands out" not in names  # it has no such section
    current = one.page.locator("#outline [aria-current]")
    assert current.inner_text() == "Verdict"

    one.page.keyboard.press("4")

    expect(current).to_have_text("Labels")
    assert one.page.locator("#label").bounding_box()["y"] < 200
    assert one.page.locator("#outline").is_visible()  # sticky
    assert one.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0


def test_errors_are_stacked_by_kind(opened):
    ticks = """window.ticks = [];
    const write = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (text, ...places) {
      if (this.canvas.closest("figure")?.textContent.includes("Errors by kind")) window.ticks.push(parseFloat(text));
      write.call(this, text, ...places);
    };"""
    one = opened("failed", reset=ticks)

    values = one.page.locator("figure", has_text="Errors by kind").locator(".legend .value").all_inner_texts()
    most = [float(value.removeprefix("max ").removesuffix("/s")) for value in values]
    assert len(most) == 3
    assert max(one.evaluate("() => ticks.filter((tick) => !Number.isNaN(tick))")) > max(most)


def test_without_scripts_the_page_still_shows_every_figure(browser, pages):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(pages("failed").as_uri())

    assert page.locator("table.figures tbody tr").count() == 21 + 4 + 80
    assert page.locator("noscript").is_visible()
    assert not page.locator("#theme").is_visible()
    context.close()


@pytest.mark.nightly
def test_charts_keep_their_colours_with_forced_colours(browser, pages):
    """The system does not restyle a canvas: forced colours would hide lines behind bands."""
    context = browser.new_context(viewport={"width": WIDE, "height": 900}, forced_colors="active")
    page = context.new_page()
    page.goto(pages("failed").as_uri())
    kinds = page.evaluate(
        """() => {
          const canvas = document.querySelector('.plot canvas');
          const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
          const count = { black: 0, tinted: 0, drawn: 0 };
          for (let at = 0; at < data.length; at += 4) {
            const [red, green, blue, alpha] = data.slice(at, at + 4);
            if (!alpha) continue;
            count.drawn += 1;
            if (red + green + blue < 30 && alpha > 200) count.black += 1;
            if (blue > red + 10) count.tinted += 1;
          }
          return count;
        }"""
    )
    context.close()
    assert kinds["tinted"] > kinds["drawn"] / 4
    assert kinds["black"] < kinds["drawn"] / 100


@pytest.mark.parametrize(
    "clipboard", by_day(["{ writeText: async (text) => { window.copied = text; } }", "undefined"], each=2)
)
def test_a_request_is_copied_as_curl_or_selected(opened, clipboard):
    one = opened("evidence", reset=f"Object.defineProperty(navigator, 'clipboard', {{ value: {clipboard} }})")
    one.page.locator(".exchange summary").first.press("Enter")
    one.page.get_by_role("button", name="Copy as curl").first.press("Enter")
    one.page.wait_for_function("document.getElementById('live').textContent")

    text = one.evaluate("window.copied || String(getSelection())")
    assert text.startswith("curl ") and "${TORIL_AUTHORIZATION:?}" in text
    assert one.complaints == []
