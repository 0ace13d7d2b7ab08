"""`toril.arrivals`: journeys that begin at a rate, from the suite to the plan."""

from fractions import Fraction

import pytest

from tests.refusals import refused
from tests.reports.parsed import printed
from tests.suite.reading import read, refuses, write
from toril.launchers.pricing import requests_of
from toril.plan import make_plan
from toril.plan.duet import plan_duet
from toril.plan.options import RunOptions
from toril.records import PlannedExecution
from toril.reports import plan_text

JOURNEY = [
    {"url": "http://shop/", "label": "home"},
    {"transaction": "buy", "do": [{"url": "http://shop/cart", "label": "cart", "think-time": "2s"}]},
]
SEARCH = {"from": 20, "to": "50/s", "until": ["fail>1%"], "arrivals": True}


def suite(toril=None, *, requests=JOURNEY, cookies=True, **execution):
    item = {"scenario": "shop", "executor": "toril", **execution}
    return {
        "execution": [{key: value for key, value in item.items() if value is not None}],
        "scenarios": {"shop": {"requests": requests, **({"think-time": "1s"} if cookies else {})}},
        "toril": toril or {},
    }


def planned(folder, document, **options):
    return make_plan(read(folder, document), **({"run_id": "r", "workers": None} | options))


@pytest.mark.parametrize(
    ("document", "model"),
    [
        (suite(executor="vegeta", requests=JOURNEY[:1], cookies=False, throughput=5, **{"hold-for": "1m"}), "requests"),
        (suite(requests=JOURNEY[:1], cookies=False, throughput=5, **{"hold-for": "1m"}), "requests"),
        (suite({"curves": {"shop": {"constant": 5, "for": "1m"}}}, requests=JOURNEY[:1], cookies=False), "requests"),
        (suite(throughput=5, concurrency=2, **{"hold-for": "1m"}), "users"),
        (suite(requests=JOURNEY[:1], cookies=False, **{"hold-for": "1m"}), "users"),
        (suite({"arrivals": "5/s"}, **{"hold-for": "1m"}), "arrivals"),
        (suite({"arrivals": {"shop": 5}}, requests=JOURNEY[:1], cookies=False, **{"hold-for": "1m"}), "arrivals"),
        (suite({"arrivals": {"ramp": {"to": 5}, "for": "1m"}}), "arrivals"),
        (suite({"capacity": {"shop": SEARCH}}), "arrivals"),
        (suite(executor="locust", concurrency=2, **{"hold-for": "1m"}), "users"),
    ],
)
def test_engine_load_and_scenario_decide_on_the_model(tmp_path, document, model):
    (execution,) = planned(tmp_path, document).executions
    assert execution.model == model


def test_plans_without_a_model_have_that_of_their_executor():
    old = {"name": "shop", "index": 0, "scenario": "shop"}
    models = [PlannedExecution.model_validate({**old, "executor": name}).model for name in ("vegeta", "jmeter")]
    assert models == ["requests", "users"]


def test_workers_share_one_schedule_of_journeys(tmp_path):
    document = suite({"arrivals": "30/s", "workers": 3}, **{"ramp-up": "20s", "hold-for": "1m"})
    plan = planned(tmp_path, document)
    (execution,) = plan.executions
    assert execution.rate is not None
    assert (execution.rate.count_to(20), execution.rate.total, execution.concurrency) == (300, 2100, None)
    parts = [share.executions[0] for share in plan.shares]
    assert sum(Fraction(part.interleave.part) for part in parts if part.interleave) == 1
    assert {part.throughput_rps for part in parts} == {10}
    assert not [part for part in parts if "throughput" in part.config]  # Taurus would read it as requests per second
    assert execution.adjustable


def test_users_with_a_limit_share_one_schedule_of_requests(tmp_path):
    document = suite({"workers": 3}, throughput=10, concurrency=5, **{"hold-for": "1m"})
    parts = [share.executions[0] for share in planned(tmp_path, document).shares]
    assert sorted(part.concurrency or 0 for part in parts) == [1, 2, 2]
    shares = [(part.interleave.part, part.throughput_rps) for part in parts if part.interleave]
    assert sorted(shares) == [(Fraction(part, 10), part) for part in (2, 4, 4)]


@pytest.mark.parametrize(
    ("executor", "rate", "adjustable"), [("toril", 9, True), ("toril", None, False), ("jmeter", 9, False)]
)
def test_the_limit_of_users_is_adjustable_on_the_own_engine(tmp_path, executor, rate, adjustable):
    document = suite(executor=executor, throughput=rate, concurrency=5, **{"hold-for": "1m"})
    assert planned(tmp_path, document).executions[0].adjustable is adjustable


def test_a_journey_has_its_requests_in_the_plan(tmp_path):
    plan = planned(tmp_path, suite({"arrivals": "5/s"}, **{"hold-for": "1m"}))
    journey = plan.executions[0].journey
    assert journey is not None
    assert (journey.requests, journey.first, requests_of(plan)) == (2, "home", 600)
    blocks = suite({"arrivals": "5/s"}, requests=[{"loop": 3, "do": JOURNEY}], **{"hold-for": "1m"})
    plan = planned(tmp_path, blocks)
    assert (plan.executions[0].journey, requests_of(plan)) == (None, None)


IF_HOME = {"if": '"${a}" == "b"', "then": [{"url": "http://shop/", "label": "home"}]}
IF_CART = {"if": '"${a}" == "b"', "then": [{"url": "http://shop/cart", "label": "cart"}]}


