"""Real Locust under real bzt against a loopback service: samples match the responses."""

import json
import socket

import pytest

from tests.engines.contract import assert_measured
from tests.rough import rough
from tests.targets import target
from tests.worker.driver import outcome, plan_of, planned, workers

pytestmark = pytest.mark.live

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

PUBLISHES = """
from locust import User, task
from toril.clients import Measured

class Publisher(User):
    @task
    def publish(self):
        error = OSError("no broker")
        error.rc = 4  # a number, as libraries for MQTT have it
        with Measured(self, "publish", "MQTT"):
            raise error
"""

MEASURES = """
from locust import FastHttpUser, events, task
from toril import metrics

metrics.counter("early")
events.test_start.add_listener(lambda **_: metrics.counter("early"))
events.test_stop.add_listener(lambda **_: metrics.check("consistent", False))

class Visitor(FastHttpUser):
    @task
    def visit(self):
        with metrics.tags(tenant="big", unnamed=1):
            self.client.get("/home", name="buy")
        self.client.get("/home", name="buy", context={"tenant": "small"})
        metrics.trend("items", 2.5)
        metrics.trend("items", float("nan"))
        metrics.check("has total", False)
"""


def generated(url, requests, **scenario):
    return {"shop": {"default-address": url, "requests": requests, **scenario}}


def test_the_suites_own_locustfile_keeps_its_labels_and_loses_no_sample(tmp_path):
    with target() as service:
        scenarios = {"own": {"script": "scripts/locustfile.py", "default-address": service.url}}
        plan = plan_of([planned("locust", "own", concurrency=2, iterations=5)], scenarios)
        files = {"scripts/locustfile.py": OWN, "scripts/names.py": 'HOME = "item"\n'}
        found = outcome(plan, tmp_path, files)
    assert found.samples == found.total().samples == service.answered == 40
    assert found.total("item").failures == 0
    assert found.total("missing").failures == 0
    assert dict(found.total("checked").errors) == {("not what we want", "200"): 10}
    assert dict(found.total("broken").errors) == {("503 Service Unavailable", "503"): 10}
    raised = found.total("Visitor: exception")
    assert (raised.samples, raised.failures, dict(raised.rc)) == (10, 10, {"KeyError": 10})


def test_an_error_with_a_number_of_its_own_has_the_name_of_its_class(tmp_path):
    plan = plan_of([planned("locust", "own", concurrency=1, iterations=2)], {"own": {"script": "locustfile.py"}})
    found = outcome(plan, tmp_path, {"locustfile.py": PUBLISHES})
    assert dict(found.total("publish").errors) == {("no broker", "OSError"): 2}


def test_a_script_measures_values_and_checks_and_tags_its_requests(tmp_path):
    with target() as service:
        scenarios = {"own": {"script": "locustfile.py", "default-address": service.url}}
        plan = plan_of([planned("locust", "own", concurrency=2, iterations=3)], scenarios, request_tags=("tenant",))
        found = outcome(plan, tmp_path, {"locustfile.py": MEASURES})
    assert_measured(found, "buy")
    assert found.total("early", kind="counter").sum_us == 2000
    assert found.total("consistent", kind="check").failures == 1


@pytest.mark.parametrize(
    ("requests", "scenario", "named"),
    [
        ([{"url": "/", "extract-regexp": {"id": "(\\d+)"}}], {}, "extract-regexp"),
        ([{"url": "/", "timeout": "1s"}], {}, "timeout"),
        (["/${id}"], {"variables": {"id": 7}}, "variables"),
        (["/${id}"], {"data-sources": ["ids.csv"]}, "data-sources"),
    ],
)
def test_keys_that_a_generated_script_does_not_support_are_refused(tmp_path, requests, scenario, named):
    scenarios = generated("http://127.0.0.1:9", requests, **scenario)
    plan = plan_of([planned("locust", "shop", concurrency=1, hold_for_s=1.0)], scenarios)
    with workers(plan, tmp_path, {"ids.csv": "id\n1\n"}) as run:
        run.launch()
        assert run.wait() == [4]
        assert named in run.exit().message


