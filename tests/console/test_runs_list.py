"""`/runs` without a browser: pages of rows, columns, and differences to the baseline that people choose there."""

import re

import pytest

from tests.console.served import ADDRESS, client, parsed, stored
from tests.reports import examples
from toril.records.history import IndexRow
from toril.store import FolderStore

NOW = 1_790_000_000.0


@pytest.fixture
def store(tmp_path):
    return FolderStore(tmp_path)


def run(store, number, **figures):
    """Stores the row of a run."""
    run_id = f"20260921T1000{number:02}Z-shop-aaaa"
    row = IndexRow(run_id=run_id, suite="shop", started_at=NOW + number, outcome="passed", samples=100, **figures)
    store.put(row.key, row.to_json())
    return run_id


def test_a_page_has_the_chosen_rows_and_columns_and_so_has_the_next_one(store):
    ids = [run(store, number) for number in range(25)]
    page = client(store).get("/runs?size=20&columns=cost&columns=workers").text

    assert page.count("data-row") == 20
    assert re.findall('<th scope="col" class="number">(.*?)</th>', page) == ["Cost", "Workers"]
    (older,) = re.findall(r'href="([^"]*)" rel="next"', page)
    after = client(store).get(older.replace("&amp;", "&")).text
    assert re.findall('<th scope="col" class="number">(.*?)</th>', after) == ["Cost", "Workers"]
    assert re.findall(r'data-row href="/runs/([^"]+)"', after) == ids[4::-1]


def test_a_list_without_runs_has_filters_only_if_they_hide_some(store):
    found = [parsed(client(store).get(path).content) for path in ("/runs", "/runs?q=none")]
    assert [len(page.xpath("//form[@role='search']")) for page in found] == [0, 1]


def test_the_address_of_a_comparison_has_no_token(store):
    run(store, 1)
    page = parsed(client(store, "admin").get("/runs").content)
    assert page.xpath("//form[@id='chosen']/@method") == ["get"]
    assert not page.xpath("//form[@id='chosen']//input[@name='csrf']")


def test_a_run_of_the_list_becomes_the_baseline_and_others_show_their_difference(store):
    base, other = run(store, 1, p95_us=200_000), run(store, 2, p95_us=210_000)
    browser = client(store, "operator")
    for run_id in (base, other):
        stored(store, examples.passed(), run_id=run_id)

    assert browser.post("/runs/baseline", data={"run": [base, other]}).status_code == 422
    assert browser.post("/runs/baseline", data={"run": [base]}).status_code == 303
    shown = {name: browser.get(f"/runs?differences={name}").text for name in ("percent", "values", "none")}
    assert "<small>+5 %</small>" in shown["percent"]
    assert "<small>+10.0 ms</small>" in shown["values"]
    assert "<small>+" not in shown["none"]
    run(store, 3, p95_us=900_000, kind="smoke")
    assert browser.get("/runs").text.count("<small>+") == 1  # a smoke run is not compared
    assert client(store, "viewer").post("/runs/baseline", data={"run": [base]}).status_code == 403


def test_a_change_of_selected_runs_returns_to_the_searched_list(store):
    run_id = stored(store, examples.passed())
    browser = client(store)
    browser.headers["referer"] = f"{ADDRESS}/runs?suite=shop"

    for path in ("/runs", "/runs/baseline"):
        empty = browser.post(path)
        assert (empty.status_code, "no-run-named" in empty.text) == (422, True)
        assert parsed(empty.content).xpath("//a[.='Back']/@href") == ["/runs?suite=shop"]
    assert browser.post("/runs", data={"run": run_id}).headers["location"] == "/runs?suite=shop"
