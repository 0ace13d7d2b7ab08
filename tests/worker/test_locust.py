"""Real Locust under real bzt against a service on loopback: what is recorded is what was answered."""

import json

import pytest

from tests.targets import target
from tests.worker.driver import plan_of, planned, workers

pytestmark = pytest.mark.slow

OWN = """
from locust import HttpUser, constant, task
from names import HOME  # a module beside the locustfile

class Visitor(HttpUser):
    wait_time = constant(0.02)

    @task
    def visit(self):
        self.client.get("/items/1", name=HOME)
        with self.client.get("/status/404", name="missing", catch_response=True) as response:
            if response.status_code == 404:
                response.success()
        with self.client.get("/items/2", name="checked", catch_response=True) as response:
            response.failure("not what we want")
        self.client.get("/status/503", name="broken")
        raise KeyError("no such thing")
"""


def generated(url, requests, **scenario):
    return {"shop": {"default-address": url, "requests": requests, **scenario}}


def test_generated_requests_keep_the_suites_labels_and_the_services_codes(tmp_path):
    requests = [
        {"url": "/", "label": "home"},
        {"url": "/status/404", "label": "missing"},
        {"url": "/status/201", "method": "POST", "body": {"a": 1}, "label": "create"},
        {"url": "/redirect/2", "label": "moved"},
        {"url": "/redirect/2", "label": "not followed", "follow-redirects": False},
        {"url": "/", "label": "wrong body", "assert": ["no such text"]},
        {"url": "/", "label": "right body", "assert": [{"contains": ["all is w.ll"]}]},
        {"url": "/status/404", "label": "wanted", "assert": [{"contains": ["404"], "subject": "http-code"}]},
        {"transaction": "both", "do": [{"url": "/a"}, {"url": "/b"}]},
    ]
    with target() as service:
        plan = plan_of([planned("locust", "shop", concurrency=3, iterations=4)], generated(service.url, requests))
        with workers(plan, tmp_path) as run:
            found = run.go()
    each = 12
    assert found.exits[0].outcome == "finished"
    labels = [
        "home",
        "missing",
        "create",
        "moved",
        "not followed",
        "wrong body",
        "right body",
        "wanted",
        "/a",
        "/b",
        "both",
    ]
    assert {label: found.total(label).samples for label in found.timeline.labels() if label} == dict.fromkeys(
        labels, each
    )
    assert found.total().samples == found.samples == 10 * each == service.answered + each  # one redirect is an answer
    assert service.hops == 3 * each
    codes = {"home": "200", "missing": "404", "create": "201", "moved": "200", "not followed": "302", "wanted": "404"}
    assert {label: dict(found.rcs(label)) for label in codes} == {label: {rc: each} for label, rc in codes.items()}
    failures = {label: found.total(label).failures for label in found.timeline.labels() if label}
    assert {label for label, count in failures.items() if count} == {"missing", "wrong body"}
    assert dict(found.total("missing").errors) == {("404 Not Found", "404"): each}
    assert service.bodies == {b"a=1": each}


def test_an_own_locustfile_keeps_its_names_and_nothing_of_it_is_lost(tmp_path):
    with target() as service:
        scenarios = {"own": {"script": "scripts/locustfile.py", "default-address": service.url}}
        plan = plan_of([planned("locust", "own", concurrency=2, iterations=5)], scenarios)
        files = {"scripts/locustfile.py": OWN, "scripts/names.py": 'HOME = "item"\n'}
        with workers(plan, tmp_path, files) as run:
            found = run.go()
    assert found.samples == found.total().samples == service.answered == 40
    assert found.total("item").failures == 0
    assert found.total("missing").failures == 0
    assert dict(found.total("checked").errors) == {("not what we want", "200"): 10}
    assert dict(found.total("broken").errors) == {("503 Service Unavailable", "503"): 10}
    raised = found.total("Visitor: exception")
    assert (raised.samples, raised.failures, dict(raised.rc)) == (10, 10, {"KeyError": 10})


def test_requests_in_flight_at_the_planned_end_are_finished(tmp_path):
    with target(delay_s=0.4) as service:
        plan = plan_of(
            [planned("locust", "shop", concurrency=4, ramp_up_s=0.5, hold_for_s=1.0)], generated(service.url, ["/"])
        )
        with workers(plan, tmp_path) as run:
            found = run.go()
    assert found.samples == service.answered == service.started > 0
    assert found.unfinished == 0
    steady = found.total(steady=True).samples
    assert 0 < steady < found.samples
    assert found.exits[0].engines_killed == 0


