"""The pages of one run, in process: states, roles, files, hostile texts."""

import gzip
import hashlib
import io
import json
import random
import zipfile
from dataclasses import replace
from itertools import product

import pytest

from tests.browser import ten_minutes
from tests.console.served import (
    LIVE,
    NOW,
    Known,
    Started,
    client,
    fargate_plan,
    live_plan,
    parsed,
    progress,
    running,
    stored,
)
from tests.records.test_stored import RUNS, copied
from tests.reports import examples, exchanges
from tests.reports.parsed import Page
from tests.tiers import by_day
from toril.console import web
from toril.console.identity import Role
from toril.console.pages import run as run_pages
from toril.console.pages import run_files
from toril.desk.runs import set_baseline
from toril.records import Launch, Rate, Start, Stop, rate_key, run_key, worker_key
from toril.records.console import RequestFailure, RunRequest
from toril.records.document import document
from toril.records.evidence import Content, Exchange, Exchanges, evidence_file_name
from toril.records.progress import FiguresNow, LabelNow, LocationNow, MetricNow, RateNow
from toril.reports import render
from toril.reports.blocks import Failure, Failures, Headline, Report
from toril.reports.html import fragment
from toril.runs.history import record_of, remember
from toril.runs.notes import notes_of
from toril.runs.stored import judged
from toril.runs.suites import read, save, suite_names
from toril.store import FolderStore
from toril.store.records import find_record, get_record, next_rates

HOSTILE = "<img src=x onerror=alert(1)>'\"&{{7*7}}"
SUITE = b"""execution: [{executor: vegeta, scenario: buy, throughput: 5, hold-for: 10s}]
scenarios: {buy: {requests: ["http://127.0.0.1:1/"]}}
"""


@pytest.fixture
def store(tmp_path):
    return FolderStore(tmp_path)


@pytest.fixture
def run_id(tmp_path):
    return copied("complete", tmp_path)[1]


def request_of(run_id: str, **changes) -> RunRequest:
    return RunRequest(
        **{"run_id": run_id, "suite": "shop", "version": 1, "on": "local", "at": NOW, "by": "Ada"} | changes
    )


def headings(page: bytes) -> list[str]:
    return [one.text_content() for one in parsed(page).xpath("//main//h2") if one.get("id") != "delete-title"]


# ── after the run


def test_the_page_of_a_judged_run_has_the_blocks_of_its_report(store, run_id):
    page = client(store).get(f"/runs/{run_id}").content
    bundle = judged(store, run_id, NOW)

    assert headings(page) == headings(render("html", bundle))
    assert Page(page).text.count(bundle.outcome) > 0
    assert json.loads(parsed(page).get_element_by_id("data").text)["course"]


@pytest.mark.parametrize("name", RUNS)
def test_each_kind_of_run_has_a_page(tmp_path, name):
    store, run_id = copied(name, tmp_path)

    assert client(store, "viewer").get(f"/runs/{run_id}").status_code == 200


def test_a_run_stands_beside_the_baseline_of_its_suite(store):
    base, head = stored(store, examples.passed(), run_id="20261123T150405Z-shop-0000"), stored(store, examples.failed())
    set_baseline(store, "shop", base, by="Ada", at=NOW)
    browser = client(store, "viewer")

    def beside(address):
        return parsed(browser.get(address).content).xpath("//section[@id='baseline']")

    assert not beside(f"/runs/{base}")
    (shown,) = beside(f"/runs/{head}")
    rows = {one.findtext("dt"): [part.text for part in one.findall("dd/small")] for one in shown.findall("dl/div")}
    assert list(rows) == ["req/s", "failed", "p50", "p95", "p99"]
    assert rows["failed"] == ["baseline 0 %", "+4 points"]  # too few runs tell what is ordinary
    assert rows["p95"] == ["baseline 51.2 ms", "±0 %"]
    assert f"/compare?run={base}&run={head}" in shown.xpath(".//a/@href")
    assert "Too few comparable runs (0 of 8)" in shown.text_content()


def test_a_baseline_that_cannot_be_read_is_stated(store, run_id):
    base = stored(store, examples.passed())
    suite = judged(store, run_id, NOW).plan.suite
    set_baseline(store, suite, base, by="Ada", at=NOW)
    store.delete(run_key(base) + "/")

    (shown,) = parsed(client(store).get(f"/runs/{run_id}").content).xpath("//section[@id='baseline']")

    assert "deleted or have expired" in shown.text_content()
    assert str(store.folder) not in shown.text_content()
    assert not shown.findall("dl")
    assert str(store.folder) not in client(store).get(f"/compare?run={base}&run={run_id}").text


