"""Real Gatling under a real worker against a loopback service: samples match the responses."""

import json
import os
import re
import subprocess
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from tests.raw_target import answer, raw_target
from tests.targets import target
from tests.worker.driver import outcome, plan_of, planned, workers
from toril.criteria import parse_criterion
from toril.programs import gatling_home
from toril.records.plan import Segment

pytestmark = [
    pytest.mark.live,
    pytest.mark.nightly,
    pytest.mark.skipif(not gatling_home().is_dir(), reason="`make gatling` has not assembled Gatling"),
]

OWN = """
package shop

import io.gatling.core.Predef._
import io.gatling.http.Predef._

class Buying extends Simulation {
  val users = Integer.getInteger("concurrency", 1).toInt

  val buying = scenario("buying").repeat(3) {
    group("buy") {
      exec(http("home").get("/home")).exec(http("closed").get("/status/503"))
    }.exec(http("gone").get("/drop"))
  }
  setUp(buying.inject(atOnceUsers(users)).protocols(http.baseUrl("{url}")))
}
"""


def test_the_parts_of_each_injection_are_the_whole(tmp_path):
    home = gatling_home()
    jars = f"{home / 'toril-gatling.jar'}{os.pathsep}{home / 'lib' / '*'}"
    source = Path(__file__).with_name("gatling_division.scala")
    compiler = ["java", "-cp", jars, "scala.tools.nsc.Main", "-nowarn", "-d", tmp_path, "-cp", jars, source]
    subprocess.run(compiler, check=True)
    check = ["java", "-cp", f"{tmp_path}{os.pathsep}{jars}", "io.gatling.core.controller.inject.open.Check"]
    assert subprocess.run(check, check=True, capture_output=True, text=True).stdout == "divided\n"


def generated(url, requests, **scenario):
    return {"shop": {"default-address": url, "requests": requests, **scenario}}


CODE = """x\"\"\" + { new java.io.File("{file}").createNewFile(); "" } + \"\"\"y"""
HOSTILE = CODE + """\\ \\u0022 \\" $x ${ #{a} #{ ä€😀 \u202e\n\t'` // */"""
LARGE = "é" * 50_000 + "${name}" + "\\" * 50_000


def test_every_text_of_a_suite_arrives_byte_by_byte_and_none_is_code(tmp_path):
    hostile = HOSTILE.replace("{file}", str(tmp_path / "pwned"))
    line = "".join(one if " " <= one <= "~" else " " for one in hostile).strip()
    requests = [
        {
            "url": "/json",
            "label": hostile,
            "method": "PUT",
            "headers": {"X-Text": line, "Content-Type": "application/json"},
            "body": {hostile: hostile, "n": 1.5},
            "extract-regexp": {"name": '"a": ?"([^"]+)"', "none": {"regexp": re.escape(hostile), "default": hostile}},
            "extract-jsonpath": {"number": "$.b[0]"},
            "assert": [
                json.dumps(hostile, ensure_ascii=False),
                {"contains": [f'"{hostile}', "${name}!"], "not": True},
                {"subject": "http-code", "contains": [200, "2.."]},
            ],
        },
        {"url": "/text/${name}/${number}?a=%22", "method": "POST", "body": hostile + "${name}", "label": "/${name}"},
        {"set-variables": {"own": hostile, "other": "${name}!"}},
        {"url": "/form", "method": "POST", "body": {hostile: "${own}", "b": "${other}"}},
        {"url": "/row", "method": "POST", "body": "${cell}"},
        {"url": "/large", "method": "POST", "body": LARGE},
    ]  # fmt: skip
    (tmp_path / 'ro"ws.csv').write_text('cell\n"a ""b"" ${name} #{name}"\n')
    answers = {"/json": answer(200, json.dumps({"a": "né", "b": [7], "c": hostile}, ensure_ascii=False).encode())}
    with raw_target(answers) as service:
        scenario = generated(service.url, requests, headers={"X-Both": line})
        scenario["shop"]["data-sources"] = [{"path": str(tmp_path / 'ro"ws.csv'), "delimiter": ","}]
        plan = plan_of([planned("gatling", "shop", concurrency=1, iterations=1)], scenario)
        with workers(plan, tmp_path) as run:
            found = run.go()
    assert found.exits[0].outcome == "finished", run.log()[-3000:]
    assert not (tmp_path / "pwned").exists()
    put, text, form, row, large = service.requests
    assert {("X-Text", line), ("X-Both", line)} <= put.headers.keys()
    assert json.loads(put.body) == {hostile: hostile, "n": 1.5}
    assert text.path == "/text/n%C3%A9/7?a=%22"
    assert text.body.decode() == hostile + "né"
    assert dict(parse_qsl(form.body.decode())) == {hostile: hostile, "b": "né!"}
    assert row.body.decode() == 'a "b" ${name} #{name}'
    assert large.body.decode() == LARGE.replace("${name}", "né")
    labels = {one for one in found.timeline.labels() if one}
    assert labels == {re.sub(r"\s", " ", hostile), "/${name}", "/form", "/row", "/large"}
    assert [message for label in found.timeline.labels() for message, _ in found.total(label).errors] == []


