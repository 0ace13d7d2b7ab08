"""k6 under a real worker, by a stand-in with its arguments, API and CSV: samples match the responses."""

import json
import sys
from pathlib import Path

import pytest

from tests.targets import target
from tests.worker.driver import engines_of, left_over, plan_of, planned, wait_until, workers
from toril.records import Keeping, Segment

pytestmark = pytest.mark.live

STAND_IN = Path(__file__).with_name("k6_stand_in.py")
SCRIPT = '// {{"urls": {urls}, "vus": {vus}, "iterations": {iterations}, "sleep_s": 0.01}}\n'


def program(folder: Path) -> Path:
    """Writes an executable `k6` that this Python runs."""
    path = folder / "k6"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" "$@"\n')
    path.chmod(0o755)
    return path


def k6_plan(folder, url, *, workers=1, cmdline="", segments=(), **load):
    """A plan for the stand-in; `segments` divide the script's own load."""
    settings = {"path": str(program(folder)), "cmdline": f"-e URL={url} {cmdline}"}
    plan = plan_of(
        [planned("k6", "shop", **load)],
        {"shop": {"script": "load.js"}},
        workers=workers,
        common={"modules": {"k6": settings}},
    )
    shares = []
    for share, segment in zip(plan.shares, segments or [None] * workers, strict=True):
        part = share.executions[0].model_copy(update={"segment": segment})
        shares.append(share.model_copy(update={"executions": (part,)}))
    return plan.model_copy(update={"shares": tuple(shares)})


def script(urls='["/home"]', vus=1, iterations=1):
    return {"load.js": SCRIPT.format(urls=urls, vus=vus, iterations=iterations)}


def test_every_request_is_a_sample_with_its_code_error_and_microseconds(tmp_path):
    urls = '["/home", "/status/404", "/status/503", "/drop"]'
    with target(delay_s=0.02) as service:
        plan = k6_plan(tmp_path, service.url, concurrency=3, iterations=4)
        plan = plan.model_copy(update={"keeping": Keeping(failures=2)})
        with workers(plan, tmp_path, script(urls)) as run:
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


def test_iterations_that_raise_are_errors_of_the_script(tmp_path):
    raising = {"load.js": script()["load.js"].replace('{"', '{"raises": "TypeError: no token", "', 1)}
    with target() as service:
        plan = k6_plan(tmp_path, service.url, concurrency=2, iterations=3)
        with workers(plan, tmp_path, raising) as run:
            found = run.go()
    assert found.exits[0].executions["shop"].script_errors == {"default: exception": 6}
    assert (found.samples, found.total().failures) == (6, 0)


def test_load_begins_at_the_gate_and_lasts_as_long_as_planned_after_its_ramp_up(tmp_path):
    with target(delay_s=0.02) as service:
        plan = k6_plan(tmp_path, service.url, concurrency=4, ramp_up_s=1.0, hold_for_s=2.0)
        with workers(plan, tmp_path, script()) as run:
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
        with workers(plan, tmp_path, script(vus=6, iterations=60)) as run:
            found = run.go()
    assert [one.samples for one in found.exits] == [10, 20, 30]
    assert found.samples == service.answered == 60


@pytest.mark.nightly
def test_an_early_end_interrupts_k6_and_keeps_every_recorded_response(tmp_path):
    with target() as service:
        plan = k6_plan(tmp_path, service.url, concurrency=3, hold_for_s=60.0)
        with workers(plan, tmp_path, script('["/home", "/delay/20"]')) as run:
            run.launch()
            run.wait_ready()
            run.start()
            wait_until(lambda: service.started >= 6, run)
            engines = engines_of(run)
            run.processes[0].terminate()
            assert run.wait() == [0]
            found = run.outcome()
    assert left_over(engines) == []
    assert found.exits[0].outcome == "stopped"
    assert (found.samples, found.total().failures) == (3, 0)
    assert found.unfinished == 3
    assert found.timeline.unfinished_labels() == ("",)
    assert found.exits[0].engines_killed == 0


def test_requests_beyond_the_graceful_stop_are_unfinished_and_end_with_the_load(tmp_path):
    with target() as service:
        plan = k6_plan(tmp_path, service.url, concurrency=2, hold_for_s=2.0)
        plan = plan.model_copy(update={"graceful_stop_s": 0.5})
        with workers(plan, tmp_path, script('["/delay/30"]')) as run:
            found = run.go()
    assert found.exits[0].outcome == "finished"
    assert (found.samples, found.unfinished) == (0, 2)


@pytest.mark.parametrize("aborts", [False, True])
def test_crossed_thresholds_are_the_scripts_own_verdict(aborts, tmp_path):
    first = {"urls": ["/home"], "vus": 2, "iterations": 4, "crossed": "http_req_duration", "aborts": aborts}
    with target() as service:
        plan = k6_plan(tmp_path, service.url, segments=[Segment(own="0:1", whole="0,1")])
        with workers(plan, tmp_path, {"load.js": f"// {json.dumps(first)}\n"}) as run:
            found = run.go()
    assert (found.exits[0].outcome, found.samples) == ("finished", 4)
    report = found.exits[0].executions["shop"]
    assert "http_req_duration" in report.script_failed


def test_iterations_without_time_to_begin_count_as_unfinished_users_not_as_dropped_sends(tmp_path):
    with target(delay_s=0.3) as service:
        plan = k6_plan(tmp_path, service.url, concurrency=2, iterations=10, hold_for_s=1.0)
        with workers(plan, tmp_path, script()) as run:
            found = run.go()
    report = found.exits[0].executions["shop"]
    assert (report.unfinished_users, report.dropped) == (2, None)
    assert report.samples == service.answered < 10


@pytest.mark.nightly
def test_a_user_that_begins_with_a_pause_is_not_late(tmp_path):
    first = {"urls": ["/delay/2"], "vus": 1, "iterations": 1}
    with target() as service:
        plan = k6_plan(tmp_path, service.url, segments=[Segment(own="0:1", whole="0,1")])
        with workers(plan, tmp_path, {"load.js": f"// {json.dumps(first)}\n"}) as run:
            found = run.go()
    assert found.exits[0].first_sample_lateness_s["shop"] < 0.8


def test_a_missing_program_is_an_error_with_the_fix(tmp_path):
    plan = k6_plan(tmp_path, "http://127.0.0.1:9", iterations=1)
    (tmp_path / "k6").unlink()
    with workers(plan, tmp_path, script()) as run:
        run.launch()
        assert run.wait() == [4]
        assert "AGPL" in run.exit().message
        assert "modules.k6.path" in run.exit().message


@pytest.mark.parametrize(
    ("text", "cmdline", "why"),
    [("no script\n", "", "exit code 107"), (SCRIPT.format(urls="[]", vus=1, iterations=1), "--no-such-option", "104")],
)
def test_an_error_of_k6_fails_the_worker_with_k6s_own_message(tmp_path, text, cmdline, why):
    plan = k6_plan(tmp_path, "http://127.0.0.1:9", iterations=1, cmdline=cmdline)
    with workers(plan, tmp_path, {"load.js": text}) as run:
        run.launch()
        assert run.wait() == [4]
        assert why in run.exit().message