def test_a_baseline_with_another_load_is_no_measure(store):
    base = stored(store, examples.passed(), run_id="20261123T150405Z-shop-0000")
    execution = examples.plan().executions[0].model_copy(update={"concurrency": 7})
    head = stored(store, examples.passed(), executions=(execution,))
    set_baseline(store, "shop", base, by="Ada", at=NOW)

    (shown,) = parsed(client(store).get(f"/runs/{head}").content).xpath("//section[@id='baseline']")

    assert any("virtual users" in one.text_content() for one in shown.xpath("./ul[following-sibling::dl]/li"))


def test_links_of_failures_lead_to_the_files_of_the_run():
    failure = Failure(label="pay", message="", place="", picture=b"", links=(("trace", "workers/w/a/trace.zip"),))
    report = Report(headline=Headline(suite="", text="", brief=""), blocks=(Failures((failure,)),))

    page = fragment(report, hero=False, files="/runs/one/files/").html

    assert parsed(page.encode()).xpath("//figure//a/@href") == ["/runs/one/files/workers/w/a/trace.zip"]


def test_charts_with_much_data_follow_the_page_and_both_take_less_than_60_kb(store):
    run_id = stored(store, ten_minutes.bundle())
    browser = client(store)
    page = browser.get(f"/runs/{run_id}")
    data = parsed(page.content).get_element_by_id("data")
    charts = browser.get(data.get("data-from"))
    answers = [page, charts]

    assert not data.text
    assert len(charts.content) > run_pages.MOST_INLINE
    assert [one.headers["content-encoding"] for one in answers] == ["gzip", "gzip"]
    assert sum(len(gzip.compress(one.content)) for one in answers) < 60_000


@pytest.mark.parametrize("format", ["json", "junit", "html", "csv", "hdr", "github"])
def test_a_report_is_downloaded_in_each_format(store, run_id, format):
    answer = client(store).get(f"/runs/{run_id}/report?format={format}")

    assert answer.status_code == 200
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.content == render(format, judged(store, run_id, NOW, measurements=True))


def test_an_unknown_format_is_refused(store, run_id):
    assert client(store).get(f"/runs/{run_id}/report?format=exe").status_code == 422


def test_a_run_whose_files_have_expired_shows_its_history(store, run_id):
    remember(store, record_of(judged(store, run_id, NOW)))
    store.delete(run_key(run_id) + "/")
    browser = client(store, "viewer")

    assert parsed(browser.get(f"/runs/{run_id}").content).xpath("//dd/text()")[0] == "480"
    assert browser.get(f"/runs/{run_id}/files").status_code == 404


# ── before and during the run


def test_a_requested_run_is_shown_as_starting_until_it_fails(store):
    store.put(f"requests/{LIVE}.json", request_of(LIVE).to_json())
    browser = client(store)

    assert browser.get(f"/runs/{LIVE}").status_code == 200
    assert browser.get(f"/api/v1/runs/{LIVE}/live").json()["state"] == "starting"
    assert "Cancel this run" in browser.get(f"/runs/{LIVE}").text
    assert "Cancel this run" not in client(store, "viewer").get(f"/runs/{LIVE}").text

    failure = RequestFailure(run_id=LIVE, at=NOW, code="over-max-cost", message="this run costs too much")
    store.put(f"requests/{LIVE}.failed.json", failure.to_json())

    assert "over-max-cost" in browser.get(f"/runs/{LIVE}").text
    assert browser.get(f"/api/v1/runs/{LIVE}/live").json()["state"] == "refused"