def test_think_times_below_a_second_are_kept_and_redirects_that_are_not_followed_succeed(tmp_path):
    requests = [{"url": "/redirect/1", "label": "moved", "follow-redirects": False, "think-time": "500ms"}]
    with target() as service:
        plan = plan_of([planned("gatling", "shop", concurrency=4, hold_for_s=5.0)], generated(service.url, requests))
        found = outcome(plan, tmp_path)
    assert 4 < found.samples == service.started <= 40
    assert found.total().failures == 0


def test_steps_climb_in_stairs(tmp_path):
    with target(delay_s=0.1) as service:
        load = planned("gatling", "shop", concurrency=5, ramp_up_s=6.0, hold_for_s=2.0, steps=3, throughput_rps=30)
        plan = plan_of([load], generated(service.url, ["/"]))
        with workers(plan, tmp_path) as run:
            found = run.go()
    assert found.exits[0].outcome == "finished", run.log()[-3000:]
    stairs = [found.timeline.between(first, first + 1).select("/").total.samples for first in (0, 2, 4)]
    assert 0 < stairs[0] < stairs[1] < stairs[2], stairs
    assert all(samples <= most + 10 for samples, most in zip(stairs, (20, 40, 60), strict=True)), stairs
    assert found.unfinished == 0


def test_load_begins_at_the_gate_and_requests_in_flight_at_its_end_are_finished(tmp_path):
    with target(delay_s=0.4) as service:
        load = planned("gatling", "shop", concurrency=4, ramp_up_s=1.0, hold_for_s=2.0)
        with workers(plan_of([load], generated(service.url, ["/", "/other"])), tmp_path) as run:
            run.launch()
            run.wait_ready()
            assert service.started == 0
            run.start()
            run.wait()
            found = run.outcome()
    assert service.first_at is not None
    assert service.first_at >= run.start_at
    assert found.samples == service.answered == service.started > 0
    assert found.unfinished == found.total().failures == 0
    assert found.exits[0].first_sample_lateness_s["shop"] < 5  # a JVM on a crowded machine
    assert found.exits[0].last_sample_s is not None
    assert 3.0 <= found.exits[0].last_sample_s < 4.5


def test_a_throughput_is_an_upper_bound(tmp_path):
    with target() as service:
        load = planned("gatling", "shop", concurrency=10, throughput_rps=20.0, iterations=1000, hold_for_s=4.0)
        found = outcome(plan_of([load], generated(service.url, ["/"])), tmp_path)
    assert 0 < found.samples == service.answered <= 20 * 4 + 20  # and one more second's requests
    assert found.exits[0].executions["shop"].unfinished_users == 10


def test_the_suites_own_simulation_keeps_its_load_groups_and_failures(tmp_path):
    with target() as service:
        plan = plan_of([planned("gatling", "own")], {"own": {"script": "sims/Buying.scala"}})
        plan = plan.model_copy(update={"executions": (plan.executions[0].model_copy(update={"concurrency": None}),)})
        with workers(plan, tmp_path, {"sims/Buying.scala": OWN.replace("{url}", service.url)}) as run:
            found = run.go()
    assert found.exits[0].outcome == "finished", run.log()[-3000:]
    assert {label: found.total(label).samples for label in ("home", "closed", "gone")} == {
        "home": 3, "closed": 3, "gone": 3,
    }  # fmt: skip
    assert found.rcs("closed") == {"503": 3}
    assert found.rcs("gone") == {"PrematureCloseException": 3}
    assert found.timeline.select("buy", kind="transaction").total.failures == 3
    assert found.samples == service.answered + 3


