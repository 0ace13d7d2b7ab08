"""`toril.capacity`: the plan of a search, and the rejection of searches that could find nothing."""

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


def test_a_search_may_take_longer_on_fargate(tmp_path):
    lengths = [planned(tmp_path, suite(), on).duration_s for on in ("local", "fargate")]
    assert lengths[0] < lengths[1]


def test_toril_plan_shows_the_search_and_its_longest_duration(tmp_path):
    output = " ".join(printed(plan_text, planned(tmp_path, suite())).split())
    facts = ("capacity of shop", "100/s", "5,000/s", "p95>300ms or fail>1%", "5 %", "20 s")
    assert not [fact for fact in facts if fact not in output]


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
        (
            {"until": ["p95 of hoem>1s"]},
            ("unknown-label", "toril.capacity.shop.until[0]", "p95 of hoem>1s", "home"),
        ),
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
def test_a_search_that_could_find_nothing_is_rejected(tmp_path, search, refusal):
    refuses(tmp_path, suite(search), *refusal)


def test_too_few_samples_name_a_step_that_is_long_enough(tmp_path):
    refuses(tmp_path, suite({"until": ["p99.9>1s"]}), "too-few-samples", "step: 42s", "from: 246")
    refuses(tmp_path, suite({"from": 10}), "too-few-samples", "300", "150", "step: 35s", "from: 20")


@pytest.mark.parametrize(("source", "code"), [("p95>", "missing-threshold"), ("throughput<5/s", "misplaced-subject")])
def test_an_invalid_criterion_of_until_is_rejected(tmp_path, source, code):
    refuses(tmp_path, suite({"until": [source]}), code, "toril.capacity.shop.until[0]", source)


def test_a_missing_key_is_named(tmp_path):
    document = suite()
    del document["toril"]["capacity"]["shop"]["to"]
    refuses(tmp_path, document, "missing-key", "toril.capacity.shop.to")


def test_a_search_with_virtual_users_is_rejected(tmp_path):
    refuses(tmp_path, suite(executor="jmeter"), "unsupported-search", "jmeter", "vegeta")


def test_a_short_max_duration_warns_that_it_may_end_the_search(tmp_path):
    document = suite()
    document["toril"]["max-duration"] = "5m"
    plan = planned(tmp_path, document)
    warnings = dict(zip(plan.warning_codes, plan.warnings, strict=True))
    assert f"{plan.duration_s:g} s" in warnings["short-max-duration"]


@pytest.mark.parametrize("key", ["throughput", "hold-for", "ramp-up"])
def test_load_keys_beside_a_search_are_rejected(tmp_path, key):
    document = suite(**{"throughput": 50, "hold-for": "1m", key: 60})
    refuses(tmp_path, document, "conflicting-keys", "toril.capacity.shop")


@pytest.mark.parametrize(("until", "code"), [("p95>300", "bare-seconds"), ("p95<300ms", "fails-good-runs")])
def test_a_likely_mistake_in_until_is_noted(tmp_path, until, code):
    (note,) = read(tmp_path, suite({"until": [until]})).warnings
    assert note.code == code
    assert "toril.capacity.shop.until[0]" in note.message
    assert until in note.message


def test_a_search_for_an_unknown_execution_names_the_nearest_one(tmp_path):
    document = suite(name="shpo", **{"throughput": 5, "hold-for": "1m"})
    refuses(tmp_path, document, "unknown-execution", "toril.capacity.shpo", "shop")


class TestCriteriaOnIt:
    """`capacity of shop<800/s` under `toril.criteria`."""

    @pytest.mark.parametrize("source", ["capacity of shop<800/s", "capacity<800/s", "capacity of shop>=1000/s"])
    def test_a_capacity_needs_no_name_if_there_is_one_search(self, tmp_path, source):
        assert read(tmp_path, suite(criteria=[source])).criteria[0].source == source

    def test_a_capacity_of_an_unknown_execution_is_rejected(self, tmp_path):
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
    def test_a_capacity_has_no_timeframe_location_or_percentage(self, tmp_path, source, code):
        refuses(tmp_path, suite(criteria=[source]), code, "toril.criteria[0]", source)

    def test_a_capacity_without_a_search_is_rejected(self, tmp_path):
        document = suite(criteria=["capacity of shop<800/s"], **{"throughput": 5, "hold-for": "1m"})
        del document["toril"]["capacity"]
        refuses(tmp_path, document, "unsearched-capacity", "toril.criteria[0]", "capacity of shop<800/s")

    def test_a_criterion_that_the_search_will_breach_is_noted(self, tmp_path):
        (warning,) = read(tmp_path, suite(passfail=["p95>200ms", "p95>1s", "p50>200ms"])).warnings
        assert warning.code == "breached-by-search"
        assert "p95>200ms" in warning.message

    def test_a_criterion_that_fails_high_capacities_is_noted(self, tmp_path):
        plan = planned(tmp_path, suite(criteria=["capacity of shop>800/s"]))
        assert plan.warning_codes == ("fails-good-runs",)


def test_a_smoke_run_does_not_search(tmp_path):
    found = read(tmp_path, suite(criteria=["capacity of shop<800/s"]))
    plan = make_plan(found, run_id="r", workers=None, smoke=True)
    assert (plan.searched, plan.criteria) == ((), ())
    assert plan.duration_s < 10


def test_a_duet_rejects_a_search(tmp_path):
    document = suite(**{})
    document["scenarios"]["shop"]["default-address"] = "${SHOP_URL}"
    document["scenarios"]["shop"]["requests"] = ["/"]
    path = write(tmp_path, document)
    with refused("unsupported-in-duet", "toril.capacity.shop"):
        plan_duet([path], RunOptions(), 0.0, base="http://127.0.0.1:1", head="http://127.0.0.1:2")
