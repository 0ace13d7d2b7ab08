"""`toril.capacity`: what a search is planned as, and what would make it worthless is refused."""

import pytest

from tests.refusals import refused
from tests.reports.parsed import printed
from tests.suite.reading import read, refuses, write
from toril.plan import make_plan
from toril.plan.duet import plan_duet
from toril.plan.options import RunOptions
from toril.reports import plan_text

SEARCH = {"from": 100, "to": "5000/s", "until": ["p95>300ms", "fail>1%"]}


def suite(search=None, *, name="shop", criteria=(), passfail=(), **execution):
    return {
        "execution": [{"scenario": "shop", "executor": "vegeta", **execution}],
        "scenarios": {"shop": {"requests": [{"url": "http://127.0.0.1/", "label": "home"}]}},
        "reporting": [{"module": "passfail", "criteria": list(passfail)}] if passfail else [],
        "toril": {"capacity": {name: {**SEARCH, **(search or {})}}, "criteria": list(criteria)},
    }


def planned(folder, document, on="local"):
    return make_plan(read(folder, document, on=on), run_id="r", workers=None, on=on)


def test_a_search_is_planned_at_its_lowest_rate_with_workers_for_its_highest(tmp_path):
    plan = planned(tmp_path, suite({"to": 50_000}))
    (execution,) = plan.searched
    assert execution.search is not None
    assert execution.rate is not None
    assert {rps for _, rps in execution.curve} == {100}
    assert execution.throughput_rps == 50_000
    assert execution.hold_for_s == execution.rate.length_s > 200
    assert len(plan.shares) > len(planned(tmp_path, suite()).shares)


def test_on_fargate_it_may_take_longer_since_every_rate_has_to_get_there(tmp_path):
    lengths = [planned(tmp_path, suite(), on).duration_s for on in ("local", "fargate")]
    assert lengths[0] < lengths[1]


def test_the_plan_says_what_it_does_and_how_long_it_may_take(tmp_path):
    said = " ".join(printed(plan_text, planned(tmp_path, suite())).split())
    assert "looks for the capacity of shop: from 100/s to 5,000/s until p95>300ms or fail>1%, within 5 %" in said
    assert "stages of 20 s at most" in said


@pytest.mark.parametrize(
    ("search", "refusal"),
    [
        ({"to": 100}, ("out-of-range", "toril.capacity.shop.to")),
        ({"from": 0}, ("out-of-range", "toril.capacity.shop.from")),
        ({"from": "fast"}, ("not-a-rate", "toril.capacity.shop.from")),
        ({"until": []}, ("empty-list", "toril.capacity.shop.until")),
        ({"until": ["hits>5"]}, ("unsearchable-criterion", "toril.capacity.shop.until[0]", "hits>5")),
        (
            {"until": ["p95>1s, continue as non-failed"]},
            ("unsearchable-criterion", "toril.capacity.shop.until[0]", "p95>1s, continue as non-failed"),
        ),
        ({"until": ["p95 of hoem>1s"]}, ("unknown-label", "toril.capacity.shop.until[0]", "p95 of hoem>1s", "home")),
        ({"until": ["p95>1s for 1m"]}, ("out-of-range", "toril.capacity.shop.until[0]", "p95>1s for 60s")),
        ({"until": ["p99.9>1s"]}, ("too-few-samples", "toril.capacity.shop.until[0]", "p99.9>1s")),
        (
            {"from": 10},
            ("too-few-samples", "toril.capacity.shop.until[1]", "fail>1%"),
        ),
        ({"step": "6s"}, ("out-of-range", "toril.capacity.shop.step")),
        ({"step": "4s", "settle": "1s"}, ("out-of-range", "toril.capacity.shop.step")),
        ({"precision": "0.1%"}, ("out-of-range", "toril.capacity.shop.precision")),
        ({"stepp": "6s"}, ("unknown-key", "toril.capacity.shop.stepp", "step")),
    ],
)
def test_what_could_find_nothing_is_refused(tmp_path, search, refusal):
    refuses(tmp_path, suite(search), *refusal)


def test_a_stage_that_is_long_enough_is_named(tmp_path):
    refuses(tmp_path, suite({"until": ["p99.9>1s"]}), "too-few-samples", "step: 42s", "from: 246")
    refuses(tmp_path, suite({"from": 10}), "too-few-samples", "300", "150", "step: 35s", "from: 20")


@pytest.mark.parametrize(("source", "code"), [("p95>", "missing-threshold"), ("throughput<5/s", "misplaced-subject")])
def test_a_criterion_that_is_none_is_refused(tmp_path, source, code):
    refuses(tmp_path, suite({"until": [source]}), code, "toril.capacity.shop.until[0]", source)


