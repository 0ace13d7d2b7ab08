"""A run in a browser: followed live to its report, stopped, adjusted; compared with others. Screenshots are kept."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser import ten_minutes
from tests.browser.conftest import PHONE, WIDE
from tests.console.served import LIVE, NOW, fargate_plan, live_plan, progress, running, serving, stored
from tests.measured import Sample, every_second
from tests.records.test_stored import copied
from tests.reports import examples
from tests.reports.runs import small, store_run
from toril.coordinator.progress import packed
from toril.records import Rate, Start, Stop, rate_key, run_key, worker_key
from toril.records.document import document
from toril.records.evidence import Exchange, Exchanges, evidence_file_name
from toril.records.progress import RateNow, progress_key
from toril.runs.conclude import judge_again
from toril.runs.history import record_of, remember
from toril.runs.stored import judged
from toril.store import FolderStore
from toril.store.records import find_record, next_rates

pytestmark = pytest.mark.live
SHOTS = Path("build/console")
AXE = Axe()
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
HOSTILE = "<img src=x onerror=alert(1)>"
FEW: dict[str, Any] = {"seconds": 60, "labels": ten_minutes.LABELS[:4], "locations": ten_minutes.LOCATIONS[:2]}


@dataclass
class Tab:
    page: Page
    complaints: list[str] = field(default_factory=list)


@pytest.fixture
def tab(browser: Browser) -> Iterator[Callable[..., Tab]]:
    contexts = []

    def open_tab(address: str, *, width: int = WIDE, dark: bool = False, script: bool = True) -> Tab:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            java_script_enabled=script,
        )
        contexts.append(context)
        one = Tab(context.new_page())
        one.page.on("console", lambda message: one.complaints.append(message.text))
        one.page.on("pageerror", lambda error: one.complaints.append(str(error)))
        one.page.goto(address)
        return one

    yield open_tab
    for context in contexts:
        context.close()


@pytest.fixture
def store(tmp_path) -> FolderStore:
    made = FolderStore(tmp_path)
    made.time = lambda: (NOW, 0.0)  # type: ignore[method-assign]
    return made


def assert_accessible(page: Page) -> None:
    found = AXE.run(page)
    assert found.response["violations"] == [], found.generate_report()


@pytest.mark.nightly
def test_a_try_shows_its_requests_as_they_arrive(store, tab):
    running(store, progress(0), plan=live_plan(tried=True))
    store.put(run_key(LIVE, "start.json"), Start(at=NOW, attempts={"local-1": "a"}).to_json())

    def arrives(number: int, **fields: Any) -> None:
        one = Exchange(why="tried", method="GET", url="http://shop/", **fields)
        kept = Exchanges(run_id=LIVE, worker="local-1", exchanges=(one,))
        store.put(worker_key(LIVE, "local-1", "a", evidence_file_name(number)), document(kept))

    arrives(1, label="home", status=200)
    with serving(store) as address:
        one = tab(f"{address}/runs/{LIVE}", width=PHONE)
        shown = one.page.locator("details.exchange")
        expect(shown).to_have_count(1, timeout=10_000)
        arrives(2, label=HOSTILE, status=500, ok=False, error="no stock")
        expect(shown).to_have_count(2, timeout=10_000)
        expect(shown.nth(1)).to_contain_text(HOSTILE)
        expect(shown.nth(1)).to_contain_text("no stock")
        assert one.page.evaluate(OVERFLOW) == 0
        assert_accessible(one.page)
        assert one.complaints == []


def test_a_run_is_followed_from_its_start_to_its_report(store, tab):
    running(store, progress(0), plan=live_plan(on="fargate"))
    with serving(store) as address:
        one = tab(f"{address}/runs/{LIVE}")
        page = one.page
        page.evaluate("document.getElementById('run').dataset.same = 'yes'")
        expect(page.locator("#phases [aria-current]")).to_contain_text("Start")

        store.put(progress_key(LIVE), packed(progress(80)))
        expect(page.locator("[data-at='figures.samples']").first).to_have_text("8,000", timeout=10_000)
        store.put(progress_key(LIVE), packed(progress(150, label=HOSTILE)))
        expect(page.locator("[data-at='figures.samples']").first).to_have_text("15,000", timeout=10_000)

        expect(page.locator("#phases [aria-current]")).to_contain_text("Load")
        expect(page.locator(f'tr[data-name="{HOSTILE}"] [data-at="figures.samples"]')).to_have_text("15,000")
        expect(page.locator("#criteria-now li")).to_have_count(2)
        assert page.locator("canvas").count() == 4
        assert page.locator(".legend .value").first.inner_text() not in ("", "–")
        assert page.locator("#age").inner_text().endswith(" s ago")
        assert page.locator("#run").get_attribute("data-same") == "yes"  # the page was never loaded again
        assert_accessible(page)

        stored(store, examples.failed(), run_id=LIVE, on="fargate")
        store.put(progress_key(LIVE), packed(progress(300, phase="ended")))
        expect(page.locator(".hero .badge")).to_contain_text("failed", ignore_case=True, timeout=10_000)
        assert one.complaints == []


@pytest.mark.nightly
def test_a_lost_connection_is_shown_and_found_again(store, tab):
    running(store, progress(90))
    with serving(store) as address:
        page = tab(f"{address}/runs/{LIVE}").page
        page.route("**/live*", lambda route: route.abort())
        expect(page.locator("#age")).to_contain_text("no answer", timeout=10_000)
        page.unroute("**/live*")
        expect(page.locator("#age")).to_contain_text("s ago", timeout=15_000)


def test_a_person_adjusts_and_stops_a_run(store, tab):
    running(store, progress(90), plan=fargate_plan())
    store.put(run_key(LIVE, "start.json"), Start(at=NOW - 90, attempts={}).to_json())
    with serving(store, "operator") as address:
        one = tab(f"{address}/runs/{LIVE}")
        page, bar = one.page, one.page.locator("#control")
        planned, answer = bar.locator("[data-at='rates.0.rps']"), bar.get_by_role("status")
        marks = "JSON.parse(document.getElementById('control').dataset.control).marks.map((mark) => mark.text)"
        page.wait_for_load_state("networkidle")
        bar.get_by_role("button", name="−10 %").click()
        expect(answer).to_have_text(re.compile(r"100/s → 90/s at 1:31 \(.* UTC\) by Ada"), timeout=10_000)
        bar.get_by_role("button", name="×2").click()
        expect(answer).to_contain_text("90/s → 180/s", timeout=10_000)
        expect(planned).to_have_text("180/s", timeout=10_000)
        assert page.evaluate(marks) == ["90/s by Ada", "180/s by Ada"]
        store.put(progress_key(LIVE), packed(progress(91)))  # the coordinator has not read the rates yet
        expect(page.locator("[data-at='elapsed_s']")).to_have_text("1 min 31 s", timeout=10_000)
        expect(planned).to_have_text("180/s")

        bar.get_by_role("textbox").fill("500")
        bar.get_by_role("textbox").press("Enter")
        bar.get_by_role("button", name="Yes, from 180/s to 500/s").click(timeout=10_000)
        expect(planned).to_have_text("500/s", timeout=10_000)
        rate = Rate(number=4, execution="buy", rps=300, at=NOW + 5, asked_at=NOW, cause="user", by="Bo", before_rps=500)
        store.put(rate_key(LIVE, 4), rate.to_json())
        store.put(progress_key(LIVE), packed(progress(92, changes=4, rates=(RateNow(execution="buy", rps=300),))))
        expect(answer).to_contain_text("500/s → 300/s", timeout=10_000)  # by another person
        expect(answer).to_contain_text("by Bo")
        assert_accessible(page)

        page.keyboard.press(".")
        button = page.get_by_role("button", name="Stop and keep the results, saves")
        expect(button).to_be_visible()
        assert_accessible(page)
        button.click()
        expect(bar).to_contain_text("last results in about 4 seconds", timeout=10_000)
        expect(page).to_have_title("◐ stopping · shop · toril", timeout=10_000)
        store.put(progress_key(LIVE), packed(progress(93, changes=4)))  # the coordinator has not read the stop yet
        expect(page.locator("[data-at='elapsed_s']")).to_have_text("1 min 33 s", timeout=15_000)
        expect(bar).to_contain_text("last results")
        assert one.complaints == []

    assert [rate.rps for rate in next_rates(store, LIVE, 0)] == [90, 180, 500, 300]
    assert find_record(store, Stop, run_key(LIVE, "stop.json")) is not None


@pytest.mark.nightly
def test_the_bar_is_in_sight_and_large_enough_for_a_thumb_on_a_phone(store, tab):
    running(store, progress(90))
    with serving(store, "operator") as address:
        page = tab(f"{address}/runs/{LIVE}", width=PHONE).page
        page.mouse.wheel(0, 700)
        page.wait_for_function("scrollY > 500")
        for name in ("−10 %", "×2", "Apply", "Pause"):
            box = page.get_by_role("button", name=name).bounding_box()
            assert 400 < box["y"] < box["y"] + box["height"] <= 900
            assert box["height"] >= 44
        expect(page.get_by_role("link", name="Stop")).to_be_in_viewport()
        assert page.evaluate(OVERFLOW) == 0


def test_stop_and_figures_work_without_script(store, tab):
    running(store, progress(90))
    with serving(store, "operator") as address:
        page = tab(f"{address}/runs/{LIVE}", script=False).page
        assert page.locator("[data-at='figures.samples']").first.inner_text() == "9,000"
        page.get_by_role("link", name="Stop").click()
        page.get_by_role("button", name="Stop").click()

    assert find_record(store, Stop, run_key(LIVE, "stop.json")) is not None


@pytest.mark.nightly
def test_a_list_counts_the_selected_runs_and_stays_after_an_error(store, tab, tmp_path):
    run_id = copied("complete", tmp_path)[1]
    remember(store, record_of(judged(store, run_id, NOW)))
    with serving(store) as address:
        page = tab(f"{address}/runs").page
        delete = page.locator("[data-dialog=delete]")
        expect(delete).to_be_disabled()
        page.get_by_label(f"Select {run_id}").check()
        delete.click()
        expect(page.locator("dialog[open] h1")).to_have_text("Delete this run?")
        expect(page.locator("dialog[open] li code")).to_have_text(run_id)
        page.keyboard.press("Escape")

        page.get_by_text("Filters", exact=True).click()
        page.get_by_role("textbox", name="Tag").fill("commit")
        page.keyboard.press("Tab")
        expect(page.locator("#problem")).to_contain_text("key=value")
        assert page.locator("#problem").bounding_box()["y"] < page.locator("#rows").bounding_box()["y"]
        page.get_by_role("textbox", name="Tag").fill("")
        page.locator("select[name=suite]").select_option("shop")
        expect(page.locator("#problem")).to_have_count(0)
        expect(page).to_have_url(f"{address}/runs?suite=shop")


def test_a_page_loads_its_measurements_when_a_window_is_wanted(tmp_path, tab):
    store_run(tmp_path, "run", small(), "p95>250ms")
    store = FolderStore(tmp_path)
    judge_again(store, "run")
    with serving(store) as address:
        page = tab(f"{address}/runs/run").page
        asked: list[str] = []
        page.on("request", lambda request: asked.append(urlsplit(request.url).path))
        page.reload()
        button = page.get_by_role("button", name="figures of a part of the run")
        expect(button).to_be_visible()
        assert "/runs/run/measured" not in asked

        button.click()

        page.get_by_role("spinbutton", name="From").fill("1")
        page.keyboard.press("Tab")
        page.wait_for_url(re.compile("window=1-"))
        assert asked.count("/runs/run/measured") == 1


@pytest.mark.nightly
def test_a_copied_address_shows_the_same_label(store, tab, tmp_path):
    run_id = copied("complete", tmp_path)[1]
    with serving(store) as address:
        page = tab(f"{address}/runs/{run_id}").page
        chooser = page.locator("#label-chosen")
        chosen = chooser.locator("option").nth(2).inner_text()
        chooser.select_option(chosen)
        page.wait_for_url(re.compile("label="))
        found = dict(parse_qsl(urlsplit(page.url).fragment))
        assert found["label"] == chosen

        copy = tab(page.url).page
        expect(copy.locator("#label-chosen option:checked")).to_have_text(chosen)
        assert dict(parse_qsl(urlsplit(copy.url).fragment)) == found


@pytest.mark.parametrize(
    ("width", "dark"),
    [
        pytest.param(WIDE, False, marks=pytest.mark.nightly),
        pytest.param(PHONE, True, marks=pytest.mark.nightly),
        pytest.param(WIDE, True, marks=pytest.mark.nightly),
        pytest.param(PHONE, False, marks=pytest.mark.nightly),
    ],
)
def test_the_pages_of_runs_are_accessible_and_fit(store, tab, tmp_path, width, dark):
    running(store, progress(150))
    over = copied("complete", tmp_path)[1]
    ids = [
        stored(store, ten_minutes.bundle(**FEW, seed=seed, slower=seed), run_id=f"2026112{seed}T100000Z-shop-000{seed}")
        for seed in (1, 2)
    ]
    compare = f"/compare?run={ids[0]}&run={ids[1]}"
    pages = {"live": f"/runs/{LIVE}", "over": f"/runs/{over}", "compare": compare}
    others = {"files": f"/runs/{over}/files", "notes": f"/runs/{over}/notes", "choose": f"/compare?run={over}"}
    SHOTS.mkdir(parents=True, exist_ok=True)
    with serving(store) as address:
        for name, path in (pages | ({} if dark else others)).items():
            one = tab(address + path, width=width, dark=dark)
            one.page.wait_for_load_state("networkidle")
            assert_accessible(one.page)
            assert one.page.evaluate(OVERFLOW) <= 0
            assert one.complaints == []
            shot = SHOTS / f"run-{name}-{width}-{'dark' if dark else 'light'}.png"
            one.page.screenshot(path=shot, full_page=True)


def test_a_window_of_a_running_test_is_pinned_with_its_exact_sums(store, tab):
    running(store, progress(90))
    with serving(store) as address:
        page = tab(f"{address}/runs/{LIVE}#window=20-40").page
        pinned = page.locator("#pinned")
        expected = f"{sum(progress(90).recent.rps[20:40]):,} requests, 1 failed"
        expect(pinned).to_contain_text("20–40 s of 90 s")
        expect(pinned).to_contain_text(expected)

        store.put(progress_key(LIVE), packed(progress(200)))  # the charts have the last two minutes
        expect(page.locator("[data-at='figures.samples']").first).to_have_text("20,000", timeout=10_000)
        expect(pinned).to_contain_text("of 3:20")
        expect(pinned).to_contain_text(expected)
        assert page.url.endswith("#window=20-40")
        assert_accessible(page)

        stored(store, examples.failed(), run_id=LIVE)
        store.put(progress_key(LIVE), packed(progress(300, phase="ended")))
        expect(page.locator(".hero .badge")).to_contain_text("failed", ignore_case=True, timeout=10_000)
        expect(page).to_have_url(re.compile("#window=20-30$"), timeout=10_000)  # the report's run had thirty seconds


@pytest.mark.nightly
def test_a_window_chosen_on_a_comparison_leads_to_its_figures(tmp_path, tab):
    for run_id in ("20261124T100000Z-shop-0001", "20261124T100000Z-shop-0002"):
        store_run(tmp_path, run_id, small(), "p95>250ms")
        judge_again(FolderStore(tmp_path), run_id)
    with serving(FolderStore(tmp_path)) as address:
        runs = "run=20261124T100000Z-shop-0001&run=20261124T100000Z-shop-0002"
        page = tab(f"{address}/compare?{runs}#window=2-4").page
        page.get_by_role("button", name="Show its figures in the table").click()
        page.wait_for_url(re.compile("from=2s&to=4s"))
        expect(page.locator("#pinned")).to_contain_text("Charts and table show this window")
        assert_accessible(page)
        page.get_by_role("button", name="Window 2–4 s of 10 s").click()
        page.wait_for_url(f"{address}/compare?{runs}")


@pytest.mark.nightly
def test_the_measurements_show_errors_by_second_and_kind(tmp_path, tab):
    failing = [*small(), *every_second(range(4, 8), Sample(0, 9000, label="home", ok=False, rc="503"), 3)]
    store_run(tmp_path, "run", failing, "p95>250ms")
    judge_again(FolderStore(tmp_path), "run")
    with serving(FolderStore(tmp_path)) as address:
        one = tab(f"{address}/runs/run")
        one.page.get_by_role("button", name="Errors by second").click()
        chart = one.page.locator("figure", has_text="Errors by kind")
        expect(chart.locator(".legend")).to_contain_text("503")
        expect(chart.locator(".legend .value")).to_have_text("max 3/s")
        assert one.complaints == []