def test_a_try_shows_its_requests_as_they_arrive(store):
    running(store, progress(1), plan=live_plan(tried=True))
    browser = client(store, "viewer")
    assert f"/runs/{LIVE}/exchanges" in browser.get(f"/runs/{LIVE}").text
    store.put(run_key(LIVE, "start.json"), Start(at=NOW, attempts={"local-1": "a"}).to_json())
    one = Exchange(why="tried", label=HOSTILE, ok=False, status=500, response=Content(text='{"ok":0}', bytes=8))
    for number in (1, 2):
        kept = Exchanges(run_id=LIVE, worker="local-1", exchanges=(one,) * number)
        store.put(worker_key(LIVE, "local-1", "a", evidence_file_name(number)), document(kept))

    first = parsed(browser.get(f"/runs/{LIVE}/exchanges").content)
    assert [len(first.xpath("//details")), HOSTILE in first.text_content()] == [3, True]
    assert first.xpath("//*[@hx-trigger='load delay:1s']/@hx-get") == [f"/runs/{LIVE}/exchanges?after=2"]
    assert not parsed(browser.get(f"/runs/{LIVE}/exchanges?after=2").content).xpath("//details")
    assert browser.get("/runs/other/exchanges").status_code == 404


def test_a_requested_run_whose_coordinator_ended_says_why(store):
    store.put(f"requests/{LIVE}.json", request_of(LIVE, at=NOW - 30).to_json())
    browser = client(store, starter=Started(ended="no such image"))

    assert browser.get(f"/api/v1/runs/{LIVE}/live").json()["state"] == "refused"
    assert "no such image" in browser.get(f"/runs/{LIVE}").text


def test_a_running_run_shows_its_figures_without_script(store):
    running(store, progress(90))

    page = parsed(client(store).get(f"/runs/{LIVE}").content)

    shown = {one.get("data-at"): one.text for one in page.xpath("//section[contains(@class, 'now')]//*[@data-at]")}
    assert shown["figures.samples"] == "9,000"
    assert shown["elapsed_s"] == "1 min 30 s"
    assert page.xpath("//tr/@data-name") == ["madrid", "sevilla", "madrid", "sevilla", "checkout", "cart", "search"]
    assert page.xpath("//noscript/meta/@http-equiv") == ["refresh"]


def test_a_running_run_shows_what_its_scripts_measure(store):
    running(store, replace(progress(90), metrics=(MetricNow(name=HOSTILE, kind="check", now="98 %", failures=2),)))

    page = parsed(client(store).get(f"/runs/{LIVE}").content)

    cells = page.xpath("//table[@data-rows='metrics']/tbody/tr/*")
    assert [cell.text_content() for cell in cells][1:] == ["check", "98 %", "0", "2"]


@pytest.mark.parametrize(("old_s", "command"), [(0, None), (100, "toril watch"), (10_000, "toril report")])
def test_a_run_without_owner_shows_the_command_that_continues_it(store, old_s, command):
    plan = live_plan(on="fargate")
    running(store, progress(90, at=NOW - old_s), plan=plan, renewed_at=NOW - old_s)
    launch = Launch(at=NOW - old_s, deadline=NOW - old_s + 5000, attempts={})
    store.put(run_key(LIVE, "launch.json"), launch.to_json())

    text = client(store).get(f"/runs/{LIVE}").text

    assert {one for one in ("toril watch", "toril report") if one in text} == ({command} if command else set())


def test_an_operator_judges_a_run_whose_owner_is_gone(tmp_path):
    store, run_id = copied("complete", tmp_path)
    for name in ("verdict.json", "summary.json"):
        (tmp_path / run_key(run_id, name)).unlink()
    browser = client(store, "operator")
    (form,) = parsed(browser.get(f"/runs/{run_id}").content).xpath("//main//form[contains(@action, '/judge')]")

    browser.post(form.get("action"))

    assert store.find(run_key(run_id, "verdict.json"), 0) is not None


def test_the_stop_of_a_run_on_fargate_states_what_it_saves(store):
    running(store, progress(90), plan=fargate_plan())

    page = parsed(client(store).get(f"/runs/{LIVE}").content)

    assert page.xpath("//dialog//span[@data-left]")[0].text.startswith(", saves ")


def test_a_person_stops_a_run(store):
    running(store, progress(90))

    answer = client(store, "operator").post(f"/runs/{LIVE}/stop")

    assert (answer.status_code, answer.headers["location"]) == (303, f"/runs/{LIVE}")
    page = parsed(client(store, "operator").get(f"/runs/{LIVE}").content)  # before the owner has read it
    bar = page.get_element_by_id("control").text_content()
    assert ("last results in about 4 seconds" in bar, "Ada" in bar, "Stop…" in bar) == (True, True, False)
    assert page.xpath("//title")[0].text == "◐ stopping · shop · toril"
    found = find_record(store, Stop, run_key(LIVE, "stop.json"))
    assert found is not None
    assert (found.cause, "Ada" in found.message) == ("user", True)


