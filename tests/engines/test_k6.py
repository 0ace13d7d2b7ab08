"""k6 under a real worker, by a stand-in with its arguments, API and CSV: samples match the responses."""

import json

import pytest

from tests.engines.contract import K6_SCRIPT, k6_plan, k6_script
from tests.targets import target
from tests.worker.driver import outcome, workers
from toril.records import Keeping, Segment

pytestmark = pytest.mark.live


def test_every_request_is_a_sample_with_its_code_error_and_microseconds(tmp_path):
    urls = '["/home", "/status/404", "/status/503", "/drop"]'
    with target(delay_s=0.02) as service:
        plan = k6_plan(tmp_path, service.url, concurrency=3, iterations=4)
        plan = plan.model_copy(update={"keeping": Keeping(failures=2)})
        with workers(plan, tmp_path, k6_script(urls)) as run:
            found = run.go()
            kept = [one for one in run.exchanges() if one.why == "failure"]
    assert found.exits[0].outcome == "finished", run.log()
    assert {label: found.total(label).samples for label in found.timeline.labels() if label} == dict.fromkeys(
        ["/home", "/status/404", "/status/503", "/drop"], 12
    )
    assert found.total().samples == found.samples == service.answered + 12 == 48
    assert found.rcs("/status/503") == {"503": 12}
    assert set(found.total("/status/404").errors) == {("status 404", "404")}
    ((message, rc),) = found.total("/drop").errors
    assert message.startswith("dial:")
    assert rc == "1212"
    home = found.total("/home")
    assert (home.failures, home.ttfb_count, home.connect_count) == (0, 12, 12)
    assert home.min_us >= 20_000
    assert home.min_us % 1000 or home.max_us % 1000 or home.sum_us % 1000
    assert found.timeline.resolution_us == {"shop": 1}
    assert found.exits[0].unreadable_records == 0
    urls_of = {path: f"{service.url}{path}" for path in ("/status/404", "/status/503", "/drop")}
    assert sorted((one.label, one.method, one.url) for one in kept) == sorted(
        (path, "GET", url) for path, url in urls_of.items() for _ in range(2)
    )
    assert {one.label: one.status for one in kept} == {"/status/404": 404, "/status/503": 503, "/drop": None}
    assert {one.error for one in kept if one.label == "/drop"} == {message}
    assert all(one.notes for one in kept)  # they say that there are no bodies


def test_a_script_measures_values_and_checks_and_tags_its_requests(tmp_path):
    values = [["trend", "items", 2.5], ["trend", "items", "NaN"], ["counter", "undeclared", 2]]
    first = {"urls": ["/home"], "vus": 2, "iterations": 6, "sleep_s": 0.1, "checks": {"has total": False}}
    first |= {"metrics": values, "group": "buy", "tags": {"tenant": "big"}}
    script = {"load.js": f'// {json.dumps(first)}\nconst items = new Trend("items")\n'}
    with target() as service:
        plan = k6_plan(tmp_path, service.url, segments=[Segment(own="0:1", whole="0,1")], tags=("tenant",))
        found = outcome(plan, tmp_path, script)
    assert found.samples == found.total().samples == found.total("/home{tenant=big}").samples == service.answered == 6
    assert found.total("items", kind="trend").sum_us == 6 * 2500
    assert found.total("undeclared", kind="counter").samples == 6  # k6 itself has told its kind
    assert found.total("buy", kind="transaction").samples == 6
    check = found.total("has total", kind="check")
    assert (check.samples, check.failures) == (6, 6)
    assert sum(one.unreadable for one in found.intervals) == 6


@pytest.mark.parametrize("crossed", [{"crossed": "checks"}, {}])
def test_requests_that_k6s_own_end_cuts_off_are_unfinished(crossed, tmp_path):
    first = {"urls": ["/delay/5"], "vus": 3, "iterations": 3, "aborts_after_s": 1.5, **crossed}
    with target() as service:
        plan = k6_plan(tmp_path, service.url, segments=[Segment(own="0:1", whole="0,1")])
        found = outcome(plan, tmp_path, {"load.js": f"// {json.dumps(first)}\n"})
    assert (found.samples, found.unfinished) == (0, 3)


def test_iterations_that_raise_are_errors_of_the_script(tmp_path):
    raising = {"load.js": k6_script()["load.js"].replace('{"', '{"raises": "TypeError: no token", "', 1)}
    with target() as service:
        plan = k6_plan(tmp_path, service.url, concurrency=2, iterations=3)
        found = outcome(plan, tmp_path, raising)
    assert found.exits[0].executions["shop"].script_errors == {"default: exception": 6}
    assert (found.samples, found.total().failures) == (6, 0)