def test_scripts_can_read_their_worker_index_and_their_own_rows(tmp_path):
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
        found = outcome(plan, tmp_path, files)
    asked = sorted(path.split("/") for path in service.paths)
    assert sorted(parts[4] for parts in asked) == names
    assert {(parts[1], parts[2], parts[3], parts[5]) for parts in asked} == {
        ("local", "0", "2", "seen"),
        ("local", "1", "2", "seen"),
    }
    assert found.samples == service.answered == 7


@pytest.mark.nightly
def test_two_executions_each_keep_their_delay_and_their_name(tmp_path):
    with target() as service:
        first = planned("locust", "one", concurrency=1, hold_for_s=0.8)
        second = planned("locust", "two", index=1, concurrency=1, hold_for_s=0.5, delay_s=0.8)
        scenarios = {
            name: {"default-address": service.url, "requests": [f"/delay/0.05?{name}"]} for name in ("one", "two")
        }
        found = outcome(plan_of([first, second], scenarios), tmp_path)
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
        outcome(plan, tmp_path)
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


def test_requests_of_users_that_a_load_shape_removes_are_unfinished(tmp_path):
    with target(delay_s=0.3) as service:
        scenarios = {"own": {"script": "locustfile.py", "default-address": service.url}}
        found = outcome(plan_of([planned("locust", "own")], scenarios), tmp_path, {"locustfile.py": SHAPED})
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


@pytest.mark.nightly
def test_on_stop_may_send_requests_at_the_end_and_nothing_else_does(tmp_path):
    with target() as service:
        scenarios = {"own": {"script": "locustfile.py", "default-address": service.url}}
        plan = plan_of([planned("locust", "own", concurrency=40, hold_for_s=1.5)], scenarios)
        found = outcome(plan, tmp_path, {"locustfile.py": POLITE})
    assert found.samples == service.started
    assert found.unfinished == 0
    assert found.total("bye").samples == service.paths["/bye"] == 40


RAISES = """
import gevent
from locust import FastHttpUser, HttpUser, constant, task
from locust.exception import RescheduleTask, StopUser

class Base:
    fixed_count = 1
    wait_time = constant(0.05)

class Half(Base, HttpUser):
    passes = 0
    @task
    def visit(self):
        self.passes += 1
        self.client.get("/ok", name="half")
        gevent.sleep(0.1)
        if self.passes % 2:
            raise KeyError("token")

class Explained(Base, FastHttpUser):
    @task
    def visit(self):
        self.client.get("/status/500", name="explained")
        raise ValueError("no JSON")

class InBlock(Base, HttpUser):
    @task
    def visit(self):
        with self.client.get("/ok", name="in block", catch_response=True):
            raise IndexError("in the block")

class Login(Base, HttpUser):
    @task
    def visit(self):
        with self.client.get("/status/500", name="login", catch_response=True):
            raise StopUser

class FastLogin(Base, FastHttpUser):
    @task
    def visit(self):
        with self.client.get("/status/500", name="fast login", catch_response=True):
            raise StopUser

class Steered(Base, FastHttpUser):
    @task
    def visit(self):
        with self.client.get("/ok", name="steered", catch_response=True):
            raise RescheduleTask

class Nested(Base, HttpUser):
    @task
    def visit(self):
        with self.client.get("/ok", name="outer", catch_response=True) as response:
            self.client.get("/ok", name="inner")
            response.success()
        self.client.get("/ok", name="no block", catch_response=True)
        self.client.get("/status/404", name="no block either", catch_response=True)

class Broken(Base, HttpUser):
    def on_start(self):
        gevent.sleep(0.2)
        raise RuntimeError("no account")
    @task
    def visit(self):
        self.client.get("/never")
"""


