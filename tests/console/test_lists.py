"""The lists of the console: what is starting, what a damaged index leaves, and the order of suites."""

from dataclasses import replace

import pytest

from tests.console import served
from tests.console.served import NOW, client, parsed
from tests.reports import examples
from tests.runs.test_suites import SUITE, saved
from toril.console.web import sparkline
from toril.desk.runs import delete_run
from toril.desk.starting import request_run
from toril.plan.options import RunOptions
from toril.records.history import IndexRow
from toril.runs.history import record_of, row_of
from toril.runs.requests import keep_failure
from toril.store import FolderStore


@pytest.fixture
def store(tmp_path):
    found = FolderStore(tmp_path)
    saved(found, {"suite.yml": SUITE})
    return found


def run(store, number, suite="shop", **figures):
    figures = {"outcome": "passed"} | figures
    row = IndexRow(run_id=f"run-{suite}-{number}", suite=suite, started_at=NOW + number, **figures)
    store.put(row.key, row.to_json())
    return row


def page(store, address):
    return parsed(client(store).get(address).content)


def test_a_requested_run_is_on_each_list_until_it_fails_to_start(store):
    request = request_run(store, "shop", RunOptions(), by="ada", at=NOW - 5)
    link = f"/runs/{request.run_id}"
    for address in ("/", "/runs", "/suites"):
        (state,) = page(store, address).xpath("//span[contains(@class, 'starting')]")
        (row,) = state.xpath("(ancestor::*[self::tr or self::a])[last()]")
        assert link in row.xpath("descendant-or-self::a/@href")
    assert client(store).get("/api/v1/runs/running").json() == [
        {"run_id": request.run_id, "state": "starting", "since": None, "step": ""}
    ]

    keep_failure(store, request.run_id, NOW, "not-started", "no memory")
    for address in ("/", "/runs", "/suites"):
        assert link not in page(store, address).xpath("//a/@href")


def test_a_run_whose_owner_is_gone_is_running_nowhere(store):
    run_id = served.running(store, served.progress(9, at=NOW - 600), renewed_at=NOW - 600)
    run(store, 1, p95_us=210_000)
    browser = client(store)

    home, runs, suites = (page(store, address) for address in ("/", "/runs", "/suites"))
    assert [home.xpath("//progress"), home.xpath("//h2[.='Running now']"), runs.xpath("//h2[.='Running now']")] == [
        []
    ] * 3
    for one, section in ((home, "attention"), (runs, "abandoned")):
        assert f"/runs/{run_id}" in one.xpath(f"//section[@aria-labelledby='{section}']//a/@href")
    assert not suites.xpath(f"//a[@href='/runs/{run_id}/stop']")
    assert suites.xpath("//a[@aria-label='Start shop']")
    assert browser.get("/api/v1/runs/running").json() == []
    every = browser.get("/api/v1/runs/running?every=true").json()
    assert [(one["run_id"], one["state"], one["step"]) for one in every] == [(run_id, "coordinator lost", "judge")]


def test_a_deleted_run_does_not_seem_to_start(store):
    request = request_run(store, "shop", RunOptions(), by="ada", at=NOW - 5)
    store.put(f"runs/{request.run_id}/plan.json", b"{}")
    delete_run(store, request.run_id, NOW)
    assert client(store).get(f"/runs/{request.run_id}").status_code == 404
    assert client(store).get("/api/v1/runs/running").json() == []


def test_a_smoke_run_leaves_the_last_verdict_as_it_is(store):
    judged = run(store, 1, p95_us=200_000)
    smoke = run(store, 2, kind="smoke", p95_us=9_000_000)
    for address in ("/", "/suites"):
        links = page(store, address).xpath("//td/a/@href")
        assert f"/runs/{judged.run_id}" in links
        assert f"/runs/{smoke.run_id}" not in links
    (last,) = page(store, "/suites/shop").xpath("//section[@aria-labelledby='last']")
    assert last.xpath(".//a/@href") == [f"/runs/{judged.run_id}"]
    request = request_run(store, "shop", RunOptions(), by="ada", at=NOW - 5)
    (last,) = page(store, "/suites/shop").xpath("//section[@aria-labelledby='last']")
    assert last.xpath(".//a/@href") == [f"/runs/{request.run_id}", f"/runs/{judged.run_id}"]