@pytest.mark.parametrize(("large", "rps", "step"), [("x2.1", 210, "100/s to 210/s"), ("9", 9, "100/s to 9/s")])
def test_a_rate_beyond_twice_or_below_a_tenth_needs_an_answer(store, large, rps, step):
    running(store, progress(90))
    store.put(run_key(LIVE, "start.json"), Start(at=NOW - 90, attempts={}).to_json())
    store.time = lambda: (NOW, 0.0)
    browser, typed = client(store, "operator"), {"execution": "buy", "typed": large}

    asked = browser.post(f"/runs/{LIVE}/rate", data=typed)
    by_api = browser.post(f"/api/v1/runs/{LIVE}/rates", json={"rate": large, "sure": False})
    before = find_record(store, Rate, rate_key(LIVE, 1))
    (form,) = parsed(asked.content).xpath("//form[@class='sure']")
    browser.post(form.get("action"), data=dict(form.form_values()))

    assert (asked.status_code, by_api.json()["code"], before) == (422, "large-step", None)
    assert parsed(asked.content).xpath("//input[@name='typed']/@value")[0] == large
    assert step in form.text_content()
    assert get_record(store, Rate, rate_key(LIVE, 1)).rps == rps


@pytest.mark.parametrize("rate", ["x2", "10"])
def test_twice_the_rate_and_a_tenth_of_it_are_set_at_once(store, rate):
    running(store, progress(90))
    store.put(run_key(LIVE, "start.json"), Start(at=NOW - 90, attempts={}).to_json())
    store.time = lambda: (NOW, 0.0)

    answer = client(store, "operator").post(
        f"/runs/{LIVE}/rate", data={"execution": "buy", "rate": rate}, headers={"hx-request": "true"}
    )

    rps = get_record(store, Rate, rate_key(LIVE, 1)).rps
    bar = parsed(answer.content).get_element_by_id("control")
    assert f"100/s → {rps:g}/s at 1:31 (14:13:21 UTC) by Ada" in answer.text
    assert bar.xpath("//*[@data-at='rates.0.rps']")[0].text == f"{rps:g}/s"  # before the coordinator has read it
    assert json.loads(bar.get("data-control"))["marks"] == [{"at": 91.0, "text": f"{rps:g}/s by Ada"}]


def test_one_bar_changes_the_rate_of_each_execution(store):
    plan = live_plan()
    executions = (plan.executions[0], plan.executions[0].model_copy(update={"name": "look"}))
    rates = tuple(RateNow(execution=name, rps=rps, achieved_rps=rps - 1) for name, rps in (("buy", 100), ("look", 40)))
    running(store, progress(90, rates=rates), plan=plan.model_copy(update={"executions": executions}))
    store.put(run_key(LIVE, "start.json"), Start(at=NOW - 90, attempts={}).to_json())
    store.time = lambda: (NOW, 0.0)

    answer = client(store, "operator").post(
        f"/runs/{LIVE}/rate", data={"execution": "look", "rate": "x2"}, headers={"hx-request": "true"}
    )

    bar = parsed(answer.content).get_element_by_id("control")
    assert bar.xpath(".//select[@name='execution']/option/text()") == ["buy", "look"]
    assert bar.xpath(".//option[@selected]/text()") == ["look"]
    shown = [one.text_content().split("·")[0].strip() for one in bar.xpath(".//*[@data-for='look'][not(@hidden)]")]
    assert "planned 200/s" in shown[0]
    assert get_record(store, Rate, rate_key(LIVE, 1)).execution == "look"


def test_a_viewer_and_a_run_with_users_have_no_rates_to_set(store):
    running(store, progress(90, rates=(), planned_users=12))
    roles: tuple[tuple[Role, int], ...] = (("viewer", 0), ("operator", 1))
    for role, controls in roles:
        bar = parsed(client(store, role).get(f"/runs/{LIVE}").content).get_element_by_id("control")
        assert "planned 12 users" in " ".join(bar.text_content().split())
        assert len(bar.xpath(".//a | .//button")) == controls