def test_exceptions_of_tasks_are_recorded_and_every_response_is_one_sample(tmp_path):
    with target() as service:
        plan = plan_of(
            [planned("locust", "own", concurrency=8, iterations=4)],
            {"own": {"script": "locustfile.py", "default-address": service.url}},
        )
        found = outcome(plan, tmp_path, {"locustfile.py": RAISES})
    assert found.samples == found.total().samples == service.answered == 34
    assert found.unfinished == 0
    report = found.exits[0].executions["own"]
    assert report.script_errors == {"Half: exception": 2, "Broken: exception": 1}  # those without a failed request
    assert report.unfinished_users == 3  # two that could not log in, and the one without an account
    failed = {
        label: (found.total(label).failures, *found.rcs(label))
        for label in found.timeline.labels()
        if label and found.total(label).failures
    }
    assert failed == {
        "Half: exception": (2, "KeyError"),
        "Broken: exception": (1, "RuntimeError"),
        "Explained: exception": (4, "ValueError"),
        "explained": (4, "500"),
        "in block": (4, "200"),
        "login": (1, "500"),
        "fast login": (1, "500"),
        "no block either": (4, "404"),
    }
    assert dict(found.total("in block").errors) == {("IndexError: in the block", "200"): 4}
    assert dict(found.total("Half: exception").errors) == {("KeyError: 'token'", "KeyError"): 2}
    assert found.total("Half: exception").min_us >= 100_000
    assert found.total("Broken: exception").min_us >= 200_000


SILENT = """
import gevent
from locust import FastHttpUser, constant, task

class Visits(FastHttpUser):
    fixed_count = 1
    wait_time = constant(60)
    @task
    def visit(self):
        self.client.get("/ok")

class Thinks(FastHttpUser):
    fixed_count = 2
    wait_time = constant(60)
    @task
    def visit(self):
        pass

class Waits(FastHttpUser):
    fixed_count = 3
    def on_start(self):
        gevent.sleep(60)
    @task
    def visit(self):
        self.client.get("/ok")
"""


@pytest.mark.nightly
def test_users_that_do_something_else_all_the_time_are_noted(tmp_path):
    with target() as service:
        scenario = {"script": "locustfile.py", "default-address": service.url}
        plan = plan_of([planned("locust", "own", concurrency=6, hold_for_s=2)], {"own": scenario}, graceful_stop_s=0.2)
        found = outcome(plan, tmp_path, {"locustfile.py": SILENT})
    assert found.samples == 1
    assert found.exits[0].executions["own"].note.endswith(": 3")


WAITS = """
import gevent
from locust import FastHttpUser, HttpUser, constant, events, task

@events.quitting.add_listener
def gate(environment, **_):
    environment.process_exit_code = 1

class Thinks(HttpUser):
    fixed_count = 2
    wait_time = constant(1.6)
    def on_start(self):
        gevent.sleep(1.2)
    @task
    def visit(self):
        self.client.get("/ok", name="thinks")

class Slow(HttpUser):
    fixed_count = 1
    @task
    def visit(self):
        self.client.get("/drip/400", name="slow", timeout=0.6)  # of each read

class FastSlow(FastHttpUser):
    fixed_count = 1
    network_timeout = 0.6
    @task
    def visit(self):
        self.client.get("/drip/400", name="fast slow")

class Examines(HttpUser):
    fixed_count = 1
    @task
    def visit(self):
        with self.client.get("/status/500", name="examined", catch_response=True):
            gevent.sleep(20)
"""