@pytest.mark.parametrize(
    ("requests", "counted"),
    [
        ([*JOURNEY, JOURNEY[0]], (3, "cart", 1)),
        ([JOURNEY[0], JOURNEY[0]], (2, "home", 2)),
        ([{"transaction": "see", "do": [JOURNEY[0]]}, IF_CART], (None, "home", 1)),
        ([{"set-variables": {"a": "b"}}, "${SHOP}/", IF_CART], (None, "http://shop/", 1)),
        ([JOURNEY[0], IF_HOME], "unsupported-search"),
        ([IF_CART, JOURNEY[0]], "unsupported-search"),
    ],
)
def test_a_search_counts_journeys_by_a_label_that_each_has_equally_often(tmp_path, requests, counted):
    document = suite({"capacity": {"shop": SEARCH}}, requests=requests) | {"settings": {"env": {"SHOP": "http://shop"}}}
    if isinstance(counted, str):
        with refused(counted, "toril.capacity.shop"):
            planned(tmp_path, document)
        return
    journey = planned(tmp_path, document).executions[0].journey
    assert journey is not None
    assert (journey.requests, journey.first, journey.times) == counted


def test_workers_are_counted_by_requests_and_by_thinking_users(tmp_path):
    def workers(rate, think, **engine):
        requests = [{"url": "http://shop/", "think-time": think}]
        load = {"arrivals": rate, "engine": engine}
        return len(planned(tmp_path, suite(load, requests=requests, **{"hold-for": "1m"})).shares)

    assert (workers(10_000, "0s"), workers(40_000, "0s")) == (1, 3)
    assert workers(1_000, "uniform(100s, 50s)") == 3  # 100,000 of them think
    assert workers(40_000, "0s", http2=True) == 5


def test_a_try_and_a_smoke_run_have_one_user(tmp_path):
    document = suite({"arrivals": "5/s"}, **{"hold-for": "1m"})
    tried, smoke = (planned(tmp_path, document, **{key: True}).executions[0] for key in ("tried", "smoke"))
    assert (tried.model, tried.concurrency, tried.iterations, tried.hold_for_s) == ("users", 1, 1, 0.0)
    assert (smoke.model, smoke.concurrency, smoke.throughput_rps, smoke.hold_for_s) == ("users", 1, None, 5.0)


def test_a_plan_shows_journeys_per_second(tmp_path):
    curve = {"arrivals": [{"ramp": {"to": 5}, "for": "1m"}, {"steps": {"from": 5, "to": 9, "steps": 2, "every": "1m"}}]}
    output = " ".join(printed(plan_text, planned(tmp_path, suite(curve))).split())
    assert "9 journeys/s" in output
    assert "990 journeys in 3 min" in output
    found = " ".join(printed(plan_text, planned(tmp_path, suite({"capacity": {"shop": SEARCH}}))).split())
    assert "from 20 journeys/s to 50 journeys/s" in found


def test_both_arms_of_a_duet_start_the_same_journeys(tmp_path):
    document = suite({"arrivals": "5/s"}, **{"hold-for": "1m"})
    document["scenarios"]["shop"] |= {"default-address": "http://base", "requests": [{"url": "/"}]}
    _, plan = plan_duet([write(tmp_path, document)], RunOptions(), 0.0, base="http://base", head="http://head")
    assert {(load.model, load.arm, load.throughput_rps) for load in plan.executions} == {
        ("arrivals", 1, 5.0),
        ("arrivals", 2, 5.0),
    }


@pytest.mark.parametrize(
    ("document", "code", "path"),
    [
        (suite({"arrivals": 5}), "missing-key", "execution[0].hold-for"),
        (suite({"arrivals": "0/s"}, **{"hold-for": "1m"}), "out-of-range", "toril.arrivals"),
        (suite({"arrivals": "fast"}, **{"hold-for": "1m"}), "not-a-rate", "toril.arrivals"),
        (suite({"arrivals": {"shpo": 5}}, **{"hold-for": "1m"}), "unknown-execution", "toril.arrivals.shpo"),
        (suite({"arrivals": 5}, executor="jmeter", **{"hold-for": "1m"}), "unsupported-key", "toril.arrivals"),
        (suite({"arrivals": 5}, throughput=5, **{"hold-for": "1m"}), "conflicting-keys", "execution[0].throughput"),
        (suite({"arrivals": 5}, iterations=5, **{"hold-for": "1m"}), "conflicting-keys", "execution[0].iterations"),
        (suite({"arrivals": {"constant": 5}, "curves": {"shop": {"constant": 5}}}, **{"hold-for": "1m"}),
         "conflicting-keys", "toril.arrivals"),
        (suite({"arrivals": 5, "capacity": {"shop": SEARCH}}), "conflicting-keys", "toril.arrivals"),
        (suite({"capacity": {"shop": {**SEARCH, "arrivals": False}}}), "rate-of-journeys", "toril.capacity.shop"),
        (suite({"capacity": {"shop": {**SEARCH, "arrivals": False}}}, concurrency=2), "unsupported-search",
         "toril.capacity.shop"),
        (suite(throughput=5, **{"hold-for": "1m"}), "rate-of-journeys", "execution[0].throughput"),
        (suite(requests=[{"url": "http://shop/", "label": "journey start"}]), "reserved-label",
         "scenarios.shop.requests[0].label"),
        (suite(requests=[{"transaction": "journey start", "do": ["http://shop/"]}]), "reserved-label",
         "scenarios.shop.requests[0].transaction"),
    ],
)  # fmt: skip
def test_a_load_without_one_meaning_is_rejected(tmp_path, document, code, path):
    refuses(tmp_path, document, code, path)


def test_several_executions_need_their_names(tmp_path):
    document = suite({"arrivals": 5}, **{"hold-for": "1m"})
    document["execution"] *= 2
    refuses(tmp_path, document, "unknown-execution", "toril.arrivals")
