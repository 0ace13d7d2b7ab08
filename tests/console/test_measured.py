"""Windows in the console: the measurements of a run's page, and reports of a window."""

import pytest

from tests.console.served import client
from tests.records.test_stored import copied
from tests.reports.runs import small, store_run
from toril.records import run_key
from toril.reports import render
from toril.reports.measured import encoded
from toril.reports.windows import windowed
from toril.runs.conclude import judge_again
from toril.store import FolderStore


@pytest.fixture
def run(tmp_path):
    store_run(tmp_path, "run", small(), "p95>250ms")
    store = FolderStore(tmp_path)
    return store, judge_again(store, "run")


def test_the_page_of_a_run_gets_the_measurements_of_its_report(run):
    store, bundle = run
    browser = client(store, "viewer")

    assert 'data-address="/runs/run/measured"' in browser.get("/runs/run").text
    found = encoded(bundle)
    assert found is not None
    assert browser.get("/runs/run/measured").text == found.text


def test_a_run_without_windows_has_no_measurements(tmp_path):
    store, run_id = copied("duet", tmp_path)
    store.put(run_key(run_id, "report.html"), b"<p>old</p>")

    assert client(store, "viewer").get(f"/runs/{run_id}/measured").content == b""


@pytest.mark.parametrize("address", ["/runs/run/report", "/api/v1/runs/run/report"])
def test_a_report_of_a_window_is_downloaded(run, address):
    store, bundle = run
    answer = client(store).get(f"{address}?format=json&from=2s&to=4s")

    assert answer.content == render("json", windowed(bundle, (2, 4)))
    assert client(store).get(f"{address}?from=9s&to=4s").status_code == 422