def test_load_begins_at_the_gate_and_lasts_as_long_as_planned_after_its_ramp_up(tmp_path):
    with target(delay_s=0.02) as service:
        plan = k6_plan(tmp_path, service.url, concurrency=4, ramp_up_s=1.0, hold_for_s=2.0)
        with workers(plan, tmp_path, k6_script()) as run:
            run.launch()
            run.wait_ready()
            assert service.started == 0
            run.start()
            run.wait()
            found = run.outcome()
    assert service.first_at is not None
    assert run.start_at <= service.first_at
    assert found.samples == service.answered > 0
    assert found.exits[0].last_sample_s is not None
    assert 2.5 < found.exits[0].last_sample_s < 3.5  # if the ramp-up shortened the hold, it would end after 2 s
    assert found.unfinished == 0


@pytest.mark.nightly
def test_the_scripts_own_load_is_divided_by_segments_and_nothing_of_it_is_lost(tmp_path):
    whole = "0,1/6,1/2,1"
    segments = [Segment(own=own, whole=whole) for own in ("0:1/6", "1/6:1/2", "1/2:1")]
    with target() as service:
        plan = k6_plan(tmp_path, service.url, workers=3, segments=segments)
        found = outcome(plan, tmp_path, k6_script(vus=6, iterations=60))
    assert [one.samples for one in found.exits] == [10, 20, 30]
    assert found.samples == service.answered == 60


@pytest.mark.parametrize(("aborts", "named"), [(False, ["vus"]), (True, ["checks", "vus"])])
def test_crossed_thresholds_that_are_no_criteria_are_the_scripts_own_verdict(aborts, named, tmp_path):
    first = {"urls": ["/home"], "vus": 2, "iterations": 4, "crossed": "checks, vus", "aborts": aborts}
    with target() as service:
        plan = k6_plan(tmp_path, service.url, segments=[Segment(own="0:1", whole="0,1")])
        limits = "const options = { thresholds: { checks: 'rate>0.9', vus: 'value<9' } };"
        found = outcome(plan, tmp_path, {"load.js": f"// {json.dumps(first)}\n{limits}\n"})
    assert (found.exits[0].outcome, found.samples) == ("finished", 4)
    report = found.exits[0].executions["shop"]
    assert [name for name in ("checks", "vus") if name in report.script_failed] == named


def test_iterations_without_time_to_begin_count_as_unfinished_users_not_as_dropped_sends(tmp_path):
    with target(delay_s=0.3) as service:
        plan = k6_plan(tmp_path, service.url, concurrency=2, iterations=10, hold_for_s=1.0)
        found = outcome(plan, tmp_path, k6_script())
    report = found.exits[0].executions["shop"]
    assert (report.unfinished_users, report.dropped) == (2, None)
    assert report.samples == service.answered < 10


@pytest.mark.nightly
def test_a_user_that_begins_with_a_pause_is_not_late(tmp_path):
    first = {"urls": ["/delay/2"], "vus": 1, "iterations": 1}
    with target() as service:
        plan = k6_plan(tmp_path, service.url, segments=[Segment(own="0:1", whole="0,1")])
        found = outcome(plan, tmp_path, {"load.js": f"// {json.dumps(first)}\n"})
    assert found.exits[0].first_sample_lateness_s["shop"] < 0.8


def test_a_missing_program_is_an_error_with_the_fix(tmp_path):
    plan = k6_plan(tmp_path, "http://127.0.0.1:9", iterations=1)
    (tmp_path / "k6").unlink()
    with workers(plan, tmp_path, k6_script()) as run:
        run.launch()
        assert run.wait() == [4]
        assert "AGPL" in run.exit().message
        assert "modules.k6.path" in run.exit().message


@pytest.mark.parametrize(
    ("text", "cmdline", "why"),
    [
        ("no script\n", "", "exit code 107"),
        (K6_SCRIPT.format(urls="[]", vus=1, iterations=1), "--no-such-option", "104"),
    ],
)
def test_an_error_of_k6_fails_the_worker_with_k6s_own_message(tmp_path, text, cmdline, why):
    plan = k6_plan(tmp_path, "http://127.0.0.1:9", iterations=1, cmdline=cmdline)
    with workers(plan, tmp_path, {"load.js": text}) as run:
        run.launch()
        assert run.wait() == [4]
        assert why in run.exit().message