def test_what_graceful_stop_does_not_wait_for_is_unfinished_and_no_failure(tmp_path):
    with target() as service:
        scenarios = generated(service.url, [{"url": "/", "label": "quick"}, {"url": "/delay/3", "label": "slow"}])
        plan = plan_of([planned("locust", "shop", concurrency=3, hold_for_s=1.0)], scenarios, graceful_stop_s=0.3)
        with workers(plan, tmp_path) as run:
            found = run.go()
        assert found.total().failures == 0
        assert found.samples == 3
        assert found.unfinished == found.total("slow").unfinished == 3
        assert found.samples <= service.answered <= found.samples + found.unfinished


def test_a_service_that_is_down_is_failures_with_the_reason(tmp_path):
    plan = plan_of(
        [planned("locust", "shop", concurrency=1, iterations=3)], generated("http://127.0.0.1:9", [{"url": "/"}])
    )
    with workers(plan, tmp_path) as run:
        found = run.go()
    assert found.exits[0].outcome == "finished"
    assert found.total().samples == found.total().failures == 3
    ((message, rc),) = found.total().errors
    assert "refused" in message
    assert rc == "ConnectionRefusedError"


def test_a_script_that_does_not_load_fails_the_worker_before_it_is_ready(tmp_path):
    plan = plan_of([planned("locust", "own", concurrency=1, hold_for_s=1.0)], {"own": {"script": "locustfile.py"}})
    with workers(plan, tmp_path, {"locustfile.py": "import no_such_module\n"}) as run:
        run.launch()
        assert run.wait() == [4]
        assert run.exit().outcome == "failed"
        assert "no_such_module" in run.exit().message
        assert run.store.find(run.key(0, "ready.json")) is None


@pytest.mark.parametrize(
    ("requests", "scenario", "named"),
    [
        ([{"url": "/", "extract-regexp": {"id": "(\\d+)"}}], {}, "extract-regexp"),
        ([{"url": "/", "timeout": "1s"}], {}, "timeout"),
        (["/${id}"], {"variables": {"id": 7}}, "variables"),
        (["/${id}"], {"data-sources": ["ids.csv"]}, "data-sources"),
    ],
)
def test_what_a_generated_script_cannot_do_is_refused_and_not_left_out(tmp_path, requests, scenario, named):
    scenarios = generated("http://127.0.0.1:9", requests, **scenario)
    plan = plan_of([planned("locust", "shop", concurrency=1, hold_for_s=1.0)], scenarios)
    with workers(plan, tmp_path, {"ids.csv": "id\n1\n"}) as run:
        run.launch()
        assert run.wait() == [4]
        assert f"{named} is used, which Locust's generated script does not have" in run.exit().message


def test_an_engine_that_dies_under_load_fails_the_worker_and_keeps_its_samples(tmp_path):
    script = """
import os
from locust import HttpUser, task

class Visitor(HttpUser):
    @task
    def visit(self):
        self.client.get("/delay/0.02")
        if count() > 40:
            os._exit(3)

seen = []

def count():
    seen.append(1)
    return len(seen)
"""
    with target() as service:
        scenarios = {"own": {"script": "locustfile.py", "default-address": service.url}}
        plan = plan_of([planned("locust", "own", concurrency=2, hold_for_s=30.0)], scenarios)
        with workers(plan, tmp_path, {"locustfile.py": script}) as run:
            run.launch()
            run.wait_ready()
            run.start()
            assert run.wait() == [4]
            found = run.outcome()
        assert "exit code 3" in found.exits[0].message
        assert found.samples <= service.answered