def test_the_workers_of_a_location_are_shown_by_state(store):
    here = LocationNow(
        location="eu-west-1", workers_planned=8, workers_over=1, workers_running=4, workers_starting=1, workers_lost=2
    )
    running(store, progress(0, locations=(here,)))
    (row,) = parsed(client(store).get(f"/runs/{LIVE}").content).xpath("//table[contains(@class, 'tasks')]/tbody/tr")
    bars = {bar.get("class"): (int(bar.get("x")), int(bar.get("width"))) for bar in row.xpath(".//rect")}
    assert bars == {"over": (0, 1), "running": (1, 4), "waiting": (5, 0), "starting": (5, 1), "lost": (6, 2)}
    words = [" ".join(one.text_content().split()) for one in row.xpath("./td[2]/span[not(@hidden)]")]
    assert words == ["1 ended", "4 running", "1 starting", "2 lost"]


def test_a_paused_load_resumes_with_the_rate_before(store):
    running(store, progress(90))
    store.put(run_key(LIVE, "start.json"), Start(at=NOW - 90, attempts={}).to_json())
    clock = [NOW]
    store.time = lambda: (clock[0], 0.0)
    browser, rates = client(store, "operator"), []

    for rate in ("+10%", "pause", "resume"):
        page = parsed(browser.get(f"/runs/{LIVE}").content)
        rates += page.xpath("//button[@name='rate'][@data-for]/@value")
        browser.post(f"/runs/{LIVE}/rate", data={"execution": "buy", "rate": rate})
        clock[0] += 2

    assert rates == ["pause", "pause", "resume"]
    assert [one.rps for one in next_rates(store, LIVE, 0)] == [110, 0, 110]


def test_a_try_begins_with_its_requests_and_leads_to_the_start_of_the_load(store):
    run_id = stored(store, replace(examples.passed(), evidence=exchanges.failed().evidence), tried=True)
    store.put(f"requests/{run_id}.json", request_of(run_id).to_json())
    text = b"{execution: {scenario: a, concurrency: 10, hold-for: 1m}, scenarios: {a: {requests: ['http://shop/']}}}"
    save(store, "shop", {"suite.yml": text}, by="", comment="", at=0, expected=0)

    page = parsed(client(store, "operator").get(f"/runs/{run_id}").content)

    (start,) = page.xpath("//a[@class='button primary']")
    assert start.get("href") == "/suites/shop/start"
    assert start.text_content() == "Start the load: 10 users, 1 min, 1 worker on this machine"
    assert page.xpath("//main//h2/text()")[0].strip() == "Requests and responses"
    assert page.xpath("//details[contains(@class, 'exchange')]//pre[@aria-label='Response']")
    assert json.loads(page.get_element_by_id("data").text)["course"] == []


def test_a_refusal_of_a_signed_in_person_offers_no_sign_in(store, run_id):
    refused = client(store, "viewer").post(f"/runs/{run_id}/stop")

    assert refused.status_code == 403
    assert "/login" not in refused.text
    assert parsed(refused.content).xpath("//nav//a[@href='/runs']")


def test_a_refused_rate_stays_in_its_field(store):
    running(store, progress(90))

    answer = client(store, "operator").post(f"/runs/{LIVE}/rate", data={"execution": "buy", "rate": "fast"})

    assert answer.status_code == 422
    (field,) = parsed(answer.content).xpath("//input[@name='typed']")
    assert (field.get("value"), field.get("aria-invalid")) == ("fast", "true")
    assert "`" not in parsed(answer.content).get_element_by_id("rate-error").text_content()


def test_a_refused_rate_of_a_run_whose_owner_is_gone_shows_no_live_page(store):
    running(store, progress(90, at=NOW - 600), renewed_at=NOW - 600)

    answer = client(store, "operator").post(f"/runs/{LIVE}/rate", data={"execution": "buy", "rate": "5"})

    assert (answer.status_code, "run-over" in answer.text, 'id="control"' in answer.text) == (422, True, False)


def test_a_console_without_an_issuer_says_how_to_sign_in(store):
    answer = client(store, identity=Known("admin", away=True)).get("/runs")
    assert (answer.status_code, "<code>toril console</code>" in answer.text) == (401, True)


# ── what people do afterwards


def test_a_note_says_who_wrote_it(store, run_id):
    browser = client(store, "operator")

    assert browser.post(f"/runs/{run_id}/notes", data={"note": "the cache was cold"}).status_code == 303
    assert browser.post(f"/runs/{run_id}/notes", data={"note": "  "}).status_code == 422
    assert [(one.by, one.text) for one in notes_of(store, run_id)] == [("Ada", "the cache was cold")]
    assert "the cache was cold" in browser.get(f"/runs/{run_id}/notes").text


