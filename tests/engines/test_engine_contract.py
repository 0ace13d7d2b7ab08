"""What every engine does alike: each response is a sample, nothing is repeated, and failures are failures."""

import os
import signal
from typing import Any

import psutil
import pytest

from tests.engines.contract import BY_SCHEDULE, ENGINES, load, loading
from tests.targets import target
from tests.wicked import (
    answering,
    babbling,
    breaking_off,
    closing,
    hanging_up,
    in_turn,
    refusing,
    resetting,
    retiring,
    wicked,
)
from tests.worker.driver import engines_of, left_over, outcome, plan_of, planned, wait_until, workers
from toril.programs import gatling_home
from toril.records import Keeping
from toril.verdict.findings.load import IDLE_CLOSED

pytestmark = pytest.mark.live

GATLING = pytest.param(
    "gatling",
    marks=[
        pytest.mark.nightly,
        pytest.mark.skipif(not gatling_home().is_dir(), reason="`make gatling` has not assembled Gatling"),
    ],
)
AT_NIGHT = {"HttpUser", "apiritif", "vegeta", "jmeter"}  # three twins, and one that starts slowly
OTHERS = [
    pytest.param(one, marks=pytest.mark.nightly) if one in AT_NIGHT else one for one in ENGINES if one != "gatling"
]
each_engine = pytest.mark.parametrize("engine", [*OTHERS, GATLING])
each_engine_and_k6 = pytest.mark.parametrize(
    "engine", [*OTHERS, GATLING, pytest.param("k6", marks=pytest.mark.nightly)]
)


@each_engine
def test_requests_in_flight_at_the_planned_end_are_finished(engine, tmp_path):
    with target(delay_s=0.4) as service:
        found = load(engine, tmp_path, service.url, users=4, seconds=1.5)
    assert found.exits[0].outcome == "finished"
    assert found.samples == found.total(kind="request").samples == service.answered == service.started > 0
    assert found.unfinished == found.total().failures == 0


@each_engine_and_k6
def test_requests_beyond_the_graceful_stop_are_unfinished_not_failed(engine, tmp_path):
    with target() as service:
        paths = {"quick": "/", "slow": "/delay/30"}
        found = load(engine, tmp_path, service.url, paths, users=2, seconds=1.5, graceful_stop_s=0.5)
        assert found.total().failures == 0
        assert found.samples == service.answered >= 2
        assert found.unfinished == service.started - service.answered >= 2
    assert found.exits[0].outcome == "finished"
    (label,) = found.timeline.unfinished_labels()
    assert label == ("" if engine in ("gatling", "k6") else f"{service.url}/delay/30" if "script" in engine else "slow")
    ((_, waits),) = found.timeline.waits(label)
    assert waits.total() == found.unfinished
    assert all(engine == "k6" or 500_000 <= waited_us < 20_000_000 for waited_us in waits)  # k6 tells no wait


@each_engine_and_k6
def test_a_signal_lets_requests_finish_and_leaves_the_rest_unfinished_not_failed(engine, tmp_path):
    with target() as service:
        paths = {"short": "/delay/0.3", "long": "/delay/20"}
        with loading(engine, tmp_path, service.url, paths, users=3, seconds=60, think_s=0.1) as run:
            run.launch()
            run.wait_ready()
            assert service.started == 0
            run.start()
            wait_until(lambda: service.started >= 6 and service.answered >= 3, run)
            engines = engines_of(run)
            run.processes[0].terminate()
            assert run.wait() == [0]
            found = run.outcome()
    assert left_over(engines) == []
    assert (found.exits[0].outcome, found.exits[0].engines_killed) == ("stopped", 0)
    assert found.total().failures == 0
    assert 3 <= found.samples <= service.answered <= found.samples + found.unfinished
    assert found.unfinished >= 1
    assert service.first_at is not None
    assert service.first_at >= run.start_at - 0.001


@each_engine
def test_a_killed_engine_fails_its_worker_and_loses_only_requests_in_flight(engine, tmp_path):
    with target() as service, loading(engine, tmp_path, service.url, users=2, seconds=30, think_s=0.05) as run:
        run.launch()
        run.wait_ready()
        run.start()
        wait_until(lambda: run.recorded() > 5, run)
        recorded = run.recorded()
        (leader,) = psutil.Process(run.processes[0].pid).children()
        os.killpg(leader.pid, signal.SIGKILL)
        assert run.wait() == [4]
        found = run.outcome()
    assert found.exits[0].outcome == "failed"
    assert "was killed by SIGKILL (probably for lack of memory" in found.exits[0].message
    assert recorded <= found.samples <= service.answered


REFUSED = {"locust": "ConnectionRefusedError", "jmeter": "HttpHostConnectException", "gatling": "ConnectException"}