def test_a_key_that_is_missing_is_named(tmp_path):
    document = suite()
    del document["toril"]["capacity"]["shop"]["to"]
    refuses(tmp_path, document, "missing-key", "toril.capacity.shop.to")


def test_executors_with_virtual_users_are_refused(tmp_path):
    refuses(tmp_path, suite(executor="jmeter"), "unsupported-search", "jmeter", "vegeta")


def test_a_run_that_may_not_last_as_long_as_its_search_is_told_so_and_not_that_it_will_be_cut_off(tmp_path):
    document = suite()
    document["toril"]["max-duration"] = "5m"
    plan = planned(tmp_path, document)
    warnings = dict(zip(plan.warning_codes, plan.warnings, strict=True))
    assert f"{plan.duration_s:g} s" in warnings["short-max-duration"]


@pytest.mark.parametrize("key", ["throughput", "hold-for", "ramp-up"])
def test_what_the_search_sets_cannot_be_set_beside_it(tmp_path, key):
    document = suite(**{"throughput": 50, "hold-for": "1m", key: 60})
    refuses(tmp_path, document, "conflicting-keys", "toril.capacity.shop")


@pytest.mark.parametrize(("until", "code"), [("p95>300", "bare-seconds"), ("p95<300ms", "fails-good-runs")])
def test_what_is_probably_a_slip_in_until_is_doubted_as_any_criterion_is(tmp_path, until, code):
    (note,) = read(tmp_path, suite({"until": [until]})).warnings
    assert note.code == code
    assert "toril.capacity.shop.until[0]" in note.message
    assert until in note.message


def test_an_execution_that_is_not_there_is_named_with_the_nearest(tmp_path):
    document = suite(name="shpo", **{"throughput": 5, "hold-for": "1m"})
    refuses(tmp_path, document, "unknown-execution", "toril.capacity.shpo", "shop")


class TestCriteriaOnIt:
    """`capacity of shop<800/s` under `toril.criteria`."""

    @pytest.mark.parametrize("source", ["capacity of shop<800/s", "capacity<800/s", "capacity of shop>=1000/s"])
    def test_of_an_execution_or_of_the_only_one(self, tmp_path, source):
        assert read(tmp_path, suite(criteria=[source])).criteria[0].source == source

    def test_one_that_could_not_be_judged_is_refused(self, tmp_path):
        document = suite(criteria=["capacity of shpo<800/s"])
        refuses(tmp_path, document, "unsearched-capacity", "capacity of shpo<800/s", "shop")

    @pytest.mark.parametrize(
        ("source", "code"),
        [
            ("capacity of shop<800", "wrong-threshold"),
            ("capacity of shop<80%", "no-percentage"),
            ("capacity of shop<800/s for 10s", "unexpected-timeframe"),
            ("capacity of shop<800/s in madrid", "unexpected-location"),
        ],
    )
    def test_one_that_is_no_rate_of_the_whole_run_is_refused(self, tmp_path, source, code):
        refuses(tmp_path, suite(criteria=[source]), code, "toril.criteria[0]", source)

    def test_without_a_search_there_is_none(self, tmp_path):
        document = suite(criteria=["capacity of shop<800/s"], **{"throughput": 5, "hold-for": "1m"})
        del document["toril"]["capacity"]
        refuses(tmp_path, document, "unsearched-capacity", "toril.criteria[0]", "capacity of shop<800/s")

    def test_one_that_rules_out_what_the_search_is_after_is_doubted(self, tmp_path):
        (warning,) = read(tmp_path, suite(passfail=["p95>200ms", "p95>1s", "p50>200ms"])).warnings
        assert warning.code == "breached-by-search"
        assert "p95>200ms" in warning.message

    def test_one_that_fails_a_run_for_much_of_it_is_doubted(self, tmp_path):
        plan = planned(tmp_path, suite(criteria=["capacity of shop>800/s"]))
        assert plan.warning_codes == ("fails-good-runs",)


def test_a_smoke_run_looks_for_nothing(tmp_path):
    found = read(tmp_path, suite(criteria=["capacity of shop<800/s"]))
    plan = make_plan(found, run_id="r", workers=None, smoke=True)
    assert (plan.searched, plan.criteria) == ((), ())
    assert plan.duration_s < 10


def test_a_duet_compares_at_one_rate_and_refuses_a_search(tmp_path):
    document = suite(**{})
    document["scenarios"]["shop"]["default-address"] = "${SHOP_URL}"
    document["scenarios"]["shop"]["requests"] = ["/"]
    path = write(tmp_path, document)
    with refused("unsupported-in-duet", "toril.capacity.shop"):
        plan_duet([path], RunOptions(), 0.0, base="http://127.0.0.1:1", head="http://127.0.0.1:2")