def test_a_run_of_a_command_runs_again_with_its_own_files(store):
    files = {"suite.yml": hashlib.sha256(SUITE).hexdigest()}
    run_id = stored(store, examples.passed(), files=files, tags={"ticket": "7"})
    store.put(run_key(run_id, "suite", "suite.yml"), SUITE)
    started = Started()
    browser = client(store, "operator", starter=started)

    assert f"/runs/{run_id}/rerun" in browser.get(f"/runs/{run_id}").text
    assert browser.get(f"/runs/{run_id}/rerun").status_code == 200
    assert suite_names(store) == []
    for _ in range(2):
        browser.post(f"/runs/{run_id}/rerun")

    assert [(one.suite, one.version, one.tags["ticket"]) for one in started.requests] == [("shop", 1, "7")] * 2
    assert read(store, "shop")[1] == {"suite.yml": SUITE}


def test_an_operator_continues_a_run_without_owner(store):
    running(store, progress(90, at=NOW - 100), plan=live_plan(on="fargate"), renewed_at=NOW - 100)
    store.put(run_key(LIVE, "launch.json"), Launch(at=NOW - 100, deadline=NOW + 5000, attempts={}).to_json())
    started = Started()

    page = parsed(client(store, "viewer").get(f"/runs/{LIVE}").content)
    assert not page.xpath("//form[contains(@action, 'take-over')]")
    assert client(store, "operator", starter=started).post(f"/runs/{LIVE}/take-over").status_code == 303
    assert started.taken_over == [LIVE]
    running(store, progress(90))
    assert client(store, "operator", starter=started).post(f"/runs/{LIVE}/take-over").status_code == 422


def test_a_viewer_sees_no_forms_of_changes(store, run_id):
    running(store, progress(90))
    browser = client(store, "viewer")

    for path in (run_id, LIVE, f"{run_id}/notes"):
        assert not parsed(browser.get(f"/runs/{path}").content).xpath("//form[@method='post']")


# ── files


def test_a_file_is_an_attachment_and_never_a_page(store, run_id):
    store.put(run_key(run_id, "workers/w/a/evil.html"), b"<script>alert(1)</script>")

    answer = client(store).get(f"/runs/{run_id}/files/workers/w/a/evil.html")

    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_several_files_are_one_zip(store, run_id):
    browser = client(store, "viewer")

    def names(query):
        answer = browser.get(f"/runs/{run_id}/files.zip?{query}")
        return set(zipfile.ZipFile(io.BytesIO(answer.content)).namelist())

    assert names("file=plan.json&file=verdict.json&file=../x") == {f"{run_id}/plan.json", f"{run_id}/verdict.json"}
    assert names("q=VERDICT") == {f"{run_id}/verdict.json"}
    assert names("") == {key.removeprefix("runs/") for key in store.keys(run_key(run_id) + "/")}
    assert "plan.json" not in browser.get(f"/runs/{run_id}/files?q=VERDICT").text
    store.put(run_key(run_id, "large.bin"), b"x" * (web.MOST_THROUGH + 1))
    assert client(store, presign=str).get(f"/runs/{run_id}/files.zip").status_code == 422


def test_the_intervals_of_a_worker_are_one_line_and_one_choice(store, run_id):
    for number in range(3):
        store.put(run_key(run_id, f"workers/w/a/intervals-{number:06}"), b"1")
    browser, series = client(store, "viewer"), "workers/w/a/intervals-"
    page = parsed(browser.get(f"/runs/{run_id}/files?q={series}").content)
    assert page.xpath("//input[@name='file']/@value") == [series]
    assert len(page.xpath("//details//a[@download]/@href[contains(., '/workers/')]")) == 3
    packed = zipfile.ZipFile(io.BytesIO(browser.get(f"/runs/{run_id}/files.zip?file={series}").content))
    assert packed.namelist() == [f"{run_id}/{series}{number:06}" for number in range(3)]


def test_a_large_file_comes_from_the_bucket(store, run_id):
    store.put(run_key(run_id, "large.bin"), b"x" * (web.MOST_THROUGH + 1))

    answer = client(store, presign=lambda key: f"https://bucket.test/{key}").get(f"/runs/{run_id}/files/large.bin")

    assert (answer.status_code, answer.headers["location"]) == (303, f"https://bucket.test/runs/{run_id}/large.bin")