@each_engine
def test_requests_to_a_service_that_is_down_fail_with_the_reason(engine, tmp_path):
    found = load(engine, tmp_path, "http://127.0.0.1:9", users=1, iterations=3)
    assert found.exits[0].outcome == "finished"
    assert found.total().samples == found.total().failures == (20 if engine in BY_SCHEDULE else 3)
    ((message, rc),) = found.total().errors
    assert "refused" in message
    assert rc == REFUSED.get(engine, rc)
    assert not rc.isdigit()


DAMAGED = [
    ("locust", "locustfile.py", "import no_such_module\n", "no_such_module"),
    pytest.param("apiritif", "test_own.py", "import no_such_module\n", "no_such_module", marks=pytest.mark.nightly),
    pytest.param("jmeter", "shop.jmx", "<jmeterTestPlan><no", "shop.jmx", marks=pytest.mark.nightly),
    pytest.param("gatling", "Bad.scala", "class Bad extends Simulation { no }\n", "compiled", marks=GATLING.marks),
]


@pytest.mark.parametrize(("engine", "name", "script", "reason"), DAMAGED)
def test_a_script_that_does_not_load_fails_the_worker_before_it_is_ready(engine, name, script, reason, tmp_path):
    plan = plan_of([planned(engine, "own", concurrency=1, hold_for_s=1.0)], {"own": {"script": name}})
    with workers(plan, tmp_path, {name: script}) as run:
        run.launch()
        assert run.wait() == [4]
        assert run.exit().outcome == "failed"
        assert reason in run.exit().message
        assert run.store.find(run.key(0, "ready.json")) is None


SHARED: list[dict[str, Any]] = [
    {"url": "/", "label": "home"},
    {"url": "/status/404", "label": "missing"},
    {"url": "/", "label": 'wrong, "body"', "assert": ["no such text"]},
]
MOVED = {"url": "/redirect/2", "label": "moved"}  # Gatling's log has a row for each hop
WANTED = {"url": "/status/404", "label": "wanted", "assert": [{"contains": ["404"], "subject": "http-code"}]}
BOTH = {"transaction": "both", "do": [{"url": "/a", "label": "first"}, {"url": "/b"}]}
INCLUDED = {"include-scenario": "inner"}
GENERATED: dict[
    str, tuple[list[dict[str, Any]], tuple[str, ...]]
] = {  # engine → its further requests, and their labels
    "locust": (
        [
            WANTED,
            BOTH,
            MOVED,
            {"url": "/status/201", "method": "POST", "body": {"a": 1}, "label": "create"},
            {"url": "/redirect/2", "label": "not followed", "follow-redirects": False},
            {"url": "/", "label": "right body", "assert": [{"contains": ["all is w.ll"]}]},
        ],
        ("wanted", "first", "/b", "both", "moved", "create", "not followed", "right body"),
    ),
    "apiritif": (
        [WANTED, BOTH, MOVED, INCLUDED, {"url": "/status/500", "label": "not json", "extract-jsonpath": {"x": "$.y"}}],
        ("wanted", "first", "/b", "both", "moved", "included", "not json"),
    ),
    "toril": (
        [
            WANTED,
            BOTH,
            MOVED,
            INCLUDED,
            {"url": "/status/201", "method": "POST", "body": {"a": 1}, "label": "create"},
            {"url": "/redirect/2", "label": "not followed", "follow-redirects": False},
            {"url": "/status/500", "label": "not json", "extract-jsonpath": {"x": "$.y"}},
        ],
        ("wanted", "first", "/b", "both", "moved", "included", "create", "not followed", "not json"),
    ),
    "jmeter": ([{**BOTH, "force-parent-sample": True}, MOVED, INCLUDED], ("first", "/b", "both", "moved", "included")),
    "gatling": ([INCLUDED], ("included",)),
}
CODES = {"home": "200", "missing": "404", "moved": "200", "wanted": "404", "create": "201", "not followed": "302"}