def test_home_and_suites_draw_the_same_trend_without_smoke_runs_and_branches(store):
    for number, p95_ms in enumerate((100, 150, 130)):
        run(store, number, p95_us=1000 * p95_ms)
    for number, other in enumerate(({"kind": "smoke"}, {"kind": "duet"}, {"branch": "pull/7"}), 10):
        run(store, number, p95_us=9_000_000, **other)
    drawn = {
        path
        for one in ("/", "/suites", "/suites/shop")
        for path in page(store, one).xpath("//svg[@class='spark']/path/@d")
    }
    assert drawn == {sparkline([100, 150, 130])}


def test_a_line_leaves_out_what_the_trend_leaves_out(store):
    for number, p95_us in enumerate((110_000, 100_000, 120_000)):
        run(store, number, p95_us=p95_us, left_out=True if p95_us == 100_000 else None)
    home = page(store, "/")
    assert home.xpath("//svg/path/@d") == [sparkline([110_000, 120_000])]
    assert "last 2 runs" in home.xpath("string(//svg/title)")


@pytest.mark.parametrize(
    ("change", "left_out"), [({}, None), ({"outcome": "inconclusive"}, True), ({"kind": "try"}, True)]
)
def test_the_row_of_a_run_says_whether_the_trend_leaves_it_out(change, left_out):
    assert row_of(replace(record_of(examples.passed()), **change)).left_out is left_out


def test_the_trend_of_a_suite_whose_runs_do_not_count_says_so(store):
    run(store, 1, p95_us=100_000, outcome="inconclusive", left_out=True)
    assert "1 judged run" in page(store, "/suites/shop/trend").text_content()


def test_a_damaged_file_of_the_index_hides_no_other_run(store):
    run(store, 1, p95_us=1000)
    damaged = run(store, 2)
    store.put(damaged.key, b"{")
    for address in ("/", "/runs", "/suites", "/suites/shop", "/schedules"):
        (banner,) = page(store, address).xpath("//*[@role='alert']")
        assert damaged.key in banner.text_content()
    assert page(store, "/runs").xpath("//tbody//a[@data-row]/@href") == ["/runs/run-shop-1"]


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        ("name", "buy search shop"),
        ("-name", "shop search buy"),
        ("p95", "search buy shop"),
        ("-p95", "buy search shop"),
    ],
)
def test_suites_have_the_chosen_order_and_those_without_the_value_are_last(store, sort, names):
    for name, p95_us in (("search", 1000), ("buy", 2000)):
        saved(store, {"suite.yml": SUITE}, name=name)
        run(store, 1, suite=name, p95_us=p95_us)
    found = page(store, f"/suites?sort={sort}")
    assert found.xpath("//tbody//a[@data-row]/text()") == names.split()
    (heading,) = found.xpath("//th[@aria-sort]")
    assert heading.get("aria-sort") == ("descending" if sort[0] == "-" else "ascending")


@pytest.mark.parametrize("address", ["/runs", "/suites"])
def test_the_density_of_a_list_is_in_its_address(store, address):
    run(store, 1)
    for query, chosen in (("", []), ("?density=compact", ["compact"])):
        assert page(store, address + query).xpath("//select[@name='density']/option[@selected]/@value") == chosen


def test_a_suite_that_was_only_tried_while_somebody_wrote_it_is_on_no_list(store):
    saved(store, {"suite.yml": SUITE}, name="shop-draft")
    run(store, 1, suite="shop-draft", kind="try")
    assert "shop-draft" not in page(store, "/").text_content() + page(store, "/suites").text_content()
    run(store, 2, suite="shop-draft")
    assert "shop-draft" in page(store, "/").text_content()
    assert "shop-draft" in page(store, "/suites").text_content()