def test_a_made_file_that_is_too_large_for_an_answer_comes_from_the_bucket(store):
    data = random.Random(1).randbytes(web.MOST_THROUGH)  # which no zip makes smaller
    save(store, "shop", {"suite.yml": b"execution: []", "feed.bin": data}, by="ada", comment="", at=0.0, expected=None)

    answer = client(store, presign=lambda key: f"https://bucket.test/{key}").get("/suites/shop/download")

    key = answer.headers["location"].removeprefix("https://bucket.test/")
    assert (answer.status_code, key.rpartition("/")[2]) == (303, "shop-1.zip")
    with zipfile.ZipFile(io.BytesIO(store.get(key))) as archive:
        assert archive.read("shop/feed.bin") == data


@pytest.mark.parametrize(
    "path",
    [
        "%2e%2e/secret",
        "..%2fsecret",
        "workers/..%2f..%2f..%2fsecret",
        "a%00b",
        "a%5cb",
        "//plan.json",
        "missing.json",
        "",
    ],
)
def test_no_path_leaves_the_folder_of_the_run(store, run_id, path):
    store.put("secret", b"secret")

    assert client(store).get(f"/runs/{run_id}/files/{path}").status_code == 404


@pytest.mark.parametrize(
    ("path", "run_id"),
    by_day(
        product(
            ["", "/files", "/suite", "/notes", "/report", "/files/plan.json"],
            ["%2e%2e", "..%2fother", "-x", "a%00", "%3Cimg%3E", "nothing", "x" * 200],
        ),
        each=5,  # each path, and each id
    ),
)
def test_an_impossible_run_is_not_found(store, run_id, path):
    assert client(store).get(f"/runs/{run_id}{path}").status_code == 404


def test_the_end_of_a_log_is_shown_as_text_without_credentials(store, run_id):
    log = "workers/eu-west-1-1/a/bzt.log"
    store.put(
        run_key(run_id, log), b"first\n" + b"x" * run_files.MOST_SHOWN + b"\n<b>last</b> https://joe:hunter2@shop/"
    )

    page = parsed(client(store).get(f"/runs/{run_id}/files?log={log}").content)

    (shown,) = page.xpath("//pre")
    assert shown.text.endswith("<b>last</b> https://***@shop/")
    assert "first" not in shown.text


def test_the_suite_is_shown_as_it_was_run(store, run_id):
    plan = judged(store, run_id, NOW).plan.model_copy(update={"files": {"suite.yml": "0", "users.csv": "1"}})
    store.put(run_key(run_id, "plan.json"), plan.to_json())
    store.put(run_key(run_id, "suite/suite.yml"), b"a: <b>")
    store.put(run_key(run_id, "suite/users.csv"), b"joe")
    browser = client(store)

    shown = [
        parsed(browser.get(f"/runs/{run_id}/suite{query}").content).xpath("//pre")[0].text
        for query in ("", "?file=users.csv")
    ]

    assert shown == ["a: <b>", "joe"]
    assert browser.get(f"/runs/{run_id}/suite?file=../plan.json").status_code == 404


# ── hostile texts


def test_hostile_texts_stay_texts(store):
    bundle = examples.hostile()
    over = stored(store, bundle, run_id="20261124T150405Z-x-0001")
    store.put(run_key(over, f"workers/{examples.HOSTILE[:9]}/bzt.log".replace("/script>", "")), b"x")
    figures = FiguresNow(samples=1)
    running(
        store, replace(progress(30, label=HOSTILE), labels=(LabelNow(label=HOSTILE, figures=figures),), stop=HOSTILE)
    )
    browser = client(store)
    browser.post(f"/runs/{over}/notes", data={"note": HOSTILE})
    own = {"/static/"}

    for path in (
        f"/runs/{over}",
        f"/runs/{over}/files",
        f"/runs/{over}/notes",
        f"/runs/{LIVE}",
        f"/compare?run={HOSTILE}",
    ):
        answer = browser.get(path)
        page = parsed(answer.content)
        assert answer.status_code == 200
        assert not page.xpath("//*[@onerror or @onclick or @style]")
        assert all(src[:8] in own for src in page.xpath("//script/@src | //img/@src"))
        assert not page.xpath("//script[not(@src) and not(@type='application/json')]")
