"""Windows of the report page: its figures are those of `toril report --from --to`, text by text but for intervals."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser import ten_minutes
from tests.browser.conftest import PHONE, Opened
from tests.measured import Sample, execution, plan_of, timeline_of
from tests.reports import exchanges
from tests.reports.runs import judged
from toril import text
from toril.reports import Bundle, render
from toril.reports.blocks import Row
from toril.reports.html import _asset
from toril.reports.run_blocks import report_of
from toril.reports.windows import windowed

LENGTH = 60
SHOWN = """async (wanted) => {
  const changed = new Promise((done) => addEventListener("hashchange", () => setTimeout(done), { once: true }));
  location.hash = wanted;
  await changed;
  const texts = (nodes) => [...nodes].map((node) => node.textContent.trim());
  const own = (cell) => texts([...cell.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE)).join("");
  const cell = (one) => [own(one), ...texts(one.querySelectorAll("small:not(.of-run), .tag:not(.judged)"))];
  const shown = (table) => [...table.tBodies[0].rows].filter((row) => !row.hidden);
  const rows = (table) => shown(table).map((row) => [...row.cells].map(cell));
  const tables = [...document.querySelectorAll("table[data-table]")].map((one) => [one.dataset.table, rows(one)]);
  const fact = ({ children: [name, value] }) => [own(name), ...cell(value)];
  const facts = [...[...document.querySelectorAll(".facts")].at(-1).children].map(fact);
  const cards = texts(document.querySelectorAll(".criteria > li"));
  const verdict = texts([document.querySelector(".hero > .facts")]);
  const of_run = texts(document.querySelectorAll("table[data-table=label] .of-run"));
  return { tables: Object.fromEntries(tables), facts, cards, verdict, of_run };
}"""


def mixed(seed: int = 5) -> Bundle:
    """Returns a run of two executions, the second with a pause before it, and samples of every kind."""
    chance, samples = random.Random(seed), []
    for second in range(LENGTH):
        for _ in range(0 if 20 <= second < 24 else chance.randrange(8, 40)):
            late = second >= 30 and chance.random() < 0.3
            ok = chance.random() > (0.4 if 40 <= second < 45 else 0.02)
            us = int(chance.lognormvariate(11, 0.8))
            samples.append(
                Sample(
                    second,
                    us,
                    label="late" if late else chance.choice(["home", "home", "cart", "pay", "<b>&amp;"]),
                    ok=ok,
                    rc="200" if ok else chance.choice(["500", "503", ""]),
                    execution="second" if late else "shop",
                    location=chance.choice(["madrid", "oslo"]),
                    kind="transaction" if chance.random() < 0.1 else "request",
                    bytes=chance.randrange(9000),
                    ttfb_us=us // 2,
                    connect_us=chance.choice([-1, -1, 900]),
                )
            )
    executions = [execution(hold_for_s=float(LENGTH)), execution("second", delay_s=30.0, hold_for_s=25.0, index=1)]
    plan = plan_of("p95 of cart>300ms", "hits<1 for 2s", executions=executions, locations=("madrid", "oslo"), workers=1)
    users = {second: 3 + second // 10 for second in range(LENGTH)}
    return judged(timeline_of(samples, users=users, unfinished=4), plan)


@pytest.fixture(scope="module")
def run() -> Bundle:
    return mixed()


@pytest.fixture
def shown(opened, run, tmp_path) -> Callable[..., Opened]:
    """Opens the page of the mixed run, or of another one, and waits for its measurements."""

    def show(page_bytes: int = 3 << 20, fragment: str = "", run: Bundle = run, **options: Any) -> Opened:
        limited = run.plan.model_copy(update={"page_bytes": page_bytes})
        path = tmp_path / "report.html"
        path.write_bytes(render("html", replace(run, plan=limited)))
        one: Opened = opened(path, **options)
        one.page.goto(path.as_uri() + fragment)
        one.page.locator(".window").wait_for()
        return one

    return show


def texts_of(run: Bundle) -> dict[str, Any]:
    """Returns the texts of the report by tables and facts."""
    blocks: dict[str, Any] = {getattr(block, "id", type(block).__name__): block for block in report_of(run).blocks}
    return {
        "tables": {
            name: [_cells(row) for row in (blocks[name].rows if name in blocks else ())]
            for name in ("label", "location", "execution", "crossed", "errors")
        },
        "facts": {
            fact.name: [one for one in (fact.value, fact.count, fact.interval) if one] for fact in blocks["facts"].facts
        },
    }


def _cells(row: Row) -> list[list[str]]:
    first, *others = [[cell.text, *cell.small] for cell in row.cells]
    return [[*first, *row.tags], *others]


def without_intervals(cells: list[list[str]]) -> list[list[str]]:
    return [[line for line in cell if "…" not in line and line != "too few"] for cell in cells]


def assert_equal(page: dict[str, Any], expected: dict[str, Any]) -> None:
    for name, rows in expected["tables"].items():
        found = page["tables"].get(name, [])
        names = 2 if name == "crossed" else 1
        if name == "errors":
            assert sorted(row for row in found if row[-1] != ["0"]) == sorted(rows)
            continue
        known = {tuple(map(tuple, row[:names])): row[names:] for row in rows}
        for row in found:
            key = tuple(map(tuple, row[:names]))
            if key in known:
                assert without_intervals(row[names:]) == without_intervals(known.pop(key)), (name, key)
            else:
                assert row[names] == ["0"], (name, key)
        assert not known
    for name, *cell in page["facts"]:
        if name in ("requests", "failed", "throughput", "p95"):
            assert without_intervals([cell]) == without_intervals([expected["facts"][name]])


def test_the_page_shows_the_figures_of_each_window_as_the_command_does(shown, run):
    one, chance = shown(), random.Random(3)
    windows = [(20, 24), (22, 23), (0, 59), (19, 25), (55, LENGTH)]
    windows += [(first := chance.randrange(LENGTH), chance.randrange(first, LENGTH) + 1) for _ in range(7)]

    pages = []
    for first, end in windows:
        pages.append(one.page.evaluate(SHOWN, f"#window={first}-{end}&n={chance.random()}"))
        assert_equal(pages[-1], texts_of(windowed(run, (first, end))))
    whole = one.page.evaluate(SHOWN, f"#window=0-{LENGTH}")
    assert_equal(whole, texts_of(run))
    for page in pages:  # the run's own figures stay, beside those of the window
        assert (page["cards"], page["verdict"]) == (whole["cards"], whole["verdict"])
        assert page["of_run"][:2] == [f"run {cell[0]}" for cell in whole["tables"]["label"][0][1:3]]
    assert one.complaints == []
    assert one.requests == [one.page.url.partition("#")[0]] * 2


def test_without_the_ramp_up_the_figures_are_those_of_steady_samples(shown):
    labels, locations = ten_minutes.LABELS[:4], ten_minutes.LOCATIONS[:2]
    run = ten_minutes.bundle(
        seconds=90, labels=labels, criteria=("p95>30ms",), locations=locations, incident=range(70, 85)
    )
    one = shown(run=run)

    for first, end in [(50, 70), (69, 72), (20, 40), (80, 90)]:
        assert_equal(one.page.evaluate(SHOWN, f"#window={first}-{end}"), texts_of(windowed(run, (first, end))))


def test_longer_steps_keep_the_figures_and_say_so(shown, run):
    one = shown(page_bytes=12_000)
    said = one.page.locator(".window").inner_text()
    assert not one.page.locator("#pinned").count()

    assert "in steps of" in said
    step = int(said.partition("steps of ")[2].split()[0])
    page = one.page.evaluate(SHOWN, f"#window={step + 1}-{3 * step - 1}")
    expected = texts_of(windowed(run, (step, 3 * step)))
    assert page["tables"]["label"][0] == without_intervals(expected["tables"]["label"][0])


def test_numbers_are_written_as_python_writes_them(browser):
    chance = random.Random(1)
    values = [
        chance.choice([10.0 ** chance.uniform(-7, 13), chance.randrange(10**6) / 2 ** chance.randrange(9)])
        for _ in range(4_000)
    ]
    values += [0.0, 0.5, 1.5, 2.5, 999.5, 9_995.0, 9_996.0, 99_950.0, 10_000_000.0, 0.125, 0.375, 1024.0, 1e-5]
    page = browser.new_page()
    page.evaluate(_asset("page", "words.js") + "; globalThis.words = words; globalThis.rounded = rounded; null")
    found = page.evaluate(
        """(values) => values.map((one) => [
          words.time(one), words.time(one, 1000), words.number(one), words.share(one, 100), words.size(one),
          String(rounded(one, 3))])""",
        values,
    )
    page.close()

    for value, written in zip(values, found, strict=True):
        expected = (
            text.time(value),
            text.time(value, 1000),
            text.number(value),
            text.share(value, 100),
            text.size(value),
        )
        assert written[:5] == [*expected], value
        assert float(written[5]) == round(value, 3)


def test_a_drag_on_a_chart_chooses_a_window_and_escape_the_whole_run(shown):
    one = shown()
    before = one.page.locator("table[data-table=label]").inner_text()
    chart = one.page.locator(".plot").nth(2)
    chart.scroll_into_view_if_needed()
    box = chart.locator(".u-over").bounding_box()
    one.page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 50)
    one.page.mouse.down()
    one.page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 60, steps=4)
    one.page.mouse.up()

    chosen = one.evaluate("() => location.hash")
    first, end = map(int, chosen.removeprefix("#window=").split("-"))
    assert abs(first - LENGTH / 4) <= 2
    assert abs(end - LENGTH / 2) <= 2
    assert one.page.locator("table[data-table=label]").inner_text() != before
    chart.press("Escape")
    assert one.page.locator("table[data-table=label]").inner_text() == before
    assert one.evaluate("() => location.hash") == ""


def test_keys_choose_a_window_and_announce_it(shown):
    one = shown()
    chart = one.page.locator(".plot").first

    chart.press("Home")
    for _ in range(9):
        chart.press("ArrowRight")
    for _ in range(5):
        chart.press("Shift+ArrowRight")
    assert one.page.locator("#live").inner_text() == "9 s to 14 s; Enter shows its figures"
    chart.press("Enter")
    assert one.evaluate("() => location.hash") == "#window=9-14"
    assert one.page.locator("#live").inner_text() == "figures of 9 s to 14 s"
    one.page.get_by_label("to", exact=True).fill("30")
    one.page.get_by_label("to", exact=True).press("Enter")
    assert one.evaluate("() => location.hash") == "#window=9-30"
    one.page.get_by_role("button", name="Whole run").click()
    assert one.evaluate("() => location.hash") == ""


def test_the_address_keeps_window_label_and_theme(shown):
    one = shown(fragment="#window=10-20&theme=dark&label=cart")

    assert one.page.locator("#label-chosen option:checked").inner_text() == "cart"
    assert one.evaluate("() => document.documentElement.dataset.theme") == "dark"
    assert one.page.get_by_label("From", exact=True).input_value() == "10"
    one.page.locator("#theme").click()
    one.page.get_by_label("next label").click()
    one.page.wait_for_function("() => location.hash.includes('theme=light')")
    assert one.evaluate("() => location.hash") == "#window=10-20&theme=light&label=cart+%28transaction%29"


def test_a_chosen_window_is_pinned_and_its_chip_removes_it(shown):
    one = shown(fragment="#window=20-40")
    chip = one.page.get_by_role("button", name="Window 20–40 s of 60 s")
    one.page.locator("#about").scroll_into_view_if_needed()
    assert 0 <= chip.bounding_box()["y"] < 100
    assert one.page.get_by_role("heading", name="In 20–40 s").count() == 1
    assert "in 20–40 s" in one.page.locator("figure", has_text="Response times by percentile").inner_text()

    chip.click()

    assert not chip.is_visible()
    assert one.page.locator("#in-window, .of-run").count() == 0
    assert one.evaluate("() => location.hash") == ""


def test_exchanges_outside_the_window_are_hidden_and_counted(shown):
    one = shown(run=replace(mixed(), evidence=exchanges.failed().evidence), fragment="#window=10-22")
    note = one.page.locator("#in-window-exchanges")
    every, inside = one.page.locator(".exchange"), one.page.locator(".exchange:visible")
    assert note.inner_text() == f"{inside.count()} of {every.count()} exchanges in this window."
    assert inside.count() < every.count()
    assert all(10 <= int(found.get_attribute("data-second")) < 22 for found in inside.all())

    one.page.get_by_role("button", name="Whole run").click()

    assert inside.count() == every.count()


def test_a_window_beyond_the_run_is_clipped_and_the_address_says_so(shown):
    one = shown(fragment="#window=50-99999&theme=dark")
    assert one.page.get_by_label("to", exact=True).input_value() == "60"
    assert one.evaluate("() => location.hash") == "#window=50-60&theme=dark"
    assert shown(fragment="#window=0-99999&theme=dark").evaluate("() => location.hash") == "#theme=dark"


@pytest.mark.nightly
def test_a_finger_chooses_a_window_on_a_phone(browser, shown):
    one = shown(width=PHONE)
    chart = one.page.locator(".plot").nth(2)
    chart.scroll_into_view_if_needed()
    box = chart.locator(".u-over").bounding_box()
    client = one.page.context.new_cdp_session(one.page)
    at = box["y"] + 60
    for kind, across in (("touchStart", 0.3), ("touchMove", 0.4), ("touchMove", 0.6), ("touchEnd", None)):
        points = [] if across is None else [{"x": box["x"] + box["width"] * across, "y": at}]
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    one.page.wait_for_function("() => location.hash.startsWith('#window=')")
    first, end = map(int, one.evaluate("() => location.hash").removeprefix("#window=").split("-"))
    assert abs(first - 0.3 * LENGTH) <= 2
    assert abs(end - 0.6 * LENGTH) <= 2
    assert one.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


def test_axe_finds_no_problems_in_a_window_on_a_phone(shown):
    one = shown(fragment="#window=10-20", width=PHONE)
    found = Axe().run(one.page)

    assert found.response["violations"] == [], found.generate_report()