def test_users_count_during_think_time_and_unfinished_requests_have_their_waiting_time(tmp_path):
    with rough() as service:
        plan = plan_of(
            [planned("locust", "own", concurrency=5, hold_for_s=3.5)],
            {"own": {"script": "locustfile.py", "default-address": service.url}},
            graceful_stop_s=0.5,
        )
        found = outcome(plan, tmp_path, {"locustfile.py": WAITS})
    users = found.timeline.select("", executions=("own",)).virtual_users_curve(3)
    assert users == [5, 5, 5]
    assert found.exits[0].first_sample_lateness_s["own"] < 0.5
    assert service.asked == {"/ok": 4, "/drip/400": 2, "/status/500": 1}
    assert (found.samples, found.unfinished) == (5, 2)
    assert (found.total().failures, found.rcs("examined")) == (1, {"500": 1})
    for label in ("slow", "fast slow"):
        ((_, waits),) = found.timeline.waits(label)
        ((waited_us, count),) = waits.items()
        assert count == 1
        assert 3_400_000 < waited_us < 5_000_000
    report = found.exits[0].executions["own"]
    assert report.ended_s is not None
    assert 3.5 <= report.ended_s < 4.0
    assert report.script_errors == {}
    assert "process_exit_code" in report.script_failed


TIMES_OUT = """
from locust import FastHttpUser, HttpUser, task

class Plain(HttpUser):
    fixed_count = 1
    @task
    def visit(self):
        for name, url in (("head", "/late"), ("body", "/drip/4"), ("connect", "http://127.0.0.1:FULL/")):
            self.client.get(url, name=name, timeout=0.1)

class Fast(FastHttpUser):
    fixed_count = 1
    connection_timeout = network_timeout = 0.1
    @task
    def visit(self):
        for name, url in (("head", "/late"), ("body", "/drip/4"), ("connect", "http://127.0.0.1:FULL/")):
            self.client.get(url, name=f"fast {name}")
"""


@pytest.mark.nightly
def test_a_request_that_timed_out_has_the_code_of_a_timeout(tmp_path):
    with rough(delays_s={"/late": 0.5}) as service, socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        queued = [socket.socket() for _ in range(3)]
        for one in queued:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        script = TIMES_OUT.replace("FULL", str(full.getsockname()[1]))
        scenarios = {"own": {"script": "locustfile.py", "default-address": service.url}}
        plan = plan_of([planned("locust", "own", concurrency=2, iterations=1)], scenarios)
        found = outcome(plan, tmp_path, {"locustfile.py": script})
        for one in queued:
            one.close()
    assert found.samples == found.total().failures == 6
    assert {label: [*found.rcs(label)] for label in found.timeline.labels() if label} == {
        "head": ["ReadTimeout"],
        "body": ["ReadTimeout"],
        "connect": ["ConnectTimeout"],
        "fast head": ["TimeoutError"],
        "fast body": ["TimeoutError"],
        "fast connect": ["TimeoutError"],
    }


QUITS = """
import time
from locust import HttpUser, constant, task

class Visitor(HttpUser):
    wait_time = constant(0.05)

    def on_start(self):
        self.began = time.time()

    @task
    def visit(self):
        self.client.get("/", name="home")
        if time.time() > self.began + 1:
            LEAVE
"""


@pytest.mark.parametrize("leave", ["self.environment.runner.quit()", "raise SystemExit(3)"])
def test_a_script_can_end_the_load_without_losing_samples(tmp_path, leave):
    with target() as service:
        scenarios = {"own": {"script": "locustfile.py", "default-address": service.url}}
        plan = plan_of([planned("locust", "own", concurrency=3, hold_for_s=30.0)], scenarios)
        with workers(plan, tmp_path, {"locustfile.py": QUITS.replace("LEAVE", leave)}) as run:
            found = run.go()
    assert found.samples <= service.answered <= found.samples + found.unfinished
    assert found.samples > 10
    assert found.total().failures == 0
    (exit,) = found.exits
    ended_s = exit.executions["own"].ended_s
    assert ended_s is not None
    assert 1 <= ended_s < 8
    assert exit.at - run.start_at < 12
    if "quit" in leave:
        assert (exit.outcome, found.unfinished) == ("finished", 0)
    else:
        assert exit.outcome == "failed"
        assert exit.message.count("sys.exit(3) in locustfile.py, line 15") == 1