def test_code_that_crashes_and_requests_that_cannot_be_built_are_errors_of_the_script(tmp_path):
    crashes = 'exec(session => throw new RuntimeException("boom")).exec(http("unbuilt").get("/#{nowhere}")).exec('
    source = OWN.replace('exec(http("closed")', f'{crashes}http("closed")')
    with target() as service:
        plan = plan_of([planned("gatling", "own")], {"own": {"script": "sims/Buying.scala"}})
        with workers(plan, tmp_path, {"sims/Buying.scala": source.replace("{url}", service.url)}) as run:
            found = run.go()
    assert found.exits[0].outcome == "finished", run.log()[-3000:]
    assert found.exits[0].executions["own"].script_errors == {"simulation: exception": 3, "unbuilt": 3}
    assert found.timeline.select("unbuilt", kind="transaction").total.failures == 3


ASSERTIONS = """
    global.failedRequests.percent.lt(1), global.responseTime.percentile(99.5).between(1, 800),
    global.allRequests.count.is(9),
    details("buy" / "home").responseTime.mean.lte(500), forAll.requestsPerSec.gt(0.5),
    details("buy").failedRequests.count.is(0), global.responseTime.max.in(1, 2)
"""


def test_assertions_become_criteria_and_the_others_are_named(tmp_path):
    source = OWN.replace(
        '.protocols(http.baseUrl("{url}")))', f'.protocols(http.baseUrl("{{url}}"))).assertions({ASSERTIONS})'
    )
    with target() as service:
        plan = plan_of([planned("gatling", "own")], {"own": {"script": "sims/Buying.scala"}})
        with workers(plan, tmp_path, {"sims/Buying.scala": source.replace("{url}", service.url)}) as run:
            found = run.go()
    assert (found.exits[0].outcome, found.samples) == ("finished", 9), run.log()[-3000:]
    report = found.exits[0].executions["own"]
    rules = [parse_criterion(rule, "own", "toril").text for rule in report.criteria]
    assert rules == [
        "fail>=1%", "p99.5<1ms", "p99.5>800ms", "hits<9", "hits>9", "avg-rt of home>500ms",
        *(f"throughput of {label}<=0.5/s" for label in ("closed", "gone", "home")),
    ]  # fmt: skip
    assert report.note.count(" (") == 2
    assert "buy" in report.note
    assert report.ended_s is not None
    assert found.exits[0].last_sample_s is not None
    assert report.ended_s < found.exits[0].last_sample_s + 0.5


JAVA = """
package shop;

import static io.gatling.javaapi.core.CoreDsl.*;
import static io.gatling.javaapi.http.HttpDsl.*;
import io.gatling.javaapi.core.*;

public class Visiting extends Simulation {
  { setUp(Steps.all().injectOpen(%s).protocols(http.baseUrl("{url}"))); }
}
"""
STEPS = """
package shop;

import static io.gatling.javaapi.core.CoreDsl.*;
import static io.gatling.javaapi.http.HttpDsl.*;
import io.gatling.javaapi.core.*;

class Steps {
  static ScenarioBuilder all() {
    return scenario("visiting").exec(http("home").get(session -> "/user/" + session.userId()));
  }
}
"""


@pytest.mark.parametrize("injection", ["atOnceUsers(3), rampUsers(4).during(1)", "atOnceUsers(toril.Part.of(7))"])
def test_workers_divide_a_simulation_in_java_that_may_do_so_itself(tmp_path, injection):
    with raw_target({}) as service:
        plan = plan_of([planned("gatling", "own")], {"own": {"script": "sims/shop/Visiting.java"}}, workers=2)
        halves = [Segment(own=own, whole="0,1/2,1") for own in ("0:1/2", "1/2:1")]
        shares = tuple(
            share.model_copy(update={"executions": (share.executions[0].model_copy(update={"segment": half}),)})
            for share, half in zip(plan.shares, halves, strict=True)
        )
        plan = plan.model_copy(update={"shares": shares})
        files = {"sims/shop/Visiting.java": JAVA % injection, "sims/shop/Steps.java": STEPS}
        with workers(plan, tmp_path, {name: text.replace("{url}", service.url) for name, text in files.items()}) as run:
            found = run.go()
    assert [left.outcome for left in found.exits] == ["finished", "finished"], run.log()[-3000:]
    assert [left.samples for left in found.exits] == [4, 3]
    asked = {request.path for request in service.requests}
    own = "Part" in injection  # then Gatling counts the users of each worker
    assert asked == {f"/user/{number}" for number in (range(1, 5) if own else range(1, 8))}