def test_scripts_read_their_place_and_their_own_rows(tmp_path):
    script = """
import csv, os
from locust import FastHttpUser, task

ROWS = [row["name"] for row in csv.DictReader(open("users.csv"))]
PLACE = "/".join(os.environ[f"TORIL_{name}"] for name in ("LOCATION", "WORKER_INDEX", "WORKER_COUNT"))

class Visitor(FastHttpUser):
    @task
    def visit(self):
        for name in ROWS:
            self.client.get(f"/{PLACE}/{name}/{os.environ['FROM_SUITE']}", name="row")
"""
    names = [f"user{n}" for n in range(7)]
    with target() as service:
        plan = plan_of(
            [planned("locust", "own", concurrency=1, iterations=1)],
            {"own": {"script": "locustfile.py", "default-address": service.url}},
            workers=2,
            data_files=["users.csv"],
            common={"settings": {"env": {"FROM_SUITE": "seen"}}},
        )
        files = {"locustfile.py": script, "users.csv": "name\n" + "\n".join(names) + "\n"}
        with workers(plan, tmp_path, files) as run:
            found = run.go()
    asked = sorted(path.split("/") for path in service.paths)
    assert sorted(parts[4] for parts in asked) == names
    assert {(parts[1], parts[2], parts[3], parts[5]) for parts in asked} == {
        ("local", "0", "2", "seen"),
        ("local", "1", "2", "seen"),
    }
    assert found.samples == service.answered == 7


def test_two_executions_each_keep_their_delay_and_their_name(tmp_path):
    with target() as service:
        first = planned("locust", "one", concurrency=1, hold_for_s=0.8)
        second = planned("locust", "two", index=1, concurrency=1, hold_for_s=0.5, delay_s=0.8)
        scenarios = {
            name: {"default-address": service.url, "requests": [f"/delay/0.05?{name}"]} for name in ("one", "two")
        }
        with workers(plan_of([first, second], scenarios), tmp_path) as run:
            found = run.go()
    assert found.samples == service.answered
    by_execution = {name: found.timeline.select("", executions=(name,)) for name in ("one", "two")}
    assert all(part.total.samples > 3 for part in by_execution.values())
    assert min(by_execution["two"].seconds) >= 0
    assert by_execution["two"].total.samples == service.paths["/delay/0.05?two"]
    assert set(found.exits[0].first_sample_lateness_s) == {"one", "two"}


def test_a_master_is_refused_with_the_reason(tmp_path):
    plan = plan_of(
        [planned("locust", "shop", concurrency=1, hold_for_s=1.0)],
        generated("http://127.0.0.1:9", ["/"]),
        extra={"master": True, "workers": 2},
    )
    with workers(plan, tmp_path) as run:
        run.launch()
        assert run.wait() == [4]
        assert "master" in run.exit().message


def test_json_bodies_are_sent_as_json(tmp_path):
    request = {"url": "/", "method": "PUT", "body": {"a": [1, 2]}, "headers": {"Content-Type": "application/json"}}
    with target() as service:
        plan = plan_of([planned("locust", "shop", concurrency=1, iterations=1)], generated(service.url, [request]))
        with workers(plan, tmp_path) as run:
            run.go()
    assert [json.loads(body) for body in service.bodies] == [{"a": [1, 2]}]


SHAPED = """
from locust import HttpUser, LoadTestShape, task

class Visitor(HttpUser):
    @task
    def visit(self):
        self.client.get("/", name="home")

class Fewer(LoadTestShape):
    def tick(self):
        elapsed_s = self.get_run_time()
        return None if elapsed_s > 2 else (6 if elapsed_s < 1 else 1, 100)
"""


def test_requests_of_users_whom_a_load_shape_takes_away_are_unfinished(tmp_path):
    with target(delay_s=0.3) as service:
        scenarios = {"own": {"script": "locustfile.py", "default-address": service.url}}
        with workers(plan_of([planned("locust", "own")], scenarios), tmp_path, {"locustfile.py": SHAPED}) as run:
            found = run.go()
    assert found.exits[0].outcome == "finished"
    assert found.total().failures == 0
    assert found.unfinished >= 5
    assert found.samples + found.unfinished == service.started


POLITE = """
from locust import HttpUser, constant, task

class Visitor(HttpUser):
    wait_time = constant(0.004)

    @task
    def visit(self):
        self.client.get("/", name="home")

    def on_stop(self):
        self.client.get("/bye", name="bye")
"""


def test_users_say_goodbye_at_the_end_and_nothing_else_is_sent_after_it(tmp_path):
    with target() as service:
        scenarios = {"own": {"script": "locustfile.py", "default-address": service.url}}
        plan = plan_of([planned("locust", "own", concurrency=40, hold_for_s=1.5)], scenarios)
        with workers(plan, tmp_path, {"locustfile.py": POLITE}) as run:
            found = run.go()
    assert found.samples == service.started
    assert found.unfinished == 0
    assert found.total("bye").samples == service.paths["/bye"] == 40