@pytest.mark.parametrize(  # by day, JMeter and Apiritif do so in differential/
    "engine",
    ["locust", "toril", *(pytest.param(one, marks=pytest.mark.nightly) for one in ("apiritif", "jmeter")), GATLING],
)
def test_generated_requests_keep_the_suites_labels_and_the_services_codes(engine, tmp_path):
    more, labels = GENERATED[engine]
    with target() as service:
        scenarios = {
            "shop": {"default-address": service.url, "requests": [*SHARED, *more]},
            # bzt's generator for Apiritif puts the default address before absolute ones, too.
            "inner": {"requests": [{"url": "/c" if engine == "apiritif" else f"{service.url}/c", "label": "included"}]},
        }
        load = planned(engine, "shop", concurrency=2, iterations=3)
        plan = plan_of([load], scenarios, workers=2, keeping=Keeping(failures=1))
        with workers(plan, tmp_path) as run:
            found = run.go()
            kept = {(one.label, one.error) for one in run.exchanges() if one.why == "failure"}
    each = 12
    assert [one.outcome for one in found.exits] == ["finished"] * 2
    assert {label: found.total(label).samples for label in found.timeline.labels() if label} == dict.fromkeys(
        [*(request["label"] for request in SHARED), *labels], each
    )
    assert found.total().samples == found.samples == service.answered + each * ("not followed" in labels)
    assert service.hops == (2 * ("moved" in labels) + ("not followed" in labels)) * each
    for label, rc in CODES.items():
        if label in (*labels, "home", "missing"):
            assert found.rcs(label) == {rc: each}
    failing = {label for label in found.timeline.labels() if label and found.total(label).failures}
    assert failing == {"missing", 'wrong, "body"'} | ({"not json"} & {*labels})
    assert kept == {(label, message) for label in failing for message, _ in found.total(label).errors}
    if engine != "gatling":
        ((message, rc),) = found.total('wrong, "body"').errors
        assert ("no such text" in message, rc) == (True, "200")
        both = found.timeline.select("both", kind="transaction").total
        assert (both.samples, both.failures) == (each, 0)
    assert sum(service.bodies.values()) == each * ("create" in labels)
    assert all(one.executions["shop"].unfinished_users == 0 for one in found.exits)


@pytest.mark.nightly
@pytest.mark.parametrize("engine", ["locust", "apiritif", "toril"])
def test_the_pause_after_a_transaction_is_no_part_of_its_time(engine, tmp_path):
    timed = {"include-timers": True}  # the others always include them
    inner = {"transaction": "inner", **timed, "do": ["/a", {"url": "/b", "think-time": "400ms"}]}
    requests = [{"transaction": "outer", **timed, "do": [{"url": "/first", "think-time": "100ms"}, inner]}]
    with target() as service:
        scenario = {"default-address": service.url, "requests": requests}
        found = outcome(plan_of([planned(engine, "shop", concurrency=1, iterations=2)], {"shop": scenario}), tmp_path)
    longest_us = {label: found.timeline.select(label, kind="transaction").total.max_us for label in ("outer", "inner")}
    assert 100_000 <= longest_us["outer"] < 400_000
    assert longest_us["inner"] < 400_000


@each_engine
def test_no_broken_answer_makes_an_engine_repeat_a_request_or_count_it_as_a_success(engine, tmp_path):
    broken = (resetting(1), closing(1), breaking_off(), babbling())
    with wicked(in_turn(*[answering()] * 5, *broken)) as service:
        found = load(engine, tmp_path, service.url, users=2, seconds=1.5, think_s=0.02)
    assert found.samples + found.unfinished == service.asked >= 9
    if not found.unfinished:
        assert found.total().failures == sum(number % 9 >= 5 for number in range(service.asked))


@each_engine
def test_a_status_from_400_that_the_script_does_not_judge_is_a_failure(engine, tmp_path):
    with wicked(in_turn(answering(), refusing(401), refusing(503))) as service:
        found = load(engine, tmp_path, service.url, users=1, seconds=2, think_s=0.05)
    assert found.samples == service.asked >= 3
    assert found.total().failures == sum(number % 3 > 0 for number in range(service.asked))


@pytest.mark.nightly  # on a crowded machine a request can meet the end of its connection
@each_engine
def test_a_connection_that_the_service_closed_after_some_answers_is_not_used(engine, tmp_path):
    with wicked(retiring(after=3)) as service:
        found = load(engine, tmp_path, service.url, users=2, seconds=1.5, think_s=0.02)
    assert found.total().failures == 0
    assert found.samples == service.asked > 3


@each_engine
def test_a_connection_that_the_service_closed_while_it_was_idle_is_not_used(engine, tmp_path):
    with wicked(answering(), idle_s=0.5) as service:
        found = load(engine, tmp_path, service.url, users=1, seconds=4, think_s=1.0)
    assert found.total().failures == 0
    assert found.samples == service.asked >= 2


@pytest.mark.nightly
@pytest.mark.parametrize("engine", ["locust", "HttpUser", "apiritif script", "jmeter", "vegeta", "toril"])
def test_a_request_that_meets_the_end_of_an_idle_connection_has_its_own_code_and_no_successors(engine, tmp_path):
    with wicked(hanging_up(idle_s=0.3)) as service:
        found = load(engine, tmp_path, service.url, users=1, seconds=5, think_s=0.5)
    assert found.total().failed.rc.keys() == {IDLE_CLOSED}
    assert found.total().failures <= found.samples // 3  # unlearnt, every second request
    assert found.samples == service.asked
